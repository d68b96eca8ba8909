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

/* What editions are made from: the list's address, its archive setting, the number, the list's secret,
 * whether it or another list that takes the message (0: none does) has a moderator_password, and every
 * setting of editions in their order. */
void edition_facts_put(struct op_run *r, view address, view archive, int64_t number, int64_t message);

#endif
