/* verify.c: reads a list's archive from end to end and compares it with its journals.
 *
 * A line's own check proves the line; offset, length and SHA-256 prove the post; the From line is made anew
 * from the line's date and sender and compared. So every octet of both files is proved by something. A fault
 * does not end the walk: the next whole line is where it goes on.
 *
 * No lock is taken. Bytes behind the last whole line may be an append that is under way, so they are looked
 * at again for a while before they count as a fault. */
#include "archive/verify.h"

#include "archive/digest.h"
#include "archive/folder_private.h"
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
#include <time.h>
#include <unistd.h>

enum {
    POST_BYTES_MAX = 1 << 30,
    SETTLE_LOOKS = 150, /* at bytes behind the last line, 20 ms apart: longer than an append takes */
    SETTLE_PAUSE_MS = 20,
    FAULT_TEXT = 200,
};

/* Where a UID was seen, to find those that were given twice. */
struct seen {
    int64_t uid, offset;
    size_t month;
};

struct verify {
    struct archive_check *check;
    const char *path;
    int dir;
    char (*months)[MONTH_NAME_LEN + 1];
    size_t month_count;
    struct seen *seen;
    size_t seen_count, seen_room;
};

struct month_verify {
    struct verify *v;
    size_t index;
    const char *name;
    int mbox;
    struct log_reader log;
    int64_t end; /* where the next post begins; -1: not known after a damaged line */
    int64_t last_uid;
    struct err err; /* of the post callback */
};

static void report(struct archive_check *c, view file, int64_t uid, int64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void report(struct archive_check *c, view file, int64_t uid, int64_t offset, const char *fmt, ...) {
    char text[FAULT_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->faults++;
    if (c->fault)
        c->fault(&(struct archive_fault){file, uid, offset, text}, c->ctx);
}

#define REPORT(m, kind, uid, offset, ...)                                                                    \
    report((m)->v->check, view_of(month_file((m)->name, (kind)).s), (uid), (offset), __VA_ARGS__)

/* -- one post */

static bool read_exactly(int fd, struct buf *out, int64_t offset, int64_t length) {
    char *to = buf_reserve(out, (size_t)length);
    for (int64_t done = 0; to && done < length;) {
        ssize_t n = pread(fd, to + done, (size_t)(length - done), offset + done);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n < 0 ? 0 : n;
    }
    if (to)
        buf_commit(out, (size_t)length);
    return to;
}

/* The octet of the entry from which on it is not what the line's date and sender make; -1: none. */
static int64_t from_line_fault(const struct journal_line *l, view entry) {
    struct buf made = BUF_INIT(l->sender.len + FAULT_TEXT), note = BUF_INIT(FAULT_TEXT);
    mbox_encode(VIEW(""), l->sender, l->date_ms, &made, &note);
    view line = view_slice(buf_view(&made), 0, made.len - 1); /* without the empty line at the end */
    int64_t at = 0;
    while ((size_t)at < line.len && (size_t)at < entry.len && line.ptr[at] == entry.ptr[at])
        at++;
    if ((size_t)at == line.len)
        at = -1;
    buf_done(&made);
    buf_done(&note);
    return at;
}

/* True when the post is whole; its octets in `message`. */
static bool check_octets(struct month_verify *m, const struct journal_line *l, struct buf *message) {
    unsigned char digest[DIGEST_BYTES];
    struct err e = {.code = ERR_OK};
    struct buf entry = BUF_INIT((size_t)l->length);
    bool ok = false;
    if (!read_exactly(m->mbox, &entry, l->offset, l->length)) {
        REPORT(m, "mbox", l->uid, l->offset, "cannot be read: %s", strerror(errno));
    } else if (!mbox_decode(buf_view(&entry), l->eol, message, &e)) {
        REPORT(m, "mbox", l->uid, l->offset, "not a post in the form of the archive: %.120s", e.text);
    } else {
        digest_sha256(buf_view(message), digest);
        ok = memcmp(digest, l->sha256, sizeof digest) == 0;
        if (!ok)
            REPORT(m, "mbox", l->uid, l->offset, "its octets do not have the SHA-256 of its journal line");
    }
    int64_t from = ok ? from_line_fault(l, buf_view(&entry)) : -1;
    if (from >= 0) {
        REPORT(m, "mbox", l->uid, l->offset + from, "its From line is not the one that was written");
        ok = false;
    }
    buf_done(&entry);
    return ok;
}

static bool check_post(struct month_verify *m, const struct journal_line *l) {
    struct archive_check *c = m->v->check;
    struct stat st;
    struct buf message = BUF_INIT(POST_BYTES_MAX);
    bool ok = m->mbox >= 0;
    if (ok && (fstat(m->mbox, &st) < 0 || st.st_size < l->offset + l->length)) {
        REPORT(m, "mbox", l->uid, l->offset, "the file ends at %" PRId64 ", the post at %" PRId64,
               (int64_t)st.st_size, l->offset + l->length);
        ok = false;
    }
    if (ok && !c->quick)
        ok = check_octets(m, l, &message);
    bool go_on = !ok || !c->post || c->post(l, buf_view(&message), c->ctx, &m->err);
    buf_done(&message);
    c->posts++;
    c->bytes += l->length;
    if (c->progress)
        c->progress(c, c->ctx);
    return go_on;
}

/* -- one journal */

static void remember(struct verify *v, const struct journal_line *l, size_t month) {
    if (v->seen_count == v->seen_room)
        v->seen = mem_resize(v->seen, v->seen_room = v->seen_room ? 2 * v->seen_room : 1024, sizeof *v->seen);
    v->seen[v->seen_count++] = (struct seen){.uid = l->uid, .offset = l->offset, .month = month};
}

static bool check_line(struct month_verify *m, view line) {
    struct journal_line l;
    struct err e = {.code = ERR_OK};
    struct archive_check *c = m->v->check;
    int64_t line_at = m->log.offset - (int64_t)line.len - 1;
    arena_reset(&m->log.texts);
    if (!journal_parse(line, &m->log.texts, &l, &e)) {
        REPORT(m, "log", 0, line_at, "line %zu is damaged: %.120s", m->log.line, e.text);
        m->end = -1;
        return true;
    }
    if (l.op != JOURNAL_ADD || l.generation != 0) {
        REPORT(m, "log", l.uid, line_at, "line %zu was written by a newer release", m->log.line);
        return true;
    }
    if (m->end >= 0 && l.offset != m->end)
        REPORT(m, "log", l.uid, line_at, "it begins at %" PRId64 ", the post before it ends at %" PRId64,
               l.offset, m->end);
    if (l.uid < m->last_uid)
        REPORT(m, "log", l.uid, line_at, "out of order: it follows UID %" PRId64, m->last_uid);
    m->end = l.offset + l.length;
    m->last_uid = l.uid;
    c->last_uid = l.uid > c->last_uid ? l.uid : c->last_uid;
    remember(m->v, &l, m->index);
    return check_post(m, &l);
}

static bool check_lines(struct month_verify *m) {
    view line;
    while (log_next(&m->log, &line))
        if (!check_line(m, line))
            return false;
    return true;
}

static int64_t size_of(int fd) {
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* Bytes that no line names, or the front of a line: an append that is under way will soon have named them. */
static bool settle(struct month_verify *m) {
    int64_t begun = m->log.offset + (int64_t)log_tail(&m->log).len, mbox = size_of(m->mbox);
    for (int look = 0; look < SETTLE_LOOKS; look++) {
        int64_t size = size_of(m->mbox), log_size = size_of(m->log.fd);
        mbox = size < mbox ? size : mbox; /* taken back */
        begun = log_size < begun ? log_size : begun;
        if (m->log.err.code != ERR_OK || (m->log.offset >= begun && (m->end < 0 || m->end >= mbox)))
            return true;
        struct timespec pause = {.tv_nsec = SETTLE_PAUSE_MS * 1000000};
        nanosleep(&pause, NULL);
        if (!check_lines(m))
            return false;
    }
    if (m->log.offset < begun)
        REPORT(m, "log", 0, m->log.offset, "%" PRId64 " octets at the end are no whole line",
               begun - m->log.offset);
    if (m->end >= 0 && m->end < mbox)
        REPORT(m, "mbox", 0, m->end, "%" PRId64 " octets at the end are named by no journal line",
               mbox - m->end);
    return true;
}

static bool check_files(struct month_verify *m) {
    if (m->mbox < 0 && size_of(m->log.fd) > 0)
        REPORT(m, "mbox", 0, -1, "the file is missing, or cannot be opened: %s", strerror(errno));
    bool ok = check_lines(m) && settle(m);
    if (m->log.err.code != ERR_OK)
        REPORT(m, "log", 0, m->log.offset, "%.150s", m->log.err.text);
    return ok;
}

static bool check_month(struct verify *v, size_t index, struct err *e) {
    struct month_verify m = {.v = v, .index = index, .name = v->months[index]};
    struct err why = {.code = ERR_OK};
    m.mbox = openat(v->dir, month_file(m.name, "mbox").s, O_RDONLY | O_CLOEXEC);
    v->check->months++;
    if (!log_open(&m.log, v->dir, v->path, m.name, &why)) {
        if (size_of(m.mbox) > 0)
            REPORT(&m, "log", 0, -1, "the journal is missing, or cannot be opened: %.100s", why.text);
        mem_close_fd(&m.mbox);
        return true;
    }
    bool ok = check_files(&m);
    if (!ok)
        *e = m.err;
    log_close(&m.log);
    mem_close_fd(&m.mbox);
    return ok;
}

/* -- the folder */

static int by_uid(const void *a, const void *b) {
    const struct seen *x = a, *y = b;
    int order = (x->uid > y->uid) - (x->uid < y->uid);
    int month = (x->month > y->month) - (x->month < y->month);
    return order ? order : month ? month : (x->offset > y->offset) - (x->offset < y->offset);
}

static void find_twins(struct verify *v) {
    if (v->seen_count > 0)
        qsort(v->seen, v->seen_count, sizeof *v->seen, by_uid);
    for (size_t i = 1; i < v->seen_count; i++) {
        const struct seen *first = &v->seen[i - 1], *again = &v->seen[i];
        if (first->uid == again->uid)
            report(v->check, view_of(month_file(v->months[again->month], "log").s), again->uid, again->offset,
                   "its UID is given twice: %s:%" PRId64 " has it, too",
                   month_file(v->months[first->month], "mbox").s, first->offset);
    }
}

static bool find_foreign(struct verify *v, struct err *e) {
    int fd = openat(v->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        err_errno(e, ERR_IO, "cannot list the archive folder %s", v->path);
        mem_close_fd(&fd);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !folder_is_month_file(entry->d_name))
            report(v->check, view_of(entry->d_name), 0, -1, "not a file of the archive: move it elsewhere");
    closedir(d);
    return true;
}

bool archive_verify(const char *path, struct archive_check *c, struct err *e) {
    struct verify v = {.check = c, .path = path};
    struct err scratch;
    e = e ? e : &scratch;
    v.dir = folder_open_dir(path, e);
    bool ok = v.dir >= 0 && find_foreign(&v, e) && folder_months(v.dir, path, &v.months, &v.month_count, e);
    for (size_t i = 0; ok && i < v.month_count; i++)
        ok = check_month(&v, i, e);
    if (ok)
        find_twins(&v);
    free(v.seen);
    free(v.months);
    mem_close_fd(&v.dir);
    return ok;
}
