/* ports.c: which sockets there are, by settings. */
#include "roles/supervisor/ports.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listen.h"

/* A setting that lists addresses, and the name its sockets are handed over by. */
static const struct {
    const char *name, *setting;
    size_t offset;
} kinds[] = {
    {"smtp", "smtp_listen", offsetof(struct config, smtp_listen)},
    {"lmtp", "lmtp_listen", offsetof(struct config, lmtp_listen)},
    {"http", "http_listen", offsetof(struct config, http_listen)},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *ports_name(view name) {
    for (size_t i = 0; i < KINDS; i++)
        if (view_eq(name, view_of(kinds[i].name)))
            return kinds[i].name;
    return NULL;
}

static struct port *find(struct ports *p, const char *name, const char *text) {
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].fd >= 0 && strcmp(p->items[i].name, name) == 0 && strcmp(p->items[i].text, text) == 0)
            return &p->items[i];
    return NULL;
}

static bool add(struct ports *have, size_t kind, const char *text, port_opener open, void *ctx,
                struct ports *ret, struct err *e) {
    struct sockaddr_any addr;
    if (!sockaddr_parse(view_of(text), &addr, e)) {
        e->code = ERR_CONFIG;
        return err_prefix(e, "%s = %.60s", kinds[kind].setting, text);
    }
    if (find(ret, kinds[kind].name, text)) {
        err_set(e, ERR_CONFIG, "%s: %.60s is given twice", kinds[kind].setting, text);
        return false;
    }
    const struct port *kept = find(have, kinds[kind].name, text);
    int fd = kept ? kept->fd : open(ctx, kinds[kind].name, &addr, e);
    if (fd < 0)
        return err_prefix(e, "%s", kinds[kind].setting);
    ret->items[ret->count++] = (struct port){kinds[kind].name, mem_str(text), fd};
    return true;
}

bool ports_open(struct ports *have, const struct config *c, port_opener open, void *ctx, struct ports *ret,
                bool *ret_changed, struct err *e) {
    bool ok = true;
    *ret = (struct ports){.count = 0};
    *ret_changed = false;
    for (size_t k = 0; k < KINDS; k++) {
        const struct config_list *list = (const struct config_list *)((const char *)c + kinds[k].offset);
        for (size_t i = 0; ok && i < list->count; i++)
            ok = add(have, k, list->items[i], open, ctx, ret, e);
    }
    for (size_t i = 0; i < ret->count; i++) {
        struct port *p = &ret->items[i], *kept = find(have, p->name, p->text);
        *ret_changed |= !kept;
        if (kept && ok)
            kept->fd = -1; /* it has moved */
        else if (kept)
            p->fd = -1; /* it stays where it is */
    }
    for (size_t i = 0; i < have->count; i++)
        *ret_changed |= have->items[i].fd >= 0;
    if (!ok)
        ports_close(ret);
    return ok;
}

void ports_close(struct ports *p) {
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].fd >= 0)
            close(p->items[i].fd);
        free(p->items[i].text);
    }
    p->count = 0;
}

bool ports_hand_over(const struct ports *p, struct err *e) {
    const char *names[PORTS_MAX];
    int fds[PORTS_MAX];
    for (size_t i = 0; i < p->count; i++) {
        names[i] = p->items[i].name;
        fds[i] = p->items[i].fd;
    }
    return p->count == 0 || listen_hand_over(fds, names, p->count, e);
}
