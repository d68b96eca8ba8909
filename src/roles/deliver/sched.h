/* sched.h: who goes next. Pure: no locks, no clock, no I/O; times are milliseconds the caller read.
 *
 * Two questions. Which class of traffic gets the next thread or the next turn on a connection: `fair` shares
 * by the weights of store/class.def, and what one class does not use the others have. How many connections a
 * site gets: `window` grows while the site takes mail and shrinks when it refuses. */
#ifndef ROLES_DELIVER_SCHED_H
#define ROLES_DELIVER_SCHED_H

#include <stddef.h>

#include "store/class.h"

struct fair {
    double served[CLASS_COUNT]; /* turns had, divided by the weight */
    bool busy[CLASS_COUNT];     /* has work */
};

/* The class has work. After a pause it starts level with those that are busy: neither is idle time a credit,
 * nor what it had before a debt. */
void fair_wake(struct fair *f, enum mail_class class);
void fair_idle(struct fair *f, enum mail_class class);
/* The class had a turn. */
void fair_charge(struct fair *f, enum mail_class class);
/* All classes, the one that deserves the next turn first. */
void fair_order(const struct fair *f, enum mail_class ret_order[CLASS_COUNT]);
/* Turns in a row that a thread may take for the class before it asks again: its weight while others are busy.
 */
size_t fair_run(const struct fair *f, enum mail_class class);

struct window {
    double size; /* connections */
    int64_t
        probe_ms; /* when one more may be tried; 0: no refusal was seen yet, it grows with every success */
    int64_t paused_ms;     /* nothing is begun before */
    int64_t pause_ms;      /* the last pause */
    unsigned refusals_row; /* without a success in between */
};

void window_init(struct window *w);
/* May one more connection be made or used, where `active` are in use and `most` is configured? */
bool window_allows(const struct window *w, size_t active, size_t most, int64_t now_ms);
/* A transaction got an answer to its end of data. */
void window_success(struct window *w, size_t most, int64_t now_ms);
/* A connection was refused while `connected` others work: the site allows no more of them. */
void window_limit(struct window *w, size_t connected, int64_t now_ms);
/* The site said 421 in place of an answer: fewer at once, and a pause, longer each time. False: it has said
 * so WINDOW_REFUSALS times without taking anything in between, so it counts as failed. */
bool window_refusal(struct window *w, int64_t now_ms);

#define WINDOW_REFUSALS 4

#endif
