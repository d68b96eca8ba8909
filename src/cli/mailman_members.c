/* mailman_members.c: members, findmember: who is on which list. */
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/words.h"
#include "cli/mailman.h"
#include "mail/list_address.h"
#include "store/preference.h"

enum { PAGE_ROWS = 500, OUTPUT_BYTES = 1 << 30 };
enum { REGULAR, PLAINTEXT, MIME, SUMMARY }; /* delivery_mode */

/* ---- members ---- */

static bool check_members(const struct args *a, struct err *e) {
    static const char *const gone[][2] = {
        {"--add", "addmembers"}, {"--delete", "delmembers"}, {"--sync", "syncmembers"}};
    const char *role = args_get(a, "--role");
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        if (args_has(a, gone[i][0]))
            return err_set(e, ERR_USAGE, "The %s option is removed. Use `mailman %s` instead.", gone[i][0],
                           gone[i][1]);
    if (role && strcmp(role, "any") == 0 &&
        (args_has(a, "--regular") || args_has(a, "--digest") || args_has(a, "--nomail")))
        return err_set(e, ERR_USAGE,
                       "The --regular, --digest and --nomail options are incompatible with role=any.");
    return !(args_has(a, "--email-only") && args_has(a, "--count-only")) ||
           err_set(e, ERR_USAGE, "The --email_only and --count_only options are mutually exclusive.");
}

static bool is_of_mode(const struct args *a, int64_t mode) {
    const char *digest = args_get(a, "--digest");
    if (args_has(a, "--regular") && mode != REGULAR)
        return false;
    if (!digest)
        return true;
    if (strcmp(digest, "plaintext") == 0)
        return mode == PLAINTEXT;
    return mode == MIME || mode == SUMMARY || (mode == PLAINTEXT && strcmp(digest, "any") == 0);
}

static bool is_of_status(const struct args *a, int64_t status) {
    static const char *const names[][2] = {{"byadmin", "by_moderator"},
                                           {"byuser", "by_user"},
                                           {"bybounces", "by_bounces"},
                                           {"enabled", "enabled"},
                                           {"unknown", "unknown"}};
    const char *why = args_get(a, "--nomail");
    if (!why)
        return true;
    view is = preference_text(PREFERENCE_DELIVERY_STATUS, status);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(why, names[i][0]) == 0)
            return view_eq(is, view_of(names[i][1]));
    return !view_eq(is, VIEW("enabled")); /* any */
}

static bool load(struct cli *c, view list, struct mailman_members *m, struct err *e) {
    const char *role = args_get(&c->args, "--role");
    int64_t number = ROLE_MEMBER;
    if (role && strcmp(role, "administrator") == 0)
        return mailman_members(c, list, ROLE_OWNER, m, e) && mailman_members(c, list, ROLE_MODERATOR, m, e);
    if (role && strcmp(role, "any") == 0)
        number = ROLE_ANY;
    else if (role)
        words_find(ROLE_WORDS, view_of(role), &number);
    return mailman_members(c, list, (enum member_role)number, m, e);
}

static void print_members(struct cli *c, view list, const struct mailman_members *m, struct buf *out) {
    const struct args *a = &c->args;
    bool plain = args_has(a, "--email-only");
    view list_id = list_id_of(list, &c->arena);
    if (args_has(a, "--count-only")) {
        buf_printf(out, "%zu\n", m->count);
        return;
    }
    if (m->count == 0)
        buf_printf(out, "%.*s has no members\n", VIEW_ARG(list_id));
    for (size_t i = 0; i < m->count; i++) {
        const struct mailman_member *row = &m->rows[i];
        if (!is_of_mode(a, row->mode) || !is_of_status(a, row->status))
            continue;
        if (plain || row->name.len == 0)
            buf_printf(out, "%.*s\n", VIEW_ARG(row->original));
        else
            buf_printf(out, "%.*s <%.*s>\n", VIEW_ARG(row->name), VIEW_ARG(row->original));
    }
}

bool mailman_cmd_members(struct cli *c, struct err *e) {
    struct mailman_list list;
    struct mailman_members m = {.rows = NULL};
    struct buf out = BUF_INIT(OUTPUT_BYTES);
    bool ok = mailman_need_list(c, c->args.words[0], &list, e) && check_members(&c->args, e) &&
              load(c, list.address, &m, e);
    if (ok)
        print_members(c, list.address, &m, &out);
    ok = ok && mailman_show(c, &out, e);
    buf_done(&out);
    free(m.rows);
    return ok;
}

/* ---- findmember ---- */

/* A membership that was found, in the order it is shown. */
struct found {
    view address, list_id;
    int64_t role, id;
};
struct finds {
    struct found *rows;
    size_t count, room;
};

static bool is_wanted(const char *role, int64_t number) {
    if (!role || strcmp(role, "all") == 0)
        return true;
    if (strcmp(role, "administrator") == 0)
        return number == ROLE_OWNER || number == ROLE_MODERATOR;
    return view_eq(words_at(ROLE_WORDS, number), view_of(role));
}

static struct found *new_found(struct cli *c, struct finds *f) {
    if (f->count == f->room) {
        struct found *more = arena_array(&c->arena, struct found, f->room * 2 + 64);
        if (f->count > 0)
            memcpy(more, f->rows, f->count * sizeof *more);
        f->rows = more;
        f->room = f->room * 2 + 64;
    }
    return &f->rows[f->count++];
}

/* Every membership of the user whose address it is. */
static bool add_memberships(struct cli *c, view address, struct finds *f, struct err *e) {
    const char *wanted = args_get(&c->args, "--role");
    struct store_request r;
    store_request_init(&r, OP_MEMBER_OF);
    vals_view(&r.args, address);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        view list = vals_get_view(&v);
        int64_t role = vals_get_int(&v);
        view of = vals_get_view(&v);
        int64_t id = vals_get_int(&v);
        for (int i = 0; i < 5; i++)
            vals_get_int(&v); /* follows, since, status, hidden, action */
        if (is_wanted(wanted, role))
            *new_found(c, f) =
                (struct found){arena_view(&c->arena, of), list_id_of(list, &c->arena), role, id};
    }
    store_request_done(&r);
    return ok || e->code == ERR_NOT_FOUND; /* forgotten meanwhile */
}

static bool find_on_page(struct cli *c, view page, view *ret_last, size_t *ret_rows, struct finds *f,
                         struct err *e) {
    view pattern = view_of(c->args.words[0]);
    struct vals v = vals_of(page);
    for (*ret_rows = 0; vals_more(&v); (*ret_rows)++) {
        view address = vals_get_view(&v);
        vals_get_view(&v); /* name */
        vals_get_int(&v);  /* registered */
        vals_get_int(&v);  /* verified */
        *ret_last = address;
        enum pattern_answer answer = pattern_match(pattern, address, e);
        if (answer == PATTERN_FAILED || (answer == PATTERN_YES && !add_memberships(c, address, f, e)))
            return false;
    }
    *ret_last = arena_view(&c->arena, *ret_last);
    return true;
}

static bool find_all(struct cli *c, struct finds *f, struct err *e) {
    struct store_request r;
    view last = VIEW("");
    size_t rows = PAGE_ROWS;
    bool ok = true;
    store_request_init(&r, OP_USER_LS);
    while (ok && rows == PAGE_ROWS) {
        buf_reset(&r.args);
        vals_view(&r.args, last);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e) && find_on_page(c, buf_view(&r.out), &last, &rows, f, e);
    }
    store_request_done(&r);
    return ok;
}

/* Roles by their names: member, moderator, nonmember, owner. */
static int by_place(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    int order = view_cmp(x->address, y->address);
    order = order ? order : view_cmp(x->list_id, y->list_id);
    return order ? order : view_cmp(words_at(ROLE_WORDS, x->role), words_at(ROLE_WORDS, y->role));
}

static void print_found(struct cli *c, const struct finds *f) {
    const struct found *last = NULL;
    for (size_t i = 0; i < f->count; i++) {
        const struct found *row = &f->rows[i];
        bool same = last && view_eq(row->address, last->address);
        if (last && row->id == last->id) /* found by several addresses */
            continue;
        if (!same)
            cli_print(c, "Email: %.*s\n", VIEW_ARG(row->address));
        if (!same || !view_eq(row->list_id, last->list_id))
            cli_print(c, "    List: %.*s\n", VIEW_ARG(row->list_id));
        cli_print(c, "        MemberRole.%.*s\n", VIEW_ARG(words_at(ROLE_WORDS, row->role)));
        last = row;
    }
}

bool mailman_cmd_findmember(struct cli *c, struct err *e) {
    struct finds f = {.rows = NULL};
    if (!pattern_check(view_of(c->args.words[0]), e) || !find_all(c, &f, e))
        return false;
    if (f.count > 0)
        qsort(f.rows, f.count, sizeof *f.rows, by_place);
    print_found(c, &f);
    return true;
}
