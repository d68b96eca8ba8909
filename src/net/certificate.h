/* certificate.h: what a server certificate in a file is good for, before a client finds out. */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include "base/err.h"

struct certificate {
    int64_t from_ms, until_ms; /* validity of the first certificate of the file */
    bool names_host;           /* it is for the host asked about */
    bool self_signed;
};

/* Read a PEM file with certificate and chain, and one with its private key. CONFIG says what is wrong with
 * them: not readable, not PEM, or the key is another's. Dates and names are facts for the caller to judge. */
bool certificate_look(const char *certificate_path, const char *key_path, view host, struct certificate *ret,
                      struct err *e);
/* SHA-256 of the public key of the first certificate of a PEM file (SubjectPublicKeyInfo): what TLSA 3 1 1
 * says (RFC 7671 5.1). */
bool certificate_key_digest(const char *certificate_path, unsigned char ret[32], struct err *e);

#endif
