/* command.c: see command.h. Commands and their names are Mailman's (commands/eml_*.py). */
#include "lists/command.h"

#include "mail/text.h"

enum { BODY_LINES = 10 };

static const struct {
    const char *name;
    enum command_kind kind;
} names[] = {
    {"join", COMMAND_JOIN},         {"subscribe", COMMAND_JOIN},  {"leave", COMMAND_LEAVE},
    {"unsubscribe", COMMAND_LEAVE}, {"confirm", COMMAND_CONFIRM}, {"help", COMMAND_HELP},
    {"echo", COMMAND_ECHO},         {"who", COMMAND_WHO},
};

static view clean(view line, struct arena *a) {
    struct buf text = BUF_INIT(LIMIT_EVENT_TEXT);
    text_add_printable(&text, view_slice(view_trim(line), 0, LIMIT_EVENT_TEXT), true);
    view printable = arena_view(a, buf_view(&text));
    buf_done(&text);
    return printable;
}

/* The commands of Mailman's rule, and ours: how many words may follow. */
static const struct {
    const char *name;
    int least, most;
} administrative[] = {
    {"confirm", 1, 1},   {"help", 0, 0},        {"info", 0, 0},     {"join", 0, 0},   {"leave", 0, 0},
    {"lists", 0, 0},     {"options", 0, 0},     {"password", 2, 2}, {"remove", 0, 0}, {"set", 3, 3},
    {"subscribe", 0, 3}, {"unsubscribe", 0, 1}, {"who", 0, 2},
};

static bool is_administrative(view line) {
    view name = VIEW(""), word;
    int words = -1;
    for (view rest = view_trim(line); view_split(&rest, ' ', &word);)
        if (view_trim(word).len > 0 && ++words == 0)
            name = view_trim(word);
    for (size_t i = 0; i < sizeof administrative / sizeof administrative[0]; i++)
        if (view_eq_nocase(name, view_of(administrative[i].name)))
            return words >= administrative[i].least && words <= administrative[i].most;
    return false;
}

bool command_is_in_post(const struct post *p, struct arena *a) {
    view text = post_text(p, a), line;
    if (is_administrative(p->subject))
        return true;
    for (int lines = 0; lines < BODY_LINES && view_split(&text, '\n', &line);) {
        lines += view_trim(line).len > 0;
        if (is_administrative(line))
            return true;
    }
    return false;
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
    if (c.kind == COMMAND_ECHO || c.kind == COMMAND_WHO)
        c.argument = rest;
    else if (c.kind == COMMAND_CONFIRM)
        view_split(&rest, ' ', &c.argument);
    return c;
}

static bool is_end(view line) {
    view word = VIEW("");
    line = view_trim(line);
    if (view_eq(line, VIEW("--"))) /* a signature */
        return true;
    view_split(&line, ' ', &word);
    return view_eq_nocase(word, VIEW("end")) || view_eq_nocase(word, VIEW("stop"));
}

size_t commands_read(enum list_part part, view detail, const struct post *p, struct arena *a,
                     struct command ret[COMMANDS_MOST]) {
    size_t count = 0;
    view line, text;
    struct post_approval password; /* is no command, and must not be answered */
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
    text = post_text(p, a);
    for (int lines = 0; lines < BODY_LINES && view_split(&text, '\n', &line);) {
        if (view_trim(line).len == 0 || post_approval(line, &password))
            continue;
        if (is_end(view_trim(line)))
            break;
        ret[count++] = read_line(line, a);
        lines++;
    }
    return count;
}
