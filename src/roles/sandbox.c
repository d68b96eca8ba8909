/* sandbox.c: the table of what each role may do, and the two mechanisms that hold it to it.
 *
 * Landlock allows by list: a path not named in the row cannot be opened, a TCP port not named cannot be
 * connected to, and no process outside can be signalled. A rule is about the file that is there now: a file
 * replaced later by another of the same name is not covered, so what is replaced in use is named by its
 * folder. seccomp denies by list: a role runs libraries whose system calls differ from release to release and
 * with sanitizers, so what is listed is what no part of a mail server has any business with, and what the row
 * takes away (sockets, listening). A denied call fails with EPERM.
 *
 * Debian 12's headers know Landlock as it was in 2022. The newer constants are of the kernel's user API,
 * which never changes; what the running kernel does not know is left out. */
#include "roles/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- the table ---- */

enum {
    MAY_ACCEPT = 1,   /* take connections from listening sockets */
    MAY_CONNECT = 2,  /* connect to any host */
    MAY_RESOLVE = 4,  /* DNS, by its ports, and the files that say how */
    MAY_CRYPT = 8,    /* OpenSSL's configuration and modules */
    MAY_KEYS = 16,    /* the TLS certificate and key */
    MAY_ARCHIVE = 32, /* the archive's files: to read and write */
    MAY_STORE = 64,   /* the store's file */
    MAY_SIGN = 128,   /* the keys that mail is signed with */
};

static const struct row {
    const char *role;
    unsigned may;
} rows[] = {
    {"stored", MAY_ACCEPT | MAY_STORE},
    {"smtpd", MAY_ACCEPT | MAY_RESOLVE | MAY_CRYPT | MAY_KEYS},
    {"router", MAY_CRYPT},
    {"deliver", MAY_CONNECT | MAY_RESOLVE | MAY_CRYPT | MAY_SIGN},
    {"archived", MAY_CRYPT | MAY_ARCHIVE},
    {"httpd", MAY_ACCEPT | MAY_CRYPT},
};
/* All may use what is open when they lock themselves in (metrics, crash record, hint socket, log) and connect
 * to sockets in the instance's folder (stored, hints). With PostgreSQL all may connect to its ports, and read
 * what libpq reads. */

static const struct row *row_of(const char *role) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].role, role) == 0)
            return &rows[i];
    BUG("a role without a row in the sandbox table");
}

static bool uses_postgresql(const struct config *c) {
    return strcmp(c->store, "sqlite") != 0;
}

static bool may_network(const struct row *row, const struct config *c) {
    return (row->may & (MAY_CONNECT | MAY_RESOLVE)) || uses_postgresql(c);
}

/* ---- Landlock ---- */

#define FS_EXECUTE    (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE  (1ULL << 2)
#define FS_READ_DIR   (1ULL << 3)
#define FS_REMOVE     (3ULL << 4) /* of folders and files */
#define FS_MAKE_DIR   (1ULL << 7)
#define FS_MAKE_REG   (1ULL << 8)
#define FS_FIRST      ((1ULL << 13) - 1) /* all of ABI 1 */
#define FS_REFER      (1ULL << 13)       /* ABI 2 */
#define FS_TRUNCATE   (1ULL << 14)       /* ABI 3 */
#define FS_IOCTL_DEV  (1ULL << 15)       /* ABI 5 */
#define NET_TCP       3ULL               /* ABI 4: bind, connect */
#define NET_CONNECT   2ULL
#define SCOPES        3ULL /* ABI 6: abstract sockets, signals */
#define RULE_NET_PORT 2

#define FS_READ  (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE (FS_READ | FS_WRITE_FILE | FS_REMOVE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct port_attr {
    uint64_t allowed, port;
};

struct lock {
    int fd;
    long abi;
    struct ruleset_attr handled;
};

static bool allow(const struct lock *l, const char *path, uint64_t rights) {
    struct stat st;
    CLOSE_AUTO int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOENT || errno == EACCES; /* nothing there that could be allowed */
    if (!S_ISDIR(st.st_mode))
        rights &= FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & l->handled.fs, .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* The folder of a file that is replaced in use, unless that would open the whole instance. */
static bool allow_beside(const struct lock *l, const struct config *c, const char *file) {
    FREE_AUTO char *path = *file ? config_path(c, file) : NULL;
    FREE_AUTO char *real = path ? realpath(path, NULL) : NULL;
    FREE_AUTO char *folder = real ? mem_str(real) : NULL;
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!slash)
        return true;
    *(slash == folder ? slash + 1 : slash) = '\0';
    size_t len = strlen(folder);
    bool holds_instance = strncmp(c->dir, folder, len) == 0 && (c->dir[len] == '/' || c->dir[len] == '\0');
    bool is_data = strncmp(folder, c->dir, strlen(c->dir)) == 0 && strstr(folder, "/data");
    return allow(l, holds_instance || is_data || len == 1 ? real : folder, FS_READ);
}

static bool allow_home(const struct lock *l) {
    const char *home = getenv("HOME"), *passfile = getenv("PGPASSFILE");
    bool ok = !passfile || allow(l, passfile, FS_READ);
    if (!home)
        return ok;
    FREE_AUTO char *pass = mem_printf("%s/.pgpass", home);
    FREE_AUTO char *keys = mem_printf("%s/.postgresql", home);
    return allow(l, pass, FS_READ) && allow(l, keys, FS_READ) && ok;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A report names functions and lines: it reads the program, its libraries and the list of mappings; the
 * search for leaks at the end reads the list of threads. */
static bool allow_sanitizer(const struct lock *l) {
    static const char *const paths[] = {"/proc", "/usr/lib", "/lib", "/lib64"};
    FREE_AUTO char *self = realpath("/proc/self/exe", NULL);
    bool ok = !self || allow(l, self, FS_READ);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        ok = allow(l, paths[i], FS_READ) && ok;
    return ok;
}
#else
static bool allow_sanitizer(const struct lock *l) {
    (void)l;
    return true;
}
#endif

/* What is behind each right, and (0) what all may; relative paths are below the instance. */
static const struct {
    unsigned may;
    const char *path;
    uint64_t rights;
} places[] = {
    {0, "postroad.conf", FS_READ},
    {0, "/dev/null", FS_READ | FS_WRITE_FILE},
    {0, "/dev/urandom", FS_READ},
    {MAY_CRYPT, "/etc/ssl", FS_READ},
    {MAY_CRYPT | MAY_RESOLVE, "/usr/lib", FS_READ},
    {MAY_CRYPT | MAY_RESOLVE, "/lib", FS_READ},
    {MAY_CRYPT | MAY_RESOLVE, "/lib64", FS_READ},
    {MAY_RESOLVE, "/etc", FS_READ},
    {MAY_RESOLVE, "/usr/share", FS_READ},
    {MAY_CONNECT, "/usr/local/share/ca-certificates", FS_READ}, /* where /etc/ssl/certs leads */
    {MAY_ARCHIVE, "data/archive", FS_WRITE},
    {MAY_ARCHIVE, "data", FS_READ_DIR}, /* opened to sync the name of the folder in it */
    {MAY_SIGN, "data/dkim", FS_READ},
    {MAY_STORE, "data/store.db", FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE},
    {MAY_STORE, "data/store.db-wal", FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE},
    {MAY_STORE, "data/store.db.snapshot", FS_WRITE},
};

/* "name=certificate:key" each. */
static bool allow_by_name(const struct lock *l, const struct config *c,
                          const struct config_list *certificates) {
    bool ok = true;
    for (size_t i = 0; i < certificates->count; i++) {
        view files = view_of(certificates->items[i]), file;
        files = view_skip(files, (size_t)(view_find(files, '=') + 1));
        while (ok && view_split(&files, ':', &file)) {
            FREE_AUTO char *path = mem_view(file);
            ok = allow_beside(l, c, path);
        }
    }
    return ok;
}

/* Paths that settings and the environment name. */
static bool add_named_paths(const struct lock *l, unsigned may, const struct config *c) {
    const char *openssl = may & MAY_CRYPT ? getenv("OPENSSL_CONF") : NULL;
    bool ok = !openssl || allow(l, openssl, FS_READ);
    if (may & MAY_RESOLVE)
        ok = ok && allow_beside(l, c, "/etc/resolv.conf") && allow_beside(l, c, c->dnssec_anchors);
    if (may & MAY_CONNECT)
        ok = ok && allow_beside(l, c, c->tls_ca_file);
    if (may & MAY_KEYS)
        ok = ok && allow_beside(l, c, c->tls_certificate) && allow_beside(l, c, c->tls_key) &&
             allow_by_name(l, c, &c->tls_certificates);
    return ok && (!uses_postgresql(c) || allow_home(l));
}

static bool add_paths(const struct lock *l, const struct row *row, const struct config *c) {
    unsigned may = row->may | (uses_postgresql(c) ? MAY_RESOLVE : 0);
    FREE_AUTO char *archive = config_path(c, "data/archive"),
                   *snapshot = config_path(c, "data/store.db.snapshot"), *keys = config_path(c, "data/dkim");
    if (((may & MAY_ARCHIVE) && !file_mkdirs(archive, 0750, NULL)) || /* a rule needs something to be about */
        ((may & MAY_STORE) && !file_mkdirs(snapshot, 0700, NULL)) ||
        ((may & MAY_SIGN) && !file_mkdirs(keys, 0700, NULL)))
        return false;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].may && !(places[i].may & may))
            continue;
        FREE_AUTO char *path = config_path(c, places[i].path);
        if (!allow(l, path, places[i].rights))
            return false;
    }
    return add_named_paths(l, may, c) && allow_sanitizer(l);
}

static bool allow_port(const struct lock *l, int64_t port) {
    struct port_attr rule = {.allowed = NET_CONNECT, .port = (uint64_t)port};
    return syscall(SYS_landlock_add_rule, l->fd, RULE_NET_PORT, &rule, 0) == 0;
}

/* The ports in postgresql://user@host:port,host:port/database?...; false when that does not say them all. */
static bool allow_postgresql(const struct lock *l, const char *url) {
    view rest = view_of(url), host;
    ptrdiff_t slashes = view_search(rest, VIEW("//"));
    rest = view_skip(rest, slashes < 0 ? 0 : (size_t)slashes + 2);
    if (view_search(rest, VIEW("port=")) >= 0)
        return false;
    size_t end = strcspn(rest.ptr, "/?");
    rest = view_slice(rest, 0, end < rest.len ? end : rest.len);
    for (ptrdiff_t at; (at = view_find(rest, '@')) >= 0;)
        rest = view_skip(rest, (size_t)at + 1);
    while (view_split(&rest, ',', &host)) {
        int64_t port = 5432;
        size_t digits = host.len;
        while (digits > 0 && ascii_is_digit(host.ptr[digits - 1]))
            digits--;
        if (digits > 0 && digits < host.len && host.ptr[digits - 1] == ':' &&
            !view_to_i64(view_skip(host, digits), &port))
            return false;
        if (!allow_port(l, port))
            return false;
    }
    return true;
}

/* Long answers of DNS come by TCP. */
static bool allow_name_servers(const struct lock *l, const struct config *c) {
    bool ok = allow_port(l, 53);
    for (size_t i = 0; i < c->dns_servers.count; i++) {
        view server = view_of(c->dns_servers.items[i]);
        ptrdiff_t at = view_find(server, '@');
        int64_t port;
        if (at >= 0 && view_to_i64(view_skip(server, (size_t)at + 1), &port))
            ok = ok && allow_port(l, port);
    }
    return ok;
}

/* What a row does not limit is not handled, so that it stays as it is. */
static void choose_handled(struct lock *l, const struct row *row) {
    l->handled = (struct ruleset_attr){.fs = FS_FIRST};
    if (l->abi >= 2)
        l->handled.fs |= FS_REFER;
    if (l->abi >= 3)
        l->handled.fs |= FS_TRUNCATE;
    if (l->abi >= 4 && !(row->may & MAY_CONNECT)) /* smtpd alone binds its ports itself, in between */
        l->handled.net = row->may & MAY_ACCEPT ? NET_CONNECT : NET_TCP;
    if (l->abi >= 5)
        l->handled.fs |= FS_IOCTL_DEV;
    if (l->abi >= 6)
        l->handled.scoped = SCOPES;
}

static int make_ruleset(const struct ruleset_attr *handled) {
    return (int)syscall(SYS_landlock_create_ruleset, handled, sizeof *handled, 0);
}

/* False with errno: this kernel has no Landlock, or not enough memory. */
static bool lock_in(struct lock *l, const struct row *row, const struct config *c) {
    l->abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (l->abi < 1)
        return false;
    choose_handled(l, row);
    l->fd = make_ruleset(&l->handled);
    bool ports_known = true;
    if (l->fd >= 0 && l->handled.net && uses_postgresql(c) && !allow_postgresql(l, c->store)) {
        close(l->fd); /* which ports cannot be told: TCP is not limited then */
        l->handled.net = 0;
        ports_known = false;
        l->fd = make_ruleset(&l->handled);
    }
    bool resolves = l->handled.net && (row->may & MAY_RESOLVE);
    bool ok = l->fd >= 0 && (!resolves || allow_name_servers(l, c)) && add_paths(l, row, c) &&
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              syscall(SYS_landlock_restrict_self, l->fd, 0) == 0;
    int saved = errno;
    if (l->fd >= 0)
        close(l->fd);
    errno = saved;
    if (!ports_known)
        log_line(LOG_WARN, "tcp-not-limited",
                 LOG_S("reason", "store does not name PostgreSQL's port plainly"));
    return ok;
}

static bool wanted(const struct config *c, bool *ret_must, struct err *e) {
    *ret_must = strcmp(c->sandbox, "on") == 0;
    if (*ret_must || strcmp(c->sandbox, "try") == 0)
        return true;
    if (strcmp(c->sandbox, "off") == 0)
        return false;
    err_set(e, ERR_CONFIG, "sandbox = %.60s: on, try or off is wanted", c->sandbox);
    return false;
}

bool sandbox_files(const char *role, const struct config *c, struct err *e) {
    struct lock l = {.fd = -1};
    bool must;
    e->code = ERR_OK;
    if (!wanted(c, &must, e))
        return e->code == ERR_OK;
    if (lock_in(&l, row_of(role), c)) {
        log_line(LOG_DEBUG, "locked-in", LOG_I("landlock", l.abi));
        return true;
    }
    if (must)
        return err_errno(e, ERR_SYSTEM, "sandbox = on, and this kernel cannot (Landlock)");
    log_line(LOG_WARN, "not-locked-in",
             LOG_S("reason", "no Landlock in this kernel: files and connections are not limited"),
             LOG_S("error", strerrordesc_np(errno)));
    return true;
}

/* ---- seccomp ---- */

#define CALL(name) SCMP_SYS(name)

/* Other programs and processes, other roots and namespaces, the kernel itself; io_uring goes round every
 * other rule. */
static const int never[] = {
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(vfork),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(pidfd_getfd),
    CALL(kcmp),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(chroot),
    CALL(move_mount),
    CALL(open_tree),
    CALL(fsopen),
    CALL(fsmount),
    CALL(fsconfig),
    CALL(fspick),
    CALL(mount_setattr),
    CALL(unshare),
    CALL(setns),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(kexec_load),
    CALL(kexec_file_load),
    CALL(reboot),
    CALL(swapon),
    CALL(swapoff),
    CALL(acct),
    CALL(quotactl),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(clock_adjtime),
    CALL(adjtimex),
    CALL(sethostname),
    CALL(setdomainname),
    CALL(syslog),
    CALL(vhangup),
    CALL(iopl),
    CALL(ioperm),
    CALL(modify_ldt),
    CALL(open_by_handle_at),
    CALL(fanotify_init),
    CALL(setuid),
    CALL(setgid),
    CALL(setreuid),
    CALL(setregid),
    CALL(setresuid),
    CALL(setresgid),
    CALL(setgroups),
    CALL(setfsuid),
    CALL(setfsgid),
    CALL(capset),
    CALL(mknod),
    CALL(mknodat),
#if !defined(__SANITIZE_ADDRESS__)
    CALL(ptrace), /* the search for leaks stops the other threads with it */
#endif
};

static bool deny(scmp_filter_ctx f, int call, unsigned count, struct scmp_arg_cmp arg) {
    return seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), call, count, &arg) == 0;
}

/* Families beside UNIX: none, or IPv4, IPv6 and netlink, which the resolver asks for the addresses here. */
static bool deny_sockets(scmp_filter_ctx f, bool network) {
    bool ok = true;
    if (!network)
        return deny(f, CALL(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    for (unsigned family = 0; family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            ok = ok && deny(f, CALL(socket), 1, SCMP_A0(SCMP_CMP_EQ, family));
    return ok && deny(f, CALL(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

/* A new process has its memory to itself; threads share it. A new namespace begins with a flag of clone too;
 * clone3 hides its flags in memory, and glibc goes on with clone when there is none. */
static bool deny_processes(scmp_filter_ctx f) {
    return deny(f, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM, 0)) &&
           deny(f, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)) &&
           seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0) == 0;
}

static bool add_rules(scmp_filter_ctx f, const struct row *row, const struct config *c) {
    static const int accepting[] = {CALL(listen), CALL(accept), CALL(accept4)};
    const struct scmp_arg_cmp none = {0};
    bool ok = true;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        ok = ok && deny(f, never[i], 0, none);
    for (size_t i = 0; !(row->may & MAY_ACCEPT) && i < sizeof accepting / sizeof accepting[0]; i++)
        ok = ok && deny(f, accepting[i], 0, none);
    return ok && deny_processes(f) && deny_sockets(f, may_network(row, c));
}

bool sandbox_calls(const char *role, const struct config *c, struct err *e) {
    bool must;
    e->code = ERR_OK;
    if (!wanted(c, &must, e))
        return e->code == ERR_OK;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = f && seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && add_rules(f, row_of(role), c);
    int failed = ok ? seccomp_load(f) : -ENOMEM;
    seccomp_release(f);
    if (failed == 0)
        return true;
    errno = -failed;
    if (must)
        return err_errno(e, ERR_SYSTEM, "sandbox = on, and this kernel cannot (seccomp)");
    log_line(LOG_WARN, "not-locked-in",
             LOG_S("reason", "no seccomp in this kernel: system calls are not limited"),
             LOG_S("error", strerrordesc_np(errno)));
    return true;
}
