/* keyring.h: the keys mail is signed with: files of the instance that deliver alone reads. data/dkim/keys is
 * their table, a line each; data/dkim/DOMAIN.SELECTOR.pem the private half.
 *
 * A key is new (its record is to be published), published (seen in DNS; caches learn of it), active (mail is
 * signed with it), or retired (mail signed with it is still under way, so its record stays for a while). */
#ifndef AUTH_KEYRING_H
#define AUTH_KEYRING_H

#include "auth/dkim_sign.h"
#include "base/arena.h"
#include "base/err.h"

enum key_state { KEY_NEW, KEY_PUBLISHED, KEY_ACTIVE, KEY_RETIRED };
#define KEY_STATE_WORDS "new published active retired" /* as base/words.h reads it */

struct keyring_key {
    struct signing_key key; /* key.key NULL: not read */
    enum key_state state;
    int64_t since_ms; /* clock_now_ms() of the state */
};

enum { KEYRING_MOST = 2000 };
struct keyring {
    struct arena arena;
    struct keyring_key *list; /* in the order they were made */
    size_t count;
};

/* folder: of the keys. `only_active`: private halves of active keys are read; else of all. No such folder: an
 * empty ring. NULL: see e; CONFIG names the file and line. */
struct keyring *keyring_open(const char *folder, bool only_active, struct err *e);
void keyring_free(struct keyring **k);

/* Active keys of the domain, or of the nearest domain above it that has any; at most SIGNING_KEYS_MOST. */
size_t keyring_find(const struct keyring *k, view domain, const struct signing_key *ret[SIGNING_KEYS_MOST]);

/* Make a key and add it as new. bits: of RSA. The file of its private half is written; the table by
 * keyring_save(). */
bool keyring_make(struct keyring *k, const char *folder, view domain, view selector, bool ed25519, int bits,
                  int64_t now_ms, struct err *e);
bool keyring_save(const struct keyring *k, const char *folder, struct err *e);
/* The key goes, out of the table and then its file. */
bool keyring_remove(struct keyring *k, const char *folder, size_t at, struct err *e);

/* Append the TXT record that publishes it: "v=DKIM1; k=...; p=..." (RFC 6376 3.6.1, RFC 8463 4). */
void signing_key_record(const struct signing_key *k, struct buf *out);

#endif
