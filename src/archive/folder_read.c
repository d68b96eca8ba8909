/* folder_read.c: reading a list's archive: its journals in order, and single posts.
 *
 * Readers take no lock. A journal's last line without its end is one that is being written (or was, before a
 * crash) and does not count; what a post's line promises is checked against the bytes in the mbox, and a
 * reader that finds something else looks the line up once more before it calls the archive damaged. */
#include "archive/folder_private.h"

#include "archive/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "mail/mbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef char month_name[MONTH_NAME_LEN + 1];

struct month_file month_file(const char *month, const char *kind) {
    struct month_file f;
    snprintf(f.s, sizeof f.s, "%.7s.%.4s", month, kind);
    return f;
}

int folder_open_dir(const char *path, struct err *e) {
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open the archive folder %s", path);
    return dir;
}

/* YYYY-MM.log or YYYY-MM.mbox; everything else in the folder is not ours. */
bool folder_is_month_file(const char *name) {
    static const char form[] = "dddd-dd";
    size_t i = 0;
    for (; i < MONTH_NAME_LEN; i++)
        if (form[i] == 'd' ? !ascii_is_digit(name[i]) : name[i] != form[i])
            return false;
    int month = (name[5] - '0') * 10 + name[6] - '0';
    return month >= 1 && month <= 12 && (strcmp(name + i, ".log") == 0 || strcmp(name + i, ".mbox") == 0);
}

static int by_name(const void *a, const void *b) {
    return memcmp(a, b, MONTH_NAME_LEN);
}

/* A month's two files come one after the other once sorted. */
static size_t sort_months(month_name *months, size_t count) {
    size_t kept = 0;
    if (count)
        qsort(months, count, sizeof *months, by_name);
    for (size_t i = 0; i < count; i++)
        if (!kept || by_name(months[kept - 1], months[i]))
            memmove(months[kept++], months[i], sizeof *months);
    return kept;
}

bool folder_months(int dir, const char *path, month_name **ret_months, size_t *ret_count, struct err *e) {
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        err_errno(e, ERR_IO, "cannot list the archive folder %s", path);
        mem_close_fd(&fd);
        return false;
    }
    month_name *months = NULL;
    size_t count = 0, room = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(d)); errno = 0) {
        if (!folder_is_month_file(entry->d_name))
            continue;
        if (count == room)
            months = mem_resize(months, room = room ? room * 2 : 64, sizeof *months);
        memcpy(months[count], entry->d_name, MONTH_NAME_LEN);
        months[count++][MONTH_NAME_LEN] = '\0';
    }
    bool ok = errno == 0 || err_errno(e, ERR_IO, "cannot list the archive folder %s", path);
    closedir(d);
    if (!ok) {
        free(months);
        return false;
    }
    *ret_months = months;
    *ret_count = sort_months(months, count);
    return true;
}

bool log_open(struct log_reader *r, int dir, const char *path, const char *month, struct err *e) {
    struct month_file name = month_file(month, "log");
    int fd = openat(dir, name.s, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s/%s", path, name.s);
    *r = (struct log_reader){.fd = fd, .path = path, .month = month, .bytes = BUF_INIT(LOG_LINE_MAX)};
    arena_init(&r->texts, LOG_LINE_MAX);
    return true;
}

void log_close(struct log_reader *r) {
    close(r->fd);
    buf_done(&r->bytes);
    arena_done(&r->texts);
}

bool log_damaged(struct log_reader *r, const char *fmt, ...) {
    char what[LIMIT_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(&r->err, ERR_DAMAGED, "%s/%s.log, line %zu: %s", r->path, r->month, r->line, what);
}

/* More bytes behind those at hand; false at the end of the file and after an error. */
static bool log_read_more(struct log_reader *r) {
    buf_consume(&r->bytes, r->at);
    r->at = 0;
    size_t room = LOG_LINE_MAX - r->bytes.len;
    size_t want = room < LOG_CHUNK ? room : LOG_CHUNK;
    if (want == 0) {
        r->line++;
        return log_damaged(r, "longer than any line can be");
    }
    char *to = buf_reserve(&r->bytes, want);
    ssize_t n;
    do
        n = read(r->fd, to, want);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(&r->err, ERR_IO, "cannot read %s/%s.log", r->path, r->month);
    buf_commit(&r->bytes, (size_t)n);
    return n > 0;
}

bool log_next(struct log_reader *r, view *ret_line) {
    size_t searched = 0;
    while (r->err.code == ERR_OK) {
        view rest = view_skip(buf_view(&r->bytes), r->at);
        ptrdiff_t lf = view_find(view_skip(rest, searched), '\n');
        if (lf >= 0) {
            *ret_line = view_slice(rest, 0, searched + (size_t)lf);
            r->at += ret_line->len + 1;
            r->offset += (int64_t)ret_line->len + 1;
            r->line++;
            return true;
        }
        searched = rest.len;
        if (!log_read_more(r))
            break;
    }
    return false;
}

bool log_next_parsed(struct log_reader *r, struct journal_line *ret_line) {
    view line;
    struct err e = {.code = ERR_OK};
    if (r->texts.used || r->texts.failed)
        arena_reset(&r->texts);
    if (!log_next(r, &line))
        return false;
    if (journal_parse(line, &r->texts, ret_line, &e))
        return true;
    return log_damaged(r, "%s", e.text);
}

view log_tail(const struct log_reader *r) {
    return view_skip(buf_view(&r->bytes), r->at);
}

static bool walk_month(int dir, const char *path, const char *month, folder_line line, void *ctx,
                       struct err *e) {
    struct log_reader r;
    struct journal_line l;
    struct err missing = {.code = ERR_OK};
    if (!log_open(&r, dir, path, month, &missing)) {
        if (missing.code != ERR_NOT_FOUND)
            *e = missing;
        return missing.code == ERR_NOT_FOUND; /* an mbox alone: folder_open sees to it */
    }
    bool ok = true;
    while (ok && log_next_parsed(&r, &l))
        ok = line(&l, month, ctx, e);
    if (ok && r.err.code != ERR_OK) {
        *e = r.err;
        ok = false;
    }
    log_close(&r);
    return ok;
}

bool folder_walk(const char *path, folder_line line, void *ctx, struct err *e) {
    FREE_AUTO month_name *months = NULL;
    size_t count;
    struct err scratch;
    if (!e)
        e = &scratch;
    CLOSE_AUTO int dir = folder_open_dir(path, e);
    if (dir < 0 || !folder_months(dir, path, &months, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!walk_month(dir, path, months[i], line, ctx, e))
            return false;
    return true;
}

/* Where a post is, by the last line about it in its month. */
struct lookup {
    int64_t uid;
    bool found, hidden;
    struct journal_line line;
    struct buf eol; /* line.eol, kept */
    month_name month;
};

static bool look_at_line(const struct journal_line *l, const char *month, void *ctx, struct err *e) {
    struct lookup *k = ctx;
    (void)e;
    if (l->uid != k->uid)
        return true;
    k->found = true;
    k->hidden = l->op == JOURNAL_HIDE || l->op == JOURNAL_MOVE;
    k->line = *l;
    buf_reset(&k->eol);
    buf_add(&k->eol, l->eol);
    memcpy(k->month, month, sizeof k->month);
    return true;
}

/* Newest month first: that is where posts are asked for, and all lines about a post are in one month. */
static bool look_up(int dir, const char *path, struct lookup *k, struct err *e) {
    FREE_AUTO month_name *months = NULL;
    size_t count;
    k->found = k->hidden = false;
    if (!folder_months(dir, path, &months, &count, e))
        return false;
    while (count-- > 0 && !k->found)
        if (!walk_month(dir, path, months[count], look_at_line, k, e))
            return false;
    if (!k->found || k->hidden)
        return err_set(e, ERR_NOT_FOUND, "%s has no post %" PRId64, path, k->uid);
    return true;
}

static bool read_entry(int dir, const struct lookup *k, struct buf *entry) {
    struct stat st;
    CLOSE_AUTO int fd = openat(dir, month_file(k->month, "mbox").s, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < k->line.offset + k->line.length)
        return false;
    char *to = buf_reserve(entry, (size_t)k->line.length);
    for (size_t done = 0, len = (size_t)k->line.length; to && done < len;) {
        ssize_t n = pread(fd, to + done, len - done, k->line.offset + (off_t)done);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n < 0 ? 0 : (size_t)n;
    }
    if (to)
        buf_commit(entry, (size_t)k->line.length);
    return to;
}

/* The post's octets behind `out`. False when they are not what the line says; LIMIT in e when they are too
 * many. */
static bool read_post(int dir, const struct lookup *k, struct buf *out, struct err *e) {
    unsigned char digest[DIGEST_BYTES];
    struct buf entry = BUF_INIT((size_t)k->line.length);
    size_t start = out->len;
    bool ok = read_entry(dir, k, &entry) && mbox_decode(buf_view(&entry), buf_view(&k->eol), out, e);
    buf_done(&entry);
    if (!ok)
        return false;
    digest_sha256(view_skip(buf_view(out), start), digest);
    if (memcmp(digest, k->line.sha256, sizeof digest) == 0)
        return true;
    buf_truncate(out, start);
    return false;
}

bool folder_read(const char *path, int64_t uid, struct buf *out, struct err *e) {
    struct err scratch, reading = {.code = ERR_OK};
    struct lookup k = {.uid = uid, .eol = BUF_INIT(LOG_LINE_MAX)};
    if (!e)
        e = &scratch;
    CLOSE_AUTO int dir = folder_open_dir(path, e);
    if (dir < 0)
        return false;
    bool known = look_up(dir, path, &k, e);
    bool ok = known && read_post(dir, &k, out, &reading);
    /* The month may have been written anew between its journal and its mbox. */
    if (known && !ok && reading.code != ERR_LIMIT) {
        known = look_up(dir, path, &k, e);
        ok = known && read_post(dir, &k, out, &reading);
    }
    buf_done(&k.eol);
    if (known && !ok && reading.code == ERR_LIMIT)
        *e = reading;
    else if (known && !ok)
        err_set(e, ERR_DAMAGED, "%s/%s.mbox does not hold post %" PRId64 " as its journal says", path,
                k.month, uid);
    return ok;
}
