/* user.h: the system user the roles run as when root starts the instance (setting `user`). */
#ifndef ROLES_SUPERVISOR_USER_H
#define ROLES_SUPERVISOR_USER_H

#include <sys/types.h>

#include "base/config.h"

struct user {
    bool change; /* false: stay who we are */
    char name[64];
    uid_t uid;
    gid_t gid;
};

/* Who the roles are to be, and whether the data folder is theirs. CONFIG when that cannot be. */
bool user_find(const struct config *c, struct user *ret, struct err *e);
/* In a new process, before exec: give root's rights up for good. */
bool user_become(const struct user *u, struct err *e);
/* A folder root has just made is the roles'. */
bool user_own(const struct user *u, const char *path, struct err *e);

#endif
