/* op_edition.c: what lists make of their posts (ADR 20). The router makes an edition before the first copy of
 * a post is due; what it was made from is the list as it was then, for every copy and every retry. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "store/accept.h"
#include "store/digest.h"
#include "store/edition.h"
#include "store/event.h"
#include "store/list.h"
#include "store/list_setting.h"
#include "store/moderation.h"
#include "store/owed.h"
#include "store/person.h"
#include "store/sibling.h"
#include "store/template.h"

/* The list's own secret, so that nobody who has to know it knows those of others. */
static view list_secret(struct op_run *r, view list) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct query q;
    db_query(r->db, &q, "SELECT value FROM secret WHERE name = 'unsubscribe'");
    if (query_row(&q)) {
        view secret = query_text(&q, 0);
        HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)list.ptr, list.len, mac, &len);
    }
    query_done(&q);
    return arena_view(r->arena, view_from(mac, len));
}

/* A text above or below that no setting says anything about, not even that there is none. */
static view decoration(struct op_run *r, view list, enum list_setting s, view said, const char *name) {
    ptrdiff_t at = view_rfind(list, '@');
    view domain = view_skip(list, (size_t)(at < 0 ? 0 : at));
    bool is_said =
        said.len > 0 ||
        db_number(r->db, 0, "SELECT count(*) FROM setting WHERE name = $1 AND scope IN ($2, $3, '')",
                  DB_T(view_of(list_setting_name(s))), DB_T(list), DB_T(domain));
    return is_said ? said : template_text_of(r, list, name, VIEW(""));
}

/* Whether a list that takes the message has a moderator_password: what the post gives for one is no business
 * of the others' members. */
static bool has_password(struct op_run *r, int64_t message) {
    view lists[LIMIT_ROUTE_BATCH];
    size_t n = 0;
    bool found = false;
    struct query q;
    db_query(r->db, &q,
             "SELECT address FROM list WHERE id IN (SELECT list FROM expansion WHERE message = $1 UNION"
             " SELECT list FROM edition WHERE message = $1)",
             DB_I(message));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        lists[n++] = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    for (size_t i = 0; i < n && !found; i++)
        found = list_setting_text_of(r, lists[i], LIST_SETTING_MODERATOR_PASSWORD).len > 0;
    return found;
}

void edition_facts_put(struct op_run *r, view address, view archive, int64_t number, int64_t message) {
    view values[LIST_SETTING_COUNT];
    vals_view(r->out, address);
    vals_view(r->out, archive);
    vals_int(r->out, number);
    vals_view(r->out, list_secret(r, address));
    list_settings_of(r, address, values);
    vals_int(r->out, values[LIST_SETTING_MODERATOR_PASSWORD].len > 0 || has_password(r, message));
    values[LIST_SETTING_MSG_HEADER] = decoration(
        r, address, LIST_SETTING_MSG_HEADER, values[LIST_SETTING_MSG_HEADER], "list:member:regular:header");
    values[LIST_SETTING_MSG_FOOTER] = decoration(
        r, address, LIST_SETTING_MSG_FOOTER, values[LIST_SETTING_MSG_FOOTER], "list:member:regular:footer");
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        if (list_setting_part((enum list_setting)i) == SETTINGS_EDITION)
            vals_view(r->out, values[i]);
}

/* in: message, list (id). out: the list's address (empty: it is gone, or the edition is made, and nothing
 * follows), its archive setting, the post's number, the list's secret, whether a list of the post has a
 * moderator_password (0/1), and every setting of editions in their order; header and footer are the templates
 * where no setting says anything. */
void op_run_LIST_EDITION(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), id = vals_get_int(&r->in), number = 0;
    view address = VIEW(""), archive = VIEW("");
    struct query q;
    db_query(
        r->db, &q,
        "SELECT l.address, l.archive, x.number FROM expansion x JOIN list l ON l.id = x.list WHERE"
        " x.message = $1 AND x.list = $2 AND NOT EXISTS (SELECT 1 FROM edition e WHERE e.message = x.message"
        " AND e.list = x.list)",
        DB_I(message), DB_I(id));
    if (query_row(&q)) {
        address = arena_view(r->arena, query_text(&q, 0));
        archive = arena_view(r->arena, query_text(&q, 1));
        number = query_int(&q, 2);
    }
    query_done(&q);
    if (address.len == 0)
        vals_view(r->out, address);
    else
        edition_facts_put(r, address, archive, number, message);
}

/* Of a list, or where that has no such member of one that it includes: who gets a copy of the message $5. */
#define RECEIVES                                                                                             \
    "role = $3 AND status = 0 AND mode = 0 AND (list = $2 OR (list IN (SELECT x.other FROM expansion_list"   \
    " x WHERE x.message = $5 AND x.list = $2 AND x.kind = 1) AND NOT EXISTS (SELECT 1 FROM member own"       \
    " WHERE own.list = $2 AND own.role = $3 AND own.addr = member.addr)))"

/* Members among the addresses who want no copy then. `users`: by any address of theirs. */
static int64_t skip(struct op_run *r, int64_t message, int64_t list, bool users, view why) {
    int64_t addrs[LIMIT_POST_SENDERS], skipped = 0;
    for (size_t count = vals_get_count(&r->in); count > 0 && !r->in.failed; count--) {
        view address = vals_get_view(&r->in);
        int64_t n = 0;
        struct query q;
        /* 1: they do not want it */
        if (users)
            db_query(
                r->db, &q,
                "SELECT addr FROM member WHERE " RECEIVES " AND addr IN (SELECT o.addr"
                " FROM address a JOIN mailbox b ON b.addr = a.id JOIN mailbox o ON o.userid = b.userid WHERE"
                " a.text = $4) AND " MEMBER_PREFERS("5") " = 1",
                DB_I(r->now_ms), DB_I(list), DB_I(ROLE_MEMBER), DB_T(address), DB_I(message));
        else
            db_query(r->db, &q,
                     "SELECT addr FROM member WHERE " RECEIVES
                     " AND addr = (SELECT id FROM address WHERE text = $4) AND " MEMBER_PREFERS("4") " = 1",
                     DB_I(r->now_ms), DB_I(list), DB_I(ROLE_MEMBER), DB_T(address), DB_I(message));
        while (query_row(&q) && n < LIMIT_POST_SENDERS)
            addrs[n++] = query_int(&q, 0);
        query_done(&q);
        for (int64_t i = 0; i < n; i++)
            if (db_change(r->db,
                          "INSERT INTO expansion_skip(message, list, addr) VALUES($1, $2, $3) ON CONFLICT DO "
                          "NOTHING",
                          DB_I(message), DB_I(list), DB_I(addrs[i])) == 1) {
                event_record(r, message, EVENT_SKIPPED, addrs[i], list, VIEW(""), why);
                skipped++;
            }
    }
    return skipped;
}
_Static_assert(STATUS_ENABLED == 0 && PREFERENCE_RECEIVE_LIST_COPY == 4 &&
                   PREFERENCE_RECEIVE_OWN_POSTINGS == 5,
               "the SQL above");

/* Nothing is left to be sent. */
static void end_post(struct op_run *r, int64_t message, int64_t list, enum moderation end, view why) {
    static const enum event_kind kinds[] = {[MODERATION_HOLD] = EVENT_HELD,
                                            [MODERATION_REJECT] = EVENT_REJECTED,
                                            [MODERATION_DISCARD] = EVENT_DISCARDED};
    view detail = arena_printf(r->arena, "content-filter: %.*s", VIEW_ARG(why));
    expansion_end(r, message, list);
    if (end == MODERATION_HOLD)
        db_run(r->db,
               "INSERT INTO hold(message, role, reason, since) VALUES($1, 'list', $2, $3) ON CONFLICT DO "
               "NOTHING",
               DB_I(message), DB_T(detail), DB_I(r->now_ms));
    event_record(r, message, kinds[end], 0, list, VIEW(""), detail);
}

struct keep {
    int64_t message, list, end, kept, size;
    bool names;
    view what, sha256, recipe, mitigated, subject;
};

static struct keep read_keep(struct op_run *r) {
    struct keep k = {0};
    k.message = vals_get_int(&r->in);
    k.list = vals_get_int(&r->in);
    k.end = vals_get_int(&r->in);
    k.what = vals_get_view(&r->in);
    k.kept = vals_get_int(&r->in);
    k.size = vals_get_int(&r->in);
    k.sha256 = vals_get_view(&r->in);
    k.names = vals_get_int(&r->in) != 0;
    k.recipe = vals_get_view(&r->in);
    k.mitigated = vals_get_view(&r->in);
    k.subject = vals_get_view(&r->in);
    if (k.end < MODERATION_HOLD || k.end > MODERATION_ACCEPT || k.kept < KEPT_POST || k.kept > KEPT_ANONYMOUS)
        op_refuse(r, ERR_SYNTAX, "edition-keep: no such end");
    return k;
}

/* False: there is one, or the post is wanted by nobody any more. */
static bool insert_edition(struct op_run *r, const struct keep *k) {
    if (db_number(r->db, 0, "SELECT 1 FROM expansion WHERE message = $1 AND list = $2 {for update}",
                  DB_I(k->message), DB_I(k->list)) == 0 ||
        db_change(r->db,
                  "INSERT INTO edition(message, list, kept, recipe, mitigated) VALUES($1, $2, $3, $4, $5)"
                  " ON CONFLICT DO NOTHING",
                  DB_I(k->message), DB_I(k->list), DB_I(k->kept), DB_B(k->recipe), DB_B(k->mitigated)) != 1)
        return false;
    if (k->kept != KEPT_POST)
        db_run(
            r->db,
            "INSERT INTO post_kept(list, uid, size, sha256) SELECT p.list, p.uid, $3, $4 FROM post p"
            " JOIN message m ON m.sha256 = p.sha256 WHERE m.id = $1 AND p.list = $2 ON CONFLICT DO NOTHING",
            DB_I(k->message), DB_I(k->list), DB_I(k->size), DB_B(k->sha256));
    return true;
}

/* The first of the senders that is a member hears of it, if that is what the member wants. */
static void acknowledge(struct op_run *r, const struct keep *k, struct vals senders) {
    for (size_t count = vals_get_count(&senders); count > 0 && !senders.failed; count--) {
        view address = vals_get_view(&senders);
        int64_t addr = db_number(r->db, 0, "SELECT id FROM address WHERE text = $1", DB_T(address));
        if (membership_find(r, k->list, ROLE_MEMBER, addr) == 0)
            continue;
        if (db_number(
                r->db, 0,
                "SELECT " MEMBER_PREFERS("6") " FROM member WHERE list = $2 AND role = $3 AND addr = $4",
                DB_I(r->now_ms), DB_I(k->list), DB_I(ROLE_MEMBER), DB_I(addr)) == 1)
            letter_owe(r, LETTER_POSTED, k->list, addr, k->subject);
        return;
    }
}
_Static_assert(PREFERENCE_ACKNOWLEDGE_POSTS == 6, "the SQL above");

static void send_edition(struct op_run *r, const struct keep *k) {
    siblings_note(r, k->message, k->list, r->in);
    int64_t skips =
        skip(r, k->message, k->list, false, VIEW("the post names the member, who wants no second copy"));
    acknowledge(r, k, r->in);
    skips += skip(r, k->message, k->list, true, VIEW("the member's own post"));
    db_run(r->db, "UPDATE expansion SET skips = $3, flags = $4 WHERE message = $1 AND list = $2",
           DB_I(k->message), DB_I(k->list), DB_I(skips), DB_I(k->names ? DELIVERY_NAME : 0));
    digest_collect(r, k->list, k->message);
    if (k->what.len > 0)
        event_record(r, k->message, EVENT_EDITED, 0, k->list, VIEW(""), k->what);
}

static void pass_addresses(struct op_run *r) {
    for (size_t count = vals_get_count(&r->in); count > 0 && !r->in.failed; count--)
        vals_get_view(&r->in);
}

/* in: message, list, enum moderation (ACCEPT: it is sent; HOLD, REJECT, DISCARD: nothing of it is), what was
 * done to it (empty: nothing worth a word), enum edition_kept, then, of what the archive keeps in
 * place of the post, size and SHA-256 (else 0 and empty; so too where nothing is left), whether copies need
 * the members' names (0/1), the recipe, the one for where the author's domain forbids the first (DMARC;
 * empty: there is none), the post's subject (one printable line); count of addresses in To and Cc, and of
 * senders; count of letters, each as ACCEPT takes it. A second edition changes nothing. */
void op_run_EDITION_KEEP(struct op_run *r) {
    struct keep k = read_keep(r);
    if (r->err.code != ERR_OK || !insert_edition(r, &k))
        return;
    if (k.end == MODERATION_ACCEPT) {
        send_edition(r, &k);
    } else {
        pass_addresses(r); /* in To and Cc, */
        pass_addresses(r); /* and of senders */
        end_post(r, k.message, k.list, (enum moderation)k.end, k.what);
    }
    for (size_t letters = vals_get_count(&r->in); letters > 0 && r->err.code == ERR_OK; letters--)
        accept_one(r);
}

/* in: list's address. out: its secret, for the keys of lists/unsubscribe.h */
void op_run_LIST_SECRET(struct op_run *r) {
    vals_view(r->out, list_secret(r, vals_get_view(&r->in)));
}

/* in: message, list. out: the recipe, and the one for where the author's domain forbids the first (empty:
 * none); nothing where there is no edition (copies of an older release). */
void op_run_EDITION(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), list = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT recipe, coalesce(mitigated, $3) FROM edition WHERE message = $1 AND list = $2",
             DB_I(message), DB_I(list), DB_B(VIEW("")));
    if (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
    }
    query_done(&q);
}
