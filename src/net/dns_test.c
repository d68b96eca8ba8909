/* dns_test.c: look-ups against a real name server, Knot DNS, started on a loopback port with a zone of ours.
 *
 * The server is POSTROAD_KNOTD, else what scripts/peers finds or unpacks; without one the test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 30 * 1000, HOUR = 3600 * 1000, ARENA = 64 * 1024, SKIPPED = 77 };

static const char zone[] = "$ORIGIN example.org.\n"
                           "$TTL 3600\n"
                           "@ SOA ns hostmaster 1 3600 600 86400 300\n"
                           "@ NS ns\n"
                           "ns A 127.0.0.1\n"
                           "@ MX 20 backup\n"
                           "@ MX 10 MX1.Example.ORG.\n"
                           "@ MX 30 mx.elsewhere.example.\n"
                           "equal MX 10 a\n"
                           "equal MX 10 b\n"
                           "equal MX 10 c\n"
                           "equal MX 10 d\n"
                           "equal MX 5 first\n"
                           "null MX 0 .\n"
                           "mixed MX 0 .\n"
                           "mixed MX 10 mx1\n"
                           "odd MX 10 a\\046b\n"
                           "odd2 MX 10 a\\046b\n"
                           "odd2 MX 20 mx1\n"
                           "alias CNAME @\n"
                           "mx1 A 192.0.2.1\n"
                           "mx1 AAAA 2001:db8::1\n"
                           "www CNAME mx1\n"
                           "both A 192.0.2.11\n"
                           "both A 192.0.2.12\n"
                           "both A 192.0.2.13\n"
                           "both AAAA 2001:db8::11\n"
                           "both AAAA 2001:db8::12\n"
                           "six AAAA 2001:db8::6\n"
                           "text TXT \"no address\"\n"
                           "*.many A 192.0.2.99\n";

static const char reverse_zone[] = "$ORIGIN 9.9.9.in-addr.arpa.\n"
                                   "$TTL 3600\n"
                                   "@ SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300\n"
                                   "@ NS ns.example.org.\n"
                                   "7 PTR Mail.example.org.\n";

static const char config[] = "server:\n"
                             "  rundir: %1$s\n"
                             "  listen: 127.0.0.1@%2$d\n"
                             "  udp-workers: 1\n"
                             "  tcp-workers: 1\n"
                             "  background-workers: 1\n"
                             "database:\n"
                             "  storage: %1$s\n"
                             "  journal-db-max-size: 10M\n"
                             "  timer-db-max-size: 10M\n"
                             "template:\n"
                             "  - id: default\n"
                             "    storage: %1$s\n"
                             "    zonefile-sync: -1\n"
                             "    journal-content: none\n"
                             "zone:\n"
                             "  - domain: example.org\n"
                             "    file: zone\n"
                             "  - domain: 9.9.9.in-addr.arpa\n"
                             "    file: reverse\n"
                             "  - domain: broken.example\n" /* its file is missing: SERVFAIL */
                             "    file: missing\n";

static struct {
    char dir[32];
    char *knotd;
    pid_t pid;
    char address[32]; /* "127.0.0.1@port" */
    struct dns *dns;
} server;

/* ---- the name server ---- */

static int bound_socket(int type, int port) {
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int socket_port(int fd) {
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 ? ntohs(addr.sin_port) : -1;
}

/* A port that is free for UDP and TCP now. */
static int free_port(void) {
    for (int i = 0; i < 100; i++) {
        CLOSE_AUTO int udp = bound_socket(SOCK_DGRAM, 0);
        CLOSE_AUTO int tcp = bound_socket(SOCK_STREAM, socket_port(udp));
        if (tcp >= 0)
            return socket_port(udp);
    }
    return -1;
}

static bool put_file(const char *name, const char *text) {
    FREE_AUTO char *path = mem_printf("%s/%s", server.dir, name);
    FILE *f = fopen(path, "w");
    return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

/* The socket on which the server says READY=1 (sd_notify(3)). */
static int notify_socket(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    unlink(path);
    return fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 ? fd : -1;
}

static bool await_ready(int fd) {
    char text[512] = "";
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (int64_t until = clock_real_us() / 1000 + PATIENCE_MS; clock_real_us() / 1000 < until;) {
        if (poll(&readable, 1, 100) == 1) {
            ssize_t n = recv(fd, text, sizeof text - 1, 0);
            text[n > 0 ? n : 0] = '\0';
            if (strstr(text, "READY=1"))
                return true;
        }
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid) {
            server.pid = 0; /* another program took the port meanwhile, or knotd is broken */
            return false;
        }
    }
    return false;
}

static void run_server(const char *config_path, const char *notify_path, const char *log_path) {
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("NOTIFY_SOCKET", notify_path, 1);
    dup2(log, 1);
    dup2(log, 2);
    execl(server.knotd, "knotd", "-c", config_path, (char *)NULL);
    _exit(127);
}

static bool start_server(int port) {
    FREE_AUTO char *text = mem_printf(config, server.dir, port);
    FREE_AUTO char *config_path = mem_printf("%s/knot.conf", server.dir);
    FREE_AUTO char *notify_path = mem_printf("%s/notify", server.dir);
    FREE_AUTO char *log_path = mem_printf("%s/log", server.dir);
    CLOSE_AUTO int notify = notify_socket(notify_path);
    if (!put_file("zone", zone) || !put_file("reverse", reverse_zone) || !put_file("knot.conf", text) ||
        notify < 0)
        return false;
    server.pid = fork();
    if (server.pid == 0)
        run_server(config_path, notify_path, log_path);
    snprintf(server.address, sizeof server.address, "127.0.0.1@%d", port);
    return server.pid > 0 && await_ready(notify);
}

/* The port may still be held by a question that was sent from it. */
static bool start_server_on(int port) {
    for (int64_t until = clock_real_us() / 1000 + PATIENCE_MS; clock_real_us() / 1000 < until;)
        if (start_server(port))
            return true;
    return false;
}

static void stop_server(void) {
    if (server.pid <= 0)
        return;
    kill(server.pid, SIGTERM);
    waitpid(server.pid, NULL, 0);
    server.pid = 0;
}

/* scripts/peers of the source tree that the test was built in. */
static char *ask_peers(void) {
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    for (char *slash; (slash = strrchr(path, '/'));) {
        *slash = '\0';
        FREE_AUTO char *script = mem_printf("%s/scripts/peers", path);
        if (access(script, X_OK) < 0)
            continue;
        FREE_AUTO char *command = mem_printf("'%s' knot 2>/dev/null", script);
        char line[4096] = "";
        FILE *f = popen(command, "re");
        bool ok = f && fgets(line, sizeof line, f);
        ok = f && pclose(f) == 0 && ok;
        return ok ? mem_view(view_trim(view_of(line))) : NULL;
    }
    return NULL;
}

static char *find_knotd(void) {
    const char *given = getenv("POSTROAD_KNOTD");
    char *path = given ? mem_str(given) : ask_peers();
    if (path && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static struct dns *open_dns(char *address) {
    struct err e;
    struct dns *d = dns_open(&address, 1, &e);
    if (!d)
        fail_msg("%s", e.text);
    return d;
}

static int set_up(void **state) {
    struct err e;
    (void)state;
    snprintf(server.dir, sizeof server.dir, "/tmp/dns-test-XXXXXX");
    if (!mkdtemp(server.dir))
        return -1;
    FREE_AUTO char *clock = mem_printf("%s/clock", server.dir);
    if (!clock_attach(clock, &e))
        return -1;
    for (int i = 0; i < 5; i++) {
        if (start_server(free_port())) {
            server.dns = open_dns(server.address);
            return 0;
        }
    }
    return -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int tear_down(void **state) {
    (void)state;
    dns_close(&server.dns);
    stop_server();
    free(server.knotd);
    return nftw(server.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- look-ups ---- */

static int64_t soon(void) {
    return clock_mono_ms() + PATIENCE_MS;
}

/* "10 mx1.example.org, 20 …"; or the name of the error. */
static const char *mx_of(struct dns *d, view domain, struct arena *a) {
    struct err e;
    struct dns_mx *mx = NULL;
    int count = dns_lookup_mx(d, domain, a, soon(), &mx, NULL, &e);
    if (count < 0)
        return err_info(e.code)->name;
    const char *text = "";
    for (int i = 0; i < count; i++)
        text =
            arena_printf(a, "%s%s%d %.*s", text, i ? ", " : "", mx[i].preference, VIEW_ARG(mx[i].host)).ptr;
    return text;
}

static const char *addresses_of(struct dns *d, view host, struct arena *a) {
    struct err e;
    struct sockaddr_any *addrs = NULL;
    int count = dns_lookup_addresses(d, host, 25, a, soon(), &addrs, NULL, &e);
    if (count < 0)
        return err_info(e.code)->name;
    const char *text = "";
    for (int i = 0; i < count; i++)
        text = arena_printf(a, "%s%s%s", text, i ? " " : "", sockaddr_format(&addrs[i]).s).ptr;
    return text;
}

static void mail_servers(void **state) {
    (void)state;
    static const struct {
        const char *domain, *servers;
    } cases[] = {
        {"example.org", "10 mx1.example.org, 20 backup.example.org, 30 mx.elsewhere.example"},
        {"EXAMPLE.org.", "10 mx1.example.org, 20 backup.example.org, 30 mx.elsewhere.example"},
        {"alias.example.org", "10 mx1.example.org, 20 backup.example.org, 30 mx.elsewhere.example"},
        {"mx1.example.org", ""}, /* addresses only */
        {"text.example.org", ""},
        {"null.example.org", "NULL_MX"},
        {"mixed.example.org", "10 mx1.example.org"},
        {"odd.example.org", "DNS"}, /* a dot inside of a label */
        {"odd2.example.org", "20 mx1.example.org"},
        {"missing.example.org", "HOST_UNKNOWN"},
        {"broken.example", "DNS"},   /* SERVFAIL */
        {"not-ours.example", "DNS"}, /* REFUSED */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        arena_init(&a, ARENA);
        assert_string_equal(mx_of(server.dns, view_of(cases[i].domain), &a), cases[i].servers);
        arena_done(&a);
    }
}

static void errors_mean_what_they_say(void **state) {
    (void)state;
    struct arena a;
    struct err e;
    struct dns_mx *mx;
    arena_init(&a, ARENA);
    assert_int_equal(dns_lookup_mx(server.dns, VIEW("broken.example"), &a, soon(), &mx, NULL, &e), -1);
    assert_true(err_is_temporary(&e));
    assert_non_null(strstr(e.text, "broken.example"));
    assert_int_equal(dns_lookup_mx(server.dns, VIEW("missing.example.org"), &a, soon(), &mx, NULL, &e), -1);
    assert_false(err_is_temporary(&e));
    assert_int_equal(dns_lookup_mx(server.dns, VIEW("null.example.org"), &a, soon(), &mx, NULL, &e), -1);
    assert_false(err_is_temporary(&e));
    assert_int_equal(dns_lookup_mx(server.dns, VIEW("broken.example"), &a, soon(), &mx, NULL, NULL), -1);
    arena_done(&a);
}

static void equal_preferences_are_shuffled(void **state) {
    (void)state;
    enum { TIMES = 100 };
    char *orders[TIMES];
    int different = 0;
    for (int i = 0; i < TIMES; i++) {
        struct arena a;
        arena_init(&a, ARENA);
        const char *order = mx_of(server.dns, VIEW("equal.example.org"), &a);
        assert_true(view_starts_with(view_of(order), VIEW("5 first.example.org, 10 ")));
        orders[i] = mem_str(order);
        arena_done(&a);
        int before = 0;
        while (strcmp(orders[before], orders[i]) != 0)
            before++;
        different += before == i;
    }
    for (int i = 0; i < TIMES; i++)
        free(orders[i]);
    /* Of 24; taking turns, as the resolver does by itself, would give 4. */
    assert_true(different > 8);
}

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *host, *addresses;
    } cases[] = {
        {"mx1.example.org", "[2001:db8::1]:25 192.0.2.1:25"},
        {"MX1.example.org.", "[2001:db8::1]:25 192.0.2.1:25"},
        {"www.example.org", "[2001:db8::1]:25 192.0.2.1:25"},
        {"six.example.org", "[2001:db8::6]:25"},
        {"ns.example.org", "127.0.0.1:25"},
        {"text.example.org", ""},
        {"missing.example.org", "HOST_UNKNOWN"},
        {"broken.example", "DNS"},
        {"192.0.2.7", "192.0.2.7:25"},
        {"[192.0.2.7]", "192.0.2.7:25"},
        {"2001:db8::7", "[2001:db8::7]:25"},
        {"[2001:db8::7]", "[2001:db8::7]:25"},
        {"[IPv6:2001:db8::7]", "[2001:db8::7]:25"},
        {"localhost", "127.0.0.1:25"},
        {"LocalHost", "127.0.0.1:25"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        arena_init(&a, ARENA);
        assert_string_equal(addresses_of(server.dns, view_of(cases[i].host), &a), cases[i].addresses);
        arena_done(&a);
    }
}

static void names_of_addresses(void **state) {
    (void)state;
    struct arena a;
    struct sockaddr_any addr;
    struct err e = {0};
    view names[2];
    arena_init(&a, ARENA);
    assert_true(sockaddr_from_ip(VIEW("9.9.9.7"), 25, &addr, NULL));
    assert_int_equal(dns_lookup_names(server.dns, &addr, &a, clock_mono_ms() + PATIENCE_MS, names, 2, &e), 1);
    assert_true(view_eq(names[0], VIEW("mail.example.org")));
    assert_true(sockaddr_from_ip(VIEW("9.9.9.8"), 25, &addr, NULL));
    assert_int_equal(dns_lookup_names(server.dns, &addr, &a, clock_mono_ms() + PATIENCE_MS, names, 2, &e), 0);
    assert_true(
        sockaddr_from_ip(VIEW("2001:db8::1"), 25, &addr, NULL)); /* nobody answers for it, or "none" */
    assert_true(dns_lookup_names(server.dns, &addr, &a, clock_mono_ms() + PATIENCE_MS, names, 2, &e) <= 0);
    arena_done(&a);
}

static void kinds_alternate(void **state) {
    (void)state;
    static const int families[] = {AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET};
    struct arena a;
    struct err e;
    struct sockaddr_any *addrs;
    arena_init(&a, ARENA);
    assert_int_equal(
        dns_lookup_addresses(server.dns, VIEW("both.example.org"), 24, &a, soon(), &addrs, NULL, &e), 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(addrs[i].storage.ss_family, families[i]);
        assert_int_equal(sockaddr_port(&addrs[i]), 24);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sockaddr_ip(&addrs[i]).s, sockaddr_ip(&addrs[k]).s);
    }
    arena_done(&a);
}

static void odd_names(void **state) {
    (void)state;
    static const char label64[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.org";
    char dots[600];
    for (size_t i = 0; i < sizeof dots; i++)
        dots[i] = i % 2 ? '.' : 'a';
    const view names[] = {
        VIEW(""),
        VIEW("."),
        VIEW(".."),
        VIEW("a..example.org"),
        VIEW(".example"),
        VIEW("mx1 .example.org"),
        VIEW("[192.0.2"),
        VIEW("[nobody]"),
        VIEW("[]"),
        VIEW("a\\046b.example.org"),
        VIEW("a\0b.org"),
        view_of(label64),
        view_from(dots, sizeof dots),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct arena a;
        arena_init(&a, ARENA);
        assert_string_equal(mx_of(server.dns, names[i], &a), "HOST_UNKNOWN");
        assert_string_equal(addresses_of(server.dns, names[i], &a), "HOST_UNKNOWN");
        arena_done(&a);
    }
}

static void small_arenas(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    assert_string_equal(mx_of(server.dns, VIEW("example.org"), &a), "LIMIT");
    arena_done(&a);
    arena_init(&a, 64);
    assert_string_equal(addresses_of(server.dns, VIEW("both.example.org"), &a), "LIMIT");
    arena_done(&a);
}

/* ---- many at once ---- */

struct crowd {
    int number;
    int64_t patience_ms; /* per look-up */
    int answered, timed_out, wrong;
};

static void *look_up_many(void *ctx) {
    enum { TIMES = 100 };
    struct crowd *c = ctx;
    for (int i = 0; i < TIMES; i++) {
        struct arena a;
        struct err e = {.code = ERR_OK};
        struct sockaddr_any *addrs;
        arena_init(&a, ARENA);
        /* Nobody has asked for this name before, so it is not in the resolver's memory. */
        view name = arena_printf(&a, "h%d-%d-%d.many.example.org", c->number, i, (int)c->patience_ms);
        int count = dns_lookup_addresses(server.dns, name, 25, &a, clock_mono_ms() + c->patience_ms, &addrs,
                                         NULL, &e);
        if (count == 1 && strcmp(sockaddr_format(&addrs[0]).s, "192.0.2.99:25") == 0)
            c->answered++;
        else if (count == -1 && e.code == ERR_TIMEOUT)
            c->timed_out++;
        else
            c->wrong++;
        arena_done(&a);
    }
    return NULL;
}

static void run_crowd(int64_t patience_ms, struct crowd *ret_sum) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct crowd crowds[THREADS], sum = {0};
    for (int i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.number = i, .patience_ms = patience_ms};
        assert_int_equal(pthread_create(&threads[i], NULL, look_up_many, &crowds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum.answered += crowds[i].answered;
        sum.timed_out += crowds[i].timed_out;
        sum.wrong += crowds[i].wrong;
    }
    *ret_sum = sum;
}

static void many_at_once(void **state) {
    (void)state;
    struct crowd sum;
    run_crowd(PATIENCE_MS, &sum);
    assert_int_equal(sum.answered, 800);
    assert_int_equal(sum.wrong, 0);
}

/* Answers arrive while their callers are leaving. */
static void impatient_callers(void **state) {
    (void)state;
    for (int64_t patience_ms = 0; patience_ms < 4; patience_ms++) {
        struct crowd sum;
        run_crowd(patience_ms, &sum);
        assert_int_equal(sum.wrong, 0);
        assert_int_equal(sum.answered + sum.timed_out, 800);
        assert_true(patience_ms > 0 || sum.timed_out > 0);
    }
}

/* ---- servers that do not answer ---- */

struct waiting {
    struct dns *d;
    atomic_bool asked;
    int count;
    enum err_code code;
};

static void *look_up_for_an_hour(void *ctx) {
    struct waiting *w = ctx;
    struct arena a;
    struct err e = {.code = ERR_OK};
    struct dns_mx *mx;
    arena_init(&a, ARENA);
    int64_t deadline = clock_mono_ms() + HOUR;
    atomic_store(&w->asked, true);
    w->count = dns_lookup_mx(w->d, VIEW("hour.example.org"), &a, deadline, &mx, NULL, &e);
    w->code = e.code;
    arena_done(&a);
    return NULL;
}

static void silence(void **state) {
    (void)state;
    CLOSE_AUTO int udp = bound_socket(SOCK_DGRAM, 0);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1@%d", socket_port(udp));
    struct dns *d = open_dns(address);
    struct arena a;
    struct err e;
    struct dns_mx *mx;
    struct sockaddr_any *addrs;
    arena_init(&a, ARENA);
    int64_t before = clock_mono_ms();
    assert_int_equal(dns_lookup_mx(d, VIEW("example.org"), &a, before + 50, &mx, NULL, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_true(clock_mono_ms() - before >= 50);
    assert_int_equal(dns_lookup_addresses(d, VIEW("example.org"), 25, &a, before + 100, &addrs, NULL, &e),
                     -1);
    assert_int_equal(e.code, ERR_TIMEOUT);

    struct waiting w = {.d = d, .code = ERR_OK};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_up_for_an_hour, &w), 0);
    while (!atomic_load(&w.asked))
        sched_yield();
    assert_true(clock_advance(HOUR, &e));
    pthread_join(thread, NULL);
    assert_int_equal(w.count, -1);
    assert_int_equal(w.code, ERR_TIMEOUT);
    arena_done(&a);
    dns_close(&d);
    assert_null(d);
    dns_close(&d);
}

static void wrong_server(void **state) {
    (void)state;
    char bad[] = "not an address";
    char *servers[] = {bad};
    struct err e;
    assert_null(dns_open(servers, 1, &e));
    assert_int_equal(e.code, ERR_CONFIG);
}

/* A name server that comes back is used again, with no restart of ours. */
static void server_comes_back(void **state) {
    (void)state;
    int port = atoi(strchr(server.address, '@') + 1), tries = 0, count;
    struct arena a;
    struct err e;
    struct sockaddr_any *addrs;
    stop_server();
    arena_init(&a, ARENA);
    int64_t deadline = clock_mono_ms() + 1000;
    assert_int_equal(
        dns_lookup_addresses(server.dns, VIEW("gone.many.example.org"), 25, &a, deadline, &addrs, NULL, &e),
        -1);
    assert_true(err_is_temporary(&e));
    assert_true(start_server_on(port));
    for (deadline = soon(); clock_mono_ms() < deadline; arena_reset(&a)) {
        view name = arena_printf(&a, "back%d.many.example.org", tries++);
        if ((count = dns_lookup_addresses(server.dns, name, 25, &a, deadline, &addrs, NULL, &e)) == 1)
            break;
        assert_int_equal(count, -1);
        assert_true(err_is_temporary(&e));
    }
    assert_int_equal(count, 1);
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_servers),
        cmocka_unit_test(errors_mean_what_they_say),
        cmocka_unit_test(equal_preferences_are_shuffled),
        cmocka_unit_test(addresses),
        cmocka_unit_test(kinds_alternate),
        cmocka_unit_test(names_of_addresses),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(small_arenas),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(impatient_callers),
        cmocka_unit_test(silence),
        cmocka_unit_test(wrong_server),
        cmocka_unit_test(server_comes_back),
    };
    server.knotd = find_knotd();
    if (!server.knotd) {
        fputs("skipped: net/dns: no knotd (scripts/peers knot)\n", stderr);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
