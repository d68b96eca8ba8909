/* file.h: small file helpers with errors that name the file. Every descriptor is opened O_CLOEXEC. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Whole file appended to `out`; fails when it would pass out->limit. */
bool file_read(const char *path, struct buf *out, struct err *e);
/* Write through a temporary name, fsync, rename, fsync of the directory: the old or the new content. */
bool file_replace(const char *path, view content, unsigned mode, struct err *e);
/* mkdir -p. */
bool file_mkdirs(const char *path, unsigned mode, struct err *e);
bool file_exists(const char *path);
/* All of it, with EINTR and short writes handled. */
bool file_write_all(int fd, view v, struct err *e);
bool file_fsync_dir(const char *path, struct err *e);
/* Bytes an unprivileged process may still write there. */
bool file_free_bytes(const char *path, int64_t *ret_bytes, struct err *e);

#endif
