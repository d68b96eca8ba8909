/* renew.c: replaces the processes of a running instance one by one, so that no client is refused.
 *
 * smtpd: the successor is started beside it with the same listening sockets. When it says that it is ready,
 * the old process stops accepting and its sessions go on to their end, at most handover_timeout. A successor
 * that does not start changes nothing.
 *
 * The others hold leases, or the store's file, and cannot be there twice: the old process is asked to leave,
 * the new one is started when it has. Mail waits that long; what was asked of stored is sent again. */
#include "roles/supervisor/supervisor_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/notify.h"

static bool in_transition(const struct child *c) {
    return c->renewal == RENEW_LEAVING || c->renewal == RENEW_STARTING;
}

void renew_all(struct supervisor *s) {
    for (size_t i = 0; i < s->count; i++)
        if (!s->children[i].reloading)
            s->children[i].renewal = RENEW_WANTED;
}

void renew_outcome(struct supervisor *s, const char *deed, const char *failure) {
    char line[2 * LIMIT_ERR_TEXT];
    struct err e;
    FREE_AUTO char *path = config_path(s->config, "data/run/supervisor.result");
    int n = snprintf(line, sizeof line, "%lld %s %s %s\n", (long long)clock_real_us(), deed,
                     failure ? "failed" : "done", failure ? failure : "");
    if (failure)
        log_line(LOG_ERROR, "not-done", LOG_S("what", deed), LOG_S("reason", failure));
    else
        log_line(LOG_INFO, "done", LOG_S("what", deed));
    notify_send(failure ? "READY=1\nSTATUS=running; what was asked last has failed, see the log"
                        : "READY=1\nSTATUS=running");
    s->renewing = s->upgrading = s->renew_failed = false;
    size_t len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    if (!file_replace(path, view_from(line, len), 0644, &e))
        log_line(LOG_WARN, "result-not-written", LOG_S("reason", e.text));
}

/* Its sessions go on; when too many old processes are there, the oldest is told to stop. */
static void retire(struct supervisor *s, const struct role_kind *kind, pid_t pid, int64_t now) {
    if (s->retired_count == RETIRED_MAX) {
        drain_press(s, s->retired[0].kind, s->retired[0].pid, &s->retired[0].term_ms, &s->retired[0].killed,
                    now);
        kill(pid, SIGTERM);
        return;
    }
    s->retired[s->retired_count++] = (struct retired){.kind = kind, .pid = pid, .since_ms = now};
    kill(pid, SIGUSR1);
    log_line(LOG_INFO, "role-retired", LOG_S("role", kind->name), LOG_I("pid", pid));
}

/* The others stay as they are. */
static void step_failed(struct supervisor *s, struct child *c, const char *why) {
    c->renewal = RENEW_NO;
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].renewal == RENEW_WANTED)
            s->children[i].renewal = RENEW_NO;
    s->renew_failed = true;
    snprintf(s->failure, sizeof s->failure, "%s: %.150s; see the log", c->kind->name, why);
    log_line(LOG_ERROR, "role-not-renewed", LOG_S("role", c->kind->name), LOG_S("reason", why));
}

static void start_beside(struct supervisor *s, struct child *c, int64_t now) {
    struct err e;
    struct child_gift gift = supervisor_gift(s);
    pid_t pid = child_spawn(c, &gift, &e);
    if (pid < 0) {
        step_failed(s, c, e.text);
        return;
    }
    c->next_pid = pid;
    c->next_started_ms = now;
    c->renewal = RENEW_STARTING;
    log_line(LOG_INFO, "successor-started", LOG_S("role", c->kind->name), LOG_I("pid", pid));
}

static void begin(struct supervisor *s, struct child *c, int64_t now) {
    if (c->pid == 0) { /* it died and waits for its next start */
        c->restart_at_ms = now;
        c->renewal = RENEW_STARTING;
    } else if (c->kind->listens) {
        start_beside(s, c, now);
    } else {
        c->renewal = RENEW_LEAVING;
        c->term_ms = now;
        kill(c->pid, SIGUSR1);
    }
}

static void watch_over(struct supervisor *s, struct child *c, int64_t now) {
    if (c->renewal == RENEW_LEAVING && c->pid != 0)
        drain_press(s, c->kind, c->pid, &c->term_ms, &c->killed, now);
    if (c->next_pid != 0 && now - c->next_started_ms >= NEXT_PATIENCE_MS)
        kill(c->next_pid, SIGKILL);
}

static void press_retired(struct supervisor *s, int64_t now) {
    for (size_t i = 0; i < s->retired_count; i++) {
        struct retired *r = &s->retired[i];
        if (r->term_ms || now - r->since_ms >= s->config->handover_timeout)
            drain_press(s, r->kind, r->pid, &r->term_ms, &r->killed, now);
    }
}

/* In a reload smtpd first: it reads most of the settings, and what it refuses must not reach the others. In
 * an upgrade the store first: it serves roles of the release before, but not of the one after. */
static struct child *next_wanted(struct supervisor *s) {
    struct child *first = NULL;
    for (size_t i = s->count; i-- > 0;) {
        struct child *c = &s->children[i];
        bool before = !first || s->upgrading || c->kind->listens || !first->kind->listens;
        if (c->renewal == RENEW_WANTED && before)
            first = c;
    }
    return first;
}

void renew_step(struct supervisor *s, int64_t now) {
    bool busy = false, wanted = false;
    press_retired(s, now);
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        watch_over(s, c, now);
        busy = busy || in_transition(c) || c->reloading;
        wanted = wanted || c->renewal == RENEW_WANTED;
    }
    if (!busy && wanted)
        begin(s, next_wanted(s), now);
    if (!s->renewing || busy || wanted)
        return;
    ports_close(&s->old_ports);
    renew_outcome(s, s->deed, s->renew_failed ? s->failure : NULL);
}

static bool retired_ended(struct supervisor *s, pid_t pid, int status) {
    for (size_t i = 0; i < s->retired_count; i++) {
        if (s->retired[i].pid != pid)
            continue;
        log_line(LOG_INFO, "role-stopped", LOG_S("role", s->retired[i].kind->name), LOG_I("pid", pid),
                 how_it_ended(status));
        memmove(&s->retired[i], &s->retired[i + 1], (s->retired_count - i - 1) * sizeof s->retired[0]);
        s->retired_count--;
        return true;
    }
    return false;
}

bool renew_ended(struct supervisor *s, pid_t pid, int status, int64_t now) {
    if (retired_ended(s, pid, status))
        return true;
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->next_pid == pid) {
            c->next_pid = 0;
            log_line(LOG_ERROR, "successor-died", LOG_S("role", c->kind->name), LOG_I("pid", pid),
                     how_it_ended(status));
            if (!s->draining)
                step_failed(s, c, "its successor did not start; the old process goes on");
            return true;
        }
        if (c->pid == pid && c->renewal == RENEW_LEAVING && !s->draining) {
            log_line(LOG_INFO, "role-stopped", LOG_S("role", c->kind->name), LOG_I("pid", pid),
                     how_it_ended(status));
            c->pid = 0;
            c->renewal = RENEW_STARTING;
            c->restart_at_ms = now;
            c->restart = (struct restart){.count = 0};
            return true;
        }
        if (c->pid == pid && c->renewal == RENEW_STARTING && c->next_pid == 0)
            step_failed(s, c, "the new process died"); /* it is started again like any other */
        c->reloading = c->reloading && c->pid != pid;  /* what is started now has the new configuration */
    }
    return false;
}

static void promote(struct supervisor *s, struct child *c, int64_t now) {
    if (c->pid != 0)
        retire(s, c->kind, c->pid, now);
    c->pid = c->next_pid;
    c->started_ms = c->next_started_ms;
    c->next_pid = 0;
    c->restart_at_ms = CHILD_NEVER;
    c->term_ms = 0;
    c->killed = c->reloading = false;
    c->restart = (struct restart){.count = 0};
    log_line(LOG_INFO, "role-started", LOG_S("role", c->kind->name), LOG_I("pid", c->pid));
}

void renew_heard(struct supervisor *s, pid_t pid, view lines, int64_t now) {
    view reloaded = notify_value(lines, "X_POSTROAD_RELOADED");
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (pid == 0 || (pid != c->pid && pid != c->next_pid))
            continue;
        if (c->reloading && reloaded.len > 0) {
            c->reloading = false;
            if (!view_eq(reloaded, VIEW("1")))
                c->renewal = RENEW_WANTED;
        }
        if (!view_eq(notify_value(lines, "READY"), VIEW("1")) || s->draining || reloaded.len > 0)
            continue;
        if (pid == c->next_pid)
            promote(s, c, now);
        c->ready = true;
        c->config_inode = config_inode(s->config);
        c->reloads = view_eq(notify_value(lines, "X_POSTROAD_RELOADS"), VIEW("1"));
        if (c->renewal == RENEW_STARTING)
            c->renewal = RENEW_NO;
    }
}

int64_t renew_moment(const struct supervisor *s, int64_t now) {
    int64_t next = CHILD_NEVER, at;
    for (size_t i = 0; i < s->count; i++) {
        at = s->children[i].next_started_ms + NEXT_PATIENCE_MS;
        if (s->children[i].next_pid != 0 && at > now && at < next)
            next = at;
    }
    for (size_t i = 0; i < s->retired_count; i++) {
        at = s->retired[i].since_ms + s->config->handover_timeout;
        if (!s->retired[i].term_ms && at > now && at < next)
            next = at;
    }
    return next;
}
