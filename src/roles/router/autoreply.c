/* autoreply.c: the answer that a list gives to whoever writes to it, to its owners or to LIST-request
 * (settings autorespond_*): once in a grace period, and never to programs (RFC 3834). */
#include "base/clock.h"
#include "lists/letter.h"
#include "lists/letter_words.h"
#include "roles/router/router.h"
#include "store/list_setting.h"

static const struct {
    enum list_setting how, text;
} settings_of[] = {
    [AUTOREPLY_OWNER] = {LIST_SETTING_AUTORESPOND_OWNER, LIST_SETTING_AUTORESPONSE_OWNER_TEXT},
    [AUTOREPLY_POSTINGS] = {LIST_SETTING_AUTORESPOND_POSTINGS, LIST_SETTING_AUTORESPONSE_POSTINGS_TEXT},
    [AUTOREPLY_REQUESTS] = {LIST_SETTING_AUTORESPOND_REQUESTS, LIST_SETTING_AUTORESPONSE_REQUEST_TEXT}};

/* How, the text, the grace period, and what the text may name. */
enum { HOW, TEXT, GRACE, DISPLAY_NAME, DESCRIPTION, INFO, ASKED };

/* Its turn has come: nobody gets the same answer twice in a while. */
static bool is_due(struct role *role, const struct command_mail *mail, view list, enum autoreply_kind kind,
                   int64_t grace, bool *ret_due, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_AUTOREPLY);
    vals_view(&q.args, list);
    vals_int(&q.args, kind);
    vals_view(&q.args, mail->post->senders[0]);
    vals_int(&q.args, grace);
    vals_int(&q.args, mail->id);
    bool ok = store_call(role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    *ret_due = ok && vals_get_int(&v) != 0;
    store_request_done(&q);
    return ok;
}

static bool write_answer(struct role *role, const struct command_mail *mail, view list,
                         const view values[ASKED], struct arena *a, struct buf *letters) {
    struct err e;
    struct letter_words w = {.list = list,
                             .person = mail->post->senders[0],
                             .display_name = values[DISPLAY_NAME],
                             .description = values[DESCRIPTION],
                             .info = values[INFO]};
    return letter_args(
        &(struct letter){
            .hostname = view_of(role->config->hostname),
            .list = list,
            .to = mail->post->senders[0],
            .subject = letter_words_expand(
                &w, VIEW("Auto-response for your message to the \"$display_name\" mailing list"), a),
            .text = letter_words_expand(&w, values[TEXT], a),
            .references = mail->message_id,
            .message = mail->id},
        clock_now_ms(), letters, &e);
}

bool autoreply(struct role *role, const struct command_mail *mail, view list, enum autoreply_kind kind,
               struct arena *a, struct buf *letters, int64_t *letter_count, bool *ret_discard,
               struct err *e) {
    const enum list_setting names[ASKED] = {
        settings_of[kind].how,     settings_of[kind].text,   LIST_SETTING_AUTORESPONSE_GRACE_PERIOD,
        LIST_SETTING_DISPLAY_NAME, LIST_SETTING_DESCRIPTION, LIST_SETTING_INFO};
    view values[ASKED];
    bool found, due;
    *ret_discard = false;
    if (!list_settings(role, list, names, ASKED, a, values, &found, e))
        return false;
    int64_t how = found ? list_setting_number(names[HOW], values[HOW]) : AUTORESPOND_NEVER;
    if (how == AUTORESPOND_NEVER)
        return true;
    *ret_discard = how == AUTORESPOND_AND_DISCARD;
    if (mail->post->sender_count == 0 || post_is_of_a_robot(mail->post, mail->sender) ||
        post_wants_no_answer(mail->post))
        return true;
    if (!is_due(role, mail, list, kind, list_setting_number(names[GRACE], values[GRACE]), &due, e))
        return false;
    if (due && letter_may_go(role, mail->post->senders[0]))
        *letter_count += write_answer(role, mail, list, values, a, letters);
    return true;
}
