/* decode.h: decoders for what the mail layer writes, strict where the RFC is, so that tests read it as
 * another program would and complain about what no program should write. For tests only; they abort on bad
 * input. */
#ifndef TESTING_DECODE_H
#define TESTING_DECODE_H

#include "base/buf.h"
#include "base/err.h"

static inline int decode_hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 2045 6.7, with its rules 1 to 5 checked. */
static inline void decode_qp(view v, struct buf *out) {
    while (v.len) {
        ptrdiff_t lf = view_find(v, '\n');
        bool last = lf < 0;
        view line = view_slice(v, 0, last ? v.len : (size_t)lf);
        v = view_skip(v, last ? v.len : (size_t)lf + 1);
        BUG_ON(!last && !view_ends_with(line, VIEW("\r"))); /* a bare LF */
        line.len -= !last;
        BUG_ON(line.len > 76);                                                                 /* rule 5 */
        BUG_ON(line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t')); /* rule 3 */
        bool soft = view_ends_with(line, VIEW("="));
        line.len -= soft;
        for (size_t i = 0; i < line.len; i++) {
            char c = line.ptr[i];
            BUG_ON(c != '\t' && (c < ' ' || c > '~')); /* rule 2 */
            if (c == '=') {
                BUG_ON(i + 2 >= line.len || decode_hex(line.ptr[i + 1]) < 0 ||
                       decode_hex(line.ptr[i + 2]) < 0);
                c = (char)(decode_hex(line.ptr[i + 1]) << 4 | decode_hex(line.ptr[i + 2]));
                i += 2;
            }
            buf_add_char(out, c);
        }
        if (!last && !soft)
            buf_add(out, VIEW("\r\n"));
    }
}

/* RFC 2045 6.8, without line breaks; padding where it must be and no bits left over. */
static inline void decode_base64(view v, struct buf *out) {
    static const view digits = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 64};
    BUG_ON(v.len % 4 != 0);
    for (; v.len; v = view_skip(v, 4)) {
        size_t padding = (size_t)view_ends_with(v, VIEW("=")) + view_ends_with(v, VIEW("=="));
        size_t n = v.len > 4 ? 4 : 4 - padding;
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            ptrdiff_t digit = i < n ? view_find(digits, v.ptr[i]) : 0;
            BUG_ON(digit < 0);
            bits = bits << 6 | (uint32_t)digit;
        }
        BUG_ON(n < 4 && (bits & (n == 3 ? 0xffu : 0xffffu)) != 0);
        for (size_t i = 0; i + 1 < n; i++)
            buf_add_char(out, (char)(bits >> (16 - 8 * i)));
    }
}

#endif
