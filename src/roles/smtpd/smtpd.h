/* smtpd.h: what the files of this role share. main.c starts and stops; session.c runs a session's steps and
 * replies; command.c knows the commands (command.def); data.c takes message text and has it stored; clients.c
 * counts sessions; parameter.c reads the parameters of MAIL and RCPT; chunk.c takes text by BDAT; policy.c is
 * what SIGHUP renews; frontend.c speaks PROXY and XCLIENT; flow.c slows down when the router is behind;
 * rules.c asks the lists a post goes to; unwrap.c reads recipients that hold another address; check.c has
 * mail from outside checked. */
#ifndef ROLES_SMTPD_SMTPD_H
#define ROLES_SMTPD_SMTPD_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lists/post.h"
#include "net/proxy.h"
#include "net/runner.h"
#include "net/sockaddr.h"
#include "net/stream.h"
#include "roles/role.h"
#include "routing/route.h"
#include "store/accept.h"

struct clients;
struct check;

enum service { SERVICE_SMTP, SERVICE_LMTP, SERVICES };

struct networks {
    struct cidr items[LIMIT_LIST_SETTING];
    size_t count;
};

/* What SIGHUP renews; counted, not changed. */
struct policy {
    _Atomic int references;
    struct config *config;
    bool own_config;
    struct networks relay, proxy, xclient;
    struct tls_context *tls[SERVICES]; /* NULL: STARTTLS is not offered */
};

/* One per process; not changed after the start but for what has its own lock. */
struct server {
    struct role role;
    struct runner *runner;
    const char *hostname;
    pthread_mutex_t policy_lock;
    struct policy *policy; /* for new sessions: policy_current() */
    struct clients *clients;
    _Atomic int64_t disk_looked_ms;
    _Atomic bool disk_full;
    _Atomic int64_t inbox_age_ms, inbox_asked_ms; /* flow.c */
};

/* What session_accepted gets: where the connection came in. */
struct listener {
    struct server *server;
    enum service service;
    const char *text; /* as the setting has it */
};

/* What a phase did, and so what its session needs next. */
enum next {
    NEXT_MORE,  /* something was done: go on */
    NEXT_INPUT, /* more input is needed */
    NEXT_STORE, /* a request to the store is under way */
    NEXT_PAUSE, /* `answered` runs when pause_ms are over */
    NEXT_CLOSE, /* the last reply is written: flush and close */
};

/* From MAIL to the end of DATA. session_reset() is the only place that ends it. */
struct transaction {
    bool active;
    view sender; /* as given: case of the local part kept, domain in A-labels */
    int64_t declared_size;
    int64_t flags; /* enum message_flags */
    struct accept_recipient *recipients;
    size_t recipient_count, recipient_room;
    size_t target_count; /* what the recipients lead to */
    view envid;
    /* rules.c */
    int64_t *lists; /* that the recipients lead to, each once */
    size_t list_count;
    bool only_lists;          /* and to nothing else */
    struct buf first;         /* the first piece of the text, when that was staged */
    struct arena rules_arena; /* of `post` */
    struct post post;
    size_t asked, refused; /* lists that were asked, that refuse the post */
    struct err refusal;
    struct check *check; /* check.c */
    /* data.c */
    int64_t id;
    struct buf body;  /* octets not yet staged */
    int64_t size;     /* octets in all */
    int64_t staged;   /* pieces given to the store */
    bool handed_over; /* the store was asked to accept it */
    EVP_MD_CTX *sha256;
    int64_t window_ms,
        window_size; /* when the pace of the text was last looked at, and what there was then */
    bool line_start;
    bool chunked;     /* it comes by BDAT */
    bool spoilt;      /* a chunk was refused: nothing more of it is taken */
    bool after_cr;    /* the last chunk ended in CR */
    bool at_end;      /* the final dot was seen */
    struct err fault; /* why the message will be refused; the text is read to its end all the same */
    bool inspected;   /* the header was looked at */
    view message_id;
};

struct session {
    struct task task; /* first: the runner's handle is the session */
    struct server *server;
    struct policy *policy;
    enum service service;
    const char *listener;
    struct stream stream;
    struct sockaddr_any peer;
    struct sockaddr_text peer_ip;
    enum next (*phase)(struct session *s);
    int64_t ends_ms;       /* clock_mono_ms() instant: no session lives longer */
    int64_t phase_ends_ms; /* the same for the phase; 0: none */
    bool counted;          /* as a session of peer */
    bool may_relay, may_xclient;
    bool speaks_for_other; /* a front end has said who the client is */
    bool tls, esmtp, greeted;
    bool draining; /* the process stops: the transaction under way is the last */
    bool skipping; /* a line too long is being dropped */
    unsigned bad_commands;
    unsigned refused_recipients;    /* for good */
    unsigned idle_commands;         /* since the last message that was taken */
    int64_t chunk_size, chunk_left; /* octets of the BDAT under way */
    bool chunk_last;
    int chunk_code; /* and text: the answer to a BDAT whose octets are dropped */
    const char *chunk_text;
    struct arena arena;             /* of the session: the client's name */
    struct arena transaction_arena; /* reset with the transaction */
    view helo;
    struct transaction t;
    struct store_request request;
    enum next (*answered)(
        struct session *s); /* runs when the store's answer to `request` came, or a pause is over */
    int64_t pause_ms;
    bool bare_postmaster;            /* it was <postmaster>, without a domain */
    bool to_postmaster;              /* the setting stands in for it */
    bool unwrapped;                  /* it is the address inside of one that we have made */
    view inside;                     /* unwrap.c */
    struct accept_recipient pending; /* the recipient whose LOOKUP is under way */
};

/* ---- session.c ---- */
void session_accepted(struct runner *r, int fd, void *listener);
/* Nothing happens just now: memory that is not needed goes back. */
void session_quiet(void);
/* The first line a client sees. */
void session_greet(struct session *s);
/* One reply line "CODE text"; counts refusals. */
void session_reply(struct session *s, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The reply of an error: code, enhanced code and text from its row. */
void session_reply_err(struct session *s, const struct err *e);
/* The one way to end a transaction: RSET, EHLO, STARTTLS, after DATA, and at the end of the session. */
void session_reset(struct session *s);
/* The command under way brought a message nearer: it does not count towards LIMIT_SMTP_IDLE_COMMANDS. */
void session_useful(struct session *s);
/* Send s->request; `answered` runs when the answer is there. */
enum next session_ask(struct session *s, enum next (*answered)(struct session *s));
enum next session_phase_command(struct session *s);
enum next session_phase_starttls(struct session *s);
enum next session_phase_handshake(struct session *s);

/* ---- command.c ---- */
/* False: mail is not taken, so that what is here can still be worked off. */
bool disk_has_room(struct server *server);
enum next command_run(struct session *s, view line);
/* Ask the store about the recipient that is pending; `normal`: its address, or another that stands in for it.
 */
enum next command_ask_about(struct session *s, view normal);

/* ---- unwrap.c ---- */
/* The recipient that is pending may hold another address. */
bool unwrap_is_due(const struct session *s);
enum next unwrap_ask(struct session *s);

/* ---- flow.c ---- */
enum {
    FLOW_ASK_MS = 500,   /* between two looks at what waits for the router */
    FLOW_AGE_MS = 10000, /* the oldest of it may be so old without any pause: bursts are taken as they come */
    FLOW_AGE_PER_MS = 10,     /* beyond that: for 10 ms more a pause of 1 ms more */
    FLOW_PAUSE_MAX_MS = 1000, /* for each message */
};
/* How long the answer to a message that was taken is to wait. Thread-safe. */
int64_t flow_pause_ms(struct server *server);

/* ---- policy.c ---- */
/* Takes the configuration when `own_config`, after failure too. */
struct policy *policy_new(struct config *config, bool own_config, struct err *e);
void policy_unref(struct policy **p);
struct policy *policy_current(struct server *server); /* the caller's reference */
void policy_replace(struct server *server, struct policy *p);
bool networks_have(const struct networks *n, const struct sockaddr_any *peer);

/* ---- rules.c ---- */
/* Note the lists that a recipient leads to. False: too many. */
bool rules_note(struct session *s, const struct route *route);
/* The body is about to be emptied: what the lists want to see of it stays. */
void rules_keep_first(struct session *s);
/* Whether every list was asked about the text that is here; a refusal by all is a fault then. */
bool rules_all_asked(struct session *s);
enum next rules_ask(struct session *s);

/* ---- check.c ---- */
bool checks_start(struct server *server, struct err *e);
/* This message is to be checked. */
bool check_is_due(const struct session *s);
/* The body is about to be emptied. */
void check_take_piece(struct session *s);
bool check_is_done(const struct session *s);
/* Once the text is there; a refusal is a fault then. */
enum next check_ask(struct session *s);
/* What was found, as a field and in a few words; nothing where nothing was checked. */
void check_add_field(struct session *s, struct buf *fields);
view check_summary(struct session *s);
void check_drop(struct transaction *t);

/* ---- frontend.c ---- */
enum next frontend_proxy_phase(struct session *s);
enum next frontend_xclient(struct session *s, view argument);

/* ---- parameter.c ---- */
/* "NAME=value NAME ..." behind the path of MAIL (into s->t) or RCPT (into s->pending). */
bool parameters_take(struct session *s, view rest, bool of_rcpt, struct err *e);

/* ---- chunk.c ---- */
enum next chunk_begin(struct session *s, view argument);

/* ---- data.c ---- */
void data_begin(struct session *s);
/* Pieces of a message that was not accepted are deleted. */
void data_drop(struct session *s);
enum next data_phase(struct session *s);
/* The first fault is why the message will be refused. */
void data_fault(struct transaction *t, enum err_code code);
/* Count octets of the text and, while there is no fault, keep them. */
void data_take_octets(struct session *s, view v);
/* Into the digest: what the body holds behind `before`. A body with a fault is dropped. */
void data_hash(struct transaction *t, size_t before);
bool data_piece_is_full(const struct transaction *t);
enum next data_stage(struct session *s);
/* smtp_body_rate_min: a client's pace is looked at every 30 s. */
void data_pace_begin(struct session *s);
bool data_is_slow(struct session *s);
enum next data_too_slow(struct session *s);

/* ---- clients.c ---- */
struct clients *clients_new(size_t per_client_max);
void clients_set_most(struct clients *c, size_t per_client_max);
void clients_free(struct clients **c);
/* Count a session of this client. False: it has too many. */
bool clients_enter(struct clients *c, const struct sockaddr_any *peer);
void clients_leave(struct clients *c, const struct sockaddr_any *peer);

#endif
