/* rest_preferences.c: what is preferred for a membership, an address or a user, and what that comes to for a
 * membership. */
#include "base/words.h"
#include "roles/httpd/people.h"
#include "store/preference.h"

/* In the order in which they are shown. */
static const enum preference kinds[] = {PREFERENCE_ACKNOWLEDGE_POSTS, PREFERENCE_DELIVERY_MODE,
                                        PREFERENCE_DELIVERY_STATUS,   PREFERENCE_HIDE_ADDRESS,
                                        PREFERENCE_RECEIVE_LIST_COPY, PREFERENCE_RECEIVE_OWN_POSTINGS,
                                        PREFERENCE_PREFERRED_LANGUAGE};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Whose they are. */
struct owner {
    enum preference_level level;
    int64_t id;
    view path; /* the arena's */
};

struct values {
    int64_t of[KINDS]; /* or PREFERENCE_UNSET */
};

static bool find_owner(struct call *c, struct owner *ret) {
    struct member_row m;
    struct address_row a;
    struct user_row u;
    int64_t id;
    if (view_starts_with(c->path, VIEW("addresses/"))) {
        if (!find_address(c, c->variables[0], &a))
            return false;
        *ret =
            (struct owner){LEVEL_ADDRESS, a.id, arena_printf(c->arena, "addresses/%.*s", VIEW_ARG(a.email))};
        return true;
    }
    if (view_starts_with(c->path, VIEW("users/"))) {
        if (!find_user(c, c->variables[0], &u))
            return false;
        view text = text_of_id(c, u.id);
        *ret = (struct owner){LEVEL_USER, u.id, arena_printf(c->arena, "users/%.*s", VIEW_ARG(text))};
        return true;
    }
    if (!id_of_text(c, c->variables[0], &id)) {
        reply_error(c, 404, "404 Not Found");
        return false;
    }
    view text = text_of_id(c, id);
    *ret = (struct owner){LEVEL_MEMBER, id, arena_printf(c->arena, "members/%.*s", VIEW_ARG(text))};
    return find_member(c, id, &m);
}

/* What that level says, of what nothing was said before. False: answered. */
static bool add_values(struct call *c, enum preference_level level, int64_t id, struct values *values) {
    struct store_request q;
    store_request_init(&q, OP_PREFERENCES_OF);
    vals_int(&q.args, level);
    vals_int(&q.args, id);
    bool ok = ask(c, &q);
    for (struct vals v = vals_of(buf_view(&q.out)); ok && vals_more(&v);) {
        int64_t kind = vals_get_int(&v), value = vals_get_int(&v);
        for (size_t i = 0; i < KINDS; i++)
            if ((int64_t)kinds[i] == kind && values->of[i] == PREFERENCE_UNSET)
                values->of[i] = value;
    }
    store_request_done(&q);
    return ok;
}

static struct values no_values(void) {
    struct values v;
    for (size_t i = 0; i < KINDS; i++)
        v.of[i] = PREFERENCE_UNSET;
    return v;
}

static json_t *value_json(enum preference kind, int64_t value) {
    view text = preference_text(kind, value);
    if (view_eq(text, VIEW("true")) || view_eq(text, VIEW("false")))
        return json_boolean(view_eq(text, VIEW("true")));
    return json_text(text);
}

static void reply_values(struct call *c, const struct values *v, view path) {
    json_t *o = json_object();
    for (size_t i = 0; i < KINDS; i++)
        if (v->of[i] != PREFERENCE_UNSET)
            json_object_set_new(o, preference_name(kinds[i]), value_json(kinds[i], v->of[i]));
    json_object_set_new(o, "self_link", json_link(c, "%.*s/preferences", VIEW_ARG(path)));
    reply_object(c, 200, o);
}

static void preferences_show(struct call *c) {
    struct owner o;
    struct values v = no_values();
    if (find_owner(c, &o) && add_values(c, o.level, o.id, &v))
        reply_values(c, &v, o.path);
}

/* What holds: the nearest that says something, else the default. Whether the address is hidden is not asked
 * of a membership. */
static void all_show(struct call *c) {
    struct owner o;
    struct member_row m;
    struct values v = no_values();
    if (!find_owner(c, &o) || !find_member(c, o.id, &m) || !add_values(c, LEVEL_MEMBER, m.id, &v) ||
        !add_values(c, LEVEL_ADDRESS, m.addr, &v) || !add_values(c, LEVEL_USER, m.userid, &v))
        return;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i] == PREFERENCE_HIDE_ADDRESS)
            v.of[i] = PREFERENCE_UNSET;
        else if (v.of[i] == PREFERENCE_UNSET)
            v.of[i] = 0; /* the first word is the default */
    }
    view path = arena_printf(c->arena, "%.*s/all", VIEW_ARG(o.path));
    reply_values(c, &v, path);
}

#define SPECS(all)                                                                                           \
    {"acknowledge_posts", PARAM_BOOL, .required = (all)}, {"hide_address", PARAM_BOOL, .required = (all)},   \
        {"delivery_mode", PARAM_WORD, .required = (all), .words = DELIVERY_MODES},                           \
        {"delivery_status", PARAM_WORD, .required = (all), .words = DELIVERY_STATI},                         \
        {"preferred_language", .required = (all)}, {"receive_list_copy", PARAM_BOOL, .required = (all)}, {   \
        "receive_own_postings", PARAM_BOOL, .required = (all)                                                \
    }
static const struct param_spec patch_params[] = {SPECS(false)};
static const struct param_spec put_params[] = {SPECS(true)};

static int64_t value_given(struct call *c, enum preference kind) {
    const char *name = preference_name(kind);
    int64_t number = param_number(c, name, 0), value = PREFERENCE_UNSET;
    if (kind == PREFERENCE_DELIVERY_MODE || kind == PREFERENCE_DELIVERY_STATUS)
        return number;
    view word =
        kind == PREFERENCE_PREFERRED_LANGUAGE ? param_text(c, name) : (number ? VIEW("true") : VIEW("false"));
    (void)preference_parse(kind, word, &value);
    return value;
}

/* Mailman calls a language that it does not know so. */
static bool language_is_known(struct call *c) {
    if (!param_given(c, "preferred_language") ||
        value_given(c, PREFERENCE_PREFERRED_LANGUAGE) != PREFERENCE_UNSET)
        return true;
    reply_error(c, 400, "Unexpected parameters: preferred_language");
    return false;
}

static void put(struct call *c, const struct owner *o, bool fresh) {
    struct store_request q;
    int64_t count = 0;
    for (size_t i = 0; i < KINDS; i++)
        count += !fresh && param_given(c, preference_name(kinds[i]));
    store_request_init(&q, OP_PREFER_OF);
    vals_view(&q.args, c->who);
    vals_int(&q.args, o->level);
    vals_int(&q.args, o->id);
    vals_int(&q.args, fresh);
    vals_int(&q.args, count);
    for (size_t i = 0; i < KINDS; i++) {
        if (fresh || !param_given(c, preference_name(kinds[i])))
            continue;
        vals_int(&q.args, kinds[i]);
        vals_int(&q.args, value_given(c, kinds[i]));
    }
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static void preferences_change(struct call *c) {
    struct owner o;
    if (find_owner(c, &o) && params_check(c) && language_is_known(c))
        put(c, &o, false);
}

static void preferences_remove(struct call *c) {
    struct owner o;
    if (find_owner(c, &o))
        put(c, &o, true);
}

#define PREFERENCES(path, of)                                                                                \
    {METHOD_GET, path, preferences_show, "What is preferred for " of},                                       \
        {METHOD_PATCH, path, preferences_change, "Change some of it", PARAMS(patch_params)},                 \
        {METHOD_PUT, path, preferences_change, "Change all of it", PARAMS(put_params)}, {                    \
        METHOD_DELETE, path, preferences_remove, "Prefer nothing"                                            \
    }

static const struct route table[] = {
    PREFERENCES("members/{member}/preferences", "a membership"),
    PREFERENCES("addresses/{address}/preferences", "an address"),
    PREFERENCES("users/{user}/preferences", "a user"),
    {METHOD_GET, "members/{member}/all/preferences", all_show, "What holds for a membership"},
};
ROUTES(preference_routes, table);
