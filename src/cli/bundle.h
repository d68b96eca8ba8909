/* bundle.h: the files of a backup: a directory, or a tar archive (POSIX pax) on standard output, each with
 * the SHA-256 of every file in SHA256SUMS, in the form that sha256sum -c reads. A directory is written beside
 * its place and gets its name when it is complete. */
#ifndef CLI_BUNDLE_H
#define CLI_BUNDLE_H

#include "base/buf.h"
#include "base/err.h"

#define BUNDLE_SUMS  "SHA256SUMS"
#define BUNDLE_ABOUT "backup.json"

/* -- SHA256SUMS */

struct sum {
    char *name; /* below the backup, with '/' */
    char sha256[65];
};

struct sums {
    struct sum *rows; /* by name, once sums_read has returned */
    size_t count, room;
};

void sums_add(struct sums *s, view name, const char sha256[65]);
void sums_format(const struct sums *s, struct buf *out);
/* Of a backup's directory. DAMAGED names the line. */
bool sums_read(const char *dir, struct sums *ret, struct err *e);
const struct sum *sums_find(const struct sums *s, const char *name); /* NULL: none */
void sums_done(struct sums *s);
/* Of the first `length` bytes of an open file (from its beginning); false when there are fewer. */
bool sum_file(int fd, int64_t length, char ret_sha256[65], struct err *e);

/* -- writing a backup */

struct bundle {
    char *dir, *partial; /* NULL: tar */
    char *previous;      /* NULL: none */
    struct sums sums, before;
    int64_t files, bytes; /* in the backup */
    int64_t linked;       /* files of them that are hard links to those of the one before */
    int64_t now_s;
};

/* `dir` "-": standard output. `previous`: a complete backup on the same file system, or NULL. EXISTS when dir
 * is there. Free with bundle_done, after failure too. */
bool bundle_open(struct bundle *b, const char *dir, const char *previous, struct err *e);
/* The first `length` bytes of a file. One that is as long and as old as in the backup before becomes a link.
 */
bool bundle_add(struct bundle *b, const char *name, const char *path, int64_t length, struct err *e);
bool bundle_add_bytes(struct bundle *b, const char *name, view bytes, struct err *e);
/* Write SHA256SUMS, put everything on stable storage, give the directory its name. */
bool bundle_finish(struct bundle *b, struct err *e);
/* What is not finished is removed. */
void bundle_done(struct bundle *b);

/* Remove a folder with all that is in it. */
void folder_remove(const char *path);

#endif
