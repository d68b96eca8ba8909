/* cmd_key.c: postroad key: keys that programs show to the REST interface; postroad secret: what roles share.
 */
#include "base/id.h"
#include "base/password.h"
#include "cli/cli.h"
#include "cli/pages.h"
#include "mail/text.h"

enum { KEY_OCTETS = 16, KEY_FILE_MOST = 2 * PASSWORD_MOST };

static bool check_name(const char *name, struct err *e) {
    view v = view_of(name);
    return (v.len > 0 && v.len <= LIMIT_ALIAS_WORD && text_is_printable(v) && view_find(v, ':') < 0) ||
           err_set(e, ERR_USAGE, "%.60s: the name of a key is at most %d printable octets without a colon",
                   name, LIMIT_ALIAS_WORD);
}

/* The key that is given, from a file or standard input, or a new one of 128 random bits. */
static bool find_key(struct cli *c, view *ret, struct err *e) {
    const char *file = args_get(&c->args, "--key-from");
    if (!file) {
        char text[2 * KEY_OCTETS + 1];
        random_hex(KEY_OCTETS, text);
        *ret = arena_view(&c->arena, view_of(text));
        return true;
    }
    struct buf content = BUF_INIT(KEY_FILE_MOST);
    bool ok = import_read(file, &content, e);
    *ret = view_trim(arena_view(&c->arena, buf_view(&content)));
    buf_done(&content);
    return ok &&
           (ret->len >= 8 || err_set(e, ERR_USAGE, "--key-from %.60s: a key has at least 8 octets", file));
}

bool cmd_key_set(struct cli *c, struct err *e) {
    char kept[PASSWORD_KEPT];
    view who, key;
    const char *name = c->args.words[0];
    if (!check_name(name, e) || !cli_who(c, &who, e) || !find_key(c, &key, e) || !password_keep(key, kept, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_KEY_SET);
    vals_view(&r.args, who);
    vals_view(&r.args, view_of(name));
    vals_view(&r.args, view_of(kept));
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok && args_has(&c->args, "--key-from"))
        cli_done(c, json_pack("{ss}", "name", name),
                 "%s can use the REST interface with the key that was given", name);
    else if (ok)
        cli_done(c, json_pack("{ssso}", "name", name, "key", cli_json_text(key)),
                 "%s can use the REST interface with this key, which is shown only now:\n%.*s", name,
                 VIEW_ARG(key));
    return ok;
}

bool cmd_key_remove(struct cli *c, struct err *e) {
    view who;
    if (!cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_KEY_REMOVE);
    vals_view(&r.args, who);
    vals_view(&r.args, view_of(c->args.words[0]));
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{ss}", "name", c->args.words[0]), "key %s removed", c->args.words[0]);
    return ok;
}

static void ask_keys(const struct pages *p, struct buf *args) {
    pages_ask_after(p, args);
}

static void show_key(struct pages *p, struct table *t, struct vals *v) {
    view name = vals_get_view(v);
    pages_after(p, name);
    table_text(t, name);
    table_time(t, vals_get_int(v));
}

bool cmd_key_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"name", "NAME"}, {"created", "SINCE"}};
    struct pages p = {.op = OP_KEY_LS, .ask = ask_keys, .row = show_key};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}

bool cmd_secret_rotate(struct cli *c, struct err *e) {
    view who;
    if (!cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_SECRET_ADD);
    vals_view(&r.args, who);
    vals_view(&r.args, view_of(c->args.words[0]));
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{ss}", "name", c->args.words[0]),
                 "a new secret %s is in use; those before it are still good", c->args.words[0]);
    return ok;
}
