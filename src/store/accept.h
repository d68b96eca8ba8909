/* accept.h: the arguments of the operation ACCEPT: one message with its envelope. smtpd writes them for what
 * it receives; router and deliver for the notifications they make. */
#ifndef STORE_ACCEPT_H
#define STORE_ACCEPT_H

#include "store/vals.h"

enum message_flags {
    MESSAGE_UTF8 = 1,         /* came with SMTPUTF8 (RFC 6531) */
    MESSAGE_8BIT = 2,         /* BODY=8BITMIME (RFC 6152) */
    MESSAGE_NOTICE = 4,       /* made here: a DSN */
    MESSAGE_RET_FULL = 8,     /* RET=FULL (RFC 3461 4.3) */
    MESSAGE_RET_HEADERS = 16, /* RET=HDRS */
    MESSAGE_TRUSTED = 32,     /* its client may send to any address (relay_networks): it is one of ours */
    MESSAGE_FORBIDDEN = 128   /* its author's domain wants mail that fails DMARC quarantined or rejected */
};

/* What the sender wants to hear about a recipient (RFC 3461 4.1). NOTIFY_DEFAULT: it did not say, and hears
 * of failure and delay. */
enum dsn_notify {
    NOTIFY_DEFAULT = 0,
    NOTIFY_NEVER = 1,
    NOTIFY_SUCCESS = 2,
    NOTIFY_FAILURE = 4,
    NOTIFY_DELAY = 8
};

/* delivery.flags: enum dsn_notify, and: */
enum delivery_flags {
    DELIVERY_WARNED = 16, /* the sender was told that it takes longer */
    DELIVERY_ORCPT = 32,  /* the table orcpt has a row for it */
    DELIVERY_NAME = 64,   /* the copy names the member */
    DELIVERY_MITIGATED =
        128 /* refused for DMARC: From is rewritten, whatever its domain says (FORM_MITIGATED) */
};

struct accept_recipient {
    view address;
    int64_t notify; /* enum dsn_notify */
    view orcpt;     /* "rfc822;bob+40here" as given, in xtext; or empty */
};

struct accept {
    int64_t id;      /* the queue id: made by the caller, so that a second try is known */
    view sender;     /* envelope sender, empty for <> */
    view message_id; /* without brackets; may be empty */
    int64_t size;    /* of the body in octets */
    view sha256;     /* of the body, 32 octets */
    view fields;     /* fields put on top on output (Received) */
    view origin;     /* key=value text for the event: who brought it */
    int64_t flags;   /* enum message_flags */
    view envid;      /* ENVID as given, in xtext, or empty */
    view body;       /* empty when it was staged by BODY_STAGE */
    const struct accept_recipient *recipients;
    size_t recipient_count;
};

void accept_args(const struct accept *a, struct buf *args);

#endif
