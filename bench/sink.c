/*
 * postroad-sink: an SMTP server that accepts mail, counts it and forgets it.
 *
 * The far end of every benchmark, and of tests that need to see what was delivered (--log, --dump) or a
 * server that refuses, delays or drops (--fail-rcpt, --fail-data, --delay-ms, --drop-after, --max-conn).
 */
#include "sink.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char usage[] =
    "usage: postroad-sink -l HOST:PORT [-l HOST:PORT ...] | --sites FILE [options]\n"
    "  -l HOST:PORT           listen here; port 0 takes a free one, printed on standard error\n"
    "  -w N                   worker threads (1)\n"
    "  --starttls CERT KEY    offer STARTTLS with these PEM files\n"
    "  --stats FILE           write statistics there instead of standard output\n"
    "  --expect N             exit when N recipients have arrived\n"
    "  --log FILE             append time, sender, recipient and Message-ID of every accepted recipient\n"
    "  --dump DIR             write every message to DIR/NNNNNN.eml and its envelope to DIR/NNNNNN.env\n"
    "  --fail-rcpt S=REPLY    answer recipients containing S with REPLY, such as '550 5.1.1 No such user'\n"
    "  --fail-data REPLY      answer the end of every message with REPLY\n"
    "  --delay-ms N           wait this long before answering the end of a message\n"
    "  --drop-after N         close a connection after N messages\n"
    "  --max-conn N           answer 421 to connections beyond N\n"
    "  --sites FILE           listen for the sites of a table as well, one a line: NAME HOST:PORT and any "
    "of\n"
    "                           delay=MS       answer this long after the client has spoken\n"
    "                           connections=N  answer 421 to connections beyond N\n"
    "                           rate=N         answer 421 to MAIL beyond N recipients a second\n"
    "                           dead           do not even answer a SYN\n"
    "Statistics are JSON, written on SIGUSR1 and at the end (SIGTERM, SIGINT, --expect).\n";

enum {
    OPT_STARTTLS = 256,
    OPT_STATS,
    OPT_EXPECT,
    OPT_LOG,
    OPT_DUMP,
    OPT_FAIL_RCPT,
    OPT_FAIL_DATA,
    OPT_DELAY,
    OPT_DROP,
    OPT_MAX,
    OPT_SITES,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"starttls", required_argument, NULL, OPT_STARTTLS},
    {"stats", required_argument, NULL, OPT_STATS},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"log", required_argument, NULL, OPT_LOG},
    {"dump", required_argument, NULL, OPT_DUMP},
    {"fail-rcpt", required_argument, NULL, OPT_FAIL_RCPT},
    {"fail-data", required_argument, NULL, OPT_FAIL_DATA},
    {"delay-ms", required_argument, NULL, OPT_DELAY},
    {"drop-after", required_argument, NULL, OPT_DROP},
    {"max-conn", required_argument, NULL, OPT_MAX},
    {"sites", required_argument, NULL, OPT_SITES},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- options ---- */

static void set_reply(char *into, const char *option, const char *text) {
    bool ok = (text[0] == '4' || text[0] == '5') && isdigit((unsigned char)text[1]) &&
              isdigit((unsigned char)text[2]) && text[3] == ' ' && strlen(text) + 3 < REPLY_TEXT;
    if (!ok)
        die("%s wants a reply such as '450 4.2.1 Try later', not '%s'", option, text);
    snprintf(into, REPLY_TEXT, "%s\r\n", text);
}

static void add_rule(struct sink_options *o, char *arg) {
    char *equals = strchr(arg, '=');
    if (equals == NULL || equals == arg || o->n_rules == MAX_RULES)
        die("--fail-rcpt wants SUBSTRING=REPLY, at most %d times", MAX_RULES);
    *equals = '\0';
    o->rules[o->n_rules].part = arg;
    set_reply(o->rules[o->n_rules].reply, "--fail-rcpt", equals + 1);
    o->n_rules++;
}

static bool take_number(struct sink_options *o, int opt, const char *arg) {
    switch (opt) {
    case 'w':
        o->workers = parse_long("-w", arg, 1, MAX_WORKERS);
        return true;
    case OPT_EXPECT:
        o->expect = parse_long("--expect", arg, 1, 1000000000);
        return true;
    case OPT_DELAY:
        o->delay_ms = parse_long("--delay-ms", arg, 0, 3600000);
        return true;
    case OPT_DROP:
        o->drop_after = parse_long("--drop-after", arg, 1, 1000000000);
        return true;
    case OPT_MAX:
        o->max_conn = parse_long("--max-conn", arg, 1, 1000000);
        return true;
    default:
        return false;
    }
}

static void take_text(struct sink *k, int opt, char *arg) {
    struct sink_options *o = &k->opt;
    switch (opt) {
    case 'l':
        site_add(k, "", arg);
        break;
    case OPT_SITES:
        o->sites_file = arg;
        sites_read(k, arg);
        break;
    case OPT_STARTTLS:
        o->cert = arg;
        break;
    case OPT_STATS:
        o->stats_file = arg;
        break;
    case OPT_LOG:
        o->log_file = arg;
        break;
    case OPT_DUMP:
        o->dump_dir = arg;
        break;
    case OPT_FAIL_RCPT:
        add_rule(o, arg);
        break;
    case OPT_FAIL_DATA:
        set_reply(o->fail_data, "--fail-data", arg);
        break;
    case OPT_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void parse_options(struct sink *k, int argc, char **argv) {
    struct sink_options *o = &k->opt;
    int opt;
    o->workers = 1;
    /* The '+' stops getopt from moving words about, so that --starttls may take the word behind its argument.
     */
    while ((opt = getopt_long(argc, argv, "+l:w:", long_options, NULL)) != -1) {
        if (take_number(o, opt, optarg))
            continue;
        take_text(k, opt, optarg);
        if (opt == OPT_STARTTLS) {
            if (optind >= argc)
                die("--starttls wants CERT and KEY");
            o->key = argv[optind++];
        }
    }
    if (optind < argc)
        die("unexpected argument '%s'; try --help", argv[optind]);
    if (k->n_sites == 0)
        die("-l HOST:PORT or --sites FILE is missing; try --help");
}

/* ---- set-up ---- */

static void set_up(struct sink *k) {
    struct sink_options *o = &k->opt;
    raise_nofile();
    signal(SIGPIPE, SIG_IGN);
    k->want_id = o->log_file != NULL;
    if (o->log_file != NULL) {
        k->log_fd = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (k->log_fd < 0)
            die("%s: %s", o->log_file, strerror(errno));
    }
    if (o->cert != NULL) {
        k->tls = SSL_CTX_new(TLS_server_method());
        if (k->tls == NULL || SSL_CTX_use_certificate_chain_file(k->tls, o->cert) != 1 ||
            SSL_CTX_use_PrivateKey_file(k->tls, o->key, SSL_FILETYPE_PEM) != 1)
            die("cannot use certificate %s with key %s", o->cert, o->key);
    }
    sites_open(k);
}

/* ---- statistics ---- */

struct sum {
    const char *name;
    size_t offset;
};

static const struct sum sums[] = {
    {"connections", offsetof(struct sink_stats, connections)},
    {"tls", offsetof(struct sink_stats, tls)},
    {"transactions", offsetof(struct sink_stats, transactions)},
    {"recipients", offsetof(struct sink_stats, rcpts)},
    {"bytes", offsetof(struct sink_stats, bytes)},
    {"refused_connections", offsetof(struct sink_stats, refused_connections)},
    {"dropped_connections", offsetof(struct sink_stats, dropped_connections)},
    {"broken_transactions", offsetof(struct sink_stats, broken)},
    {"refused_recipients", offsetof(struct sink_stats, refused_rcpts)},
    {"refused_messages", offsetof(struct sink_stats, refused_data)},
    {"bad_commands", offsetof(struct sink_stats, bad_commands)},
};

static long sum_of(const struct sink *k, struct worker *workers, size_t offset) {
    long total = 0;
    for (long i = 0; i < k->opt.workers; i++)
        total += *(_Atomic long *)(void *)((char *)&workers[i].stats + offset);
    return total;
}

static void add_times(struct buf *out, const struct sink *k, struct worker *workers) {
    double first = 0, last = 0;
    for (long i = 0; i < k->opt.workers; i++) {
        double f = workers[i].stats.first_unix, l = workers[i].stats.last_unix;
        if (f > 0 && (first <= 0 || f < first))
            first = f;
        if (l > last)
            last = l;
    }
    double rcpts = (double)sum_of(k, workers, offsetof(struct sink_stats, rcpts));
    buf_addf(out, "\"first_unix\": %.3f, \"last_unix\": %.3f, \"recipients_per_s\": %.1f", first, last,
             last > first ? rcpts / (last - first) : 0.0);
}

static void write_stats(struct sink *k, struct worker *workers) {
    struct buf out = {0};
    buf_adds(&out, "{");
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        buf_addf(&out, "\"%s\": %ld, ", sums[i].name, sum_of(k, workers, sums[i].offset));
    buf_addf(&out, "\"open\": %ld, \"open_max\": %ld, ", (long)k->open, (long)k->open_max);
    add_times(&out, k, workers);
    if (k->opt.sites_file != NULL)
        sites_report(k, &out);
    buf_adds(&out, "}\n");
    int fd = STDOUT_FILENO;
    if (k->opt.stats_file != NULL)
        fd = open(k->opt.stats_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || !write_all(fd, out.data, out.len))
        die("cannot write statistics: %s", strerror(errno));
    if (k->opt.stats_file != NULL)
        close(fd);
    buf_free(&out);
}

/* ---- the run ---- */

static void *thread_main(void *arg) {
    worker_run(arg);
    return NULL;
}

static void start_workers(struct sink *k, struct worker *workers) {
    for (long i = 0; i < k->opt.workers; i++) {
        workers[i].sink = k;
        workers[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (workers[i].wake < 0 || pthread_create(&workers[i].thread, NULL, thread_main, &workers[i]) != 0)
            die("cannot start a worker");
    }
}

static void wake_workers(struct sink *k, struct worker *workers) {
    uint64_t one = 1;
    for (long i = 0; i < k->opt.workers; i++)
        write_all(workers[i].wake, &one, sizeof one);
}

/* SIGUSR1: logs first, so that whoever sees the statistics also finds every recipient they count. */
static void report_now(struct sink *k, struct worker *workers) {
    long want = k->log_flushes + k->opt.workers;
    wake_workers(k, workers);
    for (int i = 0; i < 1000 && k->log_flushes < want; i++)
        usleep(1000);
    write_stats(k, workers);
}

int main(int argc, char **argv) {
    static struct sink k;
    static struct worker workers[MAX_WORKERS];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: only this one takes signals */

    parse_options(&k, argc, argv);
    set_up(&k);
    start_workers(&k, workers);
    for (;;) {
        int sig = 0;
        sigwait(&set, &sig);
        if (sig != SIGUSR1)
            break;
        report_now(&k, workers);
    }
    k.stop = true;
    wake_workers(&k, workers);
    for (long i = 0; i < k.opt.workers; i++)
        pthread_join(workers[i].thread, NULL);
    write_stats(&k, workers);
    SSL_CTX_free(k.tls);
    return 0;
}
