/* dsn_fuzz.c: a notification made of odd texts is still one that other programs read: no bare LF, no octet
 * over 127 where there must be none, three parts, and the returned message exactly as it was.
 *
 * The input is options in its first three octets, then texts ended by NUL, then the returned message. */
#include <stddef.h>
#include <stdint.h>

#include "testing/dsn_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static view take_text(view *rest) {
    view text = VIEW_NULL;
    view_split(rest, '\0', &text);
    return text;
}

static void take_recipient(struct dsn_recipient *r, unsigned options, view *rest) {
    *r = (struct dsn_recipient){.action = (enum dsn_action)(options % 5), .diagnostic_smtp = options & 32};
    view *const texts[] = {&r->address, &r->original, &r->status, &r->remote_host, &r->diagnostic};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = take_text(rest);
    r->will_retry_until_ms = options & 64 ? 1795600000000 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || size > 100000)
        return 0;
    struct dsn_recipient recipients[3];
    struct dsn d = {.recipients = recipients,
                    .recipient_count = data[0] % 4u,
                    .whole = data[0] & 128,
                    .now_ms = 1795500000000,
                    .arrival_ms = data[0] & 64 ? 1795496767000 : 0};
    view rest = view_from(data + 3, size - 3);
    view *const texts[] = {&d.reporting_host, &d.queue_id, &d.message_id, &d.to};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = take_text(&rest);
    for (size_t i = 0; i < d.recipient_count; i++)
        take_recipient(&recipients[i], data[1 + i % 2], &rest);
    d.original = rest;
    struct buf out = BUF_INIT(DSN_CHECK_BYTES);
    struct dsn_parts p;
    dsn_check(&d, &out, &p);
    dsn_check_done(&p);
    buf_done(&out);
    return 0;
}
