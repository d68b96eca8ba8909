/*
 * postroad-load: what its three files share. load.c reads options and reports, load_message.c makes messages,
 * load_session.c speaks SMTP.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "chan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum {
    MAX_ERRORS = 5, /* distinct error replies shown */
    ERROR_TEXT = 200,
    MAX_THREADS = 2,
};

enum stall {
    STALL_NONE,
    STALL_IDLE,      /* silent after the banner */
    STALL_EHLO,      /* silent after EHLO; with STARTTLS after the EHLO behind it */
    STALL_HANDSHAKE, /* half a ClientHello sent */
    STALL_DATA,      /* silent in the middle of a message */
};

struct load_options {
    struct addr target;
    long sessions, total, rcpts, threads; /* total < 0: until the time is over */
    double seconds, rate, timeout;
    size_t body_len;
    const char *sender, *rcpt, *prefix, *file, *ack_log, *helo;
    bool reconnect, pipelining, starttls, raw, json, tolerate, retry_connect, times;
    enum stall stall;
};

/* The part of every message that is the same, ready for the wire: dot-stuffed, CRLF, with the final dot. */
struct message {
    struct buf text;
    bool own_headers; /* generated: From, To, Subject and Date are written for each message */
};

struct latencies {
    uint32_t *us;
    size_t len, cap;
};

struct load_stats {
    long acked, failed, unanswered, rcpts_refused;
    long connections, connect_failures, lost;
    long stalled, stall_ended;   /* sessions that got stuck as wanted; those the server ended */
    uint64_t stall_first_end_us; /* when the server ended the first one, since the start */
    uint64_t first_us, last_us;  /* first command of a transaction, last 250 */
    struct latencies lat;
};

struct error_reply {
    char text[ERROR_TEXT];
    long count;
};

/* State of the whole run. Counters are claimed with atomics, the error table is behind its lock. */
struct load_run {
    const struct load_options *opt;
    struct message msg;
    SSL_CTX *tls;
    int ack_fd; /* -1: no log */
    uint64_t start_us, end_us;
    _Atomic long next; /* number of the next message */
    _Atomic bool stop;
    pthread_mutex_t error_lock;
    struct error_reply errors[MAX_ERRORS];
    long other_errors;
};

/* Fill run->msg from a file or with generated text. */
void message_prepare(struct load_run *run);
/* Append the headers that differ from message to message. */
void message_head(struct buf *out, const struct load_run *run, long number);
/* Append recipient i of message number, without brackets. */
void message_rcpt(struct buf *out, const struct load_options *opt, long number, long i);
/* Append the message's id, as it stands between the angle brackets of its Message-ID. */
void message_id(struct buf *out, const struct load_options *opt, long number);

/* Run sessions number first, first+step, … to the end on the calling thread. */
void load_worker(struct load_run *run, long first, long step, struct load_stats *stats);
/* Count an error reply (not terminated, len bytes). */
void load_error(struct load_run *run, const char *text, size_t len);

#endif
