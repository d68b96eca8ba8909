/* route.c: walks from an address along aliases to lists and addresses. The facts are a snapshot, so the walk
 * is finite; the limits are for people: whoever nests aliases deeper than LIMIT_ALIAS_DEPTH made a mistake.
 */
#include "routing/route.h"

#include "mail/verp.h"
#include "store/domain.h"

struct fact {
    view address;
    enum domain_state domain;
    int64_t list;
    view list_address;
    struct vals targets;
    size_t target_count;
    bool visited;
};

#define FACT_BYTES_MIN 37 /* of a fact without targets */

struct walk {
    struct arena *arena;
    struct fact *facts;
    size_t fact_count;
    struct route *route;
    size_t target_room;
    view path[LIMIT_ALIAS_DEPTH + 1]; /* from the recipient to where we are */
};

static bool read_facts(struct walk *w, view bytes, struct err *e) {
    struct vals v = vals_of(bytes);
    size_t most = bytes.len / FACT_BYTES_MIN + 1;
    w->facts = arena_array(w->arena, struct fact, most);
    while (vals_more(&v) && w->facts && w->fact_count < most) {
        struct fact *f = &w->facts[w->fact_count++];
        f->address = vals_get_view(&v);
        f->domain = (enum domain_state)vals_get_int(&v);
        f->list = vals_get_int(&v);
        f->list_address = vals_get_view(&v);
        f->target_count = vals_get_count(&v);
        f->targets = v;
        for (size_t i = 0; i < f->target_count; i++)
            vals_get_view(&v);
    }
    if (w->arena->failed)
        return err_set(e, ERR_LIMIT, NULL);
    return !v.failed || err_set(e, ERR_SYNTAX, "the store's facts about an address are malformed");
}

static struct fact *find_fact(const struct walk *w, view address) {
    for (size_t i = 0; i < w->fact_count; i++)
        if (view_eq(w->facts[i].address, address))
            return &w->facts[i];
    return NULL;
}

static struct route_target *add_target(struct walk *w, enum route_kind kind, view address) {
    struct route *r = w->route;
    for (size_t i = 0; i < r->count; i++)
        if (r->targets[i].kind == kind && view_eq(r->targets[i].address, address))
            return &r->targets[i];
    BUG_ON(r->count >= w->target_room);
    struct route_target *t = &r->targets[r->count++];
    *t = (struct route_target){.kind = kind, .address = address};
    return t;
}

static void refuse(struct walk *w, view address, enum err_code code, const char *what) {
    struct err *why = arena_new(w->arena, struct err);
    if (!why)
        return;
    err_set(why, code, "<%.*s>: %s", VIEW_ARG(address), what);
    struct route_target *t = add_target(w, ROUTE_REFUSED, address);
    if (!t->why)
        t->why = why;
}

static void add_bounce(struct walk *w, const struct fact *f) {
    struct route_target *t = add_target(w, ROUTE_BOUNCE, f->list_address);
    struct address parts = address_split(f->address);
    view user, detail;
    address_detail(parts.local, &user, &detail);
    t->list = f->list;
    t->detail = arena_view(w->arena, detail);
    verp_parse(detail, w->arena, &t->member);
}

static void add_command(struct walk *w, const struct fact *f, enum list_part part, view detail) {
    struct route_target *t = add_target(w, ROUTE_COMMAND, f->address);
    t->list = f->list;
    t->list_address = f->list_address;
    t->part = part;
    t->detail = detail;
}

/* One of the list's other addresses, but for an owner that is there. */
static void visit_part(struct walk *w, const struct fact *f) {
    view list, detail;
    enum list_part part = list_part_of(f->address, &list, &detail);
    if (part == LIST_PART_BOUNCES)
        add_bounce(w, f);
    else if (part == LIST_PART_OWNER || part == LIST_PART_NONE)
        refuse(w, f->address, ERR_NO_SUCH_USER, "the list has no owner");
    else
        add_command(w, f, part, detail);
}

static void visit(struct walk *w, view address, size_t depth);

static void visit_targets(struct walk *w, const struct fact *f, size_t depth) {
    struct vals targets = f->targets;
    for (size_t i = 0; i < f->target_count; i++)
        visit(w, vals_get_view(&targets), depth + 1);
}

/* Recursion is bounded by LIMIT_ALIAS_DEPTH; each address is looked at once. */
static void visit(struct walk *w, view address, size_t depth) {
    for (size_t i = 0; i < depth; i++)
        if (view_eq(w->path[i], address))
            return refuse(w, address, ERR_LOOP, "the alias leads back to itself");
    if (depth > LIMIT_ALIAS_DEPTH)
        return refuse(w, address, ERR_LOOP, "aliases are nested too deep");
    w->path[depth] = address;
    struct fact *f = find_fact(w, address);
    if (!f)
        return refuse(w, w->path[0], ERR_LIMIT, "the alias has too many targets");
    if (f->visited)
        return;
    f->visited = true;
    if (f->list && view_eq(f->list_address, address))
        add_target(w, ROUTE_LIST, address)->list = f->list;
    else if (f->target_count > 0)
        visit_targets(w, f, depth);
    else if (f->list)
        visit_part(w, f);
    else if (f->domain == DOMAIN_ELSEWHERE || f->domain == DOMAIN_RELAY)
        add_target(w, ROUTE_ADDRESS, address);
    else
        refuse(w, address, ERR_NO_SUCH_USER, err_info(ERR_NO_SUCH_USER)->text);
}

bool route_decide(view address, view facts, struct arena *a, struct route *ret_route, struct err *e) {
    struct route route = {.count = 0};
    struct walk w = {.arena = a, .route = &route};
    if (!read_facts(&w, facts, e))
        return false;
    const struct fact *own = find_fact(&w, address);
    if (!own)
        return err_set(e, ERR_SYNTAX, "the store said nothing about <%.*s>", VIEW_ARG(address));
    route.local = own->domain != DOMAIN_ELSEWHERE;
    w.target_room = 2 * w.fact_count + 2; /* an address can be a target and, by another way, refused */
    route.targets = arena_array(a, struct route_target, w.target_room);
    if (route.targets)
        visit(&w, address, 0);
    if (a->failed)
        return err_set(e, ERR_LIMIT, NULL);
    *ret_route = route;
    return true;
}

const struct err *route_refusal(const struct route *r) {
    for (size_t i = 0; i < r->count; i++)
        if (r->targets[i].kind != ROUTE_REFUSED)
            return NULL;
    return r->count > 0 ? r->targets[0].why : NULL;
}
