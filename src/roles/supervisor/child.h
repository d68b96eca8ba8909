/* child.h: one role's process, as the supervisor sees it. */
#ifndef ROLES_SUPERVISOR_CHILD_H
#define ROLES_SUPERVISOR_CHILD_H

#include <sys/types.h>

#include "base/err.h"
#include "roles/supervisor/restart.h"

/* The roles, in the order they are started. */
struct role_kind {
    const char *name;
    bool listens; /* gets the listening sockets */
    bool sqlite_only;
    int drain_phase; /* roles stop phase by phase: who takes mail in first, who holds the store last */
};

enum { ROLE_KINDS = 5, DRAIN_INTAKE = 0, DRAIN_WORK = 1, DRAIN_STORE = 2 };
extern const struct role_kind role_kinds[ROLE_KINDS];
/* NULL when unknown. */
const struct role_kind *role_kind_find(const char *name);

#define CHILD_NEVER INT64_MAX

struct child {
    const struct role_kind *kind;
    char *program;
    pid_t pid;             /* 0: not running */
    int64_t started_ms;    /* real time, as are all here */
    int64_t restart_at_ms; /* CHILD_NEVER: not wanted */
    int64_t term_ms;       /* when it was asked to stop; 0: not yet */
    bool killed, ran_before;
    struct restart restart;
};

/* Fork and exec `program -C dir` with `fds` handed over under their `names`. It is told to stop should this
 * process die. */
bool child_start(struct child *c, const char *dir, const int *fds, const char *const *names, size_t fd_count,
                 int64_t now_ms, struct err *e);

#endif
