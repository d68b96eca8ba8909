/* answers.h: what DNS says, as far as it is known. Checks are pure functions over this: one that needs an
 * answer that is not there notes it as wanted and returns "waits"; whoever runs it gets what is wanted, from
 * DNS or from a zone made for a test, and runs the check again from its beginning. So a check blocks nothing,
 * asks for several answers at once, and is the same for every caller. */
#ifndef AUTH_ANSWERS_H
#define AUTH_ANSWERS_H

#include "base/arena.h"

/* Numbers of RFC 1035 and 3596. */
enum record_type { RECORD_A = 1, RECORD_PTR = 12, RECORD_MX = 15, RECORD_TXT = 16, RECORD_AAAA = 28 };

enum answer_state {
    ANSWER_WANTED,   /* not asked yet */
    ANSWER_FOUND,    /* there are records */
    ANSWER_NO_DATA,  /* the name is there, with none of that type */
    ANSWER_NO_NAME,  /* NXDOMAIN */
    ANSWER_TEMPORARY /* no answer in time, SERVFAIL, or one that DNSSEC says is false */
};

struct record {
    int preference; /* of MX */
    view data;      /* A, AAAA: 4 or 16 octets; TXT: its strings as one; MX, PTR: a name, lower case, without
                       its final dot */
};

struct answer {
    view name; /* lower case, without final dot */
    enum record_type type;
    enum answer_state state;
    struct record *records;
    size_t count;
};

/* Of one message: its budget of questions is the number of answers. */
enum { ANSWERS_MOST = 512 };
struct answers {
    struct arena *arena;
    struct answer *list[ANSWERS_MOST];
    size_t count, wanted;
    bool full; /* more was wanted: counts as a temporary error */
};

void answers_init(struct answers *a, struct arena *arena);

/* What is known. NULL: nothing yet; it is wanted now. A name that is no domain name is NO_NAME at once. */
const struct answer *answers_get(struct answers *a, view name, enum record_type type);

/* For whoever gets them: the next that is wanted; NULL: none is. It stays wanted until answered. */
struct answer *answers_next(struct answers *a, size_t *at);
/* Answer it: with records, which live in the arena, or (count 0) with a state. */
void answers_set(struct answers *a, struct answer *to, enum answer_state state, struct record *records,
                 size_t count);

/* A name as DNS can have it: labels of 1 to 63 octets, 253 in all. */
bool domain_name_is_valid(view name);
/* The domain itself, or below it. */
bool domain_name_is_within(view name, view domain);

#endif
