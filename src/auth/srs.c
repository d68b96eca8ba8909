/* srs.c: see srs.h. The hash is HMAC-SHA-1 in base64, cut short, as everybody has it who rewrites senders; so
 * an address made by a program that was here before, with the same key, still leads back. In place of "+" and
 * "/", at which some hosts cut local parts, "-" and "_" are written; all of them are read. */
#include "auth/srs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/err.h"
#include "mail/address.h"

enum {
    TAG_LEN = 4, /* "SRS0" */
    SHA1_LEN = 20,
    BASE64_LEN = 28, /* of such a hash, with one "=" at its end */
    HASH_LEN = 4,    /* that are made, and at least wanted */
    DAYS = 1024,     /* two digits */
    DAY_S = 24 * 60 * 60
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* The character behind the tag may be another than "=", and is kept then. */
static bool has_tag(view local, view tag) {
    return local.len > TAG_LEN && view_starts_with_nocase(local, tag) &&
           view_find(VIEW("=+-"), local.ptr[TAG_LEN]) >= 0;
}

bool srs_is_one(view address) {
    if (view_starts_with(address, VIEW("\"")))
        address = view_skip(address, 1);
    return has_tag(address, VIEW("SRS0")) || has_tag(address, VIEW("SRS1"));
}

static void hash_make(view key, view text, char ret[BASE64_LEN + 1]) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    unsigned char *ok =
        HMAC(EVP_sha1(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, mac, &len);
    BUG_ON(!ok || len != SHA1_LEN);
    EVP_EncodeBlock((unsigned char *)ret, mac, SHA1_LEN);
    for (size_t i = 0; i < BASE64_LEN; i++)
        ret[i] = ret[i] == '+' ? '-' : ret[i] == '/' ? '_' : ret[i];
}

static char plain(char ch) {
    return ch == '+' ? '-' : ch == '/' ? '_' : ascii_lower(ch);
}

static bool hash_is(const struct srs_keys *keys, view text, view given) {
    char wanted[BASE64_LEN + 1], got[BASE64_LEN];
    bool right = false;
    if (given.len < HASH_LEN || given.len >= BASE64_LEN)
        return false;
    for (size_t i = 0; i < given.len; i++)
        got[i] = plain(given.ptr[i]);
    for (size_t k = 0; k < keys->count && k < SRS_KEYS_MOST; k++) {
        if (keys->list[k].len == 0)
            continue;
        hash_make(keys->list[k], text, wanted);
        for (size_t i = 0; i < given.len; i++)
            wanted[i] = plain(wanted[i]);
        right |= CRYPTO_memcmp(wanted, got, given.len) == 0;
    }
    return right;
}

static unsigned day_of(int64_t now_s) {
    return now_s > 0 ? (unsigned)(now_s / DAY_S % DAYS) : 0;
}

/* The day must not be longer ago than that. One ahead is right too: midnight is not the same everywhere. */
static bool is_young(view day, int64_t now_s, int age_days) {
    unsigned then = 0;
    if (day.len != 2)
        return false;
    for (size_t i = 0; i < day.len; i++) {
        char ch = day.ptr[i] >= 'a' && day.ptr[i] <= 'z' ? (char)(day.ptr[i] - 'a' + 'A') : day.ptr[i];
        ptrdiff_t digit = view_find(view_of(digits), ch);
        if (digit < 0)
            return false;
        then = then * 32 + (unsigned)digit;
    }
    unsigned age = (day_of(now_s) + DAYS - then) % DAYS;
    return age == DAYS - 1 || (age_days >= 0 && age <= (unsigned)age_days);
}

/* What is hashed of SRS0: day, domain and local part; of SRS1: the first forwarder's domain, and what it
 * made. */
static view hashed(view one, view two, view three, struct arena *a) {
    return arena_lower(a, arena_printf(a, "%.*s%.*s%.*s", VIEW_ARG(one), VIEW_ARG(two), VIEW_ARG(three)));
}

static bool normalise(view *domain, struct arena *a) {
    return view_starts_with(*domain, VIEW("[")) || domain_normalise(*domain, a, domain, NULL);
}

/* "hash=domain=…" of SRS1, where what the first forwarder has made begins with its separator. False: it only
 * looks so. */
static bool read_second(view local, struct arena *a, view *ret_hash, struct address *ret_first) {
    view rest = view_skip(local, TAG_LEN + 1), whole;
    if (!has_tag(local, VIEW("SRS1")) || !view_split(&rest, '=', ret_hash) ||
        !view_split(&rest, '=', &ret_first->domain) || !normalise(&ret_first->domain, a))
        return false;
    ret_first->local = rest;
    return rest.len > 0 && view_find(VIEW("=+-"), rest.ptr[0]) >= 0 && address_close(ret_first, a, &whole);
}

/* SRS1: `first` has the domain of the first forwarder and what stands behind its "SRS0". */
static view write_second(const struct address *first, view key, struct arena *a) {
    char hash[BASE64_LEN + 1];
    hash_make(key, hashed(first->domain, first->local, VIEW(""), a), hash);
    return arena_printf(a, "SRS1=%.*s=%.*s=%.*s", HASH_LEN, hash, VIEW_ARG(first->domain),
                        VIEW_ARG(first->local));
}

static view write_first(const struct address *from, view key, int64_t now_s, struct arena *a) {
    char hash[BASE64_LEN + 1];
    unsigned n = day_of(now_s);
    char day[2] = {digits[n / 32], digits[n % 32]};
    hash_make(key, hashed(view_from(day, sizeof day), from->domain, from->local, a), hash);
    return arena_printf(a, "SRS0=%.*s=%.2s=%.*s=%.*s", HASH_LEN, hash, day, VIEW_ARG(from->domain),
                        VIEW_ARG(from->local));
}

bool srs_forward(view sender, view forwarder, const struct srs_keys *keys, int64_t now_s, struct arena *a,
                 view *ret) {
    struct address from, first, to = {.domain = forwarder};
    view hash;
    if (keys->count == 0 || keys->list[0].len == 0 || !address_open(sender, a, &from))
        return false;
    if (!normalise(&from.domain, a))
        return false;
    if (view_eq_nocase(from.domain, forwarder)) {
        *ret = sender;
        return true;
    }
    if (read_second(from.local, a, &hash, &first)) {
        to.local = write_second(&first, keys->list[0], a);
    } else if (has_tag(from.local, VIEW("SRS0"))) {
        first = (struct address){.local = view_skip(from.local, TAG_LEN), .domain = from.domain};
        to.local = write_second(&first, keys->list[0], a);
    } else {
        to.local = write_first(&from, keys->list[0], now_s, a);
    }
    return !a->failed && address_close(&to, a, ret);
}

/* "hash=day=domain=local" */
static bool reverse_first(view local, const struct srs_keys *keys, int64_t now_s, int age_days,
                          struct arena *a, view *ret) {
    view rest = view_skip(local, TAG_LEN + 1), hash, day;
    struct address to;
    if (!view_split(&rest, '=', &hash) || !view_split(&rest, '=', &day))
        return false;
    ptrdiff_t equals = view_find(rest, '=');
    if (equals <= 0)
        return false;
    to.domain = view_slice(rest, 0, (size_t)equals);
    to.local = view_skip(rest, (size_t)equals + 1);
    return hash_is(keys, hashed(day, to.domain, to.local, a), hash) && is_young(day, now_s, age_days) &&
           address_close(&to, a, ret);
}

bool srs_reverse(view address, const struct srs_keys *keys, int64_t now_s, int age_days, struct arena *a,
                 view *ret) {
    struct address given, first;
    view hash;
    if (!address_open(address, a, &given))
        return false;
    if (has_tag(given.local, VIEW("SRS0")))
        return reverse_first(given.local, keys, now_s, age_days, a, ret);
    if (!read_second(given.local, a, &hash, &first) ||
        !hash_is(keys, hashed(first.domain, first.local, VIEW(""), a), hash))
        return false;
    first.local = arena_printf(a, "SRS0%.*s", VIEW_ARG(first.local));
    return !a->failed && address_close(&first, a, ret);
}
