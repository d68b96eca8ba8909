/* drain.c: how everything stops: smtpd first, then the workers, then the store, each with its time. */
#include "roles/supervisor/supervisor_private.h"

#include <signal.h>

#include "base/log.h"
#include "net/notify.h"

bool any_running(const struct supervisor *s, int last_phase) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].pid != 0 && s->children[i].kind->drain_phase <= last_phase)
            return true;
    for (size_t i = 0; i < s->retired_count; i++)
        if (s->retired[i].kind->drain_phase <= last_phase)
            return true;
    return false;
}

void drain_begin(struct supervisor *s, const char *why) {
    if (s->draining)
        return;
    s->draining = true;
    notify_send("STOPPING=1");
    log_line(LOG_INFO, "draining", LOG_S("reason", why), LOG_I("timeout_ms", s->config->drain_timeout));
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        c->restart_at_ms = CHILD_NEVER;
        c->renewal = RENEW_NO;
        if (c->next_pid != 0)
            kill(c->next_pid, SIGTERM);
    }
    if (s->renewing)
        renew_outcome(s, s->deed, "the instance is being stopped");
}

static void kill_process(const struct role_kind *kind, pid_t pid) {
    log_line(LOG_WARN, "role-killed", LOG_S("role", kind->name), LOG_I("pid", pid));
    kill(pid, SIGKILL);
}

/* Smtpd gets its time first; then the workers, whether it has gone or not; the store when all have gone. */
static bool phase_begun(const struct supervisor *s, int phase, int64_t now) {
    if (phase == DRAIN_INTAKE)
        return true;
    if (phase == DRAIN_STORE)
        return !any_running(s, DRAIN_WORK);
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        if (c->pid != 0 && c->kind->drain_phase == DRAIN_INTAKE &&
            (!c->term_ms || now - c->term_ms < s->config->drain_timeout))
            return false;
    }
    return true;
}

void drain_press(const struct supervisor *s, const struct role_kind *kind, pid_t pid, int64_t *term_ms,
                 bool *killed, int64_t now) {
    if (*killed)
        return;
    if (!*term_ms) {
        *term_ms = now;
        kill(pid, SIGTERM);
    } else if (now - *term_ms >= s->config->drain_timeout + KILL_AFTER_MS) {
        *killed = true;
        kill_process(kind, pid);
    }
}

void drain_step(struct supervisor *s, int64_t now) {
    for (size_t i = 0; i < s->retired_count; i++) {
        struct retired *r = &s->retired[i];
        drain_press(s, r->kind, r->pid, &r->term_ms, &r->killed, now);
    }
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid != 0 && phase_begun(s, c->kind->drain_phase, now))
            drain_press(s, c->kind, c->pid, &c->term_ms, &c->killed, now);
    }
}

void drain_hurry(struct supervisor *s) {
    for (size_t i = 0; i < s->retired_count; i++)
        kill_process(s->retired[i].kind, s->retired[i].pid);
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid == 0 || c->killed)
            continue;
        c->term_ms =
            c->term_ms ? c->term_ms : supervisor_now_ms(); /* not to be started again, the store too */
        c->killed = true;
        kill_process(c->kind, c->pid);
    }
}

static void earlier(int64_t *next, int64_t at, int64_t now) {
    if (at > now && at < *next)
        *next = at;
}

int64_t drain_moment(const struct supervisor *s, int64_t now) {
    int64_t next = CHILD_NEVER, drain = s->config->drain_timeout;
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        if (c->pid == 0)
            earlier(&next, c->restart_at_ms, now);
        if (c->pid != 0 && c->term_ms) {
            earlier(&next, c->term_ms + drain, now);
            earlier(&next, c->term_ms + drain + KILL_AFTER_MS, now);
        }
    }
    for (size_t i = 0; i < s->retired_count; i++)
        if (s->retired[i].term_ms)
            earlier(&next, s->retired[i].term_ms + drain + KILL_AFTER_MS, now);
    return next;
}
