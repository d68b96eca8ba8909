/* user.c: from root to the user of the roles. The supervisor itself stays root: it must be able to open ports
 * below 1024 in a reload, and to start roles. */
#include "roles/supervisor/user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

bool user_find(const struct config *c, struct user *ret, struct err *e) {
    *ret = (struct user){.change = false};
    if (!*c->user)
        return true;
    const struct passwd *found = getpwnam(c->user);
    if (!found || strlen(c->user) >= sizeof ret->name)
        return err_set(e, ERR_CONFIG, "user = %.60s: this system has no such user", c->user);
    if (geteuid() == found->pw_uid)
        return true;
    if (geteuid() != 0)
        return err_set(e, ERR_CONFIG, "user = %.60s: only root can become another user; start as that user",
                       c->user);
    FREE_AUTO char *data = config_path(c, "data");
    struct stat st;
    if (stat(data, &st) == 0 && st.st_uid != found->pw_uid)
        return err_set(e, ERR_CONFIG, "user = %.60s does not own %.100s: chown -R %.60s %.100s", c->user,
                       data, c->user, c->dir);
    ret->change = true;
    ret->uid = found->pw_uid;
    ret->gid = found->pw_gid;
    snprintf(ret->name, sizeof ret->name, "%s", c->user);
    return true;
}

bool user_become(const struct user *u, struct err *e) {
    if (!u->change)
        return true;
    if (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
        setresuid(u->uid, u->uid, u->uid) < 0)
        return err_errno(e, ERR_SYSTEM, "cannot become user %s", u->name);
    return setuid(0) < 0 || err_set(e, ERR_SYSTEM, "user %s can become root again", u->name);
}

bool user_own(const struct user *u, const char *path, struct err *e) {
    return !u->change || lchown(path, u->uid, u->gid) == 0 ||
           err_errno(e, ERR_IO, "cannot give %s to user %s", path, u->name);
}
