/* feed.c: from rows of the archive feed to posts in a list's folder, a batch at a time.
 *
 * A batch is the rows that one append and one FEED_DONE settle: bounded by count and bytes, cut short before
 * the first row that cannot be done. The store forgets a body once every node has it, so a body is proved
 * before it is called archived: right length, right hash, and its mbox form decodes to the same octets. */
#include "roles/archived/feed.h"

#include "archive/digest.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "lists/edition.h"
#include "mail/mbox.h"
#include "store/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTE_MAX = 192 * 1024 * 1024, /* of a message of 50 MB with every other line ended by LF alone */
    ENTRY_BYTES = 1024,           /* of an mbox entry, beside message and sender */
    PLACES_BYTES = 64 * 1024,
};

bool feed_parse(view answer, struct feed_row rows[FEED_ROWS], size_t *ret_count) {
    struct vals v = vals_of(answer);
    size_t count = 0;
    for (; vals_more(&v) && count < FEED_ROWS; count++) {
        struct feed_row *r = &rows[count];
        r->list = vals_get_int(&v);
        r->address = vals_get_view(&v);
        r->archive = vals_get_view(&v);
        r->n = vals_get_int(&v);
        r->action = vals_get_int(&v);
        r->held = vals_get_int(&v) != 0;
        r->message = vals_get_int(&v);
        r->uid = vals_get_int(&v);
        r->sender = vals_get_view(&v);
        r->msgid = vals_get_view(&v);
        r->size = vals_get_int(&v);
        r->sha256 = vals_get_view(&v);
        r->edition = vals_get_int(&v) != 0;
    }
    *ret_count = count;
    return !v.failed && !vals_more(&v);
}

size_t feed_same_list(const struct feed_row *rows, size_t count) {
    size_t same = 0;
    while (same < count && rows[same].list == rows[0].list)
        same++;
    return same;
}

struct batch {
    const struct feed_row *rows;
    size_t count;                /* rows settled by this batch, held ones included */
    struct folder_post *posts;   /* FEED_ROWS */
    struct buf *bodies;          /* one per post */
    view *places;                /* one per post */
    struct store_request *infos; /* one per row that was asked for */
    size_t posts_count;
    int64_t bytes;
};

static bool has_digest(view body, view sha256) {
    unsigned char digest[DIGEST_BYTES];
    digest_sha256(body, digest);
    return view_eq(view_from(digest, sizeof digest), sha256);
}

/* What the archive will give back is what came in. */
static bool comes_back(const struct feed_row *row, view body) {
    struct buf entry = BUF_INIT(2 * body.len + row->sender.len + ENTRY_BYTES), note = BUF_INIT(NOTE_MAX);
    struct buf back = BUF_INIT(body.len);
    mbox_encode(body, row->sender, id_time_ms(row->message), &entry, &note);
    bool same = !entry.failed && !note.failed &&
                mbox_decode(buf_view(&entry), buf_view(&note), &back, NULL) && view_eq(buf_view(&back), body);
    buf_done(&entry);
    buf_done(&note);
    buf_done(&back);
    return same;
}

static bool check_row(const struct feed_row *row, struct err *e) {
    struct id_text queue = id_format(row->message);
    if (row->action != FEED_ADD)
        return err_set(e, ERR_USAGE, "%s: this release does not know the feed's action %" PRId64, queue.s,
                       row->action);
    if (row->size < 0 || row->sha256.len != sizeof((struct folder_post *)0)->sha256)
        return err_set(e, ERR_DAMAGED, "%s: its row in the store has no size or SHA-256", queue.s);
    return true;
}

/* What the list sent, in place of what it got. */
static bool take_edition(struct role *r, const struct feed_row *row, const struct store_request *info,
                         struct buf *out, struct err *e) {
    struct message_info m = message_info_of(row->message, buf_view(&info->out));
    struct buf source = BUF_INIT(m.fields.len + (size_t)m.size);
    struct store_request q;
    struct arena arena;
    struct recipe recipe;
    size_t trace;
    arena_init(&arena, LIMIT_STEP_ARENA);
    store_request_init(&q, OP_EDITION);
    vals_int(&q.args, row->message);
    vals_int(&q.args, row->list);
    bool ok = role_take_source(r, row->message, info, &source, &trace, e) && store_call(r->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && !recipe_read(vals_get_view(&v), source.len, &arena, &recipe))
        ok = err_set(e, ERR_DAMAGED, "its edition in the store is damaged");
    if (ok)
        edition_render_kept(&recipe, buf_view(&source), row->address, out);
    store_request_done(&q);
    arena_done(&arena);
    buf_done(&source);
    return ok;
}

/* The row's message behind the posts of the batch. */
static bool take_post(struct role *r, struct batch *b, const struct feed_row *row,
                      const struct store_request *info, struct err *e) {
    struct id_text queue = id_format(row->message);
    struct buf body = BUF_INIT((size_t)row->size);
    if (!(row->edition ? take_edition(r, row, info, &body, e)
                       : role_take_message(r, row->message, info, &body, e))) {
        buf_done(&body);
        return err_prefix(e, "%s", queue.s);
    }
    role_planted_crash(r, buf_view(&body));
    bool whole = body.len == (size_t)row->size && has_digest(buf_view(&body), row->sha256);
    if (!whole || !comes_back(row, buf_view(&body))) {
        buf_done(&body);
        return err_set(e, ERR_DAMAGED, "%s: %s", queue.s,
                       whole ? "the archive's form of it would not give the same octets back"
                             : "its body in the store is not the message that was accepted");
    }
    struct folder_post *post = &b->posts[b->posts_count];
    b->bodies[b->posts_count++] = body;
    *post = (struct folder_post){.uid = row->uid,
                                 .date_ms = id_time_ms(row->message),
                                 .sender = row->sender,
                                 .message = buf_view(&body)};
    memcpy(post->sha256, row->sha256.ptr, sizeof post->sha256);
    b->bytes += row->size;
    return true;
}

/* Ask for the bodies of as many rows as fit, at once: one by one, each would wait for the commit of others.
 */
static size_t ask_bodies(struct role *r, struct batch *b, size_t count) {
    struct store_wait wait;
    size_t n = 0;
    int64_t bytes = 0;
    store_wait_init(&wait);
    for (; n < count; n++) {
        const struct feed_row *row = &b->rows[n];
        if (bytes > 0 && bytes + row->size > BATCH_BYTES)
            break;
        bytes += row->held ? 0 : row->size;
        b->infos[n] = (struct store_request){.op = OP_MESSAGE_INFO};
        if (!row->held)
            role_ask_message(r, row->message, &wait, &b->infos[n]);
    }
    store_wait_all(&wait);
    store_wait_done(&wait);
    return n;
}

/* As many of the rows as fit; fewer, and false, when one cannot be had. */
static bool collect(struct role *r, struct batch *b, size_t count, struct err *e) {
    size_t asked = ask_bodies(r, b, count);
    bool ok = true;
    for (b->count = 0; ok && b->count < asked && !role_stopping(); b->count += ok) {
        const struct feed_row *row = &b->rows[b->count];
        if (row->held)
            continue;
        role_works_on(row->message);
        ok = check_row(row, e) && take_post(r, b, row, &b->infos[b->count], e);
    }
    role_works_on(0);
    for (size_t i = 0; i < asked; i++)
        store_request_done(&b->infos[i]);
    return ok;
}

static bool append(struct shelf *shelf, struct batch *b, struct arena *a, struct err *e) {
    if (!b->posts_count)
        return true;
    /* Anything but "public" must not come to be seen by everybody; a post that came before the archive was
     * switched off goes where the others are. */
    bool public = view_eq(b->rows->archive, VIEW("public")) ||
                  (view_eq(b->rows->archive, VIEW("none")) && shelf_has(shelf, b->rows->address, true));
    struct folder *folder = shelf_get(shelf, b->rows->address, public, e);
    if (folder && folder_append(folder, b->posts, b->posts_count, a, b->places, e))
        return true;
    shelf_drop(shelf, b->rows->address, public);
    return false;
}

static bool tell_store(struct role *r, const struct batch *b, struct err *e) {
    struct store_request q;
    size_t post = 0;
    store_request_init(&q, OP_FEED_DONE);
    vals_view(&q.args, view_of(r->config->node));
    vals_int(&q.args, b->rows->list);
    vals_int(&q.args, (int64_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        vals_int(&q.args, b->rows[i].n);
        vals_int(&q.args, b->rows[i].message);
        vals_view(&q.args, b->rows[i].held ? VIEW_NULL : b->places[post++]);
    }
    bool ok = store_call(r->store, &q, e);
    store_request_done(&q);
    return ok;
}

static void log_batch(const struct batch *b) {
    view last = b->posts_count ? b->places[b->posts_count - 1] : VIEW_NULL;
    metric_add(METRIC_ARCHIVED_POSTS, (int64_t)b->posts_count);
    log_line(LOG_INFO, "archived", LOG_V("list", b->rows->address), LOG_I("posts", b->posts_count),
             LOG_I("held", b->count - b->posts_count), LOG_I("bytes", b->bytes), LOG_V("place", last));
}

/* One batch from the front of the rows. */
static bool archive_batch(struct role *r, struct shelf *shelf, struct batch *b, size_t count,
                          size_t *ret_done, struct err *e) {
    struct arena places;
    struct err later = {.code = ERR_OK};
    arena_init(&places, PLACES_BYTES);
    bool whole = collect(r, b, count, &later);
    bool ok = b->count == 0 || (append(shelf, b, &places, e) && tell_store(r, b, e));
    if (ok && b->count > 0) {
        log_batch(b);
        *ret_done += b->count;
    }
    if (ok && !whole) {
        *e = later;
        ok = false;
    }
    for (size_t i = 0; i < b->posts_count; i++)
        buf_done(&b->bodies[i]);
    arena_done(&places);
    return ok;
}

bool feed_archive(struct role *r, struct shelf *shelf, const struct feed_row *rows, size_t count,
                  size_t *ret_done, struct err *e) {
    static struct folder_post posts[FEED_ROWS];
    static struct buf bodies[FEED_ROWS];
    static view places[FEED_ROWS];
    static struct store_request infos[FEED_ROWS];
    size_t done = 0;
    bool ok = true;
    BUG_ON(count > FEED_ROWS);
    while (ok && done < count && !role_stopping()) {
        struct batch b = {
            .rows = rows + done, .posts = posts, .bodies = bodies, .places = places, .infos = infos};
        ok = archive_batch(r, shelf, &b, count - done, &done, e);
    }
    *ret_done = done;
    return ok;
}

const char *feed_way_out(enum err_code code) {
    if (code == ERR_DAMAGED)
        return "nothing was changed; compare the named file with a backup or another node, then put it right";
    if (code == ERR_NOT_FOUND)
        return "a body is missing in the store: restore it, or hold the message";
    if (code == ERR_DISK_FULL)
        return "make room on the disk of the archive";
    if (code == ERR_CONFLICT)
        return "end the other process that writes this archive";
    return "see the reason; nothing is lost while the list waits";
}
