/* cmd_trace.c: postroad trace: what happened to a message, one row per event and recipient, and what is still
 * to do; by Message-ID, by queue id, or for an address. */
#include "cli/message.h"

#include <stdio.h>

#include "base/id.h"
#include "mail/address.h"

enum { PAGE_ROWS = 40, NEWEST = 20 };

static const struct column columns[] = {
    {"queue", NULL},  {"time", "TIME"}, {"event", "EVENT"},   {"recipient", "RECIPIENT"},
    {"list", "LIST"}, {"host", "HOST"}, {"detail", "DETAIL"},
};

struct trace {
    struct cli *cli;
    int64_t ids[NEWEST]; /* newest first */
    size_t count;
    view only; /* rows of this recipient, and of the message as a whole; empty: all */
};

static bool find(struct trace *t, view key, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_TRACE_FIND);
    vals_view(&r.args, key);
    vals_int(&r.args, 0);
    vals_int(&r.args, NEWEST);
    bool ok = cli_call(t->cli, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && t->count < NEWEST && vals_more(&v))
        t->ids[t->count++] = vals_get_int(&v);
    store_request_done(&r);
    return ok;
}

static bool find_queue_id(struct trace *t, view text, struct err *e) {
    int64_t id;
    struct message_info m;
    struct err why = {.code = ERR_OK};
    if (!id_parse(text, &id))
        return true;
    if (message_info(t->cli, id, &m, &why))
        t->ids[t->count++] = id;
    else if (why.code != ERR_NOT_FOUND)
        return err_set(e, why.code, "%s", why.text);
    return true;
}

/* TRACE_FIND takes both; which one it was says the newest message: then only the rows of that recipient
 * count. */
static bool find_key(struct trace *t, view key, struct err *e) {
    struct message_info m;
    if (!find(t, key, e))
        return false;
    if (t->count == 0)
        return true;
    if (!message_info(t->cli, t->ids[0], &m, e))
        return false;
    if (!view_eq(m.msgid, key))
        t->only = key;
    return true;
}

/* As the queue keeps a stranger's address: the local part as it was written, the domain normalised. */
static bool keep_local_part(view text, struct arena *a, view *ret_address) {
    struct address parts;
    view domain;
    if (!address_parse(text, PATH_ALLOW_UTF8, &parts, NULL) ||
        !domain_normalise(parts.domain, a, &domain, NULL))
        return false;
    *ret_address = arena_printf(a, "%.*s@%.*s", VIEW_ARG(parts.local), VIEW_ARG(domain));
    return true;
}

/* A Message-ID with or without its brackets, since people copy both; or an address as it was typed. */
static bool find_messages(struct trace *t, view text, struct err *e) {
    view bare = text, address;
    if (view_starts_with(text, VIEW("<")) && view_ends_with(text, VIEW(">")))
        bare = view_slice(text, 1, text.len - 2);
    if (!find_queue_id(t, text, e) || (t->count == 0 && !find_key(t, bare, e)))
        return false;
    if (t->count == 0 && keep_local_part(bare, &t->cli->arena, &address) && !find_key(t, address, e))
        return false;
    if (t->count == 0 && address_normalise_text(bare, &t->cli->arena, &address, NULL) &&
        !find_key(t, address, e))
        return false;
    return t->count > 0 ||
           err_set(e, ERR_NOT_FOUND,
                   "nothing known of %.150s: give a Message-ID, a queue id or a recipient's address",
                   t->cli->args.words[0]);
}

struct row {
    int64_t time_ms;
    view event, recipient, list, host, detail;
};

static void add_row(const struct trace *t, struct table *table, int64_t message, struct row row) {
    if (t->only.len > 0 && row.recipient.len > 0 && !view_eq_nocase(row.recipient, t->only))
        return;
    table_text(table, view_of(id_format(message).s));
    table_time(table, row.time_ms);
    table_text(table, row.event);
    table_text(table, row.recipient);
    table_text(table, row.list);
    table_text(table, row.host);
    table_text(table, row.detail);
}

/* An operation that pages by a number: it is called with the last one seen until a page is not full. */
static bool page(const struct trace *t, enum op op, int64_t message, struct table *table,
                 int64_t (*row)(const struct trace *t, int64_t message, struct vals *v, struct table *table),
                 struct err *e) {
    struct store_request r;
    store_request_init(&r, op);
    int64_t cursor = 0;
    bool ok = true, more = true;
    while (ok && more) {
        buf_reset(&r.args);
        vals_int(&r.args, message);
        vals_int(&r.args, cursor);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(t->cli, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++)
            cursor = row(t, message, &v, table);
        more = rows == PAGE_ROWS && cli_flush(t->cli, NULL);
    }
    store_request_done(&r);
    return ok;
}

static int64_t event_row(const struct trace *t, int64_t message, struct vals *v, struct table *table) {
    int64_t id = vals_get_int(v);
    struct row row = {.time_ms = id_time_ms(id)};
    view *const texts[] = {&row.event, &row.recipient, &row.list, &row.host, &row.detail};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = vals_get_view(v);
    add_row(t, table, message, row);
    return id;
}

/* The time of what is still to do is when it is tried next. */
static int64_t pending_row(const struct trace *t, int64_t message, struct vals *v, struct table *table) {
    struct row row = {.event = VIEW("pending"), .host = VIEW("")};
    char detail[LIMIT_SMTP_REPLY];
    int64_t recipient = vals_get_int(v);
    row.recipient = vals_get_view(v);
    row.list = vals_get_view(v);
    int64_t tries = vals_get_int(v);
    row.time_ms = vals_get_int(v);
    view error = vals_get_view(v);
    snprintf(detail, sizeof detail, "%lld tries%s%.*s", (long long)tries, error.len > 0 ? "; " : "",
             VIEW_ARG(error));
    row.detail = view_of(detail);
    add_row(t, table, message, row);
    return recipient;
}

/* What the message as a whole waits for, when that is not its deliveries. */
static bool state_row(const struct trace *t, const struct message_info *m, struct table *table,
                      struct err *e) {
    view state, reason;
    if (!message_state(t->cli, m->id, &state, &reason, e))
        return false;
    if (view_eq(state, VIEW("done")) || view_eq(state, VIEW("delivering")))
        return true;
    view detail = arena_printf(&t->cli->arena, "%.*s%s%.*s", VIEW_ARG(state), reason.len > 0 ? ": " : "",
                               VIEW_ARG(reason));
    add_row(t, table, m->id,
            (struct row){.time_ms = id_time_ms(m->id), .event = VIEW("pending"), .detail = detail});
    return true;
}

/* Of a recipient its own rows; of whoever sent the message all of them. */
static bool show_message(const struct trace *all, int64_t id, struct table *table, struct err *e) {
    struct message_info m;
    struct trace t = *all;
    if (!message_info(t.cli, id, &m, e))
        return false;
    if (view_eq(m.sender, t.only))
        t.only = VIEW("");
    return page(&t, OP_TRACE, id, table, event_row, e) &&
           page(&t, OP_TRACE_PENDING, id, table, pending_row, e) && state_row(&t, &m, table, e);
}

static bool show_heading(const struct trace *t, int64_t id, bool first, struct err *e) {
    struct message_info m;
    if (!message_info(t->cli, id, &m, e))
        return false;
    cli_print(t->cli, "%s%s  %.*s  from <%.*s>, %lld bytes%s\n", first ? "" : "\n", id_format(id).s,
              VIEW_ARG(m.msgid), VIEW_ARG(m.sender), (long long)m.size, m.gone ? ", body deleted" : "");
    return true;
}

/* A heading and a table each; the oldest first: the newest is what a terminal still shows. */
static bool show_tables(const struct trace *t, struct err *e) {
    bool ok = true;
    for (size_t i = t->count; ok && i-- > 0;) {
        struct table table;
        table_open(&table, t->cli, columns, COUNT_OF(columns));
        ok = show_heading(t, t->ids[i], i + 1 == t->count, e) && show_message(t, t->ids[i], &table, e);
        ok = table_close(&table, ok ? e : NULL) && ok;
    }
    return ok;
}

static bool show_json(const struct trace *t, struct err *e) {
    struct table table;
    bool ok = true;
    table_open(&table, t->cli, columns, COUNT_OF(columns));
    for (size_t i = t->count; ok && i-- > 0;)
        ok = show_message(t, t->ids[i], &table, e);
    return table_close(&table, ok ? e : NULL) && ok;
}

bool cmd_trace(struct cli *c, struct err *e) {
    struct trace t = {.cli = c, .only = VIEW("")};
    return find_messages(&t, view_trim(view_of(c->args.words[0])), e) &&
           (c->json ? show_json(&t, e) : show_tables(&t, e));
}
