/* corpus.h: the public mail of the shared folder, read in place: every message of every mailbox there.
 *
 * The folder is the first that exists of those in POSTROAD_SHARED, separated by colons. Tests say "skipped"
 * and go on where there is none. */
#ifndef TESTING_CORPUS_H
#define TESTING_CORPUS_H

#include "base/buf.h"

typedef void corpus_visit(const char *name, view message, void *context);

/* Calls `visit` for every message below corpus/`folder` ("" for all) as it is stored, and returns how many
 * there were: files of one message, mbox files cut at their "From " lines (which are part of the message
 * given), compressed ones unpacked. 0, with a line that says so, when there is no such folder. */
size_t corpus_each(const char *folder, corpus_visit *visit, void *context);

/* As above for every file whose name ends in `suffix`, whole, also when it is no message. */
size_t corpus_each_file(const char *folder, const char *suffix, corpus_visit *visit, void *context);

/* The message that NAME.json or NAME.crlf.json of 03-mailparser-eml describes: NAME.eml with the line ends LF
 * or CRLF, as its offsets count them. False when there is none. */
bool corpus_message_of(const char *json_path, struct buf *out);

#endif
