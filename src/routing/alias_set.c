/* alias_set.c: differences by one walk over two sorted sets; loops by one depth-first walk over the aliases
 * that lead to aliases. */
#include "routing/alias_set.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/address.h"

/* ---- differences ---- */

static void add_change(struct alias_diff *d, size_t *room, enum alias_action action,
                       const struct alias_entry *entry) {
    if (d->count == *room) {
        *room = *room ? 2 * *room : 256;
        d->changes = mem_resize(d->changes, *room, sizeof *d->changes);
    }
    d->changes[d->count++] = (struct alias_change){action, entry};
}

/* An entry that is wanted, with what the store has of it (0: nothing). */
static void keep_or_add(struct alias_diff *d, size_t *room, unsigned state, const struct alias_entry *entry) {
    if (state & HAS_LIVE) {
        d->same++;
        if (state & HAS_END)
            add_change(d, room, ALIAS_GO_ON, entry);
        return;
    }
    d->added++;
    if (!(state & HAS_STAGED))
        add_change(d, room, ALIAS_ADD, entry);
}

/* One that is not. */
static void remove_entry(struct alias_diff *d, size_t *room, const struct alias_had *h) {
    if (h->state & HAS_STAGED)
        add_change(d, room, ALIAS_FORGET, &h->entry);
    if (!(h->state & HAS_LIVE))
        return;
    d->removed++;
    if (!(h->state & HAS_END))
        add_change(d, room, ALIAS_END, &h->entry);
}

void alias_diff(const struct alias_had *had, size_t had_count, const struct alias_entries *wanted,
                struct alias_diff *ret) {
    size_t h = 0, w = 0, room = 0;
    *ret = (struct alias_diff){.changes = NULL};
    while (h < had_count || w < wanted->count) {
        int order = h == had_count       ? 1
                    : w == wanted->count ? -1
                                         : alias_entry_cmp(&had[h].entry, &wanted->list[w]);
        if (order <= 0)
            ret->live += (had[h].state & HAS_LIVE) != 0;
        if (order < 0)
            remove_entry(ret, &room, &had[h]);
        else
            keep_or_add(ret, &room, order == 0 ? had[h].state : 0, &wanted->list[w]);
        h += order <= 0;
        w += order >= 0;
    }
}

void alias_diff_done(struct alias_diff *d) {
    free(d->changes);
    d->changes = NULL;
}

/* ---- what may be ---- */

static int view_order(const void *key, const void *element) {
    return view_cmp(*(const view *)key, *(const view *)element);
}

static bool has_name(const struct alias_names *names, view name) {
    return names->count > 0 && bsearch(&name, names->list, names->count, sizeof name, view_order);
}

static view domain_of(view address) {
    return address_split(address).domain;
}

static bool say(struct err *e, enum err_code code, const struct alias_entry *at, const char *why) {
    view shown = view_slice(at->address, 0, 100);
    if (at->line == 0) /* of another source */
        return err_set(e, code, "%.*s: %s", VIEW_ARG(shown), why);
    return err_set(e, code, "line %zu: %.*s: %s", at->line, VIEW_ARG(shown), why);
}

static bool check_addresses(const struct alias_entries *wanted, const struct alias_names *domains,
                            const struct alias_names *lists, struct err *e) {
    view last = VIEW(""), last_domain = VIEW("");
    size_t targets = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct alias_entry *entry = &wanted->list[i];
        view domain = domain_of(entry->address);
        if (view_eq(entry->address, last)) {
            if (++targets > LIMIT_ALIAS_TARGETS)
                return say(e, ERR_USAGE, entry, "too many targets; a list is made for more");
            continue;
        }
        if (!view_eq(domain, last_domain) && !has_name(domains, domain))
            return say(e, ERR_NOT_FOUND, entry, "its domain is not here: domain add makes it so");
        if (has_name(lists, entry->address))
            return say(e, ERR_EXISTS, entry, "there is a list of that name");
        last = entry->address;
        last_domain = domain;
        targets = 1;
    }
    return true;
}

/* ---- loops ---- */

enum { NEW = -1, OPEN = -2 }; /* height of a node that was not seen, and of one on the path to here */

struct graph {
    struct alias_entries all; /* of every source; a node is the first entry of its address */
    const struct alias_names *domains, *lists;
    bool any_catch_all;
    int *height;  /* per node: the longest way from there, in steps */
    size_t *path; /* nodes on the way to here */
    size_t depth, room;
};

#define NOWHERE SIZE_MAX

static size_t find_node(const struct graph *g, view address) {
    size_t low = 0, high = g->all.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view_cmp(g->all.list[middle].address, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < g->all.count && view_eq(g->all.list[low].address, address) ? low : NOWHERE;
}

/* The alias that a target is, by the order of op_lookup.c: itself, without its detail, the catch-all. */
static size_t resolve(const struct graph *g, view target) {
    char text[LIMIT_ADDRESS * 2];
    struct address parts = address_split(target);
    if (!has_name(g->domains, parts.domain))
        return NOWHERE;
    size_t node = find_node(g, target);
    if (node != NOWHERE || has_name(g->lists, target))
        return node;
    view user, detail;
    address_detail(parts.local, &user, &detail);
    if (detail.ptr && target.len < sizeof text) {
        struct buf base = BUF_INIT(sizeof text);
        buf_printf(&base, "%.*s@%.*s", VIEW_ARG(user), VIEW_ARG(parts.domain));
        node = find_node(g, buf_view(&base));
        bool is_list = has_name(g->lists, buf_view(&base));
        buf_done(&base);
        if (node != NOWHERE || is_list)
            return node;
    }
    return g->any_catch_all ? find_node(g, view_skip(target, (size_t)view_rfind(target, '@'))) : NOWHERE;
}

static bool say_path(const struct graph *g, size_t from, view last, struct err *e) {
    struct buf text = BUF_INIT(LIMIT_ERR_TEXT - 64);
    size_t line = 0;
    for (size_t i = from; i < g->depth; i++) {
        const struct alias_entry *entry = &g->all.list[g->path[i]];
        buf_printf(&text, "%.*s -> ", VIEW_ARG(entry->address));
        line = line ? line : entry->line;
    }
    buf_add(&text, last);
    err_set(e, ERR_LOOP, "line %zu: the alias leads back to itself: %s", line, text.data);
    buf_done(&text);
    return false;
}

/* A node whose targets are being looked at, one after the other. */
struct frame {
    size_t node, next;
    int height;
};

static void open_node(struct graph *g, struct frame *f, size_t node) {
    g->height[node] = OPEN;
    g->path[g->depth++] = node;
    *f = (struct frame){.node = node, .next = node, .height = 0};
}

/* Recursion is bounded: a path longer than LIMIT_ALIAS_DEPTH is refused. */
static bool walk(struct graph *g, size_t node, struct err *e) {
    struct frame f;
    if (g->depth >= LIMIT_ALIAS_DEPTH)
        return say(e, ERR_LOOP, &g->all.list[g->path[0]], "aliases are nested too deep");
    open_node(g, &f, node);
    view address = g->all.list[node].address;
    for (; f.next < g->all.count && view_eq(g->all.list[f.next].address, address); f.next++) {
        size_t to = resolve(g, g->all.list[f.next].target);
        if (to == NOWHERE)
            continue;
        for (size_t i = 0; g->height[to] == OPEN && i < g->depth; i++)
            if (g->path[i] == to)
                return say_path(g, i, g->all.list[to].address, e);
        if (g->height[to] == NEW && !walk(g, to, e))
            return false;
        if (g->height[to] + 1 > f.height)
            f.height = g->height[to] + 1;
    }
    g->height[node] = f.height;
    g->depth--;
    return f.height < LIMIT_ALIAS_DEPTH ||
           say(e, ERR_LOOP, &g->all.list[node], "aliases are nested too deep");
}

static void build(struct graph *g, const struct alias_entries *wanted, const struct alias_entries *others) {
    for (size_t w = 0, o = 0; w < wanted->count || o < others->count;) {
        bool is_wanted = o == others->count ||
                         (w < wanted->count && alias_entry_cmp(&wanted->list[w], &others->list[o]) <= 0);
        alias_entries_add(&g->all, is_wanted ? &wanted->list[w++] : &others->list[o++]);
    }
    for (size_t i = 0; i < g->all.count && !g->any_catch_all; i++)
        g->any_catch_all = view_starts_with(g->all.list[i].address, VIEW("@"));
    g->height = mem_resize(NULL, g->all.count + 1, sizeof *g->height);
    g->path = mem_resize(NULL, LIMIT_ALIAS_DEPTH + 2, sizeof *g->path);
    for (size_t i = 0; i < g->all.count; i++)
        g->height[i] = NEW;
}

bool alias_set_check(const struct alias_entries *wanted, const struct alias_entries *others,
                     const struct alias_names *domains, const struct alias_names *lists, struct err *e) {
    if (!check_addresses(wanted, domains, lists, e))
        return false;
    struct graph g = {.domains = domains, .lists = lists};
    bool ok = true;
    build(&g, wanted, others);
    for (size_t i = 0; ok && i < g.all.count; i++) {
        bool is_node = i == 0 || !view_eq(g.all.list[i - 1].address, g.all.list[i].address);
        if (is_node && g.height[i] == NEW)
            ok = walk(&g, i, e);
    }
    alias_entries_done(&g.all);
    free(g.height);
    free(g.path);
    return ok;
}
