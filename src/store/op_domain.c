/* op_domain.c: the domains whose mail is taken, those that are passed on among them with the recipients they
 * have, and by what way mail goes to a site. */
#include "store/event.h"
#include "store/list_setting.h"
#include "store/lookup.h"
#include "store/person.h"

static void record(struct op_run *r, view who, view domain, view what) {
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, 0,
                 arena_printf(r->arena, "@%.*s", VIEW_ARG(domain)),
                 arena_printf(r->arena, "by=%.*s %.*s", VIEW_ARG(who),
                              VIEW_ARG(view_slice(what, 0, LIMIT_EVENT_TEXT))));
}

/* Owners by their addresses; who is not known yet is registered. */
static void add_owners(struct op_run *r, view who, view domain) {
    int64_t count = (int64_t)vals_get_count(&r->in), first = count > 0 ? person_ids(r, count) : 0;
    for (int64_t i = 0; i < count && !db_error(r->db); i++) {
        view address = vals_get_view(&r->in);
        mailbox_make(r, address, VIEW(""), VIEW(""), first + i);
        db_run(r->db,
               "INSERT INTO domain_owner(domain, userid) SELECT $1, b.userid FROM mailbox b JOIN address a "
               "ON a.id ="
               " b.addr WHERE a.text = $2 ON CONFLICT DO NOTHING",
               DB_T(domain), DB_T(address));
        record(r, who, domain, arena_printf(r->arena, "owner=%.*s", VIEW_ARG(address)));
    }
}

/* in: domain; of one that programs make also: who does it, description, alias domain, count of owners, their
 * addresses */
void op_run_DOMAIN_ADD(struct op_run *r) {
    view name = vals_get_view(&r->in);
    if (db_change(r->db,
                  "INSERT INTO domain(name, created, relay, listed) VALUES($1, $2, 0, 0)"
                  " ON CONFLICT DO NOTHING",
                  DB_T(name), DB_I(r->now_ms)) == 0)
        op_refuse(r, ERR_EXISTS, "domain %.*s is here already", VIEW_ARG(name));
    if (!vals_more(&r->in) || r->err.code != ERR_OK)
        return;
    view who = vals_get_view(&r->in), description = vals_get_view(&r->in), alias = vals_get_view(&r->in);
    db_run(r->db, "UPDATE domain SET description = $2, alias_domain = $3 WHERE name = $1", DB_T(name),
           DB_T(description), DB_T(alias));
    record(r, who, name, VIEW("added"));
    add_owners(r, who, name);
}

static bool need_domain(struct op_run *r, view name) {
    if (db_number(r->db, 0, "SELECT 1 FROM domain WHERE name = $1", DB_T(name)))
        return true;
    op_refuse(r, ERR_NOT_FOUND, "no domain %.*s here", VIEW_ARG(name));
    return false;
}

/* in: domain, who does it, description, alias domain, count of owners to add, their addresses */
void op_run_DOMAIN_SET(struct op_run *r) {
    view name = vals_get_view(&r->in), who = vals_get_view(&r->in), description = vals_get_view(&r->in);
    view alias = vals_get_view(&r->in);
    if (!need_domain(r, name))
        return;
    if (view_eq(alias, name))
        op_refuse(r, ERR_REFUSED, "%.*s is the domain itself", VIEW_ARG(name));
    db_run(r->db, "UPDATE domain SET description = $2, alias_domain = $3 WHERE name = $1", DB_T(name),
           DB_T(description), DB_T(alias));
    record(
        r, who, name,
        arena_printf(r->arena, "description=%.*s alias_domain=%.*s", VIEW_ARG(description), VIEW_ARG(alias)));
    add_owners(r, who, name);
}

/* in: domain. out: ids of the users who own it */
void op_run_DOMAIN_OWNERS(struct op_run *r) {
    view name = vals_get_view(&r->in);
    struct query q;
    if (!need_domain(r, name))
        return;
    db_query(r->db, &q, "SELECT userid FROM domain_owner WHERE domain = $1 ORDER BY userid", DB_T(name));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}

/* in: domain, who does it, whether those that are there go (0/1), count of new ones, their addresses */
void op_run_DOMAIN_OWNER_SET(struct op_run *r) {
    view name = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t fresh = vals_get_int(&r->in);
    if (!need_domain(r, name))
        return;
    if (fresh) {
        db_run(r->db, "DELETE FROM domain_owner WHERE domain = $1", DB_T(name));
        record(r, who, name, VIEW("owners removed"));
    }
    add_owners(r, who, name);
}

static void set_transport(struct op_run *r, view domain, view transport) {
    db_run(r->db,
           "INSERT INTO site(name, transport, frozen) VALUES($1, $2, 0)"
           " ON CONFLICT(name) DO UPDATE SET transport = excluded.transport",
           DB_T(domain), DB_T(transport));
}

/* in: domain, only recipients that are listed (0/1), transport as site.transport. A domain that is passed on
 * to its transport; one that is so already gets the new values. */
void op_run_DOMAIN_RELAY(struct op_run *r) {
    view name = vals_get_view(&r->in);
    int64_t listed = vals_get_int(&r->in);
    view transport = vals_get_view(&r->in);
    if (db_change(r->db,
                  "INSERT INTO domain(name, created, relay, listed) VALUES($1, $2, 1, $3)"
                  " ON CONFLICT(name) DO UPDATE SET listed = excluded.listed WHERE domain.relay = 1",
                  DB_T(name), DB_I(r->now_ms), DB_I(listed)) == 0) {
        op_refuse(r, ERR_EXISTS, "domain %.*s is here already, with addresses of its own: remove it first",
                  VIEW_ARG(name));
        return;
    }
    set_transport(r, name, transport);
}

/* in: domain; maybe who does it, whether it is only asked what else than lists is in its way (0/1). Refuses
 * while lists, aliases or recipients live in it. (Not LIKE: a domain can have an underscore.) */
void op_run_DOMAIN_REMOVE(struct op_run *r) {
    view name = vals_get_view(&r->in), tail = arena_printf(r->arena, "@%.*s", VIEW_ARG(name));
    bool told = vals_more(&r->in);
    view who = told ? vals_get_view(&r->in) : VIEW("");
    bool look = told && vals_get_int(&r->in) != 0;
    int64_t lists =
        look ? 0
             : db_number(
                   r->db, 0,
                   "SELECT count(*) FROM list WHERE substr(address, length(address) - length($1) + 1) = $1",
                   DB_T(tail));
    int64_t aliases =
        db_number(r->db, 0,
                  "SELECT count(*) FROM alias a JOIN alias_source s ON s.name = a.source"
                  " WHERE substr(a.address, length(a.address) - length($1) + 1) = $1 AND a.first <= s.live"
                  " AND s.live < a.ended",
                  DB_T(tail));
    int64_t recipients =
        db_number(r->db, 0, "SELECT count(*) FROM relay_recipient WHERE domain = $1", DB_T(name));
    int64_t relay = db_number(r->db, 0, "SELECT relay FROM domain WHERE name = $1", DB_T(name));
    if (lists + aliases > 0)
        op_refuse(r, ERR_EXISTS, "domain %.*s still has %lld lists and %lld aliases: remove them first",
                  VIEW_ARG(name), (long long)lists, (long long)aliases);
    else if (recipients > 0)
        op_refuse(r, ERR_EXISTS,
                  "domain %.*s still has %lld recipients: remove them first"
                  " (recipient import %.*s /dev/null --force)",
                  VIEW_ARG(name), (long long)recipients, VIEW_ARG(name));
    else if (!look && db_change(r->db, "DELETE FROM domain WHERE name = $1", DB_T(name)) == 0)
        op_refuse(r, ERR_NOT_FOUND, "no domain %.*s here", VIEW_ARG(name));
    if (look || r->err.code != ERR_OK)
        return;
    db_run(r->db, "DELETE FROM domain_owner WHERE domain = $1", DB_T(name));
    if (relay)
        db_run(r->db, "UPDATE site SET transport = '' WHERE name = $1", DB_T(name));
    scope_forget(r, tail);
    if (told)
        record(r, who, name, VIEW("removed"));
}

/* in: last name seen, most. out: name, created */
void op_run_DOMAIN_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT name, created FROM domain WHERE name > $1 ORDER BY name LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
    }
}

/* in: exact name or empty, last name seen, most. out: name, created, relay (0/1), listed (0/1), listed
 * recipients, transport, description, alias domain */
void op_run_DOMAIN_SHOW(struct op_run *r) {
    view exact = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT d.name, d.created, d.relay, d.listed,"
        " (SELECT count(*) FROM relay_recipient m WHERE m.domain = d.name),"
        " coalesce((SELECT s.transport FROM site s WHERE s.name = d.name), ''), d.description, d.alias_domain"
        " FROM domain d WHERE d.name > $1 AND ($2 = '' OR d.name = $2) ORDER BY d.name LIMIT $3",
        DB_T(after), DB_T(exact), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        for (int i = 1; i < 5; i++)
            vals_int(r->out, query_int(&q, i));
        for (int i = 5; i < 8; i++)
            vals_view(r->out, query_text(&q, i));
    }
}

static bool need_relay(struct op_run *r, view domain) {
    if (db_number(r->db, 0, "SELECT relay FROM domain WHERE name = $1", DB_T(domain)))
        return true;
    op_refuse(r, ERR_NOT_FOUND, "no relay domain %.*s here: domain add %.*s --relay ... makes one",
              VIEW_ARG(domain), VIEW_ARG(domain));
    return false;
}

/* in: domain, count, addresses. out: how many were not there before */
void op_run_RECIPIENT_ADD(struct op_run *r) {
    view domain = vals_get_view(&r->in);
    int64_t added = 0;
    if (!need_relay(r, domain))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0 && !db_error(r->db); count--)
        added += db_change(
            r->db, "INSERT INTO relay_recipient(domain, address) VALUES($1, $2) ON CONFLICT DO NOTHING",
            DB_T(domain), DB_T(vals_get_view(&r->in)));
    vals_int(r->out, added);
}

/* in: domain, count, addresses. out: how many were there */
void op_run_RECIPIENT_REMOVE(struct op_run *r) {
    view domain = vals_get_view(&r->in);
    int64_t removed = 0;
    if (!need_relay(r, domain))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0 && !db_error(r->db); count--)
        removed += db_change(r->db, "DELETE FROM relay_recipient WHERE domain = $1 AND address = $2",
                             DB_T(domain), DB_T(vals_get_view(&r->in)));
    vals_int(r->out, removed);
}

/* in: domain, last address seen, most. out: addresses */
void op_run_RECIPIENT_LS(struct op_run *r) {
    view domain = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    if (!need_relay(r, domain))
        return;
    db_query(
        r->db, &q,
        "SELECT address FROM relay_recipient WHERE domain = $1 AND address > $2 ORDER BY address LIMIT $3",
        DB_T(domain), DB_T(after), DB_I(most));
    while (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
}

/* in: domain, transport as site.transport */
void op_run_TRANSPORT_SET(struct op_run *r) {
    view domain = vals_get_view(&r->in);
    set_transport(r, domain, vals_get_view(&r->in));
}

/* in: last domain seen, most. out: domain, transport of those that have one of their own */
void op_run_TRANSPORT_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT name, transport FROM site WHERE transport <> '' AND name > $1 ORDER BY name LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
    }
}
