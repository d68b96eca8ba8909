/* bundle.c: writing a backup's files.
 *
 * Live files are copied, never linked: a link would share the bytes with what it is to be a copy of, and
 * whatever spoils the one would spoil the other. (Where the file system can share blocks, the kernel's copy
 * does.) Links go to the backup before, for files with the same length and time of change: those get that
 * backup's sum, so that `backup verify` finds it out when they have rotted there. */
#include "cli/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    DIR_MODE = 0700,
    FILE_MODE = 0600,
    BLOCK = 512,
    USTAR_NAME = 100,
    CHUNK = 256 * 1024,
    SUMS_BYTES = 1 << 30
};
#define USTAR_SIZE INT64_C(077777777777)

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place) {
    (void)st, (void)type, (void)place;
    return remove(path);
}

void folder_remove(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool bundle_open(struct bundle *b, const char *dir, const char *previous, struct err *e) {
    *b = (struct bundle){.now_s = clock_now_ms() / 1000, .previous = mem_str(previous)};
    if (previous && !sums_read(previous, &b->before, e))
        return err_prefix(e, "--previous");
    if (strcmp(dir, "-") == 0)
        return !isatty(STDOUT_FILENO) ||
               err_set(e, ERR_USAGE, "standard output is a terminal: write the backup into a file or a pipe");
    view name = view_of(dir);
    while (name.len > 1 && view_ends_with(name, VIEW("/")))
        name = view_slice(name, 0, name.len - 1);
    b->dir = mem_view(name);
    if (file_exists(b->dir))
        return err_set(e, ERR_EXISTS, "%.150s is there already: each backup has a directory of its own",
                       b->dir);
    char *partial = mem_printf("%s.partial", b->dir);
    folder_remove(partial); /* of a backup that was interrupted */
    bool ok = file_mkdirs(partial, DIR_MODE, e);
    if (ok)
        b->partial = partial;
    else
        free(partial);
    return ok;
}

/* -- tar */

static bool write_out(view v, struct err *e) {
    return file_write_all(STDOUT_FILENO, v, e) || err_prefix(e, "standard output");
}

/* Digits that fill the field but for its last octet, a NUL. */
static void put_octal(char *field, size_t size, int64_t n) {
    field[--size] = '\0';
    for (; size > 0; n >>= 3)
        field[--size] = (char)('0' + (n & 7));
}

static bool tar_block(const char *name, int64_t size, int64_t time_s, char type, struct err *e) {
    char block[BLOCK] = {0};
    unsigned sum = 0;
    memcpy(block, name, strnlen(name, USTAR_NAME));
    put_octal(block + 100, 8, FILE_MODE);
    put_octal(block + 108, 8, 0);
    put_octal(block + 116, 8, 0);
    put_octal(block + 124, 12, size > USTAR_SIZE ? 0 : size);
    put_octal(block + 136, 12, time_s);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)block[i];
    put_octal(block + 148, 7, sum);
    return write_out(view_from(block, BLOCK), e);
}

static bool tar_padding(int64_t size, struct err *e) {
    static const char zeros[BLOCK];
    return write_out(view_from(zeros, (size_t)(-size & (BLOCK - 1))), e);
}

/* "<length> key=value\n", its own length counted. */
static void pax_record(struct buf *out, const char *key, const char *value) {
    size_t rest = strlen(key) + strlen(value) + 3, length = rest + 1;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof digits, "%zu", length) + rest != length)
        length++;
    buf_printf(out, "%s %s=%s\n", digits, key, value);
}

static bool tar_header(struct bundle *b, const char *name, int64_t size, struct err *e) {
    struct buf pax = BUF_INIT(16384);
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)size);
    if (strlen(name) > USTAR_NAME)
        pax_record(&pax, "path", name);
    if (size > USTAR_SIZE)
        pax_record(&pax, "size", number);
    bool ok = !pax.len || (tar_block("pax", (int64_t)pax.len, b->now_s, 'x', e) &&
                           write_out(buf_view(&pax), e) && tar_padding((int64_t)pax.len, e));
    buf_done(&pax);
    return ok && tar_block(name, size, b->now_s, '0', e);
}

/* -- one file */

static bool copy_some(int from, int to, int64_t length, struct err *e) {
    FREE_AUTO char *piece = mem_alloc(CHUNK);
    for (int64_t done = 0; done < length;) {
        ssize_t n = pread(from, piece, (size_t)(length - done < CHUNK ? length - done : CHUNK), done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_errno(e, ERR_IO, "cannot read")
                         : err_set(e, ERR_DAMAGED, "it has become shorter");
        if (!file_write_all(to, view_from(piece, (size_t)n), e))
            return false;
        done += n;
    }
    return true;
}

/* In the kernel, sharing blocks where that can be, else by hand. */
static bool copy_prefix(int from, int to, int64_t length, struct err *e) {
    off_t in = 0;
    while (in < length) {
        ssize_t n = copy_file_range(from, &in, to, NULL, (size_t)(length - in), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
    }
    if (in == length)
        return true;
    return lseek(to, 0, SEEK_SET) == 0 && copy_some(from, to, length, e);
}

static bool make_parent(const char *path, struct err *e) {
    FREE_AUTO char *parent = mem_str(path);
    char *slash = strrchr(parent, '/');
    *slash = '\0';
    return file_mkdirs(parent, DIR_MODE, e);
}

static bool link_to_previous(struct bundle *b, const char *name, const char *to, const struct stat *live,
                             int64_t length) {
    const struct sum *sum = b->previous ? sums_find(&b->before, name) : NULL;
    struct stat st;
    if (!sum || live->st_size != length)
        return false;
    FREE_AUTO char *from = mem_printf("%s/%s", b->previous, name);
    if (stat(from, &st) < 0 || st.st_size != length || st.st_mtim.tv_sec != live->st_mtim.tv_sec ||
        st.st_mtim.tv_nsec != live->st_mtim.tv_nsec || link(from, to) < 0)
        return false;
    sums_add(&b->sums, view_of(name), sum->sha256);
    b->linked++;
    return true;
}

static bool copy_into(struct bundle *b, const char *name, const char *to, int from, const struct stat *live,
                      int64_t length, struct err *e) {
    char sha256[65];
    CLOSE_AUTO int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return err_errno(e, ERR_IO, "cannot make it in the backup");
    const struct timespec times[2] = {live->st_mtim, live->st_mtim};
    if (!copy_prefix(from, fd, length, e) || !sum_file(fd, length, sha256, e))
        return false;
    if (futimens(fd, times) < 0 || fsync(fd) < 0)
        return err_errno(e, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "cannot sync it in the backup");
    sums_add(&b->sums, view_of(name), sha256);
    return true;
}

static bool add_to_tar(struct bundle *b, const char *name, int from, int64_t length, struct err *e) {
    char sha256[65];
    if (!sum_file(from, length, sha256, e) || !tar_header(b, name, length, e) ||
        !copy_some(from, STDOUT_FILENO, length, e) || !tar_padding(length, e))
        return false;
    sums_add(&b->sums, view_of(name), sha256);
    return true;
}

static bool add_open(struct bundle *b, const char *name, int from, int64_t length, struct err *e) {
    struct stat live;
    if (fstat(from, &live) < 0)
        return err_errno(e, ERR_IO, "cannot look at it");
    if (!b->partial)
        return add_to_tar(b, name, from, length, e);
    FREE_AUTO char *to = mem_printf("%s/%s", b->partial, name);
    return make_parent(to, e) &&
           (link_to_previous(b, name, to, &live, length) || copy_into(b, name, to, from, &live, length, e));
}

bool bundle_add(struct bundle *b, const char *name, const char *path, int64_t length, struct err *e) {
    CLOSE_AUTO int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return err_errno(e, ERR_IO, "cannot open %s", path);
    if (!add_open(b, name, from, length, e))
        return err_prefix(e, "%s", path);
    b->files++;
    b->bytes += length;
    return true;
}

bool bundle_add_bytes(struct bundle *b, const char *name, view bytes, struct err *e) {
    CLOSE_AUTO int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(e, ERR_SYSTEM, "cannot make %s in memory", name);
    if (!file_write_all(fd, bytes, e) || !add_open(b, name, fd, (int64_t)bytes.len, e))
        return err_prefix(e, "%s", name);
    b->files++;
    b->bytes += (int64_t)bytes.len;
    return true;
}

/* -- the end */

static int sync_one(const char *path, const struct stat *st, int type, struct FTW *place) {
    (void)st, (void)place;
    return type == FTW_D && !file_fsync_dir(path, NULL);
}

static bool give_name(struct bundle *b, struct err *e) {
    if (nftw(b->partial, sync_one, 16, FTW_PHYS) != 0)
        return err_errno(e, ERR_IO, "cannot sync %s", b->partial);
    if (rename(b->partial, b->dir) < 0)
        return err_errno(e, ERR_IO, "cannot rename %s to %s", b->partial, b->dir);
    free(b->partial);
    b->partial = NULL;
    FREE_AUTO char *parent = mem_str(b->dir);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    return file_fsync_dir(slash ? parent : ".", e);
}

bool bundle_finish(struct bundle *b, struct err *e) {
    static const char end[2 * BLOCK];
    struct buf text = BUF_INIT(SUMS_BYTES);
    sums_format(&b->sums, &text);
    bool ok = !text.failed || err_set(e, ERR_LIMIT, "too many files for one backup");
    ok = ok && bundle_add_bytes(b, BUNDLE_SUMS, buf_view(&text), e);
    buf_done(&text);
    return ok && (b->partial ? give_name(b, e) : write_out(view_from(end, sizeof end), e));
}

void bundle_done(struct bundle *b) {
    if (b->partial)
        folder_remove(b->partial);
    sums_done(&b->sums);
    sums_done(&b->before);
    free(b->partial);
    free(b->dir);
    free(b->previous);
}
