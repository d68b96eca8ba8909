/* dsn.h: delivery status notifications: writing them (RFC 3464 in the multipart/report of RFC 6522). */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "base/buf.h"
#include "base/err.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    view address;  /* final recipient */
    view original; /* ORCPT as the client gave it ("rfc822;Bob+2Bx@example.org", in xtext), or empty */
    enum dsn_action action;
    view status;                 /* enhanced status "5.1.1" */
    view remote_host;            /* empty when no host was reached */
    view diagnostic;             /* the other side's reply, or our own reason */
    bool diagnostic_smtp;        /* the diagnostic is a reply of an SMTP server */
    int64_t will_retry_until_ms; /* for DSN_DELAYED, else 0 */
};

struct dsn {
    view reporting_host;
    view queue_id;
    view message_id; /* of the DSN itself, without brackets */
    view to;         /* envelope sender of the returned message */
    view envid;      /* ENVID as the client gave it, in xtext, or empty */
    int64_t arrival_ms;
    int64_t now_ms;
    const struct dsn_recipient *recipients;
    size_t recipient_count;
    view original; /* the returned message with our fields on top */
    bool whole;    /* return the whole message (RET=FULL), else its header (text/rfc822-headers) */
};

/* Append a complete message, CRLF line ends, ready for the queue: From MAILER-DAEMON, Auto-Submitted:
 * auto-replied, a part for people, message/delivery-status, and the returned message. 8-bit content makes it
 * the UTF-8 types of RFC 6533. The body is 7-bit always: what is not, or has endless lines or odd line ends,
 * goes as quoted-printable, so the returned octets are exact. Only a UTF-8 `to` makes the header 8-bit (RFC
 * 6532). */
void dsn_format(const struct dsn *d, struct buf *out);

/* "5.1.1" at the front of a reply's text, or a default by reply code. Always three numbers. */
struct dsn_status {
    char s[16];
};
struct dsn_status dsn_status_of_reply(int code, view text);

#endif
