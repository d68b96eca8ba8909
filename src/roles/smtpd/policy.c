/* policy.c: the settings that a running smtpd can change: networks, limits, certificates. A policy never
 * changes: SIGHUP reads the file again, and sessions that begin from then on hold the new one, while sessions
 * under way keep theirs. Addresses to listen on, host name, store and workers need a new process. */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "roles/smtpd/smtpd.h"

static bool read_networks(const struct config_list *texts, const char *setting, struct networks *n,
                          struct err *e) {
    for (size_t i = 0; i < texts->count; i++)
        if (!cidr_parse(view_of(texts->items[i]), &n->items[n->count++], e))
            return err_prefix(e, "%s", setting);
    return true;
}

bool networks_have(const struct networks *n, const struct sockaddr_any *peer) {
    for (size_t i = 0; i < n->count; i++)
        if (cidr_match(&n->items[i], peer))
            return true;
    return false;
}

/* "name=cert.pem:key.pem" of tls_certificates. */
static bool add_certificate(struct tls_context *tls, const struct config *c, const char *text,
                            struct err *e) {
    view v = view_of(text);
    ptrdiff_t equals = view_find(v, '='), colon = view_rfind(v, ':');
    if (equals <= 0 || colon <= equals + 1 || (size_t)colon + 1 == v.len)
        return err_set(e, ERR_CONFIG, "tls_certificates: %.100s: name=certificate.pem:key.pem is wanted",
                       text);
    FREE_AUTO char *name = mem_view(view_slice(v, 0, (size_t)equals));
    FREE_AUTO char *certificate = mem_view(view_slice(v, (size_t)equals + 1, (size_t)(colon - equals - 1)));
    FREE_AUTO char *key = mem_view(view_skip(v, (size_t)colon + 1));
    FREE_AUTO char *certificate_path = config_path(c, certificate);
    FREE_AUTO char *key_path = config_path(c, key);
    return tls_server_add_name(tls, name, certificate_path, key_path, e);
}

/* Each service has a context, and with it the keys of its session tickets, of its own: what was begun with
 * one cannot be resumed with the other. */
static bool read_tls(struct policy *p, struct err *e) {
    const struct config *c = p->config;
    if (!*c->tls_certificate && !*c->tls_key)
        return c->tls_certificates.count == 0 ||
               err_set(e, ERR_CONFIG,
                       "tls_certificates needs tls_certificate and tls_key too, for all other names");
    FREE_AUTO char *certificate = config_path(c, c->tls_certificate);
    FREE_AUTO char *key = config_path(c, c->tls_key);
    for (int service = 0; service < SERVICES; service++) {
        p->tls[service] = tls_server_context(certificate, key, e);
        if (!p->tls[service])
            return false;
        for (size_t i = 0; i < c->tls_certificates.count; i++)
            if (!add_certificate(p->tls[service], c, c->tls_certificates.items[i], e))
                return false;
    }
    return true;
}

static bool check_address(const char *text, const char *setting, struct err *e) {
    struct arena arena;
    view normal;
    arena_init(&arena, LIMIT_STEP_ARENA);
    bool ok =
        !*text || address_normalise_text(view_of(text), &arena, &normal, e) || err_prefix(e, "%s", setting);
    arena_done(&arena);
    return ok;
}

/* "spf", "dmarc", or LISTENER=… with one of smtp_listen. */
static bool check_auth_reject(const struct config *c, struct err *e) {
    for (size_t i = 0; i < c->auth_reject.count; i++) {
        view item = view_of(c->auth_reject.items[i]);
        ptrdiff_t equals = view_find(item, '=');
        view method = view_skip(item, (size_t)(equals + 1));
        bool known = equals < 0;
        for (size_t k = 0; k < c->smtp_listen.count && !known; k++)
            known = view_eq(view_slice(item, 0, (size_t)equals), view_of(c->smtp_listen.items[k]));
        if (!known)
            return err_set(e, ERR_CONFIG, "auth_reject: %.100s: that is no address of smtp_listen", item.ptr);
        if (!view_eq(method, VIEW("spf")) && !view_eq(method, VIEW("dmarc")))
            return err_set(e, ERR_CONFIG, "auth_reject: %.100s: spf or dmarc is wanted", item.ptr);
    }
    return true;
}

struct policy *policy_new(struct config *config, bool own_config, struct err *e) {
    struct policy *p = mem_alloc(sizeof *p);
    p->references = 1;
    p->config = config;
    p->own_config = own_config;
    if (read_networks(&config->relay_networks, "relay_networks", &p->relay, e) &&
        read_networks(&config->proxy_networks, "proxy_networks", &p->proxy, e) &&
        read_networks(&config->xclient_networks, "xclient_networks", &p->xclient, e) &&
        check_address(config->postmaster, "postmaster", e) &&
        check_address(config->reports_to, "reports_to", e) &&
        check_address(config->report_from, "report_from", e) && check_auth_reject(config, e) &&
        read_tls(p, e))
        return p;
    policy_unref(&p);
    return NULL;
}

void policy_unref(struct policy **p) {
    struct policy *old = *p;
    *p = NULL;
    if (!old || atomic_fetch_sub(&old->references, 1) > 1)
        return;
    for (int service = 0; service < SERVICES; service++)
        if (old->tls[service])
            tls_context_unref(&old->tls[service]);
    if (old->own_config)
        config_free(old->config);
    free(old);
}

struct policy *policy_current(struct server *server) {
    pthread_mutex_lock(&server->policy_lock);
    struct policy *p = server->policy;
    atomic_fetch_add(&p->references, 1);
    pthread_mutex_unlock(&server->policy_lock);
    return p;
}

void policy_replace(struct server *server, struct policy *p) {
    pthread_mutex_lock(&server->policy_lock);
    struct policy *old = server->policy;
    server->policy = p;
    pthread_mutex_unlock(&server->policy_lock);
    policy_unref(&old);
    clients_set_most(server->clients, (size_t)p->config->smtp_sessions_per_client);
}
