/* cmd_run.c: postroad run: this process becomes the supervisor of the instance. */
#include "cli/cli.h"

#include "base/log.h"
#include "roles/supervisor/supervisor.h"
#include "store/durability.h"

/* A store that cannot keep what 250 promises is not run on; one that is only away is waited for by the roles.
 */
static bool may_promise(const struct config *c, struct err *e) {
    struct buf text = BUF_INIT(1024);
    enum durability_kept kept = DURABILITY_KEPT;
    bool ok = store_durability(c, &kept, &text, e);
    if (ok && kept == DURABILITY_WEAK)
        log_line(LOG_WARN, "durability", LOG_S("promise", text.data));
    buf_done(&text);
    return ok || e->code != ERR_CONFIG;
}

bool cmd_run(struct cli *c, struct err *e) {
    enum log_level level = LOG_INFO;
    if (!cli_config(c, e))
        return false;
    if (!log_level_parse(view_of(c->config->log_level), &level))
        return err_set(e, ERR_CONFIG, "log_level = %.60s: debug, info, warn or error is wanted",
                       c->config->log_level);
    log_init("supervisor", level);
    return may_promise(c->config, e) &&
           supervisor_run(c->config, c->args.words, c->args.count, &c->status, e);
}
