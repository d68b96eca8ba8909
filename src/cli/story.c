/* story.c: see story.h. */
#include "cli/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/queue_rows.h"

enum { PAGE_ROWS = 300 };

struct reading {
    struct cli *cli;
    struct story *story;
    view only;
    struct story_row *rows; /* the events once more, in a place that stays */
    const struct story_row **deferred;
    size_t deferred_count;
};

static struct story_row *add_row(struct story *s) {
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->rows = mem_resize(s->rows, s->room, sizeof *s->rows);
    }
    s->rows[s->count] = (struct story_row){.time_ms = 0};
    return &s->rows[s->count++];
}

static bool is_meant(const struct reading *r, view recipient, view list) {
    return r->only.len == 0 || recipient.len == 0 || view_eq_nocase(recipient, r->only) ||
           view_eq_nocase(list, r->only);
}

static bool is_event(const struct story_row *row, const char *name) {
    return view_eq(row->event, view_of(name));
}

static int64_t read_event(const struct reading *r, struct vals *v) {
    struct arena *a = &r->cli->arena;
    int64_t id = vals_get_int(v);
    view texts[5];
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        texts[i] = vals_get_view(v);
    if (!is_meant(r, texts[1], texts[2]))
        return id;
    *add_row(r->story) = (struct story_row){.time_ms = id_time_ms(id),
                                            .event = arena_view(a, texts[0]),
                                            .recipient = arena_view(a, texts[1]),
                                            .list = arena_view(a, texts[2]),
                                            .host = arena_view(a, texts[3]),
                                            .detail = arena_view(a, texts[4])};
    return id;
}

static bool read_events(const struct reading *r, struct err *e) {
    struct store_request q;
    int64_t cursor = 0;
    size_t rows = PAGE_ROWS;
    bool ok = true;
    store_request_init(&q, OP_TRACE);
    while (ok && rows == PAGE_ROWS) {
        buf_reset(&q.args);
        vals_int(&q.args, r->story->message.id);
        vals_int(&q.args, cursor);
        vals_int(&q.args, PAGE_ROWS);
        ok = cli_call(r->cli, &q, e);
        struct vals v = vals_of(buf_view(&q.out));
        for (rows = 0; ok && vals_more(&v); rows++)
            cursor = read_event(r, &v);
    }
    store_request_done(&q);
    return ok;
}

static bool read_notices(const struct reading *r, struct err *e) {
    const struct message_info *m = &r->story->message;
    struct store_request q;
    store_request_init(&q, OP_TRACE_NOTICES);
    vals_int(&q.args, m->id);
    bool ok = cli_call(r->cli, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    while (ok && vals_more(&v)) {
        int64_t id = vals_get_int(&v);
        struct story_row *row = add_row(r->story);
        row->time_ms = id_time_ms(id);
        row->event = VIEW("notice");
        row->detail = arena_printf(&r->cli->arena, "%s to <%.*s>", id_format(id).s, VIEW_ARG(m->sender));
    }
    store_request_done(&q);
    return ok;
}

/* Deferrals by copy, the last one of a copy last. */
static int by_copy(const void *a, const void *b) {
    const struct story_row *x = *(const struct story_row *const *)a, *y = *(const struct story_row *const *)b;
    int order = view_cmp(x->recipient, y->recipient);
    if (order == 0)
        order = view_cmp(x->list, y->list);
    return order ? order : (x > y) - (x < y); /* rows stand in the order of time */
}

/* Once all events are read: what each copy was told when it was deferred. */
static void index_deferrals(struct reading *r) {
    const struct story *s = r->story;
    r->deferred = mem_resize(NULL, s->count + 1, sizeof *r->deferred);
    r->rows = mem_resize(NULL, s->count + 1, sizeof *r->rows);
    for (size_t i = 0; i < s->count; i++)
        r->rows[i] = s->rows[i]; /* the story's own move while it grows */
    for (size_t i = 0; i < s->count; i++)
        if (is_event(&r->rows[i], "deferred"))
            r->deferred[r->deferred_count++] = &r->rows[i];
    qsort(r->deferred, r->deferred_count, sizeof *r->deferred, by_copy);
}

/* What the other side said to this copy last. */
static view last_deferral(const struct reading *r, view recipient, view list) {
    size_t low = 0, high = r->deferred_count;
    while (low < high) { /* behind the last one of this copy or of a smaller one */
        size_t middle = (low + high) / 2;
        const struct story_row *row = r->deferred[middle];
        int order = view_cmp(row->recipient, recipient);
        if (order == 0)
            order = view_cmp(row->list, list);
        if (order <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct story_row *last = low > 0 ? r->deferred[low - 1] : NULL;
    return last && view_eq(last->recipient, recipient) && view_eq(last->list, list) ? last->detail : VIEW("");
}

static bool add_pending(void *context, const struct pending *p, struct err *e) {
    const struct reading *r = context;
    struct arena *a = &r->cli->arena;
    (void)e;
    if (!is_meant(r, p->address, p->list))
        return true;
    view said = p->error.len > 0 || p->tries == 0 ? p->error : last_deferral(r, p->address, p->list);
    view reason = p->frozen ? VIEW("its site is frozen") : arena_view(a, said);
    struct story_row *row = add_row(r->story);
    row->time_ms = p->next_ms;
    row->event = VIEW("pending");
    row->recipient = arena_view(a, p->address);
    row->list = arena_view(a, p->list);
    row->reason = reason;
    row->pending = true;
    row->frozen = p->frozen;
    row->active = p->active;
    row->detail = arena_printf(a, "%lld %s%s%.*s", (long long)p->tries, p->tries == 1 ? "try" : "tries",
                               reason.len > 0 ? "; " : "", VIEW_ARG(reason));
    return true;
}

/* Recipients of a message that is not routed yet, and what it waits for as a whole. */
static bool read_accepted(const struct reading *r, struct err *e) {
    struct story *s = r->story;
    struct arena *a = &r->cli->arena;
    struct store_request q;
    bool ok = true;
    store_request_init(&q, OP_TRACE_ACCEPTED);
    vals_int(&q.args, s->message.id);
    ok = cli_call(r->cli, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    while (ok && vals_more(&v)) {
        view address = arena_view(a, vals_get_view(&v));
        vals_get_int(&v);
        vals_get_view(&v);
        if (!is_meant(r, address, VIEW("")))
            continue;
        struct story_row *row = add_row(s);
        row->time_ms = id_time_ms(s->message.id);
        row->event = VIEW("pending");
        row->recipient = address;
        row->detail = VIEW("not routed yet");
    }
    store_request_done(&q);
    if (ok && !view_eq(s->state, VIEW("done")) && !view_eq(s->state, VIEW("delivering"))) {
        struct story_row *row = add_row(s);
        row->time_ms = id_time_ms(s->message.id);
        row->event = VIEW("pending");
        row->detail = arena_printf(a, "%.*s%s%.*s", VIEW_ARG(s->state), s->state_reason.len > 0 ? ": " : "",
                                   VIEW_ARG(s->state_reason));
    }
    return ok;
}

static void count_copies(struct story *s) {
    for (size_t i = 0; i < s->count; i++) {
        const struct story_row *row = &s->rows[i];
        s->n.delivered += is_event(row, "delivered");
        s->n.failed += is_event(row, "bounced") || is_event(row, "returned");
        s->n.deleted +=
            is_event(row, "deleted") && (row->recipient.len > 0 || view_starts_with(row->detail, VIEW("<")));
        s->n.dropped += is_event(row, "dropped") || is_event(row, "duplicate");
        s->n.waiting += row->pending;
    }
}

bool story_read(struct cli *c, int64_t message, view only, struct story *ret, struct err *e) {
    *ret = (struct story){.rows = NULL};
    struct reading r = {.cli = c, .story = ret, .only = only};
    if (!message_info(c, message, &ret->message, e) ||
        !message_state(c, message, &ret->state, &ret->state_reason, e))
        return false;
    if (view_eq_nocase(ret->message.sender, only)) /* whoever sent the message sees all of it */
        r.only = VIEW("");
    bool ok = read_events(&r, e);
    if (ok && ret->count == 0) /* at least that it was accepted is known of every message */
        ok = err_set(e, ERR_NOT_FOUND, "%s is not known any more: its record was deleted just now",
                     id_format(message).s);
    index_deferrals(&r);
    ok = ok && read_notices(&r, e) && queue_pending_each(c, message, NULL, 0, add_pending, &r, e) &&
         read_accepted(&r, e);
    count_copies(ret);
    free(r.deferred);
    free(r.rows);
    return ok;
}

void story_done(struct story *s) {
    free(s->rows);
    s->rows = NULL;
}

int64_t story_copies(const struct story *s) {
    return s->n.delivered + s->n.failed + s->n.deleted + s->n.waiting;
}

struct story_number story_number(int64_t n) {
    struct story_number r = {""};
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            r.s[at++] = ',';
        r.s[at++] = digits[i];
    }
    return r;
}

static const struct story_row *find_event(const struct story *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (is_event(&s->rows[i], name))
            return &s->rows[i];
    return NULL;
}

/* "12 recipients", or the one there is. */
static view whom(struct cli *c, const struct story *s, int64_t n, const char *event) {
    const struct story_row *row = event ? find_event(s, event) : NULL;
    if (n == 1 && row && row->recipient.len > 0)
        return row->recipient;
    return arena_printf(&c->arena, "%s recipient%s", story_number(n).s, n == 1 ? "" : "s");
}

/* "; 12 delivered, 2 bounced" about the copies that the sentence does not speak of. */
static view others(struct cli *c, int64_t delivered, int64_t failed, int64_t deleted, int64_t waiting) {
    const struct {
        int64_t n;
        const char *name;
    } parts[] = {{delivered, "delivered"}, {failed, "bounced"}, {deleted, "deleted"}, {waiting, "waiting"}};
    view text = VIEW("");
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].n > 0)
            text = arena_printf(&c->arena, "%.*s%s%s %s", VIEW_ARG(text), text.len > 0 ? ", " : "; ",
                                story_number(parts[i].n).s, parts[i].name);
    return text;
}

/* The one that is tried next: a frozen one only when there is no other. */
static const struct story_row *next_try(const struct story *s) {
    const struct story_row *next = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct story_row *row = &s->rows[i];
        if (!row->pending || (next && row->frozen && !next->frozen))
            continue;
        if (!next || (next->frozen && !row->frozen) || row->time_ms < next->time_ms)
            next = row;
    }
    return next;
}

static bool is_being_sent(const struct story *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->rows[i].pending && s->rows[i].active && !s->rows[i].frozen)
            return true;
    return false;
}

static view waiting_verdict(struct cli *c, const struct story *s) {
    const struct story_row *next = next_try(s);
    view when = next->frozen       ? VIEW("")
                : is_being_sent(s) ? VIEW("; being sent now")
                : next->time_ms <= clock_now_ms()
                    ? VIEW("; due now")
                    : arena_printf(&c->arena, "; next try at %s", cli_time(next->time_ms).s);
    view why = next->reason.len > 0 ? arena_printf(&c->arena, " (%.*s)", VIEW_ARG(next->reason)) : VIEW("");
    return arena_printf(&c->arena, "Waiting: %.*s%.*s%.*s, since %s%.*s.",
                        VIEW_ARG(whom(c, s, s->n.waiting, "pending")), VIEW_ARG(why), VIEW_ARG(when),
                        cli_time(id_time_ms(s->message.id)).s,
                        VIEW_ARG(others(c, s->n.delivered, s->n.failed, s->n.deleted, 0)));
}

static view failed_verdict(struct cli *c, const struct story *s) {
    const struct story_row *why = find_event(s, "bounced"), *notice = find_event(s, "notice");
    const char *event = why ? "bounced" : "returned";
    if (!why)
        why = find_event(s, "returned");
    view rest = others(c, s->n.delivered, 0, s->n.deleted, 0), failed = whom(c, s, s->n.failed, event);
    if (notice)
        return arena_printf(&c->arena,
                            "Returned to <%.*s> by notice %.*s: %.*s could not be reached (%.*s)%.*s.",
                            VIEW_ARG(s->message.sender), ID_TEXT_LEN, notice->detail.ptr, VIEW_ARG(failed),
                            VIEW_ARG(why->detail), VIEW_ARG(rest));
    return arena_printf(&c->arena, "Not delivered to %.*s (%.*s), and no notice was due%.*s.",
                        VIEW_ARG(failed), VIEW_ARG(why->detail), VIEW_ARG(rest));
}

static view held_verdict(struct cli *c, const struct story *s) {
    const struct story_row *held = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (is_event(&s->rows[i], "held"))
            held = &s->rows[i];
    return arena_printf(&c->arena, "Held (%.*s)%s%s%.*s; postroad queue release %s lets it go on.",
                        VIEW_ARG(s->state_reason), held ? " since " : "",
                        held ? cli_time(held->time_ms).s : "",
                        VIEW_ARG(others(c, s->n.delivered, s->n.failed, s->n.deleted, s->n.waiting)),
                        id_format(s->message.id).s);
}

static view finished_verdict(struct cli *c, const struct story *s) {
    const struct story_row *deleted = find_event(s, "deleted"), *dropped = find_event(s, "dropped");
    if (s->n.delivered == 1 || (s->n.delivered > 0 && s->n.deleted > 0))
        return arena_printf(&c->arena, "Delivered to %.*s%.*s.",
                            VIEW_ARG(whom(c, s, s->n.delivered, "delivered")),
                            VIEW_ARG(others(c, 0, 0, s->n.deleted, 0)));
    if (s->n.delivered > 0)
        return arena_printf(&c->arena, "Delivered to all %s recipients.", story_number(s->n.delivered).s);
    if (deleted)
        return arena_printf(&c->arena, "Deleted for %.*s (%.*s).",
                            VIEW_ARG(whom(c, s, s->n.deleted, "deleted")), VIEW_ARG(deleted->detail));
    if (!dropped)
        dropped = find_event(s, "duplicate");
    if (dropped)
        return arena_printf(&c->arena, "Sent to nobody: %.*s.", VIEW_ARG(dropped->detail));
    return VIEW("Nothing was sent: it led to no recipient.");
}

view story_verdict(struct cli *c, const struct story *s) {
    if (view_eq(s->state, VIEW("held")))
        return held_verdict(c, s);
    if (view_eq(s->state, VIEW("accepted")))
        return arena_printf(&c->arena, "Waiting to be routed, since %s.",
                            cli_time(id_time_ms(s->message.id)).s);
    if (view_eq(s->state, VIEW("expanding")))
        return arena_printf(&c->arena, "Being expanded to the members of its list%.*s.",
                            VIEW_ARG(others(c, s->n.delivered, s->n.failed, s->n.deleted, s->n.waiting)));
    if (s->n.waiting > 0)
        return waiting_verdict(c, s);
    return s->n.failed > 0 ? failed_verdict(c, s) : finished_verdict(c, s);
}
