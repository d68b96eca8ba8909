/* cmd_dkim.c: postroad dkim key: keys that mail is signed with, from the first to the one that follows it. */
#include <stdio.h>
#include <time.h>

#include "auth/dkim_key.h"
#include "auth/keyring.h"
#include "auth/resolve.h"
#include "base/clock.h"
#include "base/words.h"
#include "cli/cli.h"
#include "net/dns.h"

enum {
    PATIENCE_MS = 10000,
    BITS = 2048,
    DAY_MS = 24 * 3600 * 1000,
    PUBLISHED_MS = 3600 * 1000, /* what was asked for before it was there is remembered as missing */
    RETIRED_DAYS = 21,          /* mail signed with it may be under way: queue_lifetime, x=, and some */
    STRING_MOST = 255           /* RFC 1035 3.3 */
};

struct keys {
    struct cli *cli;
    char *folder;
    struct keyring *ring;
};

static bool open_keys(struct cli *c, struct keys *k, struct err *e) {
    if (!cli_config(c, e))
        return false;
    k->cli = c;
    k->folder = config_path(c->config, "data/dkim");
    k->ring = keyring_open(k->folder, false, e);
    return k->ring != NULL;
}

static bool close_keys(struct keys *k, bool ok) {
    keyring_free(&k->ring);
    mem_free_ptr(&k->folder);
    return ok;
}

/* ---- records ---- */

static view record_name(struct keys *k, const struct signing_key *key) {
    return arena_printf(&k->cli->arena, "%.*s._domainkey.%.*s", VIEW_ARG(key->selector),
                        VIEW_ARG(key->domain));
}

static view record_text(struct keys *k, const struct signing_key *key) {
    struct buf text = BUF_INIT(LIMIT_SETTING_TEXT);
    signing_key_record(key, &text);
    view made = arena_view(&k->cli->arena, buf_view(&text));
    buf_done(&text);
    return made;
}

/* As a zone file has it: strings of at most 255 octets. */
static view zone_line(struct keys *k, const struct signing_key *key) {
    struct buf line = BUF_INIT(LIMIT_SETTING_TEXT);
    view name = record_name(k, key), rest = record_text(k, key);
    buf_printf(&line, "%.*s. 3600 IN TXT (", VIEW_ARG(name));
    for (; rest.len > 0; rest = view_skip(rest, STRING_MOST))
        buf_printf(&line, " \"%.*s\"", VIEW_ARG(view_slice(rest, 0, STRING_MOST)));
    buf_add_str(&line, " )");
    view made = arena_view(&k->cli->arena, buf_view(&line));
    buf_done(&line);
    return made;
}

/* DNS publishes exactly this key. */
static bool is_published(struct keys *k, struct dns *dns, const struct signing_key *key) {
    struct answers answers;
    struct dkim_key read;
    const char *why;
    bool same = false;
    answers_init(&answers, &k->cli->arena);
    view name = record_name(k, key);
    answers_get(&answers, name, RECORD_TXT);
    answers_resolve(&answers, dns, clock_mono_ms() + PATIENCE_MS);
    const struct answer *found = answers_get(&answers, name, RECORD_TXT);
    for (size_t i = 0; found && i < found->count && !same; i++)
        if (dkim_key_read(found->records[i].data, &k->cli->arena, &read, &why)) {
            same = EVP_PKEY_eq(read.key, key->key) == 1;
            dkim_key_done(&read);
        }
    return same;
}

/* ---- create ---- */

static bool has_selector(const struct keyring *ring, view domain, view selector) {
    for (size_t i = 0; i < ring->count; i++)
        if (view_eq(ring->list[i].key.domain, domain) && view_eq(ring->list[i].key.selector, selector))
            return true;
    return false;
}

/* The day and the kind, "20261129r"; with a letter behind it for the second of that day. */
static view new_selector(struct keys *k, view domain, bool ed25519) {
    time_t now = clock_now_ms() / 1000;
    struct tm day;
    gmtime_r(&now, &day);
    for (char letter = 'a' - 1;; letter++) {
        view made = arena_printf(&k->cli->arena, "%04d%02d%02d%s%.*s", day.tm_year + 1900, day.tm_mon + 1,
                                 day.tm_mday, ed25519 ? "e" : "r", letter >= 'a', &letter);
        if (letter == 'z' || !has_selector(k->ring, domain, made))
            return made;
    }
}

static void say_publish(struct keys *k, size_t from) {
    for (size_t i = from; i < k->ring->count; i++)
        cli_print(k->cli, "%.*s\n", VIEW_ARG(zone_line(k, &k->ring->list[i].key)));
}

static bool make_keys(struct keys *k, view domain, const char *algorithm, int bits, struct err *e) {
    bool both = !algorithm || view_eq(view_of(algorithm), VIEW("both")), ok = true;
    bool rsa = both || view_eq(view_of(algorithm), VIEW("rsa")),
         ed25519 = both || view_eq(view_of(algorithm), VIEW("ed25519"));
    if (!rsa && !ed25519)
        return err_set(e, ERR_USAGE, "--algorithm %.40s: rsa, ed25519 or both is wanted", algorithm);
    if (rsa)
        ok = keyring_make(k->ring, k->folder, domain, new_selector(k, domain, false), false, bits,
                          clock_now_ms(), e);
    if (ok && ed25519)
        ok = keyring_make(k->ring, k->folder, domain, new_selector(k, domain, true), true, 0, clock_now_ms(),
                          e);
    return ok && keyring_save(k->ring, k->folder, e);
}

static json_t *keys_json(struct keys *k, size_t from) {
    json_t *list = json_array();
    for (size_t i = from; i < k->ring->count; i++) {
        const struct keyring_key *key = &k->ring->list[i];
        json_array_append_new(list, json_pack("{sosososo}", "name", cli_json_text(record_name(k, &key->key)),
                                              "type", json_string("TXT"), "value",
                                              cli_json_text(record_text(k, &key->key)), "state",
                                              cli_json_text(words_at(KEY_STATE_WORDS, key->state))));
    }
    return list;
}

static bool read_bits(struct cli *c, int64_t *ret, struct err *e) {
    const char *text = args_get(&c->args, "--bits");
    *ret = BITS;
    return !text || (view_to_i64(view_of(text), ret) && *ret >= 1024 && *ret <= 4096) ||
           err_set(e, ERR_USAGE, "--bits %.40s: 1024 to 4096; 2048 is what everybody verifies", text);
}

bool cmd_dkim_key_create(struct cli *c, struct err *e) {
    struct keys k;
    view domain;
    int64_t bits;
    if (!cli_domain(c, c->args.words[0], &domain, e) || !read_bits(c, &bits, e) || !open_keys(c, &k, e))
        return false;
    size_t before = k.ring->count;
    bool ok = make_keys(&k, domain, args_get(&c->args, "--algorithm"), (int)bits, e);
    if (ok && c->json) {
        cli_json(c, keys_json(&k, before));
    } else if (ok) {
        say_publish(&k, before);
        cli_print(c, "Publish this in DNS, then: postroad dkim key rotate %.*s\n", VIEW_ARG(domain));
    }
    return close_keys(&k, ok);
}

bool cmd_dkim_key_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"domain", "DOMAIN"}, {"selector", "SELECTOR"}, {"algorithm", "ALGORITHM"},
        {"bits", "BITS"},     {"state", "STATE"},       {"since", "SINCE"},
        {"name", NULL},       {"record", NULL}};
    struct keys k;
    struct table t;
    if (!open_keys(c, &k, e))
        return false;
    table_open(&t, c, columns, COUNT_OF(columns));
    for (size_t i = 0; i < k.ring->count; i++) {
        const struct keyring_key *key = &k.ring->list[i];
        table_text(&t, key->key.domain);
        table_text(&t, key->key.selector);
        table_text(&t, key->key.ed25519 ? VIEW("ed25519") : VIEW("rsa"));
        table_int(&t, EVP_PKEY_get_bits(key->key.key));
        table_text(&t, words_at(KEY_STATE_WORDS, key->state));
        table_time(&t, key->since_ms);
        table_text(&t, record_name(&k, &key->key));
        table_text(&t, record_text(&k, &key->key));
    }
    return close_keys(&k, table_close(&t, e));
}

bool cmd_dkim_key_show(struct cli *c, struct err *e) {
    struct keys k;
    view domain;
    if (!cli_domain(c, c->args.words[0], &domain, e) || !open_keys(c, &k, e))
        return false;
    bool any = false;
    for (size_t i = 0; i < k.ring->count; i++) {
        if (!view_eq(k.ring->list[i].key.domain, domain))
            continue;
        any = true;
        cli_print(c, "%.*s ; %.*s\n", VIEW_ARG(zone_line(&k, &k.ring->list[i].key)),
                  VIEW_ARG(words_at(KEY_STATE_WORDS, k.ring->list[i].state)));
    }
    return close_keys(&k, any || err_set(e, ERR_NOT_FOUND, "%.*s has no keys: postroad dkim key create %.*s",
                                         VIEW_ARG(domain), VIEW_ARG(domain)));
}

/* ---- rotate ---- */

struct rotation {
    view domain;
    bool now;         /* what DNS says is not waited for */
    int64_t after_ms; /* the age at which a key gets a successor */
    struct dns *dns;
    struct buf said;
    size_t fresh, active;
};

static void say(struct rotation *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct rotation *r, const char *fmt, ...) {
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    buf_printf(&r->said, "%s\n", line);
}

static void enter(struct keyring_key *key, enum key_state state) {
    key->state = state;
    key->since_ms = clock_now_ms();
}

/* A new key begins to sign once the world can see it; the one of its kind before it ends. */
static void switch_to(struct keys *k, struct rotation *r, struct keyring_key *to) {
    for (size_t i = 0; i < k->ring->count; i++) {
        struct keyring_key *old = &k->ring->list[i];
        if (old == to || old->state != KEY_ACTIVE || old->key.ed25519 != to->key.ed25519 ||
            !view_eq(old->key.domain, r->domain))
            continue;
        enter(old, KEY_RETIRED);
        say(r, "%.*s no longer signs; leave its record for %d days", VIEW_ARG(old->key.selector),
            RETIRED_DAYS);
    }
    enter(to, KEY_ACTIVE);
    say(r, "%.*s signs from now on", VIEW_ARG(to->key.selector));
}

static void step_new(struct keys *k, struct rotation *r, struct keyring_key *key) {
    bool there = r->now || is_published(k, r->dns, &key->key);
    if (!there) {
        say(r, "%.*s is not published yet (postroad dkim key show %.*s): nothing is changed",
            VIEW_ARG(key->key.selector), VIEW_ARG(r->domain));
        return;
    }
    if (key->state == KEY_NEW) {
        bool first = r->active == 0; /* nobody has had a reason to ask for one */
        enter(key, KEY_PUBLISHED);
        if (!first && !r->now)
            say(r,
                "%.*s is published; it signs when caches have forgotten that it was not: run this again in "
                "an hour",
                VIEW_ARG(key->key.selector));
        if (!first && !r->now)
            return;
    } else if (!r->now && clock_now_ms() - key->since_ms < PUBLISHED_MS) {
        say(r, "%.*s waits until it has been published for an hour", VIEW_ARG(key->key.selector));
        return;
    }
    switch_to(k, r, key);
}

static bool step_retired(struct keys *k, struct rotation *r, size_t *at, struct err *e) {
    const struct keyring_key *key = &k->ring->list[*at];
    if (clock_now_ms() - key->since_ms < (int64_t)RETIRED_DAYS * DAY_MS)
        return true;
    say(r, "%.*s is deleted: its record can be taken out of DNS", VIEW_ARG(record_name(k, &key->key)));
    return keyring_remove(k->ring, k->folder, (*at)--, e);
}

/* What is due for each key of the domain. */
static bool step_all(struct keys *k, struct rotation *r, struct err *e) {
    for (size_t i = 0; i < k->ring->count; i++) {
        struct keyring_key *key = &k->ring->list[i];
        if (!view_eq(key->key.domain, r->domain))
            continue;
        if (key->state == KEY_NEW || key->state == KEY_PUBLISHED) {
            r->fresh++;
            step_new(k, r, key);
        } else if (key->state == KEY_RETIRED && !step_retired(k, r, &i, e)) {
            return false;
        }
    }
    return true;
}

/* Successors for what signs now. */
static bool begin_rotation(struct keys *k, struct rotation *r, struct err *e) {
    size_t before = k->ring->count;
    for (size_t i = 0; i < before; i++) {
        const struct keyring_key *old = &k->ring->list[i];
        bool ed25519 = old->key.ed25519;
        if (old->state == KEY_ACTIVE && view_eq(old->key.domain, r->domain) &&
            clock_now_ms() - old->since_ms >= r->after_ms &&
            !keyring_make(k->ring, k->folder, r->domain, new_selector(k, r->domain, ed25519), ed25519,
                          EVP_PKEY_get_bits(old->key.key), clock_now_ms(), e))
            return false;
    }
    for (size_t i = before; i < k->ring->count; i++)
        say(r, "%.*s", VIEW_ARG(zone_line(k, &k->ring->list[i].key)));
    if (k->ring->count > before)
        say(r, "publish this in DNS, then run this again");
    else
        say(r, "nothing is due");
    return true;
}

static bool rotate(struct keys *k, struct rotation *r, struct err *e) {
    for (size_t i = 0; i < k->ring->count; i++)
        r->active += k->ring->list[i].state == KEY_ACTIVE && view_eq(k->ring->list[i].key.domain, r->domain);
    if (!step_all(k, r, e))
        return false;
    if (r->fresh == 0 && r->active == 0)
        return err_set(e, ERR_NOT_FOUND, "%.*s has no keys: postroad dkim key create %.*s",
                       VIEW_ARG(r->domain), VIEW_ARG(r->domain));
    return (r->fresh > 0 || begin_rotation(k, r, e)) && keyring_save(k->ring, k->folder, e);
}

bool cmd_dkim_key_rotate(struct cli *c, struct err *e) {
    struct rotation r = {.now = args_has(&c->args, "--now"), .said = BUF_INIT(LIMIT_SETTING_TEXT)};
    const char *after = args_get(&c->args, "--after");
    struct keys k;
    if (after && !duration_parse(view_of(after), &r.after_ms))
        return err_set(e, ERR_USAGE, "--after %.40s: a time such as 180d is wanted", after);
    if (!cli_domain(c, c->args.words[0], &r.domain, e) || !open_keys(c, &k, e))
        return false;
    r.dns = dns_open_configured(c->config, e);
    bool ok = r.dns && rotate(&k, &r, e);
    if (ok)
        cli_done(c, json_pack("{soso}", "domain", cli_json_text(r.domain), "keys", keys_json(&k, 0)), "%.*s",
                 (int)r.said.len - 1, r.said.data);
    dns_close(&r.dns);
    buf_done(&r.said);
    return close_keys(&k, ok);
}

bool cmd_dkim_key_remove(struct cli *c, struct err *e) {
    struct keys k;
    view domain, selector = view_of(c->args.words[1]);
    if (!cli_domain(c, c->args.words[0], &domain, e) || !open_keys(c, &k, e))
        return false;
    size_t i = 0;
    while (i < k.ring->count &&
           !(view_eq(k.ring->list[i].key.domain, domain) && view_eq(k.ring->list[i].key.selector, selector)))
        i++;
    bool ok = i < k.ring->count || err_set(e, ERR_NOT_FOUND, "%.*s has no key with selector %.*s",
                                           VIEW_ARG(domain), VIEW_ARG(selector));
    ok = ok && keyring_remove(k.ring, k.folder, i, e);
    if (ok)
        cli_done(c, json_pack("{soso}", "domain", cli_json_text(domain), "selector", cli_json_text(selector)),
                 "key %.*s of %.*s removed; take its record out of DNS", VIEW_ARG(selector),
                 VIEW_ARG(domain));
    return close_keys(&k, ok);
}
