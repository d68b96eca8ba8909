/* place.c: a list's folder goes with its archive policy: what becomes private is public no longer, and the
 * posts of one list stay together. */
#include "archive/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { DOMAIN_MODE = 0750 };

static void cut_last(char *path) {
    char *slash = strrchr(path, '/');
    BUG_ON(!slash);
    *slash = '\0';
}

/* The folders above, the half of the archive among them, say on stable storage where it is now. */
static bool sync_above(const char *path, struct err *e) {
    FREE_AUTO char *above = mem_str(path);
    cut_last(above);
    if (!file_fsync_dir(above, e))
        return false;
    cut_last(above);
    return file_fsync_dir(above, e);
}

bool folder_place(const char *archive_dir, view list_address, bool public, bool *ret_moved, struct err *e) {
    FREE_AUTO char *here = folder_path(archive_dir, list_address, public);
    FREE_AUTO char *there = folder_path(archive_dir, list_address, !public);
    *ret_moved = false;
    if (file_exists(here) || !file_exists(there))
        return true;
    FREE_AUTO char *domain = mem_str(here);
    cut_last(domain);
    if (!file_mkdirs(domain, DOMAIN_MODE, e))
        return false;
    if (rename(there, here) < 0)
        return err_errno(e, ERR_IO, "cannot move %s to %s", there, here);
    *ret_moved = true;
    return sync_above(here, e) && sync_above(there, e);
}
