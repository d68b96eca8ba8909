/* cmd_rebuild.c: postroad archive rebuild: what the store knows of posts, made anew from the archive's files.
 *
 * Each post is read and proved first (archive/verify.h); a damaged one is shown and not recorded. What is
 * known already stays, so it can be run at any time, and again. A post that the store has with other bytes
 * stops it: one of the two is wrong, and which one is for people to say. */
#include "cli/archives.h"

#include <inttypes.h>
#include <string.h>

#include "mail/header.h"

enum {
    SLICE = 200,
    SLICE_BYTES = 320 * 1024 /* of them, with the longest Message-IDs */,
    HEADER_ARENA = 16 << 20
};

struct rebuild {
    struct cli *c;
    struct fault_list faults;
    json_t *lists; /* --json: an object each */
    int64_t list_count, posts, added, absent;
    /* Of the folder that is read. */
    view list;
    struct buf slice; /* posts as ARCHIVE_RECORD takes them */
    int64_t slice_posts, list_added, last_uid;
    bool here;
};

static bool record(struct rebuild *b, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_ARCHIVE_RECORD);
    vals_view(&r.args, b->list);
    vals_int(&r.args, b->last_uid);
    vals_int(&r.args, b->slice_posts);
    buf_add(&r.args, buf_view(&b->slice));
    bool ok = cli_call(b->c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok) {
        b->here = vals_get_int(&v) != 0;
        b->list_added += vals_get_int(&v);
    }
    store_request_done(&r);
    buf_reset(&b->slice);
    b->slice_posts = 0;
    return ok;
}

static bool take_post(const struct journal_line *l, view message, void *ctx, struct err *e) {
    struct rebuild *b = ctx;
    struct arena a;
    struct header h;
    arena_init(&a, HEADER_ARENA);
    header_parse(message, &a, &h);
    vals_int(&b->slice, l->uid);
    vals_view(&b->slice, view_from(l->sha256, sizeof l->sha256));
    vals_view(&b->slice, header_message_id(&h, &a));
    arena_done(&a);
    return ++b->slice_posts < SLICE || record(b, e);
}

static void take_fault(const struct archive_fault *f, void *ctx) {
    struct rebuild *b = ctx;
    faults_add(&b->faults, b->list, f);
}

static void show_progress(const struct archive_check *c, void *ctx) {
    struct rebuild *b = ctx;
    cli_progress(b->c, "%.*s: %" PRId64 " posts", VIEW_ARG(b->list), c->posts);
}

static bool rebuild_folder(const struct archive_list *l, void *ctx, struct err *e) {
    struct rebuild *b = ctx;
    struct archive_check c = {.post = take_post, .fault = take_fault, .progress = show_progress, .ctx = b};
    if (l->address.len == 0)
        return true; /* archive verify shows what is foreign */
    b->list = l->address;
    b->list_added = b->last_uid = 0;
    if (!archive_verify(l->path, &c, e))
        return false;
    b->last_uid = c.last_uid; /* of damaged posts, too: their UIDs were given */
    if (!record(b, e))
        return false;
    b->list_count++;
    b->posts += c.posts;
    b->added += b->list_added;
    b->absent += !b->here;
    if (b->c->json)
        json_array_append_new(b->lists, json_pack("{sosIsIsIsb}", "list", cli_json_text(l->address), "posts",
                                                  (json_int_t)c.posts, "recorded", (json_int_t)b->list_added,
                                                  "uid_last", (json_int_t)c.last_uid, "in_store", b->here));
    return true;
}

static void tell(struct rebuild *b, json_t *object) {
    cli_done(b->c, object,
             "%" PRId64 " posts of %" PRId64 " lists: %" PRId64
             " were recorded in the store, the others were known%s",
             b->posts, b->list_count, b->added, b->absent == 0 ? "" : " or are of lists that are not there");
    if (b->absent > 0 && !b->c->json)
        cli_print(b->c,
                  "%" PRId64 " lists are not in the store; made again with list create they go on with the "
                  "next UID, and archive rebuild then records their posts\n",
                  b->absent);
}

bool cmd_archive_rebuild(struct cli *c, struct err *e) {
    struct rebuild b = {.c = c, .lists = json_array(), .slice = BUF_INIT(SLICE_BYTES)};
    faults_open(&b.faults, c);
    bool ok = archives_visit(c, rebuild_folder, &b, e);
    json_t *object = json_pack("{sIsIso}", "posts", (json_int_t)b.posts, "recorded", (json_int_t)b.added,
                               "lists", b.lists);
    bool shown = faults_close(&b.faults, object, ok ? e : NULL);
    buf_done(&b.slice);
    if (!ok || !shown) {
        json_decref(object);
        return false;
    }
    c->status = b.faults.count > 0;
    tell(&b, object);
    return true;
}
