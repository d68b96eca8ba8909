/* scope_config.c: see scope_config.h: from the store, and to text. */
#include "cli/scope_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "lists/config_text.h"
#include "store/moderation.h"

/* Room for one more; what was there moves. */
static void *grown(struct arena *a, void *items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return items;
    size_t more = 2 * *room + 8;
    void *bigger = arena_alloc_n(a, more, size);
    if (!bigger)
        return NULL;
    if (count > 0)
        memcpy(bigger, items, count * size);
    *room = more;
    return bigger;
}

void scope_config_add_ban(struct arena *a, struct scope_config *config, view pattern) {
    view *bans = grown(a, config->bans, config->ban_count, &config->ban_room, sizeof *bans);
    if (!bans)
        return;
    config->bans = bans;
    bans[config->ban_count++] = pattern;
}

struct scope_match *scope_config_add_match(struct arena *a, struct scope_config *config) {
    static struct scope_match nowhere; /* the arena has failed, which is looked at in the end */
    struct scope_match *matches =
        grown(a, config->matches, config->match_count, &config->match_room, sizeof *matches);
    if (!matches)
        return &nowhere;
    config->matches = matches;
    matches[config->match_count] =
        (struct scope_match){.action = MODERATION_HOLD, .position = (int64_t)config->match_count};
    return &matches[config->match_count++];
}

static int compare_views(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

void scope_config_sort(struct scope_config *config) {
    if (config->ban_count > 0)
        qsort(config->bans, config->ban_count, sizeof *config->bans, compare_views);
}

/* ---- the store ---- */

static bool read_settings(struct cli *c, struct arena *a, struct scope_config *ret, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_SETTINGS);
    vals_view(&r.args, ret->scope);
    bool ok = cli_call(c, &r, e);
    for (struct vals v = vals_of(buf_view(&r.out)); ok && vals_more(&v);) {
        view scope = vals_get_view(&v), name = vals_get_view(&v), value = vals_get_view(&v);
        enum list_setting s;
        if (!view_eq(scope, ret->scope) || !list_setting_find(name, &s))
            continue;
        ret->said[s] = true;
        ret->values[s] = arena_view(a, value);
    }
    store_request_done(&r);
    return ok;
}

static bool read_archive(struct cli *c, struct arena *a, struct scope_config *ret, struct err *e) {
    struct store_request r;
    if (!scope_is_list(ret->scope))
        return true;
    store_request_init(&r, OP_LIST_LS);
    vals_view(&r.args, ret->scope);
    vals_view(&r.args, VIEW(""));
    vals_int(&r.args, 1);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    for (int i = 0; ok && i < 3; i++)
        (void)vals_get_view(&v);
    if (ok)
        ret->archive = arena_view(a, vals_get_view(&v));
    store_request_done(&r);
    return ok;
}

static bool read_bans(struct cli *c, struct arena *a, struct scope_config *ret, struct err *e) {
    enum { PAGE_ROWS = 200 };
    bool ok = true, more = true;
    view last = VIEW("");
    while (ok && more) {
        struct store_request r;
        size_t before = ret->ban_count;
        store_request_init(&r, OP_BAN_LS);
        vals_view(&r.args, ret->scope);
        vals_view(&r.args, last);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        for (struct vals v = vals_of(buf_view(&r.out)); ok && vals_more(&v);) {
            last = arena_view(a, vals_get_view(&v));
            scope_config_add_ban(a, ret, last);
        }
        store_request_done(&r);
        more = ret->ban_count - before == PAGE_ROWS;
    }
    scope_config_sort(ret);
    return ok;
}

static bool read_matches(struct cli *c, struct arena *a, struct scope_config *ret, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_HEADER_MATCH_LS);
    vals_view(&r.args, ret->scope);
    bool ok = cli_call(c, &r, e);
    for (struct vals v = vals_of(buf_view(&r.out)); ok && vals_more(&v);) {
        struct scope_match *m = scope_config_add_match(a, ret);
        m->position = vals_get_int(&v);
        m->header = arena_view(a, vals_get_view(&v));
        m->pattern = arena_view(a, vals_get_view(&v));
        m->action = vals_get_int(&v);
        m->tag = arena_view(a, vals_get_view(&v));
    }
    store_request_done(&r);
    return ok;
}

bool scope_config_read(struct cli *c, struct arena *a, view scope, struct scope_config *ret, struct err *e) {
    *ret = (struct scope_config){.scope = scope, .archive = VIEW("")};
    return read_settings(c, a, ret, e) && read_archive(c, a, ret, e) && read_bans(c, a, ret, e) &&
           read_matches(c, a, ret, e) &&
           (!a->failed || err_set(e, ERR_LIMIT, "%.*s: too much is said for it", VIEW_ARG(scope)));
}

/* ---- text ---- */

static enum config_text_form form_of(enum list_setting s, view value) {
    enum setting_type type = list_setting_type(s);
    bool word = view_eq(value, VIEW("true")) || view_eq(value, VIEW("false"));
    if (type >= SETTING_LINES)
        return CONFIG_TEXT_LINES;
    return type == SETTING_NUMBER || type == SETTING_DECIMAL || (type == SETTING_CHOICE && word)
               ? CONFIG_TEXT_BARE
               : CONFIG_TEXT_STRING;
}

void scope_value_write(enum list_setting s, view value, struct buf *out) {
    view line;
    switch (form_of(s, value)) {
    case CONFIG_TEXT_BARE:
        buf_add(out, value);
        return;
    case CONFIG_TEXT_STRING:
        config_text_literal(out, value);
        return;
    case CONFIG_TEXT_LINES:
        buf_add_char(out, '[');
        for (bool more = false; view_split(&value, '\n', &line); more = true) {
            buf_add_str(out, more ? ", " : "");
            config_text_literal(out, line);
        }
        buf_add_char(out, ']');
        return;
    }
}

static void write_match(const struct scope_config *config, const struct scope_match *m, struct buf *out) {
    buf_add_char(out, '\n');
    config_text_section(out, config->scope.len ? config->scope : VIEW("all"), CONFIG_TEXT_MATCH);
    config_text_value(out, "header", m->header, CONFIG_TEXT_STRING);
    config_text_value(out, "pattern", m->pattern, CONFIG_TEXT_STRING);
    config_text_value(out, "action", words_at(MODERATION_WORDS, m->action), CONFIG_TEXT_STRING);
    if (m->tag.len > 0)
        config_text_value(out, "tag", m->tag, CONFIG_TEXT_STRING);
}

void scope_config_write(const struct scope_config *config, struct buf *out) {
    struct buf bans = BUF_INIT(LIMIT_STORE_PACKET * 8);
    config_text_section(out, config->scope.len ? config->scope : VIEW("all"), CONFIG_TEXT_SECTION);
    if (config->archive.len > 0)
        config_text_value(out, "archive", config->archive, CONFIG_TEXT_STRING);
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        if (config->said[i])
            config_text_value(out, list_setting_name((enum list_setting)i), config->values[i],
                              form_of((enum list_setting)i, config->values[i]));
    for (size_t i = 0; i < config->ban_count; i++)
        buf_printf(&bans, "%s%.*s", i ? "\n" : "", VIEW_ARG(config->bans[i]));
    if (config->ban_count > 0)
        config_text_value(out, "bans", buf_view(&bans), CONFIG_TEXT_LINES);
    for (size_t i = 0; i < config->match_count; i++)
        write_match(config, &config->matches[i], out);
    buf_done(&bans);
}
