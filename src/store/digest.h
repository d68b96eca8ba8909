/* digest.h: posts that wait for the list's next digest. */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "store/op.h"

/* As the preference delivery_mode has them. */
enum delivery_mode { MODE_REGULAR, MODE_PLAIN, MODE_MIME, MODE_SUMMARY, MODES };
#define MODE_EVERY (-1) /* of an expansion: whatever the members' mode */

/* What one digest has at most; the rest is in the next one. */
enum { DIGEST_POSTS_MOST = 100, DIGEST_OCTETS_MOST = 4 * 1024 * 1024 };

/* The list's post goes into its next digest, if somebody gets digests and its expansion leaves them out. */
void digest_collect(struct op_run *r, int64_t list, int64_t message);
/* Of those who turned away from digests, whoever has got the last one is forgotten. */
void last_digests_end(struct op_run *r, int64_t list);
/* Whom the list's posts are sent to: members without digests, or all where the list has none. */
int64_t digest_mode_of_posts(struct op_run *r, view list_address);

#endif
