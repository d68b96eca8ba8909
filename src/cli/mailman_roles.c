/* mailman_roles.c: admins, changeaddress: one person at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "cli/mailman.h"

/* ---- admins ---- */

static bool change_role(struct cli *c, enum op op, view list, const struct mailman_person *p, int64_t role,
                        int64_t *ret_changed, struct err *e) {
    struct store_request r;
    view who;
    if (!cli_who(c, &who, e) || (op == OP_MEMBER_ADD && !mailman_register(c, p, who, e)))
        return false;
    store_request_init(&r, op);
    vals_view(&r.args, list);
    vals_view(&r.args, who);
    vals_int(&r.args, role);
    vals_int(&r.args, 1);
    vals_view(&r.args, p->address);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_changed = vals_get_int(&v);
    store_request_done(&r);
    return ok;
}

/* All that the option names. */
static bool change_roles(struct cli *c, const char *option, view list, struct err *e) {
    bool add = strcmp(option, "--add") == 0;
    const char *word = args_get(&c->args, "--role");
    int64_t role = ROLE_OWNER, changed;
    words_find(ROLE_WORDS, view_of(word), &role);
    for (size_t i = 0; i < c->args.given_count; i++) {
        struct mailman_person p;
        if (!view_eq(c->args.given[i].name, view_of(option)))
            continue;
        mailman_person(c, view_of(c->args.given[i].value), &p);
        if (p.address.len == 0) {
            mailman_complain(c, "Cannot parse as valid email address (skipping): %.*s", VIEW_ARG(p.text));
            continue;
        }
        if (!change_role(c, add ? OP_MEMBER_ADD : OP_MEMBER_REMOVE, list, &p, role, &changed, e))
            return err_prefix(e, "%.*s", VIEW_ARG(view_slice(p.text, 0, 120)));
        if (changed == 0)
            mailman_complain(c, "%s %s (skipping): %.*s", add ? "Already" : "Not", word, VIEW_ARG(p.text));
    }
    return true;
}

bool mailman_cmd_admins(struct cli *c, struct err *e) {
    struct mailman_list list;
    const struct args *a = &c->args;
    if (!mailman_need_list(c, a->words[0], &list, e))
        return false;
    if (!args_has(a, "--add") && !args_has(a, "--delete"))
        return err_set(e, ERR_USAGE, "At least one of -a/--add and -d/--delete is required.");
    if (!args_has(a, "--role"))
        return err_set(e, ERR_USAGE, "Missing option '--role' / '-r'.");
    return change_roles(c, "--add", list.address, e) && change_roles(c, "--delete", list.address, e);
}

/* ---- changeaddress ---- */

static bool change_address(struct cli *c, const struct mailman_person *old, const struct mailman_person *new,
                           struct err *e) {
    struct store_request r;
    view who;
    if (!cli_who(c, &who, e))
        return false;
    store_request_init(&r, OP_ADDRESS_CHANGE);
    vals_view(&r.args, who);
    vals_view(&r.args, old->address);
    vals_view(&r.args, new->address);
    vals_view(&r.args, new->original);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

static bool is_plain(const struct mailman_person *p) {
    return p->address.len > 0 && view_eq(p->text, p->original);
}

static bool is_known(struct cli *c, const struct mailman_person *p, bool *ret, struct err *e) {
    struct store_request r;
    *ret = false;
    if (!is_plain(p))
        return true;
    store_request_init(&r, OP_ADDRESS_GET);
    vals_int(&r.args, 0);
    vals_view(&r.args, p->address);
    bool ok = cli_call(c, &r, e);
    *ret = r.out.len > 0;
    store_request_done(&r);
    return ok;
}

bool mailman_cmd_changeaddress(struct cli *c, struct err *e) {
    const char *from = c->args.words[0], *to = c->args.words[1];
    struct mailman_person old, new;
    bool known;
    mailman_person(c, view_of(from), &old);
    mailman_person(c, view_of(to), &new);
    if (!is_known(c, &old, &known, e))
        return false;
    if (!known)
        return err_set(e, ERR_USAGE, "Address %.200s not found.", from);
    if (!is_plain(&new))
        return err_set(e, ERR_USAGE, "Address %.200s is not a valid email address.", to);
    if (strcmp(from, to) == 0)
        return err_set(e, ERR_USAGE, "Addresses are not different.  Nothing to change.");
    if (!change_address(c, &old, &new, e))
        return e->code == ERR_EXISTS
                   ? err_set(e, ERR_USAGE, "Address %.200s already exists; can't change.", to)
                   : false;
    cli_print(c, "Address changed from %s to %s.\n", from, to);
    return true;
}
