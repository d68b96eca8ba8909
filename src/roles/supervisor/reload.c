/* reload.c: a new configuration for a running instance. It is read and its ports are opened before anything
 * changes; a mistake in it leaves everything as it is. */
#include "roles/supervisor/supervisor_private.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/notify.h"

/* What decides which roles there are cannot change under them. */
static bool may_replace(const struct config *old, const struct config *new, struct err *e) {
    enum log_level level;
    if (strcmp(old->user, new->user) != 0)
        return err_set(e, ERR_CONFIG, "user cannot change while the instance runs: stop and start it");
    if (strcmp(old->store, new->store) != 0)
        return err_set(e, ERR_CONFIG, "store cannot change while the instance runs: stop and start it");
    if ((old->http_listen.count == 0) != (new->http_listen.count == 0))
        return err_set(e, ERR_CONFIG,
                       "http_listen cannot be set or emptied while the instance runs: stop and start it");
    if (!log_level_parse(view_of(new->log_level), &level))
        return err_set(e, ERR_CONFIG, "log_level = %.60s: debug, info, warn or error is wanted",
                       new->log_level);
    return true;
}

static void take(struct supervisor *s, struct config *c) {
    enum log_level level = LOG_INFO;
    if (log_level_parse(view_of(c->log_level), &level))
        log_init("supervisor", level);
    config_free(s->own_config);
    s->config = s->own_config = c;
}

/* Which file postroad.conf is. */
int64_t config_inode(const struct config *c) {
    FREE_AUTO char *path = config_path(c, "postroad.conf");
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_ino : 0;
}

/* A process that has locked itself in reads the file that was there when it started, and keys in the folder
 * they were in. */
static bool beyond_its_sandbox(const struct supervisor *s, const struct child *c, bool keys_moved) {
    return strcmp(s->config->sandbox, "off") != 0 &&
           (keys_moved || c->config_inode != config_inode(s->config));
}

/* Roles that take a new configuration alive are told of every reload, since files it names (a certificate)
 * may have changed too. The others are renewed when a setting has. */
static void tell_roles(struct supervisor *s, bool settings_changed, bool ports_changed, bool keys_moved) {
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        bool alive = c->pid != 0 && c->reloads && !(c->kind->listens && ports_changed);
        if (alive && !beyond_its_sandbox(s, c, keys_moved)) {
            c->reloading = true;
            kill(c->pid, SIGHUP);
        } else if (settings_changed || c->kind->listens) {
            c->renewal = RENEW_WANTED;
        }
    }
}

static bool any_listens(const struct supervisor *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].kind->listens)
            return true;
    return false;
}

void reload(struct supervisor *s) {
    struct err e = {.code = ERR_OK};
    struct config *new = NULL;
    struct ports ports = {.count = 0};
    bool ports_changed = false;
    s->deed = "reload";
    notify_reloading();
    bool ok = config_load(s->config->dir, &new, &e) && may_replace(s->config, new, &e);
    if (ok && any_listens(s))
        ok = ports_open(&s->ports, new, open_port, s, &ports, &ports_changed, &e);
    if (!ok) {
        config_free(new);
        renew_outcome(s, s->deed, e.text);
        return;
    }
    bool changed = !config_equal(s->config, new);
    bool keys_moved = strcmp(s->config->tls_certificate, new->tls_certificate) != 0 ||
                      strcmp(s->config->tls_key, new->tls_key) != 0 ||
                      strcmp(s->config->sandbox, new->sandbox) != 0;
    s->old_ports = s->ports; /* what is left of them is accepted from until smtpd is renewed */
    s->ports = ports;
    take(s, new);
    log_line(LOG_INFO, "reloading", LOG_S("settings", changed ? "changed" : "same"));
    s->renewing = true;
    tell_roles(s, changed, ports_changed, keys_moved);
}
