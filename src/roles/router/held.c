/* held.c: letters about a post that a list holds: to its moderators, and to the member whose post it is. */
#include "base/clock.h"
#include "base/id.h"
#include "lists/held_letter.h"
#include "lists/letter.h"
#include "mail/address.h"
#include "roles/router/router.h"

/* `confirm`: the address whose mail decides about it; of a letter to others nothing. */
static struct letter_made make(const struct held_post *p, struct letter_words *w, const char *name,
                               view confirm, struct arena *a) {
    struct id_text id = id_format(p->id);
    view subject = p->subject.len ? p->subject : letter_words_phrase(w, "words:no-subject");
    const struct letter_variable more[] = {{"subject", subject},
                                           {"sender_email", p->sender},
                                           {"reasons", p->reason},
                                           {"queue_id", view_of(id.s)},
                                           {"confirm_address", confirm}};
    w->more = more;
    w->more_count = sizeof more / sizeof more[0];
    struct letter_made made = letter_words_make(w, name, a);
    w->more_count = 0;
    return made;
}

/* What does not fit is left off. */
static bool add(struct role *role, const struct held_post *p, struct letter *l, struct letter_made made,
                struct buf *args) {
    struct err e;
    l->hostname = view_of(role->config->hostname);
    l->list = p->list;
    l->subject = made.subject;
    l->text = made.text;
    l->references = p->message_id;
    l->message = p->id;
    return letter_args(l, clock_now_ms(), args, &e);
}

bool held_tell_moderators(struct role *role, const struct held_post *p, struct arena *a, struct buf *args) {
    static const char name[] = "list:admin:action:post";
    struct err e;
    view secret;
    if (!list_secret(role, p->list, a, &secret, &e))
        return false;
    view part = arena_printf(a, "confirm+%.*s", VIEW_ARG(held_token(secret, p->id, a)));
    struct letter_words w = letter_words_find(role, name, p->list, VIEW(""), a);
    w.person = p->sender;
    struct letter l = {
        .to = list_part_address(p->list, "owner", a), .original = p->original, .whole = p->whole};
    return add(role, p, &l, make(p, &w, name, list_part_address(p->list, arena_str(a, part), a), a), args);
}

bool held_tell_member(struct role *role, const struct held_post *p, view member, struct arena *a,
                      struct buf *args) {
    static const char name[] = "list:user:notice:hold";
    if (!letter_may_go(role, member))
        return false;
    struct letter_words w = letter_words_find(role, name, p->list, member, a);
    struct letter l = {.to = member};
    return add(role, p, &l, make(p, &w, name, VIEW_NULL, a), args);
}
