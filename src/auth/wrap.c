/* wrap.c: see wrap.h. */
#include "auth/wrap.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"
#include "mail/address.h"
#include "mail/text.h"

enum { LOCAL_MOST = 128 /* octets: more than the 64 that all take, as long as many do */ };

/* Behind "=40" stands a domain, which has no "=": so the last one is ours, and "=_" only before a tag. */
#define AT  VIEW("=40")
#define TAG VIEW("=_")

/* Of the normal form: some hosts change the case of local parts. False: it has none. */
static bool tag_make(view address, view key, struct arena *a, char ret[WRAP_TAG_LEN]) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    view normal;
    struct buf text = BUF_INIT(LIMIT_ADDRESS + sizeof "wrap");
    if (!address_normalise_text(address, a, &normal, NULL))
        return false;
    buf_add(&text, view_from("wrap", sizeof "wrap")); /* with its NUL */
    buf_add(&text, normal);
    unsigned char *ok =
        HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.data, text.len, mac, &len);
    BUG_ON(!ok || text.failed || len * 8 < WRAP_TAG_LEN * 5);
    buf_done(&text);
    for (size_t i = 0; i < WRAP_TAG_LEN; i++) {
        size_t bit = i * 5;
        unsigned two = (unsigned)mac[bit / 8] << 8 | mac[bit / 8 + 1];
        ret[i] = digits[two >> (11 - bit % 8) & 31];
    }
    return true;
}

/* ASCII where the local part is: most hosts take nothing else. Beside a local part that is not it would gain
 * nothing, and people read it. */
static bool domain_shown(const struct address *parts, struct arena *a, view *ret) {
    if (text_is_7bit(parts->local) && !view_starts_with(parts->domain, VIEW("[")))
        return domain_normalise(parts->domain, a, ret, NULL);
    *ret = arena_lower(a, parts->domain);
    return true;
}

bool wrap_address(view address, view wrap_domain, view key, struct arena *a, view *ret) {
    struct address parts, wrapped = {.domain = wrap_domain};
    char tag[WRAP_TAG_LEN];
    view domain;
    if (!address_open(address, a, &parts) || parts.local.len == 0 || !domain_shown(&parts, a, &domain))
        return false;
    wrapped.local = arena_printf(a, "%.*s=40%.*s", VIEW_ARG(parts.local), VIEW_ARG(domain));
    if (key.len > 0) {
        if (!tag_make(address, key, a, tag))
            return false;
        wrapped.local = arena_printf(a, "%.*s=_%.*s", VIEW_ARG(wrapped.local), WRAP_TAG_LEN, tag);
    }
    return !a->failed && wrapped.local.len <= LOCAL_MOST && address_close(&wrapped, a, ret);
}

static bool tag_is(view address, view given, const view *keys, size_t key_count, struct arena *a) {
    char wanted[WRAP_TAG_LEN], got[WRAP_TAG_LEN];
    bool right = false;
    if (given.len != WRAP_TAG_LEN)
        return false;
    for (size_t i = 0; i < WRAP_TAG_LEN; i++)
        got[i] = ascii_lower(given.ptr[i]);
    for (size_t k = 0; k < key_count; k++)
        right |= keys[k].len > 0 && tag_make(address, keys[k], a, wanted) &&
                 CRYPTO_memcmp(wanted, got, sizeof got) == 0;
    return right;
}

static int hex(char ch) {
    ch = ascii_lower(ch);
    return ascii_is_digit(ch) ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* "local=2Bpart": each "=" is one of two digits, or this is not of that generation. It quoted the local part
 * as it was written, with quotes of its own. */
static view read_older(const struct address *parts, struct arena *a) {
    struct buf text = BUF_INIT(LIMIT_ADDRESS);
    struct address parsed;
    view local = parts->local;
    bool ok = view_find(local, '=') >= 0;
    for (size_t i = 0; ok && i < local.len; i++) {
        if (local.ptr[i] != '=') {
            buf_add_char(&text, local.ptr[i]);
            continue;
        }
        ok = i + 2 < local.len && hex(local.ptr[i + 1]) >= 0 && hex(local.ptr[i + 2]) >= 0;
        if (ok)
            buf_add_char(&text, (char)(hex(local.ptr[i + 1]) * 16 + hex(local.ptr[i + 2])));
        i += 2;
    }
    buf_add_char(&text, '@');
    buf_add(&text, parts->domain);
    ok = ok && !text.failed && address_parse(buf_view(&text), PATH_ALLOW_UTF8, &parsed, NULL);
    view made = ok ? arena_view(a, buf_view(&text)) : VIEW("");
    buf_done(&text);
    return made;
}

/* Index of the last, or -1. */
static ptrdiff_t search_last(view text, view needle) {
    for (size_t i = text.len; i-- > 0;)
        if (view_starts_with(view_skip(text, i), needle))
            return (ptrdiff_t)i;
    return -1;
}

/* Its parts, and the tag with "=_" before it, or empty. */
static bool take_apart(view address, struct arena *a, struct address *ret_parts, view *ret_tag) {
    struct address wrapped;
    if (!address_open(address, a, &wrapped))
        return false;
    ptrdiff_t at = search_last(wrapped.local, AT);
    if (at <= 0)
        return false;
    view rest = view_skip(wrapped.local, (size_t)at + AT.len);
    ptrdiff_t tag = view_search(rest, TAG);
    *ret_tag = tag < 0 ? VIEW("") : view_skip(rest, (size_t)tag);
    ret_parts->local = view_slice(wrapped.local, 0, (size_t)at);
    ret_parts->domain = arena_lower(a, view_slice(rest, 0, rest.len - ret_tag->len));
    return true;
}

enum wrap_kind wrap_read(view address, const view *keys, size_t key_count, struct arena *a, view *ret,
                         view *ret_older) {
    struct address parts;
    view tag, found, older = VIEW("");
    *ret = *ret_older = VIEW("");
    if (!take_apart(address, a, &parts, &tag) || !address_close(&parts, a, &found))
        return WRAP_NONE;
    if (tag.len > 0 && !tag_is(found, view_skip(tag, TAG.len), keys, key_count, a))
        return WRAP_NONE;
    if (tag.len == 0)
        older = read_older(&parts, a);
    if (a->failed)
        return WRAP_NONE;
    *ret = found;
    *ret_older = older;
    return tag.len > 0 ? WRAP_KEYED : WRAP_OLD;
}
