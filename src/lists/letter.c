/* letter.c: see letter.h. */
#include "lists/letter.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/id.h"
#include "base/limits.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/text.h"
#include "store/accept.h"

static void add_header(const struct letter *l, int64_t now_ms, view message_id, const char *type,
                       struct buf *out) {
    struct address list = address_split(l->list);
    struct buf value = BUF_INIT(LIMIT_BODY_CHUNK);
    view part = l->part.len > 0 ? l->part : VIEW("owner");
    buf_printf(&value, "%.*s-%.*s@%.*s", VIEW_ARG(list.local), VIEW_ARG(part), VIEW_ARG(list.domain));
    header_add(out, "From", buf_view(&value));
    header_add(out, "To", l->to);
    buf_reset(&value);
    header_encode_text(&value, l->subject);
    header_add(out, "Subject", buf_view(&value));
    buf_reset(&value);
    date_format(now_ms, &value);
    header_add(out, "Date", buf_view(&value));
    buf_printf(out, "Message-ID: <%.*s>\r\n", VIEW_ARG(message_id));
    if (l->references.len > 0) {
        buf_printf(out, "In-Reply-To: <%.*s>\r\n", VIEW_ARG(l->references));
        buf_printf(out, "References: <%.*s>\r\n", VIEW_ARG(l->references));
    }
    buf_add_str(out, "Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\nMIME-Version: 1.0\r\n");
    buf_printf(out, "Content-Type: %s\r\n", type);
    buf_done(&value);
}

static void add_text(view text, struct buf *out) {
    buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", text_is_7bit(text) ? "7bit" : "8bit");
    text_add_lines(out, text);
}

static const char plain[] = "text/plain; charset=utf-8";

static void format(const struct letter *l, int64_t now_ms, view message_id, struct buf *out) {
    char boundary[MIME_BOUNDARY], type[128];
    if (l->original.len == 0) {
        add_header(l, now_ms, message_id, plain, out);
        add_text(l->text, out);
        return;
    }
    mime_boundary(boundary);
    snprintf(type, sizeof type, "multipart/mixed; boundary=\"%s\"", boundary);
    add_header(l, now_ms, message_id, type, out);
    buf_printf(out, "\r\n--%s\r\nContent-Type: %s\r\n", boundary, plain);
    add_text(l->text, out);
    buf_printf(out, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary,
               l->whole ? "message/rfc822" : "text/rfc822-headers",
               text_is_7bit(l->original) ? "7bit" : "8bit");
    buf_add(out, l->original);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}

bool letter_args(const struct letter *l, int64_t now_ms, struct buf *args, struct err *e) {
    struct buf text = BUF_INIT(LIMIT_BODY_CHUNK);
    int64_t id = id_new();
    size_t before = args->len;
    char message_id[LIMIT_DOMAIN + 64], origin[64];
    snprintf(message_id, sizeof message_id, "list.%s@%.*s", id_format(id).s, VIEW_ARG(l->hostname));
    snprintf(origin, sizeof origin, "letter-about=%s", l->message ? id_format(l->message).s : "membership");
    format(l, now_ms, view_of(message_id), &text);
    bool fits = !text.failed && !args->failed;
    if (fits) {
        unsigned char sha256[32];
        EVP_Digest(text.data, text.len, sha256, NULL, EVP_sha256(), NULL);
        accept_args(
            &(struct accept){.id = id,
                             .sender = l->sender,
                             .message_id = view_of(message_id),
                             .size = (int64_t)text.len,
                             .sha256 = view_from(sha256, sizeof sha256),
                             .origin = view_of(origin),
                             .flags = MESSAGE_NOTICE | (text_is_7bit(buf_view(&text)) ? 0 : MESSAGE_8BIT) |
                                      (text_is_7bit(l->to) && text_is_7bit(l->list) ? 0 : MESSAGE_UTF8),
                             .body = buf_view(&text),
                             .recipients = &(struct accept_recipient){.address = l->to,
                                                                      .notify = l->sender.len ? NOTIFY_DEFAULT
                                                                                              : NOTIFY_NEVER},
                             .recipient_count = 1},
            args);
        fits = !args->failed;
    }
    buf_done(&text);
    if (fits)
        return true;
    args->failed = false; /* others may be smaller */
    buf_truncate(args, before);
    return err_set(e, ERR_LIMIT, "there is no room for the letter about %s", id_format(l->message).s);
}
