/* cmd_check.c: postroad check: whether an instance is fit to run: its configuration, its store and what that
 * promises, the disk, the clock, who gets the mail for its postmasters; check_net.c has what other machines
 * see. It changes nothing. FAIL: mail would be refused or lost. WARN: somebody should look. */
#include "cli/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/queue_rows.h"
#include "net/sockaddr.h"
#include "store/durability.h"

enum { TEXT_MAX = 600, DOMAINS_MOST = 200, YEAR_2024_S = 1704067200 };

void check_note(struct check *k, enum finding f, const char *what, const char *fmt, ...) {
    static const char *const names[] = {"OK", "WARN", "FAIL"};
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    k->warnings += f == FINDING_WARN;
    k->failures += f == FINDING_FAIL;
    table_text(&k->table, view_of(names[f]));
    table_text(&k->table, view_of(what));
    table_text(&k->table, view_of(text));
}

/* ---- configuration ---- */

static void check_secrecy(struct check *k) {
    const struct config *c = k->cli->config;
    FREE_AUTO char *path = mem_printf("%s/postroad.conf", c->dir);
    struct stat st;
    view url = view_of(c->store);
    ptrdiff_t at = view_find(url, '@');
    bool secret = view_search(url, VIEW("password=")) >= 0 ||
                  (at > 13 && view_find(view_slice(url, 13, (size_t)at - 13), ':') >= 0);
    if (secret && stat(path, &st) == 0 && (st.st_mode & 0004))
        check_note(k, FINDING_WARN, "configuration",
                   "everybody can read %s, which holds a password: chmod o-r %s", path, path);
}

static void check_addresses(struct check *k) {
    const struct config *c = k->cli->config;
    struct sockaddr_any addr;
    struct cidr net;
    struct err e;
    enum log_level level;
    size_t before = k->failures;
    for (size_t i = 0; i < c->smtp_listen.count; i++)
        if (!sockaddr_parse(view_of(c->smtp_listen.items[i]), &addr, &e))
            check_note(k, FINDING_FAIL, "configuration", "smtp_listen = %s: %s", c->smtp_listen.items[i],
                       e.text);
    for (size_t i = 0; i < c->relay_networks.count; i++)
        if (!cidr_parse(view_of(c->relay_networks.items[i]), &net, &e))
            check_note(k, FINDING_FAIL, "configuration", "relay_networks = %s: %s",
                       c->relay_networks.items[i], e.text);
        else if (net.bits == 0 ||
                 (net.bits == 96 && view_starts_with(view_of(c->relay_networks.items[i]), VIEW("0."))))
            check_note(
                k, FINDING_WARN, "configuration",
                "relay_networks = %s: everybody may send through this server; name your own networks only",
                c->relay_networks.items[i]);
    if (!log_level_parse(view_of(c->log_level), &level))
        check_note(k, FINDING_FAIL, "configuration", "log_level = %s: debug, info, warn or error is wanted",
                   c->log_level);
    if (k->failures == before)
        check_note(k, FINDING_OK, "configuration", "%s/postroad.conf is complete and valid", c->dir);
}

static bool check_configuration(struct check *k) {
    struct err e;
    if (!cli_config(k->cli, &e)) {
        check_note(k, FINDING_FAIL, "configuration", "%s", e.text);
        return false;
    }
    check_addresses(k);
    check_secrecy(k);
    return true;
}

/* ---- store ---- */

static bool check_store(struct check *k) {
    struct store_request r;
    struct err e;
    store_request_init(&r, OP_QUEUE_PENDING);
    bool ok = cli_call(k->cli, &r, &e);
    store_request_done(&r);
    if (ok)
        check_note(k, FINDING_OK, "store", "%s answers, and has this release's schema",
                   view_starts_with(view_of(k->cli->config->store), VIEW("postgres")) ? "PostgreSQL"
                                                                                      : "SQLite");
    else
        check_note(k, FINDING_FAIL, "store", "%s", e.text);
    return ok;
}

static void check_durability(struct check *k) {
    struct buf text = BUF_INIT(TEXT_MAX);
    enum durability_kept kept;
    struct err e;
    if (store_durability(k->cli->config, &kept, &text, &e))
        check_note(k, kept == DURABILITY_KEPT ? FINDING_OK : FINDING_WARN, "durability", "%s", text.data);
    else
        check_note(k, FINDING_FAIL, "durability", "%s", e.text);
    buf_done(&text);
}

static void check_frozen(struct check *k) {
    bool all;
    int64_t since;
    view who;
    struct err e;
    if (!queue_is_frozen(k->cli, &all, &since, &who, &e))
        return;
    if (all)
        check_note(k, FINDING_WARN, "queue",
                   "sending is frozen%s%s %.*s: nothing leaves until postroad queue thaw",
                   since ? " since " : "", since ? cli_time(since).s : "", VIEW_ARG(who));
}

/* ---- machine ---- */

static void check_disk(struct check *k) {
    const struct config *c = k->cli->config;
    static const char *const folders[] = {"data", "data/archive"};
    dev_t seen = 0;
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        FREE_AUTO char *path = config_path(c, folders[i]);
        struct stat st;
        struct err e;
        int64_t bytes;
        if (stat(path, &st) < 0 || !file_free_bytes(path, &bytes, &e)) {
            check_note(k, FINDING_FAIL, "disk", "%s cannot be looked at: is it there, and yours?", path);
            continue;
        }
        if (i > 0 && st.st_dev == seen)
            continue;
        seen = st.st_dev;
        enum finding f = bytes < c->min_free       ? FINDING_FAIL
                         : bytes < 2 * c->min_free ? FINDING_WARN
                                                   : FINDING_OK;
        check_note(k, f, "disk", "%s has %lld MB free%s (min_free is %lld MB)", path,
                   (long long)(bytes >> 20),
                   f == FINDING_FAIL   ? ": mail is refused for now; make room"
                   : f == FINDING_WARN ? ": make room before mail is refused"
                                       : "",
                   (long long)(c->min_free >> 20));
        if (access(path, W_OK) < 0)
            check_note(k, FINDING_FAIL, "disk", "%s cannot be written by you: run as the instance's owner",
                       path);
    }
}

/* Retries, certificates and Date fields all hang on it. */
static void check_clock(struct check *k) {
    struct timex t = {.modes = 0};
    if (clock_real_us() / 1000000 < YEAR_2024_S && clock_now_ms() / 1000 < YEAR_2024_S)
        check_note(k, FINDING_FAIL, "clock", "the machine believes it is %s: set its clock",
                   cli_time(clock_now_ms()).s);
    else if (adjtimex(&t) == TIME_ERROR || (t.status & STA_UNSYNC))
        check_note(k, FINDING_WARN, "clock",
                   "the clock is not synchronised: run chrony or systemd-timesyncd");
    else
        check_note(k, FINDING_OK, "clock", "the clock is synchronised");
}

/* ---- domains ---- */

bool check_domains(struct check *k, view **ret_domains, size_t *ret_count) {
    struct cli *c = k->cli;
    struct store_request r;
    struct err e;
    *ret_domains = arena_array(&c->arena, view, DOMAINS_MOST);
    *ret_count = 0;
    store_request_init(&r, OP_DOMAIN_LS);
    vals_view(&r.args, VIEW(""));
    vals_int(&r.args, DOMAINS_MOST);
    bool ok = cli_call(c, &r, &e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v) && *ret_count < DOMAINS_MOST) {
        (*ret_domains)[(*ret_count)++] = arena_view(&c->arena, vals_get_view(&v));
        vals_get_int(&v); /* since when */
    }
    store_request_done(&r);
    return ok;
}

/* Whether mail to an address of a local domain goes anywhere. */
static bool leads_somewhere(struct cli *c, view address) {
    struct store_request r;
    struct err e;
    store_request_init(&r, OP_LOOKUP);
    vals_view(&r.args, address);
    bool ok = cli_call(c, &r, &e);
    struct vals v = vals_of(buf_view(&r.out));
    vals_get_view(&v);
    vals_get_int(&v);
    bool list = vals_get_int(&v) != 0;
    vals_get_view(&v);
    bool alias = vals_get_int(&v) > 0;
    store_request_done(&r);
    return ok && (list || alias);
}

/* RFC 5321 4.5.1 and RFC 2142: somebody must read it. */
static void check_postmasters(struct check *k) {
    view *domains;
    size_t count, missing = 0;
    if (!check_domains(k, &domains, &count))
        return;
    if (count == 0)
        check_note(k, FINDING_WARN, "domains", "mail is taken for no domain: postroad domain add DOMAIN");
    if (*k->cli->config->postmaster) {
        check_note(k, FINDING_OK, "postmaster", "%s reads the mail to postmaster and abuse of each domain",
                   k->cli->config->postmaster);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        view address = arena_printf(&k->cli->arena, "postmaster@%.*s", VIEW_ARG(domains[i]));
        if (leads_somewhere(k->cli, address))
            continue;
        missing++;
        check_note(k, FINDING_WARN, "postmaster", "nobody reads %.*s: postroad alias set %.*s YOU@ELSEWHERE",
                   VIEW_ARG(address), VIEW_ARG(address));
    }
    if (count > 0 && missing == 0)
        check_note(k, FINDING_OK, "postmaster", "somebody reads the mail to postmaster at %s",
                   count == 1 ? "the domain" : "each domain");
}

bool cmd_check(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"state", "STATE"}, {"check", "CHECK"}, {"text", "FOUND"}};
    struct check k = {.cli = c};
    table_open(&k.table, c, columns, COUNT_OF(columns));
    if (check_configuration(&k)) {
        check_durability(&k);
        check_disk(&k);
        check_clock(&k);
        check_certificate(&k);
        check_ports(&k);
        if (check_store(&k)) {
            check_frozen(&k);
            check_postmasters(&k);
            check_dns(&k);
        }
        check_dnssec(&k);
        check_relay(&k);
    }
    if (!table_close(&k.table, e))
        return false;
    if (!c->json)
        cli_print(c, "%s: %zu failed, %zu warning%s\n", k.failures ? "NOT fit to run" : "fit to run",
                  k.failures, k.warnings, k.warnings == 1 ? "" : "s");
    c->status = k.failures > 0;
    return true;
}
