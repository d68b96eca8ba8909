/* op_lookup.c: what is known of an address. RCPT asks it, and router once more; the walk along aliases is
 * here, the decision in routing/. */
#include "store/lookup.h"

#include <string.h>

#include "mail/list_address.h"
#include "store/person.h"
#include "store/preference.h"

/* ---- versions of alias sources ---- */

static void read_versions(struct op_run *r, struct query *q, struct alias_versions *ret) {
    ret->count = 0;
    while (query_row(q) && ret->count < LIMIT_ALIAS_SOURCES) {
        ret->of[ret->count].name = arena_view(r->arena, query_text(q, 0));
        ret->of[ret->count++].version = query_int(q, 1);
    }
    query_done(q);
}

void alias_versions_live(struct op_run *r, struct alias_versions *ret) {
    struct query q;
    db_query(r->db, &q, "SELECT name, live FROM alias_source");
    read_versions(r, &q, ret);
}

void alias_versions_at(struct op_run *r, int64_t at_ms, struct alias_versions *ret) {
    struct query q;
    db_query(r->db, &q, "SELECT source, max(version) FROM alias_version WHERE at <= $1 GROUP BY source",
             DB_I(at_ms));
    read_versions(r, &q, ret);
}

int64_t alias_version_of(const struct alias_versions *v, view source) {
    for (size_t i = 0; i < v->count; i++)
        if (view_eq(v->of[i].name, source))
            return v->of[i].version;
    return 0;
}

bool alias_counts(const struct alias_versions *v, view source, int64_t first, int64_t ended) {
    int64_t version = alias_version_of(v, source);
    return first <= version && version < ended;
}

/* ---- one address ---- */

/* A list: its id and address; 0 and an empty view when there is no such list. */
struct list_row {
    int64_t id;
    view address;
};

static struct list_row find_list(struct op_run *r, view address) {
    struct list_row row = {0};
    struct query q;
    db_query(r->db, &q, "SELECT id, address FROM list WHERE address = $1", DB_T(address));
    if (query_row(&q)) {
        row = (struct list_row){query_int(&q, 0), arena_view(r->arena, query_text(&q, 1))};
        query_done(&q);
    }
    return row;
}

/* "user@d" for "user+detail@d"; empty when there is no detail. */
static view without_detail(struct op_run *r, view address) {
    view user, detail;
    address_detail(address_split(address).local, &user, &detail);
    if (detail.ptr == NULL)
        return VIEW("");
    return arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(user), VIEW_ARG(address_split(address).domain));
}

/* The list that "news-owner@d" or "news-bounces+x=y@d" is about: "news@d"; else empty. */
static view list_of(struct op_run *r, view address) {
    view list, detail;
    if (list_part_of(address, &list, &detail) == LIST_PART_NONE)
        return VIEW("");
    return arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(list), VIEW_ARG(address_split(address).domain));
}

/* Sources may name the same target: it counts once. */
static bool add_aliases(struct op_run *r, const struct alias_versions *v, view address, struct lead *l) {
    struct query q;
    view last = VIEW("");
    if (v->count == 0)
        return false;
    db_query(r->db, &q, "SELECT source, target, first, ended FROM alias WHERE address = $1 ORDER BY target",
             DB_T(address));
    while (l->count < LIMIT_ALIAS_TARGETS && query_row(&q)) {
        view target = query_text(&q, 1);
        if (view_eq(target, last) || !alias_counts(v, query_text(&q, 0), query_int(&q, 2), query_int(&q, 3)))
            continue;
        vals_view(&l->targets, target);
        last = arena_view(r->arena, target);
        l->count++;
    }
    query_done(&q);
    if (l->count > 0) {
        l->how = LEAD_ALIAS;
        l->key = address;
    }
    return l->count > 0;
}

static void lead_to(struct lead *l, enum lead_how how, view target) {
    vals_view(&l->targets, target);
    l->count = 1;
    l->how = how;
}

/* LIST-owner: owners and moderators, but for those who take no mail. */
static bool add_owners(struct op_run *r, view address, const struct list_row *list, struct lead *l) {
    struct query q;
    view name, detail;
    if (!list->id || view_eq(address, list->address) ||
        list_part_of(address, &name, &detail) != LIST_PART_OWNER)
        return false;
    db_query(r->db, &q,
             "SELECT DISTINCT a.text FROM member m JOIN address a ON a.id = m.addr WHERE m.list = $1"
             " AND m.role IN ($2, $3) AND m.status = $4 ORDER BY a.text LIMIT $5",
             DB_I(list->id), DB_I(ROLE_OWNER), DB_I(ROLE_MODERATOR), DB_I(STATUS_ENABLED),
             DB_I(LIMIT_ALIAS_TARGETS));
    for (; query_row(&q); l->count++)
        vals_view(&l->targets, query_text(&q, 0));
    if (l->count > 0)
        l->how = LEAD_OWNER;
    return l->count > 0;
}

static bool add_base(struct op_run *r, const struct alias_versions *v, view base, struct lead *l) {
    struct lead other = {.targets = BUF_INIT(LIMIT_STORE_PACKET / 2)};
    bool is_there = base.len > 0 && (add_aliases(r, v, base, &other) || find_list(r, base).id != 0);
    buf_done(&other.targets);
    if (is_there)
        lead_to(l, LEAD_DETAIL, base);
    return is_there;
}

static bool is_relay_recipient(struct op_run *r, view domain, view address) {
    return address.len > 0 &&
           db_number(r->db, 0, "SELECT 1 FROM relay_recipient WHERE domain = $1 AND address = $2",
                     DB_T(domain), DB_T(address)) != 0;
}

/* *ret_named: the address stands on the list of a relay domain's recipients. *ret_alias_of: the domain whose
 * alias_domain it is, or empty. */
static enum domain_state find_domain(struct op_run *r, view address, view base, bool *ret_named,
                                     view *ret_alias_of) {
    view name = address_split(address).domain, found = name;
    int64_t relay = 0, listed = 0;
    bool is_there = false;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT relay, listed, name, 0 AS other FROM domain WHERE name = $1 UNION ALL SELECT 0, 0, name, 1"
        " FROM domain WHERE alias_domain <> '' AND alias_domain = $1 ORDER BY other, name LIMIT 1",
        DB_T(name));
    if (query_row(&q)) {
        is_there = true;
        relay = query_int(&q, 0);
        listed = query_int(&q, 1);
        found = arena_view(r->arena, query_text(&q, 2));
    }
    query_done(&q);
    *ret_alias_of = view_eq(found, name) ? VIEW("") : found;
    *ret_named =
        relay && listed && (is_relay_recipient(r, name, address) || is_relay_recipient(r, name, base));
    if (!is_there)
        return DOMAIN_ELSEWHERE;
    if (!relay)
        return DOMAIN_HERE;
    return !listed || *ret_named ? DOMAIN_RELAY : DOMAIN_RELAY_UNKNOWN;
}

void lead_find(struct op_run *r, const struct alias_versions *v, view address, struct lead *ret) {
    *ret = (struct lead){.targets = BUF_INIT(LIMIT_STORE_PACKET / 2), .key = VIEW("")};
    struct list_row list = find_list(r, address); /* a list may be called home-owner itself */
    view other = list.id ? VIEW("") : list_of(r, address), base = without_detail(r, address);
    bool named;
    view alias_of;
    if (other.len > 0)
        list = find_list(r, other);
    ret->domain = find_domain(r, address, base, &named, &alias_of);
    if (alias_of.len > 0) {
        lead_to(
            ret, LEAD_ALIAS,
            arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(address_split(address).local), VIEW_ARG(alias_of)));
        ret->key = arena_printf(r->arena, "@%.*s", VIEW_ARG(address_split(address).domain));
        return;
    }
    if (other.len > 0 && named) /* a mailbox elsewhere that is called team-leave */
        list = (struct list_row){.address = VIEW("")};
    ret->list = list.id;
    ret->list_address = list.address;
    if (add_aliases(r, v, address, ret) || add_owners(r, address, &list, ret) || list.id ||
        add_base(r, v, base, ret) || named)
        return;
    add_aliases(r, v, arena_printf(r->arena, "@%.*s", VIEW_ARG(address_split(address).domain)), ret);
}

void lead_done(struct lead *l) {
    buf_done(&l->targets);
}

/* ---- the walk ---- */

bool lead_walk_init(struct op_run *r, view address, struct lead_walk *ret) {
    ret->addresses = arena_array(r->arena, view, LIMIT_ALIAS_TARGETS + 1);
    ret->from = arena_array(r->arena, size_t, LIMIT_ALIAS_TARGETS + 1);
    if (r->arena->failed)
        return false;
    ret->addresses[0] = address;
    ret->count = 1;
    return true;
}

void lead_walk_add(struct op_run *r, struct lead_walk *w, size_t from, view targets) {
    struct vals found = vals_of(targets);
    while (vals_more(&found) && w->count <= LIMIT_ALIAS_TARGETS) {
        view target = vals_get_view(&found);
        size_t k = 0;
        while (k < w->count && !view_eq(w->addresses[k], target))
            k++;
        if (k < w->count)
            continue;
        w->addresses[w->count] = arena_view(r->arena, target);
        w->from[w->count++] = from;
    }
}

/* in: normalised address. out: facts about it and about every address that aliases lead to from there, each
 * once: what routing/route.h decides from. Per address: the address, enum domain_state, the list it
 * belongs to (id, address; LIST-owner, LIST-join and the like belong to LIST), count of targets, targets.
 * Stops at LIMIT_ALIAS_TARGETS addresses; who reads them sees that one is missing and refuses. */
void op_run_LOOKUP(struct op_run *r) {
    struct alias_versions versions;
    struct lead_walk walk;
    if (!lead_walk_init(r, vals_get_view(&r->in), &walk))
        return;
    alias_versions_live(r, &versions);
    for (size_t i = 0; i < walk.count && view_rfind(walk.addresses[i], '@') >= 0; i++) {
        struct lead lead;
        lead_find(r, &versions, walk.addresses[i], &lead);
        vals_view(r->out, walk.addresses[i]);
        vals_int(r->out, lead.domain);
        vals_int(r->out, lead.list);
        vals_view(r->out, lead.list_address);
        vals_int(r->out, lead.count);
        buf_add(r->out, buf_view(&lead.targets));
        lead_walk_add(r, &walk, i, buf_view(&lead.targets));
        lead_done(&lead);
    }
}

/* ---- what other operations ask ---- */

bool domain_is_here(struct op_run *r, view address) {
    view domain = address_split(address).domain;
    if (db_number(r->db, 0, "SELECT 1 FROM domain WHERE name = $1", DB_T(domain)))
        return true;
    op_refuse(r, ERR_NOT_FOUND, "domain %.*s is not here: add it with domain add %.*s", VIEW_ARG(domain),
              VIEW_ARG(domain));
    return false;
}

bool alias_is_live(struct op_run *r, view address) {
    return db_number(r->db, 0,
                     "SELECT count(*) FROM alias a JOIN alias_source s ON s.name = a.source"
                     " WHERE a.address = $1 AND a.first <= s.live AND s.live < a.ended",
                     DB_T(address)) > 0;
}
