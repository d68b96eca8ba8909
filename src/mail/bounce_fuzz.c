/* bounce_fuzz.c: whatever comes back, what is said of it is fit to be stored and shown: few addresses, each
 * once and like an address, codes like codes, and text of one printable line. A full arena is no reason to
 * fall. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "mail/bounce.h"
#include "mail/bounce_reader.h"
#include "mail/text.h"

enum { SMALL_ARENA = 8 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounce(const struct bounce_report *report, size_t i) {
    const struct bounce *b = &report->bounces[i];
    BUG_ON(b->address.len == 0 || b->address.len > LIMIT_ADDRESS || !text_is_printable(b->address));
    BUG_ON(view_find(b->address, '@') <= 0 || view_find(b->address, '@') != view_rfind(b->address, '@'));
    BUG_ON(view_find(b->address, ' ') >= 0 || !text_is_printable(b->reason));
    BUG_ON(b->status.len != bounce_status_len(b->status) || !text_is_printable(b->status));
    BUG_ON(b->kind != BOUNCE_PERMANENT && b->kind != BOUNCE_TEMPORARY && b->kind != BOUNCE_OF_MESSAGE);
    for (size_t other = 0; other < i; other++)
        BUG_ON(view_eq_nocase(b->address, report->bounces[other].address));
}

static void read_in(view message, size_t arena_limit) {
    struct arena arena;
    struct bounce_report report;
    arena_init(&arena, arena_limit);
    bounce_read(message, &arena, &report);
    BUG_ON(report.count > BOUNCES_MOST);
    BUG_ON(!text_is_printable(report.envelope_id) || !text_is_printable(report.message_id));
    for (size_t i = 0; i < report.count; i++)
        check_bounce(&report, i);
    arena_done(&arena);
}

/* The input is a message, and also the text of a refusal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view message = view_from(data, size);
    read_in(message, LIMIT_DECISION_ARENA);
    read_in(message, SMALL_ARENA);
    struct bounce_codes found = bounce_find_codes(message);
    BUG_ON(found.code && (found.code < 400 || found.code > 559 || found.at >= size));
    BUG_ON(found.enhanced.len != bounce_status_len(found.enhanced));
    enum bounce_kind kind = bounce_of_reply(found.code, found.enhanced, message);
    BUG_ON(found.code / 100 == 4 && kind != BOUNCE_TEMPORARY);
    return 0;
}
