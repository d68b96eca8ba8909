/* held_letter.c: see held_letter.h. */
#include "lists/held_letter.h"

#include "base/id.h"
#include "lists/letter.h"
#include "lists/unsubscribe.h"

enum { HEADER_MOST = 4096 };

void held_letter_ask(view list, view sender, struct buf *args) {
    vals_view(args, list);
    vals_view(args, VIEW("list:user:notice:refuse"));
    vals_view(args, sender);
}

static struct letter_made forward(const struct held_letter *h, struct arena *a) {
    return (struct letter_made){
        arena_printf(a, "Forward of \"%.*s\"", VIEW_ARG(h->subject)),
        arena_printf(a, "This post waits for the moderators of %.*s.\n\nFrom: %.*s\nReason: %.*s\n",
                     VIEW_ARG(h->list), VIEW_ARG(h->sender), VIEW_ARG(h->reason))};
}

static struct letter_made refuse(const struct held_letter *h, struct arena *a) {
    struct letter_words w = h->words;
    view subject = h->subject.len ? h->subject : letter_words_phrase(&w, "words:no-subject");
    view reason = h->said.len ? h->said : letter_words_phrase(&w, "words:no-reason");
    const struct letter_variable more[] = {
        {"subject", subject},
        {"request", subject},
        {"reason", reason},
        {"reason_lines", arena_printf(a, "    %.*s\n\n", VIEW_ARG(reason))},
    };
    w.more = more;
    w.more_count = sizeof more / sizeof more[0];
    return letter_words_make(&w, "list:user:notice:refuse post", a);
}

static view header_of(view body) {
    ptrdiff_t end = view_search(body, VIEW("\r\n\r\n"));
    return view_slice(body, 0, end < 0 || end > HEADER_MOST ? HEADER_MOST : (size_t)end + 2);
}

bool held_letter_args(const struct held_letter *h, struct arena *a, int64_t now_ms, struct buf *args,
                      struct err *e) {
    bool is_forward = h->to.len > 0, whole = is_forward && (int64_t)h->first.len == h->size;
    struct letter_made made = is_forward ? forward(h, a) : refuse(h, a);
    return letter_args(&(struct letter){.hostname = h->hostname,
                                        .list = h->list,
                                        .to = is_forward ? h->to : h->sender,
                                        .subject = made.subject,
                                        .text = made.text,
                                        .references = h->msgid,
                                        .message = h->message,
                                        .original = whole ? h->first : header_of(h->first),
                                        .whole = whole},
                       now_ms, args, e);
}

view held_token(view list_secret, int64_t message, struct arena *a) {
    struct id_text id = id_format(message);
    view key = unsubscribe_key(list_secret, arena_printf(a, "held %s", id.s), a);
    return arena_printf(a, "h%.*s", VIEW_ARG(key));
}

bool held_token_is(view token) {
    return token.len == 1 + UNSUBSCRIBE_KEY_LEN && ascii_lower(token.ptr[0]) == 'h';
}
