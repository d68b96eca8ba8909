/* cmd_metrics.c: postroad metrics: the counters of all roles, read from their files: no role has to answer.
 */
#include "cli/cli.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { METRICS_BYTES = 1 << 20 };

/* `name{role="smtpd"} 12`: false for the lines that hold no value. */
static bool parse_sample(view line, view *ret_name, view *ret_role, int64_t *ret_value) {
    ptrdiff_t open = view_search(line, VIEW("{role=\"")), close = view_search(line, VIEW("\"} "));
    if (open < 0 || close < open || view_starts_with(line, VIEW("#")))
        return false;
    size_t role = (size_t)open + VIEW("{role=\"").len;
    *ret_name = view_slice(line, 0, (size_t)open);
    *ret_role = view_slice(line, role, (size_t)close - role);
    return view_to_i64(view_skip(line, (size_t)close + VIEW("\"} ").len), ret_value);
}

static bool show_json(struct cli *c, view text, struct err *e) {
    static const struct column columns[] = {{"name", "NAME"}, {"role", "ROLE"}, {"value", "VALUE"}};
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    for (view line, name, role; view_split(&text, '\n', &line);) {
        int64_t value;
        if (!parse_sample(line, &name, &role, &value))
            continue;
        table_text(&t, name);
        table_text(&t, role);
        table_int(&t, value);
    }
    return table_close(&t, e);
}

bool cmd_metrics(struct cli *c, struct err *e) {
    if (!cli_config(c, e))
        return false;
    FREE_AUTO char *folder = config_path(c->config, "data/run/metrics");
    if (!file_exists(folder))
        return err_set(e, ERR_NOT_FOUND, "no role of %.120s has run yet, so nothing was counted",
                       c->config->dir);
    struct buf text = BUF_INIT(METRICS_BYTES);
    bool ok = metrics_format(folder, &text, e);
    if (ok && c->json)
        ok = show_json(c, buf_view(&text), e);
    else if (ok)
        cli_write(c, buf_view(&text));
    buf_done(&text);
    return ok;
}
