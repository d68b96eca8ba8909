/* id.c: identifiers that sort by time, and randomness.
 *
 * The last identifier (without its source) is kept as one number, milliseconds above a counter. A new one is
 * either "now, with the counter at a random start" or the last plus one, whichever is greater: so a counter
 * that runs over borrows from the next millisecond, and a wall clock set back never repeats an identifier.
 * The random start keeps a process that restarts within the same millisecond away from its own past. */
#include "base/id.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

enum { SOURCE_BITS = 5, COUNTER_BITS = 17, TIME_BITS = 41, DIGIT_BITS = 5 };
#define EPOCH_MS INT64_C(1577836800000) /* 2020-01-01 UTC */

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static _Atomic(uint64_t) last_tick; /* milliseconds since EPOCH_MS, then the counter */
static _Atomic(unsigned) id_source;

void random_bytes(void *p, size_t len) {
    char *to = p;
    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        BUG_ON(n <= 0); /* without randomness nothing secret is safe */
        to += n;
        len -= (size_t)n;
    }
}

uint64_t random_u64(void) {
    uint64_t n;
    random_bytes(&n, sizeof n);
    return n;
}

/* From a stock: an identifier must differ, it need not be secret. */
static uint64_t cheap_random(void) {
    static _Thread_local uint64_t stock[32];
    static _Thread_local size_t left;
    if (left == 0) {
        random_bytes(stock, sizeof stock);
        left = sizeof stock / sizeof stock[0];
    }
    return stock[--left];
}

void id_set_source(unsigned source) {
    BUG_ON(source >> SOURCE_BITS);
    atomic_store(&id_source, source);
}

/* Milliseconds since EPOCH_MS, kept within TIME_BITS. */
static uint64_t ticks_now(void) {
    const int64_t most = (INT64_C(1) << TIME_BITS) - 1;
    int64_t ms = clock_now_ms() - EPOCH_MS;
    if (ms < 0)
        ms = 0;
    return (uint64_t)(ms < most ? ms : most);
}

int64_t id_new(void) {
    uint64_t last = atomic_load(&last_tick), next;
    do {
        uint64_t now = ticks_now();
        if (last >> COUNTER_BITS >= now)
            next = last + 1;
        else /* half of the counter's range at most, so that the rest is room to count */
            next = now << COUNTER_BITS | cheap_random() >> (64 - COUNTER_BITS + 1);
    } while (!atomic_compare_exchange_weak(&last_tick, &last, next));
    return (int64_t)(next << SOURCE_BITS | atomic_load(&id_source));
}

int64_t id_at_ms(int64_t ms) {
    if (ms > EPOCH_MS && (ms - EPOCH_MS) >> TIME_BITS)
        return INT64_MAX;
    return ms > EPOCH_MS ? (ms - EPOCH_MS) << (COUNTER_BITS + SOURCE_BITS) : 0;
}

int64_t id_time_ms(int64_t id) {
    return (id >> (COUNTER_BITS + SOURCE_BITS)) + EPOCH_MS;
}

struct id_text id_format(int64_t id) {
    struct id_text text = {{0}};
    uint64_t rest = (uint64_t)id;
    for (size_t i = ID_TEXT_LEN; i-- > 0; rest >>= DIGIT_BITS)
        text.s[i] = digits[rest & ((1u << DIGIT_BITS) - 1)];
    return text;
}

/* Value of a digit, or -1. Reads what people write for the digits they see. */
static int digit_value(char c) {
    char upper = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    if (upper == 'O')
        return 0;
    if (upper == 'I' || upper == 'L')
        return 1;
    return (int)view_find((view){digits, sizeof digits - 1}, upper);
}

bool id_parse(view v, int64_t *ret_id) {
    uint64_t id = 0;
    if (v.len != ID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        int digit = digit_value(v.ptr[i]);
        if (digit < 0 || (i == 0 && digit > 7)) /* 13 digits are 65 bits, an id has 63 */
            return false;
        id = id << DIGIT_BITS | (uint64_t)digit;
    }
    *ret_id = (int64_t)id;
    return true;
}

void random_hex(size_t len, char *ret) {
    random_bytes(ret + len, len); /* the digits of each octet are written at or before its place */
    for (size_t i = 0; i < len; i++) {
        unsigned octet = (unsigned char)ret[len + i];
        ret[2 * i] = "0123456789abcdef"[octet >> 4];
        ret[2 * i + 1] = "0123456789abcdef"[octet & 15];
    }
    ret[2 * len] = '\0';
}
