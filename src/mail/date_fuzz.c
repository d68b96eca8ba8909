/* date_fuzz.c: a date that is read is within the years it may be in and reads the same after being written;
 * and any number is written as a date. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define YEAR_0     (-62167219200000)
#define YEAR_1900  (-2208988800000)
#define YEAR_10000 253402300800000

static void check_round_trip(int64_t ms) {
    static void (*const formats[])(int64_t, struct buf *) = {date_format, date_format_asctime};
    for (size_t i = 0; i < 2; i++) {
        struct buf out = BUF_INIT(100);
        int64_t back;
        formats[i](ms, &out);
        BUG_ON(!date_parse(buf_view(&out), &back));
        BUG_ON(back != ms - (ms % 1000 + 1000) % 1000);
        buf_add_str(&out, " (comment)"); /* what follows is not looked at */
        BUG_ON(!date_parse(buf_view(&out), &back));
        buf_done(&out);
    }
    int year, month;
    struct buf iso = BUF_INIT(100), expected = BUF_INIT(100);
    date_month(ms, &year, &month);
    date_format_iso(ms, &iso);
    buf_printf(&expected, "%04d-%02d-", year, month);
    BUG_ON(!view_starts_with(buf_view(&iso), buf_view(&expected)) ||
           iso.len != strlen("2026-11-24T05:06:07.123Z"));
    int64_t same;
    BUG_ON(!date_parse_iso(buf_view(&iso), &same) || same != ms);
    buf_done(&iso);
    buf_done(&expected);
}

static void check_number(int64_t ms) {
    struct buf out = BUF_INIT(300);
    int64_t back;
    date_format(ms, &out);
    bool read = date_parse(buf_view(&out), &back);
    /* Mail has no years before 0; their sign is read as a hyphen. */
    BUG_ON(ms >= YEAR_0 && read != (ms >= YEAR_1900 && ms < YEAR_10000));
    if (ms >= YEAR_1900 && ms < YEAR_10000)
        check_round_trip(ms);
    date_format_asctime(ms, &out);
    date_format_iso(ms, &out);
    BUG_ON(out.failed);
    int year, month;
    date_month(ms, &year, &month);
    BUG_ON(month < 1 || month > 12);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t ms = INT64_MIN, number;
    if (date_parse(view_from(data, size), &ms)) {
        BUG_ON(ms < YEAR_1900 || ms >= YEAR_10000 || ms % 1000 != 0);
        check_round_trip(ms);
    } else {
        BUG_ON(ms != INT64_MIN);
    }
    if (date_parse_iso(view_from(data, size), &number)) {
        BUG_ON(number < YEAR_1900 || number >= YEAR_10000);
        check_round_trip(number);
    }
    if (size >= sizeof number) {
        memcpy(&number, data, sizeof number);
        check_number(number);
        check_number(number % YEAR_10000); /* mostly a date that mail can have */
    }
    return 0;
}
