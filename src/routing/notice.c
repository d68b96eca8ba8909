/* notice.c: see notice.h. Only the header of the message is returned unless its sender asked for all of it:
 * RFC 3461 4.3 leaves it to us, and a stranger whose address was forged should not be sent a large
 * attachment. */
#include "routing/notice.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "mail/text.h"
#include "base/mem.h"
#include "store/accept.h"

bool notice_wanted(view sender, int64_t list) {
    return sender.len > 0 && list == 0;
}

bool notice_wants(int64_t notify, enum dsn_action action) {
    switch (action) {
    case DSN_FAILED:
        return (notify & (NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_DELAY)) == 0 || (notify & NOTIFY_FAILURE);
    case DSN_DELAYED:
        return (notify & (NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE)) == 0 || (notify & NOTIFY_DELAY);
    case DSN_DELIVERED:
    case DSN_RELAYED:
    case DSN_EXPANDED:
        return notify & NOTIFY_SUCCESS;
    }
    return false;
}

/* Fields and header section: what text/rfc822-headers shows. */
static void add_header(const struct notice *n, struct buf *out) {
    ptrdiff_t end = view_search(n->body, VIEW("\r\n\r\n"));
    buf_add(out, n->fields);
    buf_add(out,
            end < 0 ? view_slice(n->body, 0, LIMIT_NOTICE_HEADER) : view_slice(n->body, 0, (size_t)end + 4));
    if (out->failed || out->len > LIMIT_NOTICE_HEADER) {
        out->failed = false;
        buf_truncate(out, out->len < LIMIT_NOTICE_HEADER ? out->len : LIMIT_NOTICE_HEADER);
    }
}

/* Hundreds of recipients may fail at once, each with a long answer. What does not fit is left off, the
 * answers first: a notice about fewer recipients is better than none, and the events have it all. */
static void format_to_fit(const struct dsn *all, struct buf *text) {
    dsn_format(all, text);
    if (!text->failed)
        return;
    struct dsn_recipient *brief = mem_alloc(all->recipient_count * sizeof *brief);
    for (size_t i = 0; i < all->recipient_count; i++) {
        brief[i] = all->recipients[i];
        brief[i].diagnostic = VIEW("");
    }
    struct dsn d = *all;
    d.recipients = brief;
    for (; text->failed && d.recipient_count > 0; d.recipient_count /= 2) {
        buf_reset(text);
        dsn_format(&d, text);
    }
    free(brief);
}

bool notice_args(const struct notice *n, int64_t now_ms, struct buf *args, struct err *e) {
    struct buf original = BUF_INIT(LIMIT_NOTICE_WHOLE), text = BUF_INIT(LIMIT_BODY_CHUNK);
    struct id_text failed_id = id_format(n->message);
    int64_t id = id_new();
    struct id_text own_id = id_format(id);
    char message_id[LIMIT_DOMAIN + 64];
    snprintf(message_id, sizeof message_id, "dsn.%s@%.*s", own_id.s, VIEW_ARG(n->hostname));
    bool whole = n->whole && n->fields.len + n->body.len < LIMIT_NOTICE_WHOLE;
    if (whole) {
        buf_add(&original, n->fields);
        buf_add(&original, n->body);
    } else {
        add_header(n, &original);
    }
    format_to_fit(&(struct dsn){.reporting_host = n->hostname,
                                .queue_id = view_of(failed_id.s),
                                .message_id = view_of(message_id),
                                .to = n->sender,
                                .arrival_ms = id_time_ms(n->message),
                                .now_ms = now_ms,
                                .recipients = n->recipients,
                                .recipient_count = n->recipient_count,
                                .original = buf_view(&original),
                                .whole = whole,
                                .envid = n->envid},
                  &text);
    bool ok = !text.failed || err_set(e, ERR_LIMIT, "the notification about %s is too large", failed_id.s);
    if (ok) {
        unsigned char sha256[32];
        char origin[64];
        EVP_Digest(text.data, text.len, sha256, NULL, EVP_sha256(), NULL);
        snprintf(origin, sizeof origin, "notice-about=%s", failed_id.s);
        accept_args(&(struct accept){.id = id,
                                     .message_id = view_of(message_id),
                                     .size = (int64_t)text.len,
                                     .sha256 = view_from(sha256, sizeof sha256),
                                     .origin = view_of(origin),
                                     .flags = MESSAGE_NOTICE | (text_is_7bit(n->sender) ? 0 : MESSAGE_UTF8) |
                                              (n->requiretls ? MESSAGE_REQUIRETLS : 0),
                                     .body = buf_view(&text),
                                     .recipients = &(struct accept_recipient){.address = n->sender},
                                     .recipient_count = 1},
                    args);
    }
    buf_done(&original);
    buf_done(&text);
    return ok;
}
