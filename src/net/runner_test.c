/* runner_test.c: tasks over real sockets and real threads. Time passes only where a test moves the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/runner.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, HOUR = 3600 * 1000, PATIENCE_S = 60 };

/* Something that threads count up and the test waits for. */
struct counter {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    int n;
};
#define COUNTER_INIT                                                                                         \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }

static void counter_add(struct counter *c, int n) {
    pthread_mutex_lock(&c->lock);
    c->n += n;
    pthread_cond_broadcast(&c->grown);
    pthread_mutex_unlock(&c->lock);
}

static int counter_get(struct counter *c) {
    pthread_mutex_lock(&c->lock);
    int n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static bool counter_reaches(struct counter *c, int at_least) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&c->lock);
    while (c->n < at_least && pthread_cond_timedwait(&c->grown, &c->lock, &until) == 0)
        ;
    bool reached = c->n >= at_least;
    pthread_mutex_unlock(&c->lock);
    return reached;
}

static void counter_wait(struct counter *c, int at_least) {
    if (!counter_reaches(c, at_least))
        fail_msg("waited in vain: %d of %d", counter_get(c), at_least);
}

/* A runner in a thread of its own, since runner_run takes the calling thread. */
struct running {
    struct runner *r;
    pthread_t thread;
};

static struct runner *new_runner(unsigned workers) {
    struct err e;
    struct runner *r = runner_new(workers, &e);
    assert_non_null(r);
    return r;
}

static void *run(void *r) {
    runner_run(r);
    return NULL;
}

static void start(struct running *x) {
    assert_int_equal(pthread_create(&x->thread, NULL, run, x->r), 0);
}

static void join(struct running *x) {
    assert_int_equal(pthread_join(x->thread, NULL), 0);
}

static void stop(struct running *x, int64_t drain_ms) {
    runner_stop(x->r, drain_ms);
    join(x);
    assert_int_equal(runner_tasks(x->r), 0);
    runner_free(x->r);
}

/* A task counts until its `closed` has returned, which is after what the tests can see of it. */
static void await_tasks(const struct runner *r, size_t n) {
    time_t until = time(NULL) + PATIENCE_S;
    while (runner_tasks(r) != n && time(NULL) < until)
        sched_yield();
    assert_int_equal(runner_tasks(r), n);
}

static void advance(int64_t ms) {
    struct err e;
    assert_true(clock_advance(ms, &e));
}

/* ---- sockets ---- */

static int listen_loopback(struct sockaddr_in *ret_addr) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_addr = addr;
    return fd;
}

static int connect_to(const struct sockaddr_in *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof *addr), 0);
    return fd;
}

static void say(int fd, int number) {
    assert_int_equal(write(fd, &number, sizeof number), sizeof number);
}

static void expect(int fd, int number) {
    int got = -1;
    assert_int_equal(recv(fd, &got, sizeof got, MSG_WAITALL), sizeof got);
    assert_int_equal(got, number);
}

/* ---- an echo server ---- */

struct server {
    struct counter accepted, closed;
    size_t max_tasks;
    atomic_int drains;
    atomic_bool too_many;
    bool stays; /* sessions do not close when asked to drain */
};
#define SERVER_INIT(max)                                                                                     \
    { .accepted = COUNTER_INIT, .closed = COUNTER_INIT, .max_tasks = (max) }

struct echo {
    struct task task;
    struct server *server;
    int turns; /* not atomic on purpose: the runner orders the steps */
};

static enum step echo_step(struct task *t, enum task_event event) {
    struct echo *s = (struct echo *)t;
    char bytes[512];
    s->turns++;
    if (event == TASK_DRAIN) {
        atomic_fetch_add(&s->server->drains, 1);
        return s->server->stays ? STEP_READ : STEP_CLOSE;
    }
    ssize_t n = read(t->fd, bytes, sizeof bytes);
    if (n < 0)
        return errno == EAGAIN ? STEP_READ : STEP_CLOSE;
    if (n == 0)
        return STEP_CLOSE;
    return write(t->fd, bytes, (size_t)n) == n ? STEP_READ : STEP_CLOSE;
}

static void echo_closed(struct task *t) {
    struct echo *s = (struct echo *)t;
    struct server *server = s->server;
    close(t->fd);
    free(s);
    counter_add(&server->closed, 1);
}

static void echo_accepted(struct runner *r, int fd, void *ctx) {
    struct server *server = ctx;
    struct echo *s = mem_alloc(sizeof *s);
    *s = (struct echo){.task = {.step = echo_step, .closed = echo_closed, .fd = fd}, .server = server};
    runner_add(r, &s->task);
    if (runner_tasks(r) > server->max_tasks)
        atomic_store(&server->too_many, true);
    counter_add(&server->accepted, 1);
}

static void listen_for(struct running *x, struct server *server, int *ret_fd, struct sockaddr_in *ret_addr) {
    struct err e;
    *ret_fd = listen_loopback(ret_addr);
    assert_true(runner_listen(x->r, *ret_fd, server->max_tasks, echo_accepted, server, &e));
}

static void echoes(void **state) {
    (void)state;
    enum { CLIENTS = 500, ROUNDS = 3 };
    struct server server = SERVER_INIT(10000);
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener, clients[CLIENTS];
    listen_for(&x, &server, &listener, &addr);
    start(&x);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = connect_to(&addr);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            say(clients[i], i * ROUNDS + round);
        for (int i = 0; i < CLIENTS; i++)
            expect(clients[i], i * ROUNDS + round);
    }
    assert_int_equal(runner_tasks(x.r), CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    counter_wait(&server.closed, CLIENTS);
    stop(&x, HOUR);
    close(listener);
    assert_int_equal(counter_get(&server.accepted), CLIENTS);
    assert_int_equal(atomic_load(&server.drains), 0);
}

/* Sessions that are here go on; the run ends with the last of them, without a stop. */
static void retiring(void **state) {
    (void)state;
    struct server server = SERVER_INIT(100);
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener;
    listen_for(&x, &server, &listener, &addr);
    start(&x);
    int kept = connect_to(&addr);
    counter_wait(&server.accepted, 1);
    runner_retire(x.r);
    for (int i = 0; i < 100; i++) {
        say(kept, i);
        expect(kept, i);
    }
    close(kept);
    join(&x);
    assert_int_equal(atomic_load(&server.drains), 0);
    runner_free(x.r);
    close(listener);
}

/* ---- deadlines ---- */

enum { DEADLINES = 200 };

struct deadlines {
    struct counter read, timed_out;
    int order[DEADLINES]; /* by one worker only */
    int fds[DEADLINES][2];
    bool used_up;
};

struct sleeper {
    struct task task;
    struct deadlines *d;
    int number, hours;
    bool parked;
};

static enum step sleeper_step(struct task *t, enum task_event event) {
    struct sleeper *s = (struct sleeper *)t;
    char byte;
    if (event == TASK_TIMEOUT) {
        s->d->used_up = s->d->used_up && t->deadline_ms == 0;
        s->d->order[counter_get(&s->d->timed_out)] = s->hours;
        return STEP_CLOSE;
    }
    if (s->parked) {
        s->d->used_up = s->d->used_up && read(t->fd, &byte, 1) == 1;
        counter_add(&s->d->read, 1);
        return STEP_CLOSE;
    }
    s->parked = true;
    t->deadline_ms += clock_mono_ms();
    return s->number % 3 == 0 ? STEP_TIMER : STEP_READ;
}

static void sleeper_closed(struct task *t) {
    struct sleeper *s = (struct sleeper *)t;
    struct deadlines *d = s->d;
    bool by_time = t->deadline_ms == 0;
    close(t->fd);
    free(s);
    if (by_time)
        counter_add(&d->timed_out, 1);
}

static void deadlines_in_order(void **state) {
    (void)state;
    struct deadlines d = {.read = COUNTER_INIT, .timed_out = COUNTER_INIT, .used_up = true};
    struct running x = {.r = new_runner(1)};
    int readable = 0;
    for (int i = 0; i < DEADLINES; i++) {
        struct sleeper *s = mem_alloc(sizeof *s);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, d.fds[i]), 0);
        int hours = 1 + i * 73 % DEADLINES; /* each of 1..200 once, in no order */
        *s = (struct sleeper){
            .task = {.step = sleeper_step, .closed = sleeper_closed, .fd = d.fds[i][0]},
            .d = &d,
            .number = i,
            .hours = hours,
        };
        s->task.deadline_ms = (int64_t)hours * HOUR;
        runner_add(x.r, &s->task);
    }
    start(&x);
    /* Every sixth wakes up by its socket, and must not time out as well. */
    for (int i = 1; i < DEADLINES; i += 6) {
        assert_int_equal(write(d.fds[i][1], "x", 1), 1);
        readable++;
    }
    counter_wait(&d.read, readable);
    assert_int_equal(counter_get(&d.timed_out), 0);
    advance((int64_t)DEADLINES / 2 * HOUR + HOUR / 2);
    int half = 0;
    for (int i = 0; i < DEADLINES; i++)
        half += i % 6 != 1 && 1 + i * 73 % DEADLINES <= DEADLINES / 2;
    counter_wait(&d.timed_out, half);
    await_tasks(x.r, (size_t)(DEADLINES - readable - half));
    advance((int64_t)DEADLINES * HOUR);
    counter_wait(&d.timed_out, DEADLINES - readable);
    stop(&x, HOUR);
    assert_true(d.used_up);
    for (int i = 1; i < DEADLINES - readable; i++)
        assert_true(d.order[i - 1] < d.order[i]);
    for (int i = 0; i < DEADLINES; i++)
        close(d.fds[i][1]);
}

/* ---- tasks that play a list of steps ---- */

enum { SCRIPT = 8 };

struct actor {
    struct task task;
    enum step script[SCRIPT];
    int64_t pause_ms[SCRIPT]; /* sets the deadline before parking */
    enum task_event events[SCRIPT];
    struct counter steps, closed;
    int at;
    void (*during)(struct actor *a);
};

static enum step actor_step(struct task *t, enum task_event event) {
    struct actor *a = (struct actor *)t;
    BUG_ON(a->at == SCRIPT);
    int at = a->at++;
    a->events[at] = event;
    t->deadline_ms = a->pause_ms[at] ? clock_mono_ms() + a->pause_ms[at] : 0;
    enum step next = a->script[at];
    if (a->during)
        a->during(a);
    counter_add(&a->steps, 1);
    return next;
}

static void actor_closed(struct task *t) {
    struct actor *a = (struct actor *)t;
    counter_add(&a->closed, 1);
}

#define ACTOR(...)                                                                                           \
    {                                                                                                        \
        .task = {.step = actor_step, .closed = actor_closed, .fd = -1}, .script = {__VA_ARGS__},             \
        .steps = COUNTER_INIT, .closed = COUNTER_INIT                                                        \
    }

static void wake_self(struct actor *a) {
    if (a->at == 1)
        task_wake(&a->task);
}

static void *wake_from_outside(void *a) {
    task_wake(&((struct actor *)a)->task);
    task_wake(&((struct actor *)a)->task);
    return NULL;
}

static void be_woken(struct actor *a) {
    pthread_t thread;
    if (a->at != 1)
        return;
    BUG_ON(pthread_create(&thread, NULL, wake_from_outside, a) != 0);
    pthread_join(thread, NULL); /* so both wakes came before this step parks */
}

static void wakes_during_the_step(void **state) {
    (void)state;
    void (*const during[])(struct actor *) = {wake_self, be_woken};
    for (int i = 0; i < 2; i++) {
        struct running x = {.r = new_runner(WORKERS)};
        struct actor a = ACTOR(STEP_WAIT, STEP_CLOSE);
        a.during = during[i];
        start(&x);
        runner_add(x.r, &a.task);
        counter_wait(&a.closed, 1);
        stop(&x, HOUR);
        assert_int_equal(a.at, 2);
        assert_int_equal(a.events[0], TASK_READY);
        assert_int_equal(a.events[1], TASK_WOKEN);
    }
}

static void wake_is_kept_for_the_next_wait(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct running x = {.r = new_runner(WORKERS)};
    struct actor a = ACTOR(STEP_READ, STEP_WAIT, STEP_CLOSE);
    a.task.fd = fds[0];
    start(&x);
    runner_add(x.r, &a.task);
    counter_wait(&a.steps, 1);
    task_wake(&a.task);
    assert_int_equal(write(fds[1], "x", 1), 1);
    counter_wait(&a.closed, 1);
    stop(&x, HOUR);
    assert_int_equal(a.events[1], TASK_READY);
    assert_int_equal(a.events[2], TASK_WOKEN);
    close(fds[0]);
    close(fds[1]);
}

static void waits_end_by_deadline_too(void **state) {
    (void)state;
    struct running x = {.r = new_runner(WORKERS)};
    struct actor a = ACTOR(STEP_WAIT, STEP_WAIT, STEP_CLOSE);
    a.pause_ms[0] = HOUR;
    start(&x);
    runner_add(x.r, &a.task);
    counter_wait(&a.steps, 1);
    advance(2 * HOUR);
    counter_wait(&a.steps, 2);
    task_wake(&a.task);
    counter_wait(&a.closed, 1);
    stop(&x, HOUR);
    assert_int_equal(a.events[1], TASK_TIMEOUT);
    assert_int_equal(a.events[2], TASK_WOKEN);
}

static void pauses(void **state) {
    (void)state;
    struct running x = {.r = new_runner(WORKERS)};
    struct actor a = ACTOR(STEP_TIMER, STEP_TIMER, STEP_CLOSE);
    a.pause_ms[0] = 30; /* this one passes by itself */
    a.pause_ms[1] = HOUR;
    start(&x);
    int64_t before = clock_mono_ms();
    runner_add(x.r, &a.task);
    counter_wait(&a.steps, 2);
    assert_true(clock_mono_ms() - before >= 30);
    task_wake(&a.task); /* does not end a pause */
    assert_int_equal(counter_get(&a.closed), 0);
    advance(HOUR + 1);
    counter_wait(&a.closed, 1);
    stop(&x, HOUR);
    assert_int_equal(a.events[1], TASK_TIMEOUT);
    assert_int_equal(a.events[2], TASK_TIMEOUT);
}

/* A deadline is taken out of the middle of the others: they still come in order. */
static void deadline_taken_back(void **state) {
    (void)state;
    static const int hours[] = {1, 10, 2, 11, 12, 3, 4, 13, 14, 15, 16, 6, 7, 8, 5};
    enum { TASKS = 15, TAKEN_BACK = 7 };
    struct running x = {.r = new_runner(1)};
    struct actor actors[TASKS];
    int fds[TASKS][2];
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds[i]), 0);
        actors[i] = (struct actor)ACTOR(STEP_READ, STEP_CLOSE);
        actors[i].task.fd = fds[i][0];
        actors[i].pause_ms[0] = (int64_t)hours[i] * HOUR;
        runner_add(x.r, &actors[i].task);
    }
    start(&x);
    for (int i = 0; i < TASKS; i++)
        counter_wait(&actors[i].steps, 1);
    assert_int_equal(write(fds[TAKEN_BACK][1], "x", 1), 1);
    counter_wait(&actors[TAKEN_BACK].closed, 1);
    advance(5 * HOUR + HOUR / 2);
    for (int i = 0; i < TASKS; i++)
        if (hours[i] <= 5)
            counter_wait(&actors[i].closed, 1);
    await_tasks(x.r, 9);
    advance(20 * HOUR);
    await_tasks(x.r, 0);
    stop(&x, HOUR);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(actors[i].events[1], i == TAKEN_BACK ? TASK_READY : TASK_TIMEOUT);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

/* What comes from outside, a deadline before all others, and a stop do not wait for the poller's next look.
 */
static void nothing_waits_for_the_poller(void **state) {
    (void)state;
    enum { TIMES = 30 };
    int64_t before = clock_real_us();
    for (int i = 0; i < TIMES; i++) {
        struct running x = {.r = new_runner(WORKERS)};
        struct actor a = ACTOR(STEP_WAIT, STEP_TIMER, STEP_CLOSE);
        a.pause_ms[1] = 1;
        start(&x);
        runner_add(x.r, &a.task);
        counter_wait(&a.steps, 1);
        task_wake(&a.task);
        counter_wait(&a.closed, 1);
        stop(&x, HOUR);
    }
    /* Looks are 250 ms apart: had each round waited for one, it would be 7.5 s. */
    assert_true(clock_real_us() - before < 4 * 1000 * 1000);
}

struct meeting {
    struct task task;
    struct counter *there, *met;
};

static enum step meeting_step(struct task *t, enum task_event event) {
    struct meeting *m = (struct meeting *)t;
    (void)event;
    counter_add(m->there, 1);
    if (counter_reaches(m->there, WORKERS))
        counter_add(m->met, 1);
    return STEP_CLOSE;
}

static void meeting_closed(struct task *t) {
    (void)t;
}

/* Each step ends when as many as there are workers have begun; between the rounds the workers go to sleep. */
static void workers_work_at_once(void **state) {
    (void)state;
    enum { ROUNDS = 20 };
    struct running x = {.r = new_runner(WORKERS)};
    start(&x);
    for (int round = 0; round < ROUNDS; round++) {
        struct counter there = COUNTER_INIT, met = COUNTER_INIT;
        struct meeting meetings[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            meetings[i] =
                (struct meeting){{.step = meeting_step, .closed = meeting_closed, .fd = -1}, &there, &met};
            runner_add(x.r, &meetings[i].task);
        }
        counter_wait(&met, WORKERS);
        await_tasks(x.r, 0);
    }
    stop(&x, HOUR);
}

/* ---- wake storms ---- */

enum { STORM_TASKS = 8, STORM_THREADS = 4, STORM_WAKES = 5000 };

struct stormed {
    struct task task;
    struct counter *taken, *closed;
    atomic_int pending;
    atomic_bool inside, twice_at_once, over;
    long steps;
};

static enum step stormed_step(struct task *t, enum task_event event) {
    struct stormed *s = (struct stormed *)t;
    if (atomic_exchange(&s->inside, true))
        atomic_store(&s->twice_at_once, true);
    s->steps++;
    BUG_ON(event != TASK_READY && event != TASK_WOKEN);
    int got = atomic_exchange(&s->pending, 0);
    if (got > 0)
        counter_add(s->taken, got);
    bool over = atomic_load(&s->over);
    atomic_store(&s->inside, false);
    return over ? STEP_CLOSE : STEP_WAIT;
}

static void stormed_closed(struct task *t) {
    counter_add(((struct stormed *)t)->closed, 1);
}

static void *storm(void *ctx) {
    struct stormed *tasks = ctx;
    for (int i = 0; i < STORM_WAKES; i++) {
        struct stormed *s = &tasks[i % STORM_TASKS];
        atomic_fetch_add(&s->pending, 1);
        task_wake(&s->task);
    }
    return NULL;
}

static void wake_storms(void **state) {
    (void)state;
    static struct stormed tasks[STORM_TASKS];
    struct counter taken = COUNTER_INIT, closed = COUNTER_INIT;
    struct running x = {.r = new_runner(WORKERS)};
    pthread_t threads[STORM_THREADS];
    for (int i = 0; i < STORM_TASKS; i++) {
        tasks[i] = (struct stormed){
            .task = {.step = stormed_step, .closed = stormed_closed, .fd = -1},
            .taken = &taken,
            .closed = &closed,
        };
        runner_add(x.r, &tasks[i].task);
    }
    start(&x);
    for (int i = 0; i < STORM_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm, tasks), 0);
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_join(threads[i], NULL);
    counter_wait(&taken, STORM_THREADS * STORM_WAKES);
    for (int i = 0; i < STORM_TASKS; i++) {
        atomic_store(&tasks[i].over, true);
        task_wake(&tasks[i].task);
    }
    counter_wait(&closed, STORM_TASKS);
    stop(&x, HOUR);
    assert_int_equal(counter_get(&taken), STORM_THREADS * STORM_WAKES);
    for (int i = 0; i < STORM_TASKS; i++) {
        assert_false(atomic_load(&tasks[i].twice_at_once));
        assert_true(tasks[i].steps > 0 && tasks[i].steps <= STORM_THREADS * STORM_WAKES + 2);
    }
}

/* ---- fairness ---- */

struct busy {
    struct task task;
    atomic_int *others;
    long turns;
    int wanted;
    struct counter closed;
    int fd_to_write;
};

static enum step busy_step(struct task *t, enum task_event event) {
    struct busy *b = (struct busy *)t;
    (void)event;
    if (b->turns++ == 0) /* only now does the other one become ready, by its socket */
        BUG_ON(write(b->fd_to_write, "x", 1) != 1);
    return atomic_load(b->others) >= b->wanted || b->turns > 1000000 ? STEP_CLOSE : STEP_AGAIN;
}

static void busy_closed(struct task *t) {
    counter_add(&((struct busy *)t)->closed, 1);
}

struct polite {
    struct task task;
    atomic_int *turns;
    int left;
};

static enum step polite_step(struct task *t, enum task_event event) {
    struct polite *p = (struct polite *)t;
    char byte;
    (void)event;
    if (t->fd >= 0 && read(t->fd, &byte, 1) != 1)
        return STEP_READ;
    atomic_fetch_add(p->turns, 1);
    return --p->left > 0 ? STEP_AGAIN : STEP_CLOSE;
}

static void polite_closed(struct task *t) {
    (void)t;
}

/* One worker, and a task that always has more to do: tasks in the queue and tasks in epoll get their turns.
 */
static void again_is_fair(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct running x = {.r = new_runner(1)};
    atomic_int turns = 0;
    struct polite queued = {{.step = polite_step, .closed = polite_closed, .fd = -1}, &turns, 10};
    struct polite reading = {{.step = polite_step, .closed = polite_closed, .fd = fds[0]}, &turns, 1};
    struct busy busy = {.task = {.step = busy_step, .closed = busy_closed, .fd = -1}, .closed = COUNTER_INIT};
    busy.others = &turns;
    busy.wanted = 11;
    busy.fd_to_write = fds[1];
    runner_add(x.r, &reading.task);
    runner_add(x.r, &queued.task);
    runner_add(x.r, &busy.task);
    start(&x);
    counter_wait(&busy.closed, 1);
    stop(&x, HOUR);
    assert_int_equal(atomic_load(&turns), 11);
    assert_true(busy.turns < 1000);
    close(fds[0]);
    close(fds[1]);
}

/* ---- stopping ---- */

static struct runner *signalled;

static void on_signal(int number) {
    (void)number;
    runner_stop(signalled, HOUR);
}

static void drains_idle_sessions(void **state) {
    (void)state;
    enum { CLIENTS = 20 };
    struct server server = SERVER_INIT(1000);
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener, clients[CLIENTS];
    listen_for(&x, &server, &listener, &addr);
    start(&x);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(&addr);
        say(clients[i], i);
        expect(clients[i], i);
    }
    signalled = x.r;
    struct sigaction action = {.sa_handler = on_signal}, before;
    assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
    assert_int_equal(raise(SIGTERM), 0);
    join(&x);
    assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
    assert_int_equal(runner_tasks(x.r), 0);
    assert_int_equal(atomic_load(&server.drains), CLIENTS);
    /* The kernel may still take a connection; nobody accepts it. */
    int late = connect_to(&addr);
    assert_int_equal(counter_get(&server.accepted), CLIENTS);
    close(late);
    for (int i = 0; i < CLIENTS; i++) {
        char byte;
        assert_int_equal(read(clients[i], &byte, 1), 0);
        close(clients[i]);
    }
    runner_free(x.r);
    close(listener);
}

/* Sessions that go on after DRAIN are asked once, can go on working, and are closed when the time is over. */
static void drain_ends(void **state) {
    (void)state;
    struct server server = SERVER_INIT(1000);
    server.stays = true;
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener;
    char byte;
    listen_for(&x, &server, &listener, &addr);
    start(&x);
    int first = connect_to(&addr), second = connect_to(&addr);
    say(first, 1);
    expect(first, 1);
    say(second, 2);
    expect(second, 2);
    runner_stop(x.r, HOUR);
    for (int i = 0; i < 10; i++) {
        say(first, i);
        expect(first, i);
    }
    close(second);
    counter_wait(&server.closed, 1);
    await_tasks(x.r, 1);
    advance(HOUR + 1);
    assert_int_equal(read(first, &byte, 1), 0);
    join(&x);
    assert_int_equal(atomic_load(&server.drains), 2);
    assert_int_equal(counter_get(&server.closed), 2);
    runner_free(x.r);
    close(first);
    close(listener);
}

/* A session with a request out hears of the drain when it reads again; other parks are not disturbed. */
static void drain_comes_with_the_next_read(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct running x = {.r = new_runner(WORKERS)};
    struct actor waits = ACTOR(STEP_WAIT, STEP_READ, STEP_WRITE, STEP_READ, STEP_CLOSE);
    struct actor reads = ACTOR(STEP_READ, STEP_CLOSE);
    struct actor paused = ACTOR(STEP_TIMER, STEP_CLOSE);
    waits.task.fd = reads.task.fd = fds[0];
    int other = dup(fds[0]);
    reads.task.fd = other;
    paused.pause_ms[0] = HOUR;
    start(&x);
    runner_add(x.r, &waits.task);
    runner_add(x.r, &reads.task);
    runner_add(x.r, &paused.task);
    counter_wait(&waits.steps, 1);
    counter_wait(&reads.steps, 1);
    counter_wait(&paused.steps, 1);
    runner_stop(x.r, 100 * (int64_t)HOUR);
    counter_wait(&reads.closed, 1); /* the drain has begun */
    assert_int_equal(counter_get(&waits.steps), 1);
    task_wake(&waits.task);
    counter_wait(&waits.steps, 4);
    assert_int_equal(write(fds[1], "x", 1), 1);
    counter_wait(&waits.closed, 1);
    advance(HOUR);
    join(&x);
    assert_int_equal(runner_tasks(x.r), 0);
    assert_int_equal(reads.events[1], TASK_DRAIN);
    assert_int_equal(waits.events[1], TASK_WOKEN);
    assert_int_equal(waits.events[2], TASK_DRAIN);
    assert_int_equal(waits.events[3], TASK_READY);
    assert_int_equal(waits.events[4], TASK_READY);
    assert_int_equal(paused.events[1], TASK_TIMEOUT);
    runner_free(x.r);
    close(other);
    close(fds[0]);
    close(fds[1]);
}

/* After the drain, parked tasks are closed without a step; a wake that still comes is waited for. */
static void late_wakes(void **state) {
    (void)state;
    struct running x = {.r = new_runner(WORKERS)};
    struct actor waits = ACTOR(STEP_WAIT, STEP_TIMER);
    struct actor paused = ACTOR(STEP_TIMER);
    waits.pause_ms[1] = paused.pause_ms[0] = HOUR;
    start(&x);
    runner_add(x.r, &waits.task);
    runner_add(x.r, &paused.task);
    counter_wait(&waits.steps, 1);
    counter_wait(&paused.steps, 1);
    runner_stop(x.r, 0);
    counter_wait(&paused.closed, 1);
    assert_int_equal(counter_get(&waits.closed), 0);
    task_wake(&waits.task);
    join(&x);
    assert_int_equal(runner_tasks(x.r), 0);
    assert_int_equal(waits.at, 2);
    assert_int_equal(waits.events[1], TASK_WOKEN);
    assert_int_equal(counter_get(&waits.closed), 1);
    assert_int_equal(paused.at, 1);
    runner_free(x.r);
}

static void lost_wakes(void **state) {
    (void)state;
    struct running x = {.r = new_runner(WORKERS)};
    static struct actor waits = ACTOR(STEP_WAIT, STEP_CLOSE); /* the runner's memory hangs on it */
    struct actor paused = ACTOR(STEP_TIMER);
    paused.pause_ms[0] = HOUR;
    start(&x);
    runner_add(x.r, &waits.task);
    runner_add(x.r, &paused.task);
    counter_wait(&waits.steps, 1);
    counter_wait(&paused.steps, 1);
    runner_stop(x.r, 0);
    counter_wait(&paused.closed, 1);
    advance(3000);
    join(&x);
    assert_int_equal(runner_tasks(x.r), 1);
    runner_free(x.r);
    task_wake(&waits.task); /* harmless */
    assert_int_equal(waits.at, 1);
    assert_int_equal(counter_get(&waits.closed), 0);
}

/* ---- pausing to accept ---- */

static void accepting_pauses_at_the_limit(void **state) {
    (void)state;
    enum { MAX = 10, CLIENTS = 40 };
    struct server server = SERVER_INIT(MAX);
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener, clients[CLIENTS];
    listen_for(&x, &server, &listener, &addr);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(&addr);
        say(clients[i], i);
    }
    start(&x);
    for (int i = 0; i < CLIENTS; i++) { /* the kernel hands them out in order */
        expect(clients[i], i);
        assert_true(runner_tasks(x.r) <= MAX);
        if (i + MAX < CLIENTS) {
            struct pollfd unserved = {.fd = clients[i + MAX], .events = POLLIN};
            assert_int_equal(poll(&unserved, 1, 0), 0);
        }
        close(clients[i]);
    }
    counter_wait(&server.closed, CLIENTS);
    stop(&x, HOUR);
    close(listener);
    assert_int_equal(counter_get(&server.accepted), CLIENTS);
    assert_false(atomic_load(&server.too_many));
}

static int64_t cpu_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void accepting_pauses_without_descriptors(void **state) {
    (void)state;
    enum { CLIENTS = 10, ROOM = 4 };
    struct server server = SERVER_INIT(1000);
    struct running x = {.r = new_runner(WORKERS)};
    struct sockaddr_in addr;
    int listener, clients[CLIENTS];
    struct rlimit before, low;
    listen_for(&x, &server, &listener, &addr);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(&addr);
        say(clients[i], i);
    }
    int highest = -1, held[ROOM];
    for (int i = 0; i < ROOM; i++)
        highest = held[i] = dup(listener);
    for (int i = 0; i < ROOM; i++)
        close(held[i]);
    assert_true(highest >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)highest + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    start(&x);
    for (int i = 0; i < ROOM; i++)
        expect(clients[i], i);
    struct pollfd fifth = {.fd = clients[ROOM], .events = POLLIN};
    int64_t cpu_before = cpu_ms();
    int came = poll(&fifth, 1, 500);
    int64_t cpu_used = cpu_ms() - cpu_before;
    /* A session that ends makes room at once, for the next in the line. */
    close(clients[0]);
    expect(clients[ROOM], ROOM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(came, 0);
    assert_true(cpu_used < 250);
    /* Room that comes from elsewhere is found by time. */
    for (int i = ROOM + 1; i < CLIENTS; i++)
        expect(clients[i], i);
    for (int i = 1; i < CLIENTS; i++)
        close(clients[i]);
    counter_wait(&server.closed, CLIENTS);
    stop(&x, HOUR);
    close(listener);
}

static int attach_clock(void **state) {
    char path[] = "/tmp/runner-test-XXXXXX";
    struct err e;
    (void)state;
    int fd = mkstemp(path);
    bool ok = fd >= 0 && clock_attach(path, &e);
    close(fd);
    unlink(path);
    return ok ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes),
        cmocka_unit_test(deadlines_in_order),
        cmocka_unit_test(wakes_during_the_step),
        cmocka_unit_test(wake_is_kept_for_the_next_wait),
        cmocka_unit_test(waits_end_by_deadline_too),
        cmocka_unit_test(pauses),
        cmocka_unit_test(deadline_taken_back),
        cmocka_unit_test(nothing_waits_for_the_poller),
        cmocka_unit_test(workers_work_at_once),
        cmocka_unit_test(wake_storms),
        cmocka_unit_test(again_is_fair),
        cmocka_unit_test(drains_idle_sessions),
        cmocka_unit_test(drain_ends),
        cmocka_unit_test(drain_comes_with_the_next_read),
        cmocka_unit_test(late_wakes),
        cmocka_unit_test(retiring),
        cmocka_unit_test(lost_wakes),
        cmocka_unit_test(accepting_pauses_at_the_limit),
        cmocka_unit_test(accepting_pauses_without_descriptors),
    };
    return cmocka_run_group_tests(tests, attach_clock, NULL);
}
