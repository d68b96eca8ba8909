/* durability.c: see durability.h. What fsync(2) is worth depends on what is below: a network file system may
 * lose what it has acknowledged, and its locks do not keep a second writer out; a PostgreSQL with fsync off
 * loses everything. */
#include "store/durability.h"

#include <string.h>
#include <sys/vfs.h>

#include "base/mem.h"
#include "store/store_private.h"

static const struct {
    int64_t type;
    enum filesystem_kind kind;
    const char *name;
} filesystems[] = {
    {0xEF53, FILESYSTEM_LOCAL, "ext4"},          {0x58465342, FILESYSTEM_LOCAL, "XFS"},
    {0x9123683E, FILESYSTEM_LOCAL, "btrfs"},     {0x2FC12FC1, FILESYSTEM_LOCAL, "ZFS"},
    {0xF2F52010, FILESYSTEM_LOCAL, "F2FS"},      {0xCA451A4E, FILESYSTEM_LOCAL, "bcachefs"},
    {0x794C7630, FILESYSTEM_LOCAL, "overlayfs"}, {0x01021994, FILESYSTEM_MEMORY, "tmpfs"},
    {0x858458F6, FILESYSTEM_MEMORY, "ramfs"},    {0x6969, FILESYSTEM_NETWORK, "NFS"},
    {0x517B, FILESYSTEM_NETWORK, "SMB"},         {0xFF534D42, FILESYSTEM_NETWORK, "CIFS"},
    {0xFE534D42, FILESYSTEM_NETWORK, "SMB2"},    {0x5346414F, FILESYSTEM_NETWORK, "AFS"},
    {0x6B414653, FILESYSTEM_NETWORK, "AFS"},     {0x73757245, FILESYSTEM_NETWORK, "Coda"},
    {0x0BD00BD0, FILESYSTEM_NETWORK, "Lustre"},  {0x00C36400, FILESYSTEM_NETWORK, "Ceph"},
    {0x47504653, FILESYSTEM_NETWORK, "GPFS"},    {0x01021997, FILESYSTEM_UNKNOWN, "9p"},
    {0x65735546, FILESYSTEM_UNKNOWN, "FUSE"},
};

enum filesystem_kind filesystem_kind(int64_t type, const char **ret_name) {
    for (size_t i = 0; i < sizeof filesystems / sizeof filesystems[0]; i++)
        if (filesystems[i].type == (type & 0xFFFFFFFF)) {
            *ret_name = filesystems[i].name;
            return filesystems[i].kind;
        }
    *ret_name = "a file system that is not known here";
    return FILESYSTEM_UNKNOWN;
}

static bool sqlite_durability(const struct config *c, enum durability_kept *ret_kept, struct buf *text,
                              struct err *e) {
    FREE_AUTO char *folder = config_path(c, "data");
    struct statfs st;
    const char *name;
    if (statfs(folder, &st) < 0)
        return err_errno(e, ERR_IO, "%s", folder);
    enum filesystem_kind kind = filesystem_kind((int64_t)st.f_type, &name);
    if (kind == FILESYSTEM_NETWORK)
        return err_set(e, ERR_CONFIG,
                       "%.100s is on %s: SQLite on a network file system can lose acknowledged mail; move "
                       "the instance to "
                       "a local disk, or use PostgreSQL",
                       folder, name);
    bool kept = kind == FILESYSTEM_LOCAL && c->store_sync;
    *ret_kept = kept ? DURABILITY_KEPT : DURABILITY_WEAK;
    if (!c->store_sync)
        buf_add_str(text, "store_sync is off: a power cut loses acknowledged mail; set it to on");
    else if (kept)
        buf_printf(text,
                   "SQLite on %s, synchronous: no acknowledged mail is lost by a crash or a power cut; with "
                   "the disk "
                   "everything since the last backup is",
                   name);
    else
        buf_printf(text,
                   kind == FILESYSTEM_MEMORY
                       ? "SQLite on %s: a power cut loses everything; move the instance to a disk"
                       : "SQLite on %s: whether it keeps what it has acknowledged is not known",
                   name);
    return true;
}

struct pg_settings {
    char pages[8], commit[32];
    bool standbys;
};

static void copy_setting(char *to, size_t size, view v) {
    v = view_slice(v, 0, size - 1);
    memcpy(to, v.ptr, v.len);
    to[v.len] = '\0';
}

static bool read_settings(struct db *db, struct pg_settings *ret, struct err *e) {
    struct query q;
    *ret = (struct pg_settings){.standbys = false};
    db_query(db, &q,
             "SELECT current_setting('full_page_writes'), current_setting('synchronous_commit'),"
             " current_setting('synchronous_standby_names')");
    if (query_row(&q)) {
        copy_setting(ret->pages, sizeof ret->pages, query_text(&q, 0));
        copy_setting(ret->commit, sizeof ret->commit, query_text(&q, 1));
        ret->standbys = query_text(&q, 2).len > 0;
        query_done(&q);
    }
    if (db_error(db))
        *e = *db_error(db);
    return !db_error(db);
}

static bool judge_settings(const struct config *c, const struct pg_settings *s,
                           enum durability_kept *ret_kept, struct buf *text, struct err *e) {
    if (strcmp(s->pages, "on") != 0) /* fsync = off is refused with the connection (db_pg.c) */
        return err_set(
            e, ERR_CONFIG,
            "PostgreSQL runs with full_page_writes = off: a power cut can destroy the whole database; set it "
            "to on in postgresql.conf");
    if (!c->store_sync) {
        *ret_kept = DURABILITY_WEAK;
        buf_add_str(text, "store_sync is off: a power cut loses acknowledged mail; set it to on");
        return true;
    }
    if (strcmp(s->commit, "off") == 0)
        return err_set(e, ERR_CONFIG,
                       "PostgreSQL runs with synchronous_commit = off: a power cut loses acknowledged mail; "
                       "set it to on "
                       "for this database");
    bool standby = s->standbys && (strcmp(s->commit, "on") == 0 || strcmp(s->commit, "remote_apply") == 0);
    *ret_kept = DURABILITY_KEPT;
    buf_printf(text,
               "PostgreSQL, fsync = on, synchronous_commit = %s: no acknowledged mail is lost by a crash or "
               "a power cut%s",
               s->commit,
               standby
                   ? ", nor with one node (synchronous standby)"
                   : "; with the server's disk everything since the last backup is (no synchronous standby)");
    return true;
}

static bool postgresql_durability(const struct config *c, enum durability_kept *ret_kept, struct buf *text,
                                  struct err *e) {
    struct db *db = store_open_db(c, e);
    if (!db)
        return false;
    struct pg_settings s;
    bool ok = read_settings(db, &s, e) && judge_settings(c, &s, ret_kept, text, e);
    db_close(&db);
    return ok;
}

bool store_durability(const struct config *c, enum durability_kept *ret_kept, struct buf *text,
                      struct err *e) {
    return store_is_postgresql(c) ? postgresql_durability(c, ret_kept, text, e)
                                  : sqlite_durability(c, ret_kept, text, e);
}
