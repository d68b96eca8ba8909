/* file.c: reading and replacing whole files, so that a crash leaves the old or the new one.
 *
 * Errors carry the file's name, and the one code a caller acts on: not found, disk full, or any other I/O. */
#include "base/file.h"

#include "base/id.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { READ_CHUNK = 64 * 1024 };

static bool file_err(struct err *e, const char *what, const char *path) {
    enum err_code code = ERR_IO;
    if (errno == ENOENT)
        code = ERR_NOT_FOUND;
    else if (errno == ENOSPC || errno == EDQUOT)
        code = ERR_DISK_FULL;
    return err_errno(e, code, "cannot %s %s", what, path);
}

static ssize_t read_some(int fd, char *to, size_t len) {
    ssize_t n;
    do
        n = read(fd, to, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool read_rest(int fd, const char *path, struct buf *out, struct err *e) {
    for (;;) {
        size_t room = out->limit - out->len;
        char one_more;
        bool full = room == 0;
        char *to = full ? &one_more : buf_reserve(out, room < READ_CHUNK ? room : READ_CHUNK);
        if (!to)
            return err_set(e, ERR_LIMIT, "cannot read %s into a buffer that has failed", path);
        ssize_t n = read_some(fd, to, full ? 1 : (room < READ_CHUNK ? room : READ_CHUNK));
        if (n < 0)
            return file_err(e, "read", path);
        if (n == 0)
            return true;
        if (full)
            return err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, out->limit);
        buf_commit(out, (size_t)n);
    }
}

bool file_read(const char *path, struct buf *out, struct err *e) {
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_err(e, "open", path);
    size_t before = out->len;
    if (!read_rest(fd, path, out, e)) {
        buf_truncate(out, before);
        return false;
    }
    return true;
}

static bool write_all(int fd, view v) {
    while (v.len > 0) {
        ssize_t n = write(fd, v.ptr, v.len);
        if (n < 0 && errno != EINTR)
            return false;
        v = view_skip(v, n < 0 ? 0 : (size_t)n);
    }
    return true;
}

bool file_write_all(int fd, view v, struct err *e) {
    if (write_all(fd, v))
        return true;
    return err_errno(e, errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO, "cannot write");
}

bool file_fsync_dir(const char *path, struct err *e) {
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_err(e, "open", path);
    return fsync(fd) == 0 || file_err(e, "sync", path);
}

/* The folder a path lies in. Caller frees. */
static char *parent_of(const char *path) {
    ptrdiff_t slash = view_rfind(view_of(path), '/');
    if (slash < 0)
        return mem_str(".");
    return mem_view((view){path, slash == 0 ? 1 : (size_t)slash});
}

static bool write_new(const char *path, view content, unsigned mode, struct err *e) {
    CLOSE_AUTO int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return file_err(e, "create", path);
    return (write_all(fd, content) && fsync(fd) == 0) || file_err(e, "write", path);
}

bool file_replace(const char *path, view content, unsigned mode, struct err *e) {
    FREE_AUTO char *temporary = mem_printf("%s.%016" PRIx64 ".tmp", path, random_u64());
    FREE_AUTO char *folder = parent_of(path);
    if (!write_new(temporary, content, mode, e)) {
        unlink(temporary);
        return false;
    }
    if (rename(temporary, path) < 0) {
        file_err(e, "replace", path);
        unlink(temporary);
        return false;
    }
    return file_fsync_dir(folder, e);
}

static bool make_dir(const char *path, unsigned mode, struct err *e) {
    struct stat st;
    if (mkdir(path, mode) == 0)
        return true;
    int reason = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        reason = ENOTDIR;
    }
    errno = reason;
    return file_err(e, "make the folder", path);
}

bool file_mkdirs(const char *path, unsigned mode, struct err *e) {
    FREE_AUTO char *part = mem_str(path);
    /* From the second octet on: the first may be the root. */
    for (char *slash = *part ? part + 1 : part; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (!make_dir(part, mode, e))
            return false;
        *slash = '/';
    }
    return make_dir(part, mode, e);
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool file_free_bytes(const char *path, int64_t *ret_bytes, struct err *e) {
    struct statvfs st;
    int64_t bytes;
    if (statvfs(path, &st) < 0)
        return file_err(e, "look at the free space of", path);
    if (__builtin_mul_overflow(st.f_bavail, st.f_frsize, &bytes))
        bytes = INT64_MAX;
    *ret_bytes = bytes;
    return true;
}
