/*
 * postroad-sink: what its files share. sink.c reads options, starts threads and reports; sink_session.c
 * speaks SMTP; sink_data.c takes message text; sink_site.c has the sites and their limits.
 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include "chan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

enum {
    MAX_SITES = 4096,
    SITE_NAME = 64,
    MAX_RULES = 32,
    MAX_WORKERS = 16,
    READ_SIZE = 256 * 1024, /* one read, one worker: several small messages, or a good part of a large one */
    LINE_LIMIT = 4096, /* longest command line; RFC 5321 asks for 512, SMTPUTF8 and extensions add to it */
    HEADER_LINE = 1000,
    REPLY_TEXT = 256,
};

struct fail_rule {
    const char *part; /* recipients containing this */
    char reply[REPLY_TEXT];
};

struct sink_options {
    long workers, expect, delay_ms, drop_after, max_conn;
    const char *stats_file, *log_file, *dump_dir, *cert, *key, *sites_file;
    struct fail_rule rules[MAX_RULES];
    int n_rules;
    char fail_data[REPLY_TEXT]; /* "" = accept */
};

/* A listening address and what is particular about it; 0 = no limit. Those of -l have no name. */
struct site {
    char name[SITE_NAME];
    struct addr addr;
    int fd;
    long delay_ms; /* between what a client sends and our answer, as on a long line */
    long max_conn; /* 421 to connections beyond it */
    long rate;     /* recipients a second; 421 to MAIL beyond it */
    bool dead;     /* never answers, not even to a SYN */
    _Atomic long open, open_max, connections, refused_connections, refused_rate, rcpts;
    pthread_mutex_t lock; /* of the bucket */
    double tokens;
    uint64_t filled_us;
};

/* Counters of one worker: written by it alone, so the atomics never wait; read by the reporting thread. */
struct sink_stats {
    _Alignas(64) _Atomic long connections;
    _Atomic long refused_connections, dropped_connections, tls;
    _Atomic long transactions, rcpts, bytes;
    _Atomic long refused_rcpts, refused_data, bad_commands;
    _Atomic long broken;                  /* connections lost inside a transaction */
    _Atomic double first_unix, last_unix; /* first and last acceptance */
};

struct sink {
    struct sink_options opt;
    SSL_CTX *tls;
    struct site sites[MAX_SITES];
    int n_sites;
    int log_fd;
    _Atomic long open, open_max;   /* connections */
    _Atomic long rcpts, dump_next; /* rcpts: kept for --expect only */
    _Atomic bool stop;
    _Atomic long log_flushes; /* done on request, so that who asked can wait for them */
    bool want_id;             /* the Message-ID is needed */
};

/* Finds the end of a message in a stream of reads, unstuffs it, and picks up its Message-ID. */
struct data {
    bool line_start, last_cr, in_header, id_follows;
    size_t bytes;      /* without stuffing, with line ends */
    struct buf copy;   /* the message, when it is to be dumped */
    struct buf id;     /* without angle brackets */
    struct buf header; /* the header line being read, at most HEADER_LINE */
};

struct worker;

/* What a session waits with until due_us. */
enum delay {
    DELAY_NONE,
    DELAY_GREETING,
    DELAY_INPUT,  /* a site's delay: what has come in is not looked at before */
    DELAY_ANSWER, /* --delay-ms: the answer to a message */
};

struct session {
    struct chan ch;
    struct worker *worker;
    struct site *site;
    bool greeted, in_mail, in_data, handshaking, closing, refused;
    enum delay delayed;
    bool polled_read, polled_write;
    long n_rcpts, transactions;
    size_t chunk_left; /* octets of BDAT still to come */
    bool in_chunk, chunk_last, chunk_useless, chunks_begun;
    uint64_t due_us; /* while delayed */
    size_t heap_at;
    struct buf sender; /* envelope, kept only for --log and --dump */
    struct buf rcpts;  /* each with a NUL behind it */
    struct buf carry;  /* input not yet understood: the start of a line */
    struct data data;
    LIST_ENTRY(session) all;
};

LIST_HEAD(session_list, session);

/* Delayed sessions; those that are due first come first. */
struct timer {
    struct session **heap;
    size_t len, cap;
};

struct worker {
    struct sink *sink;
    int epoll, wake; /* wake: eventfd, for stop and log flush */
    struct buf log;
    uint64_t log_us;
    char *in; /* READ_SIZE and room for a carry */
    size_t in_cap;
    struct session_list sessions;
    struct timer delayed;
    struct sink_stats stats;
    pthread_t thread;
};

/* ---- sink_data.c ---- */

void data_begin(struct data *d);
/*
 * Take message text from p. Returns how much was used; *end is set when the final dot was among it. What is
 * left over (at most 2 bytes, when *end is not set) must be offered again with more behind it.
 */
size_t data_take(struct data *d, const char *p, size_t len, bool want_id, bool want_copy, bool *end);
/* The same of a chunk (BDAT), where a dot is a dot; all of it is used. */
void data_take_chunk(struct data *d, const char *p, size_t len, bool want_id, bool want_copy);
void data_free(struct data *d);

/* ---- sink_timer.c ---- */

/* By s->due_us, which stays as it is until the session is removed. */
void timer_add(struct timer *t, struct session *s);
void timer_remove(struct timer *t, struct session *s);
struct session *timer_first(const struct timer *t); /* NULL: none */
void timer_free(struct timer *t);

/* ---- sink_site.c ---- */

/* A listening address without limits; name may be "". */
struct site *site_add(struct sink *k, const char *name, const char *address);
/* The sites of a table (--sites); a mistake in it ends the program. */
void sites_read(struct sink *k, const char *file);
void sites_open(struct sink *k);
/* May a message begin now? Counts the refusal. */
bool site_rate_ok(struct site *site);
void site_charge(struct site *site, long rcpts);
/* Append the counters of sites that have limits. */
void sites_report(struct sink *k, struct buf *out);

/* ---- sink_session.c ---- */

void worker_run(struct worker *w);

/* ---- sink_record.c ---- */

/* A message was accepted: count it, log its recipients, dump it. */
void record_message(struct worker *w, struct session *s);
void record_flush(struct worker *w);

#endif
