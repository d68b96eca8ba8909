/* op_rules.c: what the rules of a list look at: its settings, bans, header matches, and what its senders are.
 * The rules themselves are in lists/. */
#include "base/pattern.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/lookup.h"
#include "store/moderation.h"
#include "store/person.h"
#include "store/sender_set.h"

bool need_scope(struct op_run *r, view scope) {
    if (scope.len == 0)
        return true;
    return view_starts_with(scope, VIEW("@")) ? domain_is_here(r, scope) : need_list(r, scope) != 0;
}

void scope_forget(struct op_run *r, view scope) {
    db_run(r->db, "DELETE FROM setting WHERE scope = $1", DB_T(scope));
    db_run(r->db, "DELETE FROM template WHERE scope = $1", DB_T(scope));
    db_run(r->db, "DELETE FROM ban WHERE scope = $1", DB_T(scope));
    db_run(r->db, "DELETE FROM header_match WHERE scope = $1", DB_T(scope));
}

/* ---- bans ---- */

static bool is_regex(view pattern) {
    return view_starts_with(pattern, VIEW("^"));
}

/* Of all texts in the one column, with room for what is around each. */
static int64_t octets_of(struct op_run *r, const char *sql, view scope) {
    int64_t octets = 0;
    struct query q;
    db_query(r->db, &q, sql, DB_T(scope));
    while (query_row(&q))
        octets += (int64_t)query_text(&q, 0).len + 1;
    return octets;
}

static void record(struct op_run *r, view scope, view who, const char *what, view detail) {
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(scope));
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, scope,
                 arena_printf(r->arena, "by=%.*s %s %.*s", VIEW_ARG(who), what,
                              VIEW_ARG(view_slice(detail, 0, LIMIT_EVENT_TEXT))));
}

static void add_ban_patterns(struct op_run *r, view list, view domain, struct buf *out) {
    struct query q;
    db_query(r->db, &q, "SELECT pattern FROM ban WHERE scope IN ($1, $2, '') AND regex = 1 ORDER BY pattern",
             DB_T(list), DB_T(domain));
    while (query_row(&q))
        buf_printf(out, "%s%.*s", out->len ? "\n" : "", VIEW_ARG(query_text(&q, 0)));
}

static bool matches_ban(struct op_run *r, view list, view domain, view address) {
    struct buf patterns = BUF_INIT(2 * LIMIT_SETTING_TEXT);
    add_ban_patterns(r, list, domain, &patterns);
    view rest = buf_view(&patterns), one;
    bool banned = patterns.failed;
    int64_t left_us = PATTERN_BUDGET_US; /* others wait for this transaction */
    while (!banned && view_split(&rest, '\n', &one)) {
        struct err e;
        banned = pattern_match_within(one, address, &left_us, &e) != PATTERN_NO;
    }
    buf_done(&patterns);
    return banned;
}

/* in: scope, who does it, pattern: an address (normalised) or a regular expression "^..." */
void op_run_BAN_ADD(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in), pattern = vals_get_view(&r->in);
    if (!need_scope(r, scope) || (is_regex(pattern) && !pattern_check(pattern, &r->err)))
        return;
    if (view_find(pattern, '\n') >= 0) {
        op_refuse(r, ERR_USAGE, "one line is wanted");
        return;
    }
    int64_t octets = octets_of(r, "SELECT pattern FROM ban WHERE scope = $1 AND regex = 1", scope);
    if (is_regex(pattern) && octets + (int64_t)pattern.len > LIMIT_SETTING_TEXT / 2) {
        op_refuse(r, ERR_LIMIT, "the regular expressions that ban there have more than %d octets",
                  LIMIT_SETTING_TEXT / 2);
        return;
    }
    if (db_change(r->db, "INSERT INTO ban(scope, regex, pattern) VALUES($1, $2, $3) ON CONFLICT DO NOTHING",
                  DB_T(scope), DB_I(is_regex(pattern)), DB_T(pattern)) == 0)
        op_refuse(r, ERR_EXISTS, "%.*s is banned there already", VIEW_ARG(view_slice(pattern, 0, 80)));
    record(r, scope, who, "ban added", pattern);
}

/* in: scope, who does it, pattern */
void op_run_BAN_REMOVE(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in), pattern = vals_get_view(&r->in);
    if (!need_scope(r, scope))
        return;
    if (db_change(r->db, "DELETE FROM ban WHERE scope = $1 AND regex = $2 AND pattern = $3", DB_T(scope),
                  DB_I(is_regex(pattern)), DB_T(pattern)) == 0)
        op_refuse(r, ERR_NOT_FOUND, "%.*s is not banned there", VIEW_ARG(view_slice(pattern, 0, 80)));
    record(r, scope, who, "ban removed", pattern);
}

/* in: scope, last pattern seen, most. out: patterns */
void op_run_BAN_LS(struct op_run *r) {
    view scope = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    if (!need_scope(r, scope))
        return;
    db_query(r->db, &q, "SELECT pattern FROM ban WHERE scope = $1 AND pattern > $2 ORDER BY pattern LIMIT $3",
             DB_T(scope), DB_T(after), DB_I(most));
    while (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
}

/* in: scope, pattern. out: banned there (0/1): it stands there or in a scope around, or an expression says so
 */
void op_run_BAN_FIND(struct op_run *r) {
    view scope = vals_get_view(&r->in), pattern = vals_get_view(&r->in);
    ptrdiff_t at = view_rfind(scope, '@');
    view domain = view_skip(scope, at < 0 ? 0 : (size_t)at);
    if (!need_scope(r, scope))
        return;
    vals_int(r->out, db_number(r->db, 0,
                               "SELECT count(*) FROM ban WHERE scope IN ($1, $2, '') AND regex = $3 AND "
                               "pattern = $4",
                               DB_T(scope), DB_T(domain), DB_I(is_regex(pattern)), DB_T(pattern)) > 0 ||
                         matches_ban(r, scope, domain, pattern));
}

/* ---- header matches ---- */

enum { POSITION_TRIES = 100 };

static int64_t match_octets(struct op_run *r, view scope) {
    return octets_of(
        r, "SELECT header || pattern || tag || '                ' FROM header_match WHERE scope = $1", scope);
}

/* Positions are given one by one: until the end of the transaction nobody else gives any there. */
static void lock_matches(struct op_run *r, view scope) {
    (void)db_number(r->db, 0,
                    "SELECT position FROM header_match WHERE scope = $1 ORDER BY position {for update}",
                    DB_T(scope));
}

static void refuse_octets(struct op_run *r) {
    op_refuse(r, ERR_LIMIT, "the header matches there have more than %d octets", LIMIT_SETTING_TEXT);
}

/* Returns its position. The first ones of a scope meet here, where there is nothing to lock yet. */
static int64_t append_match(struct op_run *r, view scope, view header, view pattern, int64_t action,
                            view tag) {
    for (int tries = 0; tries < POSITION_TRIES; tries++) {
        int64_t position =
            db_number(r->db, 0, "SELECT coalesce(max(position) + 1, 0) FROM header_match WHERE scope = $1",
                      DB_T(scope));
        if (db_change(r->db,
                      "INSERT INTO header_match(scope, position, header, pattern, action, tag)"
                      " VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                      DB_T(scope), DB_I(position), DB_T(header), DB_T(pattern), DB_I(action), DB_T(tag)) != 0)
            return position;
    }
    op_refuse(r, ERR_CONFLICT, "others add header matches there: try again");
    return 0;
}

/* in: scope, who does it, header, pattern, action (enum moderation; DEFAULT: hold), tag. Behind those that
 * are there. out: position */
void op_run_HEADER_MATCH_ADD(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in), header = vals_get_view(&r->in);
    view pattern = vals_get_view(&r->in);
    int64_t action = vals_get_int(&r->in);
    view tag = vals_get_view(&r->in);
    if (!need_scope(r, scope) || !pattern_check(pattern, &r->err))
        return;
    lock_matches(r, scope);
    if (db_number(r->db, 0,
                  "SELECT count(*) FROM header_match WHERE scope = $1 AND header = $2 AND pattern = $3",
                  DB_T(scope), DB_T(header), DB_T(pattern)) > 0) {
        op_refuse(r, ERR_EXISTS, "that match of %.*s is there already", VIEW_ARG(header));
        return;
    }
    if (match_octets(r, scope) + (int64_t)(header.len + pattern.len + tag.len) > LIMIT_SETTING_TEXT) {
        refuse_octets(r);
        return;
    }
    int64_t position = append_match(r, scope, header, pattern, action, tag);
    record(r, scope, who, "header match added",
           arena_printf(r->arena, "%.*s: %.*s", VIEW_ARG(header), VIEW_ARG(pattern)));
    vals_int(r->out, position);
}

/* in: scope, who does it, position, or -1: all. Those behind it move up. */
void op_run_HEADER_MATCH_REMOVE(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t position = vals_get_int(&r->in);
    if (!need_scope(r, scope))
        return;
    lock_matches(r, scope);
    if (db_change(r->db, "DELETE FROM header_match WHERE scope = $1 AND (position = $2 OR $2 = -1)",
                  DB_T(scope), DB_I(position)) == 0 &&
        position >= 0)
        op_refuse(r, ERR_NOT_FOUND, "there is no header match %lld", (long long)position);
    /* in two steps: a row must not meet one that has not moved yet */
    db_run(r->db, "UPDATE header_match SET position = -position WHERE scope = $1 AND position > $2",
           DB_T(scope), DB_I(position));
    db_run(r->db, "UPDATE header_match SET position = -position - 1 WHERE scope = $1 AND position < 0",
           DB_T(scope));
    record(r, scope, who, "header match removed",
           position < 0 ? VIEW("all") : arena_printf(r->arena, "%lld", (long long)position));
}

/* From one place to another; those between make room. */
static void move_match(struct op_run *r, view scope, int64_t from, int64_t to) {
    int64_t count = db_number(r->db, 0, "SELECT count(*) FROM header_match WHERE scope = $1", DB_T(scope));
    if (to < 0 || to >= count) {
        op_refuse(r, ERR_USAGE,
                  "There are %lld header matches for this list, the new position cannot be %lld or higher",
                  (long long)count, (long long)count);
        return;
    }
    db_run(r->db,
           "UPDATE header_match SET position = -position - 1 WHERE scope = $1 AND position BETWEEN $2 AND $3",
           DB_T(scope), DB_I(from < to ? from : to), DB_I(from < to ? to : from));
    db_run(r->db,
           "UPDATE header_match SET position = CASE WHEN position = -1 - $2 THEN $3 ELSE $4 - position END"
           " WHERE scope = $1 AND position < 0",
           DB_T(scope), DB_I(from), DB_I(to), DB_I(from < to ? -2 : 0));
}

/* in: scope, who does it, position, header, pattern, action or -1, whether the tag changes, tag, new position
 * or -1. Texts that are empty and -1: as it is. */
void op_run_HEADER_MATCH_SET(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t position = vals_get_int(&r->in);
    view header = vals_get_view(&r->in), pattern = vals_get_view(&r->in);
    int64_t action = vals_get_int(&r->in), tags = vals_get_int(&r->in);
    view tag = vals_get_view(&r->in);
    int64_t to = vals_get_int(&r->in);
    if (!need_scope(r, scope) || (pattern.len > 0 && !pattern_check(pattern, &r->err)))
        return;
    lock_matches(r, scope);
    if (db_change(r->db,
                  "UPDATE header_match SET header = CASE WHEN $3 = '' THEN header ELSE $3 END,"
                  " pattern = CASE WHEN $4 = '' THEN pattern ELSE $4 END,"
                  " action = CASE WHEN $5 = -1 THEN action ELSE $5 END,"
                  " tag = CASE WHEN $6 = 0 THEN tag ELSE $7 END WHERE scope = $1 AND position = $2",
                  DB_T(scope), DB_I(position), DB_T(header), DB_T(pattern), DB_I(action), DB_I(tags),
                  DB_T(tag)) == 0)
        op_refuse(r, ERR_NOT_FOUND, "there is no header match %lld", (long long)position);
    else if (match_octets(r, scope) > LIMIT_SETTING_TEXT)
        refuse_octets(r);
    else if (to >= 0 && to != position)
        move_match(r, scope, position, to);
    record(r, scope, who, "header match changed", arena_printf(r->arena, "%lld", (long long)position));
}

static void put_matches(struct op_run *r, view scope) {
    struct query q;
    db_query(
        r->db, &q,
        "SELECT position, header, pattern, action, tag FROM header_match WHERE scope = $1 ORDER BY position",
        DB_T(scope));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
        vals_view(r->out, query_text(&q, 4));
    }
}

/* in: scope. out: position, header, pattern, action, tag */
void op_run_HEADER_MATCH_LS(struct op_run *r) {
    view scope = vals_get_view(&r->in);
    if (need_scope(r, scope))
        put_matches(r, scope);
}

/* ---- what a post's rules ask for ---- */

/* What lines of senders say about those of the post: bit i: sender number i stands there. Expressions are for
 * the rules. */
static int64_t match_lines(struct op_run *r, view lines, const view *senders, size_t count,
                           struct buf *patterns) {
    int64_t bits = 0;
    view line;
    while (view_split(&lines, '\n', &line)) {
        if (is_regex(line)) {
            if (patterns->len > 0)
                buf_add_char(patterns, '\n');
            buf_add(patterns, line);
            continue;
        }
        view set = sender_set_of(line);
        bool list = view_starts_with(line, VIEW("@"));
        if (set.len > 0)
            sender_set_patterns(r, set, patterns);
        for (size_t i = 0; i < count; i++)
            if (set.len > 0 ? sender_set_has(r, set, senders[i])
                : list      ? db_number(r->db, 0,
                                        "SELECT count(*) FROM address a JOIN member m ON m.addr = a.id JOIN list l"
                                             " ON l.id = m.list WHERE a.text = $1 AND m.role = $2 AND l.address = $3",
                                        DB_T(senders[i]), DB_I(ROLE_MEMBER), DB_T(view_skip(line, 1))) > 0
                            : view_eq(line, senders[i]))
                bits |= INT64_C(1) << i;
    }
    return bits;
}

static void put_settings(struct op_run *r, view list, const view *senders, size_t count) {
    view values[LIST_SETTING_COUNT];
    list_settings_of(r, list, values);
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        struct buf patterns = BUF_INIT(2 * LIMIT_SETTING_TEXT);
        int64_t bits = 0;
        if (list_setting_part((enum list_setting)i) != SETTINGS_RULES)
            continue;
        if (list_setting_type((enum list_setting)i) == SETTING_SENDERS) {
            bits = match_lines(r, values[i], senders, count, &patterns);
            values[i] = buf_view(&patterns);
            if (patterns.failed)
                op_refuse(r, ERR_LIMIT, "the expressions of %s are too long",
                          list_setting_name((enum list_setting)i));
        }
        vals_view(r->out, values[i]);
        vals_int(r->out, bits);
        buf_done(&patterns);
    }
}

static bool is_banned(struct op_run *r, view list, view domain, view sender) {
    return db_number(r->db, 0,
                     "SELECT count(*) FROM ban WHERE scope IN ($1, $2, '') AND regex = 0 AND pattern = $3",
                     DB_T(list), DB_T(domain), DB_T(sender)) > 0;
}

static bool has_moderators(struct op_run *r, int64_t list) {
    return db_number(r->db, 0,
                     "SELECT 1 FROM member WHERE list = $1 AND role IN ($2, $3) AND status = 0 LIMIT 1",
                     DB_I(list), DB_I(ROLE_OWNER), DB_I(ROLE_MODERATOR)) != 0;
}
_Static_assert(STATUS_ENABLED == 0, "the SQL above");

static void put_alias_domain(struct op_run *r, view domain) {
    struct query q;
    db_query(r->db, &q, "SELECT alias_domain FROM domain WHERE name = $1", DB_T(domain));
    vals_view(r->out, query_row(&q) ? query_text(&q, 0) : VIEW(""));
    query_done(&q);
}

/* The membership of the address itself, else of another address of its user; a nonmember's row only of
 * itself.
 */
static void put_standing(struct op_run *r, int64_t list, view sender) {
    int64_t member = -1, nonmember = -1;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT m.role, m.action, m.addr = a.id FROM address a JOIN mailbox b ON b.addr = a.id"
        " JOIN mailbox o ON o.userid = b.userid JOIN member m ON m.addr = o.addr WHERE a.text = $1"
        " AND m.list = $2 AND m.role IN ($3, $4) ORDER BY CASE WHEN m.addr = a.id THEN 0 ELSE 1 END, m.id",
        DB_T(sender), DB_I(list), DB_I(ROLE_MEMBER), DB_I(ROLE_NONMEMBER));
    while (query_row(&q)) {
        bool own = query_int(&q, 2) != 0;
        if (query_int(&q, 0) == ROLE_MEMBER && member < 0)
            member = query_int(&q, 1);
        else if (query_int(&q, 0) == ROLE_NONMEMBER && own)
            nonmember = query_int(&q, 1);
    }
    vals_int(r->out, member);
    vals_int(r->out, nonmember);
}

#define DOMAIN_SCOPE(list) view_skip((list), (size_t)view_rfind((list), '@'))

bool address_is_banned(struct op_run *r, view list, view address) {
    return is_banned(r, list, DOMAIN_SCOPE(list), address) ||
           matches_ban(r, list, DOMAIN_SCOPE(list), address);
}

/* in: list (id), count of senders (at most LIMIT_POST_SENDERS), each normalised. out: the list's address
 * (empty: it is gone, and nothing follows); of every setting of rules in their order: value (of lines of
 * senders the expressions alone), and as bits which senders stand there; expressions of bans, one a line;
 * whether somebody gets mail for LIST-owner (0/1); the alias_domain of its domain, or empty; per sender:
 * banned (0/1), enum moderation as a member, as a nonmember, -1: is none; then header matches, the site's
 * first: position, header, pattern, action, tag. */
void op_run_LIST_RULES(struct op_run *r) {
    view senders[LIMIT_POST_SENDERS], list = VIEW("");
    int64_t id = vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    struct query q;
    if (count > LIMIT_POST_SENDERS) {
        op_refuse(r, ERR_SYNTAX, "list-rules: too many senders");
        return;
    }
    for (size_t i = 0; i < count; i++)
        senders[i] = vals_get_view(&r->in);
    db_query(r->db, &q, "SELECT address FROM list WHERE id = $1", DB_I(id));
    while (query_row(&q))
        list = arena_view(r->arena, query_text(&q, 0));
    vals_view(r->out, list);
    if (list.len == 0)
        return;
    view domain = DOMAIN_SCOPE(list);
    struct buf patterns = BUF_INIT(2 * LIMIT_SETTING_TEXT); /* of three scopes */
    put_settings(r, list, senders, count);
    add_ban_patterns(r, list, domain, &patterns);
    if (patterns.failed)
        op_refuse(r, ERR_LIMIT, "the expressions that ban are too long");
    vals_view(r->out, buf_view(&patterns));
    buf_done(&patterns);
    vals_int(r->out, has_moderators(r, id));
    put_alias_domain(r, view_skip(domain, 1));
    for (size_t i = 0; i < count; i++) {
        vals_int(r->out, is_banned(r, list, domain, senders[i]));
        put_standing(r, id, senders[i]);
    }
    put_matches(r, VIEW(""));
    put_matches(r, domain);
    put_matches(r, list);
}
