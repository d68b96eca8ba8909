/* cmd_restore.c: postroad restore BACKUP DIR: a new instance from a backup.
 *
 * Nothing leaves it until people say so (outbound is frozen): what was accepted before the backup and
 * delivered after it would be sent a second time. The archive may be newer than the backup, when its disk
 * survived: then its files are kept, and every list's next UID is above what they have, so that no UID is
 * ever given twice.
 *
 * As with init, postroad.conf is written last: a directory that has it is a complete instance. */
#include "cli/bundle.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/extent.h"
#include "archive/verify.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/backup.h"
#include "store/snapshot.h"

enum { DIR_MODE = 0755, DATA_MODE = 0750, FILE_MODE = 0640, CHUNK = 256 * 1024 };

struct restore {
    struct cli *c;
    const char *from, *dir;
    char *archive; /* of the new instance */
    struct buf text;
    struct config *config;
    bool dir_made, data_made;
    int64_t files, kept, lists, damaged;
};

/* -- postroad.conf, with the settings that were given */

/* The line `name = …` gets another value; without one it is added. */
static void put_setting(struct buf *text, view name, view value) {
    struct buf old = BUF_INIT(LIMIT_CONFIG_FILE);
    buf_add(&old, buf_view(text));
    buf_reset(text);
    view rest = buf_view(&old), line;
    bool put = false;
    while (view_split(&rest, '\n', &line)) {
        ptrdiff_t equals = view_find(line, '=');
        bool ours = equals > 0 && view_eq(view_trim(view_slice(line, 0, (size_t)equals)), name);
        if (!ours)
            buf_add(text, line);
        else
            buf_printf(text, "%.*s = %.*s", VIEW_ARG(name), VIEW_ARG(value));
        buf_add_char(text, '\n');
        put |= ours;
    }
    if (!put)
        buf_printf(text, "%.*s = %.*s\n", VIEW_ARG(name), VIEW_ARG(value));
    buf_done(&old);
}

static bool read_settings(struct restore *r, struct err *e) {
    const struct args *a = &r->c->args;
    FREE_AUTO char *path = mem_printf("%s/postroad.conf", r->from);
    if (!file_read(path, &r->text, e))
        return false;
    for (size_t i = 0; i < a->given_count; i++) {
        if (view_eq(a->given[i].name, VIEW("--store")))
            put_setting(&r->text, VIEW("store"), view_of(a->given[i].value));
        if (!view_eq(a->given[i].name, VIEW("--set")))
            continue;
        view set = view_of(a->given[i].value);
        ptrdiff_t equals = view_find(set, '=');
        if (equals <= 0 || view_find(set, '\n') >= 0)
            return err_set(e, ERR_USAGE, "--set %.60s: NAME=VALUE is wanted", a->given[i].value);
        put_setting(&r->text, view_slice(set, 0, (size_t)equals), view_skip(set, (size_t)equals + 1));
    }
    r->config = mem_alloc(sizeof *r->config);
    return config_parse(buf_view(&r->text), "the restored postroad.conf", r->config, e);
}

/* -- places */

static bool check_place(struct restore *r, struct err *e) {
    FREE_AUTO char *conf = mem_printf("%s/postroad.conf", r->dir),
                   *store = mem_printf("%s/data/store.db", r->dir);
    if (file_exists(conf) || file_exists(store))
        return err_set(e, ERR_EXISTS,
                       "%.150s has an instance already: restore into another directory, or move it away",
                       r->dir);
    return true;
}

static bool make_folders(struct restore *r, struct err *e) {
    static const char *const folders[] = {"data/run", "data/archive"};
    FREE_AUTO char *data = mem_printf("%s/data", r->dir);
    r->dir_made = !file_exists(r->dir);
    if (!file_mkdirs(r->dir, DIR_MODE, e))
        return false;
    r->config->dir = realpath(r->dir, NULL);
    r->data_made = mkdir(data, DATA_MODE) == 0;
    if (!r->config->dir || (!r->data_made && errno != EEXIST))
        return err_errno(e, ERR_IO, "cannot make %s", data);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        FREE_AUTO char *path = config_path(r->config, folders[i]);
        if (!file_mkdirs(path, DATA_MODE, e))
            return false;
    }
    r->archive = config_path(r->config, "data/archive");
    return true;
}

/* -- archive files */

static bool copy_all(int from, int to, const char *path, struct err *e) {
    struct buf piece = BUF_INIT(CHUNK);
    bool ok = true;
    ssize_t n = 1;
    while (ok && n > 0 && (n = copy_file_range(from, NULL, to, NULL, CHUNK * 64, 0)) > 0)
        ;
    for (; ok && n != 0;) { /* where the kernel cannot */
        buf_reset(&piece);
        n = read(from, buf_reserve(&piece, CHUNK), CHUNK);
        ok = n >= 0 ? file_write_all(to, view_from(piece.data, (size_t)n), e)
                    : errno == EINTR || err_errno(e, ERR_IO, "cannot read");
    }
    buf_done(&piece);
    return ok || err_prefix(e, "%s", path);
}

/* A copy with the same time of change: the next backup knows it again. */
static bool place_file(const char *from, const char *to, struct err *e) {
    struct stat st;
    FREE_AUTO char *parent = mem_str(to);
    *strrchr(parent, '/') = '\0';
    CLOSE_AUTO int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return err_errno(e, ERR_IO, "cannot open %s", from);
    if (!file_mkdirs(parent, DATA_MODE, e))
        return false;
    CLOSE_AUTO int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    if (out < 0)
        return err_errno(e, ERR_IO, "cannot make %s", to);
    return copy_all(in, out, to, e) &&
           ((futimens(out, times) == 0 && fsync(out) == 0 && file_fsync_dir(parent, NULL)) ||
            err_errno(e, ERR_IO, "cannot sync %s", to));
}

static int64_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* A month of the list: the longer journal wins, and its mbox comes with it. */
static bool place_month(struct restore *r, const char *from, const char *to, struct err *e) {
    FREE_AUTO char *from_log = mem_printf("%s.log", from), *to_log = mem_printf("%s.log", to);
    FREE_AUTO char *from_mbox = mem_printf("%s.mbox", from), *to_mbox = mem_printf("%s.mbox", to);
    if (size_of(to_log) >= size_of(from_log)) {
        r->kept++;
        return true;
    }
    r->files += 2;
    cli_progress(r->c, "archive: %" PRId64 " files", r->files);
    return place_file(from_mbox, to_mbox, e) && place_file(from_log, to_log, e);
}

struct placing {
    struct restore *r;
    const char *from; /* archive folder */
    const char *path; /* of the list in it */
};

static bool place_extent(const struct archive_extent *x, void *ctx, struct err *e) {
    struct placing *p = ctx;
    FREE_AUTO char *from = mem_printf("%s/%s", p->path, x->month);
    FREE_AUTO char *to = mem_printf("%s%s", p->r->archive, from + strlen(p->from));
    return place_month(p->r, from, to, e);
}

static bool place_list(const struct archive_list *l, void *ctx, struct err *e) {
    struct placing *p = ctx;
    p->path = l->path;
    return l->address.len == 0 /* foreign */ || archive_extents(l->path, INT64_MAX, place_extent, p, e);
}

/* DIR is an archive, or an instance that has one. */
static bool place_archive(struct restore *r, const char *dir, struct err *e) {
    FREE_AUTO char *below = mem_printf("%s/data/archive", dir);
    const char *from = file_exists(below) ? below : dir;
    struct placing p = {.r = r, .from = from};
    return archive_lists(from, place_list, &p, e);
}

static bool place_archives(struct restore *r, struct err *e) {
    const char *kept = args_get(&r->c->args, "--archive");
    FREE_AUTO char *backed_up = mem_printf("%s/archive", r->from);
    if (kept && !file_exists(kept))
        return err_set(e, ERR_NOT_FOUND, "--archive %.150s: there is no such directory", kept);
    return (!kept || place_archive(r, kept, e)) && place_archive(r, backed_up, e);
}

/* -- the store */

static void show_store(int64_t done, int64_t total, void *ctx) {
    (void)total;
    cli_progress(ctx, "store: %" PRId64 " rows", done);
}

/* The list's next UID above what its files have. */
static bool raise_uid(const struct archive_list *l, void *ctx, struct err *e) {
    struct restore *r = ctx;
    struct archive_check check = {.quick = true};
    struct store_request q;
    if (l->address.len == 0)
        return true;
    if (!archive_verify(l->path, &check, e))
        return false;
    r->lists++;
    r->damaged += check.faults > 0;
    store_request_init(&q, OP_ARCHIVE_RECORD);
    vals_view(&q.args, l->address);
    vals_int(&q.args, check.last_uid);
    vals_int(&q.args, 0);
    bool ok = cli_call(r->c, &q, e);
    store_request_done(&q);
    return ok;
}

static bool restore_store(struct restore *r, struct err *e) {
    FREE_AUTO char *path = mem_printf("%s/store.db", r->from);
    if (!store_restore(r->config, path, show_store, r->c, e))
        return false;
    r->c->config = r->config; /* from here on the new instance is the command's */
    r->config = NULL;
    return archive_lists(r->archive, raise_uid, r, e);
}

static bool write_config(struct restore *r, struct err *e) {
    FREE_AUTO char *conf = mem_printf("%s/postroad.conf", r->dir);
    return file_replace(conf, buf_view(&r->text), FILE_MODE, e) && file_fsync_dir(r->dir, e);
}

/* Remove what was made here, and only that. */
static void undo(struct restore *r) {
    FREE_AUTO char *data = mem_printf("%s/data", r->dir), *store = mem_printf("%s/store.db", data);
    cli_close_store(r->c);
    if (r->data_made)
        folder_remove(data);
    else
        unlink(store); /* there was none; an archive that lay here stays */
    if (r->dir_made)
        rmdir(r->dir);
}

static bool prove(struct restore *r, struct err *e) {
    json_t *found = NULL;
    int64_t faults = 0;
    bool ok = backup_verify(r->c, r->from, &faults, &found, e);
    json_decref(found);
    return ok &&
           (faults == 0 ||
            err_set(e, ERR_DAMAGED, "%.150s is damaged, nothing was restored: take another backup", r->from));
}

static bool show_queue(struct restore *r, struct err *e) {
    struct cli *c = r->c;
    const char *dir = r->dir;
    if (r->damaged > 0)
        cli_print(c, "The archive files of %" PRId64 " lists are damaged: postroad -C %s archive verify\n",
                  r->damaged, dir);
    cli_print(c,
              "Nothing is sent until postroad -C %s queue thaw. What would be sent (again, if it was "
              "delivered after "
              "the backup):\n",
              dir);
    c->args.count = 0;
    return cmd_queue_show(c, e);
}

static bool tell(struct restore *r, struct err *e) {
    json_t *done = json_pack("{sssssbsIsIsI}", "dir", r->dir, "backup", r->from, "frozen", 1, "lists",
                             (json_int_t)r->lists, "archive_files", (json_int_t)r->files, "damaged_lists",
                             (json_int_t)r->damaged);
    cli_done(r->c, done,
             "%s is restored from %s, with the archive of %" PRId64 " lists (%" PRId64 " files copied).",
             r->dir, r->from, r->lists, r->files);
    return r->c->json || show_queue(r, e);
}

bool cmd_restore(struct cli *c, struct err *e) {
    struct restore r = {
        .c = c, .from = c->args.words[0], .dir = c->args.words[1], .text = BUF_INIT(LIMIT_CONFIG_FILE)};
    bool ok = check_place(&r, e) && prove(&r, e) && read_settings(&r, e);
    if (ok) {
        ok = make_folders(&r, e) && place_archives(&r, e) && restore_store(&r, e) && write_config(&r, e);
        cli_progress_end(c);
        if (!ok)
            undo(&r);
    }
    ok = ok && tell(&r, e);
    config_free(r.config);
    buf_done(&r.text);
    free(r.archive);
    return ok;
}
