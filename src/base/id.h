/* id.h: 63-bit identifiers that sort by time and are unique over the roles of an instance, and their text
 * form, the queue id: 13 digits of Crockford's base 32 (no I, L, O, U), which people can read aloud. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/view.h"

#define ID_TEXT_LEN 13

struct id_text {
    char s[ID_TEXT_LEN + 1];
};

/* 41 bits of milliseconds since 2020, 17 of a counter that starts at random, 5 of `id_set_source`.
 * Thread-safe. */
int64_t id_new(void);
/* Distinguishes processes that make ids at the same time: 0..31. */
void id_set_source(unsigned source);
int64_t id_time_ms(int64_t id);
/* The smallest id that can have been made at that time: for "older than". */
int64_t id_at_ms(int64_t ms);

struct id_text id_format(int64_t id);
/* Case-insensitive; reads O as 0 and I, L as 1. False when not an id. */
bool id_parse(view v, int64_t *ret_id);

/* Cryptographically strong bytes. */
void random_bytes(void *p, size_t len);
uint64_t random_u64(void);
/* So many of them in hexadecimal digits: 2 * len, and a NUL. */
void random_hex(size_t len, char *ret);

#endif
