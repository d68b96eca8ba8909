/* folder.c: writing a list's archive, so that a crash at any instant leaves whole posts and a way on.
 *
 * An append goes: journal and mbox files made and the folder synced (so an mbox with bytes but without a
 * journal is never our doing), bytes to the mboxes, fsync, lines to the journals, fsync. What fails half way
 * is taken back in the reverse order, journals first, so that no journal ever names bytes that are not there.
 * A crash leaves at most bytes behind the last whole journal line, which opening cuts off; nobody was told
 * that they are safe. Everything is looked at before anything is cut: a damaged folder stays as it is.
 *
 * Opening reads every journal but checks line by line only those a crash can have touched: the newest month
 * and any whose files do not end together. In the others it follows the chain of offsets; whoever reads a
 * post checks its line. */
#include "archive/folder_private.h"

#include "archive/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "mail/date.h"
#include "mail/mbox.h"
#include "mail/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FOLDER_MODE = 0750,
    FILE_MODE = 0640,
    FOLDER_LEVELS = 3, /* public|private, domain, list */
    WRITE_BYTES = 1024 * 1024,
    LINES_MAX = LOG_LINE_MAX + LOG_LINE_MAX / 2, /* of one month in one append */
    LINE_BYTES = 2048,                           /* a journal line without its note */
    FROM_LINE_BYTES = 256,                       /* beside the sender: date, MAILER-DAEMON, ends */
    PLACE_BYTES = MONTH_FILE_LEN + 1 + 20 + 1,
};

/* One month: what its journal names, and what its files hold. */
struct month {
    char name[MONTH_NAME_LEN + 1];
    bool made;                   /* both files exist */
    int64_t mbox_end, log_end;   /* the part that counts */
    int64_t mbox_size, log_size; /* when it was opened */
    /* While an append runs. */
    bool touched;
    bool mbox_begun, log_begun; /* bytes may have been written */
    int64_t mbox_new;           /* end of the mbox with what is being appended */
    struct buf lines;           /* for the journal */
};

struct folder {
    char *path;
    int dir; /* holds the lock */
    struct month *months;
    size_t count, room;
    int64_t last_uid;
    bool broken; /* a failed append could not be taken back */
};

/* -- names */

static void add_part(struct buf *out, view part) {
    buf_add_char(out, '/');
    if (!part.len) /* an empty name would be no folder; '%' alone stands for nothing else */
        buf_add_char(out, '%');
    for (bool front = true; part.len; front = false) {
        char c = part.ptr[0];
        size_t len = text_char_len(part);
        if (!len || c == '/' || c == '%' || (c == '.' && front))
            buf_printf(out, "%%%02X", (unsigned char)c);
        else
            buf_add(out, view_slice(part, 0, len));
        part = view_skip(part, len ? len : 1);
    }
}

char *folder_path(const char *archive_dir, view list_address, bool public) {
    struct buf out = BUF_INIT(strlen(archive_dir) + 3 * list_address.len + 32);
    ptrdiff_t at = view_rfind(list_address, '@');
    view local = view_slice(list_address, 0, at < 0 ? list_address.len : (size_t)at);
    view domain = at < 0 ? VIEW_NULL : view_skip(list_address, (size_t)at + 1);
    buf_add_str(&out, archive_dir);
    buf_add_str(&out, public ? "/public" : "/private");
    add_part(&out, domain);
    add_part(&out, local);
    BUG_ON(out.failed);
    return buf_take(&out, NULL);
}

/* The month of a date, or false when its year does not have four digits. */
static bool month_name(int64_t date_ms, char ret_name[MONTH_NAME_LEN + 1]) {
    const int64_t from = -62167219200000, to = 253402300800000; /* the years 0000 to 9999 */
    int year, month;
    if (date_ms < from || date_ms >= to)
        return false;
    date_month(date_ms, &year, &month);
    char text[32];
    snprintf(text, sizeof text, "%04d-%02d", year, month);
    memcpy(ret_name, text, MONTH_NAME_LEN + 1);
    return true;
}

static bool io_err(struct err *e, const struct folder *f, const char *what, const char *file) {
    enum err_code code = errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO;
    return err_errno(e, code, "cannot %s %s/%s", what, f->path, file);
}

static struct month *add_month(struct folder *f, const char *name) {
    if (f->count == f->room)
        f->months = mem_resize(f->months, f->room = f->room ? f->room * 2 : 16, sizeof *f->months);
    struct month *m = &f->months[f->count++];
    *m = (struct month){.lines = BUF_INIT(LINES_MAX)};
    memcpy(m->name, name, sizeof m->name);
    return m;
}

static struct month *find_month(struct folder *f, const char *name) {
    for (size_t i = f->count; i-- > 0;)
        if (strcmp(f->months[i].name, name) == 0)
            return &f->months[i];
    return NULL;
}

/* -- opening */

/* The numbers at the front of an "add" line of generation 0, without the cost of checking all of it. */
static bool read_numbers(view line, struct journal_line *l) {
    int64_t *const fields[] = {&l->uid, &l->generation, &l->offset, &l->length};
    view field;
    if (!view_split(&line, ' ', &field) || !view_eq(field, VIEW("add")))
        return false;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!view_split(&line, ' ', &field) || !view_to_i64(field, fields[i]))
            return false;
    l->op = JOURNAL_ADD;
    return line.len > 0;
}

static bool next_line(struct log_reader *r, bool check, struct journal_line *ret_line) {
    view line;
    if (check)
        return log_next_parsed(r, ret_line);
    if (!log_next(r, &line))
        return false;
    return read_numbers(line, ret_line) || log_damaged(r, "not a line of an added post");
}

/* Each post begins where the one before it ends. */
static bool follow_line(struct folder *f, struct month *m, const struct journal_line *l,
                        struct log_reader *r) {
    if (l->op != JOURNAL_ADD || l->generation != 0)
        return log_damaged(r, "written by a newer release, which must also go on writing here");
    if (l->offset != m->mbox_end || l->length <= 0 || l->uid <= 0 ||
        __builtin_add_overflow(m->mbox_end, l->length, &m->mbox_end))
        return log_damaged(r, "it does not begin where the post before it ends");
    if (l->uid > f->last_uid)
        f->last_uid = l->uid;
    return true;
}

/* A last line without its end is what a crash leaves: the front of a line, perhaps with zeros behind it. A
 * whole line that is followed by something else has lost its end in another way. */
static bool judge_tail(struct log_reader *r) {
    struct journal_line l;
    view tail = log_tail(r);
    if (!tail.len || tail.ptr[tail.len - 1] == '\0')
        return true;
    if (!journal_parse(view_slice(tail, 0, tail.len - 1), &r->texts, &l, NULL))
        return true;
    r->line++;
    return log_damaged(r, "its end is not a line feed");
}

static bool read_log(struct folder *f, struct month *m, bool check, struct err *e) {
    struct log_reader r;
    struct journal_line l = {.op = JOURNAL_ADD};
    if (!log_open(&r, f->dir, f->path, m->name, e))
        return false;
    m->mbox_end = 0;
    while (next_line(&r, check, &l) && follow_line(f, m, &l, &r))
        ;
    m->log_end = r.offset;
    bool ok = r.err.code == ERR_OK && judge_tail(&r);
    if (!ok)
        *e = r.err;
    log_close(&r);
    return ok;
}

/* -1: there is none. */
static bool size_of(struct folder *f, const char *file, int64_t *ret_size, struct err *e) {
    struct stat st;
    if (fstatat(f->dir, file, &st, 0) == 0) {
        *ret_size = st.st_size;
        return true;
    }
    *ret_size = -1;
    return errno == ENOENT || io_err(e, f, "look at", file);
}

static bool open_month(struct folder *f, struct month *m, bool check, struct err *e) {
    int64_t mbox_size, log_size;
    if (!size_of(f, month_file(m->name, "mbox").s, &mbox_size, e) ||
        !size_of(f, month_file(m->name, "log").s, &log_size, e))
        return false;
    m->made = mbox_size >= 0 && log_size >= 0;
    m->mbox_size = mbox_size > 0 ? mbox_size : 0;
    m->log_size = log_size > 0 ? log_size : 0;
    if (log_size < 0)
        return m->mbox_size == 0 ||
               err_set(e, ERR_DAMAGED, "%s/%s.mbox has no journal beside it", f->path, m->name);
    if (!read_log(f, m, check, e))
        return false;
    if (!check && (m->mbox_size != m->mbox_end || m->log_size != m->log_end) && !read_log(f, m, true, e))
        return false;
    if (m->mbox_size < m->mbox_end)
        return err_set(e, ERR_DAMAGED,
                       "%s/%s.mbox has %" PRId64 " bytes, its journal names %" PRId64 " of them", f->path,
                       m->name, m->mbox_size, m->mbox_end);
    return true;
}

static bool cut_file(struct folder *f, const char *file, int64_t size, struct err *e) {
    CLOSE_AUTO int fd = openat(f->dir, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return io_err(e, f, "open", file);
    return (ftruncate(fd, size) == 0 && fsync(fd) == 0) || io_err(e, f, "shorten", file);
}

static bool cut_tails(struct folder *f, struct err *e) {
    for (size_t i = 0; i < f->count; i++) {
        const struct month *m = &f->months[i];
        if (m->log_size > m->log_end && !cut_file(f, month_file(m->name, "log").s, m->log_end, e))
            return false;
        if (m->mbox_size > m->mbox_end && !cut_file(f, month_file(m->name, "mbox").s, m->mbox_end, e))
            return false;
    }
    return true;
}

static bool open_months(struct folder *f, struct err *e) {
    char(*names)[MONTH_NAME_LEN + 1] = NULL;
    size_t count;
    if (!folder_months(f->dir, f->path, &names, &count, e))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = open_month(f, add_month(f, names[i]), i + 1 == count, e);
    free(names);
    return ok && cut_tails(f, e);
}

/* Make the folder's own entry safe, however it came there. */
static bool sync_parents(const char *path, struct err *e) {
    FREE_AUTO char *parent = mem_str(path);
    for (size_t i = 0; i < FOLDER_LEVELS; i++) {
        char *slash = strrchr(parent, '/');
        if (!slash || slash == parent)
            return true;
        *slash = '\0';
        if (!file_fsync_dir(parent, e))
            return false;
    }
    return true;
}

static bool lock_folder(struct folder *f, struct err *e) {
    if (flock(f->dir, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return err_set(e, ERR_CONFLICT, "%s is being written by another process", f->path);
    return io_err(e, f, "lock", ".");
}

struct folder *folder_open(const char *path, struct err *e) {
    struct err scratch;
    if (!e)
        e = &scratch;
    if (!file_mkdirs(path, FOLDER_MODE, e) || !sync_parents(path, e))
        return NULL;
    struct folder *f = mem_alloc(sizeof *f);
    f->path = mem_str(path);
    f->dir = folder_open_dir(path, e);
    if (f->dir < 0 || !lock_folder(f, e) || !open_months(f, e))
        folder_close(&f);
    return f;
}

void folder_close(struct folder **f) {
    if (!*f)
        return;
    for (size_t i = 0; i < (*f)->count; i++)
        buf_done(&(*f)->months[i].lines);
    mem_close_fd(&(*f)->dir);
    free((*f)->months);
    free((*f)->path);
    free(*f);
    *f = NULL;
}

int64_t folder_last_uid(const struct folder *f) {
    return f->last_uid;
}

/* -- appending: which posts are new */

struct entry {
    const struct folder_post *post;
    const struct entry *twin; /* the same post earlier in this call */
    bool known;               /* it is in the archive already */
    char month[MONTH_NAME_LEN + 1];
    int64_t offset;
    char *place; /* PLACE_BYTES in the caller's arena */
};

/* One call of folder_append. */
struct append {
    struct folder *f;
    struct entry *entries; /* as the caller ordered them */
    size_t count;
    struct entry **by_uid; /* every UID once */
    size_t uids;
};

static int uid_order(const void *a, const void *b) {
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    return (x->post->uid > y->post->uid) - (x->post->uid < y->post->uid);
}

static int uid_then_call_order(const void *a, const void *b) {
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    int order = uid_order(a, b);
    return order ? order : (x > y) - (x < y);
}

static bool other_bytes(const struct folder *f, int64_t uid, struct err *e) {
    return err_set(e, ERR_DAMAGED, "%s has post %" PRId64 " already, with other bytes", f->path, uid);
}

static bool prepare_entry(const struct folder *f, struct entry *n, struct err *e) {
    unsigned char digest[DIGEST_BYTES];
    const struct folder_post *post = n->post;
    if (!n->place)
        return err_set(e, ERR_LIMIT, "too many posts to append to %s at once", f->path);
    if (post->uid <= 0 || !month_name(post->date_ms, n->month))
        return err_set(e, ERR_USAGE, "post %" PRId64 " of %s has no proper UID or date", post->uid, f->path);
    digest_sha256(post->message, digest);
    if (memcmp(digest, post->sha256, sizeof digest) != 0)
        return err_set(e, ERR_DAMAGED, "post %" PRId64 " of %s is not what its SHA-256 says", post->uid,
                       f->path);
    return true;
}

/* Fill by_uid; a post that is there twice in this call is written once. */
static bool sort_entries(struct append *ap, struct err *e) {
    for (size_t i = 0; i < ap->count; i++)
        ap->by_uid[i] = &ap->entries[i];
    qsort(ap->by_uid, ap->count, sizeof *ap->by_uid, uid_then_call_order);
    for (size_t i = 0; i < ap->count; i++) {
        struct entry *n = ap->by_uid[i], *before = ap->uids ? ap->by_uid[ap->uids - 1] : NULL;
        if (!before || before->post->uid != n->post->uid)
            ap->by_uid[ap->uids++] = n;
        else if (memcmp(n->post->sha256, before->post->sha256, DIGEST_BYTES) != 0)
            return other_bytes(ap->f, n->post->uid, e);
        else
            n->twin = before;
    }
    return true;
}

static bool match_line(struct append *ap, const struct journal_line *l, const char *month, size_t *sought,
                       struct err *e) {
    struct folder_post post = {.uid = l->uid};
    struct entry key = {.post = &post}, *key_at = &key;
    struct entry **found = bsearch(&key_at, ap->by_uid, ap->uids, sizeof *ap->by_uid, uid_order);
    if (!found || (*found)->known)
        return true;
    struct entry *n = *found;
    if (memcmp(l->sha256, n->post->sha256, DIGEST_BYTES) != 0)
        return other_bytes(ap->f, l->uid, e);
    n->known = true;
    n->offset = l->offset;
    memcpy(n->month, month, sizeof n->month);
    --*sought;
    return true;
}

static bool find_in_month(struct append *ap, const struct month *m, size_t *sought, struct err *e) {
    struct log_reader r;
    struct journal_line l;
    if (!log_open(&r, ap->f->dir, ap->f->path, m->name, e))
        return false;
    bool ok = true;
    while (ok && *sought > 0 && r.offset < m->log_end && log_next_parsed(&r, &l))
        ok = match_line(ap, &l, m->name, sought, e);
    if (ok && r.err.code != ERR_OK) {
        *e = r.err;
        ok = false;
    }
    log_close(&r);
    return ok;
}

/* Posts done before a crash come again, and are the newest there are. UIDs above the last are new for sure,
 * so journals are read only when one is not. */
static bool find_known(struct append *ap, struct err *e) {
    size_t sought = 0;
    while (sought < ap->uids && ap->by_uid[sought]->post->uid <= ap->f->last_uid)
        sought++;
    for (size_t i = ap->f->count; i-- > 0 && sought > 0;)
        if (ap->f->months[i].made && !find_in_month(ap, &ap->f->months[i], &sought, e))
            return false;
    return true;
}

/* -- appending: writing */

static bool is_new_in(const struct entry *n, const struct month *m) {
    return !n->known && !n->twin && strcmp(n->month, m->name) == 0;
}

static bool touch_months(struct append *ap) {
    bool any = false;
    for (size_t i = 0; i < ap->count; i++) {
        const struct entry *n = &ap->entries[i];
        if (n->known || n->twin)
            continue;
        struct month *m = find_month(ap->f, n->month);
        if (!m)
            m = add_month(ap->f, n->month);
        m->touched = any = true;
        m->mbox_begun = m->log_begun = false;
        m->mbox_new = m->mbox_end;
    }
    return any;
}

static bool make_file(struct folder *f, const char *file, struct err *e) {
    CLOSE_AUTO int fd = openat(f->dir, file, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
    return fd >= 0 || io_err(e, f, "create", file);
}

static bool make_files(struct folder *f, struct err *e) {
    bool any = false;
    for (size_t i = 0; i < f->count; i++) {
        const struct month *m = &f->months[i];
        if (!m->touched || m->made)
            continue;
        any = true;
        if (!make_file(f, month_file(m->name, "log").s, e) || !make_file(f, month_file(m->name, "mbox").s, e))
            return false;
    }
    if (any && fsync(f->dir) < 0)
        return io_err(e, f, "sync", ".");
    for (size_t i = 0; i < f->count; i++)
        f->months[i].made = f->months[i].made || f->months[i].touched;
    return true;
}

/* The file, for appending; -1 when it does not end where we left it. */
static int open_at_end(struct folder *f, const char *file, int64_t end, struct err *e) {
    struct stat st;
    int fd = openat(f->dir, file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        io_err(e, f, "open", file);
    else if (st.st_size == end)
        return fd;
    else
        err_set(e, ERR_DAMAGED, "%s/%s has %" PRId64 " bytes instead of %" PRId64 ": somebody has changed it",
                f->path, file, (int64_t)st.st_size, end);
    mem_close_fd(&fd);
    return -1;
}

static bool write_bytes(struct folder *f, const char *file, int fd, struct buf *bytes, struct err *e) {
    if (!file_write_all(fd, buf_view(bytes), e))
        return err_prefix(e, "%s/%s", f->path, file);
    buf_reset(bytes);
    return true;
}

static bool encode_entry(struct month *m, struct entry *n, struct buf *out, struct buf *note, struct err *e) {
    const struct folder_post *post = n->post;
    size_t before = out->len;
    buf_reset(note);
    mbox_encode(post->message, post->sender, post->date_ms, out, note);
    struct journal_line l = {.op = JOURNAL_ADD,
                             .uid = post->uid,
                             .offset = m->mbox_new,
                             .length = (int64_t)(out->len - before),
                             .date_ms = post->date_ms,
                             .sender = post->sender,
                             .eol = buf_view(note)};
    memcpy(l.sha256, post->sha256, sizeof l.sha256);
    journal_format(&l, &m->lines);
    if (out->failed || note->failed || m->lines.failed)
        return err_set(e, ERR_LIMIT, "post %" PRId64 " has too many lines of its own kind", post->uid);
    n->offset = l.offset;
    m->mbox_new += l.length;
    return true;
}

/* Room for the posts of one write: quoting makes a line of six octets seven at most. */
static size_t write_room(const struct append *ap) {
    size_t most = 0;
    for (size_t i = 0; i < ap->count; i++) {
        const struct folder_post *post = ap->entries[i].post;
        size_t bytes = 2 * post->message.len + post->sender.len + FROM_LINE_BYTES;
        most = bytes > most ? bytes : most;
    }
    return most + WRITE_BYTES;
}

static bool write_mbox(struct append *ap, struct month *m, struct err *e) {
    struct month_file file = month_file(m->name, "mbox");
    struct buf out = BUF_INIT(write_room(ap)), note = BUF_INIT(LOG_LINE_MAX - LINE_BYTES);
    CLOSE_AUTO int fd = open_at_end(ap->f, file.s, m->mbox_end, e);
    if (fd < 0)
        return false;
    bool ok = m->mbox_begun = true;
    for (size_t i = 0; ok && i < ap->count; i++) {
        if (!is_new_in(&ap->entries[i], m))
            continue;
        ok = encode_entry(m, &ap->entries[i], &out, &note, e);
        if (ok && out.len >= WRITE_BYTES)
            ok = write_bytes(ap->f, file.s, fd, &out, e);
    }
    ok =
        ok && write_bytes(ap->f, file.s, fd, &out, e) && (fsync(fd) == 0 || io_err(e, ap->f, "sync", file.s));
    buf_done(&out);
    buf_done(&note);
    return ok;
}

static bool write_log(struct folder *f, struct month *m, struct err *e) {
    struct month_file file = month_file(m->name, "log");
    CLOSE_AUTO int fd = open_at_end(f, file.s, m->log_end, e);
    if (fd < 0)
        return false;
    m->log_begun = true;
    if (!file_write_all(fd, buf_view(&m->lines), e))
        return err_prefix(e, "%s/%s", f->path, file.s);
    return fsync(fd) == 0 || io_err(e, f, "sync", file.s);
}

/* Journals first, and safely so, before the bytes they name go. */
static bool take_back(struct folder *f) {
    bool ok = true;
    for (size_t i = 0; i < f->count && ok; i++) {
        const struct month *m = &f->months[i];
        if (m->touched && m->log_begun)
            ok = cut_file(f, month_file(m->name, "log").s, m->log_end, NULL);
    }
    for (size_t i = 0; i < f->count && ok; i++) {
        const struct month *m = &f->months[i];
        if (m->touched && m->mbox_begun)
            ok = cut_file(f, month_file(m->name, "mbox").s, m->mbox_end, NULL);
    }
    return ok;
}

static void end_append(struct folder *f, bool done) {
    for (size_t i = 0; i < f->count; i++) {
        struct month *m = &f->months[i];
        if (m->touched && done) {
            m->mbox_end = m->mbox_new;
            m->log_end += (int64_t)m->lines.len;
        }
        m->touched = false;
        buf_done(&m->lines);
    }
}

static bool write_new(struct append *ap, struct err *e) {
    struct folder *f = ap->f;
    if (!touch_months(ap))
        return true;
    bool ok = make_files(f, e);
    for (size_t i = 0; ok && i < f->count; i++)
        ok = !f->months[i].touched || write_mbox(ap, &f->months[i], e);
    for (size_t i = 0; ok && i < f->count; i++)
        ok = !f->months[i].touched || write_log(f, &f->months[i], e);
    if (!ok)
        f->broken = !take_back(f);
    end_append(f, ok);
    if (ok && ap->by_uid[ap->uids - 1]->post->uid > f->last_uid)
        f->last_uid = ap->by_uid[ap->uids - 1]->post->uid;
    return ok;
}

static view place_of(const struct entry *n) {
    const struct entry *at = n->twin ? n->twin : n;
    int len = snprintf(n->place, PLACE_BYTES, "%s:%" PRId64, month_file(at->month, "mbox").s, at->offset);
    return (view){n->place, (size_t)len};
}

bool folder_append(struct folder *f, const struct folder_post *posts, size_t count, struct arena *a,
                   view *ret_places, struct err *e) {
    struct err scratch;
    if (!e)
        e = &scratch;
    if (f->broken)
        return err_set(e, ERR_IO, "%s: a failed write could not be taken back; open it again", f->path);
    if (count == 0)
        return true;
    FREE_AUTO struct entry *entries = mem_resize(NULL, count, sizeof *entries);
    FREE_AUTO struct entry **order = mem_resize(NULL, count, sizeof(struct entry *));
    struct append ap = {.f = f, .entries = entries, .count = count, .by_uid = order};
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){.post = &posts[i], .place = arena_alloc(a, PLACE_BYTES)};
        if (!prepare_entry(f, &entries[i], e))
            return false;
    }
    if (!sort_entries(&ap, e) || !find_known(&ap, e) || !write_new(&ap, e))
        return false;
    for (size_t i = 0; i < count; i++)
        ret_places[i] = place_of(&entries[i]);
    return true;
}
