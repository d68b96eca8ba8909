/* command.c: see command.h. Commands and their names are Mailman's (commands/eml_*.py). */
#include "lists/command.h"

#include "mail/charset.h"
#include "mail/mime.h"
#include "mail/text.h"

enum { BODY_LINES = 10 };

static const struct {
    const char *name;
    enum command_kind kind;
} names[] = {
    {"join", COMMAND_JOIN},         {"subscribe", COMMAND_JOIN},  {"leave", COMMAND_LEAVE},
    {"unsubscribe", COMMAND_LEAVE}, {"confirm", COMMAND_CONFIRM}, {"help", COMMAND_HELP},
    {"echo", COMMAND_ECHO},
};

bool command_is_of_a_robot(const struct post *p, view envelope_sender) {
    const struct header_field *automatic = header_find(&p->header, "Auto-Submitted");
    const struct header_field *precedence = header_find(&p->header, "Precedence");
    const struct header_field *ack = header_find(&p->header, "X-Ack");
    view why = precedence ? view_trim(precedence->value) : VIEW("");
    bool bulk = view_eq_nocase(why, VIEW("bulk")) || view_eq_nocase(why, VIEW("junk")) ||
                view_eq_nocase(why, VIEW("list"));
    if (ack && view_eq_nocase(view_trim(ack->value), VIEW("yes")))
        bulk = false;
    return envelope_sender.len == 0 || bulk ||
           (automatic && !view_starts_with_nocase(view_trim(automatic->value), VIEW("no")));
}

static view clean(view line, struct arena *a) {
    struct buf text = BUF_INIT(LIMIT_EVENT_TEXT);
    text_add_printable(&text, view_slice(view_trim(line), 0, LIMIT_EVENT_TEXT), true);
    view printable = arena_view(a, buf_view(&text));
    buf_done(&text);
    return printable;
}

/* "Re: confirm TOKEN" is what an answer has for its subject. */
static struct command read_line(view line, struct arena *a) {
    struct command c = {.kind = COMMAND_UNKNOWN, .line = clean(line, a), .argument = VIEW("")};
    view rest = c.line, word = VIEW("");
    view_split(&rest, ' ', &word);
    if (view_eq_nocase(word, VIEW("re:"))) {
        rest = view_trim(rest);
        view_split(&rest, ' ', &word);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (view_eq_nocase(word, view_of(names[i].name)))
            c.kind = names[i].kind;
    rest = view_trim(rest);
    if (c.kind == COMMAND_ECHO)
        c.argument = rest;
    else if (c.kind == COMMAND_CONFIRM)
        view_split(&rest, ' ', &c.argument);
    return c;
}

/* The first text/plain part, decoded. */
static view text_of(view head, struct arena *a) {
    struct mime m;
    if (!mime_parse(head, a, &m))
        return VIEW("");
    for (size_t i = 0; i < m.count; i++) {
        const struct mime_part *p = &m.parts[i];
        struct buf octets = BUF_INIT(LIMIT_COMMAND_TEXT), utf8 = BUF_INIT(4 * LIMIT_COMMAND_TEXT);
        if (!mime_is(p, "text/plain"))
            continue;
        mime_decode(p->encoding, view_slice(p->body, 0, LIMIT_COMMAND_TEXT), &octets);
        view charset = p->charset.len > 0 ? p->charset : VIEW("us-ascii");
        bool known = charset_to_utf8(charset, buf_view(&octets), &utf8);
        view text = arena_view(a, buf_view(known ? &utf8 : &octets));
        buf_done(&octets);
        buf_done(&utf8);
        return text;
    }
    return VIEW("");
}

static bool is_end(view line) {
    view word = VIEW("");
    view_split(&line, ' ', &word);
    return view_eq_nocase(word, VIEW("end")) || view_eq_nocase(word, VIEW("stop")) ||
           view_eq(line, VIEW("-- "));
}

size_t commands_read(enum list_part part, view detail, const struct post *p, view head, struct arena *a,
                     struct command ret[COMMANDS_MOST]) {
    size_t count = 0;
    view line, text;
    if (part != LIST_PART_REQUEST) {
        ret[0] = (struct command){.kind = part == LIST_PART_JOIN    ? COMMAND_JOIN
                                          : part == LIST_PART_LEAVE ? COMMAND_LEAVE
                                                                    : COMMAND_CONFIRM,
                                  .line = clean(p->subject, a),
                                  .argument = clean(detail, a)};
        return 1;
    }
    if (view_trim(p->subject).len > 0) {
        if (is_end(view_trim(p->subject)))
            return 0;
        ret[count++] = read_line(p->subject, a);
        if (ret[0].kind == COMMAND_UNKNOWN) /* a subject like any other */
            count = 0;
    }
    text = text_of(head, a);
    for (int lines = 0; lines < BODY_LINES && view_split(&text, '\n', &line);) {
        if (view_trim(line).len == 0)
            continue;
        if (is_end(view_trim(line)))
            break;
        ret[count++] = read_line(line, a);
        lines++;
    }
    return count;
}
