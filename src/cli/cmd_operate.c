/* cmd_operate.c: postroad queue hold|release|retry|delete|freeze|thaw: what people do to the queue. The
 * messages are named, or chosen by the filters of `queue show`; each is settled by itself, in short
 * transactions, so that a command that was interrupted can be given again. */
#include "cli/message.h"
#include "cli/queue_rows.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "net/hint.h"
#include "routing/notice.h"
#include "store/accept.h"
#include "store/event.h"

enum { DROP_ROWS = 100, PASSES_WITHOUT_PROGRESS = 5 };

struct operation {
    struct cli *cli;
    struct queue_filter filter;
    int64_t *ids;
    size_t count, room;
    view who;            /* "by ada" */
    int64_t messages;    /* changed */
    int64_t recipients;  /* changed */
    bool named, bounces; /* ids were given; --bounce */
};

static const char *user_name(void) {
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    struct passwd *own = getpwuid(getuid());
    return sudo && *sudo ? sudo : own ? own->pw_name : "nobody";
}

/* "by ada", or "by ada: reason". */
static view who(struct cli *c, const char *reason) {
    return arena_printf(&c->arena, "by %.60s%s%.*s", user_name(), reason ? ": " : "", LIMIT_EVENT_TEXT - 80,
                        reason ? reason : "");
}

static void add_id(struct operation *o, int64_t id) {
    if (o->count == o->room) {
        o->room = o->room ? 2 * o->room : 64;
        o->ids = mem_resize(o->ids, o->room, sizeof *o->ids);
    }
    o->ids[o->count++] = id;
}

static bool add_row(void *context, const struct queue_row *row, struct err *e) {
    (void)e;
    add_id(context, row->id);
    return true;
}

static bool choose_named(struct operation *o, struct err *e) {
    const struct args *a = &o->cli->args;
    o->named = true;
    for (size_t i = 0; i < a->count; i++) {
        struct message_info m;
        int64_t id;
        if (!queue_id(a->words[i], &id, e) || !message_info(o->cli, id, &m, e))
            return false;
        add_id(o, id);
    }
    return true;
}

/* The messages the command is about. Everything is meant only when that is said. */
static bool choose(struct operation *o, const char *verb, struct err *e) {
    struct cli *c = o->cli;
    bool all = args_has(&c->args, "--all");
    o->who = who(c, NULL);
    if (!queue_filter_read(c, &o->filter, e))
        return false;
    if (c->args.count > 0) {
        if (all || o->filter.held || o->filter.before_ms || o->filter.sender.len > 0)
            return err_set(e, ERR_USAGE, "queue %s: either queue ids or a choice of messages, not both",
                           verb);
        return choose_named(o, e);
    }
    if (!o->filter.any_given && !all)
        return err_set(
            e, ERR_USAGE,
            "queue %s: name queue ids, or choose by --site, --class, --list, --sender, --held, --older; "
            "--all means every message",
            verb);
    return queue_each(c, &o->filter, add_row, o, e);
}

static void done(struct operation *o, const char *role) {
    if (role && o->messages > 0)
        hint_send(o->cli->config->dir, role);
    free(o->ids);
}

/* An operation on every message whose first result says whether it changed something. */
static bool each(struct operation *o, enum op op, view text, struct err *e) {
    struct store_request r;
    bool ok = true;
    store_request_init(&r, op);
    for (size_t i = 0; ok && i < o->count; i++) {
        buf_reset(&r.args);
        vals_int(&r.args, o->ids[i]);
        vals_view(&r.args, text);
        ok = cli_call(o->cli, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        o->messages += ok && vals_get_int(&v) != 0;
    }
    store_request_done(&r);
    return ok;
}

static const char *plural(int64_t n) {
    return n == 1 ? "" : "s";
}

static bool report(struct operation *o, const char *what, const char *not_so, struct err *e) {
    if (o->named && o->messages == 0)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", id_format(o->ids[0]).s, not_so);
    cli_done(o->cli, json_pack("{sI}", "messages", (json_int_t)o->messages), "%s %lld message%s", what,
             (long long)o->messages, plural(o->messages));
    return true;
}

bool cmd_queue_hold(struct cli *c, struct err *e) {
    struct operation o = {.cli = c};
    bool ok = choose(&o, "hold", e) && each(&o, OP_QUEUE_HOLD, who(c, args_get(&c->args, "--reason")), e) &&
              report(&o, "held", "nothing is left of it to hold", e);
    done(&o, NULL);
    return ok;
}

bool cmd_queue_release(struct cli *c, struct err *e) {
    struct operation o = {.cli = c};
    bool ok = choose(&o, "release", e) && each(&o, OP_QUEUE_RELEASE, o.who, e) &&
              report(&o, "released", "it is not held", e);
    done(&o, "router");
    if (c->config)
        hint_send(c->config->dir, "deliver");
    return ok;
}

static bool retry_one(struct operation *o, int64_t id, struct err *e) {
    struct store_request r;
    bool ok = true, last = false, left = false;
    store_request_init(&r, OP_QUEUE_RETRY);
    while (ok && !last) {
        buf_reset(&r.args);
        vals_int(&r.args, id);
        vals_view(&r.args, o->who);
        queue_filter_args(&o->filter, &r.args);
        ok = cli_call(o->cli, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        vals_get_int(&v);
        last = vals_get_int(&v) != 0;
        left = vals_get_int(&v) != 0;
    }
    store_request_done(&r);
    o->messages += ok && left;
    return ok;
}

bool cmd_queue_retry(struct cli *c, struct err *e) {
    struct operation o = {.cli = c};
    bool ok = choose(&o, "retry", e);
    for (size_t i = 0; ok && i < o.count; i++)
        ok = retry_one(&o, o.ids[i], e);
    ok = ok && report(&o, "to be tried now:", "nothing of it is left to deliver", e);
    done(&o, "deliver");
    return ok;
}

/* ---- delete ---- */

struct dropping {
    struct operation *o;
    const struct message_info *message;
    struct buf rows; /* arguments of QUEUE_DROP */
    size_t count;
    struct dsn_recipient *failed;
    size_t failed_count, failed_room;
};

static void add_failed(struct dropping *d, view address, view orcpt, int64_t notify, int64_t list) {
    if (!d->o->bounces || !notice_wanted(d->message->sender, list) || !notice_wants(notify, DSN_FAILED))
        return;
    if (d->failed_count == d->failed_room) {
        d->failed_room += DROP_ROWS;
        d->failed = mem_resize(d->failed, d->failed_room, sizeof *d->failed);
    }
    struct arena *a = &d->o->cli->arena;
    d->failed[d->failed_count++] =
        (struct dsn_recipient){.address = arena_view(a, address),
                               .original = arena_view(a, orcpt),
                               .action = DSN_FAILED,
                               .status = VIEW("5.3.0"),
                               .diagnostic = VIEW("deleted from the queue by the postmaster")};
}

/* The count of notifications, and the one about the recipients collected. */
static bool add_notice(struct dropping *d, struct buf *args, struct err *e) {
    const struct message_info *m = d->message;
    vals_int(args, d->failed_count > 0);
    if (d->failed_count == 0)
        return true;
    return notice_args(
        &(struct notice){.hostname = cli_hostname(d->o->cli),
                         .message = m->id,
                         .sender = m->sender,
                         .fields = m->fields,
                         .body = m->first,
                         .envid = m->envid,
                         .requiretls = (m->flags & MESSAGE_REQUIRETLS) != 0,
                         .whole = message_wants_whole(m->flags) && (int64_t)m->first.len == m->size,
                         .recipients = d->failed,
                         .recipient_count = d->failed_count},
        clock_now_ms(), args, e);
}

static int64_t kind_of(const struct operation *o) {
    return o->bounces ? EVENT_BOUNCED : EVENT_DELETED;
}

/* What is not routed yet, and lists that are being expanded. */
static bool stop(struct dropping *d, struct err *e) {
    struct operation *o = d->o;
    struct store_request r;
    bool ok = true;
    d->failed_count = 0;
    store_request_init(&r, OP_TRACE_ACCEPTED);
    if (o->bounces && o->filter.list.len == 0) {
        vals_int(&r.args, d->message->id);
        ok = cli_call(o->cli, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        while (ok && vals_more(&v)) {
            view address = vals_get_view(&v);
            int64_t notify = vals_get_int(&v);
            add_failed(d, address, vals_get_view(&v), notify, 0);
        }
    }
    store_request_done(&r);
    store_request_init(&r, OP_QUEUE_STOP);
    vals_int(&r.args, d->message->id);
    vals_int(&r.args, kind_of(o));
    vals_view(&r.args, o->who);
    vals_view(&r.args, o->filter.list);
    ok = ok && add_notice(d, &r.args, e) && cli_call(o->cli, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    o->recipients += ok ? vals_get_int(&v) : 0;
    store_request_done(&r);
    return ok;
}

static bool drop_row(void *context, const struct pending *p, struct err *e) {
    struct dropping *d = context;
    (void)e;
    const int64_t key[] = {p->dest, p->due, p->list_id, p->rcpt};
    for (size_t i = 0; i < COUNT_OF(key); i++)
        vals_int(&d->rows, key[i]);
    d->count++;
    add_failed(d, p->address, p->orcpt, p->flags, p->list_id);
    return true;
}

/* One slice. *ret_dropped: how many rows; CONFLICT when some had their result meanwhile. */
static bool drop_slice(struct dropping *d, int64_t *ret_dropped, struct err *e) {
    struct operation *o = d->o;
    struct store_request r;
    buf_reset(&d->rows);
    d->count = d->failed_count = 0;
    *ret_dropped = 0;
    if (!queue_pending_each(o->cli, d->message->id, &o->filter, DROP_ROWS, drop_row, d, e))
        return false;
    if (d->count == 0)
        return true;
    store_request_init(&r, OP_QUEUE_DROP);
    vals_int(&r.args, d->message->id);
    vals_int(&r.args, kind_of(o));
    vals_view(&r.args, o->who);
    vals_int(&r.args, (int64_t)d->count);
    buf_add(&r.args, buf_view(&d->rows));
    bool ok = add_notice(d, &r.args, e) && cli_call(o->cli, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_dropped = ok ? vals_get_int(&v) : 0;
    store_request_done(&r);
    return ok;
}

static bool delete_one(struct operation *o, int64_t id, struct err *e) {
    struct message_info m;
    struct dropping d = {.o = o, .message = &m, .rows = BUF_INIT(LIMIT_STORE_PACKET / 4)};
    int64_t before = o->recipients, dropped;
    int idle = 0;
    if (!message_info_first(o->cli, id, &m, e))
        return false;
    /* Rows of one site or class: what will be routed or expanded is not meant. */
    bool ok = o->filter.site.len > 0 || o->filter.class >= 0 || stop(&d, e);
    for (d.count = 1; ok && d.count > 0;) {
        struct err why = {.code = ERR_OK};
        ok = drop_slice(&d, &dropped, &why);
        o->recipients += dropped;
        idle = dropped > 0 ? 0 : idle + 1;
        if (!ok && why.code == ERR_CONFLICT && idle < PASSES_WITHOUT_PROGRESS)
            ok = true;
        else if (!ok)
            *e = why;
        else if (idle == PASSES_WITHOUT_PROGRESS && d.count > 0)
            ok = err_set(e, ERR_CONFLICT, "%s is being delivered: hold it first, then delete it",
                         id_format(id).s);
    }
    o->messages += o->recipients > before;
    buf_done(&d.rows);
    free(d.failed);
    return ok;
}

/* Nothing brings back what is deleted. */
static bool confirm(struct operation *o, struct err *e) {
    char answer[16] = "";
    if (args_has(&o->cli->args, "--yes") || o->count == 0)
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return err_set(e, ERR_USAGE,
                       "queue delete: %zu message%s would lose their recipients for good; --yes says so",
                       o->count, plural((int64_t)o->count));
    fprintf(stderr, "Delete what is left to deliver of %zu message%s; senders get %s notice [y/N]? ",
            o->count, plural((int64_t)o->count), o->bounces ? "a" : "no");
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    return err_set(e, ERR_USAGE, "nothing was deleted");
}

bool cmd_queue_delete(struct cli *c, struct err *e) {
    struct operation o = {.cli = c, .bounces = args_has(&c->args, "--bounce")};
    bool ok = choose(&o, "delete", e) && confirm(&o, e);
    for (size_t i = 0; ok && i < o.count; i++)
        ok = delete_one(&o, o.ids[i], e);
    if (ok && o.named && o.messages == 0)
        ok = err_set(e, ERR_NOT_FOUND, "%s: nothing is left of it to delete", id_format(o.ids[0]).s);
    else if (ok)
        cli_done(
            c,
            json_pack("{sIsI}", "messages", (json_int_t)o.messages, "recipients", (json_int_t)o.recipients),
            "deleted %lld recipient%s of %lld message%s", (long long)o.recipients, plural(o.recipients),
            (long long)o.messages, plural(o.messages));
    done(&o, "router");
    return ok;
}

/* ---- freeze ---- */

static bool freeze(struct cli *c, bool frozen, struct err *e) {
    const char *given = args_get(&c->args, "--site");
    view site = VIEW("");
    struct store_request r;
    if (given && !cli_domain(c, given, &site, e))
        return false;
    store_request_init(&r, OP_QUEUE_FREEZE);
    vals_view(&r.args, site);
    vals_int(&r.args, frozen);
    vals_view(&r.args, who(c, frozen ? args_get(&c->args, "--reason") : NULL));
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    bool changed = ok && vals_get_int(&v) != 0;
    store_request_done(&r);
    if (!ok)
        return false;
    hint_send(c->config->dir, "deliver");
    view what = site.len > 0 ? site : VIEW("all sending");
    cli_done(c, json_pack("{sbsbso}", "frozen", frozen, "changed", changed, "site", cli_json_text(site)),
             "%.*s %s%s", VIEW_ARG(what), changed ? "is " : "was ",
             frozen    ? "frozen: mail is taken in and waits"
             : changed ? "thawed"
                       : "not frozen");
    return true;
}

bool cmd_queue_freeze(struct cli *c, struct err *e) {
    return freeze(c, true, e);
}

bool cmd_queue_thaw(struct cli *c, struct err *e) {
    return freeze(c, false, e);
}
