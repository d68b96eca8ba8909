/* cmd_clock.c: postroad clock: the time of the instance; test builds can move it forward for all roles. */
#include "cli/cli.h"

#include "base/clock.h"

bool cmd_clock(struct cli *c, struct err *e) {
    int64_t ms = 0;
    if (!cli_config(c, e))
        return false;
    if (c->args.count > 0 && !duration_parse(view_of(c->args.words[0]), &ms))
        return err_set(e, ERR_USAGE, "%.60s is not a duration such as +3d or +1h30m", c->args.words[0]);
    if (c->args.count > 0 && !clock_advance(ms, e))
        return false;
    struct cli_time now = cli_time(clock_now_ms());
    cli_done(c, json_pack("{ss}", "now", now.s), "%s", now.s);
    return true;
}
