/* bounce.c: mail to LIST-bounces: whom it is about and what it says; what counts against a member is counted
 * (the store knows the score), and what nobody can read goes to those who look after the list. */
#include "mail/bounce.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/words.h"
#include "lists/letter.h"
#include "lists/membership_letter.h"
#include "lists/unsubscribe.h"
#include "roles/router/router.h"
#include "store/bounced.h"
#include "store/list_setting.h"

enum { LETTER_WHOLE = 32 * 1024 };

static void count_against(struct role *role, struct returned *r, view person, bool is_probe,
                          const struct bounce *why, struct arena *a, struct store_wait *wait) {
    struct counted *c = &r->counted[r->count++];
    c->person = person;
    store_request_init(&c->q, OP_BOUNCE);
    vals_view(&c->q.args, r->target->address);
    vals_view(&c->q.args, person);
    vals_int(&c->q.args, is_probe);
    vals_view(&c->q.args, view_slice(arena_printf(a, "%.*s%s%.*s", VIEW_ARG(why->status),
                                                  why->status.len ? " " : "", VIEW_ARG(why->reason)),
                                     0, LIMIT_EVENT_TEXT / 2));
    store_wait_submit(wait, role->store, &c->q);
}

/* What a mail says that names its member by itself (VERP): the worst of it. */
static const struct bounce *worst_of(const struct bounce_report *report) {
    const struct bounce *worst = NULL;
    for (size_t i = 0; i < report->count; i++)
        if (!worst || report->bounces[i].kind < worst->kind)
            worst = &report->bounces[i];
    return worst;
}
_Static_assert(BOUNCE_PERMANENT < BOUNCE_TEMPORARY && BOUNCE_PERMANENT < BOUNCE_OF_MESSAGE,
               "the worst is the least");

static bool find_probe(struct role *role, struct returned *r, struct arena *a, view *ret_person,
                       struct err *e) {
    view secret;
    *ret_person = VIEW("");
    if (r->target->detail.len <= UNSUBSCRIBE_KEY_LEN || r->target->detail.ptr[UNSUBSCRIBE_KEY_LEN] != '+')
        return true;
    if (!list_secret(role, r->target->address, a, &secret, e))
        return false;
    membership_probe_is(secret, r->target->detail, a, ret_person);
    return true;
}

bool bounce_ask(struct role *role, const struct route_target *t, view message, struct arena *a,
                struct store_wait *wait, struct returned *ret, struct err *e) {
    view tried;
    *ret = (struct returned){.target = t,
                             .report = arena_new(a, struct bounce_report),
                             .counted = arena_array(a, struct counted, BOUNCES_MOST)};
    if (!ret->report || !ret->counted)
        return err_set(e, ERR_LIMIT, "no room for what the mail says");
    if (!find_probe(role, ret, a, &tried, e))
        return false;
    bounce_read(message, a, ret->report);
    const struct bounce *worst = worst_of(ret->report);
    if (worst && worst->kind == BOUNCE_PERMANENT && (tried.len > 0 || t->member.len > 0)) {
        count_against(role, ret, tried.len > 0 ? tried : t->member, tried.len > 0, worst, a, wait);
        return true;
    }
    for (size_t i = 0; tried.len == 0 && t->member.len == 0 && i < ret->report->count; i++) {
        const struct bounce *b = &ret->report->bounces[i];
        view person;
        if (b->kind == BOUNCE_PERMANENT && address_normalise_text(b->address, a, &person, NULL))
            count_against(role, ret, person, false, b, a, wait);
    }
    return true;
}

void bounce_done(struct returned *r) {
    for (size_t i = 0; i < r->count; i++)
        store_request_done(&r->counted[i].q);
}

/* ---- what is told ---- */

static view whom_to_tell(struct role *role, view list, int64_t whom, struct arena *a) {
    if (whom == FORWARD_TO_SITE)
        return *role->config->postmaster ? view_of(role->config->postmaster) : list_site_address(list, a);
    return list_part_address(list, "owner", a);
}

/* It may be no bounce at all: people write to that address, too. False: the store cannot say whether it is
 * to be passed on. */
static bool forward(struct role *role, const struct command_mail *mail, const struct returned *r,
                    struct arena *a, struct buf *letters, int64_t *letter_count, view *ret_said,
                    struct err *e) {
    static const enum list_setting setting = LIST_SETTING_FORWARD_UNRECOGNIZED_BOUNCES_TO;
    static const char name[] = "list:admin:notice:unrecognized";
    struct err why;
    view value;
    bool found;
    *ret_said = VIEW("no bounce that can be read: dropped");
    if (!list_settings(role, r->target->address, &setting, 1, a, &value, &found, e))
        return false;
    int64_t whom = found ? list_setting_number(setting, value) : FORWARD_TO_NOBODY;
    view to = whom_to_tell(role, r->target->address, whom, a);
    bool whole = mail->is_whole && mail->text.len <= LETTER_WHOLE;
    if (whom == FORWARD_TO_NOBODY || !letter_may_go(role, to))
        return true;
    struct letter_words w = letter_words_find(role, name, r->target->address, VIEW(""), a);
    struct letter_made made = letter_words_make(&w, name, a);
    bool ok = letter_args(
        &(struct letter){.hostname = view_of(role->config->hostname),
                         .list = r->target->address,
                         .to = to,
                         .subject = made.subject,
                         .text = made.text,
                         .references = mail->message_id,
                         .message = mail->id,
                         .original =
                             whole ? mail->text : view_slice(mail->post->header.section, 0, LETTER_WHOLE / 4),
                         .whole = whole},
        clock_now_ms(), letters, &why);
    *letter_count += ok;
    if (ok)
        *ret_said = arena_printf(a, "no bounce that can be read: passed on to %.*s", VIEW_ARG(to));
    return true;
}

static view of_others(const struct returned *r, struct arena *a) {
    const struct bounce *worst = worst_of(r->report);
    const char *what = worst->kind == BOUNCE_OF_MESSAGE  ? "the message was refused, not the address"
                       : worst->kind == BOUNCE_TEMPORARY ? "not for good"
                                                         : "no address that can be read";
    return arena_printf(a, "%s: %.*s %.*s", what, VIEW_ARG(worst->status), VIEW_ARG(worst->reason));
}

bool bounce_tell(struct role *role, const struct command_mail *mail, struct returned *r, struct arena *a,
                 struct buf *letters, int64_t *letter_count, view *ret_said, struct err *e) {
    *ret_said = VIEW("");
    for (size_t i = 0; i < r->count; i++) {
        struct counted *c = &r->counted[i];
        if (c->q.err.code != ERR_OK) {
            *e = c->q.err;
            return false;
        }
        struct vals v = vals_of(buf_view(&c->q.out));
        int64_t what = vals_get_int(&v), score = vals_get_int(&v);
        *ret_said =
            arena_printf(a, "%.*s%s%.*s: %.*s score=%lld", VIEW_ARG(*ret_said), i ? "; " : "",
                         VIEW_ARG(c->person), VIEW_ARG(words_at(BOUNCED_WORDS, what)), (long long)score);
    }
    if (r->count == 0 && r->report->count == 0 &&
        !forward(role, mail, r, a, letters, letter_count, ret_said, e))
        return false;
    if (r->count == 0 && r->report->count > 0)
        *ret_said = of_others(r, a);
    *ret_said = view_slice(*ret_said, 0, LIMIT_EVENT_TEXT);
    return true;
}
