/* runner.c: tasks, workers and one epoll.
 *
 * A task is queued, running, or parked. Workers take tasks off the run queue; a worker that finds it empty
 * becomes the poller (one at a time) and waits in epoll for all parked tasks; the others sleep until there is
 * something in the queue or nobody polls. When the queue never runs empty, a worker polls every POLL_EVERY
 * steps without waiting.
 *
 * All that says where a task is changes under `lock`. A task that is running is its worker's alone; the lock,
 * taken when it is queued and when it is taken, orders the steps of different workers.
 *
 * Why a task is never touched after it was freed: epoll reports a task once for each time it was armed
 * (EPOLLONESHOT). It is armed by its own worker on the way to READ or WRITE. Only the poller ends such a
 * park, by an event or, after it has used up the events it fetched, by a deadline or a stop; and then it
 * takes the descriptor out of epoll first. So no event of a task is under way while it runs.
 *
 * Listeners are tasks too, not counted in runner_tasks. */
#include "net/runner.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POLL_EVENTS = 128,
    POLL_EVERY = 61,
    POLL_MS = 250, /* longest wait: a clock that was moved is noticed after that */
    QUIET_MS = 200,
    ACCEPT_BURST = 32,
    ACCEPT_PAUSE_MS = 200, /* when out of descriptors or memory */
    LAST_WAIT_MS = 2000,   /* for wakes after the end of a drain */
};

enum { QUEUED, RUNNING, ON_READ, ON_WRITE, ON_WAIT, ON_TIMER };
enum { EVENT_CLOSE = TASK_DRAIN + 1 }; /* to be closed without another step */

struct timer {
    int64_t at_ms;
    struct task *task;
};

struct listener {
    struct task task;
    struct listener *next;
    size_t max_tasks;
    runner_accepted accepted;
    void *ctx;
};

struct runner {
    unsigned workers;
    int epoll_fd, kick_fd;
    _Atomic size_t tasks;
    _Atomic int64_t stop_ms; /* what runner_stop asked for; -1: nothing new */
    atomic_bool draining;    /* written under the lock */
    atomic_bool retire;      /* runner_retire was called */
    atomic_bool retiring;    /* written under the lock */

    pthread_mutex_t lock; /* of all below, and of the runner's part of every task */
    struct task *all;
    size_t alive; /* listeners too */
    struct task *queue_head, *queue_tail;
    size_t queue_length;
    struct listener *listeners;

    struct timer *timers; /* a binary heap; [0] is not used */
    size_t timer_count, timer_cap;

    /* A worker that sleeps needs a token to go on. `looking` are those that are not in a step and look at the
     * queue before they sleep or wait; a worker is woken only for a task beyond what these will take, since
     * waking one costs more than most steps. */
    pthread_cond_t token_given;
    unsigned sleeping, tokens, looking;
    unsigned steps; /* since the last poll */
    bool polling;   /* somebody is the poller … */
    bool blocked;   /* … and waits, until `poll_until_ms` */
    bool kicked;
    bool stirred; /* something has happened since the last quiet wait */
    void (*quiet)(void);
    int64_t poll_until_ms;

    bool closing; /* the drain's time is over */
    bool ended;
    int64_t phase_until_ms; /* end of the drain, or of the wait for the last wakes */
};

static void lock(struct runner *r) {
    pthread_mutex_lock(&r->lock);
}

static void unlock(struct runner *r) {
    pthread_mutex_unlock(&r->lock);
}

/* ---- deadlines ---- */

static void timer_put(struct runner *r, size_t at, struct timer timer) {
    r->timers[at] = timer;
    timer.task->timer = at;
}

static void timer_up(struct runner *r, size_t at, struct timer timer) {
    for (; at > 1 && r->timers[at / 2].at_ms > timer.at_ms; at /= 2)
        timer_put(r, at, r->timers[at / 2]);
    timer_put(r, at, timer);
}

static void timer_down(struct runner *r, size_t at, struct timer timer) {
    for (size_t child; (child = at * 2) <= r->timer_count; at = child) {
        if (child < r->timer_count && r->timers[child + 1].at_ms < r->timers[child].at_ms)
            child++;
        if (r->timers[child].at_ms >= timer.at_ms)
            break;
        timer_put(r, at, r->timers[child]);
    }
    timer_put(r, at, timer);
}

static void timer_add(struct runner *r, struct task *t) {
    if (r->timer_count + 2 > r->timer_cap) {
        r->timer_cap = r->timer_cap ? r->timer_cap * 2 : 64;
        r->timers = mem_resize(r->timers, r->timer_cap, sizeof *r->timers);
    }
    timer_up(r, ++r->timer_count, (struct timer){t->deadline_ms, t});
}

static void timer_remove(struct runner *r, struct task *t) {
    size_t at = t->timer;
    if (at == 0)
        return;
    t->timer = 0;
    struct timer last = r->timers[r->timer_count--];
    if (last.task == t)
        return;
    if (at > 1 && r->timers[at / 2].at_ms > last.at_ms)
        timer_up(r, at, last);
    else
        timer_down(r, at, last);
}

/* ---- the run queue ---- */

/* Make the poller come back. */
static void kick(struct runner *r) {
    if (!r->blocked || r->kicked)
        return;
    r->kicked = true;
    eventfd_write(r->kick_fd, 1);
}

static void queue_push(struct runner *r, struct task *t, int event) {
    t->state = QUEUED;
    t->event = event;
    t->run_next = NULL;
    if (r->queue_tail)
        r->queue_tail->run_next = t;
    else
        r->queue_head = t;
    r->queue_tail = t;
    r->queue_length++;
    if (r->queue_length <= r->looking + r->tokens + r->kicked)
        return;
    if (r->sleeping > r->tokens) {
        r->tokens++;
        pthread_cond_signal(&r->token_given);
    } else {
        kick(r);
    }
}

static struct task *queue_pop(struct runner *r) {
    struct task *t = r->queue_head;
    r->queue_head = t->run_next;
    if (!r->queue_head)
        r->queue_tail = NULL;
    r->queue_length--;
    t->state = RUNNING;
    return t;
}

static void wake(struct runner *r, struct task *t) {
    if (t->state == ON_WAIT) {
        timer_remove(r, t);
        queue_push(r, t, TASK_WOKEN);
    } else {
        t->woken = true;
    }
}

void task_wake(struct task *t) {
    struct runner *r = t->runner; /* once unlocked, the task may be gone */
    lock(r);
    wake(r, t);
    unlock(r);
}

/* Queue a parked task, by the poller only: see the top of the file. */
static void unpark(struct runner *r, struct task *t, int event) {
    timer_remove(r, t);
    if ((t->state == ON_READ || t->state == ON_WRITE) && t->in_epoll) {
        epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
        t->in_epoll = false;
    }
    queue_push(r, t, event);
}

static void task_start(struct runner *r, struct task *t, bool is_listener) {
    t->runner = r;
    t->timer = 0;
    t->in_epoll = t->woken = t->drained = false;
    t->is_listener = is_listener;
    lock(r);
    if (!is_listener)
        atomic_fetch_add(&r->tasks, 1);
    r->alive++;
    t->prev = NULL;
    t->next = r->all;
    if (r->all)
        r->all->prev = t;
    r->all = t;
    queue_push(r, t, TASK_READY);
    unlock(r);
}

void runner_add(struct runner *r, struct task *t) {
    task_start(r, t, false);
}

size_t runner_tasks(const struct runner *r) {
    return atomic_load(&r->tasks);
}

/* ---- the end ---- */

static void end(struct runner *r) {
    r->ended = true;
    r->tokens = r->sleeping;
    pthread_cond_broadcast(&r->token_given);
    kick(r);
}

/* Close a task that is running, seen from the runner. */
static void task_finish(struct runner *r, struct task *t) {
    bool is_listener = t->is_listener;
    lock(r);
    if (t->prev)
        t->prev->next = t->next;
    else
        r->all = t->next;
    if (t->next)
        t->next->prev = t->prev;
    unlock(r);
    t->closed(t);
    lock(r);
    if (!is_listener)
        atomic_fetch_sub(&r->tasks, 1);
    r->alive--;
    for (struct listener *l = r->listeners; l; l = l->next) /* those that paused */
        if (l->task.state == ON_WAIT || l->task.state == RUNNING)
            wake(r, &l->task);
    if ((r->draining || r->retiring) && r->alive == 0)
        end(r);
    unlock(r);
}

static void start_closing(struct runner *r, int64_t now) {
    r->closing = true;
    r->phase_until_ms = now + LAST_WAIT_MS;
    for (struct task *t = r->all; t; t = t->next)
        if (t->state == ON_READ || t->state == ON_WRITE || t->state == ON_TIMER)
            unpark(r, t, EVENT_CLOSE);
}

static void start_draining(struct runner *r) {
    atomic_store(&r->draining, true);
    for (struct task *t = r->all; t; t = t->next) {
        if (t->state == ON_READ) {
            t->drained = true;
            unpark(r, t, TASK_DRAIN);
        } else if (t->is_listener) {
            wake(r, t);
        }
    }
}

static void start_retiring(struct runner *r) {
    atomic_store(&r->retiring, true);
    for (struct task *t = r->all; t; t = t->next) {
        if (t->is_listener && t->state == ON_READ)
            unpark(r, t, TASK_DRAIN);
        else if (t->is_listener)
            wake(r, t);
    }
    if (r->alive == 0)
        end(r);
}

static void check_stop(struct runner *r, int64_t now) {
    int64_t asked = atomic_exchange(&r->stop_ms, -1);
    if (atomic_load(&r->retire) && !r->retiring)
        start_retiring(r);
    if (asked >= 0 && !r->closing) {
        r->phase_until_ms = now + asked;
        if (!r->draining)
            start_draining(r);
    }
    if (!r->draining)
        return;
    if (!r->closing && now >= r->phase_until_ms)
        start_closing(r, now);
    if (r->alive == 0 || (r->closing && now >= r->phase_until_ms))
        end(r);
}

/* ---- polling ---- */

static void take_event(struct runner *r, struct task *t) {
    if (!t) { /* the kick */
        eventfd_t ignored;
        eventfd_read(r->kick_fd, &ignored);
    } else {
        BUG_ON(t->state != ON_READ && t->state != ON_WRITE);
        timer_remove(r, t);
        queue_push(r, t, TASK_READY);
    }
}

static int poll_time(struct runner *r) {
    if (r->queue_head)
        return 0;
    int64_t now = clock_mono_ms(), until = now + POLL_MS;
    if (r->timer_count > 0 && r->timers[1].at_ms < until)
        until = r->timers[1].at_ms;
    if (r->draining && r->phase_until_ms < until)
        until = r->phase_until_ms;
    r->poll_until_ms = until;
    return until > now ? (int)(until - now) : 0;
}

/* With the lock held, which is given up while waiting. */
static void poll_once(struct runner *r) {
    struct epoll_event events[POLL_EVENTS];
    int timeout = poll_time(r);
    r->polling = true;
    r->blocked = timeout > 0;
    r->looking -= r->blocked;
    unlock(r);
    int n = epoll_wait(r->epoll_fd, events, POLL_EVENTS, timeout);
    BUG_ON(n < 0 && errno != EINTR);
    lock(r);
    r->looking += r->blocked;
    r->blocked = r->kicked = false;
    r->steps = 0;
    bool quiet = n == 0 && timeout >= QUIET_MS && r->stirred;
    r->stirred = n > 0 || (r->stirred && !quiet);
    for (int i = 0; i < n; i++)
        take_event(r, events[i].data.ptr);
    if (quiet && r->quiet) {
        unlock(r); /* `polling` is set still, and nothing is queued: an event waits as long as this takes */
        r->quiet();
        lock(r);
    }
    int64_t now = clock_mono_ms();
    while (r->timer_count > 0 && r->timers[1].at_ms <= now) {
        struct task *t = r->timers[1].task;
        t->deadline_ms = 0;
        unpark(r, t, TASK_TIMEOUT);
    }
    check_stop(r, now);
    r->polling = false;
}

/* ---- running ---- */

/* With the lock held. False: the kernel cannot watch another descriptor. */
static bool arm(struct runner *r, struct task *t, uint32_t what) {
    BUG_ON(t->fd < 0);
    struct epoll_event event = {.events = what | EPOLLONESHOT, .data.ptr = t};
    /* A step may have closed its descriptor and opened another one, so what we remember is a first guess. */
    int first = t->in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int second = t->in_epoll ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    t->in_epoll = epoll_ctl(r->epoll_fd, first, t->fd, &event) == 0 ||
                  epoll_ctl(r->epoll_fd, second, t->fd, &event) == 0;
    return t->in_epoll;
}

static void park(struct runner *r, struct task *t, int state) {
    t->state = state;
    if (t->deadline_ms == 0)
        return;
    timer_add(r, t);
    if (t->deadline_ms < r->poll_until_ms)
        kick(r);
}

/* What the step asked for. False: the task is to be closed. */
static bool settle(struct runner *r, struct task *t, enum step next) {
    if (next == STEP_CLOSE || (r->closing && next != STEP_WAIT))
        return false;
    switch (next) {
    case STEP_AGAIN:
        queue_push(r, t, TASK_READY);
        return true;
    case STEP_READ:
        if ((r->draining || (r->retiring && t->is_listener)) && !t->drained) {
            t->drained = true;
            queue_push(r, t, TASK_DRAIN);
            return true;
        }
        if (!arm(r, t, EPOLLIN))
            return false;
        park(r, t, ON_READ);
        return true;
    case STEP_WRITE:
        if (!arm(r, t, EPOLLOUT))
            return false;
        park(r, t, ON_WRITE);
        return true;
    case STEP_WAIT:
        park(r, t, ON_WAIT);
        if (t->woken) {
            t->woken = false;
            wake(r, t);
        }
        return true;
    case STEP_TIMER:
        BUG_ON(t->deadline_ms == 0);
        park(r, t, ON_TIMER);
        return true;
    case STEP_CLOSE:
        break;
    }
    return false;
}

static void run_task(struct runner *r, struct task *t) {
    if (t->event != EVENT_CLOSE) {
        enum step next = t->step(t, (enum task_event)t->event);
        lock(r);
        bool goes_on = settle(r, t, next);
        unlock(r);
        if (goes_on)
            return;
    }
    task_finish(r, t);
}

static void sleep_for_token(struct runner *r) {
    r->sleeping++;
    r->looking--;
    while (r->tokens == 0)
        pthread_cond_wait(&r->token_given, &r->lock);
    r->tokens--;
    r->looking++;
    r->sleeping--;
}

static void *work(void *ctx) {
    struct runner *r = ctx;
    lock(r);
    r->looking++;
    for (;;) {
        bool poll_is_due = !r->polling && !r->ended && (!r->queue_head || r->steps >= POLL_EVERY);
        if (poll_is_due) {
            poll_once(r);
        } else if (r->queue_head) {
            struct task *t = queue_pop(r);
            r->steps++;
            r->looking--;
            unlock(r);
            run_task(r, t);
            lock(r);
            r->looking++;
        } else if (r->ended) {
            break;
        } else {
            sleep_for_token(r);
        }
    }
    r->looking--;
    unlock(r);
    return NULL;
}

void runner_on_quiet(struct runner *r, void (*quiet)(void)) {
    r->quiet = quiet;
}

void runner_run(struct runner *r) {
    pthread_t *threads = mem_alloc(r->workers * sizeof *threads);
    unsigned started = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the thread that called us */
    /* Fewer workers than asked for are slower and nothing else. */
    while (started < r->workers - 1 && pthread_create(&threads[started], NULL, work, r) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(r);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

void runner_stop(struct runner *r, int64_t drain_ms) {
    int saved = errno;
    atomic_store(&r->stop_ms, drain_ms > 0 ? drain_ms : 0);
    eventfd_write(r->kick_fd, 1);
    errno = saved;
}

void runner_retire(struct runner *r) {
    int saved = errno;
    atomic_store(&r->retire, true);
    eventfd_write(r->kick_fd, 1);
    errno = saved;
}

/* ---- listening ---- */

static enum step accept_some(struct task *t, enum task_event event) {
    struct listener *l = (struct listener *)t;
    struct runner *r = t->runner;
    (void)event;
    t->deadline_ms = 0;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        if (atomic_load(&r->draining) || atomic_load(&r->retiring))
            return STEP_CLOSE;
        if (runner_tasks(r) >= l->max_tasks)
            return STEP_WAIT;
        int fd = accept4(t->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->accepted(r, fd, l->ctx);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return STEP_READ;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM ||
                   errno == EBADF || errno == EINVAL) {
            /* Until a task is closed, or for a while. */
            t->deadline_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
            return STEP_WAIT;
        } /* else this one connection has failed already (accept(2)) */
    }
    return STEP_AGAIN;
}

static void listener_closed(struct task *t) {
    struct runner *r = t->runner;
    lock(r);
    struct listener **at = &r->listeners;
    while (&(*at)->task != t)
        at = &(*at)->next;
    *at = (*at)->next;
    if (t->in_epoll)
        epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
    unlock(r);
    free(t);
}

bool runner_listen(struct runner *r, int listen_fd, size_t max_tasks, runner_accepted accepted, void *ctx,
                   struct err *e) {
    if (listen_fd < 0 || max_tasks == 0)
        return err_set(e, ERR_USAGE, "nothing to accept on");
    struct listener *l = mem_alloc(sizeof *l);
    *l = (struct listener){
        .task = {.step = accept_some, .closed = listener_closed, .fd = listen_fd},
        .max_tasks = max_tasks,
        .accepted = accepted,
        .ctx = ctx,
    };
    lock(r);
    l->next = r->listeners;
    r->listeners = l;
    unlock(r);
    task_start(r, &l->task, true);
    return true;
}

/* ---- making and freeing ---- */

static bool open_descriptors(struct runner *r, struct err *e) {
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (r->epoll_fd < 0 || r->kick_fd < 0 || epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->kick_fd, &event) < 0)
        return err_errno(e, ERR_SYSTEM, "cannot wait for connections");
    return true;
}

static void free_memory(struct runner *r) {
    mem_close_fd(&r->epoll_fd);
    mem_close_fd(&r->kick_fd);
    pthread_cond_destroy(&r->token_given);
    pthread_mutex_destroy(&r->lock);
    free(r->timers);
    free(r);
}

struct runner *runner_new(unsigned workers, struct err *e) {
    struct runner *r = mem_alloc(sizeof *r);
    r->workers = workers > 0 ? workers : 1;
    atomic_store(&r->stop_ms, -1);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->token_given, NULL);
    if (!open_descriptors(r, e)) {
        free_memory(r);
        return NULL;
    }
    return r;
}

static struct task *first_not_waiting(struct runner *r) {
    lock(r);
    struct task *t = r->all;
    while (t && !t->is_listener && t->state == ON_WAIT)
        t = t->next;
    if (t)
        timer_remove(r, t);
    unlock(r);
    return t;
}

void runner_free(struct runner *r) {
    if (!r)
        return;
    r->queue_head = r->queue_tail = NULL;
    r->queue_length = 0;
    for (struct task *t; (t = first_not_waiting(r));)
        task_finish(r, t);
    if (r->alive == 0)
        free_memory(r);
}
