/* membership_letter.c: see membership_letter.h. */
#include "lists/membership_letter.h"

#include "lists/letter.h"
#include "lists/unsubscribe.h"
#include "mail/address.h"
#include "mail/list_address.h"
#include "mail/verp.h"

/* Who writes, of the list; of those that are not here its owner does. */
static const struct {
    enum letter_kind kind;
    const char *part;
} parts[] = {
    {LETTER_CONFIRM_JOIN, "confirm+$token"}, {LETTER_CONFIRM_LEAVE, "confirm+$token"},
    {LETTER_INVITE, "confirm+$token"},       {LETTER_WELCOME, "request"},
    {LETTER_WARNING, "confirm+$enable_key"},
};

static view part_of(enum letter_kind kind) {
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].kind == kind)
            return view_of(parts[i].part);
    return VIEW("owner");
}

/* ---- keys ---- */

static view key_of(view secret, const char *what, view person, struct arena *a) {
    return unsubscribe_key(secret, arena_printf(a, "%s %.*s", what, VIEW_ARG(person)), a);
}

view membership_enable_key(view secret, view person, struct arena *a) {
    return key_of(secret, "enable", person, a);
}

bool membership_probe_is(view secret, view detail, struct arena *a, view *ret_person) {
    view key = view_slice(detail, 0, UNSUBSCRIBE_KEY_LEN), rest = view_skip(detail, UNSUBSCRIBE_KEY_LEN),
         person;
    if (!view_starts_with(rest, VIEW("+")) || !verp_parse(view_skip(rest, 1), a, &person) ||
        !unsubscribe_key_is(secret, arena_printf(a, "probe %.*s", VIEW_ARG(person)), key))
        return false;
    *ret_person = person;
    return true;
}

/* The envelope sender of a letter that tries an address. */
static view probe_sender(const struct membership_letter *l, struct arena *a) {
    struct buf verp = BUF_INIT(LIMIT_SMTP_LINE);
    verp_format_keyed(l->words.list, key_of(l->secret, "probe", l->words.person, a), l->words.person, &verp);
    view made = arena_view(a, buf_view(&verp));
    buf_done(&verp);
    return made;
}

static view member_of(const struct letter_words *w, struct arena *a) {
    return w->name.len == 0 ? w->person
                            : arena_printf(a, "%.*s <%.*s>", VIEW_ARG(w->name), VIEW_ARG(w->person));
}

bool membership_letter_args(const struct membership_letter *l, struct arena *a, int64_t now_ms,
                            struct buf *args, struct err *e) {
    struct letter_words w = l->words;
    bool has_detail = l->detail.len > 0;
    view detail = has_detail ? l->detail : VIEW("");
    const struct letter_variable more[] = {
        {"token", detail},
        {"detail", detail},
        {"member", member_of(&w, a)},
        {"sender_email", w.person},
        {"request", w.person},
        {"subject", has_detail ? detail : letter_words_phrase(&w, "words:no-subject")},
        {"list_name", address_split(w.list).local},
        {"reason", has_detail ? detail : letter_words_phrase(&w, "words:no-reason")},
        {"reason_lines", has_detail ? arena_printf(a, "    %.*s\n\n", VIEW_ARG(detail)) : VIEW("")},
        {"enable_key", l->kind == LETTER_WARNING ? membership_enable_key(l->secret, w.person, a) : VIEW_NULL},
    };
    w.more = more;
    w.more_count = sizeof more / sizeof more[0];
    struct letter_made made = letter_words_make(&w, letter_kind_template(l->kind), a);
    return letter_args(&(struct letter){.hostname = l->hostname,
                                        .list = w.list,
                                        .part = letter_words_expand(&w, part_of(l->kind), a),
                                        .to = letter_kind_to(l->kind) == LETTER_TO_OWNERS
                                                  ? list_part_address(w.list, "owner", a)
                                                  : w.person,
                                        .subject = made.subject,
                                        .text = made.text,
                                        .sender = l->kind == LETTER_PROBE ? probe_sender(l, a) : VIEW("")},
                       now_ms, args, e);
}
