/* cmd_verify.c: postroad archive verify: every octet of the archive, and what the store says of it.
 *
 * The store is asked before a folder is read: what it called archived then must be in the files. What the
 * files have beyond that may have come meanwhile, so the store is asked once more about those. */
#include "cli/archives.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/folder.h"
#include "base/file.h"
#include "base/mem.h"

enum { PAGE_ROWS = 500, LIST_ROWS = 100, TEXT_BYTES = 200 };

struct known_post {
    int64_t uid;
    unsigned char sha256[32];
    bool may_miss; /* set aside from the archive, or still to be archived */
    bool seen;
};

struct posts {
    struct known_post *rows; /* by UID */
    size_t count, room;
};

struct verify {
    struct cli *c;
    bool files_only;
    struct archive_check check; /* sums over all folders */
    struct fault_list faults;
    int64_t lists;
    /* Of the folder that is looked at. */
    view list;
    int64_t id, uid_last; /* id 0: not in the store */
    bool compare;         /* its posts with the store's */
    struct posts known, unknown;
};

static struct known_post *add_post(struct posts *p, int64_t uid, view sha256) {
    if (p->count == p->room)
        p->rows = mem_resize(p->rows, p->room = p->room ? 2 * p->room : 256, sizeof *p->rows);
    struct known_post *row = &p->rows[p->count++];
    *row = (struct known_post){.uid = uid};
    if (sha256.len == sizeof row->sha256)
        memcpy(row->sha256, sha256.ptr, sha256.len);
    return row;
}

static int by_uid(const void *a, const void *b) {
    const struct known_post *x = a, *y = b;
    return (x->uid > y->uid) - (x->uid < y->uid);
}

static struct known_post *find_post(const struct posts *p, int64_t uid) {
    struct known_post key = {.uid = uid};
    return p->count ? bsearch(&key, p->rows, p->count, sizeof key, by_uid) : NULL;
}

static bool has_bytes(const struct posts *p, const unsigned char sha256[32]) {
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(p->rows[i].sha256, sha256, 32) == 0)
            return true;
    return false;
}

static void add_fault(struct verify *v, int64_t uid, const char *text) {
    faults_add(&v->faults, v->list, &(struct archive_fault){VIEW(""), uid, -1, text});
}

/* -- what the store says */

/* One page of a list's posts behind `after` into `posts`; *ret_public: its archive is. */
static bool ask_page(struct verify *v, struct posts *posts, int64_t after, size_t *ret_rows,
                     struct buf *archive, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_ARCHIVE_POSTS);
    vals_view(&r.args, v->list);
    vals_view(&r.args, view_of(v->c->config->node));
    vals_int(&r.args, after);
    vals_int(&r.args, PAGE_ROWS);
    bool ok = cli_call(v->c, &r, e);
    struct vals a = vals_of(buf_view(&r.out));
    *ret_rows = 0;
    if (ok) {
        v->id = vals_get_int(&a);
        buf_reset(archive);
        buf_add(archive, vals_get_view(&a));
        v->uid_last = vals_get_int(&a);
        int64_t pending = vals_get_int(&a);
        for (; vals_more(&a); ++*ret_rows) {
            int64_t uid = vals_get_int(&a);
            struct known_post *row = add_post(posts, uid, vals_get_view(&a));
            row->may_miss = vals_get_int(&a) != 0 || (pending > 0 && uid >= pending);
        }
    }
    store_request_done(&r);
    return ok;
}

static bool ask_store(struct verify *v, struct posts *posts, int64_t after, struct buf *archive,
                      struct err *e) {
    size_t rows = PAGE_ROWS;
    while (rows == PAGE_ROWS) {
        if (!ask_page(v, posts, after, &rows, archive, e))
            return false;
        after = posts->count ? posts->rows[posts->count - 1].uid : after;
    }
    return true;
}

/* -- one folder */

static bool take_post(const struct journal_line *l, view message, void *ctx, struct err *e) {
    struct verify *v = ctx;
    (void)message, (void)e;
    struct known_post *row = v->compare ? find_post(&v->known, l->uid) : NULL;
    if (row && memcmp(row->sha256, l->sha256, sizeof l->sha256) != 0)
        add_fault(v, l->uid, "the store has other bytes under its UID");
    if (row)
        row->seen = true;
    else if (v->compare)
        add_post(&v->unknown, l->uid, view_from(l->sha256, sizeof l->sha256));
    return true;
}

static void take_fault(const struct archive_fault *f, void *ctx) {
    struct verify *v = ctx;
    struct known_post *row = f->uid > 0 ? find_post(&v->known, f->uid) : NULL;
    if (row)
        row->seen = true; /* it is there, and this is what is wrong with it */
    faults_add(&v->faults, v->list, f);
}

static void show_progress(const struct archive_check *c, void *ctx) {
    struct verify *v = ctx;
    cli_progress(v->c, "%.*s: %" PRId64 " posts; %" PRId64 " lists, %" PRId64 " MB in all", VIEW_ARG(v->list),
                 c->posts, v->lists, (v->check.bytes + c->bytes) >> 20);
}

/* Posts that the store did not know before: it may have learned of them meanwhile. */
static bool judge_unknown(struct verify *v, struct err *e) {
    struct posts later = {0};
    struct buf archive = BUF_INIT(TEXT_BYTES);
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < v->unknown.count; i++)
        least = v->unknown.rows[i].uid < least ? v->unknown.rows[i].uid : least;
    bool ok = v->unknown.count == 0 || ask_store(v, &later, least - 1, &archive, e);
    for (size_t i = 0; ok && i < v->unknown.count; i++) {
        const struct known_post *p = &v->unknown.rows[i], *row = find_post(&later, p->uid);
        if (row && memcmp(row->sha256, p->sha256, sizeof p->sha256) != 0)
            add_fault(v, p->uid, "the store has other bytes under its UID");
        else if (!row && !has_bytes(&v->known, p->sha256))
            add_fault(v, p->uid, "the store does not know it: archive rebuild records it");
    }
    free(later.rows);
    buf_done(&archive);
    return ok;
}

static bool judge_folder(struct verify *v, int64_t last_uid, struct err *e) {
    if (!v->files_only && !judge_unknown(v, e))
        return false;
    for (size_t i = 0; i < v->known.count; i++)
        if (!v->known.rows[i].seen && !v->known.rows[i].may_miss)
            add_fault(v, v->known.rows[i].uid,
                      "the store says that it was archived, the files do not have it");
    if (!v->files_only && last_uid > v->uid_last)
        add_fault(v, last_uid, "the store would give this UID again: archive rebuild sees to it");
    return true;
}

/* Before the folder is read. */
static bool prepare(struct verify *v, const struct archive_list *l, struct err *e) {
    struct buf archive = BUF_INIT(TEXT_BYTES);
    v->known.count = v->unknown.count = 0;
    bool ok = v->files_only || ask_store(v, &v->known, 0, &archive, e);
    v->compare = ok && !v->files_only && v->id != 0;
    if (v->compare && !view_eq(buf_view(&archive), l->public ? VIEW("public") : VIEW("private"))) {
        char text[TEXT_BYTES];
        snprintf(text, sizeof text, "the list's archive is %.20s, and here are %s files of it", archive.data,
                 l->public ? "public" : "private");
        add_fault(v, 0, text);
        v->compare = false;
        v->known.count = 0;
    }
    buf_done(&archive);
    return ok;
}

static bool verify_folder(const struct archive_list *l, void *ctx, struct err *e) {
    struct verify *v = ctx;
    struct archive_check c = {
        .quick = v->check.quick, .post = take_post, .fault = take_fault, .progress = show_progress, .ctx = v};
    v->list = l->address;
    if (l->address.len == 0) {
        faults_add(
            &v->faults, VIEW(""),
            &(struct archive_fault){view_of(l->path), 0, -1, "not a file of the archive: move it elsewhere"});
        return true;
    }
    if (!prepare(v, l, e) || !archive_verify(l->path, &c, e) || !judge_folder(v, c.last_uid, e))
        return false;
    v->lists++;
    v->check.months += c.months;
    v->check.posts += c.posts;
    v->check.bytes += c.bytes;
    return true;
}

/* -- lists of the store without a folder */

static bool verify_absent(struct verify *v, view address, view archive, struct err *e) {
    FREE_AUTO char *dir = config_path(v->c->config, "data/archive");
    FREE_AUTO char *path = folder_path(dir, address, view_eq(archive, VIEW("public")));
    if (view_eq(archive, VIEW("none")) || file_exists(path))
        return true;
    struct buf setting = BUF_INIT(TEXT_BYTES);
    v->list = address;
    v->known.count = v->unknown.count = 0;
    bool ok = ask_store(v, &v->known, 0, &setting, e) && judge_folder(v, 0, e);
    buf_done(&setting);
    return ok;
}

static bool verify_lists(struct verify *v, struct err *e) {
    struct store_request r;
    struct buf after = BUF_INIT(LIMIT_ADDRESS);
    size_t rows = LIST_ROWS;
    bool ok = true;
    store_request_init(&r, OP_LIST_LS);
    while (ok && rows == LIST_ROWS) {
        buf_reset(&r.args);
        vals_view(&r.args, VIEW(""));
        vals_view(&r.args, buf_view(&after));
        vals_int(&r.args, LIST_ROWS);
        ok = cli_call(v->c, &r, e);
        struct vals a = vals_of(buf_view(&r.out));
        for (rows = 0; ok && vals_more(&a); rows++) {
            buf_reset(&after);
            buf_add(&after, vals_get_view(&a));
            vals_get_view(&a), vals_get_view(&a);
            view archive = vals_get_view(&a);
            for (int i = 0; i < 4; i++)
                vals_get_int(&a);
            ok = verify_absent(v, buf_view(&after), archive, e);
        }
    }
    store_request_done(&r);
    buf_done(&after);
    return ok;
}

static void tell(const struct verify *v, json_t *object) {
    char verdict[TEXT_BYTES] = "every octet is as it was written";
    if (v->check.quick)
        snprintf(verdict, sizeof verdict,
                 "nothing is wrong, as far as can be seen without reading the posts");
    if (v->faults.count > 0)
        snprintf(verdict, sizeof verdict, "%" PRId64 " faults", v->faults.count);
    cli_done(v->c, object, "%" PRId64 " posts in %" PRId64 " months of %" PRId64 " lists, %" PRId64 " MB: %s",
             v->check.posts, v->check.months, v->lists, v->check.bytes >> 20, verdict);
}

bool cmd_archive_verify(struct cli *c, struct err *e) {
    struct verify v = {.c = c, .files_only = args_has(&c->args, "--files")};
    v.check.quick = args_has(&c->args, "--quick");
    faults_open(&v.faults, c);
    bool ok =
        archives_visit(c, verify_folder, &v, e) && (v.files_only || c->args.count > 0 || verify_lists(&v, e));
    json_t *object =
        json_pack("{sIsIsIsI}", "lists", (json_int_t)v.lists, "months", (json_int_t)v.check.months, "posts",
                  (json_int_t)v.check.posts, "bytes", (json_int_t)v.check.bytes);
    bool shown = faults_close(&v.faults, object, ok ? e : NULL);
    free(v.known.rows);
    free(v.unknown.rows);
    if (!ok || !shown) {
        json_decref(object);
        return false;
    }
    c->status = v.faults.count > 0; /* a "no" */
    tell(&v, object);
    return true;
}
