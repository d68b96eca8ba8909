/* mailman_lists.c: lists, create, remove. */
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "cli/mailman.h"
#include "lists/style.h"
#include "mail/list_address.h"
#include "mail/address.h"
#include "store/list_setting.h"
#include "store/preference.h"

/* ---- lists ---- */

static bool is_of_domains(struct cli *c, view address) {
    view domain = address_split(address).domain;
    bool any = false;
    for (size_t i = 0; i < c->args.given_count; i++) {
        if (!view_eq(c->args.given[i].name, VIEW("--domain")))
            continue;
        if (view_eq(domain, view_of(c->args.given[i].value)))
            return true;
        any = true;
    }
    return !any;
}

static view identifier(struct cli *c, const struct mailman_listed *row, bool names) {
    return names ? arena_printf(&c->arena, "%.*s [%.*s]", VIEW_ARG(row->address), VIEW_ARG(row->display_name))
                 : row->address;
}

static void print_lists(struct cli *c, const struct mailman_lists *l) {
    bool names = mailman_pair(&c->args, "--names", "--no-names") == 1;
    bool descriptions = mailman_pair(&c->args, "--descriptions", "--no-descriptions") == 1;
    size_t longest = 0;
    for (size_t i = 0; i < l->count; i++) {
        size_t len = identifier(c, &l->rows[i], names).len;
        longest = len > longest ? len : longest;
    }
    for (size_t i = 0; i < l->count; i++) {
        view shown = identifier(c, &l->rows[i], names), description = l->rows[i].description;
        if (descriptions)
            cli_print(c, "%-*.*s -%s%.*s\n", (int)longest, VIEW_ARG(shown), description.len ? " " : "",
                      VIEW_ARG(description));
        else
            cli_print(c, "%.*s\n", VIEW_ARG(shown));
    }
}

bool mailman_cmd_lists(struct cli *c, struct err *e) {
    struct mailman_lists all;
    bool quiet = args_has(&c->args, "--quiet");
    size_t n = 0;
    if (!mailman_lists(c, args_has(&c->args, "--advertised"), &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++)
        if (is_of_domains(c, all.rows[i].address))
            all.rows[n++] = all.rows[i];
    all.count = n;
    if (!quiet && n > 0)
        cli_print(c, "%zu matching mailing lists found:\n", n);
    else if (!quiet)
        cli_print(c, "No matching mailing lists found\n");
    print_lists(c, &all);
    return true;
}

/* ---- create ---- */

static bool check_language(const char *code, struct err *e) {
    int64_t language;
    return !code || preference_parse(PREFERENCE_PREFERRED_LANGUAGE, view_of(code), &language) ||
           err_set(e, ERR_USAGE, "Invalid language code: %.60s", code);
}

static int by_text(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

static bool complain_of(view *wrong, size_t count, struct err *e) {
    struct buf all = BUF_INIT(LIMIT_ERR_TEXT / 2);
    qsort(wrong, count, sizeof *wrong, by_text);
    for (size_t i = 0; i < count; i++)
        buf_printf(&all, "%s%.*s", i > 0 ? ", " : "", VIEW_ARG(wrong[i]));
    err_set(e, ERR_USAGE, "Illegal owner addresses: %s", all.data);
    buf_done(&all);
    return false;
}

static bool read_owners(struct cli *c, struct mailman_people *owners, struct err *e) {
    view wrong[ARGS_GIVEN_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->args.given_count; i++) {
        if (!view_eq(c->args.given[i].name, VIEW("--owner")))
            continue;
        mailman_people_add(c, view_of(c->args.given[i].value), owners);
        if (owners->rows[owners->count - 1].address.len == 0)
            wrong[n++] = view_of(c->args.given[i].value);
    }
    return n == 0 || complain_of(wrong, n, e);
}

/* One that is there already is all right. */
static bool add_domain(struct cli *c, view domain, struct err *e) {
    struct store_request r;
    if (mailman_pair(&c->args, "--domain", "--no-domain") == 0)
        return true;
    store_request_init(&r, OP_DOMAIN_ADD);
    vals_view(&r.args, domain);
    bool ok = cli_call(c, &r, e) || e->code == ERR_EXISTS;
    store_request_done(&r);
    return ok;
}

static bool make_list(struct cli *c, view address, view who, struct err *e) {
    const struct list_style *style = list_style_find(VIEW(LIST_STYLE_DEFAULT));
    struct store_request r;
    store_request_init(&r, OP_LIST_CREATE);
    vals_view(&r.args, address);
    vals_view(&r.args, VIEW(""));
    vals_view(&r.args, VIEW(""));
    vals_view(&r.args, view_of(style->archive));
    vals_int(&r.args, style->class);
    vals_view(&r.args, who);
    list_style_add(style, address, &c->arena, &r.args);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

static bool set_language(struct cli *c, view address, view who, struct err *e) {
    const char *code = args_get(&c->args, "--language");
    struct store_request r;
    if (!code)
        return true;
    store_request_init(&r, OP_SETTING_SET);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    vals_int(&r.args, 1);
    vals_view(&r.args, VIEW("preferred_language"));
    vals_int(&r.args, SETTING_REPLACE);
    vals_view(&r.args, view_of(code));
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

static bool add_owners(struct cli *c, view address, view who, const struct mailman_people *owners,
                       struct err *e) {
    struct store_request r;
    if (owners->count == 0)
        return true;
    for (size_t i = 0; i < owners->count; i++)
        if (!mailman_register(c, &owners->rows[i], who, e))
            return false;
    store_request_init(&r, OP_MEMBER_ADD);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    vals_int(&r.args, ROLE_OWNER);
    vals_int(&r.args, (int64_t)owners->count);
    for (size_t i = 0; i < owners->count; i++)
        vals_view(&r.args, owners->rows[i].address);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

static bool tell_owners(struct cli *c, view list, const struct mailman_people *owners, struct err *e) {
    view owner = list_part_address(list, "owner", &c->arena);
    const char **to = arena_array(&c->arena, const char *, owners->count + 1);
    if (owners->count == 0 || mailman_pair(&c->args, "--notify", "--no-notify") != 1)
        return true;
    for (size_t i = 0; i < owners->count; i++)
        to[i] = arena_str(&c->arena, owners->rows[i].address);
    struct letter_made letter;
    return mailman_letter(c, list, "domain:admin:notice:new-list", NULL, 0, &letter, e) &&
           mailman_send(c, to, owners->count, owner, letter.subject, letter.text, e);
}

/* What the store refused, in Mailman's words. */
static bool say_refusal(const char *name, struct err *e) {
    const char *at = strrchr(name, '@');
    if (e->code == ERR_EXISTS)
        return err_set(e, ERR_USAGE, "List already exists: %.200s", name);
    if (e->code == ERR_NOT_FOUND)
        return err_set(e, ERR_USAGE, "Undefined domain: %.200s", at ? at + 1 : name);
    return false;
}

static bool create(struct cli *c, const struct mailman_people *owners, struct err *e) {
    const char *name = c->args.words[0];
    view address, who;
    if (!address_normalise_text(view_of(name), &c->arena, &address, e) ||
        address_split(address).domain.len == 0)
        return err_set(e, ERR_USAGE, "Illegal list name: %.200s", name);
    if (!cli_who(c, &who, e) || !add_domain(c, address_split(address).domain, e))
        return false;
    if (!make_list(c, address, who, e))
        return say_refusal(name, e);
    if (!set_language(c, address, who, e) || !add_owners(c, address, who, owners, e))
        return false;
    if (!args_has(&c->args, "--quiet"))
        cli_print(c, "Created mailing list: %.*s\n", VIEW_ARG(address));
    return tell_owners(c, address, owners, e);
}

bool mailman_cmd_create(struct cli *c, struct err *e) {
    struct mailman_people owners = {.rows = NULL};
    bool ok = check_language(args_get(&c->args, "--language"), e) && read_owners(c, &owners, e) &&
              create(c, &owners, e);
    free(owners.rows);
    return ok;
}

/* ---- remove ---- */

/* Slice by slice, as list delete. */
static bool remove_list(struct cli *c, view address, struct err *e) {
    view who;
    bool done = false;
    struct store_request r;
    if (!cli_who(c, &who, e))
        return false;
    store_request_init(&r, OP_LIST_DELETE);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    while (!done && cli_call(c, &r, e)) {
        struct vals v = vals_of(buf_view(&r.out));
        vals_get_int(&v); /* memberships */
        done = vals_get_int(&v) != 0;
    }
    store_request_done(&r);
    return done;
}

bool mailman_cmd_remove(struct cli *c, struct err *e) {
    const char *spec = c->args.words[0];
    bool quiet = args_has(&c->args, "--quiet");
    struct mailman_list list;
    if (!mailman_list(c, spec, &list, e) || (list.id > 0 && !remove_list(c, list.address, e)))
        return false;
    if (!quiet)
        cli_print(c, list.id > 0 ? "Removed list: %s\n" : "No such list matching spec: %s\n", spec);
    return true;
}
