/* rest.c: from a request to the function that answers it, and from an answer of the store to a status. */
#include <string.h>

#include "roles/httpd/httpd.h"

/* ---- the store ---- */

bool ask_or(struct call *c, struct store_request *q, struct err *ret_e) {
    *ret_e = (struct err){.code = ERR_OK};
    if (store_call(c->role->store, q, ret_e))
        return true;
    if (q->args.failed) {
        reply_error(c, 413, "Too much is given");
        ret_e->code = ERR_OK;
        return false;
    }
    if (err_info(ret_e->code)->class == ERR_CLASS_PERMANENT || ret_e->code == ERR_CONFLICT)
        return false;
    reply_error(c, 503, "%s", ret_e->text);
    ret_e->code = ERR_OK;
    return false;
}

bool ask(struct call *c, struct store_request *q) {
    struct err e;
    if (ask_or(c, q, &e))
        return true;
    if (e.code == ERR_NOT_FOUND)
        reply_error(c, 404, "404 Not Found");
    else if (e.code != ERR_OK)
        reply_error(c, 400, "%s", e.text);
    return false;
}

/* ---- the way ---- */

static bool fits(const char *pattern, view path, view variables[PATH_VARIABLES]) {
    view rest = view_of(pattern), word, piece;
    size_t n = 0;
    while (view_split(&rest, '/', &word)) {
        if (!view_split(&path, '/', &piece))
            return false;
        if (word.ptr[0] != '{') {
            if (!view_eq(word, piece))
                return false;
        } else {
            if (piece.len == 0 || n == PATH_VARIABLES)
                return false;
            variables[n++] = piece;
        }
    }
    return !view_split(&path, '/', &piece);
}

/* The first path that fits decides; c->allow are the methods it has. */
static const struct route *find(struct call *c) {
    const char *path = NULL;
    const struct route *found = NULL;
    for (size_t t = 0; rest_tables[t]; t++)
        for (size_t i = 0; i < rest_tables[t]->count; i++) {
            const struct route *r = &rest_tables[t]->items[i];
            view variables[PATH_VARIABLES] = {0};
            if (path ? strcmp(path, r->path) != 0 : !fits(r->path, c->path, variables))
                continue;
            if (!path)
                memcpy(c->variables, variables, sizeof variables);
            path = r->path;
            c->allow |= r->method;
            if (r->method == c->method)
                found = r;
        }
    return found;
}

void rest_answer(struct call *c, view name) {
    c->route = find(c);
    if (c->allow == 0) {
        reply_title(c, 404);
        return;
    }
    if (name.len == 0) {
        reply_error(c, 401, "REST API authorization failed");
        return;
    }
    c->who = arena_printf(c->arena, "rest:%.*s", VIEW_ARG(name));
    if (!c->route) {
        reply_title(c, 405);
        return;
    }
    c->route->answer(c);
    if (c->status == 0 || c->out.failed || c->arena->failed)
        reply_error(c, 500, "The answer is too large");
}
