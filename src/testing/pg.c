/* pg.c: initdb and postgres are run as they are installed, or as scripts/peers unpacks them. They refuse to
 * run as root, so root's tests run them as the user nobody. The server's life hangs on ours: it is stopped at
 * exit, by its process id, and by the kernel when the test program dies without one. */
#include "testing/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum { START_PATIENCE_MS = 60000, MEMORY_NEEDED = 1 << 30 };

static struct {
    bool tried;
    struct err err; /* why there is none */
    pid_t owner;    /* the process that started it: a child that ends must not stop it */
    pid_t pid;
    char folder[64], log[80];
    PGconn *conn; /* to the database postgres */
} server;

/* Where initdb and postgres are: as scripts/peers says, whose path the build passes on. */
static bool find_binaries(char *ret_folder, size_t size) {
    const char *peers = getenv("POSTROAD_PEERS");
    FREE_AUTO char *command = mem_printf("'%s' postgresql 2>/dev/null", peers ? peers : "scripts/peers");
    FILE *f = popen(command, "re");
    bool ok = f && fgets(ret_folder, (int)size, f);
    ok = f && pclose(f) == 0 && ok;
    if (ok)
        ret_folder[strcspn(ret_folder, "\n")] = '\0';
    return ok;
}

/* In the child: no longer root, and gone when the parent is. */
static void become_nobody(pid_t parent) {
    const struct passwd *nobody = getpwnam("nobody");
    if (geteuid() == 0 &&
        (!nobody || setgroups(0, NULL) < 0 || setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || chdir(server.folder) < 0)
        _exit(126);
}

static pid_t spawn(const char *program, const char *const *arguments) {
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    become_nobody(parent);
    int log = open(server.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(program, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

/* Run a program of the system's and wait for it. */
static bool run(const char *const *arguments) {
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void stop(void) {
    if (getpid() != server.owner)
        return;
    PQfinish(server.conn);
    server.conn = NULL;
    if (server.pid > 0) {
        kill(server.pid, SIGINT); /* "fast": connections are cut */
        waitpid(server.pid, NULL, 0);
    }
    run((const char *const[]){"rm", "-rf", "--", server.folder, NULL});
}

static void no_notices(void *context, const char *message) {
    (void)context, (void)message;
}

/* Asks until it answers or has ended. */
static bool wait_until_ready(void) {
    FREE_AUTO char *url = pg_url("postgres", "postgres");
    for (int64_t end = clock_real_us() + START_PATIENCE_MS * 1000LL; clock_real_us() < end;) {
        server.conn = PQconnectdb(url);
        if (PQstatus(server.conn) == CONNECTION_OK) {
            PQsetNoticeProcessor(server.conn, no_notices, NULL);
            return true;
        }
        PQfinish(server.conn);
        server.conn = NULL;
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid) {
            server.pid = 0;
            break;
        }
        poll(NULL, 0, 10);
    }
    struct buf log = BUF_INIT(1 << 20);
    file_read(server.log, &log, NULL);
    err_set(&server.err, ERR_SYSTEM, "postgres does not start: %.150s", log.data);
    buf_done(&log);
    return false;
}

/* initdb takes seconds, a copy of what it made does not: the first test program of a build leaves one to the
 * others. NULL: nobody wants that. The caller frees it. */
static char *template_folder(const char *initdb) {
    const char *folder = getenv("POSTROAD_PG_TEMPLATE");
    struct stat st;
    return folder && stat(initdb, &st) == 0 ? mem_printf("%s-%lld", folder, (long long)st.st_mtime) : NULL;
}

static bool copy_template(const char *template, const char *data) {
    return template && access(template, F_OK) == 0 &&
           run((const char *const[]){"cp", "-a", template, data, NULL});
}

/* Two may do so at once: one of them is first. */
static void leave_template(const char *template, const char *data) {
    if (!template)
        return;
    FREE_AUTO char *mine = mem_printf("%s.%d", template, (int)getpid());
    if (!run((const char *const[]){"cp", "-a", data, mine, NULL}) || rename(mine, template) != 0)
        run((const char *const[]){"rm", "-rf", "--", mine, NULL});
}

static bool initialise(const char *binaries, const char *data) {
    FREE_AUTO char *initdb = mem_printf("%s/initdb", binaries);
    FREE_AUTO char *template = template_folder(initdb);
    if (copy_template(template, data))
        return true;
    const char *const arguments[] = {initdb,     "--no-sync", "-A",   "trust",      "-U",
                                     "postgres", "-E",        "UTF8", "--locale=C", "--no-instructions",
                                     "-D",       data,        NULL};
    int status = 1;
    pid_t pid = spawn(initdb, arguments);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) {
        leave_template(template, data);
        return true;
    }
    struct buf log = BUF_INIT(1 << 20);
    file_read(server.log, &log, NULL);
    err_set(&server.err, ERR_SYSTEM, "initdb failed: %.180s", log.data);
    buf_done(&log);
    return false;
}

static bool start_in(const char *binaries) {
    const struct passwd *nobody = getpwnam("nobody");
    FREE_AUTO char *data = mem_printf("%s/data", server.folder);
    FREE_AUTO char *postgres = mem_printf("%s/postgres", binaries);
    if (geteuid() == 0 && (!nobody || chown(server.folder, nobody->pw_uid, nobody->pw_gid) < 0))
        return err_errno(&server.err, ERR_SYSTEM, "no user nobody to run it");
    if (!initialise(binaries, data))
        return false;
    const char *const arguments[] = {postgres,
                                     "-D",
                                     data,
                                     "-k",
                                     server.folder,
                                     "-h",
                                     "",
                                     "-c",
                                     "max_connections=60",
                                     "-c",
                                     "shared_buffers=32MB",
                                     "-c",
                                     "autovacuum=off",
                                     NULL};
    server.pid = spawn(postgres, arguments);
    return wait_until_ready();
}

/* Memory, where there is enough: nobody cuts this server's power, and making a database is a thousand syncs.
 */
static const char *temporary(void) {
    struct statvfs st;
    bool roomy = statvfs("/dev/shm", &st) == 0 && access("/dev/shm", W_OK | X_OK) == 0 &&
                 st.f_bavail >= MEMORY_NEEDED / st.f_frsize;
    return roomy ? "/dev/shm" : "/tmp";
}

static bool start(void) {
    if (server.tried)
        return server.conn != NULL;
    server.tried = true;
    server.owner = getpid();
    char binaries[512];
    if (!find_binaries(binaries, sizeof binaries))
        return err_set(&server.err, ERR_NOT_FOUND, "PostgreSQL is not installed and scripts/peers got none");
    snprintf(server.folder, sizeof server.folder, "%s/postroad-pg-XXXXXX", temporary());
    if (!mkdtemp(server.folder))
        return err_errno(&server.err, ERR_SYSTEM, "no temporary folder");
    snprintf(server.log, sizeof server.log, "%s/log", server.folder);
    atexit(stop);
    return start_in(binaries);
}

static bool command(const char *sql, struct err *e) {
    PGresult *res = PQexec(server.conn, sql);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK ||
              err_set(e, ERR_SYSTEM, "%s: %.180s", sql, PQerrorMessage(server.conn));
    PQclear(res);
    return ok;
}

char *pg_url(const char *database, const char *user) {
    return mem_printf("postgresql:///%s?host=%s&user=%s", database, server.folder, user);
}

char *pg_database(const char *name, struct err *e) {
    if (!start()) {
        *e = server.err;
        return NULL;
    }
    FREE_AUTO char *sql = mem_printf("CREATE DATABASE %s TEMPLATE template0", name);
    return command(sql, e) ? pg_url(name, "postgres") : NULL;
}
