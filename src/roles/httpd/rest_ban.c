/* rest_ban.c: who may neither post nor subscribe: bans, on every list, and lists/LIST/bans. */
#include "base/pattern.h"
#include "roles/httpd/resources.h"

/* Whose bans they are, and which one is meant. */
struct bans {
    view scope, list_id; /* empty: of every list */
    view pattern;
};

/* The path may name one. False: answered. */
static bool find(struct call *c, struct bans *ret) {
    bool of_list = view_starts_with(view_of(c->route->path), VIEW("lists/"));
    view pattern = c->variables[of_list];
    *ret = (struct bans){.scope = VIEW(""), .list_id = VIEW("")};
    if (of_list) {
        struct list_row list;
        if (!find_list(c, c->variables[0], &list))
            return false;
        ret->scope = list.address;
        ret->list_id = list.list_id;
    }
    if (!param_address(c, pattern, &ret->pattern))
        ret->pattern = pattern;
    return true;
}

/* Of an expression everything that could mean something in a path is escaped. */
static view link_to(struct call *c, view list_id, view pattern) {
    struct buf link = BUF_INIT(8 * LIMIT_PATTERN);
    bool all = view_starts_with(pattern, VIEW("^"));
    buf_printf(&link, "%.*s/", VIEW_ARG(c->base));
    if (list_id.len > 0)
        buf_printf(&link, "lists/%.*s/", VIEW_ARG(list_id));
    buf_add_str(&link, "bans/");
    for (size_t i = 0; i < pattern.len; i++) {
        char ch = pattern.ptr[i];
        bool plain = ascii_is_alnum(ch) || view_find(VIEW("_.-~"), ch) >= 0;
        if (plain || (!all && view_find(VIEW("@+=&!$*"), ch) >= 0))
            buf_add_char(&link, ch);
        else
            buf_printf(&link, "%%%02X", (unsigned char)ch);
    }
    view made = arena_view(c->slice, buf_view(&link));
    buf_done(&link);
    return made;
}

static json_t *ban_json(struct call *c, view list_id, view pattern) {
    json_t *o = json_object();
    json_object_set_new(o, "email", json_text(pattern));
    json_object_set_new(o, "self_link", json_text(link_to(c, list_id, pattern)));
    if (list_id.len > 0)
        json_object_set_new(o, "list_id", json_text(list_id));
    return o;
}

/* ---- all of them ---- */

struct collection {
    view list_id;
    view *patterns;
    size_t count, room;
};

static bool add(struct call *c, struct collection *all, view pattern) {
    if (all->count == all->room) {
        size_t room = 2 * all->room + REST_SLICE;
        view *more = arena_array(c->arena, view, room);
        if (!more)
            return false;
        for (size_t i = 0; i < all->count; i++)
            more[i] = all->patterns[i];
        all->patterns = more;
        all->room = room;
    }
    all->patterns[all->count++] = arena_view(c->arena, pattern);
    return true;
}

static bool read_all(struct call *c, view scope, struct collection *all) {
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request q;
        store_request_init(&q, OP_BAN_LS);
        vals_view(&q.args, scope);
        vals_view(&q.args, all->count > 0 ? all->patterns[all->count - 1] : VIEW(""));
        vals_int(&q.args, REST_SLICE);
        ok = ask(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        more = ok && vals_more(&v);
        while (ok && vals_more(&v))
            ok = add(c, all, vals_get_view(&v));
        store_request_done(&q);
    }
    return ok;
}

static bool entries(struct call *c, const int64_t *ids, size_t count) {
    const struct collection *all = c->of;
    for (size_t i = 0; i < count; i++)
        entry_add(c, ban_json(c, all->list_id, all->patterns[ids[i]]));
    return true;
}

static void bans_ls(struct call *c) {
    struct bans b;
    int64_t start, most;
    struct collection *all = arena_alloc(c->arena, sizeof *all);
    if (!all || !find(c, &b) || !params_check(c) || !page_wanted(c, &start, &most))
        return;
    *all = (struct collection){.list_id = b.list_id};
    if (!read_all(c, b.scope, all))
        return;
    int64_t *ids = arena_array(c->arena, int64_t, all->count + 1);
    size_t n = 0;
    for (size_t i = (size_t)start; ids && i < all->count && (!param_given(c, "count") || n < (size_t)most);
         i++)
        ids[n++] = (int64_t)i;
    c->of = all;
    reply_rows(c, (int64_t)all->count, start, ids, n, entries);
}

static const struct param_spec ban_params[] = {{"email", .required = true}};

static bool check_pattern(struct call *c, view given, view *ret) {
    struct err e;
    *ret = given;
    if (given.len > 0 && given.ptr[0] == '^' ? pattern_check(given, &e) : param_address(c, given, ret))
        return true;
    reply_error(
        c, 400,
        "Invalid Parameter \"email\": Expected a valid email address or regular expression, got %.*s.",
        VIEW_ARG(given.len ? given : VIEW("empty")));
    return false;
}

/* What is banned already, there or by an expression, is not banned again. */
static bool is_banned(struct call *c, const struct bans *b, bool *ret) {
    struct store_request q;
    store_request_init(&q, OP_BAN_FIND);
    vals_view(&q.args, b->scope);
    vals_view(&q.args, b->pattern);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    *ret = ok && vals_get_int(&v) != 0;
    store_request_done(&q);
    return ok;
}

/* Done, or not there to be done (`otherwise`). False: answered. */
static bool change(struct call *c, enum op op, const struct bans *b, enum err_code otherwise) {
    struct store_request q;
    struct err e;
    store_request_init(&q, op);
    vals_view(&q.args, b->scope);
    vals_view(&q.args, c->who);
    vals_view(&q.args, b->pattern);
    bool ok = ask_or(c, &q, &e) || e.code == otherwise;
    store_request_done(&q);
    if (!ok && e.code != ERR_OK)
        reply_error(c, 400, "%s", e.text);
    return ok;
}

static void ban_add(struct call *c) {
    struct bans b;
    bool banned;
    if (!find(c, &b) || !params_check(c) || !check_pattern(c, param_text(c, "email"), &b.pattern) ||
        !is_banned(c, &b, &banned))
        return;
    if (banned) {
        reply_error(c, 400, "Address is already banned");
    } else if (change(c, OP_BAN_ADD, &b, ERR_EXISTS)) {
        c->location = link_to(c, b.list_id, b.pattern);
        c->status = 201;
    }
}

/* ---- one ---- */

static bool need_banned(struct call *c, struct bans *b) {
    bool banned;
    if (!find(c, b) || !params_check(c) || !is_banned(c, b, &banned))
        return false;
    if (!banned)
        reply_error(c, 404, "Email is not banned: %.*s", VIEW_ARG(b->pattern));
    return banned;
}

static void ban_show(struct call *c) {
    struct bans b;
    if (need_banned(c, &b))
        reply_object(c, 200, ban_json(c, b.list_id, b.pattern));
}

/* One that only an expression, or the ban of every list, bans stays so, and that is no error: clients count
 * on it. */
static void ban_remove(struct call *c) {
    struct bans b;
    if (need_banned(c, &b) && change(c, OP_BAN_REMOVE, &b, ERR_NOT_FOUND))
        reply_empty(c);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "bans", bans_ls, "Who is banned from every list", PARAMS(page_params)},
    {METHOD_POST, "bans", ban_add, "Ban an address, or whom a regular expression matches",
     PARAMS(ban_params)},
    {METHOD_GET, "bans/{email}", ban_show, "Whether somebody is banned from every list"},
    {METHOD_DELETE, "bans/{email}", ban_remove, "End a ban"},
    {METHOD_GET, "lists/{list}/bans", bans_ls, "Who is banned from a list", PARAMS(page_params)},
    {METHOD_POST, "lists/{list}/bans", ban_add, "Ban an address, or whom a regular expression matches",
     PARAMS(ban_params)},
    {METHOD_GET, "lists/{list}/bans/{email}", ban_show, "Whether somebody is banned from a list"},
    {METHOD_DELETE, "lists/{list}/bans/{email}", ban_remove, "End a ban"},
};
ROUTES(ban_routes, table);
