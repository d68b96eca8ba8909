/* op_sender.c: sets of senders that lists share: made, filled, and asked by the rules of lists. */
#include "base/pattern.h"
#include "mail/address.h"
#include "store/event.h"
#include "store/sender_set.h"

bool sender_set_name_is_valid(view name) {
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.ptr[i];
        bool letter = ch >= 'a' && ch <= 'z';
        if (!letter && (i == 0 || (!ascii_is_digit(ch) && ch != '-' && ch != '.')))
            return false;
    }
    return name.len > 0 && name.len <= SENDER_SET_NAME_MOST;
}

static bool is_regex(view pattern) {
    return view_starts_with(pattern, VIEW("^"));
}

bool sender_normalise(view text, struct arena *a, view *ret, struct err *e) {
    bool domain = view_starts_with(text, VIEW("@"));
    *ret = arena_view(a, text);
    if (view_find(text, '\n') >= 0)
        return err_set(e, ERR_USAGE, "one line is wanted");
    if (is_regex(text))
        return pattern_check(text, e);
    view address = domain ? arena_printf(a, "x%.*s", VIEW_ARG(text)) : text;
    if (!address_normalise_text(address, a, ret, e))
        return err_set(e, ERR_USAGE, "%.*s: an address, @DOMAIN or a regular expression ^... is wanted",
                       VIEW_ARG(view_slice(text, 0, 80)));
    *ret = view_skip(*ret, domain);
    return true;
}

view sender_set_of(view line) {
    bool set = view_starts_with(line, VIEW("@")) && view_find(view_skip(line, 1), '@') < 0;
    return set ? view_skip(line, 1) : VIEW("");
}

static bool is_here(struct op_run *r, view name) {
    return db_number(r->db, 0, "SELECT 1 FROM sender_set WHERE name = $1", DB_T(name)) != 0;
}

static bool need_set(struct op_run *r, view name) {
    if (!is_here(r, name))
        op_refuse(r, ERR_NOT_FOUND, "no set of senders %.*s here", VIEW_ARG(view_slice(name, 0, 80)));
    return r->err.code == ERR_OK;
}

bool need_sender_sets(struct op_run *r, view lines) {
    view line;
    while (view_split(&lines, '\n', &line))
        if (sender_set_of(line).len > 0 && !need_set(r, sender_set_of(line)))
            return false;
    return true;
}

static void record(struct op_run *r, view who, view name, const char *what, view detail) {
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, 0, VIEW(""),
                 arena_printf(r->arena, "by=%.*s senders %.*s %s%s%.*s", VIEW_ARG(who), VIEW_ARG(name), what,
                              detail.len ? " " : "", VIEW_ARG(view_slice(detail, 0, LIMIT_EVENT_TEXT))));
}

/* ---- sets ---- */

/* in: who does it, name, what it is for. One that is there gets the new words. */
void op_run_SENDER_SET_ADD(struct op_run *r) {
    view who = vals_get_view(&r->in), name = vals_get_view(&r->in), about = vals_get_view(&r->in);
    if (!sender_set_name_is_valid(name))
        op_refuse(r, ERR_USAGE, "%.*s: small letters, digits, hyphens and dots are wanted, at most %d",
                  VIEW_ARG(view_slice(name, 0, 80)), SENDER_SET_NAME_MOST);
    else if (db_change(r->db,
                       "INSERT INTO sender_set(name, about, created) VALUES($1, $2, $3) ON CONFLICT(name) DO "
                       "UPDATE SET about = excluded.about",
                       DB_T(name), DB_T(about), DB_I(r->now_ms)) == 1)
        record(r, who, name, "created", about);
}

/* The first setting that has the line; empty: none has. */
static view where_used(struct op_run *r, view name) {
    view line = arena_printf(r->arena, "\n@%.*s\n", VIEW_ARG(name)), used = VIEW("");
    struct query q;
    db_query(r->db, &q, "SELECT scope, name, value FROM setting WHERE name LIKE '%_these_nonmembers'");
    while (query_row(&q)) {
        view lines = arena_printf(r->arena, "\n%.*s\n", VIEW_ARG(query_text(&q, 2)));
        if (used.len == 0 && view_search(lines, line) >= 0)
            used = arena_printf(r->arena, "%.*s of %.*s", VIEW_ARG(query_text(&q, 1)),
                                VIEW_ARG(query_text(&q, 0).len ? query_text(&q, 0) : VIEW("all lists")));
    }
    return used;
}

/* in: who does it, name. Refused while a list's setting names it. */
void op_run_SENDER_SET_REMOVE(struct op_run *r) {
    view who = vals_get_view(&r->in), name = vals_get_view(&r->in);
    if (!need_set(r, name))
        return;
    view used = where_used(r, name);
    if (used.len > 0) {
        op_refuse(r, ERR_REFUSED, "%.*s is in use: %.*s names it", VIEW_ARG(name), VIEW_ARG(used));
        return;
    }
    db_run(r->db, "DELETE FROM sender WHERE setname = $1", DB_T(name));
    db_run(r->db, "DELETE FROM sender_set WHERE name = $1", DB_T(name));
    record(r, who, name, "deleted", VIEW(""));
}

/* in: last name seen, most. out: name, what it is for, created, how many senders */
void op_run_SENDER_SET_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT name, about, created, (SELECT count(*) FROM sender WHERE setname = sender_set.name) FROM "
        "sender_set WHERE name > $1 ORDER BY name LIMIT $2",
        DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 2));
        vals_int(r->out, query_int(&q, 3));
    }
}

/* ---- senders ---- */

/* Every post that the set is asked about tries them all. */
static bool has_room(struct op_run *r, view set) {
    int64_t octets = db_number(
        r->db, 0, "SELECT coalesce(sum(length(pattern) + 1), 0) FROM sender WHERE setname = $1 AND regex = 1",
        DB_T(set));
    if (octets > SENDER_SET_PATTERNS_MOST)
        op_refuse(r, ERR_LIMIT, "the regular expressions of %.*s would have more than %d octets",
                  VIEW_ARG(set), SENDER_SET_PATTERNS_MOST);
    return r->err.code == ERR_OK;
}

/* in: set, who does it, count (at most LIMIT_MEMBER_SLICE), senders. out: how many are new */
void op_run_SENDERS_ADD(struct op_run *r) {
    view set = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t added = 0;
    if (!need_set(r, set))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0 && !r->in.failed && !db_error(r->db); count--) {
        view sender;
        if (!sender_normalise(vals_get_view(&r->in), r->arena, &sender, &r->err))
            return;
        if (db_change(r->db,
                      "INSERT INTO sender(setname, regex, pattern, since, who) VALUES($1, $2, $3, $4, $5)"
                      " ON CONFLICT DO NOTHING",
                      DB_T(set), DB_I(is_regex(sender)), DB_T(sender), DB_I(r->now_ms), DB_T(who)) != 1)
            continue;
        record(r, who, set, "added", sender);
        added++;
    }
    if (has_room(r, set))
        vals_int(r->out, added);
}

/* in: set, who does it, count, senders. out: how many were there */
void op_run_SENDERS_REMOVE(struct op_run *r) {
    view set = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t removed = 0;
    if (!need_set(r, set))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0 && !r->in.failed && !db_error(r->db); count--) {
        view sender;
        if (!sender_normalise(vals_get_view(&r->in), r->arena, &sender, &r->err))
            return;
        if (db_change(r->db, "DELETE FROM sender WHERE setname = $1 AND regex = $2 AND pattern = $3",
                      DB_T(set), DB_I(is_regex(sender)), DB_T(sender)) != 1)
            continue;
        record(r, who, set, "removed", sender);
        removed++;
    }
    vals_int(r->out, removed);
}

/* in: set, last sender seen, most. out: sender, since, who added it */
void op_run_SENDERS_LS(struct op_run *r) {
    view set = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    if (!need_set(r, set))
        return;
    db_query(r->db, &q,
             "SELECT pattern, since, who FROM sender WHERE setname = $1 AND pattern > $2 ORDER BY pattern "
             "LIMIT $3",
             DB_T(set), DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
        vals_view(r->out, query_text(&q, 2));
    }
}

/* ---- what the rules ask ---- */

bool sender_set_has(struct op_run *r, view set, view address) {
    ptrdiff_t at = view_rfind(address, '@');
    return db_number(r->db, 0,
                     "SELECT 1 FROM sender WHERE setname = $1 AND regex = 0 AND pattern IN ($2, $3) LIMIT 1",
                     DB_T(set), DB_T(address), DB_T(view_skip(address, at < 0 ? 0 : (size_t)at))) != 0;
}

void sender_set_patterns(struct op_run *r, view set, struct buf *patterns) {
    struct query q;
    db_query(r->db, &q, "SELECT pattern FROM sender WHERE setname = $1 AND regex = 1 ORDER BY pattern",
             DB_T(set));
    while (query_row(&q))
        buf_printf(patterns, "%s%.*s", patterns->len ? "\n" : "", VIEW_ARG(query_text(&q, 0)));
}

/* Whether an expression of the set finds it. One that fails finds nothing here: nobody is let through. */
static bool set_matches(struct op_run *r, view set, view address) {
    struct buf patterns = BUF_INIT(2 * SENDER_SET_PATTERNS_MOST);
    int64_t left_us = PATTERN_BUDGET_US;
    bool found = false;
    sender_set_patterns(r, set, &patterns);
    view rest = buf_view(&patterns), one;
    while (!found && view_split(&rest, '\n', &one)) {
        struct err e;
        found = pattern_match_within(one, address, &left_us, &e) == PATTERN_YES;
    }
    buf_done(&patterns);
    return found;
}

/* in: address. out: the sets it stands in, itself, by its domain or by an expression */
void op_run_SENDERS_FIND(struct op_run *r) {
    view address = vals_get_view(&r->in), names = VIEW(""), name;
    struct query q;
    db_query(r->db, &q, "SELECT name FROM sender_set ORDER BY name");
    while (query_row(&q))
        names = arena_printf(r->arena, "%.*s%s%.*s", VIEW_ARG(names), names.len ? " " : "",
                             VIEW_ARG(query_text(&q, 0)));
    while (view_split(&names, ' ', &name))
        if (sender_set_has(r, name, address) || set_matches(r, name, address))
            vals_view(r->out, name);
}
