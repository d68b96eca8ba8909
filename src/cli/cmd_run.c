/* cmd_run.c: postroad run: this process becomes the supervisor of the instance. */
#include "cli/cli.h"

#include "base/log.h"
#include "roles/supervisor/supervisor.h"

bool cmd_run(struct cli *c, struct err *e) {
    enum log_level level = LOG_INFO;
    if (!cli_config(c, e))
        return false;
    if (!log_level_parse(view_of(c->config->log_level), &level))
        return err_set(e, ERR_CONFIG, "log_level = %.60s: debug, info, warn or error is wanted",
                       c->config->log_level);
    log_init("supervisor", level);
    return supervisor_run(c->config, c->args.words, c->args.count, &c->status, e);
}
