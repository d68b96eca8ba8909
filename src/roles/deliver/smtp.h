/* smtp.h: the sending side of SMTP (RFC 5321) and LMTP (RFC 2033), a dialogue read top to bottom by one
 * thread. */
#ifndef ROLES_DELIVER_SMTP_H
#define ROLES_DELIVER_SMTP_H

#include "mail/reply.h"
#include "net/sockaddr.h"
#include "net/stream.h"

struct smtp {
    struct stream stream;
    struct reply reply;
    char host[LIMIT_DOMAIN + 80]; /* "mx.example.org[192.0.2.1]:25" for events */
    bool lmtp;                    /* RFC 2033: a reply for each recipient behind the text */
    bool pipelining, chunking, size, eightbit, utf8, dsn, starttls, requiretls, tls;
    const char *proved_by; /* who the other side is: "dane", "sts" …; NULL: nobody knows */
    int fits;              /* enum tls_need: mail that may go over it */
    int64_t size_max;      /* 0: not said */
    int64_t idle_since_ms;
    size_t transactions;
    bool behind_dot; /* the text was sent: the other side may have the mail, so its answer is worth a wait */
    int64_t longest_wait_ms; /* for an answer, since it was opened or kept */
    struct smtp *next;
};

struct smtp_settings {
    const char *helo;
    const char *bind; /* address to come from, or NULL */
    bool lmtp;
    struct tls_context *tls; /* NULL: never */
    struct tls_context *proving;
    int64_t connect_timeout_ms, reply_timeout_ms;
    /* Asked now and then while the other side is waited for; false ends the wait. */
    bool (*keep_waiting)(void *context, int64_t waited_ms);
    void *context;
};

/* What a host must show of TLS before any mail is sent to it. */
struct smtp_demand {
    enum { SMTP_TLS_MAY, SMTP_TLS_MUST, SMTP_TLS_PROVED } tls;
    const struct tls_proof *proof; /* looked at where there is one, whatever `tls` says; or NULL */
    const char *by;                /* "dane", "sts" …: what the proof is from, or who asks for TLS */
    bool requiretls;               /* it must offer that, too (RFC 8689) */
};

/* What came of TLS (RFC 8460 4.3). */
struct smtp_tls_end {
    enum {
        SMTP_TLS_UNTRIED, /* it did not come that far */
        SMTP_TLS_GOOD,    /* as demanded, or not worse than without a demand */
        SMTP_TLS_NOT_OFFERED,
        SMTP_TLS_BROKEN,
        SMTP_TLS_EXPIRED,
        SMTP_TLS_OTHER_NAME,
        SMTP_TLS_NOT_TRUSTED
    } end;
    char info[120];
    struct sockaddr_text own_ip;
};

/* Connect, greet, EHLO (HELO when it must be; LHLO), STARTTLS when offered. Where TLS may be and fails the
 * connection is made once more without (RFC 7435). NULL: see e: TLS_POLICY, NO_ENCRYPTION, NO_REQUIRETLS for
 * what the demand is not met in. */
struct smtp *smtp_open(const struct sockaddr_any *addr, view host, const struct smtp_settings *set,
                       const struct smtp_demand *demand, struct smtp_tls_end *ret_tls, struct err *e);
/* QUIT, without waiting for the answer. */
void smtp_close(struct smtp *c);

struct smtp_recipient {
    view address;
    int64_t notify;  /* enum dsn_notify, passed on where the other side knows DSN (RFC 3461) */
    view orcpt;      /* in xtext, or empty */
    struct err err;  /* OK: taken. REMOTE_PERMANENT, REMOTE_TEMPORARY, CONNECTION_LOST, TIMEOUT … */
    char status[16]; /* enhanced status */
    char reply[160]; /* "250 2.0.0 queued as …" */
    bool answered;   /* its own reply behind the text was read (LMTP) */
};

struct smtp_mail {
    view sender;
    struct smtp_recipient *recipients;
    size_t recipient_count;
    view fields[3]; /* sent one after another: signatures of the copy, its fields, those of all copies; and
                       the body */
    view body;
    view stuffed;    /* the body as it goes behind DATA (RFC 5321 4.5.2) */
    int64_t size;    /* octets of fields and body */
    view envid;      /* RFC 3461, in xtext, or empty */
    const char *ret; /* "FULL", "HDRS" or NULL */
    bool utf8, eightbit;
    bool requiretls; /* passed on where the other side knows it */
};

enum smtp_end {
    SMTP_DONE,   /* every recipient has its result; the connection can go on */
    SMTP_LAST,   /* every recipient has its result; the connection is of no more use */
    SMTP_ENDED,  /* the other side had ended the connection before: nothing was tried */
    SMTP_REFUSED /* it said 421 to MAIL: nothing was tried, and it wants to be left alone for a while */
};
/* One transaction. */
enum smtp_end smtp_send(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set);

#endif
