/* list.h: what operations on lists share. */
#ifndef STORE_LIST_H
#define STORE_LIST_H

#include "store/op.h"

/* A digest is closed: the next one has the next number, or is the first of a new volume when the list's
 * digest_volume_frequency says so. */
struct digest_number {
    int64_t volume, issue;
};
struct digest_number list_bump(struct op_run *r, int64_t list);

#endif
