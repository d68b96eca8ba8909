/* cmd_trace.c: postroad trace: what happened to a message, and what is still to do; by Message-ID, by queue
 * id, or for the newest messages of an address or a list. First a sentence that says how it stands, then what
 * happened to the message as a whole and to each recipient, in order; of very many recipients a summary,
 * unless --all. */
#include "cli/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/queue_rows.h"
#include "mail/address.h"

enum { NEWEST = 20, SHOWN_EACH = 10, GROUPS_MOST = 100 };

struct trace {
    struct cli *cli;
    int64_t ids[NEWEST]; /* newest first */
    size_t count;
    int64_t since, until; /* ids; 0: any */
    view only;            /* rows of this recipient, and of the message as a whole; empty: all */
};

/* ---- finding ---- */

/* "2h": that long ago; "2026-11-24", "2026-11-24T05:06", "2026-11-24T05:06:07Z": UTC. */
static bool read_time(const char *option, const char *text, int64_t *ret_ms, struct err *e) {
    struct tm tm = {.tm_mday = 1};
    int64_t age;
    char z = 'Z', end;
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                   &tm.tm_min, &tm.tm_sec, &z, &end);
    if (duration_parse(view_of(text), &age)) {
        *ret_ms = clock_now_ms() - age;
        return true;
    }
    if ((n != 3 && n != 5 && n != 6 && n != 7) || z != 'Z' || tm.tm_mon < 1 || tm.tm_mon > 12)
        return err_set(e, ERR_USAGE,
                       "%s %.60s: a duration such as 2h (ago) or 2026-11-24T05:06 (UTC) is wanted", option,
                       text);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool read_window(struct trace *t, struct err *e) {
    const char *since = args_get(&t->cli->args, "--since"), *until = args_get(&t->cli->args, "--until");
    int64_t ms;
    if (!cli_config(t->cli, e)) /* and with it the instance's clock */
        return false;
    if (since) {
        if (!read_time("--since", since, &ms, e))
            return false;
        t->since = id_at_ms(ms);
    }
    if (until) {
        if (!read_time("--until", until, &ms, e))
            return false;
        t->until = id_at_ms(ms);
    }
    return true;
}

static bool find(struct trace *t, view key, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_TRACE_FIND);
    vals_view(&r.args, key);
    vals_int(&r.args, t->until);
    vals_int(&r.args, t->since);
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

/* What there is of an answer to somebody whose mail is not known here. */
static bool unknown(struct trace *t, struct err *e) {
    const char *word = t->cli->args.words[0];
    if (t->since || t->until)
        return err_set(e, ERR_NOT_FOUND, "nothing known of %.100s in that time", word);
    return err_set(
        e, ERR_NOT_FOUND,
        "nothing known of %.100s: no message with that Message-ID, queue id or address was accepted here in "
        "the last %lld days; what was refused is in the log of smtpd",
        word, (long long)(t->cli->config->keep_events / 86400000));
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
    return t->count > 0 || unknown(t, e);
}

/* ---- rows ---- */

static const struct column columns[] = {
    {"queue", NULL},  {"time", "TIME"}, {"event", "EVENT"},   {"recipient", "RECIPIENT"},
    {"list", "LIST"}, {"host", "HOST"}, {"detail", "DETAIL"},
};

static void print_row(struct table *table, int64_t message, const struct story_row *row) {
    table_text(table, view_of(id_format(message).s));
    table_time(table, row->time_ms);
    table_text(table, row->event);
    table_text(table, row->recipient);
    table_text(table, row->list);
    table_text(table, row->host);
    table_text(table, row->detail);
}

static bool show_rows(struct cli *c, struct story *s, bool whole_only, struct err *e) {
    struct table table;
    table_open(&table, c, columns, COUNT_OF(columns));
    for (size_t i = 0; i < s->count; i++)
        if (!whole_only || s->rows[i].recipient.len == 0)
            print_row(&table, s->message.id, &s->rows[i]);
    return table_close(&table, e);
}

/* The message as a whole first, then each recipient's own timeline. */
static int by_recipient(const void *a, const void *b) {
    const struct story_row *x = a, *y = b;
    int order = view_cmp(x->recipient, y->recipient);
    if (order == 0)
        order = view_cmp(x->list, y->list);
    if (order != 0 || x->pending != y->pending)
        return order ? order : x->pending - y->pending;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* ---- summary ---- */

struct group {
    view outcome, list, host, reason, key, example;
    int64_t copies;
};

/* "550 5.1.1" of a reply: what stands behind it often names the recipient. */
static view reply_key(view text) {
    ptrdiff_t said = view_search(text, VIEW(" said: "));
    view rest = said >= 0 ? view_skip(text, (size_t)said + 7) : text, code, status;
    view all = rest;
    if (!view_split(&rest, ' ', &code) || code.len != 3 || !ascii_is_digit(code.ptr[0]))
        return text;
    if (view_split(&rest, ' ', &status) && status.len > 2 && ascii_is_digit(status.ptr[0]) &&
        status.ptr[1] == '.')
        return view_slice(all, 0, code.len + 1 + status.len);
    return code;
}

static struct group group_of(const struct story_row *row) {
    bool delivered = view_eq(row->event, VIEW("delivered"));
    view reason = row->pending ? row->reason : delivered ? VIEW("") : row->detail;
    view outcome = !row->pending                         ? row->event
                   : row->reason.len > 0 && !row->frozen ? VIEW("deferred")
                                                         : VIEW("waiting");
    return (struct group){.outcome = outcome,
                          .list = row->list,
                          .host = delivered ? VIEW("") : row->host,
                          .reason = reason,
                          .key = reply_key(reason),
                          .example = row->recipient};
}

/* Only the last word about a copy counts: a deferral that was followed by another try does not. */
static bool is_outcome(const struct story_row *row) {
    static const char *const events[] = {"delivered", "bounced", "deleted", "returned"};
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (row->recipient.len > 0 && view_eq(row->event, view_of(events[i])))
            return true;
    return row->pending;
}

static void add_to_groups(struct group groups[GROUPS_MOST], size_t *count, const struct story_row *row) {
    struct group g = group_of(row);
    size_t i = 0;
    while (i < *count && !(view_eq(groups[i].outcome, g.outcome) && view_eq(groups[i].key, g.key) &&
                           view_eq(groups[i].list, g.list) && view_eq(groups[i].host, g.host)))
        i++;
    if (i == GROUPS_MOST) { /* so many reasons: the rest under the last one of them */
        groups[i - 1].copies++;
        groups[i - 1].reason = VIEW("(various)");
        return;
    }
    if (i == *count)
        groups[(*count)++] = g;
    groups[i].copies++;
}

static int largest_first(const void *a, const void *b) {
    const struct group *x = a, *y = b;
    return (x->copies < y->copies) - (x->copies > y->copies);
}

static bool show_summary(struct cli *c, const struct story *s, struct err *e) {
    static const struct column summary[] = {{"copies", "COPIES"}, {"outcome", "OUTCOME"},
                                            {"list", "LIST"},     {"host", "HOST"},
                                            {"reason", "WHY"},    {"example", "FOR EXAMPLE"}};
    struct group *groups = mem_resize(NULL, GROUPS_MOST, sizeof *groups);
    struct table table;
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (is_outcome(&s->rows[i]))
            add_to_groups(groups, &count, &s->rows[i]);
    qsort(groups, count, sizeof *groups, largest_first);
    table_open(&table, c, summary, COUNT_OF(summary));
    for (size_t i = 0; i < count; i++) {
        table_text(&table, view_of(story_number(groups[i].copies).s));
        table_text(&table, groups[i].outcome);
        table_text(&table, groups[i].list);
        table_text(&table, groups[i].host);
        table_text(&table, groups[i].reason);
        table_text(&table, groups[i].example);
    }
    free(groups);
    bool ok = table_close(&table, e);
    cli_print(c, "(trace --all %s shows every recipient)\n", id_format(s->message.id).s);
    return ok;
}

/* ---- output ---- */

static bool show_story(const struct trace *t, struct story *s, bool first, struct err *e) {
    struct cli *c = t->cli;
    const struct message_info *m = &s->message;
    view verdict = story_verdict(c, s);
    cli_print(c, "%s%s  %.*s  from <%.*s>, %lld bytes%s\n", first ? "" : "\n", id_format(m->id).s,
              VIEW_ARG(m->msgid), VIEW_ARG(m->sender), (long long)m->size, m->gone ? ", body deleted" : "");
    cli_print(c, "%.*s\n", VIEW_ARG(verdict));
    if (story_copies(s) > SHOWN_EACH && !args_has(&c->args, "--all"))
        return show_rows(c, s, true, e) && show_summary(c, s, e);
    if (s->count > 0)
        qsort(s->rows, s->count, sizeof *s->rows, by_recipient);
    return show_rows(c, s, false, e);
}

/* A heading, how it stands, and a table each; the oldest first: the newest is what a terminal still shows. */
static bool show_stories(const struct trace *t, struct err *e) {
    bool ok = queue_show_frozen(t->cli, e);
    if (t->count == NEWEST)
        cli_print(t->cli, "The newest %d messages; --until shows older ones.\n", NEWEST);
    for (size_t i = t->count; ok && i-- > 0;) {
        struct story s;
        ok = story_read(t->cli, t->ids[i], t->only, &s, e) && show_story(t, &s, i + 1 == t->count, e);
        story_done(&s);
    }
    return ok;
}

static bool show_json(const struct trace *t, struct err *e) {
    struct table table;
    bool ok = true;
    table_open(&table, t->cli, columns, COUNT_OF(columns));
    for (size_t i = t->count; ok && i-- > 0;) {
        struct story s;
        ok = story_read(t->cli, t->ids[i], t->only, &s, e);
        for (size_t k = 0; ok && k < s.count; k++)
            print_row(&table, s.message.id, &s.rows[k]);
        story_done(&s);
    }
    return table_close(&table, ok ? e : NULL) && ok;
}

bool cmd_trace(struct cli *c, struct err *e) {
    struct trace t = {.cli = c, .only = VIEW("")};
    return read_window(&t, e) && find_messages(&t, view_trim(view_of(c->args.words[0])), e) &&
           (c->json ? show_json(&t, e) : show_stories(&t, e));
}
