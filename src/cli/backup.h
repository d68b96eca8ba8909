/* backup.h: what backup and restore share. */
#ifndef CLI_BACKUP_H
#define CLI_BACKUP_H

#include "cli/cli.h"

/* Compare a backup's files with its SHA256SUMS; each fault is shown as a row (not with --json). *ret_found:
 * the object that `backup verify` prints, the caller's. False when it is no backup. */
bool backup_verify(struct cli *c, const char *dir, int64_t *ret_faults, json_t **ret_found, struct err *e);

#endif
