/* op_admin.c: lists and their settings: what the command line changes. Long results page by key, long changes
 * come in slices, so that no transaction lasts. */
#include "mail/address.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/lookup.h"
#include "store/person.h"
#include "store/sender_set.h"
#include "store/preference.h"
#include "store/schema.h"

static void record(struct op_run *r, view who, int64_t list, view address, const char *what) {
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, address,
                 arena_printf(r->arena, "by=%.*s %s", VIEW_ARG(who), what));
}

static void make_owner(struct op_run *r, int64_t list, view owner) {
    int64_t ids = person_ids(r, 2);
    struct membership m = {list, ROLE_OWNER, 0};
    mailbox_make(r, owner, VIEW(""), VIEW(""), ids);
    membership_make(r, &m, owner, ids + 1);
    memberships_refresh(r, LEVEL_MEMBER, ids + 1);
}

/* in: address, title (its description), owner's address or empty, archive (public, private, none), class of
 * its copies; then, where it is known, who makes it, and count of settings (name, enum setting_how, value) */
void op_run_LIST_CREATE(struct op_run *r) {
    view address = vals_get_view(&r->in), title = vals_get_view(&r->in), owner = vals_get_view(&r->in);
    view archive = vals_get_view(&r->in);
    int64_t class = vals_get_int(&r->in);
    if (!domain_is_here(r, address))
        return;
    if (alias_is_live(r, address)) {
        op_refuse(r, ERR_EXISTS, "%.*s is an alias already", VIEW_ARG(address));
        return;
    }
    int64_t uid = db_number(r->db, 0, "SELECT uid_last FROM list_past WHERE address = $1", DB_T(address));
    if (db_change(r->db,
                  "INSERT INTO list(address, archive, class, created, feed_last, uid_last, posts)"
                  " VALUES($1, $2, $3, $4, 0, $5, $5) ON CONFLICT DO NOTHING",
                  DB_T(address), DB_T(archive), DB_I(class), DB_I(r->now_ms), DB_I(uid)) == 0) {
        op_refuse(r, ERR_EXISTS, "list %.*s is here already", VIEW_ARG(address));
        return;
    }
    if (title.len > 0)
        db_run(r->db,
               "INSERT INTO setting(scope, name, value) VALUES($1, 'description', $2)"
               " ON CONFLICT(scope, name) DO UPDATE SET value = $2",
               DB_T(address), DB_T(title));
    int64_t list = need_list(r, address);
    if (owner.len > 0)
        make_owner(r, list, owner);
    if (!vals_more(&r->in))
        return;
    view who = vals_get_view(&r->in);
    record(r, who, list, address, "created");
    settings_change(r, address, who);
}

static int64_t delete_members(struct op_run *r, int64_t list) {
    db_run(r->db,
           "DELETE FROM preference WHERE level = $3 AND owner IN"
           " (SELECT id FROM member WHERE list = $1 ORDER BY role, site, addr LIMIT $2)",
           DB_I(list), DB_I(LIMIT_EXPAND_SLICE), DB_I(LEVEL_MEMBER));
    db_run(r->db,
           "DELETE FROM bounce WHERE member IN"
           " (SELECT id FROM member WHERE list = $1 ORDER BY role, site, addr LIMIT $2)",
           DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
    return db_change(
        r->db,
        "DELETE FROM member WHERE list = $1 AND (role, site, addr) IN"
        " (SELECT role, site, addr FROM member WHERE list = $1 ORDER BY role, site, addr LIMIT $2)",
        DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
}

/* What is known of its posts, for redelivery. */
static int64_t delete_posts(struct op_run *r, int64_t list) {
    db_run(r->db,
           "DELETE FROM post_kept WHERE list = $1 AND uid IN"
           " (SELECT uid FROM post WHERE list = $1 ORDER BY uid LIMIT $2)",
           DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
    return db_change(r->db,
                     "DELETE FROM post WHERE list = $1 AND uid IN"
                     " (SELECT uid FROM post WHERE list = $1 ORDER BY uid LIMIT $2)",
                     DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
}

/* What waits for the list's moderators goes with it. */
static void drop_held(struct op_run *r, int64_t list) {
    int64_t of[LIMIT_EXPAND_SLICE], n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT message FROM held_post WHERE list = $1 ORDER BY id", DB_I(list));
    while (query_row(&q) && n < LIMIT_EXPAND_SLICE)
        of[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n; i++)
        event_record(r, of[i], EVENT_DISCARDED, 0, list, VIEW(""), VIEW("the list was deleted"));
    db_run(r->db, "DELETE FROM held_post WHERE list = $1", DB_I(list));
}

/* in: address; then, where it is known, who does it. out: memberships that ended in this slice, done (0/1):
 * call again until done. Archive files stay, and a list that is made again under the name goes on with the
 * next UID. */
void op_run_LIST_DELETE(struct op_run *r) {
    view address = vals_get_view(&r->in);
    db_number(r->db, 0, "SELECT id FROM list WHERE address = $1 {for update}",
              DB_T(address)); /* no post meanwhile */
    int64_t list = need_list(r, address);
    if (list == 0)
        return;
    int64_t pending =
        db_number(r->db, 0,
                  "SELECT (SELECT count(*) FROM expansion WHERE list = $1)"
                  " + (SELECT count(*) FROM feed WHERE list = $1)"
                  " + (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE list = $1 LIMIT 1) AS one)",
                  DB_I(list));
    if (pending > 0) {
        op_refuse(r, ERR_CONFLICT, "list %.*s has posts under way: try again when they are through",
                  VIEW_ARG(address));
        return;
    }
    int64_t members = delete_members(r, list);
    bool done = members < LIMIT_EXPAND_SLICE && delete_posts(r, list) < LIMIT_EXPAND_SLICE;
    if (done) {
        db_run(r->db,
               "INSERT INTO list_past(address, uid_last) SELECT address, uid_last FROM list WHERE id = $1"
               " ON CONFLICT(address) DO UPDATE SET uid_last = excluded.uid_last",
               DB_I(list));
        db_run(r->db, "DELETE FROM follower WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM request WHERE list = $1", DB_I(list));
        drop_held(r, list);
        scope_forget(r, address);
        db_run(r->db, "DELETE FROM autoreply WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM owed_letter WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM digest WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM last_digest WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM list WHERE id = $1", DB_I(list));
        if (vals_more(&r->in))
            record(r, vals_get_view(&r->in), 0, address, "deleted");
    }
    vals_int(r->out, members);
    vals_int(r->out, done);
}

/* in: exact address or empty, last address seen, most. out: address, title, owner (the first of them),
 * archive, created, members, posts, class */
void op_run_LIST_LS(struct op_run *r) {
    view exact = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT address, coalesce((SELECT s.value FROM setting s WHERE s.scope = l.address AND s.name = "
        "'description'), ''),"
        " coalesce((SELECT min(a.text) FROM member m JOIN address a ON a.id = m.addr"
        " WHERE m.list = l.id AND m.role = 2), ''), archive, created,"
        " (SELECT count(*) FROM member m WHERE m.list = l.id AND m.role = 1), uid_last, class FROM list l"
        " WHERE address > $1 AND ($2 = '' OR address = $2) ORDER BY address LIMIT $3",
        DB_T(after), DB_T(exact), DB_I(most));
    while (query_row(&q)) {
        for (int i = 0; i < 4; i++)
            vals_view(r->out, query_text(&q, i));
        for (int i = 4; i < 8; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

static int64_t list_by_address(struct op_run *r, view address) {
    return db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(address));
}

/* A List-Id is the address with a dot in place of the @. */
int64_t list_by_name(struct op_run *r, view name) {
    int64_t list = list_by_address(r, name);
    for (size_t i = 0; list == 0 && i < name.len && i <= LIMIT_LOCAL_PART; i++)
        if (name.ptr[i] == '.')
            list = list_by_address(r, arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(view_slice(name, 0, i)),
                                                   VIEW_ARG(view_skip(name, i + 1))));
    return list;
}

/* in: address, or List-Id without brackets. out: nothing when there is none; id, address, archive, class,
 * created, posts, last post (0: never), volume and issue of the next digest, when the last digest was sent */
void op_run_LIST_SHOW(struct op_run *r) {
    int64_t list = list_by_name(r, vals_get_view(&r->in));
    struct query q;
    db_query(
        r->db, &q,
        "SELECT id, address, archive, class, created, posts, last_post, volume, issue, digest_sent FROM list"
        " WHERE id = $1",
        DB_I(list));
    while (query_row(&q))
        for (int i = 0; i < 10; i++)
            if (i == 1 || i == 2)
                vals_view(r->out, query_text(&q, i));
            else
                vals_int(r->out, query_int(&q, i));
}

/* in: last address seen, most. out: addresses of lists */
void op_run_LIST_NAMES(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT address FROM list WHERE address > $1 ORDER BY address LIMIT $2", DB_T(after),
             DB_I(most));
    while (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
}

/* ---- settings ---- */

/* The lines without one of them. False: it is not among them. */
static bool without_line(view lines, view line, struct buf *out) {
    bool found = false;
    view one;
    while (view_split(&lines, '\n', &one)) {
        if (view_eq(one, line)) {
            found = true;
            continue;
        }
        if (out->len > 0)
            buf_add_char(out, '\n');
        buf_add(out, one);
    }
    return found;
}

/* A line is added to, or taken from, what counts in the scope now. */
static bool change_lines(struct op_run *r, view scope, enum list_setting s, enum setting_how how,
                         view *value) {
    struct buf out = BUF_INIT(LIMIT_STORE_PACKET);
    view now = list_setting_text_of(r, scope, s);
    if (list_setting_type(s) < SETTING_LINES)
        op_refuse(r, ERR_USAGE, "%s has no lines: %s=VALUE sets it", list_setting_name(s),
                  list_setting_name(s));
    else if (!list_setting_check(s, *value, r->arena, value, &r->err))
        return false;
    else if (without_line(now, *value, &out) != (how == SETTING_REMOVE))
        op_refuse(r, how == SETTING_REMOVE ? ERR_NOT_FOUND : ERR_EXISTS, "%s: %.*s is %s",
                  list_setting_name(s), VIEW_ARG(view_slice(*value, 0, 80)),
                  how == SETTING_REMOVE ? "not among its lines" : "among its lines already");
    else if (how == SETTING_ADD)
        buf_printf(&out, "%s%.*s", out.len ? "\n" : "", VIEW_ARG(*value));
    *value = arena_view(r->arena, buf_view(&out));
    buf_done(&out);
    return r->err.code == ERR_OK;
}

static bool has_line(view lines, view wanted) {
    view line;
    while (view_split(&lines, '\n', &line))
        if (view_eq(line, wanted))
            return true;
    return false;
}

/* What the lines name is here; of a line that was there before it does not matter. */
static bool need_named(struct op_run *r, view scope, enum list_setting s, view lines) {
    view line, before = VIEW("");
    if (list_setting_type(s) == SETTING_SENDERS)
        return need_sender_sets(r, lines);
    if (list_setting_type(s) == SETTING_LISTS)
        before = list_setting_text_of(r, scope, s);
    while (list_setting_type(s) == SETTING_LISTS && view_split(&lines, '\n', &line))
        if (!has_line(before, line) && need_list(r, line) == 0)
            return false;
    return true;
}

static void set_one(struct op_run *r, view scope, enum list_setting s, enum setting_how how, view value) {
    view name = view_of(list_setting_name(s));
    if (how == SETTING_UNSET) {
        db_run(r->db, "DELETE FROM setting WHERE scope = $1 AND name = $2", DB_T(scope), DB_T(name));
        return;
    }
    if (how != SETTING_REPLACE && !change_lines(r, scope, s, how, &value))
        return;
    if (list_setting_check(s, value, r->arena, &value, &r->err) && need_named(r, scope, s, value))
        db_run(r->db,
               "INSERT INTO setting(scope, name, value) VALUES($1, $2, $3)"
               " ON CONFLICT(scope, name) DO UPDATE SET value = excluded.value",
               DB_T(scope), DB_T(name), DB_T(value));
}

void settings_change(struct op_run *r, view scope, view who) {
    static const char *const signs[] = {"=", "=", "+=", "-="};
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(scope));
    for (size_t count = vals_get_count(&r->in); count > 0 && r->err.code == ERR_OK && !db_error(r->db);
         count--) {
        view name = vals_get_view(&r->in);
        int64_t how = vals_get_int(&r->in);
        view value = vals_get_view(&r->in);
        enum list_setting s;
        if (!list_setting_find(name, &s) || how < SETTING_REPLACE || how > SETTING_REMOVE) {
            op_refuse(r, ERR_USAGE, "no list setting is called %.*s", VIEW_ARG(view_slice(name, 0, 60)));
            return;
        }
        set_one(r, scope, s, (enum setting_how)how, value);
        if (list_setting_type(s) == SETTING_SECRET && value.len > 0)
            value = VIEW("(a password)");
        event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, scope,
                     arena_printf(r->arena, "by=%.*s %.*s%s%.*s", VIEW_ARG(who), VIEW_ARG(name), signs[how],
                                  VIEW_ARG(view_slice(value, 0, LIMIT_EVENT_TEXT))));
    }
}

/* in: scope, who does it, count of (name, enum setting_how, value) */
void op_run_SETTING_SET(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in);
    if (need_scope(r, scope))
        settings_change(r, scope, who);
}

/* in: scope. out: scope, name, value of every setting that counts for it, those of scopes around it too, the
 * nearest first */
void op_run_SETTINGS(struct op_run *r) {
    view scope = vals_get_view(&r->in);
    struct query q;
    if (!need_scope(r, scope))
        return;
    ptrdiff_t at = view_rfind(scope, '@');
    db_query(r->db, &q,
             "SELECT scope, name, value FROM setting WHERE scope IN ($1, $2, '')"
             " ORDER BY length(scope) DESC, name",
             DB_T(scope), DB_T(view_skip(scope, at < 0 ? 0 : (size_t)at)));
    while (query_row(&q))
        for (int i = 0; i < 3; i++)
            vals_view(r->out, query_text(&q, i));
}

/* in: list, count, names of settings. out: their values, as they hold for it; nothing, when there is no such
 * list */
void op_run_SETTING_OF(struct op_run *r) {
    view list = vals_get_view(&r->in);
    if (!list_by_address(r, list))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0 && !r->in.failed; count--) {
        enum list_setting s;
        bool known = list_setting_find(vals_get_view(&r->in), &s);
        vals_view(r->out, known ? list_setting_text_of(r, list, s) : VIEW(""));
    }
}
