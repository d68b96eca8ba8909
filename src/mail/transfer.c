/* transfer.c: quoted-printable and base64, the two ways of RFC 2045 to make octets fit for any mail road.
 *
 * Quoted-printable is what notifications use for the mail they return: it stays readable, and it also carries
 * what SMTP cannot (bare line ends, NUL, endless lines) without changing an octet. */
#include "mail/transfer.h"

enum { QP_LINE = 76 };

static bool is_crlf_at(view v, size_t i) {
    return i + 1 < v.len && v.ptr[i] == '\r' && v.ptr[i + 1] == '\n';
}

/* May the octet stand for itself? White space may not end a line: the road may strip it there. */
static bool qp_is_literal(view v, size_t i) {
    char c = v.ptr[i];
    if (c == ' ' || c == '\t')
        return i + 1 < v.len && !is_crlf_at(v, i + 1);
    return c > ' ' && c <= '~' && c != '=';
}

void transfer_add_qp(struct buf *out, view v) {
    size_t column = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (is_crlf_at(v, i)) {
            buf_add(out, VIEW("\r\n"));
            column = 0;
            i++;
            continue;
        }
        bool literal = qp_is_literal(v, i);
        size_t width = literal ? 1 : 3;
        if (column + width > QP_LINE - 1) { /* one column is left for the '=' of the soft break */
            buf_add(out, VIEW("=\r\n"));
            column = 0;
        }
        if (literal)
            buf_add_char(out, v.ptr[i]);
        else
            buf_printf(out, "=%02X", (unsigned)(unsigned char)v.ptr[i]);
        column += width;
    }
}

void transfer_add_base64(struct buf *out, view v) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < v.len; i += 3) {
        size_t n = v.len - i < 3 ? v.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)v.ptr[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            buf_add_char(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}
