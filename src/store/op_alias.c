/* op_alias.c: aliases as people set and see them. Every change makes a new version of the source it belongs
 * to, with who and when; entries are never deleted, they end. */
#include "store/alias.h"
#include "store/lookup.h"

/* Make the source if it is new, lock its row, tell its live version. */
static int64_t lock_manual(struct op_run *r) {
    db_run(r->db, "INSERT INTO alias_source(name, live, staging) VALUES('" ALIAS_MANUAL "', 0, 0)"
                  " ON CONFLICT DO NOTHING");
    return db_number(r->db, 0, "SELECT live FROM alias_source WHERE name = '" ALIAS_MANUAL "' {for update}");
}

struct targets {
    view *list;
    size_t count;
};

static bool has(const struct targets *t, view target) {
    for (size_t i = 0; i < t->count; i++)
        if (view_eq(t->list[i], target))
            return true;
    return false;
}

static struct targets read_targets(struct op_run *r) {
    struct targets t = {.count = 0};
    size_t count = vals_get_count(&r->in);
    t.list = arena_array(r->arena, view, count + 1);
    for (size_t i = 0; i < count && t.list; i++) {
        view target = vals_get_view(&r->in);
        if (!has(&t, target))
            t.list[t.count++] = target;
    }
    return t;
}

static struct targets manual_targets(struct op_run *r, view address, int64_t live) {
    struct targets t = {.count = 0};
    size_t room = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT target FROM alias WHERE address = $1 AND source = '" ALIAS_MANUAL "'"
             " AND first <= $2 AND $2 < ended ORDER BY target",
             DB_T(address), DB_I(live));
    while (query_row(&q)) {
        if (t.count == room) {
            room = 4 * room + 16;
            view *grown = arena_array(r->arena, view, room);
            if (!grown)
                break;
            for (size_t i = 0; i < t.count; i++)
                grown[i] = t.list[i];
            t.list = grown;
        }
        t.list[t.count++] = arena_view(r->arena, query_text(&q, 0));
    }
    query_done(&q);
    return t;
}

static void add_version(struct op_run *r, int64_t version, view who, view note, int64_t added,
                        int64_t removed) {
    db_run(r->db, "UPDATE alias_source SET live = $1 WHERE name = '" ALIAS_MANUAL "'", DB_I(version));
    db_run(r->db,
           "INSERT INTO alias_version(source, version, at, who, note, added, removed, staging)"
           " VALUES('" ALIAS_MANUAL "', $1, $2, $3, $4, $5, $6, 0)",
           DB_I(version), DB_I(r->now_ms), DB_T(who), DB_T(note), DB_I(added), DB_I(removed));
}

/* The manual targets of an address become those; a new version when that changes something. Returns how many
 * it had. */
static size_t change_targets(struct op_run *r, view address, view who, view note,
                             const struct targets *wanted) {
    int64_t live = lock_manual(r), added = 0, removed = 0;
    struct targets had = manual_targets(r, address, live);
    for (size_t i = 0; i < had.count; i++)
        if (!has(wanted, had.list[i])) {
            removed++;
            db_run(r->db,
                   "UPDATE alias SET ended = $3 WHERE address = $1 AND source = '" ALIAS_MANUAL "'"
                   " AND target = $2 AND first < $3 AND $3 < ended",
                   DB_T(address), DB_T(had.list[i]), DB_I(live + 1));
        }
    for (size_t i = 0; i < wanted->count; i++)
        if (!has(&had, wanted->list[i])) {
            added++;
            db_run(r->db,
                   "INSERT INTO alias(address, source, target, first, ended)"
                   " VALUES($1, '" ALIAS_MANUAL "', $2, $3, $4)",
                   DB_T(address), DB_T(wanted->list[i]), DB_I(live + 1), DB_I(ALIAS_NEVER));
        }
    if (added + removed > 0)
        add_version(r, live + 1, who, note, added, removed);
    return had.count;
}

static void refuse_loop(struct op_run *r, const struct lead_walk *w, size_t last) {
    view path = w->addresses[0];
    for (size_t i = last; i != 0; i = w->from[i])
        path = arena_printf(r->arena, "%.*s -> %.*s", VIEW_ARG(w->addresses[i]), VIEW_ARG(path));
    op_refuse(r, ERR_LOOP, "the alias leads back to itself: %.*s -> %.*s", VIEW_ARG(w->addresses[0]),
              VIEW_ARG(path));
}

static bool leads_to(const struct lead *l, view address) {
    struct vals targets = vals_of(buf_view(&l->targets));
    while (vals_more(&targets))
        if (view_eq(vals_get_view(&targets), address))
            return true;
    return false;
}

/* A loop that a change at `address` has made goes through it. */
static void refuse_if_loop(struct op_run *r, view address) {
    struct alias_versions versions;
    struct lead_walk walk;
    if (!lead_walk_init(r, address, &walk))
        return;
    alias_versions_live(r, &versions);
    for (size_t i = 0; i < walk.count && r->err.code == ERR_OK; i++) {
        struct lead lead;
        lead_find(r, &versions, walk.addresses[i], &lead);
        if (leads_to(&lead, address) || (i > 0 && lead.how == LEAD_ALIAS && view_eq(lead.key, address)))
            refuse_loop(r, &walk, i);
        lead_walk_add(r, &walk, i, buf_view(&lead.targets));
        lead_done(&lead);
    }
}

/* in: address (or "@domain"), who, count, targets. Replaces what was set by hand before. Refuses what leads
 * back to itself. */
void op_run_ALIAS_SET(struct op_run *r) {
    view address = vals_get_view(&r->in), who = vals_get_view(&r->in);
    struct targets wanted = read_targets(r);
    if (r->in.failed || !domain_is_here(r, address))
        return;
    if (db_number(r->db, 0, "SELECT count(*) FROM list WHERE address = $1", DB_T(address))) {
        op_refuse(r, ERR_EXISTS, "%.*s is a list already", VIEW_ARG(address));
        return;
    }
    change_targets(r, address, who, VIEW("alias set"), &wanted);
    refuse_if_loop(r, address);
}

/* in: address, who. Only what was set by hand. */
void op_run_ALIAS_REMOVE(struct op_run *r) {
    view address = vals_get_view(&r->in), who = vals_get_view(&r->in);
    if (r->in.failed || change_targets(r, address, who, VIEW("alias remove"), &(struct targets){0}) > 0)
        return;
    if (alias_is_live(r, address))
        op_refuse(r, ERR_NOT_FOUND, "alias %.*s was not set by hand: it came by an import (alias show %.*s)",
                  VIEW_ARG(address), VIEW_ARG(address));
    else
        op_refuse(r, ERR_NOT_FOUND, "no alias %.*s here", VIEW_ARG(address));
}

/* ---- listing ---- */

struct entry {
    view address, source, target;
    int64_t first, ended;
};

static struct entry read_entry(const struct query *q) {
    return (struct entry){query_text(q, 0), query_text(q, 1), query_text(q, 2), query_int(q, 3),
                          query_int(q, 4)};
}

static bool is_shown(const struct entry *e, const struct alias_versions *v, view source,
                     enum alias_view what) {
    bool is_own = view_eq(e->source, source);
    if (what == ALIAS_IMPORT && is_own)
        return e->ended > alias_version_of(v, source);
    return (what == ALIAS_IMPORT || source.len == 0 || is_own) &&
           alias_counts(v, e->source, e->first, e->ended);
}

/* The entry looked at last. */
struct cursor {
    struct buf address, source, target;
    int64_t first;
};

static void keep(struct buf *b, view v) {
    buf_reset(b);
    buf_add(b, v);
}

static void move_cursor(struct cursor *c, const struct entry *e) {
    keep(&c->address, e->address);
    keep(&c->source, e->source);
    keep(&c->target, e->target);
    c->first = e->first;
}

static void add_entry(struct op_run *r, const struct entry *e) {
    vals_int(r->out, 1);
    vals_view(r->out, e->address);
    vals_view(r->out, e->source);
    vals_view(r->out, e->target);
    vals_int(r->out, e->first);
    vals_int(r->out, e->ended);
}

static void end_entries(struct op_run *r, struct cursor *c, bool is_end) {
    vals_int(r->out, 0);
    vals_view(r->out, buf_view(&c->address));
    vals_view(r->out, buf_view(&c->source));
    vals_view(r->out, buf_view(&c->target));
    vals_int(r->out, c->first);
    vals_int(r->out, is_end);
    buf_done(&c->address);
    buf_done(&c->source);
    buf_done(&c->target);
}

/* in: source (empty: all), enum alias_view, cursor: address, source, target, first; most entries to look at.
 * out: per entry shown: 1, address, source, target, first, ended; at the end: 0, cursor, the end was reached
 * (0/1). A staged entry begins behind the live version. */
void op_run_ALIAS_LS(struct op_run *r) {
    enum { TEXT = 1024, ENOUGH = LIMIT_STORE_PACKET / 2 };
    view source = vals_get_view(&r->in);
    enum alias_view what = (enum alias_view)vals_get_int(&r->in);
    struct cursor at = {BUF_INIT(TEXT), BUF_INIT(TEXT), BUF_INIT(TEXT), 0};
    struct entry e = {.address = vals_get_view(&r->in)};
    e.source = vals_get_view(&r->in);
    e.target = vals_get_view(&r->in);
    e.first = vals_get_int(&r->in);
    int64_t most = vals_get_int(&r->in), seen = 0;
    struct alias_versions versions;
    struct query q;
    alias_versions_live(r, &versions);
    most = most < 1 || most > LIMIT_ALIAS_SCAN ? LIMIT_ALIAS_SCAN : most;
    move_cursor(&at, &e);
    db_query(r->db, &q,
             "SELECT address, source, target, first, ended FROM alias"
             " WHERE (address, source, target, first) > ($1, $2, $3, $4)"
             " ORDER BY address, source, target, first LIMIT $5",
             DB_T(e.address), DB_T(e.source), DB_T(e.target), DB_I(e.first), DB_I(most));
    while (r->out->len < ENOUGH && query_row(&q)) {
        e = read_entry(&q);
        move_cursor(&at, &e);
        seen++;
        if (is_shown(&e, &versions, source, what))
            add_entry(r, &e);
    }
    query_done(&q);
    end_entries(r, &at, r->out->len < ENOUGH && seen < most);
}

/* ---- what was ---- */

static void add_step(struct op_run *r, view from, enum lead_how how, view target) {
    vals_int(r->out, how);
    vals_view(r->out, from);
    vals_view(r->out, target);
}

/* The entries of one alias, each with its source and who made it when. */
static void show_entries(struct op_run *r, const struct alias_versions *v, view from, const struct lead *l) {
    struct query q;
    db_query(r->db, &q,
             "SELECT a.target, a.source, a.first, a.ended, f.at, f.who, f.note FROM alias a"
             " JOIN alias_version f ON f.source = a.source AND f.version = a.first"
             " WHERE a.address = $1 ORDER BY a.target, a.source",
             DB_T(l->key));
    for (int64_t n = 0; n < LIMIT_ALIAS_TARGETS && query_row(&q);) {
        if (!alias_counts(v, query_text(&q, 1), query_int(&q, 2), query_int(&q, 3)))
            continue;
        add_step(r, from, LEAD_ALIAS, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 4));
        vals_view(r->out, query_text(&q, 5));
        vals_view(r->out, query_text(&q, 6));
        n++;
    }
    query_done(&q);
}

static void show_other(struct op_run *r, view from, const struct lead *l) {
    struct vals targets = vals_of(buf_view(&l->targets));
    while (vals_more(&targets)) {
        add_step(r, from, l->how, vals_get_view(&targets));
        vals_view(r->out, VIEW(""));
        vals_int(r->out, 0);
        vals_view(r->out, VIEW(""));
        vals_view(r->out, VIEW(""));
    }
}

/* in: address, time (ms; 0: now). out: every step from there: enum lead_how, address, where it leads; for an
 * alias source, time, who and note of the version that made it, else empty. Lists and domains are those of
 * now. */
void op_run_ALIAS_SHOW(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t at_ms = vals_get_int(&r->in);
    struct alias_versions versions;
    struct lead_walk walk;
    if (!lead_walk_init(r, address, &walk))
        return;
    if (at_ms > 0)
        alias_versions_at(r, at_ms, &versions);
    else
        alias_versions_live(r, &versions);
    for (size_t i = 0; i < walk.count; i++) {
        struct lead lead;
        lead_find(r, &versions, walk.addresses[i], &lead);
        if (lead.how == LEAD_ALIAS)
            show_entries(r, &versions, walk.addresses[i], &lead);
        else
            show_other(r, walk.addresses[i], &lead);
        lead_walk_add(r, &walk, i, buf_view(&lead.targets));
        lead_done(&lead);
    }
}

/* in: address, cursor: source, target, first; most. out: per entry it ever had: source, target, first; when,
 * by whom and how it began; the same of its end (0 and empty: it is there still). */
void op_run_ALIAS_HISTORY(struct op_run *r) {
    view address = vals_get_view(&r->in), source = vals_get_view(&r->in), target = vals_get_view(&r->in);
    int64_t first = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT a.source, a.target, a.first, b.at, b.who, b.note, coalesce(e.at, 0), coalesce(e.who, ''),"
        " coalesce(e.note, '') FROM alias a"
        " JOIN alias_version b ON b.source = a.source AND b.version = a.first"
        " LEFT JOIN alias_version e ON e.source = a.source AND e.version = a.ended"
        " WHERE a.address = $1 AND (a.source, a.target, a.first) > ($2, $3, $4)"
        " ORDER BY a.source, a.target, a.first LIMIT $5",
        DB_T(address), DB_T(source), DB_T(target), DB_I(first), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        for (int i = 2; i < 4; i++)
            vals_int(r->out, query_int(&q, i));
        vals_view(r->out, query_text(&q, 4));
        vals_view(r->out, query_text(&q, 5));
        vals_int(r->out, query_int(&q, 6));
        vals_view(r->out, query_text(&q, 7));
        vals_view(r->out, query_text(&q, 8));
    }
}

/* out: per source: name, live version; time, who, note, entries added and removed of that version (0 and
 * empty before the first). */
void op_run_ALIAS_SOURCES(struct op_run *r) {
    struct query q;
    db_query(r->db, &q,
             "SELECT s.name, s.live, coalesce(v.at, 0), coalesce(v.who, ''), coalesce(v.note, ''),"
             " coalesce(v.added, 0), coalesce(v.removed, 0) FROM alias_source s"
             " LEFT JOIN alias_version v ON v.source = s.name AND v.version = s.live ORDER BY s.name");
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
        vals_int(r->out, query_int(&q, 2));
        vals_view(r->out, query_text(&q, 3));
        vals_view(r->out, query_text(&q, 4));
        vals_int(r->out, query_int(&q, 5));
        vals_int(r->out, query_int(&q, 6));
    }
}
