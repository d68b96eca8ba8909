/* feed.h: rows of the archive feed (store/op_archive.c), and how one list's rows get into its folder. */
#ifndef ROLES_ARCHIVED_FEED_H
#define ROLES_ARCHIVED_FEED_H

#include "roles/archived/shelf.h"
#include "roles/role.h"

enum {
    FEED_ROWS = 200, /* a full answer fits one packet of the store even with the longest Message-IDs */
    BATCH_BYTES = 8 * 1024 * 1024,
    LIST_RETRY_MS = 30000, /* until a list that stopped is tried again */
};

enum feed_action { FEED_ADD = 1 };

/* Texts borrow from the answer of FEED_READ. */
struct feed_row {
    int64_t list;
    view address;
    view archive; /* public, private */
    int64_t n;
    int64_t action;
    bool held; /* or nothing is left of it: passed over */
    int64_t message, uid;
    view sender, msgid;
    int64_t size;
    view sha256;
    bool
        edition; /* size and sha256 are of the list's edition, which is to be archived in place of the post */
};

/* False when the bytes are not at most FEED_ROWS rows. */
bool feed_parse(view answer, struct feed_row rows[FEED_ROWS], size_t *ret_count);
/* How many rows at the front are of one list. */
size_t feed_same_list(const struct feed_row *rows, size_t count);

/* Archive rows of one list, in order, and tell the store. False when it stopped before the last one, see e;
 * *ret_done of them are done either way. */
bool feed_archive(struct role *r, struct shelf *shelf, const struct feed_row *rows, size_t count,
                  size_t *ret_done, struct err *e);

/* What people can do about a list that stopped with such an error. */
const char *feed_way_out(enum err_code code);

#endif
