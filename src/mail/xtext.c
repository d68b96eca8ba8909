/* xtext.c: reads xtext strictly. What stands for a control character is refused, since whoever writes the
 * decoded value into a field or a log must not be surprised by a line end. */
#include "mail/xtext.h"

#include "base/limits.h"
#include "mail/text.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The octet at the front, whatever it is, and how many octets of xtext it takes; 0: this is no xtext. */
static size_t take_octet(view v, char *ret_octet) {
    char c = v.ptr[0];
    if (c <= ' ' || c > '~' || c == '=')
        return 0;
    if (c != '+') {
        *ret_octet = c;
        return 1;
    }
    int high = v.len > 2 ? hex_digit(v.ptr[1]) : -1, low = v.len > 2 ? hex_digit(v.ptr[2]) : -1;
    if (high < 0 || low < 0)
        return 0;
    *ret_octet = (char)(high * 16 + low);
    return 3;
}

bool xtext_decode(view v, struct buf *out) {
    while (v.len > 0) {
        char octet;
        size_t len = take_octet(v, &octet);
        if (len == 0 || octet < ' ' || octet > '~')
            return false;
        if (out)
            buf_add_char(out, octet);
        v = view_skip(v, len);
    }
    return true;
}

/* RFC 3461 4.2: addr-type = atom. */
static bool is_type(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_alnum(v.ptr[i]) && v.ptr[i] != '-')
            return false;
    return v.len > 0;
}

static bool decode_address(view v, bool utf8, struct buf *out) {
    while (v.len > 0) {
        char octet;
        size_t n = utf8 && (unsigned char)v.ptr[0] >= 0x80 ? text_char_len(v) : 0;
        if (n > 0)
            buf_add(out, view_slice(v, 0, n));
        else if ((n = take_octet(v, &octet)) > 0)
            buf_add_char(out, octet);
        else
            return false;
        v = view_skip(v, n);
    }
    return true;
}

bool xtext_is_orcpt(view v, bool utf8) {
    ptrdiff_t semicolon = view_find(v, ';');
    if (semicolon < 0 || v.len > LIMIT_ORCPT || !is_type(view_slice(v, 0, (size_t)semicolon)))
        return false;
    view address = view_skip(v, (size_t)semicolon + 1);
    struct buf text = BUF_INIT(LIMIT_ORCPT);
    bool fine = address.len > 0 && decode_address(address, utf8, &text) && text_is_printable(buf_view(&text));
    buf_done(&text);
    return fine;
}
