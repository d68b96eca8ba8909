/* postroad-archived: writes the posts of every list into its files (archive/folder.h).
 *
 * It trusts the store for what was posted, when, and under which UID, and nothing inside a message: a body is
 * octets. Each is read, hashed, encoded and decoded again under role_works_on() before it comes near a file,
 * so that a message that kills its worker is known by name.
 *
 * It may touch the files below DIR/data/archive, the store (its socket, or PostgreSQL) and its hint socket.
 * It needs no network, listens to nobody and holds no keys.
 *
 * When it dies at any instant nothing is lost and nothing is there twice. A feed row, and with it the body in
 * the store, stays until FEED_DONE has been committed, which is asked for after the files are on stable
 * storage. What was written without that answer comes again and is passed over: same UID, same SHA-256. A
 * half-written tail is cut when the folder is opened. Mail waits meanwhile; delivery does not depend on it.
 *
 * A list whose folder is damaged or cannot be written, or whose post cannot be had whole, stops with an error
 * that says where; its feed stays as it is and is tried again later. The other lists go on. The only thing
 * passed over is a post held as "crashed", by a decision that has its own event.
 *
 * Files here: feed.c one list's rows and their posts; shelf.c the folders kept open;
 * place.c folders whose list has become public or private. */
#include "roles/archived/feed.h"
#include "roles/archived/place.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/* Lists that wait after an error. */
struct waiting {
    int64_t list;
    int64_t until_ms; /* clock_mono_ms() */
};

enum { PLACES_LOOK_MS = 15 * 1000 };

struct archived {
    struct role role;
    struct shelf *shelf;
    struct waiting *waiting;
    size_t waiting_count, waiting_room;
};

static struct waiting *find_waiting(struct archived *a, int64_t list) {
    for (size_t i = 0; i < a->waiting_count; i++)
        if (a->waiting[i].list == list)
            return &a->waiting[i];
    return NULL;
}

static bool must_wait(struct archived *a, int64_t list) {
    struct waiting *w = find_waiting(a, list);
    if (w && w->until_ms <= clock_mono_ms()) {
        *w = a->waiting[--a->waiting_count];
        return false;
    }
    return w;
}

static void let_wait(struct archived *a, int64_t list) {
    if (a->waiting_count == a->waiting_room)
        a->waiting = mem_resize(a->waiting, a->waiting_room += 16, sizeof *a->waiting);
    a->waiting[a->waiting_count++] = (struct waiting){list, clock_mono_ms() + LIST_RETRY_MS};
}

static bool join(struct archived *a, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_ARCHIVE_JOIN);
    vals_view(&q.args, view_of(a->role.config->node));
    bool ok = store_call(a->role.store, &q, e);
    store_request_done(&q);
    return ok;
}

/* Rows of lists above `after`: a store that does not know of it starts from the first list again. */
static bool read_feed(struct archived *a, int64_t after, struct store_request *q, struct err *e) {
    vals_view(&q->args, view_of(a->role.config->node));
    vals_int(&q->args, FEED_ROWS);
    vals_int(&q->args, after);
    return store_call(a->role.store, q, e);
}

/* One FEED_READ's worth. */
struct round {
    size_t rows;
    size_t done;        /* of them */
    int64_t first_list; /* the lists of the first and last row */
    int64_t last_list;
};

static void do_list(struct archived *a, const struct feed_row *rows, size_t count, struct round *d) {
    struct err e = {.code = ERR_OK};
    if (must_wait(a, rows->list))
        return;
    size_t done = 0;
    bool ok = feed_archive(&a->role, a->shelf, rows, count, &done, &e);
    role_works_on(0);
    d->done += done;
    if (ok || role_stopping())
        return;
    if (role_store_is_away(e.code)) { /* nobody needs to be told by every list */
        log_line(LOG_WARN, "store-away", LOG_V("list", rows->address), LOG_S("reason", e.text));
        return;
    }
    log_line(LOG_ERROR, "list-stopped", LOG_V("list", rows->address), LOG_S("reason", e.text),
             LOG_S("way-out", feed_way_out(e.code)), LOG_I("retry-s", LIST_RETRY_MS / 1000));
    let_wait(a, rows->list);
}

static bool do_round(struct archived *a, int64_t after, struct round *d, struct err *e) {
    static struct feed_row rows[FEED_ROWS];
    struct store_request q;
    store_request_init(&q, OP_FEED_READ);
    bool ok = read_feed(a, after, &q, e);
    *d = (struct round){0};
    if (ok && !feed_parse(buf_view(&q.out), rows, &d->rows))
        ok = err_set(e, ERR_STORE, "the archive feed cannot be read: not the rows that were asked for");
    if (ok && d->rows > 0) {
        d->first_list = rows[0].list;
        d->last_list = rows[d->rows - 1].list;
    }
    for (size_t i = 0, n; ok && i < d->rows && !role_stopping(); i += n) {
        n = feed_same_list(rows + i, d->rows - i);
        do_list(a, rows + i, n, d);
    }
    store_request_done(&q);
    return ok;
}

/* Look at every list once. True when something was done. */
static bool do_all(struct archived *a) {
    struct err e = {.code = ERR_OK};
    struct round d = {0};
    size_t done = 0;
    int64_t after = 0;
    do {
        after = d.last_list;
        if (!do_round(a, after, &d, &e)) {
            log_line(LOG_WARN, "feed-unreadable", LOG_S("reason", e.text));
            return false;
        }
        done += d.done;
        /* A full answer without a row done is of lists that wait: look behind them. */
    } while (d.rows == FEED_ROWS && d.done == 0 && d.first_list > after && !role_stopping());
    return done > 0;
}

static bool run(struct archived *a) {
    struct err e = {.code = ERR_OK};
    while (!role_stopping() && !join(a, &e)) {
        log_line(LOG_WARN, "cannot-join", LOG_S("reason", e.text));
        if (!err_is_temporary(&e))
            return false;
        hint_wait(a->role.hint, ROLE_LOOK_MS);
    }
    role_ready(&a->role);
    int64_t places_ms = 0;
    while (!role_stopping()) {
        if (clock_mono_ms() >= places_ms) {
            place_all(&a->role, a->shelf);
            places_ms = clock_mono_ms() + PLACES_LOOK_MS;
        }
        if (!do_all(a))
            hint_wait(a->role.hint, ROLE_LOOK_MS);
    }
    return true;
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {"archived", R_ARCHIVED, 1, true};
    struct archived a = {0};
    int status = EXIT_SUCCESS;
    if (!role_start(argc, argv, &needs, &a.role, &status))
        return status;
    FREE_AUTO char *archive = config_path(a.role.config, "data/archive");
    a.shelf = shelf_new(archive);
    if (!run(&a))
        status = EXIT_FAILURE;
    shelf_free(&a.shelf);
    free(a.waiting);
    role_end(&a.role);
    return status;
}
