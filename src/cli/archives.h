/* archives.h: what the commands over many archive folders share: archive verify and archive rebuild. */
#ifndef CLI_ARCHIVES_H
#define CLI_ARCHIVES_H

#include "archive/verify.h"
#include "cli/cli.h"

/* Calls `visit` for the folders of the list that is the command's first word, or of every list when there is
 * none. NOT_FOUND when a list that was named has none. */
bool archives_visit(struct cli *c, archive_list_visit visit, void *ctx, struct err *e);

/* Faults, shown as they come: rows of a table, or with --json collected for one object. */
struct fault_list {
    struct cli *cli;
    struct table table;
    json_t *array; /* --json */
    int64_t count;
};

void faults_open(struct fault_list *f, struct cli *c);
void faults_add(struct fault_list *f, view list, const struct archive_fault *fault);
/* Print what is left. The object gets the members "faults" (the first 10,000) and "faults_total"; takes no
 * reference. False when standard output has failed. */
bool faults_close(struct fault_list *f, json_t *object, struct err *e);

#endif
