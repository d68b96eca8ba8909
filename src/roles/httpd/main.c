/* httpd: answers programs over HTTP: the REST interface that clients of Mailman 3 know; and lets members
 * leave a list by one click.
 *
 * Trusts: who shows a key (postroad key), to change what the command line can change; who shows the key of a
 * member's copy, to end that membership. May touch: its listening sockets, the store (its own operations
 * only). Never: signing keys, message bytes in the queue other than held posts. When it dies: a request that
 * is not answered is asked again; each change is one transaction. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include "roles/httpd/httpd.h"
#include "roles/httpd/server.h"

enum { STORE_THREADS = 4, LOOK_MS = 1000 };

struct httpd {
    struct role role;
    struct server *servers[LIMIT_LIST_SETTING];
    size_t count;
};

static bool serve(struct httpd *h, const char *text, struct err *e) {
    struct sockaddr_any addr;
    if (!sockaddr_parse(view_of(text), &addr, e))
        return err_prefix(e, "http_listen");
    int fd = listen_inherited("http", &addr);
    if (fd < 0)
        fd = listen_open(&addr, e);
    struct server *s = fd < 0 ? NULL : server_start(&h->role, fd, &addr, e);
    if (!s)
        return false;
    h->servers[h->count++] = s;
    log_line(LOG_INFO, "listening", LOG_S("service", "http"), LOG_S("address", text));
    return true;
}

static bool serve_all(struct httpd *h, struct err *e) {
    const struct config_list *list = &h->role.config->http_listen;
    for (size_t i = 0; i < list->count; i++)
        if (!serve(h, list->items[i], e))
            return false;
    return true;
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {
        .name = "httpd", .store_role = R_HTTPD, .store_threads = STORE_THREADS, .hint = true};
    static struct httpd h;
    int status = EXIT_SUCCESS;
    struct err e;
    if (!role_start(argc, argv, &needs, &h.role, &status))
        return status;
    if (serve_all(&h, &e)) {
        role_ready(&h.role);
        while (!role_stopping())
            hint_wait(h.role.hint, LOOK_MS);
        log_line(LOG_INFO, "stopped");
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    for (size_t i = 0; i < h.count; i++)
        server_stop(&h.servers[i]);
    role_end(&h.role);
    return status;
}
