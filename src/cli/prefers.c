/* prefers.c: roles and preferences, as words of a command. */
#include <string.h>

#include "base/words.h"
#include "cli/member.h"
#include "mail/text.h"

enum { NAME_BYTES = 200 };

bool cli_person_name(struct cli *c, view *ret_name, struct err *e) {
    *ret_name = view_of(args_get(&c->args, "--name"));
    return (ret_name->len <= NAME_BYTES && text_is_printable(*ret_name)) ||
           err_set(e, ERR_USAGE, "--name wants one line of at most %d bytes", NAME_BYTES);
}

bool cli_role(struct cli *c, enum member_role *ret_role, struct err *e) {
    const char *given = args_get(&c->args, "--role");
    int64_t role = ROLE_MEMBER;
    if (given && (!words_find(ROLE_WORDS, view_of(given), &role) || role == ROLE_ANY))
        return err_set(e, ERR_USAGE, "--role %.60s: one of these is wanted: %s", given,
                       view_skip(VIEW(ROLE_WORDS), sizeof "any").ptr);
    *ret_role = (enum member_role)role;
    return true;
}

void prefers_args(const struct prefers *p, struct buf *args) {
    vals_int(args, p->level);
    vals_view(args, p->address);
    vals_view(args, p->list);
    vals_int(args, p->role);
}

struct wish {
    enum preference kind;
    int64_t value; /* or PREFERENCE_UNSET */
};

static bool parse_wish(const char *word, struct wish *ret, struct err *e) {
    view value = view_of(word), name;
    if (!strchr(word, '=') || !view_split(&value, '=', &name))
        return err_set(e, ERR_USAGE, "%.60s: NAME=VALUE is wanted", word);
    if (!preference_find(name, &ret->kind))
        return err_set(e, ERR_USAGE, "nothing is called %.*s here: one of these is wanted: %s",
                       VIEW_ARG(view_slice(name, 0, 60)), preference_names());
    ret->value = PREFERENCE_UNSET;
    if (value.len > 0 && !preference_parse(ret->kind, value, &ret->value))
        return err_set(e, ERR_USAGE, "%.60s: one of these is wanted: %s", word, preference_values(ret->kind));
    return true;
}

bool prefers_set(struct cli *c, const struct prefers *p, size_t first, struct err *e) {
    const char *until_text = args_get(&c->args, "--until");
    int64_t until = 0;
    struct wish wish;
    view who;
    for (size_t i = first; i < c->args.count; i++)
        if (!parse_wish(c->args.words[i], &wish, e))
            return false;
    if (!cli_who(c, &who, e) || (until_text && !cli_date(until_text, &until, e)))
        return false;
    struct store_request r;
    store_request_init(&r, OP_PREFER);
    vals_view(&r.args, who);
    prefers_args(p, &r.args);
    vals_int(&r.args, until);
    vals_int(&r.args, (int64_t)(c->args.count - first));
    for (size_t i = first; i < c->args.count; i++) {
        parse_wish(c->args.words[i], &wish, e);
        vals_int(&r.args, wish.kind);
        vals_int(&r.args, wish.value);
    }
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

bool prefers_text(struct cli *c, const struct prefers *p, view *ret, struct err *e) {
    struct buf text = BUF_INIT(4096);
    struct store_request r;
    store_request_init(&r, OP_PREFERENCES);
    prefers_args(p, &r.args);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        enum preference kind = (enum preference)vals_get_int(&v);
        view value = preference_text(kind, vals_get_int(&v));
        int64_t until = vals_get_int(&v);
        buf_printf(&text, "%s%s=%.*s", text.len ? ", " : "", preference_name(kind), VIEW_ARG(value));
        if (until)
            buf_printf(&text, " until %s", cli_time(until).s);
    }
    *ret = arena_view(&c->arena, buf_view(&text));
    store_request_done(&r);
    buf_done(&text);
    return ok;
}
