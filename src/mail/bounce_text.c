/* bounce_text.c: what programs write to people about mail that came back, read by what is known of their
 * ways.
 *
 * A format is a row of the table: words that begin it, words that end it, and where in its lines addresses
 * stand. The first format that gives an address is taken to be right. Whatever is behind an address and
 * before the next is taken for the reason. A format costs one search for its first words, and one walk over
 * the lines where they are found. */
#include "mail/bounce_reader.h"

#include <string.h>

#include "mail/bounce_formats.h"

enum { REASON_OCTETS = 1000, TEXT_OCTETS = 64 * 1024 /* of a text that are looked at */ };

/* ---- what was found ---- */

struct caught {
    view address;
    bool expanded; /* what is said of it is said of the one before it */
    size_t len;
    char text[REASON_OCTETS];
};

struct section {
    struct bounce_reader *reader;
    struct caught *caught; /* room for BOUNCES_MOST */
    size_t count;
    struct caught *common;  /* behind them: what is said of all */
    struct caught *current; /* that the lines speak of */
};

/* There is one room for all sections: none is looked at when the next is read. */
static bool open_section(struct section *s, struct bounce_reader *r) {
    if (!r->room)
        r->room = arena_array(r->arena, struct caught, BOUNCES_MOST + 1);
    if (!r->room)
        return false;
    *s = (struct section){.reader = r, .caught = r->room, .common = r->room + BOUNCES_MOST};
    s->current = s->common;
    s->common->len = 0;
    return true;
}

static struct caught *find_caught(struct section *s, view address) {
    for (size_t i = 0; i < s->count; i++)
        if (view_eq_nocase(s->caught[i].address, address))
            return &s->caught[i];
    return NULL;
}

static void note(struct section *s, view address) {
    struct caught *c = find_caught(s, address);
    if (!c && s->count < BOUNCES_MOST) {
        c = &s->caught[s->count++];
        c->address = address;
        c->expanded = false;
        c->len = 0;
    }
    if (c)
        s->current = c;
}

static void add_text(struct caught *c, view line) {
    line = view_slice(view_trim(line), 0, REASON_OCTETS - c->len);
    if (line.len > 0)
        memcpy(c->text + c->len, line.ptr, line.len);
    c->len += line.len;
    if (line.len > 0 && c->len < REASON_OCTETS)
        c->text[c->len++] = ' ';
}

static bool has_letters(view word) {
    for (size_t i = 0; i < word.len; i++)
        if (ascii_is_alnum(word.ptr[i]) || (unsigned char)word.ptr[i] >= 0x80)
            return true;
    return false;
}

/* Brackets and colons alone say nothing. */
static bool says_something(const struct caught *c) {
    return has_letters(view_from(c->text, c->len));
}

/* What says why: its own text, or what is said of all. */
static view text_of(const struct section *s, size_t i) {
    const struct caught *c = &s->caught[i];
    if (!says_something(c) && i + 1 < s->count && c[1].expanded)
        c++;
    if (!says_something(c))
        c = s->common;
    return view_from(c->text, c->len);
}

static bool report_section(struct section *s, bool delayed) {
    for (size_t i = 0; i < s->count; i++) {
        struct bounce b = {.address = s->caught[i].address};
        bounce_judge(&b, delayed, text_of(s, i), s->reader->arena);
        bounce_add(s->reader, &b);
    }
    return s->count > 0;
}

/* ---- lines ---- */

static bool is_between_words(char c) {
    return (unsigned char)c <= ' ' || strchr("<>()[]{}\",;:", c);
}

static bool next_word(view *rest, view *ret_word) {
    size_t from = 0;
    while (from < rest->len && is_between_words(rest->ptr[from]))
        from++;
    size_t end = from;
    while (end < rest->len && !is_between_words(rest->ptr[end]))
        end++;
    *ret_word = view_slice(*rest, from, end - from);
    *rest = view_skip(*rest, end);
    return ret_word->len > 0;
}

static view any_address(view line) {
    for (view word, address; next_word(&line, &word);)
        if ((address = bounce_address(word)).len > 0)
            return address;
    return VIEW_NULL;
}

/* The first word that is more than a bullet. */
static view first_word(view *line) {
    view word;
    while (next_word(line, &word))
        if (has_letters(word))
            return word;
    return VIEW_NULL;
}

static view lone_address(view line) {
    view address = bounce_address(first_word(&line));
    for (view word; address.len > 0 && next_word(&line, &word);)
        if (has_letters(word) && bounce_address(word).len == 0)
            return VIEW_NULL;
    return address;
}

/* "(expanded from: address)": the one that the mail was sent to, behind the one that it became. */
static bool is_expansion(view low) {
    low = view_trim(low);
    return view_starts_with(low, VIEW("(expanded from")) || view_starts_with(low, VIEW("(generated from"));
}

static view address_behind(view line, view low, const char *before) {
    size_t end;
    return bounce_find_words(low, before, &end) < 0 ? VIEW_NULL : any_address(view_skip(line, end));
}

static view address_in_reply(view line) {
    line = view_trim(line);
    const char *start = line.ptr;
    view word = first_word(&line);
    if (word.len != 3 || bounce_find_codes(word).code == 0 || word.ptr != start)
        return VIEW_NULL;
    word = first_word(&line);
    if (bounce_status_len(word) > 0)
        word = first_word(&line);
    return bounce_address(word);
}

/* Somebody tells of a bounce. Three of them are a program's arrow. */
static bool is_quoted(view line) {
    return view_starts_with(line, VIEW(">")) && !view_starts_with(line, VIEW(">>>"));
}

static view address_in(const struct bounce_format *f, view line, view low) {
    view rest = line, address = VIEW_NULL;
    if (is_quoted(line) && f->place != PLACE_BEHIND)
        return VIEW_NULL;
    switch (f->place) {
    case PLACE_ALONE:
        address = lone_address(line);
        break;
    case PLACE_FIRST:
        address = bounce_address(first_word(&rest));
        break;
    case PLACE_ANGLE:
        return view_starts_with(view_trim(line), VIEW("<")) ? bounce_address(first_word(&rest)) : VIEW_NULL;
    case PLACE_ANYWHERE:
        return any_address(line);
    case PLACE_BEHIND:
        return address_behind(line, low, f->before);
    case PLACE_REPLY:
        return address_in_reply(line);
    case PLACE_KNOWN:
    case PLACE_NAME:
        break;
    }
    return address.len == 0 && is_expansion(low) ? any_address(line) : address;
}

/* ---- sections ---- */

static size_t line_start(view text, size_t at) {
    ptrdiff_t end = view_rfind(view_slice(text, 0, at), '\n');
    return (size_t)(end + 1);
}

static size_t next_line(view text, size_t at) {
    ptrdiff_t end = view_find(view_skip(text, at), '\n');
    return end < 0 ? text.len : at + (size_t)end + 1;
}

/* Offset of the line that ends a section that has its first line at `begin`. */
static size_t section_end(const struct bounce_format *f, view low, size_t begin) {
    const char *const ends[] = {"^received:|^return-path:", f->end};
    size_t from = next_line(low, begin), unused;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        ptrdiff_t at = ends[i] ? bounce_find_words(view_skip(low, from), ends[i], &unused) : -1;
        if (at >= 0)
            low = view_slice(low, 0, line_start(low, from + (size_t)at));
    }
    return low.len;
}

static void note_names(struct section *s, const struct bounce_format *f, view line) {
    view domains = view_of(f->domains), words = line, name = first_word(&words);
    if (line.len == 0 || !ascii_is_space(line.ptr[0]) || name.len == 0 || !ascii_is_alnum(name.ptr[0]))
        return;
    for (view domain; view_split(&domains, '|', &domain);) {
        view address = arena_printf(s->reader->arena, "%.*s@%.*s", VIEW_ARG(name), VIEW_ARG(domain));
        if (bounce_address(address).len == address.len && address.len > 0)
            note(s, address);
    }
}

/* A line that names somebody who is known by now speaks of him. */
static void add_line(struct section *s, view line) {
    view rest = line, address = view_find(line, '@') < 0 ? VIEW_NULL : any_address(line);
    struct caught *c = address.len > 0 ? find_caught(s, address) : NULL;
    if (c)
        s->current = c;
    bool begins = c && bounce_address(first_word(&rest)).ptr == address.ptr;
    add_text(s->current, begins ? view_skip(line, (size_t)(address.ptr + address.len - line.ptr)) : line);
}

/* What is behind the address speaks of it. What is in front of it speaks of all, but in a reply. */
static void add_address(struct section *s, const struct bounce_format *f, view line, view address) {
    size_t at = (size_t)(address.ptr - line.ptr);
    note(s, address);
    if (f->place == PLACE_REPLY) {
        add_text(s->current, line);
        return;
    }
    add_text(s->common, view_slice(line, 0, at));
    add_text(s->current, view_skip(line, at + address.len));
}

static void read_line(struct section *s, const struct bounce_format *f, view line, view low) {
    view address = view_find(line, '@') < 0 ? VIEW_NULL : address_in(f, line, low);
    if (address.len == 0) {
        if (f->place == PLACE_NAME)
            note_names(s, f, line);
        add_line(s, line);
        return;
    }
    add_address(s, f, line, address);
    s->current->expanded |= is_expansion(low);
}

/* From the line at `at` on. Returns what is behind the line that ends it. */
static view read_section(struct section *s, const struct bounce_format *f, view text, view low, size_t at) {
    at = line_start(low, at);
    size_t end = section_end(f, low, at);
    view rest = view_slice(text, at, end - at), line;
    while (view_split(&rest, '\n', &line))
        read_line(s, f, line, view_slice(low, (size_t)(line.ptr - text.ptr), line.len));
    return view_skip(text, next_line(low, end));
}

static view lower_case(view v, struct arena *a) {
    return arena_lower(a, view_slice(v, 0, TEXT_OCTETS));
}

/* Does the program that writes such serve these domains? */
static bool is_from(view from, const char *domains) {
    view rest = view_of(domains), domain;
    view_split(&rest, '|', &domain);
    view address = any_address(from);
    view end = view_skip(address, address.len < domain.len ? address.len : address.len - domain.len);
    return view_eq_nocase(end, domain) && address.len > end.len &&
           strchr("@.", address.ptr[address.len - end.len - 1]);
}

static bool may_be(const struct bounce_format *f, const struct bounce_reader *r, view low) {
    return (!f->with || view_search(low, view_of(f->with)) >= 0) &&
           (!f->domains || is_from(r->from, f->domains));
}

bool bounce_read_text(struct bounce_reader *r, view text, view *ret_copy) {
    view low = lower_case(text, r->arena);
    struct section s;
    for (size_t i = 0; i < bounce_format_count && low.len > 0; i++) {
        const struct bounce_format *f = &bounce_formats[i];
        size_t end;
        ptrdiff_t at = bounce_find_words(low, f->begin, &end);
        if (at < 0 || !may_be(f, r, low) || !open_section(&s, r))
            continue;
        view copy = read_section(&s, f, text, low, (size_t)at);
        if (report_section(&s, f->delayed)) {
            *ret_copy = copy;
            return true;
        }
    }
    return false;
}

/* A format of which only the addresses are known. */
static const struct bounce_format known = {"", "^---", PLACE_KNOWN};

void bounce_read_failed(struct bounce_reader *r, view addresses, view text, view *ret_copy) {
    view low = lower_case(text, r->arena);
    struct section s;
    if (!open_section(&s, r))
        return;
    for (view word, address; next_word(&addresses, &word);)
        if ((address = bounce_address(word)).len > 0)
            note(&s, address);
    s.current = s.common;
    if (s.count > 0 && low.len > 0)
        *ret_copy = read_section(&s, &known, text, low, 0);
    report_section(&s, false);
}

void bounce_explain(struct bounce_reader *r, view text) {
    view low = lower_case(text, r->arena);
    struct section s;
    if (low.len == 0 || !open_section(&s, r))
        return;
    for (size_t i = 0; i < r->report->count; i++)
        note(&s, r->report->bounces[i].address);
    s.current = s.common;
    read_section(&s, &known, text, low, 0);
    for (size_t i = 0; i < r->report->count; i++) {
        struct bounce *b = &r->report->bounces[i];
        const struct caught *c = find_caught(&s, b->address);
        if (b->reason.len == 0 && c && says_something(c))
            bounce_judge(b, b->kind == BOUNCE_TEMPORARY, view_from(c->text, c->len), r->arena);
    }
}
