/* op_digest.c: digests: posts are collected when their editions are made, closed when they are large enough,
 * a day old, or somebody asks; a digest is a message with an expansion of its own, over the members of its
 * mode. */
#include "store/digest.h"

#include "base/id.h"
#include "store/event.h"
#include "store/list.h"
#include "store/list_setting.h"
#include "store/person.h"
#include "store/template.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

int64_t digest_mode_of_posts(struct op_run *r, view list_address) {
    return list_setting_of(r, list_address, LIST_SETTING_DIGESTS_ENABLED) ? MODE_REGULAR : MODE_EVERY;
}

void digest_collect(struct op_run *r, int64_t list, int64_t message) {
    db_run(
        r->db,
        "INSERT INTO digest(list, message, size) SELECT $1, m.id, m.size FROM message m JOIN expansion x ON"
        " x.message = m.id AND x.list = $1 AND x.mode = $3 WHERE m.id = $2"
        " AND EXISTS (SELECT 1 FROM member WHERE list = $1 AND mode > 0) ON CONFLICT DO NOTHING",
        DB_I(list), DB_I(message), DB_I(MODE_REGULAR));
}

void last_digests_end(struct op_run *r, int64_t list) {
    db_run(r->db,
           "DELETE FROM last_digest WHERE list = $1 AND NOT EXISTS (SELECT 1 FROM digest d WHERE d.list = $1"
           " AND d.message <= last) AND NOT EXISTS (SELECT 1 FROM expansion x WHERE x.list = $1 AND x.mode ="
           " last_digest.mode AND x.number <= last)",
           DB_I(list));
}

struct waiting {
    int64_t list, size, oldest, sent, asked;
    view address;
};

static bool is_due(struct op_run *r, const struct waiting *w) {
    int64_t most = list_setting_of(r, w->address, LIST_SETTING_DIGEST_SIZE_THRESHOLD);
    if (w->asked || (most > 0 && w->size >= most * 1024))
        return true;
    return list_setting_of(r, w->address, LIST_SETTING_DIGEST_SEND_PERIODIC) &&
           r->now_ms >= id_time_ms(w->oldest) + DAY_MS && r->now_ms >= w->sent + DAY_MS;
}

/* The next lists for whose digest posts wait. */
static size_t next_waiting(struct op_run *r, int64_t after, struct waiting *waiting) {
    size_t n = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT d.list, CAST(sum(d.size) AS BIGINT), min(d.message), l.digest_sent, l.digest_asked, "
             "l.address FROM digest d JOIN list l ON l.id = d.list WHERE d.list > $1 GROUP BY d.list, "
             "l.digest_sent, l.digest_asked, l.address ORDER BY d.list LIMIT $2",
             DB_I(after), DB_I(LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH) {
        struct waiting *w = &waiting[n++];
        int64_t *const numbers[] = {&w->list, &w->size, &w->oldest, &w->sent, &w->asked};
        for (int i = 0; i < 5; i++)
            *numbers[i] = query_int(&q, i);
        w->address = arena_view(r->arena, query_text(&q, 5));
    }
    query_done(&q);
    return n;
}

/* in: list's id seen last (0 at first). out: the last one looked at (0: there are no more), ids of
 * lists whose digest is to be sent now */
void op_run_DIGESTS_DUE(struct op_run *r) {
    struct waiting waiting[LIMIT_ROUTE_BATCH];
    size_t n = next_waiting(r, vals_get_int(&r->in), waiting);
    vals_int(r->out, n < LIMIT_ROUTE_BATCH ? 0 : waiting[n - 1].list);
    for (size_t i = 0; i < n; i++)
        if (is_due(r, &waiting[i]))
            vals_int(r->out, waiting[i].list);
}

/* Which kinds somebody gets, as bits. Where the list has no digests any more, the posts that wait were sent
 * to nobody with one. */
static int64_t modes_wanted(struct op_run *r, int64_t list) {
    int64_t modes = 0;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT mode FROM member WHERE list = $1 AND role = 1 AND status = 0 AND mode > 0 UNION"
        " SELECT mode FROM last_digest WHERE list = $1 AND last >= (SELECT min(message) FROM digest WHERE"
        " list = $1)",
        DB_I(list));
    while (query_row(&q))
        modes |= INT64_C(1) << query_int(&q, 0);
    query_done(&q);
    return modes;
}

static void put_texts(struct op_run *r, int64_t list, view address) {
    view languages = languages_of(r, list, address, 0), rest = languages, first = VIEW("");
    view_split(&rest, ' ', &first);
    vals_view(r->out, languages);
    vals_view(r->out, template_text_of(r, address, "list:member:digest:masthead", first));
    vals_view(r->out, template_text_of(r, address, "list:member:digest:header", first));
    vals_view(r->out, template_text_of(r, address, "list:member:digest:footer", first));
}

/* in: list's id. out: nothing when it is gone; what editions are made from (edition_facts_put); the list's
 * languages, the texts for masthead, header and footer (empty: the shipped ones); class, volume, issue, enum
 * delivery_mode wanted as bits; then of the posts that fit: message, enum edition_kept */
void op_run_DIGEST_TAKE(struct op_run *r) {
    int64_t list = vals_get_int(&r->in), octets = 0;
    struct query q;
    db_query(r->db, &q, "SELECT address, archive, class, volume, issue FROM list WHERE id = $1", DB_I(list));
    if (!query_row(&q)) {
        query_done(&q);
        return;
    }
    view address = arena_view(r->arena, query_text(&q, 0)), archive = arena_view(r->arena, query_text(&q, 1));
    int64_t class = query_int(&q, 2), volume = query_int(&q, 3), issue = query_int(&q, 4);
    query_done(&q);
    edition_facts_put(r, address, archive, issue, 0);
    put_texts(r, list, address);
    vals_int(r->out, class);
    vals_int(r->out, volume);
    vals_int(r->out, issue);
    vals_int(r->out, modes_wanted(r, list));
    db_query(r->db, &q,
             "SELECT d.message, coalesce(e.kept, 0), d.size FROM digest d LEFT JOIN edition e ON e.message = "
             "d.message"
             " AND e.list = d.list WHERE d.list = $1 ORDER BY d.message LIMIT $2",
             DB_I(list), DB_I(DIGEST_POSTS_MOST));
    for (size_t n = 0; query_row(&q); n++) {
        octets += query_int(&q, 2);
        if (n > 0 && octets > DIGEST_OCTETS_MOST)
            break;
        vals_int(r->out, query_int(&q, 0));
        vals_int(r->out, query_int(&q, 1));
    }
    query_done(&q);
}

/* Its body was staged. False: pieces of it are missing. */
static bool insert_digest(struct op_run *r, int64_t list, int64_t class, int64_t issue, int64_t first,
                          int64_t *sent) {
    int64_t mode = vals_get_int(&r->in), message = vals_get_int(&r->in);
    *sent |= mode > 0 && mode < 63 ? INT64_C(1) << mode : 0;
    view sender = vals_get_view(&r->in), msgid = vals_get_view(&r->in);
    int64_t size = vals_get_int(&r->in);
    view sha256 = vals_get_view(&r->in);
    int64_t flags = vals_get_int(&r->in);
    view recipe = vals_get_view(&r->in), origin = arena_printf(r->arena, "digest=%lld", (long long)issue);
    if (db_number(r->db, 0,
                  "SELECT coalesce((SELECT length(bytes) FROM body WHERE id = $1), 0)"
                  " + coalesce((SELECT sum(length(bytes)) FROM body WHERE message = $1 AND seq > 0), 0)",
                  DB_I(message)) != size)
        return false;
    db_run(r->db,
           "INSERT INTO message(id, sender, msgid, size, sha256, fields, origin, flags, envid, gone)"
           " VALUES($1, $2, $3, $4, $5, $6, $7, $8, '', 0)",
           DB_I(message), DB_T(sender), DB_T(msgid), DB_I(size), DB_B(sha256), DB_B(VIEW("")), DB_T(origin),
           DB_I(flags));
    db_run(r->db,
           "INSERT INTO expansion(message, list, class, site, addr, made, number, mode) VALUES($1, $2, $3, "
           "0, 0, 0, $4,"
           " $5)",
           DB_I(message), DB_I(list), DB_I(class), DB_I(first), DB_I(mode));
    db_run(r->db, "INSERT INTO edition(message, list, kept, recipe) VALUES($1, $2, 0, $3)", DB_I(message),
           DB_I(list), DB_B(recipe));
    event_record(r, message, EVENT_ACCEPTED, 0, list, VIEW(""), origin);
    return true;
}

/* in: list's id, issue it was taken as, class; count, messages that are in it, the first first; count of
 * digests, each: enum delivery_mode, message id (its body is staged), sender, Message-ID, size, SHA-256,
 * flags, recipe of its copies. One that was closed by somebody else meanwhile is not sent. */
void op_run_DIGEST_SENT(struct op_run *r) {
    int64_t list = vals_get_int(&r->in), issue = vals_get_int(&r->in), class = vals_get_int(&r->in);
    int64_t now = db_number(r->db, -1, "SELECT issue FROM list WHERE id = $1 {for update}", DB_I(list));
    if (now != issue || r->in.failed)
        return;
    int64_t first = 0, wanted = modes_wanted(r, list), sent = 0;
    for (size_t n = vals_get_count(&r->in); n > 0 && !r->in.failed && !db_error(r->db); n--) {
        int64_t message = vals_get_int(&r->in);
        first = first ? first : message;
        db_run(r->db, "DELETE FROM digest WHERE list = $1 AND message = $2", DB_I(list), DB_I(message));
    }
    size_t digests = vals_get_count(&r->in);
    for (size_t n = digests; n > 0 && !r->in.failed && !db_error(r->db); n--)
        if (!insert_digest(r, list, class, issue, first, &sent)) {
            op_refuse(r, ERR_CONFLICT, "pieces of a digest were lost: it is made again");
            return;
        }
    if (wanted & ~sent) {
        op_refuse(r, ERR_CONFLICT, "members want another kind of digest by now: it is made again");
        return;
    }
    if (digests > 0)
        list_bump(r, list);
    db_run(r->db, "UPDATE list SET digest_asked = 0 WHERE id = $1", DB_I(list));
    last_digests_end(r, list);
}

/* in: list's id, message, why. The post will be in no digest. */
void op_run_DIGEST_LEAVE_OUT(struct op_run *r) {
    int64_t list = vals_get_int(&r->in), message = vals_get_int(&r->in);
    view why = vals_get_view(&r->in);
    if (db_change(r->db, "DELETE FROM digest WHERE list = $1 AND message = $2", DB_I(list), DB_I(message)) !=
        1)
        return;
    event_record(r, message, EVENT_DROPPED, 0, list, VIEW(""),
                 arena_printf(r->arena, "from the digest: %.*s", VIEW_ARG(why)));
    last_digests_end(r, list);
}

/* in: list, who does it. out: how many posts wait for the digest, which is sent soon */
void op_run_DIGEST_ASK(struct op_run *r) {
    view address = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t list = need_list(r, address);
    if (list == 0)
        return;
    int64_t posts = db_number(r->db, 0, "SELECT count(*) FROM digest WHERE list = $1", DB_I(list));
    vals_int(r->out, posts);
    if (posts == 0)
        return;
    db_run(r->db, "UPDATE list SET digest_asked = 1 WHERE id = $1", DB_I(list));
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, address,
                 arena_printf(r->arena, "by=%.*s digest asked for", VIEW_ARG(who)));
}

/* in: last list seen, most. out: of lists for whose digest posts wait: list, posts, octets, volume, issue */
void op_run_DIGEST_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT l.address, count(*), CAST(sum(d.size) AS BIGINT), l.volume, l.issue FROM digest d JOIN "
             "list l ON"
             " l.id = d.list WHERE l.address > $1 GROUP BY l.address, l.volume, l.issue ORDER BY l.address "
             "LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        for (int i = 1; i < 5; i++)
            vals_int(r->out, query_int(&q, i));
    }
}
