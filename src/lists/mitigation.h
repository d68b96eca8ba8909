/* mitigation.h: what takes the place of a From whose domain forbids what is done to its mail (DMARC, RFC
 * 9989 7.4; RFC 7960 4.1.3): the author's address inside one of ours that answers reach the author by
 * (auth/wrap.h), or the list's own. Pure. */
#ifndef LISTS_MITIGATION_H
#define LISTS_MITIGATION_H

#include "auth/wrap.h"
#include "base/buf.h"
#include "mail/header.h"

/* Append From with every address in it wrapped, all else as it was written, and what it was: X-Original-From,
 * and Author (RFC 9057) where the message has none. False, and nothing appended: there is no From, or it
 * cannot be wrapped. */
bool mitigation_wrap_from(const struct header *h, view wrap_domain, view key, struct arena *a,
                          struct buf *out);

/* Append the value with wrapped addresses of `wrap_domains` in it unwrapped, all else as it was written.
 * False, and nothing appended: there are none. */
struct wrap_domains {
    const view *list;
    size_t count;
    const view *keys; /* auth/wrap.h */
    size_t key_count;
};
bool mitigation_unwrap(view value, const struct wrap_domains *w, struct arena *a, struct buf *out);

/* The wrap domain that an entry of the setting names. */
view mitigation_entry_domain(const char *entry);
/* "lists.example.org=dmarc.example.org" or "dmarc.example.org" each: the wrap domain for mail of that domain;
 * empty: none. */
view mitigation_domain(char *const *settings, size_t count, view domain);

#endif
