/* supervisor_private.h: what the files of the supervisor share. supervisor.c starts and runs the loop;
 * renew.c replaces processes one by one; reload.c takes a new configuration; upgrade.c becomes a new program;
 * drain.c stops everything; child.c starts a process; ports.c owns the listening sockets; restart.c says when
 * a role that died is started again. */
#ifndef ROLES_SUPERVISOR_PRIVATE_H
#define ROLES_SUPERVISOR_PRIVATE_H

#include <signal.h>

#include "base/config.h"
#include "roles/supervisor/child.h"
#include "roles/supervisor/ports.h"

enum {
    KILL_AFTER_MS = 5000,  /* behind drain_timeout */
    START_RETRY_MS = 1000, /* when fork fails */
    RETIRED_MAX = 16,      /* old processes with sessions; the oldest is told to stop when there are more */
    NEXT_PATIENCE_MS = 60000, /* for a successor to say that it is ready */
};

struct supervisor {
    const struct config *config;
    struct config *own_config; /* the same, once a reload has replaced the caller's */
    const char *const *roles;  /* as named on the command line */
    size_t role_count;
    char *self; /* the program to become in an upgrade, unless another is asked for */
    struct user user;
    struct child children[ROLE_KINDS];
    size_t count;
    struct retired retired[RETIRED_MAX];
    size_t retired_count;
    struct ports ports, old_ports; /* old: still accepted from until smtpd is renewed */
    int pid_fd, notify_fd, signal_fd;
    char notify[64];
    bool locked;
    bool unclean; /* the supervisor before us was killed */
    bool ready;   /* READY=1 was sent */
    sigset_t signals, before;
    bool reload_wanted, upgrade_wanted;
    bool renewing;     /* a reload or an upgrade is under way */
    bool renew_failed; /* and something in it went wrong */
    char failure[LIMIT_ERR_TEXT];
    bool upgrading;   /* the renewal is of programs */
    const char *deed; /* "reload", "upgrade" */
    bool draining;
    int status;
};

int64_t supervisor_now_ms(void);
struct child_gift supervisor_gift(const struct supervisor *s);

/* ---- supervisor.c ---- */
/* Where the roles' executables are, and which roles run. */
bool choose_children(struct supervisor *s, const char *const *roles, size_t count, struct err *e);
/* For ports_open: handed over by whoever started us, else our own. */
int open_port(void *supervisor, const char *name, const struct sockaddr_any *addr, struct err *e);
/* For log lines: status or signal. */
struct log_field how_it_ended(int status);

/* ---- renew.c ---- */
/* Every role that runs gets a successor. */
void renew_all(struct supervisor *s);
void renew_step(struct supervisor *s, int64_t now);
/* True when the process was part of a renewal and its end is dealt with. */
bool renew_ended(struct supervisor *s, pid_t pid, int status, int64_t now);
/* A process said that it is ready, or how its reload went. */
void renew_heard(struct supervisor *s, pid_t pid, view lines, int64_t now);
/* Say how a reload or an upgrade went: to the log, to systemd, and to the command that waits. */
void renew_outcome(struct supervisor *s, const char *deed, const char *failure);
/* The earliest moment after `now` at which renew_step has something to do. */
int64_t renew_moment(const struct supervisor *s, int64_t now);

/* ---- reload.c ---- */
void reload(struct supervisor *s);
/* Which file postroad.conf is now. */
int64_t config_inode(const struct config *c);

/* ---- upgrade.c ---- */
/* Become the new program; returns only when that is not possible. */
void upgrade(struct supervisor *s);
/* True when this process was a supervisor before: what it held is taken over. */
bool upgrade_resume(struct supervisor *s, bool *ret_resumed, struct err *e);

/* ---- drain.c ---- */
bool any_running(const struct supervisor *s, int last_phase);
void drain_begin(struct supervisor *s, const char *why);
void drain_step(struct supervisor *s, int64_t now);
/* A second Ctrl-C: nobody wants to wait any longer. Nothing acknowledged is lost by it. */
void drain_hurry(struct supervisor *s);
int64_t drain_moment(const struct supervisor *s, int64_t now);
/* Tell a process to stop; kill it when it has not within the time. */
void drain_press(const struct supervisor *s, const struct role_kind *kind, pid_t pid, int64_t *term_ms,
                 bool *killed, int64_t now);

#endif
