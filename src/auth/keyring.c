/* keyring.c: see keyring.h. */
#include "auth/keyring.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/words.h"
#include "mail/transfer.h"

enum { TABLE_BYTES = 1 << 20, PEM_BYTES = 32 * 1024, RING_ARENA = 4 << 20 };

static char *table_path(const char *folder) {
    return mem_printf("%s/keys", folder);
}

static char *pem_path(const char *folder, const struct signing_key *k) {
    return mem_printf("%s/%.*s.%.*s.pem", folder, VIEW_ARG(k->domain), VIEW_ARG(k->selector));
}

/* ---- reading ---- */

static bool read_private(const char *folder, struct signing_key *k, struct err *e) {
    FREE_AUTO char *path = pem_path(folder, k);
    struct buf pem = BUF_INIT(PEM_BYTES);
    bool ok = file_read(path, &pem, e);
    BIO *bio = ok ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    k->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.len);
    buf_done(&pem);
    if (ok && (!k->key || EVP_PKEY_get_base_id(k->key) != (k->ed25519 ? EVP_PKEY_ED25519 : EVP_PKEY_RSA)))
        ok = err_set(e, ERR_CONFIG, "%s: no private key of that kind", path);
    return ok;
}

/* "DOMAIN SELECTOR rsa|ed25519 STATE MILLISECONDS" */
static bool read_line(struct keyring *k, view line, struct keyring_key *ret) {
    view words[5] = {VIEW_NULL};
    int64_t state;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        view_split(&line, ' ', &words[i]);
    *ret = (struct keyring_key){.key = {.domain = arena_view(&k->arena, words[0]),
                                        .selector = arena_view(&k->arena, words[1]),
                                        .ed25519 = view_eq(words[2], VIEW("ed25519"))}};
    bool ok = words[0].len > 0 && words[1].len > 0 && (ret->key.ed25519 || view_eq(words[2], VIEW("rsa"))) &&
              words_find(KEY_STATE_WORDS, words[3], &state) && view_to_i64(words[4], &ret->since_ms);
    ret->state = ok ? (enum key_state)state : KEY_NEW;
    return ok;
}

static bool read_table(struct keyring *k, const char *folder, const char *path, view table, bool only_active,
                       struct err *e) {
    view line;
    for (int number = 1; view_split(&table, '\n', &line); number++) {
        struct keyring_key *key = &k->list[k->count];
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (k->count == KEYRING_MOST || !read_line(k, line, key))
            return err_set(e, ERR_CONFIG,
                           "%s, line %d: domain, selector, algorithm, state and time are wanted", path,
                           number);
        if ((!only_active || key->state == KEY_ACTIVE) && !read_private(folder, &key->key, e))
            return false;
        k->count++;
    }
    return true;
}

struct keyring *keyring_open(const char *folder, bool only_active, struct err *e) {
    FREE_AUTO char *path = table_path(folder);
    struct keyring *k = mem_alloc(sizeof *k);
    struct buf table = BUF_INIT(TABLE_BYTES);
    arena_init(&k->arena, RING_ARENA);
    k->list = arena_array(&k->arena, struct keyring_key, KEYRING_MOST + 1);
    bool ok = !file_exists(path) ||
              (file_read(path, &table, e) && read_table(k, folder, path, buf_view(&table), only_active, e));
    buf_done(&table);
    if (!ok)
        keyring_free(&k);
    return k;
}

void keyring_free(struct keyring **k) {
    if (!*k)
        return;
    for (size_t i = 0; i < (*k)->count; i++)
        EVP_PKEY_free((*k)->list[i].key.key);
    arena_done(&(*k)->arena);
    free(*k);
    *k = NULL;
}

size_t keyring_find(const struct keyring *k, view domain, const struct signing_key *ret[SIGNING_KEYS_MOST]) {
    size_t n = 0;
    for (ptrdiff_t dot = 0; n == 0 && dot >= 0; domain = view_skip(domain, (size_t)dot + 1)) {
        for (size_t i = 0; i < k->count && n < SIGNING_KEYS_MOST; i++)
            if (k->list[i].state == KEY_ACTIVE && k->list[i].key.key &&
                view_eq_nocase(k->list[i].key.domain, domain))
                ret[n++] = &k->list[i].key;
        dot = view_find(domain, '.');
    }
    return n;
}

/* ---- writing ---- */

/* Root may make keys; the roles that read them are whose the data folder is. */
static void give_to_owner(const char *path, const char *folder) {
    FREE_AUTO char *data = mem_printf("%s/..", folder);
    struct stat st;
    if (geteuid() == 0 && stat(data, &st) == 0) {
        int ignored = chown(path, st.st_uid, st.st_gid);
        (void)ignored; /* then deliver says so */
    }
}

static bool write_file(const char *path, const char *folder, view content, struct err *e) {
    if (!file_mkdirs(folder, 0700, e) || !file_replace(path, content, 0600, e))
        return false;
    give_to_owner(folder, folder);
    give_to_owner(path, folder);
    return true;
}

static bool write_private(const char *folder, const struct signing_key *k, struct err *e) {
    FREE_AUTO char *path = pem_path(folder, k);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    BUG_ON(!bio || PEM_write_bio_PKCS8PrivateKey(bio, k->key, NULL, NULL, 0, NULL, NULL) != 1);
    long len = BIO_get_mem_data(bio, &text);
    bool ok = write_file(path, folder, view_from(text, (size_t)len), e);
    OPENSSL_cleanse(text, (size_t)len);
    BIO_free(bio);
    return ok;
}

bool keyring_make(struct keyring *k, const char *folder, view domain, view selector, bool ed25519, int bits,
                  int64_t now_ms, struct err *e) {
    for (size_t i = 0; i < k->count; i++)
        if (view_eq(k->list[i].key.domain, domain) && view_eq(k->list[i].key.selector, selector))
            return err_set(e, ERR_EXISTS, "%.*s has a key with selector %.*s already", VIEW_ARG(domain),
                           VIEW_ARG(selector));
    if (k->count == KEYRING_MOST)
        return err_set(e, ERR_LIMIT, "there are %d keys already", KEYRING_MOST);
    EVP_PKEY *made = ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                             : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    if (!made)
        return err_set(e, ERR_SYSTEM, "a key cannot be made");
    struct keyring_key *key = &k->list[k->count++];
    *key = (struct keyring_key){.key = {.domain = arena_view(&k->arena, domain),
                                        .selector = arena_view(&k->arena, selector),
                                        .ed25519 = ed25519,
                                        .key = made},
                                .state = KEY_NEW,
                                .since_ms = now_ms};
    return write_private(folder, &key->key, e);
}

bool keyring_save(const struct keyring *k, const char *folder, struct err *e) {
    FREE_AUTO char *path = table_path(folder);
    struct buf table = BUF_INIT(TABLE_BYTES);
    buf_add_str(&table,
                "# domain selector algorithm state since (milliseconds); written by postroad dkim key\n");
    for (size_t i = 0; i < k->count; i++) {
        const struct keyring_key *key = &k->list[i];
        buf_printf(&table, "%.*s %.*s %s %.*s %lld\n", VIEW_ARG(key->key.domain), VIEW_ARG(key->key.selector),
                   key->key.ed25519 ? "ed25519" : "rsa", VIEW_ARG(words_at(KEY_STATE_WORDS, key->state)),
                   (long long)key->since_ms);
    }
    bool ok = write_file(path, folder, buf_view(&table), e);
    buf_done(&table);
    return ok;
}

bool keyring_remove(struct keyring *k, const char *folder, size_t at, struct err *e) {
    FREE_AUTO char *path = pem_path(folder, &k->list[at].key);
    EVP_PKEY_free(k->list[at].key.key);
    memmove(&k->list[at], &k->list[at + 1], (k->count - at - 1) * sizeof *k->list);
    k->count--;
    if (!keyring_save(k, folder, e)) /* first: a table that names a file which is gone cannot be read */
        return false;
    return unlink(path) == 0 || errno == ENOENT ||
           err_set(e, ERR_IO, "%s cannot be removed: %s", path, strerror(errno));
}

void signing_key_record(const struct signing_key *k, struct buf *out) {
    unsigned char raw[32], *der = NULL;
    size_t len = sizeof raw;
    buf_printf(out, "v=DKIM1; k=%s; p=", k->ed25519 ? "ed25519" : "rsa");
    if (k->ed25519) {
        BUG_ON(EVP_PKEY_get_raw_public_key(k->key, raw, &len) != 1);
        transfer_add_base64(out, view_from(raw, len));
    } else {
        int der_len = i2d_PUBKEY(k->key, &der);
        BUG_ON(der_len < 0);
        transfer_add_base64(out, view_from(der, (size_t)der_len));
        OPENSSL_free(der);
    }
}
