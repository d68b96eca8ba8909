/* rest_list.c: lists. */
#include "roles/httpd/resources.h"

bool find_list(struct call *c, view name, struct list_row *ret) {
    struct store_request q;
    store_request_init(&q, OP_LIST_SHOW);
    char *lower = arena_str(c->arena, name);
    for (char *p = lower; *p; p++)
        *p = ascii_lower(*p);
    vals_view(&q.args, view_of(lower));
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    bool found = ok && vals_more(&v);
    if (found) {
        ret->id = vals_get_int(&v);
        ret->address = arena_view(c->arena, vals_get_view(&v));
        ret->archive = arena_view(c->arena, vals_get_view(&v));
        int64_t *const numbers[] = {&ret->class,     &ret->created, &ret->posts, &ret->members,
                                    &ret->last_post, &ret->volume,  &ret->issue, &ret->digest_sent};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
            *numbers[i] = vals_get_int(&v);
        ptrdiff_t at = view_rfind(ret->address, '@');
        ret->list_id = arena_printf(c->arena, "%.*s.%.*s", (int)at, ret->address.ptr,
                                    VIEW_ARG(view_skip(ret->address, (size_t)at + 1)));
    } else if (ok) {
        reply_title(c, 404);
    }
    store_request_done(&q);
    return found;
}

static bool remove_list(struct call *c, view address) {
    bool done = false, ok = true;
    while (ok && !done) {
        struct store_request q;
        store_request_init(&q, OP_LIST_DELETE);
        vals_view(&q.args, address);
        ok = ask(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        (void)vals_get_int(&v);
        done = ok && vals_get_int(&v) != 0;
        store_request_done(&q);
    }
    return ok;
}

bool lists_remove(struct call *c, view domain) {
    view tail = arena_printf(c->arena, "@%.*s", VIEW_ARG(domain)), last = VIEW("");
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request q;
        store_request_init(&q, OP_LIST_NAMES);
        vals_view(&q.args, last);
        vals_int(&q.args, REST_SLICE);
        ok = ask(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            last = arena_view(c->arena, vals_get_view(&v));
            if (view_ends_with(last, tail))
                ok = remove_list(c, last);
        }
        store_request_done(&q);
    }
    return ok;
}

static void list_remove(struct call *c) {
    struct list_row list;
    if (find_list(c, c->variables[0], &list) && params_check(c) && remove_list(c, list.address))
        reply_empty(c);
}

static const struct route table[] = {
    {METHOD_DELETE, "lists/{list}", list_remove, "Remove a list"},
};
ROUTES(list_routes, table);
