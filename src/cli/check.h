/* check.h: what `postroad check` finds: one line each, with the way out where something is wrong. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/cli.h"

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct check {
    struct cli *cli;
    struct table table;
    size_t warnings, failures;
};

/* One line, shown at once. */
void check_note(struct check *k, enum finding f, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Domains that mail is taken for, the first 200, in the command's arena. */
bool check_domains(struct check *k, view **ret_domains, size_t *ret_count);

/* check_net.c: what other machines see. */
void check_certificate(struct check *k);
void check_ports(struct check *k);
void check_relay(struct check *k);
void check_dns(struct check *k);
void check_dnssec(struct check *k);

#endif
