/* received.c: the Received field, the one record of a message's road that travels with it.
 *
 * What the client called itself is worth keeping and not to be believed: every octet that could end a clause,
 * a comment or the line becomes '?', so that a host name cannot forge the rest of the field. */
#include "mail/received.h"

#include <string.h>

#include "base/limits.h"
#include "mail/date.h"
#include "mail/text.h"

enum { PEER_OCTETS = 64, TOKEN_OCTETS = 64 };

/* RFC 5321 4.4, RFC 3848, RFC 6531 4.3: base name, S for TLS, A for a user who logged in. */
static void add_protocol(const struct received *r, struct buf *out) {
    bool extended = r->esmtp || r->tls || r->auth;
    buf_add_str(out, r->utf8 ? "UTF8" : "");
    if (r->lmtp)
        buf_add(out, VIEW("LMTP"));
    else
        buf_add_str(out, extended && !r->utf8 ? "ESMTP" : "SMTP");
    buf_add_str(out, r->tls ? "S" : "");
    buf_add_str(out, r->auth ? "A" : "");
}

static void add_token(struct buf *out, view v, size_t max, bool utf8) {
    v = view_slice(v, 0, max);
    while (v.len) {
        size_t n = text_char_len(v);
        bool safe = n == 1 ? !strchr(" ()<>;,\"\\", v.ptr[0]) : n > 1 && utf8;
        buf_add(out, safe ? view_slice(v, 0, n) : VIEW("?"));
        v = view_skip(v, safe ? n : 1);
    }
}

static void add_from(const struct received *r, struct buf *out) {
    buf_add(out, VIEW("from "));
    if (r->helo.len) {
        add_token(out, r->helo, LIMIT_DOMAIN, r->utf8);
    } else {
        buf_add_char(out, '[');
        add_token(out, r->peer, PEER_OCTETS, false);
        buf_add_char(out, ']');
    }
    if (r->peer.len) {
        buf_add(out, VIEW(" (["));
        add_token(out, r->peer, PEER_OCTETS, false);
        buf_add(out, VIEW("])"));
    }
    buf_add(out, VIEW("\r\n\t"));
}

static void add_tls(const struct received *r, struct buf *out) {
    buf_add(out, VIEW(" ("));
    add_token(out, r->tls_version, TOKEN_OCTETS, false);
    if (r->tls_cipher.len) {
        buf_add_char(out, ' ');
        add_token(out, r->tls_cipher, TOKEN_OCTETS, false);
    }
    buf_add_char(out, ')');
}

static bool can_name_rcpt(const struct received *r) {
    if (!r->rcpt.len || r->rcpt.len > LIMIT_ADDRESS || !text_is_printable(r->rcpt))
        return false;
    return r->utf8 || text_is_7bit(r->rcpt);
}

void received_format(const struct received *r, struct buf *out) {
    buf_add(out, VIEW("Received: "));
    if (r->helo.len || r->peer.len)
        add_from(r, out);
    buf_add(out, VIEW("by "));
    add_token(out, r->by, LIMIT_DOMAIN, r->utf8);
    buf_add(out, VIEW(" with "));
    add_protocol(r, out);
    if (r->tls && r->tls_version.len)
        add_tls(r, out);
    buf_add(out, VIEW(" id "));
    add_token(out, r->id, TOKEN_OCTETS, false);
    if (can_name_rcpt(r)) {
        buf_add(out, VIEW("\r\n\tfor <"));
        buf_add(out, r->rcpt);
        buf_add_char(out, '>');
    }
    /* RFC 8314 4.3 wants this of submission servers, with the name from IANA's registry. */
    if (r->tls && r->auth && view_starts_with(r->tls_cipher, VIEW("TLS_"))) {
        buf_add(out, VIEW("\r\n\ttls "));
        add_token(out, r->tls_cipher, TOKEN_OCTETS, false);
    }
    buf_add(out, VIEW(";\r\n\t"));
    date_format(r->at_ms, out);
    buf_add(out, VIEW("\r\n"));
}

size_t received_hops(const struct header *h) {
    return header_count(h, "Received");
}
