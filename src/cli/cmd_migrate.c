/* cmd_migrate.c: postroad migrate: brings the store to the schema of this release. */
#include "cli/cli.h"

#include "store/schema.h"

bool cmd_migrate(struct cli *c, struct err *e) {
    if (!cli_config(c, e))
        return false;
    if (!store_prepare(c->config, e))
        return e->code == ERR_STORE_BUSY ? err_prefix(e, "stop postroad run first") : false;
    cli_done(c, json_pack("{si}", "schema", SCHEMA_VERSION), "the store has schema %d, as this release needs",
             SCHEMA_VERSION);
    return true;
}
