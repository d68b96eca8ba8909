/* mailman_common.c: what several subcommands need: lists, memberships, people as files name them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/mailman.h"
#include "mail/address.h"
#include "mail/text.h"
#include "store/people.h"

enum { IDS_AT_ONCE = 400 };

/* ---- lists ---- */

bool mailman_list(struct cli *c, const char *spec, struct mailman_list *ret, struct err *e) {
    struct store_request r;
    struct err ignored;
    view name = view_of(spec);
    *ret = (struct mailman_list){.id = 0};
    if (strchr(spec, '@') && !address_normalise_text(name, &c->arena, &name, &ignored))
        return true;
    store_request_init(&r, OP_LIST_SHOW);
    vals_view(&r.args, name);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok && vals_more(&v)) {
        ret->id = vals_get_int(&v);
        ret->address = arena_view(&c->arena, vals_get_view(&v));
        vals_get_view(&v); /* archive */
        for (int i = 0; i < 4; i++)
            vals_get_int(&v); /* class, created, posts, last post */
        ret->volume = vals_get_int(&v);
        ret->issue = vals_get_int(&v);
    }
    store_request_done(&r);
    return ok;
}

bool mailman_need_list(struct cli *c, const char *spec, struct mailman_list *ret, struct err *e) {
    return mailman_list(c, spec, ret, e) &&
           (ret->id > 0 || err_set(e, ERR_USAGE, "No such list: %.200s", spec));
}

/* A page of ids: *ret_total how many there are. */
static bool list_ids(struct cli *c, bool advertised, size_t start, struct buf *ids, int64_t *ret_total,
                     size_t *ret_count, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_LIST_IDS);
    vals_view(&r.args, VIEW(""));
    vals_int(&r.args, advertised);
    vals_int(&r.args, (int64_t)start);
    vals_int(&r.args, IDS_AT_ONCE);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_total = vals_get_int(&v);
    *ret_count = 0;
    buf_reset(ids);
    for (; ok && vals_more(&v); (*ret_count)++)
        vals_int(ids, vals_get_int(&v));
    store_request_done(&r);
    return ok;
}

static bool list_rows(struct cli *c, const struct buf *ids, size_t count, struct mailman_lists *ret,
                      struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_LIST_ROWS);
    vals_int(&r.args, (int64_t)count);
    buf_add(&r.args, buf_view(ids));
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        struct mailman_listed *row = &ret->rows[ret->count++];
        vals_get_int(&v); /* id */
        row->address = arena_view(&c->arena, vals_get_view(&v));
        for (int i = 0; i < 3; i++)
            vals_get_int(&v); /* members, volume, advertised */
        row->display_name = arena_view(&c->arena, vals_get_view(&v));
        row->description = arena_view(&c->arena, vals_get_view(&v));
    }
    store_request_done(&r);
    return ok;
}

bool mailman_lists(struct cli *c, bool advertised, struct mailman_lists *ret, struct err *e) {
    struct buf ids = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t total = 0;
    size_t n = 0, room = 0;
    bool ok = true;
    *ret = (struct mailman_lists){.rows = NULL};
    for (size_t start = 0; ok && (start == 0 || n == IDS_AT_ONCE); start += n) {
        ok = list_ids(c, advertised, start, &ids, &total, &n, e);
        if (ret->count + n > room) {
            struct mailman_listed *more = arena_array(&c->arena, struct mailman_listed, room * 2 + n);
            if (ret->count > 0)
                memcpy(more, ret->rows, ret->count * sizeof *more);
            ret->rows = more;
            room = room * 2 + n;
        }
        ok = ok && (n == 0 || list_rows(c, &ids, n, ret, e));
        if (n == 0)
            break;
    }
    buf_done(&ids);
    return ok;
}

bool mailman_chosen(struct cli *c, struct mailman_lists *ret, struct err *e) {
    const struct args *a = &c->args;
    if (!args_has(a, "--list"))
        return mailman_lists(c, false, ret, e);
    *ret = (struct mailman_lists){.rows = arena_array(&c->arena, struct mailman_listed, a->given_count)};
    for (size_t i = 0; i < a->given_count; i++) {
        struct mailman_list list;
        if (!view_eq(a->given[i].name, VIEW("--list")))
            continue;
        if (!mailman_list(c, a->given[i].value, &list, e))
            return false;
        if (list.id > 0)
            ret->rows[ret->count++] = (struct mailman_listed){.address = list.address};
        else
            mailman_complain(c, "No such list found: %s", a->given[i].value);
    }
    return true;
}

/* ---- memberships ---- */

static struct mailman_member *new_member(struct mailman_members *m) {
    if (m->count == m->room) {
        m->room = m->room ? 2 * m->room : 64;
        m->rows = mem_resize(m->rows, m->room, sizeof *m->rows);
    }
    struct mailman_member *row = &m->rows[m->count++];
    *row = (struct mailman_member){.id = 0};
    return row;
}

/* What MEMBER_SHOW says of some; the addresses' numbers go to `addrs`. */
static bool show_members(struct cli *c, view ids, size_t count, struct mailman_members *m, struct buf *addrs,
                         struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_MEMBER_SHOW);
    vals_int(&r.args, (int64_t)count);
    buf_add(&r.args, ids);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        struct mailman_member *row = new_member(m);
        vals_get_view(&v); /* list */
        row->address = arena_view(&c->arena, vals_get_view(&v));
        vals_get_view(&v); /* name: the user's, where the address has none */
        row->id = vals_get_int(&v);
        row->role = vals_get_int(&v);
        vals_int(addrs, vals_get_int(&v));
        vals_get_int(&v); /* user */
        vals_get_int(&v); /* follows */
        row->status = vals_get_int(&v);
        row->mode = vals_get_int(&v);
        for (int i = 0; i < 5; i++)
            vals_get_int(&v); /* action, bounces */
    }
    store_request_done(&r);
    return ok;
}

/* How the addresses of the last `count` are written, and whose they are. */
static bool show_addresses(struct cli *c, view addrs, size_t count, struct mailman_members *m,
                           struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_ADDRESS_GET);
    vals_int(&r.args, (int64_t)count);
    buf_add(&r.args, addrs);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    size_t at = m->count - count;
    while (ok && vals_more(&v)) {
        for (int i = 0; i < 4; i++)
            vals_get_int(&v); /* id, registered, verified, user */
        view address = vals_get_view(&v), original = vals_get_view(&v), name = vals_get_view(&v);
        while (at < m->count && !view_eq(m->rows[at].address, address))
            at++; /* one that was forgotten meanwhile */
        if (at == m->count)
            break;
        m->rows[at].original = arena_view(&c->arena, original);
        m->rows[at++].name = arena_view(&c->arena, name);
    }
    store_request_done(&r);
    return ok;
}

static bool add_members(struct cli *c, struct vals *v, struct mailman_members *m, struct err *e) {
    struct buf ids = BUF_INIT(LIMIT_STORE_PACKET), addrs = BUF_INIT(LIMIT_STORE_PACKET);
    bool ok = true;
    while (ok && vals_more(v)) {
        size_t n = 0, before = m->count;
        buf_reset(&ids);
        buf_reset(&addrs);
        for (; n < IDS_AT_ONCE && vals_more(v); n++)
            vals_int(&ids, vals_get_int(v));
        ok = show_members(c, buf_view(&ids), n, m, &addrs, e) &&
             show_addresses(c, buf_view(&addrs), m->count - before, m, e);
    }
    buf_done(&ids);
    buf_done(&addrs);
    return ok;
}

static int by_address(const void *a, const void *b) {
    const struct mailman_member *x = a, *y = b;
    int order = view_cmp(x->address, y->address);
    return order ? order : (x->role > y->role) - (x->role < y->role);
}

bool mailman_members(struct cli *c, view list, enum member_role role, struct mailman_members *ret,
                     struct err *e) {
    struct store_request r;
    int64_t total = 0;
    size_t first = ret->count, before;
    bool ok;
    store_request_init(&r, OP_MEMBER_FIND);
    do {
        before = ret->count;
        buf_reset(&r.args);
        vals_int(&r.args, FIND_BY_NOTHING);
        vals_view(&r.args, VIEW(""));
        vals_int(&r.args, 0);
        vals_view(&r.args, list);
        vals_int(&r.args, role);
        for (int i = 0; i < 3; i++)
            vals_int(&r.args, -1); /* action, mode, status: any */
        vals_int(&r.args, (int64_t)(ret->count - first));
        vals_int(&r.args, 0);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        total = vals_get_int(&v);
        ok = ok && add_members(c, &v, ret, e);
    } while (ok && ret->count > before && (int64_t)(ret->count - first) < total);
    store_request_done(&r);
    if (ok && ret->count > 0)
        qsort(ret->rows, ret->count, sizeof *ret->rows, by_address);
    return ok;
}

/* ---- output ---- */

bool mailman_show(struct cli *c, const struct buf *text, struct err *e) {
    const char *file = args_get(&c->args, "--output");
    if (file && strcmp(file, "-") != 0)
        return file_replace(file, buf_view(text), 0644, e);
    cli_write(c, buf_view(text));
    return true;
}

void mailman_complain(struct cli *c, const char *fmt, ...) {
    va_list ap;
    cli_progress_end(c);
    cli_flush(c, NULL);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}
