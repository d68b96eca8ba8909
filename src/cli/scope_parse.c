/* scope_parse.c: what a text says for scopes (scope_config.h). Everything is checked as the store would, so
 * that a mistake has its line. */
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/words.h"
#include "cli/scope_config.h"
#include "lists/config_text.h"
#include "mail/address.h"
#include "store/moderation.h"

struct parse {
    struct cli *cli;
    struct scope_configs *all;
    struct scope_config *now;  /* the section we are in */
    struct scope_match *match; /* of it, or NULL */
    struct err *e;
};

static bool at_line(struct parse *p, size_t line) {
    return err_prefix(p->e, "line %zu", line);
}

static struct scope_config *find(const struct scope_configs *all, view scope) {
    for (size_t i = 0; i < all->count; i++)
        if (view_eq(all->items[i]->scope, scope))
            return all->items[i];
    return NULL;
}

static struct scope_config *add(struct parse *p, view scope, size_t line) {
    struct arena *a = &p->cli->arena;
    struct scope_configs *all = p->all;
    if (all->count == all->room) {
        size_t room = 2 * all->room + 64;
        struct scope_config **items = arena_array(a, struct scope_config *, room);
        if (!items)
            return NULL;
        if (all->count > 0)
            memcpy(items, all->items, all->count * sizeof *items);
        all->items = items;
        all->room = room;
    }
    struct scope_config *made = arena_new(a, struct scope_config);
    if (made) {
        *made = (struct scope_config){.scope = scope, .line = line, .archive = VIEW("")};
        all->items[all->count++] = made;
    }
    return made;
}

/* The match that ends here is whole. */
static bool end_match(struct parse *p) {
    struct scope_match *m = p->match;
    p->match = NULL;
    if (!m || (m->header.len > 0 && m->pattern.len > 0))
        return true;
    err_set(p->e, ERR_USAGE, "a header match wants header and pattern");
    return at_line(p, m->line);
}

static bool begin_section(struct parse *p, const struct config_text_item *item) {
    view scope;
    if (!cli_scope(p->cli, arena_str(&p->cli->arena, item->name), &scope, p->e))
        return at_line(p, item->line);
    struct scope_config *there = find(p->all, scope);
    if (there && item->kind == CONFIG_TEXT_SECTION) {
        err_set(p->e, ERR_USAGE, "%.*s has a section in line %zu already", VIEW_ARG(item->name), there->line);
        return at_line(p, item->line);
    }
    p->now = there ? there : add(p, scope, item->line);
    if (!p->now)
        return err_set(p->e, ERR_LIMIT, "the file says too much");
    if (item->kind == CONFIG_TEXT_MATCH) {
        p->match = scope_config_add_match(&p->cli->arena, p->now);
        p->match->line = item->line;
    }
    return true;
}

/* ---- values ---- */

static bool set_match(struct parse *p, const struct config_text_item *item) {
    struct scope_match *m = p->match;
    if (view_eq(item->name, VIEW("header"))) {
        m->header = item->value;
        for (size_t i = 0; i < m->header.len; i++)
            if (m->header.ptr[i] <= ' ' || m->header.ptr[i] > '~' || m->header.ptr[i] == ':')
                return err_set(p->e, ERR_USAGE, "header: no name of a header field");
        return true;
    }
    if (view_eq(item->name, VIEW("pattern"))) {
        m->pattern = item->value;
        return pattern_check(m->pattern, p->e);
    }
    if (view_eq(item->name, VIEW("action")))
        return (words_find(MODERATION_WORDS, item->value, &m->action) && m->action != MODERATION_DEFER) ||
               err_set(p->e, ERR_USAGE, "action: hold, reject, discard, accept or list_default is wanted");
    m->tag = item->value;
    return view_eq(item->name, VIEW("tag")) ||
           err_set(p->e, ERR_USAGE, "%.*s: a header match has header, pattern, action and tag",
                   VIEW_ARG(view_slice(item->name, 0, 60)));
}

static bool set_archive(struct parse *p, view value) {
    int64_t at;
    p->now->archive = value;
    if (!scope_is_list(p->now->scope))
        return err_set(p->e, ERR_USAGE, "archive: only a list has one");
    return words_find("public private none", value, &at) ||
           err_set(p->e, ERR_USAGE, "archive: public, private or none is wanted");
}

static bool set_bans(struct parse *p, view lines) {
    view one;
    while (view_split(&lines, '\n', &one)) {
        bool ok = view_starts_with(one, VIEW("^")) ? pattern_check(one, p->e)
                                                   : address_normalise_text(one, &p->cli->arena, &one, p->e);
        if (!ok)
            return err_prefix(p->e, "bans: %.*s", VIEW_ARG(view_slice(one, 0, 60)));
        scope_config_add_ban(&p->cli->arena, p->now, one);
    }
    return true;
}

static bool no_such_setting(view name, struct err *e) {
    const char *names[LIST_SETTING_COUNT + 3] = {"archive", "bans"};
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        names[i + 2] = list_setting_name((enum list_setting)i);
    const char *meant = args_nearest(name, names);
    return err_set(e, ERR_USAGE, "no list setting is called %.*s%s%s", VIEW_ARG(view_slice(name, 0, 60)),
                   meant ? ": is it " : "", meant ? meant : "");
}

/* Of a password a hash is made only when it has changed, by the store. */
static bool set_setting(struct parse *p, const struct config_text_item *item) {
    enum list_setting s;
    if (!list_setting_find(item->name, &s))
        return no_such_setting(item->name, p->e);
    if (p->now->said[s])
        return err_set(p->e, ERR_USAGE, "%.*s is said twice", VIEW_ARG(item->name));
    if (item->many && list_setting_type(s) < SETTING_LINES)
        return err_set(p->e, ERR_USAGE, "%.*s: one value is wanted", VIEW_ARG(item->name));
    p->now->said[s] = true;
    p->now->values[s] = item->value;
    return list_setting_type(s) == SETTING_SECRET ||
           list_setting_check(s, item->value, &p->cli->arena, &p->now->values[s], p->e);
}

static bool set_value(struct parse *p, const struct config_text_item *item) {
    bool ok;
    if (!p->now)
        ok = err_set(p->e, ERR_USAGE, "a section is wanted first: [all], [\"@DOMAIN\"] or [\"LIST\"]");
    else if (p->match)
        ok = set_match(p, item);
    else if (view_eq(item->name, VIEW("archive")))
        ok = set_archive(p, item->value);
    else if (view_eq(item->name, VIEW("bans")))
        ok = set_bans(p, item->value);
    else
        ok = set_setting(p, item);
    return ok || at_line(p, item->line);
}

bool scope_configs_parse(struct cli *c, view text, struct scope_configs *ret, struct err *e) {
    struct config_text t = config_text_of(text, &c->arena);
    struct parse p = {.cli = c, .all = ret, .e = e};
    struct config_text_item item;
    bool ok = true;
    *ret = (struct scope_configs){.count = 0};
    while (ok && config_text_next(&t, &item)) {
        if (item.kind == CONFIG_TEXT_VALUE)
            ok = set_value(&p, &item);
        else
            ok = end_match(&p) && begin_section(&p, &item);
    }
    if (ok && t.err.code != ERR_OK) {
        *e = t.err;
        return false;
    }
    for (size_t i = 0; i < ret->count; i++)
        scope_config_sort(ret->items[i]);
    return ok && end_match(&p) && (!c->arena.failed || err_set(e, ERR_LIMIT, "the file says too much"));
}
