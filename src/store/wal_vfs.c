/* wal_vfs.c: a buffer in front of the write-ahead log. It never outlives a transaction: the frame that
 * commits goes out with all before it inside the COMMIT, so an error (a full disk) is the COMMIT's, and a
 * killed process has lost nothing that was committed. Only what continues the log is buffered; all else (its
 * header, a page written again) goes straight through. Format of the log:
 * https://www.sqlite.org/fileformat2.html#walformat. */
#include "store/wal_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FRAME_HEADER 24 /* bytes 4..7: the size of the database after a commit, 0 in every other frame */
#define BUFFER_SIZE  (31 * (FRAME_HEADER + 4096)) /* SQLite's unix layer splits what is 128 KB and more */

struct wal_file {
    sqlite3_file base; /* first: SQLite sees only this */
    sqlite3_file *real;
    sqlite3_int64 at, end; /* where the buffer goes; where the log goes on */
    int len;
    bool commits; /* the frame whose header came last */
    char *buffer;
};

static sqlite3_vfs layer, *below;

static struct wal_file *wal_of(sqlite3_file *f) {
    return (struct wal_file *)f;
}

static int flush(struct wal_file *f) {
    int len = f->len;
    f->len = 0;
    int rc = len ? f->real->pMethods->xWrite(f->real, f->buffer, len, f->at) : SQLITE_OK;
    if (rc != SQLITE_OK)
        f->end = f->at; /* SQLite gives the transaction up and writes here again */
    return rc;
}

static int write_through(struct wal_file *f, const void *bytes, int n, sqlite3_int64 at) {
    int rc = flush(f);
    if (rc == SQLITE_OK)
        rc = f->real->pMethods->xWrite(f->real, bytes, n, at);
    if (rc == SQLITE_OK && (at == 0 || at + n > f->end))
        f->end = at + n;
    return rc;
}

static int wal_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at) {
    struct wal_file *f = wal_of(file);
    bool is_header = n == FRAME_HEADER, ends = !is_header && f->commits;
    f->commits = is_header && memcmp((const char *)bytes + 4, "\0\0\0\0", 4) != 0;
    if (at != f->end || n > BUFFER_SIZE)
        return write_through(f, bytes, n, at);
    if (f->len + n > BUFFER_SIZE) {
        int rc = flush(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (f->len == 0)
        f->at = at;
    memcpy(f->buffer + f->len, bytes, (size_t)n);
    f->len += n;
    f->end += n;
    return ends ? flush(f) : SQLITE_OK;
}

static int wal_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at) {
    struct wal_file *f = wal_of(file);
    int rc = at + n > f->at ? flush(f) : SQLITE_OK;
    return rc == SQLITE_OK ? f->real->pMethods->xRead(f->real, bytes, n, at) : rc;
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct wal_file *f = wal_of(file);
    int rc = flush(f);
    if (rc == SQLITE_OK)
        rc = f->real->pMethods->xTruncate(f->real, size);
    if (rc == SQLITE_OK && f->end > size)
        f->end = size;
    return rc;
}

static int wal_sync(sqlite3_file *file, int flags) {
    struct wal_file *f = wal_of(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xSync(f->real, flags) : rc;
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *size) {
    struct wal_file *f = wal_of(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xFileSize(f->real, size) : rc;
}

static int wal_close(sqlite3_file *file) {
    struct wal_file *f = wal_of(file);
    int rc = flush(f), closed = f->real->pMethods->xClose(f->real);
    free(f->buffer);
    return rc == SQLITE_OK ? closed : rc;
}

static int wal_lock(sqlite3_file *file, int level) {
    return wal_of(file)->real->pMethods->xLock(wal_of(file)->real, level);
}

static int wal_unlock(sqlite3_file *file, int level) {
    return wal_of(file)->real->pMethods->xUnlock(wal_of(file)->real, level);
}

static int wal_is_reserved(sqlite3_file *file, int *is) {
    return wal_of(file)->real->pMethods->xCheckReservedLock(wal_of(file)->real, is);
}

static int wal_control(sqlite3_file *file, int op, void *arg) {
    return wal_of(file)->real->pMethods->xFileControl(wal_of(file)->real, op, arg);
}

static int wal_sector(sqlite3_file *file) {
    return wal_of(file)->real->pMethods->xSectorSize(wal_of(file)->real);
}

static int wal_characteristics(sqlite3_file *file) {
    return wal_of(file)->real->pMethods->xDeviceCharacteristics(wal_of(file)->real);
}

static const sqlite3_io_methods wal_methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_is_reserved,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_characteristics,
};

/* All but a log is opened as if this layer were not there: its memory is the file layer's below. */
static int layer_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                      int *ret_flags) {
    (void)vfs;
    if (!(flags & SQLITE_OPEN_WAL))
        return below->xOpen(below, name, file, flags, ret_flags);
    struct wal_file *f = wal_of(file);
    memset(f, 0, sizeof *f);
    f->real = (sqlite3_file *)(f + 1);
    memset(f->real, 0, (size_t)below->szOsFile);
    int rc = below->xOpen(below, name, f->real, flags, ret_flags);
    if (rc != SQLITE_OK)
        return rc;
    f->buffer = mem_alloc(BUFFER_SIZE);
    f->base.pMethods = &wal_methods;
    return SQLITE_OK;
}

const char *wal_vfs(void) {
    if (!layer.zName) {
        sqlite3_vfs *found = sqlite3_vfs_find(NULL);
        if (!found)
            return NULL;
        layer = *found;
        layer.pNext = NULL;
        below = found;
        layer.szOsFile = (int)sizeof(struct wal_file) + found->szOsFile;
        layer.xOpen = layer_open;
        layer.zName = "postroad-wal";
        sqlite3_vfs_register(&layer, 0);
    }
    return layer.zName;
}
