/* cmd_init.c: postroad init: a new instance: a directory with postroad.conf and data/, its store and its
 * first domain.
 *
 * The configuration file is written last and at once: a directory that has it is a complete instance. When a
 * step fails, or somebody presses Ctrl-C, everything made so far is removed again. */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <fts.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/sockaddr.h"
#include "net/tls.h"

enum { DIR_MODE = 0755, DATA_MODE = 0750, CONFIG_MODE = 0640 };

struct init {
    struct cli *cli;
    view domain;
    const char *given[2 * ARGS_GIVEN_MAX + 5]; /* pairs for config_format */
    bool self_signed;
    struct buf text; /* of postroad.conf */
    struct config *config;
    char *first_made; /* the topmost directory that was not there before; NULL: none */
    char *dir, *data, *conf;
    bool data_made, conf_made;
    bool data_given;            /* an empty folder that was there, or a link to one */
    const struct passwd *owner; /* of the data, when root makes the instance for the user of the roles */
};

/* A value that the file could not hold: it would read back as something else. */
static bool check_value(const char *setting, const char *value, struct err *e) {
    view v = view_of(value);
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '#' && (i == 0 || ascii_is_space(v.ptr[i - 1])))
            return err_set(e, ERR_USAGE, "%.60s = %.60s: what is behind # would be a comment", setting,
                           value);
        if (v.ptr[i] == '\n' || v.ptr[i] == '\r')
            return err_set(e, ERR_USAGE, "%.60s: a value is one line", setting);
    }
    return true;
}

#define SELF_SIGNED "data/tls/self.pem"
static const char *const self_signed_settings[] = {"tls_certificate", SELF_SIGNED, "tls_key", SELF_SIGNED};

/* Values of the options that are settings, and of --set. */
static bool collect_settings(struct init *i, struct err *e) {
    static const struct {
        const char *option, *setting;
    } named[] = {{"--smtp", "smtp_listen"}, {"--lmtp", "lmtp_listen"}, {"--postmaster", "postmaster"},
                 {"--relay", "relay"},      {"--store", "store"},      {"--hostname", "hostname"}};
    const struct args *a = &i->cli->args;
    size_t n = 0;
    for (size_t k = 0; k < a->given_count; k++) {
        for (size_t j = 0; j < COUNT_OF(named); j++)
            if (view_eq(a->given[k].name, view_of(named[j].option))) {
                i->given[n++] = named[j].setting;
                i->given[n++] = a->given[k].value;
            }
        if (!view_eq(a->given[k].name, VIEW("--set")))
            continue;
        view set = view_of(a->given[k].value);
        ptrdiff_t equals = view_find(set, '=');
        if (equals <= 0)
            return err_set(e, ERR_USAGE, "--set %.60s: NAME=VALUE is wanted", a->given[k].value);
        i->given[n++] = arena_str(&i->cli->arena, view_slice(set, 0, (size_t)equals));
        i->given[n++] = a->given[k].value + equals + 1;
    }
    bool has_tls = false;
    for (size_t k = 0; k < n; k += 2)
        has_tls = has_tls || strcmp(i->given[k], "tls_certificate") == 0;
    i->self_signed = !has_tls && !args_has(a, "--no-tls");
    for (size_t k = 0; i->self_signed && k < COUNT_OF(self_signed_settings); k++)
        i->given[n++] = self_signed_settings[k];
    i->given[n] = NULL;
    for (size_t k = 0; k < n; k += 2)
        if (!check_value(i->given[k], i->given[k + 1], e))
            return false;
    return true;
}

static bool check_addresses(const struct config_list *list, const char *option, struct err *e) {
    for (size_t k = 0; k < list->count; k++) {
        struct sockaddr_any addr;
        if (!sockaddr_parse(view_of(list->items[k]), &addr, e))
            return err_prefix(e, "%s %.60s", option, list->items[k]);
    }
    return true;
}

static bool check_postmaster(struct init *i, struct err *e) {
    view text = view_of(i->config->postmaster), normal;
    return text.len == 0 || address_normalise_text(text, &i->cli->arena, &normal, e) ||
           err_prefix(e, "--postmaster %.60s", i->config->postmaster);
}

static bool find_owner(struct init *i, struct err *e) {
    const char *name = i->config->user;
    if (geteuid() != 0 || !*name)
        return true;
    i->owner = getpwnam(name);
    return i->owner != NULL ||
           err_set(e, ERR_CONFIG, "user = %.60s: this system has no such user; make it first", name);
}

/* Everything that can be wrong with what was given is found before anything is made. */
static bool check_given(struct init *i, struct err *e) {
    if (!cli_domain(i->cli, args_get(&i->cli->args, "--domain"), &i->domain, e) || !collect_settings(i, e))
        return false;
    config_format(i->given, &i->text);
    i->config = mem_alloc(sizeof *i->config);
    if (!config_parse(buf_view(&i->text), "the new postroad.conf", i->config, e))
        return false;
    return check_addresses(&i->config->smtp_listen, "--smtp", e) &&
           check_addresses(&i->config->lmtp_listen, "--lmtp", e) && check_postmaster(i, e) &&
           find_owner(i, e);
}

static bool is_empty_folder(const char *path) {
    DIR *d = opendir(path);
    bool empty = d != NULL;
    for (const struct dirent *entry; empty && (entry = readdir(d));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (d)
        closedir(d);
    return empty;
}

static bool check_place(struct init *i, struct err *e) {
    if (file_exists(i->conf))
        return err_set(
            e, ERR_EXISTS,
            "%.80s is an instance already: use it with postroad -C %.80s, or choose another directory",
            i->dir, i->dir);
    i->data_given = is_empty_folder(i->data);
    if (file_exists(i->data) && !i->data_given)
        return err_set(e, ERR_EXISTS,
                       "%.80s is there without a postroad.conf: move it away, or choose another directory",
                       i->data);
    return true;
}

/* The topmost directory on the way to i->dir that is missing now. */
static void find_first_made(struct init *i) {
    for (char *end = i->dir + 1; *end; end++) {
        if (*end != '/' && end[1] != '\0')
            continue;
        char *part = mem_view(view_from(i->dir, (size_t)(end - i->dir) + (*end != '/')));
        if (!file_exists(part)) {
            i->first_made = part;
            return;
        }
        free(part);
    }
}

static bool make_folders(struct init *i, struct err *e) {
    find_first_made(i);
    if (!file_mkdirs(i->dir, DIR_MODE, e))
        return false;
    i->config->dir = realpath(i->dir, NULL);
    if (!i->config->dir)
        return err_errno(e, ERR_IO, "%s", i->dir);
    if (!i->data_given && mkdir(i->data, DATA_MODE) < 0)
        return err_errno(e, ERR_IO, "cannot make %s", i->data);
    i->data_made = !i->data_given;
    static const char *const folders[] = {"data/run", "data/archive"};
    bool ok = true;
    for (size_t k = 0; ok && k < COUNT_OF(folders); k++) {
        FREE_AUTO char *path = config_path(i->config, folders[k]);
        ok = file_mkdirs(path, DATA_MODE, e);
    }
    return ok;
}

/* So that STARTTLS is offered from the first minute on. */
static bool make_certificate(struct init *i, struct err *e) {
    char host[LIMIT_DOMAIN + 1] = "";
    const char *name = i->config->hostname;
    if (!i->self_signed)
        return true;
    if (!*name && gethostname(host, sizeof host - 1) == 0)
        name = host;
    if (!*name || strlen(name) > 64) /* as much as a common name may have */
        name = "localhost";
    struct buf pem = BUF_INIT(LIMIT_CONFIG_FILE);
    FREE_AUTO char *folder = config_path(i->config, "data/tls");
    FREE_AUTO char *path = config_path(i->config, SELF_SIGNED);
    bool ok = tls_self_signed(name, &pem, e) && file_mkdirs(folder, 0700, e) &&
              file_replace(path, buf_view(&pem), 0600, e);
    buf_done(&pem);
    return ok;
}

static bool prepare(struct init *i, struct err *e) {
    return store_prepare(i->config, e);
}

/* Another node of a shared store may have it already. */
static bool add_domain(struct init *i, struct err *e) {
    struct store *s = store_open(i->config, R_CLI, 1, e);
    if (!s)
        return false;
    struct store_request r;
    struct err why = {.code = ERR_OK};
    store_request_init(&r, OP_DOMAIN_ADD);
    vals_view(&r.args, i->domain);
    bool ok = store_call(s, &r, &why) || why.code == ERR_EXISTS;
    store_request_done(&r);
    store_close(&s);
    return ok || err_set(e, why.code, "%s", why.text);
}

static bool write_config(struct init *i, struct err *e) {
    i->conf_made = file_replace(i->conf, buf_view(&i->text), CONFIG_MODE, e);
    return i->conf_made;
}

static bool interrupted(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP));
}

/* The data belongs to the user of the roles, who may read the settings as well and not change them. */
static bool give_away(struct init *i, struct err *e) {
    if (!i->owner)
        return true;
    FREE_AUTO char *real = realpath(i->data, NULL);
    char *const roots[] = {real, NULL};
    FTS *tree = real ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    bool ok = tree && chown(i->conf, (uid_t)-1, i->owner->pw_gid) == 0;
    for (const FTSENT *entry; ok && (entry = fts_read(tree));)
        ok = entry->fts_info == FTS_DP || lchown(entry->fts_accpath, i->owner->pw_uid, i->owner->pw_gid) == 0;
    int saved = errno;
    if (tree)
        fts_close(tree);
    errno = saved;
    return ok || err_errno(e, ERR_IO, "cannot give %s to user %s", i->data, i->config->user);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place) {
    (void)st, (void)type, (void)place;
    return remove(path);
}

static int remove_inside(const char *path, const struct stat *st, int type, struct FTW *place) {
    (void)st, (void)type;
    return place->level == 0 ? 0 : remove(path);
}

/* It was empty: what is in it now was made here. */
static void empty_again(const char *folder) {
    FREE_AUTO char *real = realpath(folder, NULL);
    if (real)
        nftw(real, remove_inside, 16, FTW_DEPTH | FTW_PHYS);
}

/* Remove what was made here, and only that. */
static void undo(struct init *i) {
    if (i->conf_made)
        unlink(i->conf);
    if (i->data_made)
        nftw(i->data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    else if (i->data_given)
        empty_again(i->data);
    if (!i->first_made)
        return;
    size_t least = strlen(i->first_made);
    for (size_t len = strlen(i->dir); len >= least; i->dir[len] = '\0') {
        if (rmdir(i->dir) < 0)
            return;
        while (len > 0 && i->dir[--len] != '/')
            ;
    }
}

static bool make(struct init *i, struct err *e) {
    static bool (*const steps[])(struct init * i, struct err * e) = {
        make_folders, make_certificate, prepare, add_domain, write_config, give_away};
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGHUP);
    sigprocmask(SIG_BLOCK, &stop, &before);
    bool ok = true;
    for (size_t k = 0; ok && k < COUNT_OF(steps); k++)
        ok = interrupted() ? err_set(e, ERR_STOPPING, "interrupted; nothing was made") : steps[k](i, e);
    if (!ok)
        undo(i);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void show_next_steps(const struct init *i) {
    const char *dir = i->cli->args.words[0],
               *listen = i->config->smtp_listen.count > 0 ? i->config->smtp_listen.items[0] : "nowhere yet";
    cli_done(
        i->cli,
        json_pack("{sssoss}", "dir", i->config->dir, "domain", cli_json_text(i->domain), "smtp", listen),
        "The instance %s takes mail for %.*s (settings: %s/postroad.conf). Next:\n"
        "  postroad -C %s run                              # start it; SMTP on %s\n"
        "  postroad -C %s alias set postmaster@%.*s YOU@ELSEWHERE   # or --postmaster, for every domain\n"
        "  postroad -C %s list create news@%.*s --title News",
        dir, VIEW_ARG(i->domain), dir, dir, listen, dir, VIEW_ARG(i->domain), dir, VIEW_ARG(i->domain));
}

bool cmd_init(struct cli *c, struct err *e) {
    struct init i = {.cli = c, .text = BUF_INIT(LIMIT_CONFIG_FILE), .domain = VIEW("")};
    view dir = view_of(c->args.words[0]);
    while (dir.len > 1 && view_ends_with(dir, VIEW("/")))
        dir = view_slice(dir, 0, dir.len - 1);
    if (dir.len == 0)
        return err_set(e, ERR_USAGE, "init: DIR is empty");
    i.dir = mem_view(dir);
    i.data = mem_printf("%s/data", i.dir);
    i.conf = mem_printf("%s/postroad.conf", i.dir);
    bool ok = check_given(&i, e) && check_place(&i, e) && make(&i, e);
    if (ok)
        show_next_steps(&i);
    config_free(i.config);
    buf_done(&i.text);
    free(i.first_made);
    free(i.dir);
    free(i.data);
    free(i.conf);
    return ok;
}
