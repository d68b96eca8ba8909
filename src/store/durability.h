/* durability.h: which promise about acknowledged mail an instance keeps (DESIGN 1.1), and which it cannot. */
#ifndef STORE_DURABILITY_H
#define STORE_DURABILITY_H

#include "base/config.h"

/* KEPT: what 250 says is true after a power cut. WEAK: it is not, and somebody chose so (store_sync, a file
 * system in memory), or it cannot be known. */
enum durability_kept { DURABILITY_KEPT, DURABILITY_WEAK };

/* The promise of the store of this configuration, as a sentence appended to `text`. False: CONFIG, with the
 * way out, when it could not be kept and nobody should run on it (fsync = off, a network file system); STORE
 * and others when the store cannot be asked now. */
bool store_durability(const struct config *c, enum durability_kept *ret_kept, struct buf *text,
                      struct err *e);

/* What is known of a file system by its number (statfs(2)). */
enum filesystem_kind { FILESYSTEM_LOCAL, FILESYSTEM_NETWORK, FILESYSTEM_MEMORY, FILESYSTEM_UNKNOWN };
enum filesystem_kind filesystem_kind(int64_t type, const char **ret_name);

#endif
