/* cmd_recipient.c: postroad recipient add|remove|ls|import: the addresses that a relay domain has. */
#include "cli/addresses.h"

static bool find_place(struct cli *c, struct addresses_place *ret, struct err *e) {
    *ret = (struct addresses_place){OP_RECIPIENT_ADD, OP_RECIPIENT_REMOVE, OP_RECIPIENT_LS, "domain"};
    return cli_domain(c, c->args.words[0], &ret->of, e);
}

static bool change(struct cli *c, bool remove, const char *verb, struct err *e) {
    struct addresses a = {.list = NULL};
    struct addresses_place place;
    int64_t changed;
    bool ok =
        find_place(c, &place, e) && addresses_read_words(c, &(struct addresses_rule){place.of, true}, &a, e);
    addresses_sort(&a);
    ok = ok && addresses_change(c, &place, remove, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "domain", cli_json_text(place.of), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s", (long long)changed, a.count, verb);
    addresses_done(&a);
    return ok;
}

bool cmd_recipient_add(struct cli *c, struct err *e) {
    return change(c, false, "added", e);
}

bool cmd_recipient_remove(struct cli *c, struct err *e) {
    return change(c, true, "removed", e);
}

bool cmd_recipient_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "RECIPIENT"}};
    struct table t;
    struct addresses page = {.list = NULL};
    struct addresses_place place;
    view after = VIEW("");
    if (!find_place(c, &place, e))
        return false;
    table_open(&t, c, columns, COUNT_OF(columns));
    bool ok = true, more = true;
    while (ok && more) {
        page.count = 0;
        ok = addresses_page(c, &place, &after, &page, &more, e);
        for (size_t i = 0; i < page.count; i++)
            table_text(&t, page.list[i]);
        more = more && cli_flush(c, NULL);
    }
    addresses_done(&page);
    return table_close(&t, ok ? e : NULL) && ok;
}

bool cmd_recipient_import(struct cli *c, struct err *e) {
    struct addresses_place place;
    return find_place(c, &place, e) &&
           addresses_import(c, &place, &(struct addresses_rule){place.of, true}, c->args.words[1],
                            arena_printf(&c->arena, "recipients of %.*s", VIEW_ARG(place.of)), e);
}
