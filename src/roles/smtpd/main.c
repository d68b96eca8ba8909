/* smtpd: takes mail from the world and has it stored.
 *
 * Trusts: nobody who connects. May touch: its listening sockets, its TLS key, the store (its own operations
 * only), name servers. Never: signing keys, archive files, other hosts. When it dies: sessions break off;
 * what was answered 250 is in the store, what was not is the client's still. The supervisor holds the
 * listening sockets, so no connection is refused meanwhile. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/tls_memory.h"
#include "roles/smtpd/smtpd.h"
#include "roles/tally.h"

static struct server server;

static void stop(void) {
    runner_stop(server.runner, server.role.config->drain_timeout);
}

/* The successor accepts from the same sockets; sessions that are here go on to their end. */
static void leave(void) {
    runner_retire(server.runner);
}

static bool listen_on(struct listener *l, const char *text, struct err *e) {
    const char *kind = l->service == SERVICE_LMTP ? "lmtp" : "smtp";
    struct sockaddr_any addr;
    if (!sockaddr_parse(view_of(text), &addr, e))
        return err_prefix(e, "%s_listen", kind);
    int fd = listen_inherited(kind, &addr);
    if (fd < 0)
        fd = listen_open(&addr, e);
    size_t most = (size_t)server.role.config->smtp_sessions_max;
    if (fd < 0 || !runner_listen(server.runner, fd, most, session_accepted, l, e))
        return false;
    log_line(LOG_INFO, "listening", LOG_S("service", kind), LOG_S("address", text));
    return true;
}

static bool listen_on_all(struct err *e) {
    static struct listener listeners[SERVICES][LIMIT_LIST_SETTING];
    const struct config *c = server.role.config;
    const struct config_list *lists[SERVICES] = {&c->smtp_listen, &c->lmtp_listen};
    for (int service = SERVICES - 1; service >= 0; service--) {
        for (size_t i = 0; i < lists[service]->count; i++) {
            struct listener *l = &listeners[service][i];
            *l = (struct listener){&server, (enum service)service, lists[service]->items[i]};
            if (!listen_on(l, l->text, e))
                return false;
        }
    }
    return true;
}

static bool same_list(const struct config_list *a, const struct config_list *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

/* What was read once, at the start, is the same. */
static bool can_be_taken_alive(const struct config *old, const struct config *new) {
    return strcmp(old->store, new->store) == 0 && strcmp(old->node, new->node) == 0 &&
           (!*new->hostname || strcmp(old->hostname, new->hostname) == 0) &&
           strcmp(old->log_level, new->log_level) == 0 && old->smtpd_workers == new->smtpd_workers &&
           old->min_free == new->min_free && old->smtp_sessions_max == new->smtp_sessions_max &&
           old->drain_timeout == new->drain_timeout &&
           old->smtpd_checks == new->smtpd_checks &&same_list(&old->dns_servers, &new->dns_servers) &&
           strcmp(old->dnssec_anchors, new->dnssec_anchors) == 0;
}

/* SIGHUP. A mistake in the file changes nothing. */
static void reload(void) {
    struct err e = {.code = ERR_OK};
    struct config *config = NULL;
    struct policy *p = NULL;
    if (config_load(server.role.config->dir, &config, &e))
        p = policy_new(config, true, &e);
    if (!p) {
        log_line(LOG_ERROR, "not-reloaded", LOG_S("reason", e.text));
        role_reloaded(
            false); /* a successor would not start either: the reload fails, and this process stays */
        return;
    }
    bool alive = can_be_taken_alive(server.role.config, config);
    if (alive) {
        policy_replace(&server, p);
        log_line(LOG_INFO, "reloaded");
    } else {
        policy_unref(&p);
    }
    role_reloaded(alive);
}

static bool start(struct err *e) {
    const struct config *c = server.role.config;
    server.hostname = c->hostname;
    server.clients = clients_new((size_t)c->smtp_sessions_per_client);
    pthread_mutex_init(&server.policy_lock, NULL);
    server.policy = policy_new(server.role.config, false, e);
    if (!server.policy)
        return false;
    if (!*c->postmaster)
        log_line(LOG_WARN, "no-postmaster", LOG_S("way_out", "set postmaster to an address that is read"));
    server.runner = runner_new((unsigned)c->smtpd_workers, e);
    return server.runner && checks_start(&server, e) && listen_on_all(e);
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {.name = "smtpd", .store_role = R_SMTPD, .store_threads = 4};
    int status = 0;
    struct err e;
    tls_memory_install();
    if (!role_start(argc, argv, &needs, &server.role, &status))
        return status;
    if (start(&e)) {
        role_on_stop(stop);
        role_on_leave(leave);
        role_on_reload(reload);
        runner_on_quiet(server.runner, session_quiet);
        tally_start(&server.role);
        role_ready(&server.role);
        runner_run(server.runner);
        role_on_reload(NULL);
        role_on_stop(NULL);
        role_on_leave(NULL);
        tally_stop();
        log_line(LOG_INFO, "stopped");
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    runner_free(server.runner);
    policy_unref(&server.policy);
    clients_free(&server.clients);
    role_end(&server.role);
    return status;
}
