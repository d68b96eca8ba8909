/* cmd_template.c: postroad template: texts that people get from lists, and letters in other languages. */
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "cli/scope.h"
#include "lists/letter_words.h"
#include "lists/shipped.h"
#include "lists/translation.h"
#include "store/preference.h"
#include "store/template.h"

enum { FILE_MOST = LIMIT_STORE_PACKET - 16 * 1024, NAMES_MOST = 64 };

/* ---- what is asked for ---- */

struct wanted {
    view scope, name, language;
};

static bool check_name(const char *word, struct err *e) {
    const char *names[NAMES_MOST + 1] = {NULL};
    if (template_name_is_valid(view_of(word)))
        return true;
    for (size_t i = 0; i < NAMES_MOST; i++)
        names[i] = template_name_at(i);
    const char *meant = args_nearest(view_of(word), names);
    return err_set(e, ERR_USAGE, "no template is called %.60s%s%s", word, meant ? ": is it " : "",
                   meant ? meant : "");
}

static bool check_language(view language, struct err *e) {
    return template_language_is_valid(language) ||
           err_set(e, ERR_USAGE, "no language is called %.*s; one of these is wanted: %s",
                   VIEW_ARG(view_slice(language, 0, 20)), LANGUAGE_WORDS);
}

static bool read_wanted(struct cli *c, struct wanted *ret, struct err *e) {
    ret->name = view_of(c->args.words[1]);
    ret->language = view_of(args_get(&c->args, "--language"));
    return cli_scope(c, c->args.words[0], &ret->scope, e) && check_name(c->args.words[1], e) &&
           check_language(ret->language, e);
}

/* ---- changes ---- */

/* What no letter will ever fill in stands there as it is written: that may be meant. */
static void warn_of_unknown(view name, view text) {
    for (view rest = text, v; (v = letter_words_unknown(name, &rest)).len > 0;)
        fprintf(stderr, "postroad: %.*s: no variable is called $%.*s\n", VIEW_ARG(name),
                VIEW_ARG(view_slice(v, 0, 60)));
}

static void add_change(struct buf *args, view name, view language, enum template_how how, view what) {
    vals_view(args, name);
    vals_view(args, language);
    vals_int(args, how);
    vals_view(args, what);
    vals_view(args, VIEW("")); /* user name and password: programs give them over REST */
    vals_view(args, VIEW(""));
}

static bool change(struct cli *c, view scope, int64_t count, view changes, struct err *e) {
    view who;
    struct store_request q;
    if (!cli_who(c, &who, e))
        return false;
    store_request_init(&q, OP_TEMPLATE_SET);
    vals_view(&q.args, scope);
    vals_view(&q.args, who);
    vals_int(&q.args, count);
    buf_add(&q.args, changes);
    bool ok = cli_call(c, &q, e);
    store_request_done(&q);
    return ok;
}

static bool change_one(struct cli *c, const struct wanted *w, enum template_how how, view what,
                       struct err *e) {
    struct buf changes = BUF_INIT(LIMIT_STORE_PACKET);
    add_change(&changes, w->name, w->language, how, what);
    bool ok = change(c, w->scope, 1, buf_view(&changes), e);
    buf_done(&changes);
    if (ok)
        cli_done(c, json_pack("{ssso}", "scope", c->args.words[0], "template", cli_json_text(w->name)),
                 "%s: template %.*s is %s", c->args.words[0], VIEW_ARG(w->name),
                 how == TEMPLATE_REMOVE ? "taken back" : "set");
    return ok;
}

static bool is_uri(const char *word) {
    static const char *const schemes[] = {"http://", "https://", "mailman:"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (strncmp(word, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

bool cmd_template_set(struct cli *c, struct err *e) {
    struct wanted w;
    const char *from = c->args.words[2];
    struct buf text = BUF_INIT(LIMIT_TEMPLATE_TEXT);
    if (!read_wanted(c, &w, e))
        return false;
    if (is_uri(from))
        return change_one(c, &w, TEMPLATE_BY_URI, view_of(from), e);
    bool ok = import_read(from, &text, e);
    if (ok && !view_is_utf8(buf_view(&text)))
        ok = err_set(e, ERR_USAGE, "%.100s: a text in UTF-8 is wanted", from);
    if (ok)
        warn_of_unknown(w.name, buf_view(&text));
    ok = ok && change_one(c, &w, TEMPLATE_BY_TEXT, buf_view(&text), e);
    buf_done(&text);
    return ok;
}

bool cmd_template_remove(struct cli *c, struct err *e) {
    struct wanted w;
    return read_wanted(c, &w, e) && change_one(c, &w, TEMPLATE_REMOVE, VIEW(""), e);
}

/* ---- looking ---- */

/* *ret_text is NULL where there is none. */
static bool find_text(struct cli *c, const struct wanted *w, view *ret_text, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_TEMPLATE_SHOW);
    vals_view(&q.args, w->scope);
    vals_view(&q.args, w->name);
    vals_view(&q.args, w->language);
    bool ok = cli_call(c, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    *ret_text = ok && vals_more(&v) ? arena_view(&c->arena, vals_get_view(&v)) : VIEW_NULL;
    store_request_done(&q);
    return ok;
}

bool cmd_template_show(struct cli *c, struct err *e) {
    struct wanted w;
    view text;
    if (!read_wanted(c, &w, e) || !find_text(c, &w, &text, e))
        return false;
    if (!text.ptr)
        return err_set(e, ERR_NOT_FOUND, "%s has no such text of its own", c->args.words[0]);
    if (c->json)
        cli_json(c, json_pack("{soso}", "template", cli_json_text(w.name), "text", cli_json_text(text)));
    else
        cli_write(c, text);
    return cli_flush(c, e);
}

bool cmd_template_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"template", "TEMPLATE"},
                                            {"language", "LANGUAGE"},
                                            {"uri", "FROM"},
                                            {"characters", "CHARACTERS"},
                                            {"since", "SINCE"}};
    view scope;
    if (!cli_scope(c, c->args.words[0], &scope, e))
        return false;
    struct store_request q;
    store_request_init(&q, OP_TEMPLATE_LS);
    vals_view(&q.args, scope);
    bool ok = cli_call(c, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    while (ok && vals_more(&v)) {
        for (int i = 0; i < 3; i++)
            table_text(&t, vals_get_view(&v));
        vals_get_view(&v); /* user name */
        vals_get_view(&v); /* password */
        table_int(&t, vals_get_int(&v));
        int64_t since = vals_get_int(&v);
        if (since)
            table_time(&t, since);
        else
            table_text(&t, VIEW("not fetched yet"));
    }
    store_request_done(&q);
    return table_close(&t, ok ? e : NULL) && ok;
}

/* ---- translations ---- */

static bool check_section(const struct translation_item *item, view seen, struct err *e) {
    struct shipped s;
    const char *what = !template_name_is_valid(item->name) || !shipped_find(item->name, VIEW("en"), &s)
                           ? "no letter is called so; template export shows them"
                       : view_search(seen, item->name) >= 0 ? "it is there twice"
                       : item->text.len == 0                ? "it has no text"
                                                            : NULL;
    return !what || err_set(e, ERR_USAGE, "line %zu: [%.*s]: %s", item->line,
                            VIEW_ARG(view_slice(item->name, 0, 60)), what);
}

static bool read_translation(struct cli *c, view file, view language, struct buf *changes, int64_t *ret_count,
                             struct err *e) {
    struct translation t = translation_of(file, &c->arena);
    struct translation_item item;
    struct buf seen = BUF_INIT(LIMIT_STORE_PACKET);
    bool ok = true;
    for (*ret_count = 0; ok && translation_next(&t, &item); ++*ret_count) {
        ok = check_section(&item, buf_view(&seen), e);
        buf_printf(&seen, "%.*s\n", VIEW_ARG(item.name));
        if (!ok)
            break;
        warn_of_unknown(item.name, item.text);
        add_change(changes, item.name, language, TEMPLATE_BY_TEXT, item.text);
    }
    buf_done(&seen);
    if (ok && t.err.code != ERR_OK) {
        *e = t.err;
        ok = false;
    }
    return ok && (*ret_count > 0 || err_set(e, ERR_USAGE, "there is no section in it")) &&
           (!changes->failed || err_set(e, ERR_LIMIT, "the file is too large"));
}

bool cmd_template_import(struct cli *c, struct err *e) {
    view language = view_of(c->args.words[0]);
    int64_t count = 0;
    struct buf file = BUF_INIT(FILE_MOST), changes = BUF_INIT(FILE_MOST);
    bool ok = check_language(language, e) && import_read(c->args.words[1], &file, e) &&
              read_translation(c, buf_view(&file), language, &changes, &count, e) &&
              change(c, VIEW(""), count, buf_view(&changes), e);
    buf_done(&file);
    buf_done(&changes);
    if (ok)
        cli_done(c, json_pack("{sssI}", "language", c->args.words[0], "letters", (json_int_t)count),
                 "%s: %lld letters", c->args.words[0], (long long)count);
    return ok;
}

/* What the site has in that language, else what is shipped. */
static bool export_one(struct cli *c, view name, view language, struct buf *out, struct err *e) {
    struct wanted w = {VIEW(""), name, language};
    struct shipped s;
    view text;
    if (!shipped_find(name, language, &s))
        return true;
    if (!find_text(c, &w, &text, e))
        return false;
    struct buf whole = BUF_INIT(LIMIT_STORE_PACKET);
    if (text.len == 0 && *s.subject)
        buf_printf(&whole, "Subject: %s\n\n", s.subject);
    buf_add(&whole, text.len > 0 ? text : view_of(s.text));
    translation_write(out, name, buf_view(&whole));
    buf_done(&whole);
    return true;
}

bool cmd_template_export(struct cli *c, struct err *e) {
    view language = view_of(c->args.words[0]);
    struct buf out = BUF_INIT(4 * LIMIT_STORE_PACKET);
    bool ok = check_language(language, e);
    buf_printf(&out,
               "# Letters of lists, language %s: translate subjects and texts, leave names in brackets and\n"
               "# $variables, then: postroad template import %s FILE\n\n",
               c->args.words[0], c->args.words[0]);
    for (size_t i = 0; ok && template_name_at(i); i++)
        ok = export_one(c, view_of(template_name_at(i)), language, &out, e);
    if (ok)
        cli_write(c, buf_view(&out));
    buf_done(&out);
    return ok && cli_flush(c, e);
}
