/* translation.c: see translation.h. */
#include "lists/translation.h"

#include "base/limits.h"

struct translation translation_of(view file, struct arena *a) {
    if (view_starts_with(file, VIEW("\xef\xbb\xbf"))) /* what editors of Windows put in front */
        file = view_skip(file, 3);
    struct translation t = {.rest = file, .line = 1, .arena = a, .err = {.code = ERR_OK}};
    if (!view_is_utf8(file) || view_find(file, '\0') >= 0)
        err_set(&t.err, ERR_SYNTAX, "a text in UTF-8 is wanted");
    return t;
}

static view line_at(view rest) {
    view line = VIEW("");
    view_split(&rest, '\n', &line);
    while (view_ends_with(line, VIEW("\r")))
        line.len--;
    return line;
}

static void pass_line(struct translation *t) {
    view line;
    view_split(&t->rest, '\n', &line);
    t->line++;
}

static bool wrong(struct translation *t, const char *what) {
    return err_set(&t->err, ERR_SYNTAX, "line %zu: %s", t->line, what);
}

/* Comments and empty lines in front of the first section. */
static bool pass_comments(struct translation *t) {
    for (view line; t->rest.len > 0; pass_line(t)) {
        line = line_at(t->rest);
        if (view_starts_with(line, VIEW("[")))
            return true;
        if (view_trim(line).len > 0 && !view_starts_with(line, VIEW("#")))
            return wrong(t, "a section [NAME] is wanted, or a comment that begins with #");
    }
    return false;
}

static bool read_name(struct translation *t, view *ret) {
    view line = view_trim(line_at(t->rest));
    if (!view_ends_with(line, VIEW("]")) || line.len < 3)
        return wrong(t, "a name in brackets is wanted; a line of a text begins with \\[");
    *ret = view_slice(line, 1, line.len - 2);
    return true;
}

static void read_text(struct translation *t, struct buf *out) {
    size_t empty = 0;
    for (; t->rest.len > 0; pass_line(t)) {
        view line = line_at(t->rest);
        if (view_starts_with(line, VIEW("[")))
            return;
        if (line.len == 0) {
            empty++;
            continue;
        }
        for (; empty > 0; empty--)
            buf_add_char(out, '\n');
        bool escaped = view_starts_with(line, VIEW("\\[")) || view_starts_with(line, VIEW("\\\\"));
        buf_add(out, view_skip(line, escaped));
        buf_add_char(out, '\n');
    }
}

bool translation_next(struct translation *t, struct translation_item *ret) {
    struct buf text = BUF_INIT(LIMIT_TEMPLATE_TEXT);
    if (t->err.code != ERR_OK || !pass_comments(t))
        return false;
    ret->line = t->line;
    if (!read_name(t, &ret->name))
        return false;
    pass_line(t);
    read_text(t, &text);
    ret->text = arena_view(t->arena, buf_view(&text));
    if (text.failed)
        err_set(&t->err, ERR_SYNTAX, "line %zu: a text of more than %d octets", ret->line,
                LIMIT_TEMPLATE_TEXT);
    buf_done(&text);
    return t->err.code == ERR_OK;
}

void translation_write(struct buf *out, view name, view text) {
    view line;
    buf_printf(out, "[%.*s]\n", VIEW_ARG(name));
    while (view_split(&text, '\n', &line)) {
        if (view_starts_with(line, VIEW("[")) || view_starts_with(line, VIEW("\\")))
            buf_add_char(out, '\\');
        buf_add(out, line);
        buf_add_char(out, '\n');
    }
    buf_add_char(out, '\n');
}
