/* event.h: every decision leaves an event (DESIGN 1.3). */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "store/op.h"

enum event_kind {
#define EVENT(id, number, name) EVENT_##id = (number),
#include "store/event.def"
#undef EVENT
};

/* What is about no message: about sending as a whole; about lists' settings, members and users. */
#define EVENTS_OF_QUEUE  0
#define EVENTS_OF_PEOPLE (-1)

const char *event_name(int64_t kind);
/* rcpt: address id, or 0 for the message as a whole. */
void event_record(struct op_run *r, int64_t message, enum event_kind kind, int64_t rcpt, int64_t list,
                  view host, view detail);

/* The number of a normalised address, made with its site when it is new. */
int64_t address_id(struct op_run *r, view address, int64_t *ret_site);
/* Make the rows of an address that is not known yet; of a known one nothing changes. */
void address_make(struct op_run *r, view address, view domain);
/* One accepted message, read from r->in: see op_run_ACCEPT. */
void accept_one(struct op_run *r);
/* A new delivery, due now; wakes its destination. */
struct delivery {
    int64_t dest, message;
    int64_t list; /* 0: not a list copy */
    int64_t rcpt;
    int64_t notify; /* enum dsn_notify */
    view orcpt;     /* or empty */
};
void delivery_add(struct op_run *r, const struct delivery *d);
/* Tell deliver that `dest` has something due at `due`. */

#endif
