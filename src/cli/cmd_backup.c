/* cmd_backup.c: postroad backup DIR|-, backup verify DIR: the store at one instant, and the archive's files
 * up to the post that the store then called archived, while everything runs.
 *
 * The snapshot comes first: what it says is archived is on disk already, and what came later is left out of
 * the copies by its UID. */
#include "cli/backup.h"
#include "cli/bundle.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/extent.h"
#include "archive/verify.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/schema.h"
#include "store/snapshot.h"

#define STORE_FILE "store.db"

struct backup {
    struct cli *c;
    struct bundle bundle;
    json_t *lists; /* address: object, as in backup.json */
    int64_t time_ms, damaged, list_count;
    /* Of the folder that is copied. */
    const struct archive_list *list;
};

static void show_store(int64_t done, int64_t total, void *ctx) {
    if (total > 0)
        cli_progress(ctx, "store: %" PRId64 " %%", 100 * done / total);
    else
        cli_progress(ctx, "store: %" PRId64 " rows", done);
}

/* -- the store */

static bool note_list(const struct snapshot_list *l, void *ctx, struct err *e) {
    struct backup *b = ctx;
    (void)e;
    int64_t below = l->pending_uid > 0 ? l->pending_uid : l->uid_last + 1;
    json_t *list =
        json_pack("{sosIsIsI}", "archive", cli_json_text(l->archive), "uid_last", (json_int_t)l->uid_last,
                  "feed_last", (json_int_t)l->feed_last, "archived_below", (json_int_t)below);
    FREE_AUTO char *address = mem_view(l->address);
    json_object_set_new(b->lists, address, list);
    return true;
}

static bool add_store(struct backup *b, struct err *e) {
    struct config *config = b->c->config;
    FREE_AUTO char *path = config_path(config, "data/" STORE_FILE "-outgoing");
    struct stat st;
    unlink(path); /* of a backup that was interrupted */
    b->time_ms = clock_now_ms();
    bool ok = store_snapshot(config, path, show_store, b->c, e) &&
              store_snapshot_lists(path, config->node, note_list, b, e) &&
              (stat(path, &st) == 0 || err_errno(e, ERR_IO, "%s", path)) &&
              bundle_add(&b->bundle, STORE_FILE, path, st.st_size, e);
    unlink(path);
    return ok;
}

/* -- the archive */

static bool add_file(struct backup *b, const char *month, const char *kind, int64_t length, struct err *e) {
    FREE_AUTO char *archive = config_path(b->c->config, "data/archive");
    FREE_AUTO char *path = mem_printf("%s/%s.%s", b->list->path, month, kind);
    FREE_AUTO char *name = mem_printf("archive%s", path + strlen(archive));
    return bundle_add(&b->bundle, name, path, length, e);
}

static bool add_month(const struct archive_extent *x, void *ctx, struct err *e) {
    struct backup *b = ctx;
    b->damaged += x->damaged;
    cli_progress(b->c, "%.*s %s: %" PRId64 " files, %" PRId64 " MB", VIEW_ARG(b->list->address), x->month,
                 b->bundle.files, b->bundle.bytes >> 20);
    /* The mbox first: bytes without a line are cut off, a line without its bytes would be damage. */
    return add_file(b, x->month, "mbox", x->mbox_end, e) && add_file(b, x->month, "log", x->log_end, e);
}

static bool add_list(const struct archive_list *l, void *ctx, struct err *e) {
    struct backup *b = ctx;
    if (l->address.len == 0)
        return true; /* foreign: archive verify names it */
    FREE_AUTO char *address = mem_view(l->address);
    json_t *below = json_object_get(json_object_get(b->lists, address), "archived_below");
    b->list = l;
    b->list_count++;
    return archive_extents(l->path, below ? json_integer_value(below) : INT64_MAX, add_month, b, e);
}

/* -- the rest */

static bool add_config(struct backup *b, struct err *e) {
    FREE_AUTO char *path = config_path(b->c->config, "postroad.conf");
    struct stat st;
    return (stat(path, &st) == 0 || err_errno(e, ERR_IO, "%s", path)) &&
           bundle_add(&b->bundle, "postroad.conf", path, st.st_size, e);
}

static bool add_about(struct backup *b, struct err *e) {
    json_t *about = json_pack("{sssisssssO}", "version", POSTROAD_VERSION, "schema", SCHEMA_VERSION, "time",
                              cli_time(b->time_ms).s, "node", b->c->config->node, "lists", b->lists);
    FREE_AUTO char *text = json_dumps(about, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(about);
    return bundle_add_bytes(&b->bundle, BUNDLE_ABOUT, view_of(text), e);
}

/* Two at a time would send each other's snapshot back to the beginning. */
static bool lock(struct cli *c, int *ret_fd, struct err *e) {
    FREE_AUTO char *path = config_path(c->config, "data/run/backup.lock");
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return err_errno(e, ERR_IO, "cannot make %s", path);
    return flock(*ret_fd, LOCK_EX | LOCK_NB) == 0 ||
           err_set(e, ERR_CONFLICT, "another backup of this instance is being made: wait for it");
}

static bool make(struct backup *b, struct err *e) {
    FREE_AUTO char *archive = config_path(b->c->config, "data/archive");
    CLOSE_AUTO int fd = -1;
    return lock(b->c, &fd, e) &&
           bundle_open(&b->bundle, b->c->args.words[0], args_get(&b->c->args, "--previous"), e) &&
           add_store(b, e) && archive_lists(archive, add_list, b, e) && add_config(b, e) && add_about(b, e) &&
           bundle_finish(&b->bundle, e);
}

static void tell(struct backup *b) {
    if (!b->bundle.dir)
        return; /* standard output is the backup */
    json_t *done = json_pack("{sssssIsIsIsIsI}", "dir", b->bundle.dir, "time", cli_time(b->time_ms).s,
                             "files", (json_int_t)b->bundle.files, "bytes", (json_int_t)b->bundle.bytes,
                             "linked", (json_int_t)b->bundle.linked, "lists", (json_int_t)b->list_count,
                             "damaged_months", (json_int_t)b->damaged);
    cli_done(b->c, done,
             "%s: the store of %s and the archive of %" PRId64 " lists, %" PRId64 " files (%" PRId64
             " as in the backup before), %" PRId64 " MB%s",
             b->bundle.dir, cli_time(b->time_ms).s, b->list_count, b->bundle.files, b->bundle.linked,
             b->bundle.bytes >> 20,
             b->damaged > 0 ? "\nsome journals are damaged (copied as they are): archive verify says where"
                            : "");
}

bool cmd_backup(struct cli *c, struct err *e) {
    struct backup b = {.c = c};
    if (!cli_config(c, e))
        return false;
    b.lists = json_object();
    bool ok = make(&b, e);
    cli_progress_end(c);
    if (ok)
        tell(&b);
    c->status = ok && b.damaged > 0;
    json_decref(b.lists);
    bundle_done(&b.bundle);
    return ok;
}

/* -- backup verify */

struct backup_check {
    struct cli *c;
    const char *dir;
    struct sums sums;
    struct table table;
    json_t *faults;
    int64_t count, bytes;
};

static void fault(struct backup_check *k, const char *name, const char *what) {
    k->count++;
    if (k->c->json) {
        json_array_append_new(k->faults,
                              json_pack("{soss}", "file", cli_json_text(view_of(name)), "fault", what));
        return;
    }
    table_text(&k->table, view_of(name));
    table_text(&k->table, view_of(what));
}

static void check_file(struct backup_check *k, const struct sum *s) {
    FREE_AUTO char *path = mem_printf("%s/%s", k->dir, s->name);
    char sha256[65];
    struct stat st;
    struct err why = {.code = ERR_OK};
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        fault(k, s->name, errno == ENOENT ? "the file is missing" : "the file cannot be opened");
    else if (!sum_file(fd, st.st_size, sha256, &why))
        fault(k, s->name, "the file cannot be read");
    else if (strcmp(sha256, s->sha256) != 0)
        fault(k, s->name, "its SHA-256 is another one than when the backup was made");
    else
        k->bytes += st.st_size;
}

static struct backup_check *walked; /* nftw takes no context */

static int check_name(const char *path, const struct stat *st, int type, struct FTW *place) {
    (void)st, (void)place;
    const char *name = path + strlen(walked->dir);
    name += strspn(name, "/");
    if (type != FTW_D && strcmp(name, BUNDLE_SUMS) != 0 && !sums_find(&walked->sums, name))
        fault(walked, name, "not a file of this backup");
    return 0;
}

static bool check_backup(struct backup_check *k, struct err *e) {
    static const char *const needed[] = {STORE_FILE, "postroad.conf", BUNDLE_ABOUT};
    if (!sums_read(k->dir, &k->sums, e))
        return false;
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!sums_find(&k->sums, needed[i]))
            fault(k, needed[i], "every backup has one, and this one's list of files does not name it");
    for (size_t i = 0; i < k->sums.count; i++) {
        cli_progress(k->c, "%zu of %zu files, %" PRId64 " MB", i, k->sums.count, k->bytes >> 20);
        check_file(k, &k->sums.rows[i]);
    }
    walked = k;
    nftw(k->dir, check_name, 16, FTW_PHYS);
    return true;
}

bool backup_verify(struct cli *c, const char *dir, int64_t *ret_faults, json_t **ret_found, struct err *e) {
    static const struct column columns[] = {{"file", "FILE"}, {"fault", "WHAT IS WRONG"}};
    struct backup_check k = {.c = c, .dir = dir, .faults = json_array()};
    if (!c->json)
        table_open(&k.table, c, columns, COUNT_OF(columns));
    bool ok = check_backup(&k, e);
    cli_progress_end(c);
    bool shown = c->json || table_close(&k.table, ok ? e : NULL);
    *ret_faults = k.count;
    *ret_found = json_pack("{sssIsIso}", "dir", dir, "files", (json_int_t)k.sums.count, "bytes",
                           (json_int_t)k.bytes, "faults", k.faults);
    sums_done(&k.sums);
    return ok && shown;
}

bool cmd_backup_verify(struct cli *c, struct err *e) {
    json_t *found = NULL;
    int64_t faults = 0;
    if (!backup_verify(c, c->args.words[0], &faults, &found, e)) {
        json_decref(found);
        return false;
    }
    c->status = faults > 0;
    long long files = (long long)json_integer_value(json_object_get(found, "files"));
    cli_done(c, found,
             faults == 0 ? "%s: %lld files, all as they were written"
                         : "%s: %lld files, some are not as they should be",
             c->args.words[0], files);
    return true;
}
