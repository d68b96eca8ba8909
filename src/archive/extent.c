/* extent.c: journals read from the front, up to the first post that is too new. */
#include "archive/extent.h"

#include "archive/folder_private.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static void measure(struct log_reader *r, int64_t below, struct archive_extent *x) {
    struct journal_line l;
    view line;
    while (log_next(r, &line)) {
        arena_reset(&r->texts);
        bool whole = journal_parse(line, &r->texts, &l, NULL);
        if (whole && l.uid >= below)
            return;
        x->damaged |= !whole;
        x->log_end = r->offset;
        if (whole && l.offset + l.length > x->mbox_end)
            x->mbox_end = l.offset + l.length;
    }
    x->damaged |= r->err.code != ERR_OK;
}

static bool visit_month(int dir, const char *path, const char *month, int64_t below,
                        archive_extent_visit visit, void *ctx, struct err *e) {
    struct archive_extent x = {.month = month};
    struct log_reader r;
    struct stat st;
    if (!log_open(&r, dir, path, month, NULL))
        return true; /* archive verify says so */
    measure(&r, below, &x);
    log_close(&r);
    bool there = fstatat(dir, month_file(month, "mbox").s, &st, 0) == 0;
    if (!there || x.log_end == 0)
        return true;
    /* A backup of what is damaged is better than none. */
    if (x.damaged || st.st_size < x.mbox_end)
        x.mbox_end = st.st_size;
    return x.mbox_end == 0 || visit(&x, ctx, e);
}

bool archive_extents(const char *path, int64_t below, archive_extent_visit visit, void *ctx, struct err *e) {
    char(*months)[MONTH_NAME_LEN + 1] = NULL;
    size_t count = 0;
    struct err scratch;
    e = e ? e : &scratch;
    CLOSE_AUTO int dir = folder_open_dir(path, e);
    bool ok = dir >= 0 && folder_months(dir, path, &months, &count, e);
    for (size_t i = 0; ok && i < count; i++)
        ok = visit_month(dir, path, months[i], below, visit, ctx, e);
    free(months);
    return ok;
}
