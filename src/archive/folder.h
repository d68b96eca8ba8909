/* folder.h: one list's archive on disk:
 *
 *   archive/public|private/<domain>/<list>/YYYY-MM.mbox   mboxrd, LF line ends (mail/mbox.h)
 *                                          YYYY-MM.log    journal (archive/journal.h)
 *
 * One process writes (it holds an flock on the folder), many may read. The order of an append is: mbox,
 * fsync, journal, fsync. On opening, a tail of the mbox that no journal line names is cut off, and so is a
 * last journal line without its end. A damaged line in the middle is never touched: DAMAGED, for people. */
#ifndef ARCHIVE_FOLDER_H
#define ARCHIVE_FOLDER_H

#include "archive/journal.h"

struct folder;

/* "…/archive/public/<domain>/<list>" for a list's address. The parts are percent-encoded where a character
 * could leave the folder or hide ('/', '.', controls at the front …). Caller frees. */
char *folder_path(const char *archive_dir, view list_address, bool public);

/* The list's folder is where `public` wants it: one that is in the other half of the archive is moved, unless
 * there is one here too. */
bool folder_place(const char *archive_dir, view list_address, bool public, bool *ret_moved, struct err *e);

/* Open for appending; made when it is not there. Recovers the newest month (see above). */
struct folder *folder_open(const char *path, struct err *e);
void folder_close(struct folder **f);
/* The largest UID its journals name; 0: none. */
int64_t folder_last_uid(const struct folder *f);

struct folder_post {
    int64_t uid;
    int64_t date_ms; /* decides the month, in UTC */
    view sender;     /* envelope sender, for the From line */
    view message;    /* octets with CRLF line ends */
    unsigned char sha256[32];
};

/* Append posts, all or none of them acknowledged, with one fsync per file however many there are. Posts whose
 * UID is there already with the same sha256 are passed over (done before a crash); with another sha256 it is
 * DAMAGED and nothing is written. `ret_places` gets per post "YYYY-MM.mbox:offset". */
bool folder_append(struct folder *f, const struct folder_post *posts, size_t count, struct arena *a,
                   view *ret_places, struct err *e);

/* Read a post back by UID: its octets, checked against its length and sha256. NOT_FOUND, DAMAGED. For any
 * process; the folder need not be open for appending. */
bool folder_read(const char *path, int64_t uid, struct buf *out, struct err *e);

/* Walk all journal lines of all months in order, oldest first; `line` is called for each. False: see e. */
typedef bool (*folder_line)(const struct journal_line *l, const char *month, void *ctx, struct err *e);
bool folder_walk(const char *path, folder_line line, void *ctx, struct err *e);

#endif
