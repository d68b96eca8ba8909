/* rest_roster.c: who has a role on a list: lists/ID/roster/ROLE. */
#include "base/words.h"
#include "roles/httpd/people.h"
#include "store/role.h"

static const struct param_spec ls_params[] = {MEMBERS_PARAMS};

/* False: answered with 404. */
static bool find_roster(struct call *c, struct list_row *list, int64_t *ret_role) {
    if (!find_list(c, c->variables[0], list))
        return false;
    if (words_find(MEMBER_ROLES, c->variables[1], ret_role))
        return true;
    reply_title(c, 404);
    return false;
}

static void roster_ls(struct call *c) {
    struct member_wish w = ANY_MEMBER;
    struct list_row list;
    if (!find_roster(c, &list, &w.role) || !params_check(c))
        return;
    w.role++;
    w.list = list.address;
    members_reply(c, &w);
}

static const struct param_spec remove_params[] = {{"emails", PARAM_TEXTS, .required = true}};

/* Some of them: each says whether it was a member. False: answered. */
static bool remove_slice(struct call *c, view list, const view *emails, size_t count, json_t *status) {
    struct store_request q;
    store_request_init(&q, OP_MEMBER_REMOVE);
    vals_view(&q.args, list);
    vals_view(&q.args, c->who);
    vals_int(&q.args, ROLE_MEMBER);
    vals_int(&q.args, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        vals_view(&q.args, address_of_text(c, emails[i]));
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    (void)vals_get_int(&v);
    for (size_t i = 0; ok && i < count; i++) {
        bool was = vals_get_int(&v) != 0;
        const char *key = arena_str(c->arena, emails[i]);
        if (key && view_is_utf8(emails[i]) && (was || !json_object_get(status, key)))
            json_object_set_new(status, key, json_boolean(was));
    }
    store_request_done(&q);
    return ok;
}

enum { REMOVE_SLICE = 1000 /* addresses fit a request */ };

/* Each for itself: what was done stays done when the next cannot be. */
static void roster_remove(struct call *c) {
    struct list_row list;
    int64_t role;
    view *emails;
    if (!find_roster(c, &list, &role) || !params_check(c))
        return;
    json_t *status = json_object();
    bool ok = true;
    size_t n = param_texts(c, "emails", &emails);
    if (n == 1 && emails[0].len == 0)
        n = 0; /* an empty list cannot be written in a form in any other way */
    for (size_t done = 0; ok && done < n; done += REMOVE_SLICE)
        ok = remove_slice(c, list.address, emails + done, n - done < REMOVE_SLICE ? n - done : REMOVE_SLICE,
                          status);
    if (ok)
        reply_object(c, 200, status);
    else
        json_decref(status);
}

static const struct route table[] = {
    {METHOD_GET, "lists/{list}/roster/{role}", roster_ls, "Who has a role on a list", PARAMS(ls_params)},
    {METHOD_DELETE, "lists/{list}/roster/{role}", roster_remove, "End memberships, whatever the policy",
     PARAMS(remove_params)},
};
ROUTES(roster_routes, table);
