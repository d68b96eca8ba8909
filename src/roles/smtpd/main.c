/* smtpd: takes mail from the world and has it stored.
 *
 * Trusts: nobody who connects. May touch: its listening sockets, its TLS key, the store (its own operations
 * only). Never: signing keys, archive files, other hosts. When it dies: sessions break off; what was answered
 * 250 is in the store, what was not is the client's still. The supervisor holds the listening sockets, so no
 * connection is refused meanwhile. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "roles/smtpd/smtpd.h"

static struct server server;

static void stop(void) {
    runner_stop(server.runner, server.role.config->drain_timeout);
}

/* The successor accepts from the same sockets; sessions that are here go on to their end. */
static void leave(void) {
    runner_retire(server.runner);
}

static bool read_networks(struct err *e) {
    const struct config_list *networks = &server.role.config->relay_networks;
    for (size_t i = 0; i < networks->count; i++)
        if (!cidr_parse(view_of(networks->items[i]), &server.relay[server.relay_count++], e))
            return err_prefix(e, "relay_networks");
    return true;
}

static bool read_tls(struct err *e) {
    const struct config *c = server.role.config;
    if (!*c->tls_certificate && !*c->tls_key)
        return true;
    FREE_AUTO char *certificate = config_path(c, c->tls_certificate);
    FREE_AUTO char *key = config_path(c, c->tls_key);
    server.tls = tls_server_context(certificate, key, e);
    return server.tls != NULL;
}

static bool listen_on_all(struct err *e) {
    const struct config *c = server.role.config;
    for (size_t i = 0; i < c->smtp_listen.count; i++) {
        struct sockaddr_any addr;
        if (!sockaddr_parse(view_of(c->smtp_listen.items[i]), &addr, e))
            return err_prefix(e, "smtp_listen");
        int fd = listen_inherited("smtp", &addr);
        if (fd < 0)
            fd = listen_open(&addr, e);
        if (fd < 0 ||
            !runner_listen(server.runner, fd, (size_t)c->smtp_sessions_max, session_accepted, &server, e))
            return false;
        log_line(LOG_INFO, "listening", LOG_S("address", c->smtp_listen.items[i]));
    }
    return true;
}

static bool start(struct err *e) {
    const struct config *c = server.role.config;
    server.hostname = c->hostname;
    server.clients = clients_new((size_t)c->smtp_sessions_per_client);
    server.runner = runner_new((unsigned)c->smtpd_workers, e);
    return server.runner && read_networks(e) && read_tls(e) && listen_on_all(e);
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {.name = "smtpd", .store_role = R_SMTPD, .store_threads = 4};
    int status = 0;
    struct err e;
    if (!role_start(argc, argv, &needs, &server.role, &status))
        return status;
    if (start(&e)) {
        role_on_stop(stop);
        role_on_leave(leave);
        role_ready(&server.role);
        runner_run(server.runner);
        role_on_stop(NULL);
        role_on_leave(NULL);
        log_line(LOG_INFO, "stopped");
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    runner_free(server.runner);
    tls_context_unref(&server.tls);
    clients_free(&server.clients);
    role_end(&server.role);
    return status;
}
