/* clock.c: the time, and in builds for tests a time that can be moved.
 *
 * The offset lies in a file that every role maps shared: moving it takes effect everywhere at once, with no
 * message to anybody. It only ever grows, so clocks do not go back. Release builds contain none of this. */
#include "base/clock.h"

#include "base/mem.h"

#include <time.h>

static int64_t read_us(clockid_t id) {
    struct timespec ts;
    BUG_ON(clock_gettime(id, &ts) < 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_real_us(void) {
    return read_us(CLOCK_MONOTONIC);
}

#ifdef POSTROAD_TEST_HOOKS

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef _Atomic(int64_t) shared_ms;

static shared_ms no_offset;
static _Atomic(shared_ms *) offset = &no_offset;

static int64_t offset_ms(void) {
    return atomic_load_explicit(atomic_load_explicit(&offset, memory_order_acquire), memory_order_relaxed);
}

bool clock_attach(const char *path, struct err *e) {
    CLOSE_AUTO int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, ERR_IO, "cannot open the clock %s", path);
    /* Growing writes zeros only behind what is there, so two roles may do it at once. */
    if (st.st_size < (off_t)sizeof(shared_ms) && ftruncate(fd, sizeof(shared_ms)) < 0)
        return err_errno(e, ERR_IO, "cannot make the clock %s", path);
    void *map = mmap(NULL, sizeof(shared_ms), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(e, ERR_IO, "cannot map the clock %s", path);
    /* An older mapping stays: another thread may be reading it this moment. */
    atomic_store_explicit(&offset, map, memory_order_release);
    return true;
}

bool clock_advance(int64_t ms, struct err *e) {
    shared_ms *attached = atomic_load_explicit(&offset, memory_order_acquire);
    if (attached == &no_offset)
        return err_set(e, ERR_USAGE, "no clock is attached");
    if (ms < 0)
        return err_set(e, ERR_USAGE, "the clock cannot go back");
    int64_t now = atomic_load(attached), moved;
    do {
        if (__builtin_add_overflow(now, ms, &moved) || moved > INT64_MAX / 2)
            return err_set(e, ERR_USAGE, "the clock cannot go that far");
    } while (!atomic_compare_exchange_weak(attached, &now, moved));
    return true;
}

#else

static int64_t offset_ms(void) {
    return 0;
}

bool clock_attach(const char *path, struct err *e) {
    (void)path, (void)e;
    return true;
}

bool clock_advance(int64_t ms, struct err *e) {
    (void)ms;
    return err_set(e, ERR_USAGE, "the clock can only be moved in a build with -Dtest_hooks=true");
}

#endif

int64_t clock_now_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000 + offset_ms();
}

int64_t clock_mono_ms(void) {
    return read_us(CLOCK_MONOTONIC) / 1000 + offset_ms();
}
