/* secret.h: secrets of the instance that its roles share. */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

enum { SECRET_OCTETS = 32, SECRETS_KEPT = 8 /* of a name; older ones are forgotten */ };

/* Names (operations SECRETS, SECRET_ADD). */
#define SECRET_SRS  "srs"  /* auth/srs.h */
#define SECRET_WRAP "wrap" /* auth/wrap.h */

#endif
