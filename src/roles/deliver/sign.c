/* sign.c: DKIM signatures of what leaves. The keys are files that this role alone reads; a table that changes
 * is read again. With which of them a copy is signed: those of its list; of the author's domain for mail that
 * is ours (from clients that may relay, or made here). Nobody's mail is made ours by that: keys of the
 * author's own organization sign a copy only when what came in was shown to be from there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/check.h"
#include "auth/dkim_canon.h"
#include "auth/keyring.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "mail/address.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"

enum { LIFE_S = 14 * 24 * 3600, LOOK_MS = 2000 };

static struct {
    char *folder, *table;
    struct keyring *now; /* read without a lock: one that was replaced is kept to the end */
    struct keyring
        *before[64]; /* of a rotation there are few in a process's life; then none is read any more */
    size_t count;
    struct timespec read; /* the table's time */
    int64_t looked_ms;
} keys;

static bool is_changed(void) {
    struct stat st;
    if (stat(keys.table, &st) < 0)
        st.st_mtim = (struct timespec){0};
    bool changed = st.st_mtim.tv_sec != keys.read.tv_sec || st.st_mtim.tv_nsec != keys.read.tv_nsec;
    keys.read = st.st_mtim;
    return changed;
}

bool signing_start(struct err *e) {
    keys.folder = config_path(deliver.role.config, "data/dkim");
    keys.table = config_path(deliver.role.config, "data/dkim/keys");
    is_changed();
    keys.now = keyring_open(keys.folder, true, e);
    return keys.now != NULL;
}

void signing_refresh(void) {
    struct err e;
    if (clock_mono_ms() - keys.looked_ms < LOOK_MS)
        return;
    keys.looked_ms = clock_mono_ms();
    if (!is_changed() || keys.count == COUNT_OF(keys.before))
        return;
    struct keyring *fresh = keyring_open(keys.folder, true, &e);
    if (!fresh) { /* half a change: the old keys sign on */
        log_line(LOG_ERROR, "keys-not-read", LOG_S("reason", e.text));
        keys.read = (struct timespec){0}; /* it is looked at again */
        return;
    }
    keys.before[keys.count++] = keys.now;
    __atomic_store_n(&keys.now, fresh, __ATOMIC_RELEASE);
    log_line(LOG_INFO, "keys-read", LOG_I("keys", fresh->count));
}

void signing_stop(void) {
    for (size_t i = 0; i < keys.count; i++)
        keyring_free(&keys.before[i]);
    keyring_free(&keys.now);
    mem_free_ptr(&keys.folder);
    mem_free_ptr(&keys.table);
}

/* ---- with which keys ---- */

/* Labels that both names end in. */
static size_t labels_in_common(view one, view other) {
    size_t n = 0;
    while (one.len > 0 && other.len > 0) {
        ptrdiff_t dot = view_rfind(one, '.'), other_dot = view_rfind(other, '.');
        if (!view_eq_nocase(view_skip(one, (size_t)(dot + 1)), view_skip(other, (size_t)(other_dot + 1))))
            break;
        n++;
        one = view_slice(one, 0, dot < 0 ? 0 : (size_t)dot);
        other = view_slice(other, 0, other_dot < 0 ? 0 : (size_t)other_dot);
    }
    return n;
}

/* Some receiver may take them for domains of one organization, as DMARC's relaxed alignment does: siblings,
 * too. Which names are registries' only receivers know, so of these some count that need not. */
static bool may_be_of_one(view one, view other) {
    size_t n = labels_in_common(one, other);
    return n > 1 || view_eq_nocase(one, other) ||
           (n == 1 && (view_find(one, '.') < 0 || view_find(other, '.') < 0));
}

bool signing_may_use(const struct signing *s, const struct signing_key *key) {
    return s->shown || (s->author.len > 0 && !may_be_of_one(s->author, key->domain));
}

/* The result of DMARC in the field that smtpd put on top; where it did not check, nobody says that it failed.
 */
static bool author_is_shown(view trace, struct arena *a) {
    static const struct authres_reading how = {.utf8 = true};
    struct header h;
    struct authres found;
    header_parse(trace, a, &h);
    const struct header_field *f = header_find(&h, "Authentication-Results");
    if (!f)
        return true;
    if (!authres_parse(f->value, &how, a, &found))
        return false;
    for (size_t i = 0; i < found.count; i++)
        if (view_eq(found.results[i].method, VIEW("dmarc")))
            return view_eq(found.results[i].result, VIEW("pass"));
    return false;
}

static void add_keys(struct dkim_signing *s, view domain) {
    const struct signing_key *found[SIGNING_KEYS_MOST];
    size_t n = keyring_find(__atomic_load_n(&keys.now, __ATOMIC_ACQUIRE), domain, found);
    for (size_t i = 0; i < n && s->key_count < SIGNING_KEYS_MOST; i++) {
        bool known = false;
        for (size_t k = 0; k < s->key_count; k++)
            known |= s->keys[k] == found[i];
        if (!known)
            s->keys[s->key_count++] = found[i];
    }
}

size_t signing_keys_of(view domain, const struct signing_key *ret[SIGNING_KEYS_MOST]) {
    return keyring_find(__atomic_load_n(&keys.now, __ATOMIC_ACQUIRE), domain, ret);
}

/* What smtpd found, sealed with the key of the list or of who forwards (RFC 8617): RSA alone. */
static void begin_seal(struct signing *s, const struct signed_mail *m, struct arena *a) {
    static const struct authres_reading how = {.utf8 = true};
    const struct signing_key *found[SIGNING_KEYS_MOST];
    struct header h;
    header_parse(m->trace, a, &h);
    const struct header_field *f = header_find(&h, "Authentication-Results");
    view domain = m->list.len > 0 ? address_split(m->list).domain : view_of(deliver.role.config->srs_domain);
    if (!deliver.role.config->arc_seal || !f || !authres_parse(arena_view(a, f->value), &how, a, &s->found))
        return;
    for (size_t i = 0; i < s->found.count; i++) {
        int64_t chain;
        if (view_eq(s->found.results[i].method, VIEW("arc")) &&
            words_find(ARC_WORDS, s->found.results[i].result, &chain))
            s->chain = (enum arc_result)chain;
    }
    for (size_t n = signing_keys_of(domain, found); n-- > 0;)
        if (!found[n]->ed25519)
            s->seal = found[n];
}

void signing_begin(struct signing *s, const struct signed_mail *m, struct arena *kept) {
    struct arena a;
    view author;
    *s = (struct signing){.dkim = {.now_s = clock_now_ms() / 1000, .life_s = LIFE_S}};
    if (__atomic_load_n(&keys.now, __ATOMIC_ACQUIRE)->count == 0)
        return;
    arena_init(&a, LIMIT_DECISION_ARENA);
    bool ours = (m->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE)) != 0;
    bool clear = author_domain(m->header, &a, &author);
    s->shown = ours || m->mitigated || author_is_shown(m->trace, &a);
    s->author = clear ? arena_view(kept, author) : VIEW("");
    if (m->list.len > 0)
        add_keys(&s->dkim, address_split(m->list).domain);
    if (clear && (m->mitigated || (m->list.len == 0 && ours)))
        add_keys(&s->dkim, author);
    for (size_t i = 0; i < s->dkim.key_count; i++)
        if (!signing_may_use(s, s->dkim.keys[i]))
            s->dkim.keys[i--] = s->dkim.keys[--s->dkim.key_count];
    arena_done(&a);
    begin_seal(s, m, kept);
}

void signing_hash(struct signing *s, view body) {
    if (s->dkim.key_count > 0 || s->seal)
        canon_body_digest(CANON_RELAXED, body, -1, s->body_sha256);
}

void signing_add(const struct signing *s, view header, struct buf *out) {
    struct buf signatures = BUF_INIT(LIMIT_HEADER_BYTES), signed_header = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    if (s->dkim.key_count > 0)
        dkim_sign(&s->dkim, header, s->body_sha256, &signatures);
    if (s->seal) {
        struct arena a;
        const struct arc_sealing seal = {.key = s->seal,
                                         .found = &s->found,
                                         .now_s = s->dkim.now_s,
                                         .chain = s->chain,
                                         .fields = VIEW("")};
        arena_init(&a, LIMIT_DECISION_ARENA);
        buf_add(&signed_header, buf_view(&signatures));
        buf_add(&signed_header, header);
        arc_seal(&seal, buf_view(&signed_header), s->body_sha256, &a, out);
        arena_done(&a);
    }
    buf_add(out, buf_view(&signatures));
    buf_done(&signatures);
    buf_done(&signed_header);
}
