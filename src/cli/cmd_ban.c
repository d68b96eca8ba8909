/* cmd_ban.c: postroad ban and header-match: whom and what lists do not take. */
#include "base/words.h"
#include "cli/pages.h"
#include "cli/scope.h"
#include "store/moderation.h"

/* "ADDRESS" or "^EXPRESSION". */
static bool read_pattern(struct cli *c, const char *word, view *ret, struct err *e) {
    *ret = view_of(word);
    return word[0] == '^' || cli_address(c, word, ret, e);
}

static bool change_ban(struct cli *c, enum op op, const char *done, struct err *e) {
    view scope, who, pattern;
    if (!cli_scope(c, c->args.words[0], &scope, e) || !read_pattern(c, c->args.words[1], &pattern, e) ||
        !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, op);
    vals_view(&r.args, scope);
    vals_view(&r.args, who);
    vals_view(&r.args, pattern);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{ssso}", "scope", c->args.words[0], "pattern", cli_json_text(pattern)),
                 "%.*s is %s %s", VIEW_ARG(pattern), done, c->args.words[0]);
    return ok;
}

bool cmd_ban_add(struct cli *c, struct err *e) {
    return change_ban(c, OP_BAN_ADD, "banned from", e);
}

bool cmd_ban_remove(struct cli *c, struct err *e) {
    return change_ban(c, OP_BAN_REMOVE, "no longer banned from", e);
}

static void ask_bans(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    pages_ask_after(p, args);
}

static void show_ban(struct pages *p, struct table *t, struct vals *v) {
    view pattern = vals_get_view(v);
    pages_after(p, pattern);
    table_text(t, pattern);
}

bool cmd_ban_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"pattern", "BANNED"}};
    struct pages p = {.op = OP_BAN_LS, .ask = ask_bans, .row = show_ban};
    return cli_scope(c, c->args.words[0], &p.of, e) && pages_show(c, &p, columns, COUNT_OF(columns), e);
}

static bool is_field_name(view name) {
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':')
            return false;
    return name.len > 0 && name.len <= 100;
}

bool cmd_header_match_add(struct cli *c, struct err *e) {
    const char *given = args_get(&c->args, "--action");
    view scope, who, header = view_of(c->args.words[1]), tag = view_of(args_get(&c->args, "--tag"));
    int64_t action = MODERATION_HOLD;
    if (given && (!words_find(MODERATION_WORDS, view_of(given), &action) || action == MODERATION_DEFAULT ||
                  action == MODERATION_DEFER))
        return err_set(e, ERR_USAGE, "--action %.60s: hold, reject, discard or accept is wanted", given);
    if (!is_field_name(header))
        return err_set(e, ERR_USAGE, "%.60s: no name of a header field", c->args.words[1]);
    if (!cli_scope(c, c->args.words[0], &scope, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_HEADER_MATCH_ADD);
    vals_view(&r.args, scope);
    vals_view(&r.args, who);
    vals_view(&r.args, header);
    vals_view(&r.args, view_of(c->args.words[2]));
    vals_int(&r.args, action);
    vals_view(&r.args, tag);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    int64_t position = ok ? vals_get_int(&v) : 0;
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sssI}", "scope", c->args.words[0], "position", (json_int_t)position),
                 "%s: header match %lld", c->args.words[0], (long long)position);
    return ok;
}

bool cmd_header_match_remove(struct cli *c, struct err *e) {
    view scope, who;
    int64_t position;
    if (!view_to_i64(view_of(c->args.words[1]), &position))
        return err_set(e, ERR_USAGE, "%.60s: a position is wanted: header-match ls shows them",
                       c->args.words[1]);
    if (!cli_scope(c, c->args.words[0], &scope, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_HEADER_MATCH_REMOVE);
    vals_view(&r.args, scope);
    vals_view(&r.args, who);
    vals_int(&r.args, position);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sssI}", "scope", c->args.words[0], "position", (json_int_t)position),
                 "%s: header match %lld is gone", c->args.words[0], (long long)position);
    return ok;
}

bool cmd_header_match_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"position", "POSITION"},
                                            {"header", "HEADER"},
                                            {"pattern", "PATTERN"},
                                            {"action", "ACTION"},
                                            {"tag", "TAG"}};
    view scope;
    if (!cli_scope(c, c->args.words[0], &scope, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_HEADER_MATCH_LS);
    vals_view(&r.args, scope);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    while (ok && vals_more(&v)) {
        table_int(&t, vals_get_int(&v));
        table_text(&t, vals_get_view(&v));
        table_text(&t, vals_get_view(&v));
        table_text(&t, words_at(MODERATION_WORDS, vals_get_int(&v)));
        table_text(&t, vals_get_view(&v));
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
