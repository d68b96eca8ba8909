/* hint_test.c: a hint wakes who waits, and nobody is held up by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/hint.h"

enum { FOREVER_MS = 60 * 1000 }; /* a wait that must end earlier by itself */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int make_dir(void **state) {
    const char *base = getenv("TMPDIR");
    char *dir = mem_printf("%s/postroad-hint-XXXXXX", base ? base : "/tmp");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static struct hint *open_hint(const char *dir, const char *role) {
    struct err e = {0};
    struct hint *h = hint_open(dir, role, &e);
    if (!h)
        fail_msg("%s", e.text);
    return h;
}

static void sent_and_heard(void **state) {
    struct hint *h = open_hint(*state, "router"), *other = open_hint(*state, "deliver");
    assert_false(hint_wait(h, 0));
    hint_send(*state, "router");
    assert_true(hint_wait(h, FOREVER_MS));
    assert_false(hint_wait(h, 0));
    assert_false(hint_wait(other, 0));
    hint_close(&h);
    hint_close(&other);
    assert_null(h);
    hint_close(&h); /* nothing to close */
}

static void coalesced(void **state) {
    struct hint *h = open_hint(*state, "router");
    for (int i = 0; i < 5; i++)
        hint_send(*state, "router");
    assert_true(hint_wait(h, FOREVER_MS));
    assert_false(hint_wait(h, 0));
    /* Far more than a socket queues: no call waits, and one wait takes all. */
    for (int i = 0; i < 5000; i++)
        hint_send(*state, "router");
    assert_true(hint_wait(h, FOREVER_MS));
    assert_false(hint_wait(h, 0));
    hint_close(&h);
}

static void nobody_listens(void **state) {
    hint_send(*state, "router"); /* no folder yet */
    struct hint *h = open_hint(*state, "router");
    hint_send(*state, "deliver"); /* no socket */
    hint_close(&h);
    hint_send(*state, "router"); /* a socket nobody has open */
    h = open_hint(*state, "router");
    assert_false(hint_wait(h, 0)); /* what was sent to nobody is gone */
    hint_send(*state, "router");
    assert_true(hint_wait(h, FOREVER_MS));
    hint_close(&h);
}

/* While a role is replaced, old and new live side by side. */
static void replaced(void **state) {
    struct hint *old = open_hint(*state, "router"), *new = open_hint(*state, "router");
    hint_send(*state, "router");
    assert_true(hint_wait(new, FOREVER_MS));
    assert_false(hint_wait(old, 0));
    hint_close(&old);
    hint_send(*state, "router");
    assert_true(hint_wait(new, FOREVER_MS));
    hint_close(&new);
}

static void over_in_time(void **state) {
    struct hint *h = open_hint(*state, "router");
    int64_t start = clock_real_us();
    assert_false(hint_wait(h, 20));
    int64_t passed = clock_real_us() - start;
    assert_true(passed >= 20 * 1000);
    assert_true(passed < FOREVER_MS * (int64_t)1000);
    assert_false(hint_wait(h, -1));
    hint_close(&h);
}

static void *interrupt(void *h) {
    hint_interrupt(h);
    return NULL;
}

static void interrupted_by_thread(void **state) {
    struct hint *h = open_hint(*state, "router");
    pthread_t thread;
    int64_t start = clock_real_us();
    assert_int_equal(pthread_create(&thread, NULL, interrupt, h), 0);
    assert_false(hint_wait(h, FOREVER_MS));
    pthread_join(thread, NULL);
    hint_interrupt(h); /* before the wait: not lost */
    hint_interrupt(h);
    hint_send(*state, "router");
    assert_true(hint_wait(h, FOREVER_MS));
    assert_false(hint_wait(h, 0));
    assert_true(clock_real_us() - start < FOREVER_MS * (int64_t)1000);
    hint_close(&h);
}

static struct hint *of_handler;

static void handler(int signal_number) {
    (void)signal_number;
    hint_interrupt(of_handler);
}

static void interrupted_by_signal(void **state) {
    struct hint *h = of_handler = open_hint(*state, "router");
    struct sigaction sa = {.sa_handler = handler}, old;
    assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
    pid_t parent = getpid(), child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(kill(parent, SIGUSR1) == 0 ? 0 : 1);
    int64_t start = clock_real_us();
    assert_false(hint_wait(h, FOREVER_MS));
    assert_true(clock_real_us() - start < FOREVER_MS * (int64_t)1000);
    int status;
    pid_t reaped;
    do
        reaped = waitpid(child, &status, 0);
    while (reaped < 0);
    assert_int_equal(status, 0);
    sigaction(SIGUSR1, &old, NULL);
    hint_close(&h);
}

static void from_another_process(void **state) {
    struct hint *h = open_hint(*state, "router");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hint_send(*state, "router");
        _exit(0);
    }
    assert_true(hint_wait(h, FOREVER_MS));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    hint_close(&h);
}

/* Around and far beyond the 107 octets a socket's address can take. */
static void long_paths(void **state) {
    size_t fixed = strlen(*state) + strlen("//data/run/hint/router");
    for (size_t total = 105; total <= 270; total += total < 111 ? 1 : 150) {
        size_t len = total - fixed;
        char name[256] = {0};
        assert_true(len > 0 && len < sizeof name);
        memset(name, 'd', len);
        FREE_AUTO char *dir = mem_printf("%s/%s", (char *)*state, name);
        struct hint *h = open_hint(dir, "router");
        hint_send(dir, "router");
        assert_true(hint_wait(h, FOREVER_MS));
        assert_false(hint_wait(h, 0));
        hint_close(&h);
        h = open_hint(dir, "router"); /* over what is left of the first */
        hint_close(&h);
    }
}

static void cannot_open(void **state) {
    FREE_AUTO char *dir = mem_printf("%s/file", (char *)*state);
    FILE *f = fopen(dir, "w");
    assert_non_null(f);
    fclose(f);
    struct err e = {0};
    assert_null(hint_open(dir, "router", &e));
    assert_int_not_equal(e.code, ERR_OK);
    hint_send(dir, "router");
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(sent_and_heard),        IN_DIR(coalesced),
        IN_DIR(nobody_listens),        IN_DIR(replaced),
        IN_DIR(over_in_time),          IN_DIR(interrupted_by_thread),
        IN_DIR(interrupted_by_signal), IN_DIR(long_paths),
        IN_DIR(from_another_process),  IN_DIR(cannot_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
