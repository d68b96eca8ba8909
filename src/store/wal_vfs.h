/* wal_vfs.h: SQLite's own file layer, but for the write-ahead log, whose frames of a transaction leave in one
 * write. SQLite writes each page's frame in two system calls, a group of 50 messages in some hundred. */
#ifndef STORE_WAL_VFS_H
#define STORE_WAL_VFS_H

/* Registers the layer in this process, once; its name for sqlite3_open_v2, NULL when SQLite has none of its
 * own. Not for several threads at the same time. */
const char *wal_vfs(void);

#endif
