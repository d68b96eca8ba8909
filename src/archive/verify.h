/* verify.h: looks at every octet of a list's archive and says what is not as it was written: the journals'
 * lines, where posts begin and end, their SHA-256, their From lines, UIDs given twice, files that are missing
 * or foreign. Takes no lock; what archived is writing meanwhile is waited for. */
#ifndef ARCHIVE_VERIFY_H
#define ARCHIVE_VERIFY_H

#include "archive/journal.h"

struct archive_fault {
    view file;      /* name in the folder; empty: the folder as a whole */
    int64_t uid;    /* 0: of no post */
    int64_t offset; /* in the file, of the octet or post that is wrong; -1: nowhere */
    const char *text;
};

struct archive_check {
    bool quick; /* journals, lengths and UIDs only; no post is read */
    /* Each post that is as its journal line says; its octets with CRLF, empty when quick. False ends the walk
     * with e. NULL is allowed, as in all three. */
    bool (*post)(const struct journal_line *l, view message, void *ctx, struct err *e);
    void (*fault)(const struct archive_fault *f, void *ctx);
    void (*progress)(const struct archive_check *c, void *ctx); /* after each post */
    void *ctx;
    /* What was seen; the caller sets them to 0. */
    int64_t months, posts, bytes, faults;
    int64_t last_uid;
};

/* Walk one list's folder. True when all could be looked at, faults or not; false when the folder cannot be
 * read at all, or `post` ended it. */
bool archive_verify(const char *path, struct archive_check *c, struct err *e);

/* -- the lists that have files */

struct archive_list {
    const char *path; /* of the folder */
    view address;     /* empty: a file or folder that is none of the archive's */
    bool public;
};

/* Calls `list` for each folder below archive_dir, public ones first, by name. No archive_dir: none. */
typedef bool (*archive_list_visit)(const struct archive_list *l, void *ctx, struct err *e);
bool archive_lists(const char *archive_dir, archive_list_visit list, void *ctx, struct err *e);

#endif
