/* rest_member.c: memberships: members, members/find, and how one is shown. */
#include "base/words.h"
#include "mail/list_address.h"
#include "roles/httpd/people.h"
#include "store/moderation.h"
#include "store/people.h"
#include "store/role.h"

/* ---- one as JSON ---- */

static json_t *get_address(struct call *c, const struct member_row *m) {
    return json_link(c, "addresses/%.*s", VIEW_ARG(m->email));
}

static json_t *get_score(struct call *c, const struct member_row *m) {
    (void)c;
    return json_integer(m->score);
}

static json_t *get_last_bounce(struct call *c, const struct member_row *m) {
    (void)c;
    return m->last > 0 ? json_time(m->last) : NULL;
}

static json_t *get_last_warning(struct call *c, const struct member_row *m) {
    (void)c;
    return json_time(m->warned);
}

static json_t *get_warnings(struct call *c, const struct member_row *m) {
    (void)c;
    return json_integer(m->warnings);
}

static json_t *get_mode(struct call *c, const struct member_row *m) {
    (void)c;
    return json_text(words_at(DELIVERY_MODES, m->mode));
}

static json_t *get_email(struct call *c, const struct member_row *m) {
    (void)c;
    return json_text(m->email);
}

static json_t *get_list(struct call *c, const struct member_row *m) {
    return json_text(list_id_of(m->list, c->slice));
}

static json_t *get_subscription_mode(struct call *c, const struct member_row *m) {
    (void)c;
    return json_string(m->follows ? "as_user" : "as_address");
}

static json_t *get_role(struct call *c, const struct member_row *m) {
    (void)c;
    return json_text(words_at(ROLE_WORDS, m->role));
}

static json_t *get_user(struct call *c, const struct member_row *m) {
    view id = text_of_id(c, m->userid);
    return json_link(c, "users/%.*s", VIEW_ARG(id));
}

static json_t *get_action(struct call *c, const struct member_row *m) {
    (void)c;
    return m->action == MODERATION_DEFAULT ? NULL : json_text(words_at(MODERATION_WORDS, m->action));
}

static json_t *get_name(struct call *c, const struct member_row *m) {
    (void)c;
    return json_text(m->name);
}

static json_t *get_self(struct call *c, const struct member_row *m) {
    view id = text_of_id(c, m->id);
    return json_link(c, "members/%.*s", VIEW_ARG(id));
}

static json_t *get_id(struct call *c, const struct member_row *m) {
    return json_id(c, m->id);
}

static const struct {
    const char *name;
    json_t *(*get)(struct call *c, const struct member_row *m); /* NULL: left out */
} fields[] = {{"address", get_address},
              {"bounce_score", get_score},
              {"last_bounce_received", get_last_bounce},
              {"last_warning_sent", get_last_warning},
              {"total_warnings_sent", get_warnings},
              {"delivery_mode", get_mode},
              {"email", get_email},
              {"list_id", get_list},
              {"subscription_mode", get_subscription_mode},
              {"role", get_role},
              {"user", get_user},
              {"moderation_action", get_action},
              {"display_name", get_name},
              {"self_link", get_self},
              {"member_id", get_id}};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static size_t field_of(view name) {
    size_t i = 0;
    while (i < FIELDS && !view_eq(name, view_of(fields[i].name)))
        i++;
    return i;
}

static void add_field(struct call *c, json_t *o, size_t i, const struct member_row *m) {
    json_t *value = fields[i].get(c, m);
    if (value)
        json_object_set_new(o, fields[i].name, value);
}

json_t *member_json(struct call *c, const struct member_row *m, const view *names, size_t count) {
    json_t *o = json_object();
    for (size_t i = 0; names && i < count; i++)
        if (names[i].len > 0)
            add_field(c, o, field_of(names[i]), m);
    for (size_t i = 0; !names && i < FIELDS; i++)
        add_field(c, o, i, m);
    return o;
}

static bool fields_are_known(struct call *c) {
    view *names, all = VIEW("");
    size_t n = param_texts(c, "fields", &names);
    for (size_t i = 0; i < n; i++) {
        if (names[i].len == 0 || field_of(names[i]) < FIELDS)
            continue;
        for (size_t k = 0; k < FIELDS; k++)
            all = arena_printf(c->arena, "%.*s%s%s", VIEW_ARG(all), k ? ", " : "", fields[k].name);
        reply_error(c, 400, "Unknown field \"%.*s\" for Member resource. Allowed fields are: %.*s",
                    VIEW_ARG(names[i]), VIEW_ARG(all));
        return false;
    }
    return true;
}

/* ---- reading ---- */

/* Views borrow. */
static struct member_row read_member(struct vals *v) {
    struct member_row m = {.list = vals_get_view(v)};
    m.email = vals_get_view(v);
    m.name = vals_get_view(v);
    int64_t *const numbers[] = {&m.id,   &m.role,   &m.addr,  &m.userid, &m.follows,  &m.status,
                                &m.mode, &m.action, &m.score, &m.last,   &m.warnings, &m.warned};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = vals_get_int(v);
    return m;
}

static bool member_entries(struct call *c, const int64_t *ids, size_t count) {
    struct store_request q;
    view *names = NULL;
    bool ok = ask_ids(c, &q, OP_MEMBER_SHOW, ids, count);
    size_t n = param_given(c, "fields") ? param_texts(c, "fields", &names) : 0;
    for (struct vals v = vals_of(buf_view(&q.out)); ok && vals_more(&v);) {
        struct member_row m = read_member(&v);
        entry_add(c, member_json(c, &m, names, n));
    }
    store_request_done(&q);
    return ok;
}

/* The first row of an answer. */
static bool take_member(struct call *c, bool ok, const struct store_request *q, struct member_row *ret) {
    struct vals v = vals_of(buf_view(&q->out));
    bool found = ok && vals_more(&v);
    if (found) {
        *ret = read_member(&v);
        ret->list = arena_view(c->arena, ret->list);
        ret->email = arena_view(c->arena, ret->email);
        ret->name = arena_view(c->arena, ret->name);
    }
    return found;
}

bool find_member(struct call *c, int64_t id, struct member_row *ret) {
    struct store_request q;
    bool ok = ask_ids(c, &q, OP_MEMBER_SHOW, &id, 1), found = take_member(c, ok, &q, ret);
    if (ok && !found)
        reply_error(c, 404, "404 Not Found");
    store_request_done(&q);
    return found;
}

bool find_member_of(struct call *c, view list, int64_t role, view address, struct member_row *ret) {
    struct store_request q;
    store_request_init(&q, OP_MEMBER_ON_LIST);
    vals_view(&q.args, view_is_utf8(list) ? arena_lower(c->arena, list) : VIEW(""));
    vals_int(&q.args, role);
    vals_view(&q.args, address);
    bool ok = ask(c, &q), found = take_member(c, ok, &q, ret);
    if (ok && !found)
        reply_title(c, 404);
    store_request_done(&q);
    return found;
}

static void wish_args(struct buf *b, const struct member_wish *w) {
    vals_int(b, w->how);
    vals_view(b, w->text);
    vals_int(b, w->userid);
    vals_view(b, w->list);
    vals_int(b, w->role);
    vals_int(b, w->action);
    vals_int(b, w->mode);
    vals_int(b, w->status);
}

void members_reply(struct call *c, const struct member_wish *w) {
    struct buf args = BUF_INIT(4 * LIMIT_SMTP_LINE);
    struct found f;
    wish_args(&args, w);
    if (args.failed)
        reply_rows(c, 0, 0, NULL, 0, member_entries); /* so long a text is nobody's */
    else if (find_ids(c, OP_MEMBER_FIND, buf_view(&args), &f) && (f.total == 0 || fields_are_known(c)))
        reply_found(c, &f, member_entries);
    buf_done(&args);
}

bool find_membership(struct call *c, view list, int64_t role, view address, int64_t *ret_id) {
    struct store_request q;
    struct member_wish w = ANY_MEMBER;
    w.how = FIND_BY_ADDRESS;
    w.text = address;
    w.list = list;
    w.role = role;
    store_request_init(&q, OP_MEMBER_FIND);
    wish_args(&q.args, &w);
    vals_int(&q.args, 0);
    vals_int(&q.args, 1);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    bool found = ok && vals_get_int(&v) > 0;
    if (found)
        *ret_id = vals_get_int(&v);
    else if (ok)
        reply_title(c, 404);
    store_request_done(&q);
    return found;
}

/* ---- collections ---- */

static const struct param_spec members_params[] = {MEMBERS_PARAMS};

static void members_ls(struct call *c) {
    struct member_wish w = ANY_MEMBER;
    w.role = -1;
    if (params_check(c))
        members_reply(c, &w);
}

static const struct param_spec find_params[] = {
    {"list_id"},
    {"subscriber"},
    {"role", PARAM_WORD, .words = MEMBER_ROLES},
    {"moderation_action", PARAM_WORD, .words = ACTION_WORDS, .blank = true},
    {"delivery_mode", PARAM_WORD, .words = DELIVERY_MODES},
    {"delivery_status", PARAM_WORD, .words = DELIVERY_STATI},
    MEMBERS_PARAMS};

static bool is_asked(const struct call *c) {
    for (size_t i = 0; i < 6; i++)
        if (param_given(c, find_params[i].name))
            return true;
    return false;
}

/* What was asked for. False: nobody can be that. */
static bool read_wish(struct call *c, struct member_wish *w) {
    view subscriber = param_text(c, "subscriber");
    bool stars = view_find(subscriber, '*') >= 0;
    if (param_given(c, "subscriber")) {
        w->how = stars ? FIND_BY_PATTERN : FIND_BY_ADDRESS;
        w->text = stars ? pattern_of(c, subscriber, true) : address_of_text(c, subscriber);
    }
    w->role = param_number(c, "role", -1) + 1;
    w->action = param_given(c, "moderation_action") ? param_number(c, "moderation_action", -1) + 1 : -1;
    w->mode = param_number(c, "delivery_mode", -1);
    w->status = param_number(c, "delivery_status", -1);
    return is_asked(c) && (!param_given(c, "list_id") || list_of_id(c, param_text(c, "list_id"), &w->list));
}

static void members_find(struct call *c) {
    struct member_wish w = ANY_MEMBER;
    if (!params_check(c))
        return;
    if (read_wish(c, &w))
        members_reply(c, &w);
    else if (c->status == 0)
        reply_array(c, json_array());
}

static const struct route table[] = {
    {METHOD_GET, "members", members_ls, "All memberships but nonmembers", PARAMS(members_params)},
    {METHOD_POST, "members", member_create, "Subscribe somebody, by the list's policy, or give a role",
     PARAMS(member_create_params)},
    {METHOD_GET, "members/find", members_find, "Memberships by what is asked for", PARAMS(find_params)},
    {METHOD_POST, "members/find", members_find, "Memberships by what is asked for", PARAMS(find_params)},
};
ROUTES(member_routes, table);
