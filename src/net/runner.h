/* runner.h: step functions on a bounded pool of workers; sessions parked in epoll (ADR 1).
 *
 * A task is a session's handle. Its step function does what one readiness event allows, top to bottom, and
 * says what to wait for. It never blocks: a step that would wait returns. A task runs on one worker at a
 * time, and the hand-over from worker to worker is an acquire/release pair, so a session needs no locks of
 * its own.
 *
 * Parked costs: this struct and whatever the session keeps. */
#ifndef NET_RUNNER_H
#define NET_RUNNER_H

#include "base/err.h"

enum step {
    STEP_AGAIN, /* more to do now; other tasks get their turn first */
    STEP_READ,  /* until the descriptor is readable */
    STEP_WRITE, /* until it is writable */
    STEP_WAIT,  /* until task_wake: the answer of the store, of a check */
    STEP_TIMER, /* until the deadline only: a pause */
    STEP_CLOSE, /* over: `closed` is called and the task is gone */
};

enum task_event { TASK_READY, TASK_WOKEN, TASK_TIMEOUT, TASK_DRAIN };

struct task;
/* `event` says why the step runs: READY (descriptor), WOKEN (task_wake), TIMEOUT (deadline passed; the step
 * may answer and close), DRAIN (the runner is stopping and the task was parked on READ). */
typedef enum step (*task_step)(struct task *t, enum task_event event);
typedef void (*task_closed)(struct task *t);

struct task {
    task_step step;
    task_closed closed; /* frees the session the task is part of */
    int fd;             /* -1: none */
    /* clock_mono_ms() instant; 0: none. Steps set it before they park; it counts in every kind of park, WAIT
     * too. Passing it uses it up: it is 0 when the step is called with TASK_TIMEOUT. */
    int64_t deadline_ms;
    /* The rest is the runner's. */
    struct runner *runner;
    struct task *prev, *next, *run_next;
    size_t timer; /* where its deadline is kept; 0: nowhere */
    int state, event;
    bool in_epoll, woken, drained, is_listener;
};

struct runner;

/* `workers` threads are started by runner_run. */
struct runner *runner_new(unsigned workers, struct err *e);
/* The number of tasks alive. */
size_t runner_tasks(const struct runner *r);

/* Accept on a listening descriptor: `accepted` runs on a worker for every connection (fd is non-blocking and
 * owned by it). Accepting pauses while runner_tasks() >= max_tasks and while the process is out of
 * descriptors; it never spins. The listening descriptor stays the caller's. */
typedef void (*runner_accepted)(struct runner *r, int fd, void *ctx);
bool runner_listen(struct runner *r, int listen_fd, size_t max_tasks, runner_accepted accepted, void *ctx,
                   struct err *e);

/* Hand a new task to the runner; its first step runs at once with TASK_READY, so when this returns the task
 * may be closed and gone already. */
void runner_add(struct runner *r, struct task *t);
/* From any thread: a task parked in WAIT runs again (TASK_WOKEN). A wake that comes at any other time is kept
 * for the next WAIT, so it is not lost; several count as one.
 *
 * The task must still be there. So a session that has a request out, which ends in one task_wake, parks in
 * WAIT and nowhere else, and does not close, until it was called with TASK_WOKEN; seeing the answer earlier
 * (with TIMEOUT, say) is not enough, since the other thread may not yet have called. */
void task_wake(struct task *t);

/* Before runner_run: `quiet` runs on a worker, without a lock, each time nothing has happened for a quarter
 * of a second after something did. */
void runner_on_quiet(struct runner *r, void (*quiet)(void));

/* Run until runner_stop; returns when all tasks are closed or `drain_ms` after the stop, whichever is first:
 * then tasks parked in READ, WRITE and TIMER are closed, and those in WAIT get 2 s more for their wake to
 * come; those it does not come for are left as they are. The calling thread is one of the workers. */
void runner_run(struct runner *r);
/* Async-signal-safe. Stops accepting; tasks parked on READ, now or later, get TASK_DRAIN once. Called again,
 * it changes the time that is left. */
void runner_stop(struct runner *r, int64_t drain_ms);
/* Async-signal-safe. Stops accepting, since another process does from now on; the tasks that are here go on
 * as if nothing had happened. runner_run returns when the last one is closed. runner_stop may follow. */
void runner_retire(struct runner *r);
/* After runner_run. Tasks still in WAIT keep the runner's memory: their wake may still come. */
void runner_free(struct runner *r);

#endif
