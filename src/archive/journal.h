/* journal.h: the lines of YYYY-MM.log, the append-only journal beside a month's mbox file (DESIGN 6). It is
 * part of the truth: what it does not name is not in the archive. Pure: bytes in, values out.
 *
 * A line is fields separated by one space, in this order, ended by LF:
 *
 *   op uid generation offset length sha256 date sender eol salt legacy reason check
 *
 * `check` is the first 8 hex digits of the SHA-256 of everything before it on the line, so that a line that
 * was half written or flipped is known. Empty text is "-"; texts are percent-encoded (space, %, controls, >=
 * 0x7f). */
#ifndef ARCHIVE_JOURNAL_H
#define ARCHIVE_JOURNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum journal_op { JOURNAL_ADD, JOURNAL_HIDE, JOURNAL_UNHIDE, JOURNAL_MOVE };

struct journal_line {
    enum journal_op op;       /* "add", "hide", "unhide", "move" */
    int64_t uid;              /* IMAP UID in its list */
    int64_t generation;       /* of the month's file: 0, 1 … */
    int64_t offset, length;   /* bytes of the mbox entry, its From line and final empty line included */
    unsigned char sha256[32]; /* of the message's octets with CRLF line ends */
    int64_t date_ms;          /* when it was accepted */
    view sender; /* envelope sender, which the From line only shows (mail/mbox.h); may be empty */
    view eol;    /* what mbox_encode noted */
    view salt;   /* of a post that has its Message-ID twice, else empty */
    view legacy; /* its number in an older archive, else empty */
    view reason; /* why it was hidden or moved, else empty */
};

/* Append the line with its LF. */
void journal_format(const struct journal_line *l, struct buf *out);
/* Parse a line without its LF; texts are decoded into the arena. DAMAGED names what is wrong. */
bool journal_parse(view line, struct arena *a, struct journal_line *ret_line, struct err *e);

#endif
