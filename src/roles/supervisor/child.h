/* child.h: one role's process, as the supervisor sees it. */
#ifndef ROLES_SUPERVISOR_CHILD_H
#define ROLES_SUPERVISOR_CHILD_H

#include <sys/types.h>

#include "base/err.h"
#include "roles/supervisor/ports.h"
#include "roles/supervisor/restart.h"
#include "roles/supervisor/user.h"

/* The roles, in the order they are started. */
struct role_kind {
    const char *name;
    bool listens; /* gets the listening sockets; a successor may run beside it */
    bool sqlite_only;
    bool http_only;  /* runs where http_listen is set, or when it is named */
    int drain_phase; /* roles stop phase by phase: who takes mail in first, who holds the store last */
};

enum { ROLE_KINDS = 6, DRAIN_INTAKE = 0, DRAIN_WORK = 1, DRAIN_STORE = 2 };
extern const struct role_kind role_kinds[ROLE_KINDS];
/* NULL when unknown. */
const struct role_kind *role_kind_find(const char *name);

#define CHILD_NEVER INT64_MAX

/* A role that is renewed: a process with the new program or configuration takes over. */
enum renewal {
    RENEW_NO,
    RENEW_WANTED,   /* its turn comes */
    RENEW_LEAVING,  /* the old process was asked to leave, the new one is started when it has ended */
    RENEW_STARTING, /* the new one has not said yet that it is ready */
};

struct child {
    const struct role_kind *kind;
    char *program;
    pid_t pid;             /* 0: not running */
    int64_t started_ms;    /* real time, as are all here */
    int64_t restart_at_ms; /* CHILD_NEVER: not wanted */
    int64_t term_ms;       /* when it was asked to stop; 0: not yet */
    bool killed, ran_before;
    bool ready;     /* it said so */
    bool reloads;   /* it takes a new configuration on SIGHUP */
    bool reloading; /* SIGHUP was sent, it has not answered yet */
    enum renewal renewal;
    int64_t config_inode; /* of the postroad.conf that was there when it was started; 0: not known */
    pid_t next_pid;       /* of a role that listens: the successor, while it is not ready */
    int64_t next_started_ms;
    struct restart restart;
};

/* A process whose successor has taken over; it ends when its sessions have. */
struct retired {
    const struct role_kind *kind;
    pid_t pid;
    int64_t since_ms, term_ms; /* term_ms: 0 until it was told to stop */
    bool killed;
};

/* What a new process is given. */
struct child_gift {
    const char *dir;
    const struct ports *ports;
    const char *notify; /* its NOTIFY_SOCKET */
    const struct user *user;
};

/* Fork and exec `program -C dir`; its process id, or -1. It is told to stop should this process die. */
pid_t child_spawn(const struct child *c, const struct child_gift *gift, struct err *e);
/* The same, and it is the child's process from now on. */
bool child_start(struct child *c, const struct child_gift *gift, int64_t now_ms, struct err *e);
/* Run a program to its end, its output thrown away but for errors. True when it exits with 0 within the time.
 */
bool child_try(char *const argv[], int64_t timeout_ms, struct err *e);

#endif
