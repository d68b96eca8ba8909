/* mailman_system.c: aliases, conf, digests, info, status: the instance and its lists' numbers. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/mailman.h"
#include "lists/mailman_configuration.h"
#include "mail/list_address.h"
#include "net/hint.h"

enum { TEXT_BYTES = 1 << 24 };

/* Whose addresses are a list's is asked of the store each time. */
bool mailman_cmd_aliases(struct cli *c, struct err *e) {
    return cli_config(c, e);
}

/* ---- conf ---- */

static void print_value(struct buf *out, view section, const struct configuration_value *v) {
    buf_printf(out, "[%.*s] %.*s: %.*s\n", VIEW_ARG(section), VIEW_ARG(v->key), VIEW_ARG(v->value));
}

/* The values of a section; `key` NULL: all. Returns how many there were. */
static size_t print_section(struct cli *c, view section, const char *key, bool bare, struct buf *out) {
    size_t count, n = 0;
    struct configuration_value *values = configuration_of(c->config, section, &c->arena, &count);
    for (size_t i = 0; i < count; i++) {
        if (key && !view_eq(values[i].key, view_of(key)))
            continue;
        n++;
        if (bare)
            buf_printf(out, "%.*s\n", VIEW_ARG(values[i].value));
        else
            print_value(out, section, &values[i]);
    }
    return n;
}

static bool print_conf(struct cli *c, struct buf *out, struct err *e) {
    const char *section = args_get(&c->args, "--section"), *key = args_get(&c->args, "--key");
    view rest = view_of(configuration_sections), one;
    if (section && !configuration_has(view_of(section)))
        return err_set(e, ERR_USAGE, "No such section: %.100s", section);
    if (section)
        return print_section(c, view_of(section), key, key != NULL, out) > 0 || !key ||
               err_set(e, ERR_USAGE, "Section %.100s: No such key: %.100s", section, key);
    while (view_split(&rest, ' ', &one))
        print_section(c, one, key, false, out);
    return true;
}

bool mailman_cmd_conf(struct cli *c, struct err *e) {
    struct buf out = BUF_INIT(TEXT_BYTES);
    bool ok = cli_config(c, e) && print_conf(c, &out, e) && mailman_show(c, &out, e);
    buf_done(&out);
    return ok;
}

/* ---- info, status ---- */

static void add_places(struct cli *c, struct buf *out) {
    static const char *const places[][2] = {{"ARCHIVE_DIR", "data/archive"},
                                            {"CFG_FILE", "postroad.conf"},
                                            {"DATA_DIR", "data"},
                                            {"ETC_DIR", ""},
                                            {"LOCK_DIR", "data/run"},
                                            {"PID_FILE", "data/run/supervisor.pid"},
                                            {"VAR_DIR", "data"}};
    buf_add_str(out, "File system paths:\n");
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        FREE_AUTO char *path = config_path(c->config, places[i][1]);
        buf_printf(out, "    %-11s = %s\n", places[i][0], *places[i][1] ? path : c->config->dir);
    }
}

/* Without the password of a database. */
static void add_store(struct cli *c, struct buf *out) {
    view store = view_of(c->config->store);
    ptrdiff_t slashes = view_search(store, VIEW("://")), at = view_rfind(store, '@');
    if (slashes < 0 || at < slashes) {
        buf_printf(out, "db url: %.*s\n", VIEW_ARG(store));
        return;
    }
    view user = view_slice(store, (size_t)slashes + 3, (size_t)(at - slashes) - 3);
    ptrdiff_t colon = view_find(user, ':');
    view shown = colon < 0 ? user : view_slice(user, 0, (size_t)colon);
    buf_printf(out, "db url: %.*s%.*s%.*s\n", VIEW_ARG(view_slice(store, 0, (size_t)slashes + 3)),
               VIEW_ARG(shown), VIEW_ARG(view_skip(store, (size_t)at)));
}

bool mailman_cmd_info(struct cli *c, struct err *e) {
    struct buf out = BUF_INIT(TEXT_BYTES);
    if (!cli_config(c, e))
        return false;
    const struct config_list *http = &c->config->http_listen;
    FREE_AUTO char *path = config_path(c->config, "postroad.conf");
    buf_printf(&out, MAILMAN_VERSION "\nPostroad " POSTROAD_VERSION "\nconfig file: %s\n", path);
    add_store(c, &out);
    buf_add_str(&out, "devmode: DISABLED\n");
    if (http->count > 0)
        buf_printf(&out, "REST root url: http://%s/3.1/\n", http->items[0]);
    else
        buf_add_str(&out, "REST root url: none, http_listen is not set\n");
    buf_add_str(&out, "REST credentials: postroad key ls shows the names of the keys\n");
    if (args_has(&c->args, "--verbose"))
        add_places(c, &out);
    bool ok = mailman_show(c, &out, e);
    buf_done(&out);
    return ok;
}

bool mailman_cmd_status(struct cli *c, struct err *e) {
    pid_t pid;
    if (!cli_config(c, e))
        return false;
    if (!cli_supervisor(c, &pid, e)) {
        cli_print(c, "GNU Mailman is not running\n");
        return true;
    }
    cli_print(c, "GNU Mailman is running (master pid: %ld)\n", (long)pid);
    c->status = 1; /* as Mailman has it */
    return true;
}

/* ---- digests ---- */

static void say_numbers(struct cli *c, view address, const char *what, int64_t volume, int64_t issue) {
    view list_id = list_id_of(address, &c->arena);
    if (args_has(&c->args, "--verbose"))
        cli_print(c, "%.*s %s volume %lld, number %lld\n", VIEW_ARG(list_id), what, (long long)volume,
                  (long long)issue);
}

static bool bump(struct cli *c, view address, struct err *e) {
    struct mailman_list list;
    struct store_request r;
    view who;
    if (!cli_who(c, &who, e) || !mailman_list(c, arena_str(&c->arena, address), &list, e))
        return false;
    if (list.id == 0)
        return true; /* removed meanwhile */
    say_numbers(c, address, "is at", list.volume, list.issue);
    if (args_has(&c->args, "--dry-run"))
        return true;
    store_request_init(&r, OP_LIST_BUMP);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    list.volume = vals_get_int(&v);
    list.issue = vals_get_int(&v);
    store_request_done(&r);
    if (ok)
        say_numbers(c, address, "bumped to", list.volume, list.issue);
    return ok;
}

/* Router sends it; with --dry-run nobody is asked. */
static bool ask_for_digest(struct cli *c, view address, struct err *e) {
    struct store_request r;
    view who;
    if (args_has(&c->args, "--dry-run") || !cli_who(c, &who, e))
        return args_has(&c->args, "--dry-run");
    store_request_init(&r, OP_DIGEST_ASK);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (!ok && e->code == ERR_NOT_FOUND)
        return true; /* removed meanwhile */
    return ok;
}

bool mailman_cmd_digests(struct cli *c, struct err *e) {
    bool send = args_has(&c->args, "--send"), periodic = args_has(&c->args, "--periodic");
    struct mailman_lists lists;
    if (send && periodic) {
        mailman_complain(c, "--send and --periodic flags cannot be used together");
        c->status = 1;
        return true;
    }
    if (!mailman_chosen(c, &lists, e))
        return false;
    for (size_t i = 0; args_has(&c->args, "--bump") && i < lists.count; i++)
        if (!bump(c, lists.rows[i].address, e))
            return false;
    for (size_t i = 0; (send || periodic) && i < lists.count; i++)
        if (!ask_for_digest(c, lists.rows[i].address, e))
            return false;
    if (send || periodic)
        hint_send(c->config->dir, "router");
    return true;
}
