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
    task_closed closed;  /* frees the session the task is part of */
    int fd;              /* -1: none */
    int64_t deadline_ms; /* clock_mono_ms() instant; 0: none. Steps set it before they park. */
    /* The rest is the runner's. */
    struct runner *runner;
    struct task *prev, *next, *run_next;
    _Atomic int state;
    bool in_epoll;
};

struct runner;

/* `workers` threads are started by runner_run. */
struct runner *runner_new(unsigned workers, struct err *e);
/* The number of tasks alive. */
size_t runner_tasks(const struct runner *r);

/* Accept on a listening descriptor: `accepted` runs on a worker for every connection (fd is non-blocking and
 * owned by it). Accepting pauses while runner_tasks() >= max_tasks and while the process is out of
 * descriptors; it never spins. */
typedef void (*runner_accepted)(struct runner *r, int fd, void *ctx);
bool runner_listen(struct runner *r, int listen_fd, size_t max_tasks, runner_accepted accepted, void *ctx,
                   struct err *e);

/* Hand a new task to the runner; its first step runs at once with TASK_READY. */
void runner_add(struct runner *r, struct task *t);
/* From any thread, any number of times: a task parked in WAIT runs again (TASK_WOKEN). A wake that comes
 * while the task runs, before it parks, is not lost. */
void task_wake(struct task *t);

/* Run until runner_stop; returns when all tasks are closed or `drain_ms` after the stop, whichever is first.
 * The calling thread is one of the workers. */
void runner_run(struct runner *r);
/* Async-signal-safe. Stops accepting; tasks parked on READ get TASK_DRAIN. */
void runner_stop(struct runner *r, int64_t drain_ms);
void runner_free(struct runner *r);

#endif
