/* people.c: see people.h. */
#include "roles/httpd/people.h"

#include <string.h>

static bool find_slice(struct call *c, enum op op, view args, int64_t most, struct found *f) {
    struct store_request q;
    store_request_init(&q, op);
    buf_add(&q.args, args);
    vals_int(&q.args, f->start + (int64_t)f->count);
    vals_int(&q.args, most);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok) {
        int64_t total = vals_get_int(&v);
        if (!f->ids) {
            f->total = total;
            f->ids = arena_array(c->arena, int64_t, (size_t)total + 1);
        }
        while (f->ids && vals_more(&v) && (int64_t)f->count < f->total)
            f->ids[f->count++] = vals_get_int(&v);
    }
    store_request_done(&q);
    return ok && f->ids;
}

bool find_ids(struct call *c, enum op op, view args, struct found *ret) {
    int64_t most;
    *ret = (struct found){0};
    if (!page_wanted(c, &ret->start, &most))
        return false;
    bool none = param_given(c, "count") && most == 0;
    for (size_t before = 0, first = 1; first || ret->count > before; first = 0) {
        before = ret->count;
        if (!find_slice(c, op, args, none ? 1 : most > 0 ? most - (int64_t)before : 0, ret))
            return false;
        if (ret->start + (int64_t)ret->count >= ret->total || (most > 0 && (int64_t)ret->count >= most) ||
            none)
            break;
    }
    ret->count = none ? 0 : ret->count;
    return true;
}

void reply_found(struct call *c, const struct found *f,
                 bool (*entries)(struct call *c, const int64_t *ids, size_t count)) {
    reply_rows(c, f->total, f->start, f->ids, f->count, entries);
}

bool ask_ids(struct call *c, struct store_request *q, enum op op, const int64_t *ids, size_t count) {
    store_request_init(q, op);
    vals_int(&q->args, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        vals_int(&q->args, ids[i]);
    return ask(c, q);
}

void unanswer(struct call *c) {
    buf_reset(&c->out);
    c->status = 0;
}

view pattern_of(struct call *c, view text, bool stars) {
    view from = arena_lower(c->arena, text);
    char *out = arena_alloc(c->arena, 2 * from.len + 3);
    size_t n = 0;
    if (!out)
        return VIEW("");
    if (!stars)
        out[n++] = '%';
    for (size_t i = 0; i < from.len; i++) {
        if (from.ptr[i] && strchr("!%_", from.ptr[i]))
            out[n++] = '!';
        out[n++] = stars && from.ptr[i] == '*' ? '%' : from.ptr[i];
    }
    if (!stars)
        out[n++] = '%';
    return view_from(out, n);
}

bool list_of_id(struct call *c, view list_id, view *ret_address) {
    struct list_row list;
    if (list_id.len > 0 && view_find(list_id, '@') < 0 && find_list(c, list_id, &list)) {
        *ret_address = list.address;
        return true;
    }
    if (c->status == 404)
        unanswer(c);
    return false;
}

view address_of_text(struct call *c, view text) {
    view normal;
    return param_address(c, text, &normal) ? normal : arena_lower(c->arena, text);
}
