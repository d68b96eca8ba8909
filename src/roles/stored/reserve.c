/* reserve.c: see reserve.h. */
#include "roles/stored/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_EVERY_MS 10000

static struct {
    int fd;
    int64_t bytes, min_free;
    bool is_held;
    int64_t next_ms;
} reserve = {.fd = -1};

static void take(void) {
    int rc = posix_fallocate(reserve.fd, 0, (off_t)reserve.bytes);
    reserve.is_held = rc == 0;
    if (reserve.is_held)
        log_line(LOG_INFO, "reserve-taken", LOG_I("bytes", reserve.bytes));
    else if (ftruncate(reserve.fd, 0) == 0) /* what it got of it */
        log_line(LOG_WARN, "no-reserve", LOG_S("reason", strerror(rc)),
                 LOG_S("way_out", "free some room on the disk, or lower disk_reserve"));
}

void reserve_open(const struct config *config) {
    FREE_AUTO char *path = config_path(config, "data/reserve");
    reserve.bytes = config->disk_reserve;
    reserve.min_free = config->min_free;
    reserve.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    if (reserve.fd < 0 || fstat(reserve.fd, &st) != 0) {
        log_line(LOG_WARN, "no-reserve", LOG_S("reason", strerror(errno)));
        return;
    }
    if (st.st_size != reserve.bytes && ftruncate(reserve.fd, 0) != 0)
        log_line(LOG_WARN, "no-reserve", LOG_S("reason", strerror(errno)));
    reserve.is_held = st.st_size == reserve.bytes;
    if (!reserve.is_held && reserve.bytes > 0)
        take();
}

void reserve_release(void) {
    if (reserve.fd < 0 || !reserve.is_held || reserve.bytes == 0 || ftruncate(reserve.fd, 0) != 0)
        return;
    reserve.is_held = false;
    log_line(LOG_ERROR, "reserve-released", LOG_I("bytes", reserve.bytes),
             LOG_S("way_out", "the disk is full: free some room; until then mail only goes out"));
}

void reserve_tend(void) {
    struct statvfs fs;
    if (reserve.fd < 0 || reserve.is_held || reserve.bytes == 0 || clock_mono_ms() < reserve.next_ms)
        return;
    reserve.next_ms = clock_mono_ms() + LOOK_EVERY_MS;
    if (fstatvfs(reserve.fd, &fs) == 0 &&
        (int64_t)(fs.f_bavail * fs.f_frsize) > reserve.min_free + 2 * reserve.bytes)
        take();
}

void reserve_close(void) {
    if (reserve.fd >= 0)
        close(reserve.fd);
    reserve.fd = -1;
}
