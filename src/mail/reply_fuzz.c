/* reply_fuzz.c: whatever a server sends, the text kept is printable, within its limits, and says how it
 * failed.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "mail/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_status(const struct reply *r) {
    unsigned numbers[3] = {0}, part = 0, digits = 0;
    for (const char *c = r->status; *c; c++) {
        if (*c == '.') {
            BUG_ON(digits == 0 || ++part > 2);
            digits = 0;
            continue;
        }
        BUG_ON(!ascii_is_digit(*c) || ++digits > 3);
        numbers[part] = numbers[part] * 10 + (unsigned)(*c - '0');
    }
    static const enum err_class classes[] = {
        [2] = ERR_CLASS_NONE, [4] = ERR_CLASS_TEMPORARY, [5] = ERR_CLASS_PERMANENT};
    BUG_ON(part != 2 || digits == 0);
    BUG_ON(numbers[0] != 2 && numbers[0] != 4 && numbers[0] != 5);
    BUG_ON(classes[numbers[0]] != reply_class(r)); /* status and class never disagree */
}

static void check_text(const struct reply *r) {
    size_t lines = 1;
    view text = buf_view(&r->text);
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n';
        BUG_ON(text.ptr[i] != '\n' && ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f));
        BUG_ON((unsigned char)text.ptr[i] == 0xc2 && i + 1 < text.len &&
               (unsigned char)text.ptr[i + 1] < 0xa0);
    }
    BUG_ON(text.len > 0 && !view_is_utf8(text));
    BUG_ON(text.len > LIMIT_SMTP_REPLY || r->lines > LIMIT_SMTP_REPLY_LINES || r->lines != lines);
}

static bool shape_ok(view line) {
    if (line.len < 3 || (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
        return false;
    return line.ptr[0] >= '2' && line.ptr[0] <= '5' && ascii_is_digit(line.ptr[1]) &&
           ascii_is_digit(line.ptr[2]);
}

static void check_line(struct reply *r, view line) {
    struct err e = {0};
    int before = r->code, result = reply_feed(r, line, &e);
    if (result < 0) {
        BUG_ON(e.code != ERR_SYNTAX && e.code != ERR_LIMIT);
        BUG_ON(e.code == ERR_SYNTAX && shape_ok(line) && before == 0);
        reply_reset(r);
        BUG_ON(r->code != 0 || r->lines != 0 || r->text.len != 0 || r->text.failed);
        return;
    }
    BUG_ON(!shape_ok(line));
    BUG_ON(result != !(line.len > 3 && line.ptr[3] == '-'));
    BUG_ON(r->code != (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + line.ptr[2] - '0');
    BUG_ON(before != 0 && before != r->code);
    check_text(r);
    check_status(r);
    if (result == 1)
        reply_reset(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reply r;
    reply_init(&r);
    for (view rest = view_from(data, size), line; view_split(&rest, '\n', &line);)
        check_line(&r, line);
    reply_done(&r);
    return 0;
}
