/* digest.h: SHA-256 (FIPS 180-4) of bytes at hand. */
#ifndef ARCHIVE_DIGEST_H
#define ARCHIVE_DIGEST_H

#include "base/view.h"

#define DIGEST_BYTES 32

/* Thread-safe. */
void digest_sha256(view v, unsigned char ret_digest[DIGEST_BYTES]);

#endif
