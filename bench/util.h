/*
 * Small helpers shared by postroad-load and postroad-sink.
 *
 * The two programs judge Postroad, so nothing under src/ is used here: a mistake in the project's own
 * libraries must not be able to hide itself by being on both ends of the wire.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A growing byte buffer. Zero-initialised is empty; memory is kept until buf_free(). */
struct buf {
    char *data;
    size_t len, cap;
};

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    socklen_t len;
};

/* Print a message and leave with status 2: for wrong options and a broken environment, never for a mail
 * failure. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic microseconds, for durations. */
uint64_t now_us(void);
/* Wall clock seconds, for logs. */
double now_unix(void);

/* "HOST:PORT" or "[HOST]:PORT", numeric only: a benchmark must not depend on a resolver. */
bool addr_parse(const char *text, struct addr *a);
/* The same back as text, into out. */
void addr_format(const struct addr *a, char *out, size_t cap);

/* Allocation failures end the program: no caller could do better. */
void *xcalloc(size_t n, size_t size);
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
void buf_free(struct buf *b);

/* Append text as a JSON string, with quotes. */
void buf_add_json(struct buf *b, const char *text);

/* Write all of it to a blocking descriptor; false on any error. */
bool write_all(int fd, const void *data, size_t len);

/* Numbers from the command line; die with the option's name when they are not in [min, max]. */
long parse_long(const char *option, const char *text, long min, long max);
double parse_seconds(const char *option, const char *text);

/* As many descriptors as the hard limit allows. */
void raise_nofile(void);

#endif
