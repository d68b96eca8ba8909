/* letter_words.c: see letter_words.h. */
#include "lists/letter_words.h"

#include <string.h>

#include "base/limits.h"
#include "base/words.h"
#include "lists/shipped.h"
#include "lists/template.h"
#include "mail/list_address.h"
#include "mail/text.h"
#include "store/template.h"

struct letter_words letter_words_read(view results, view list, view person) {
    struct vals v = vals_of(results);
    struct letter_words w = {.list = list, .person = person};
    view *const texts[] = {&w.languages, &w.text, &w.name, &w.display_name, &w.description, &w.info};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = vals_get_view(&v);
    return w;
}

/* ---- variables ---- */

static view or_empty(view v) {
    return v.len ? v : VIEW("");
}

static view first_of(view words) {
    view first = VIEW("");
    view_split(&words, ' ', &first);
    return first.len ? first : VIEW("en");
}

static view display_name(const struct letter_words *w, struct arena *a) {
    return w->display_name.len > 0 ? w->display_name : list_name_for_people(w->list, a);
}

/* An address beside the list's, or NULL. */
static view part_of(const struct letter_words *w, view name, struct arena *a) {
    static const struct {
        const char *name, *part;
    } parts[] = {{"request_email", "request"},
                 {"owner_email", "owner"},
                 {"leave_email", "leave"},
                 {"join_email", "join"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (view_eq(name, view_of(parts[i].name)))
            return list_part_address(w->list, parts[i].part, a);
    return view_eq(name, VIEW("site_email")) ? list_site_address(w->list, a) : VIEW_NULL;
}

static view in_table(const struct letter_variable *table, size_t count, view name) {
    for (size_t i = 0; i < count; i++)
        if (view_eq(name, view_of(table[i].name)))
            return table[i].value;
    return VIEW_NULL;
}

static view value_of(const struct letter_words *w, view name, struct arena *a) {
    struct address list = address_split(w->list);
    const struct letter_variable all[] = {
        {"listname", w->list},
        {"fqdn_listname", w->list},
        {"short_listname", list.local},
        {"domain", list.domain},
        {"description", or_empty(w->description)},
        {"info", or_empty(w->info)},
        {"language", first_of(w->languages)},
        {"user_email", or_empty(w->person)},
        {"user_delivered_to", or_empty(w->person)},
        {"user_name", or_empty(w->name)},
        {"user_name_or_email", w->name.len ? w->name : or_empty(w->person)},
    };
    view value = in_table(w->more, w->more_count, name);
    if (!value.ptr)
        value = in_table(all, sizeof all / sizeof all[0], name);
    if (value.ptr)
        return value;
    if (view_eq(name, VIEW("display_name")))
        return display_name(w, a);
    if (view_eq(name, VIEW("list_id")))
        return list_id_of(w->list, a);
    return part_of(w, name, a);
}

view letter_words_expand(const struct letter_words *w, view text, struct arena *a) {
    struct buf out = BUF_INIT(LIMIT_BODY_CHUNK / 2);
    struct template_piece piece;
    for (view rest = text; template_next(&rest, &piece);) {
        view value = piece.name.len ? value_of(w, piece.name, a) : VIEW_NULL;
        buf_add(&out, value.ptr ? value : piece.text);
    }
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

/* ---- a letter ---- */

/* What was filled in can have lines. */
static view one_line(view text, struct arena *a) {
    struct buf out = BUF_INIT(LIMIT_BODY_CHUNK);
    for (size_t i = 0; i < text.len; i++) {
        bool ends = text.ptr[i] == '\n' || text.ptr[i] == '\r' || text.ptr[i] == '\t';
        buf_add_char(&out, ends ? ' ' : text.ptr[i]);
    }
    struct buf clean = BUF_INIT(LIMIT_SETTING_LINE);
    text_add_printable(&clean, view_slice(view_trim(buf_view(&out)), 0, LIMIT_SETTING_LINE / 2), true);
    view made = arena_view(a, buf_view(&clean));
    buf_done(&out);
    buf_done(&clean);
    return made;
}

/* "Subject: ...", an empty line, and what follows. */
static bool split_subject(view text, view *ret_subject, view *ret_rest) {
    view rest = text, line, empty;
    if (!view_split(&rest, '\n', &line) || !view_starts_with_nocase(line, VIEW("Subject:")) ||
        !view_split(&rest, '\n', &empty) || view_trim(empty).len > 0)
        return false;
    *ret_subject = view_trim(view_skip(line, strlen("Subject:")));
    *ret_rest = rest;
    return true;
}

struct letter_made letter_words_make(const struct letter_words *w, const char *shipped, struct arena *a) {
    struct shipped s = {"", ""};
    shipped_find(view_of(shipped), w->languages, &s);
    view subject = view_of(s.subject), text = w->text.len ? w->text : view_of(s.text);
    if (w->text.len > 0)
        split_subject(w->text, &subject, &text);
    subject = letter_words_expand(w, subject, a);
    return (struct letter_made){one_line(subject, a), letter_words_expand(w, text, a)};
}

view letter_words_phrase(const struct letter_words *w, const char *shipped) {
    struct shipped s = {"", ""};
    shipped_find(view_of(shipped), w->languages, &s);
    return view_of(s.text);
}

view letter_words_unknown(view name, view *rest) {
    struct letter_words none = {.list = VIEW("list@domain.example")};
    struct arena scratch;
    struct template_piece piece;
    view unknown = VIEW("");
    int64_t at;
    arena_init(&scratch, LIMIT_STEP_ARENA);
    while (unknown.len == 0 && template_next(rest, &piece))
        if (piece.name.len > 0 && !words_find(template_variables(name), piece.name, &at) &&
            !value_of(&none, piece.name, &scratch).ptr)
            unknown = piece.name;
    arena_done(&scratch);
    return unknown;
}
