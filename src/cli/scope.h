/* scope.h: whom a setting, a ban or a header match is for. */
#ifndef CLI_SCOPE_H
#define CLI_SCOPE_H

#include "cli/cli.h"

/* "LIST", "@DOMAIN" or "all", as the store names scopes. */
bool cli_scope(struct cli *c, const char *word, view *ret_scope, struct err *e);

#endif
