/* held_letter.c: see held_letter.h. */
#include "lists/held_letter.h"

#include "lists/letter.h"

enum { HEADER_MOST = 4096 };

static view text_of(const struct held_letter *h, struct arena *a) {
    if (h->to.len > 0)
        return arena_printf(a, "This post waits for the moderators of %.*s.\n\nFrom: %.*s\nReason: %.*s\n",
                            VIEW_ARG(h->list), VIEW_ARG(h->sender), VIEW_ARG(h->reason));
    return arena_printf(a,
                        "Your message to %.*s with the subject\n\n    %.*s\n\nwas not accepted."
                        " The moderators say:\n\n%.*s\n",
                        VIEW_ARG(h->list), VIEW_ARG(h->subject),
                        VIEW_ARG(h->said.len > 0 ? h->said : VIEW("No reason was given.")));
}

static view header_of(view body) {
    ptrdiff_t end = view_search(body, VIEW("\r\n\r\n"));
    return view_slice(body, 0, end < 0 || end > HEADER_MOST ? HEADER_MOST : (size_t)end + 2);
}

bool held_letter_args(const struct held_letter *h, struct arena *a, int64_t now_ms, struct buf *args,
                      struct err *e) {
    bool forward = h->to.len > 0, whole = forward && (int64_t)h->first.len == h->size;
    return letter_args(
        &(struct letter){.hostname = h->hostname,
                         .list = h->list,
                         .to = forward ? h->to : h->sender,
                         .subject = arena_printf(a, "%s \"%.*s\"",
                                                 forward ? "Forward of" : "Request to mailing list rejected:",
                                                 VIEW_ARG(h->subject)),
                         .text = text_of(h, a),
                         .references = h->msgid,
                         .message = h->message,
                         .original = whole ? h->first : header_of(h->first),
                         .whole = whole},
        now_ms, args, e);
}
