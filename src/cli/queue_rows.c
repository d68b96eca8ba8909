/* queue_rows.c: see queue_rows.h. */
#include "cli/queue_rows.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "store/class.h"

enum { PAGE_MESSAGES = 100, PAGE_ROWS = 300 };

static bool read_class(struct cli *c, struct queue_filter *f, struct err *e) {
    const char *name = args_get(&c->args, "--class");
    enum mail_class class;
    struct buf names = BUF_INIT(100);
    if (!name)
        return true;
    if (class_parse(view_of(name), &class)) {
        f->class = class;
        return true;
    }
    for (int i = 0; i < CLASS_COUNT; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", class_name((enum mail_class)i));
    err_set(e, ERR_USAGE, "--class %.40s: there is %s", name, names.data);
    buf_done(&names);
    return false;
}

static bool read_older(struct cli *c, struct queue_filter *f, struct err *e) {
    const char *older = args_get(&c->args, "--older");
    int64_t age = 0;
    if (!older)
        return true;
    if (!duration_parse(view_of(older), &age) || age <= 0)
        return err_set(e, ERR_USAGE, "--older %.60s: seconds, or a duration such as 1h, is wanted", older);
    f->before_ms = clock_now_ms() - age;
    return true;
}

static bool any_given(const struct args *a) {
    static const char *const names[] = {"--site", "--class", "--list", "--sender", "--held", "--older"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (args_has(a, names[i]))
            return true;
    return false;
}

bool queue_filter_read(struct cli *c, struct queue_filter *ret, struct err *e) {
    const struct args *a = &c->args;
    const char *site = args_get(a, "--site"), *list = args_get(a, "--list"),
               *sender = args_get(a, "--sender");
    *ret = (struct queue_filter){.class = -1, .held = args_has(a, "--held"), .any_given = any_given(a)};
    if (sender) /* <> is the sender of notifications: no address that could be normalised */
        ret->sender = view_of(sender);
    return cli_config(c, e) && read_class(c, ret, e) && read_older(c, ret, e) &&
           (!site || cli_domain(c, site, &ret->site, e)) && (!list || cli_address(c, list, &ret->list, e));
}

void queue_filter_args(const struct queue_filter *f, struct buf *args) {
    vals_view(args, f->site);
    vals_int(args, f->class);
    vals_view(args, f->list);
}

/* One page; *cursor is 0 behind the last one. */
static bool read_page(struct cli *c, const struct queue_filter *f, struct store_request *r, int64_t *cursor,
                      queue_row_function row, void *context, struct err *e) {
    buf_reset(&r->args);
    vals_int(&r->args, *cursor);
    vals_int(&r->args, PAGE_MESSAGES);
    vals_view(&r->args, f->sender);
    queue_filter_args(f, &r->args);
    vals_int(&r->args, f->held);
    vals_int(&r->args, f->before_ms);
    if (!cli_call(c, r, e))
        return false;
    struct vals v = vals_of(buf_view(&r->out));
    *cursor = vals_get_int(&v);
    while (vals_more(&v)) {
        struct queue_row one = {.id = vals_get_int(&v)};
        one.sender = vals_get_view(&v);
        one.msgid = vals_get_view(&v);
        one.size = vals_get_int(&v);
        one.state = vals_get_view(&v);
        one.reason = vals_get_view(&v);
        one.left = vals_get_int(&v);
        if (view_eq(one.state, VIEW("done")))
            continue; /* only its body waits for the reaper */
        if (!row(context, &one, e))
            return false;
    }
    return true;
}

bool queue_each(struct cli *c, const struct queue_filter *f, queue_row_function row, void *context,
                struct err *e) {
    struct store_request r;
    int64_t cursor = 0;
    bool ok = true;
    store_request_init(&r, OP_QUEUE_LS);
    do
        ok = read_page(c, f, &r, &cursor, row, context, e);
    while (ok && cursor != 0);
    store_request_done(&r);
    return ok;
}

bool queue_id(const char *word, int64_t *ret_id, struct err *e) {
    return id_parse(view_of(word), ret_id) ||
           err_set(e, ERR_USAGE, "%.60s is not a queue id (%d letters and digits; queue show lists them)",
                   word, ID_TEXT_LEN);
}

static struct pending read_pending(struct vals *v) {
    struct pending p = {.dest = vals_get_int(v)};
    p.due = vals_get_int(v);
    p.list_id = vals_get_int(v);
    p.rcpt = vals_get_int(v);
    p.address = vals_get_view(v);
    p.list = vals_get_view(v);
    p.tries = vals_get_int(v);
    p.flags = vals_get_int(v);
    p.next_ms = vals_get_int(v);
    p.error = vals_get_view(v);
    p.frozen = vals_get_int(v) != 0;
    p.active = vals_get_int(v) != 0;
    p.orcpt = vals_get_view(v);
    return p;
}

bool queue_pending_each(struct cli *c, int64_t message, const struct queue_filter *f, size_t most,
                        pending_function row, void *context, struct err *e) {
    static const struct queue_filter all = {.class = -1};
    struct store_request r;
    struct pending p = {0};
    size_t seen = 0, page = most > 0 && most < PAGE_ROWS ? most : PAGE_ROWS, rows = page;
    bool ok = true;
    store_request_init(&r, OP_TRACE_PENDING);
    while (ok && rows == page && (most == 0 || seen < most)) {
        buf_reset(&r.args);
        vals_int(&r.args, message);
        queue_filter_args(f ? f : &all, &r.args);
        vals_int(&r.args, p.dest);
        vals_int(&r.args, p.due);
        vals_int(&r.args, p.list_id);
        vals_int(&r.args, p.rcpt);
        vals_int(&r.args, (int64_t)page);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        for (rows = 0; ok && vals_more(&v); rows++, seen++) {
            p = read_pending(&v);
            ok = row(context, &p, e);
        }
    }
    store_request_done(&r);
    return ok;
}

bool queue_is_frozen(struct cli *c, bool *ret_all, int64_t *ret_since_ms, view *ret_who, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_QUEUE_FROZEN);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_all = ok && vals_more(&v) && vals_get_view(&v).len == 0;
    *ret_who = *ret_all ? arena_view(&c->arena, vals_get_view(&v)) : VIEW("");
    int64_t event = *ret_all ? vals_get_int(&v) : 0;
    *ret_since_ms = event ? id_time_ms(event) : 0;
    store_request_done(&r);
    return ok;
}

bool queue_show_frozen(struct cli *c, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_QUEUE_FROZEN);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        view site = vals_get_view(&v), who = vals_get_view(&v);
        int64_t event = vals_get_int(&v);
        struct cli_time since = cli_time(id_time_ms(event));
        view line =
            arena_printf(&c->arena, "%s%.*s%s%s%s%.*s: nothing is sent%s until postroad queue thaw%s%.*s\n",
                         site.len ? "FROZEN: " : "SENDING IS FROZEN", VIEW_ARG(site), event ? " since " : "",
                         event ? since.s : "", who.len ? " " : "", VIEW_ARG(who), site.len ? " there" : "",
                         site.len ? " --site " : "", VIEW_ARG(site));
        if (c->json)
            fprintf(stderr, "postroad: %.*s", VIEW_ARG(line));
        else
            cli_write(c, line);
    }
    store_request_done(&r);
    return ok;
}
