/* folder_private.h: what the writing half (folder.c) and the reading half (folder_read.c) of the archive
 * folder share: the months in it, and a journal read line by line. */
#ifndef ARCHIVE_FOLDER_PRIVATE_H
#define ARCHIVE_FOLDER_PRIVATE_H

#include "archive/folder.h"

#define MONTH_NAME_LEN 7 /* YYYY-MM */
#define MONTH_FILE_LEN (MONTH_NAME_LEN + 5)

struct month_file {
    char s[MONTH_FILE_LEN + 1];
};

enum {
    LOG_CHUNK = 256 * 1024,
    /* The note of a message of 50 MB in which every other line ends in LF alone needs 157 MB. */
    LOG_LINE_MAX = 256 * 1024 * 1024,
};

/* Name of a month's file; `kind` is "mbox" or "log". */
struct month_file month_file(const char *month, const char *kind);

/* YYYY-MM.log or YYYY-MM.mbox. */
bool folder_is_month_file(const char *name);
/* The months that have a journal or an mbox, oldest first. Caller frees the array. Needs an open folder. */
bool folder_months(int dir, const char *path, char (**ret_months)[MONTH_NAME_LEN + 1], size_t *ret_count,
                   struct err *e);
/* Open for reading. NOT_FOUND when there is no such folder. */
int folder_open_dir(const char *path, struct err *e);

/* A journal being read from its beginning; the error is sticky. */
struct log_reader {
    int fd;
    const char *path, *month; /* for errors; borrowed */
    struct buf bytes;         /* read, not yet given out */
    size_t at;
    size_t line;    /* number of the line given out last */
    int64_t offset; /* in the file, of what comes after it */
    struct arena texts;
    struct err err;
};

/* NOT_FOUND: the month has no journal. */
bool log_open(struct log_reader *r, int dir, const char *path, const char *month, struct err *e);
void log_close(struct log_reader *r);
/* The next line without its LF; false at the end and after an error (r->err). */
bool log_next(struct log_reader *r, view *ret_line);
/* The next line, parsed; its texts live until the next call. */
bool log_next_parsed(struct log_reader *r, struct journal_line *ret_line);
/* After the end: what follows the last LF. */
view log_tail(const struct log_reader *r);
/* Set r->err to DAMAGED, with the line's place and the text. */
bool log_damaged(struct log_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
