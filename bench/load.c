/*
 * postroad-load: offers mail to an SMTP server and measures how it is taken.
 *
 * Trusts nothing it is told by the server beyond SMTP reply codes. See README.md for what the figures mean.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: postroad-load -c HOST:PORT (-m MESSAGES | -t SECONDS) [options]\n"
    "  -s N              sessions at the same time (1)\n"
    "  -j N              threads, 1 or 2 (1)\n"
    "  -m N              messages in all\n"
    "  -t SECONDS        run this long; with --stall, hold the sessions this long\n"
    "  -l BYTES          size of the body (5120)\n"
    "  -r N              recipients a message (1)\n"
    "  -f SENDER         envelope sender, may be empty (sender@load.example)\n"
    "  -T RCPT           recipient; %d becomes the message's number, N-I with -r (rcpt@sink.example)\n"
    "  -R                a new connection for every message\n"
    "  -P                pipelining: MAIL, RCPT and DATA in one write\n"
    "  -S                STARTTLS (certificates are not checked)\n"
    "  -p PREFIX         part of every Message-ID: <load-PREFIX-N@load.example> (time and process id)\n"
    "  -a FILE           append the id of every message answered with 250\n"
    "  --times           with -a: behind each id a tab and the time (UNIX, ms) when its 250 came\n"
    "  --file FILE       send this message instead of generated text\n"
    "  --raw             send FILE as it is: no Message-ID added, line ends kept\n"
    "  --helo NAME       name in EHLO (load.example)\n"
    "  --rate R          at most R messages a second\n"
    "  --stall KIND      hold sessions stuck: idle, ehlo, handshake or data\n"
    "  --timeout S       longest wait for a reply (60)\n"
    "  --retry-connect   open lost connections again; their messages count as unanswered, not failed\n"
    "  --tolerate        exit 0 although messages failed\n"
    "  --json            report as JSON\n";

enum {
    OPT_FILE = 256,
    OPT_RAW,
    OPT_HELO,
    OPT_RATE,
    OPT_STALL,
    OPT_TIMEOUT,
    OPT_RETRY,
    OPT_TIMES,
    OPT_TOLERATE,
    OPT_JSON,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"file", required_argument, NULL, OPT_FILE},     {"raw", no_argument, NULL, OPT_RAW},
    {"helo", required_argument, NULL, OPT_HELO},     {"rate", required_argument, NULL, OPT_RATE},
    {"stall", required_argument, NULL, OPT_STALL},   {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"retry-connect", no_argument, NULL, OPT_RETRY}, {"times", no_argument, NULL, OPT_TIMES},
    {"tolerate", no_argument, NULL, OPT_TOLERATE},   {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},           {NULL, 0, NULL, 0},
};

static struct load_run run = {.ack_fd = -1, .error_lock = PTHREAD_MUTEX_INITIALIZER};

void load_error(struct load_run *r, const char *text, size_t len) {
    if (len >= ERROR_TEXT)
        len = ERROR_TEXT - 1;
    pthread_mutex_lock(&r->error_lock);
    int i = 0;
    while (i < MAX_ERRORS && r->errors[i].count > 0 &&
           (strncmp(r->errors[i].text, text, len) != 0 || r->errors[i].text[len] != '\0'))
        i++;
    if (i == MAX_ERRORS) {
        r->other_errors++;
    } else {
        memcpy(r->errors[i].text, text, len);
        r->errors[i].text[len] = '\0';
        r->errors[i].count++;
    }
    pthread_mutex_unlock(&r->error_lock);
}

static void on_signal(int sig) {
    (void)sig;
    run.stop = true;
}

/* ---- options ---- */

static enum stall parse_stall(const char *kind) {
    if (strcmp(kind, "idle") == 0)
        return STALL_IDLE;
    if (strcmp(kind, "ehlo") == 0)
        return STALL_EHLO;
    if (strcmp(kind, "handshake") == 0)
        return STALL_HANDSHAKE;
    if (strcmp(kind, "data") == 0)
        return STALL_DATA;
    die("--stall wants idle, ehlo, handshake or data, not '%s'", kind);
}

/* Options that set a number. False when it is not one of them. */
static bool take_number(struct load_options *o, int opt, const char *arg) {
    switch (opt) {
    case 's':
        o->sessions = parse_long("-s", arg, 1, 100000);
        return true;
    case 'j':
        o->threads = parse_long("-j", arg, 1, MAX_THREADS);
        return true;
    case 'm':
        o->total = parse_long("-m", arg, 1, 1000000000);
        return true;
    case 't':
        o->seconds = parse_seconds("-t", arg);
        return true;
    case 'l':
        o->body_len = (size_t)parse_long("-l", arg, 2, 1L << 30);
        return true;
    case 'r':
        o->rcpts = parse_long("-r", arg, 1, 100000);
        return true;
    case OPT_RATE:
        o->rate = parse_seconds("--rate", arg);
        return true;
    case OPT_TIMEOUT:
        o->timeout = parse_seconds("--timeout", arg);
        return true;
    default:
        return false;
    }
}

/* Options that are on or off. False when it is not one of them. */
static bool take_flag(struct load_options *o, int opt) {
    switch (opt) {
    case 'R':
        return o->reconnect = true;
    case 'P':
        return o->pipelining = true;
    case 'S':
        return o->starttls = true;
    case OPT_RAW:
        return o->raw = true;
    case OPT_RETRY:
        return o->retry_connect = true;
    case OPT_TIMES:
        return o->times = true;
    case OPT_TOLERATE:
        return o->tolerate = true;
    case OPT_JSON:
        return o->json = true;
    default:
        return false;
    }
}

static void take_text(struct load_options *o, int opt, const char *arg) {
    switch (opt) {
    case 'c':
        if (!addr_parse(arg, &o->target))
            die("-c wants a numeric HOST:PORT, not '%s'", arg);
        break;
    case 'f':
        o->sender = arg;
        break;
    case 'T':
        o->rcpt = arg;
        break;
    case 'p':
        o->prefix = arg;
        break;
    case 'a':
        o->ack_log = arg;
        break;
    case OPT_FILE:
        o->file = arg;
        break;
    case OPT_HELO:
        o->helo = arg;
        break;
    case OPT_STALL:
        o->stall = parse_stall(arg);
        break;
    case OPT_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void check_options(struct load_options *o) {
    if (o->target.len == 0)
        die("-c HOST:PORT is missing; try --help");
    if (o->stall != STALL_NONE) {
        if (o->seconds <= 0)
            die("--stall needs -t SECONDS");
        o->total = -1; /* sessions are what counts here */
    } else if (o->total < 0 && o->seconds <= 0) {
        die("-m MESSAGES or -t SECONDS is missing; try --help");
    }
    if (o->stall == STALL_HANDSHAKE)
        o->starttls = true;
    if (o->raw && o->file == NULL)
        die("--raw goes with --file");
    if (o->times && o->ack_log == NULL)
        die("--times goes with -a");
    if (o->threads > o->sessions)
        o->threads = o->sessions;
}

static void parse_options(struct load_options *o, int argc, char **argv) {
    static char prefix[64];
    snprintf(prefix, sizeof prefix, "%lx-%lx", (unsigned long)now_unix(), (unsigned long)getpid());
    *o = (struct load_options){
        .sessions = 1,
        .total = -1,
        .rcpts = 1,
        .threads = 1,
        .timeout = 60,
        .body_len = 5120,
        .sender = "sender@load.example",
        .rcpt = "rcpt@sink.example",
        .prefix = prefix,
        .helo = "load.example",
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "c:s:j:m:t:l:r:f:T:RPSp:a:", long_options, NULL)) != -1) {
        if (!take_number(o, opt, optarg) && !take_flag(o, opt))
            take_text(o, opt, optarg);
    }
    if (optind < argc)
        die("unexpected argument '%s'; try --help", argv[optind]);
    check_options(o);
}

/* ---- report ---- */

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const struct latencies *l, double share) {
    if (l->len == 0)
        return 0;
    size_t i = (size_t)((double)l->len * share);
    return l->us[i < l->len ? i : l->len - 1] / 1000.0;
}

static void merge(struct load_stats *sum, struct load_stats *s) {
    sum->acked += s->acked;
    sum->failed += s->failed;
    sum->unanswered += s->unanswered;
    sum->rcpts_refused += s->rcpts_refused;
    sum->connections += s->connections;
    sum->connect_failures += s->connect_failures;
    sum->lost += s->lost;
    sum->stalled += s->stalled;
    sum->stall_ended += s->stall_ended;
    if (s->stall_first_end_us != 0 &&
        (sum->stall_first_end_us == 0 || s->stall_first_end_us < sum->stall_first_end_us))
        sum->stall_first_end_us = s->stall_first_end_us;
    if (s->first_us != 0 && (sum->first_us == 0 || s->first_us < sum->first_us))
        sum->first_us = s->first_us;
    if (s->last_us > sum->last_us)
        sum->last_us = s->last_us;
    sum->lat.us = realloc(sum->lat.us, (sum->lat.len + s->lat.len + 1) * sizeof *sum->lat.us);
    if (sum->lat.us == NULL)
        die("out of memory");
    if (s->lat.len > 0)
        memcpy(sum->lat.us + sum->lat.len, s->lat.us, s->lat.len * sizeof *s->lat.us);
    sum->lat.len += s->lat.len;
    free(s->lat.us);
}

/* One figure of the report, named once for both forms. */
struct figure {
    const char *name;
    double value;
    int decimals;
};

static void print_text(const struct figure *f, size_t n) {
    for (size_t i = 0; i < n; i++)
        printf("%-20s %.*f\n", f[i].name, f[i].decimals, f[i].value);
    for (int i = 0; i < MAX_ERRORS && run.errors[i].count > 0; i++)
        printf("error %ld x %s\n", run.errors[i].count, run.errors[i].text);
    if (run.other_errors > 0)
        printf("error %ld x others\n", run.other_errors);
}

static void print_json(const struct figure *f, size_t n) {
    struct buf out = {0};
    buf_adds(&out, "{");
    for (size_t i = 0; i < n; i++)
        buf_addf(&out, "\"%s\": %.*f, ", f[i].name, f[i].decimals, f[i].value);
    buf_adds(&out, "\"errors\": [");
    for (int i = 0; i < MAX_ERRORS && run.errors[i].count > 0; i++) {
        buf_addf(&out, "%s{\"count\": %ld, \"text\": ", i > 0 ? ", " : "", run.errors[i].count);
        buf_add_json(&out, run.errors[i].text);
        buf_adds(&out, "}");
    }
    buf_addf(&out, "], \"other_errors\": %ld}\n", run.other_errors);
    write_all(STDOUT_FILENO, out.data, out.len);
    buf_free(&out);
}

static void report(const struct load_options *o, struct load_stats *s, long unsent) {
    qsort(s->lat.us, s->lat.len, sizeof *s->lat.us, by_value);
    double elapsed = s->acked > 0 ? (double)(s->last_us - run.start_us) / 1e6 : 0;
    const struct figure figures[] = {
        {"acked", (double)s->acked, 0},
        {"failed", (double)s->failed, 0},
        {"unanswered", (double)s->unanswered, 0},
        {"unsent", (double)unsent, 0},
        {"rcpts_refused", (double)s->rcpts_refused, 0},
        {"connections", (double)s->connections, 0},
        {"connect_failures", (double)s->connect_failures, 0},
        {"connections_lost", (double)s->lost, 0},
        {"seconds", elapsed, 4},
        {"msgs_per_s", elapsed > 0 ? (double)s->acked / elapsed : 0, 1},
        {"latency_p50_ms", percentile_ms(&s->lat, 0.50), 3},
        {"latency_p95_ms", percentile_ms(&s->lat, 0.95), 3},
        {"latency_p99_ms", percentile_ms(&s->lat, 0.99), 3},
        {"latency_max_ms", percentile_ms(&s->lat, 1.00), 3},
        {"stalled", (double)s->stalled, 0},
        {"stall_ended_by_peer", (double)s->stall_ended, 0},
        {"stall_first_end_s", (double)s->stall_first_end_us / 1e6, 2},
    };
    size_t n = sizeof figures / sizeof figures[0];
    if (o->stall == STALL_NONE)
        n -= 3;
    if (o->json)
        print_json(figures, n);
    else
        print_text(figures, n);
}

/* ---- the run ---- */

struct thread {
    pthread_t id;
    long index;
    struct load_stats stats;
};

static void *thread_main(void *arg) {
    struct thread *t = arg;
    load_worker(&run, t->index, run.opt->threads, &t->stats);
    return NULL;
}

static void run_threads(const struct load_options *o, struct load_stats *sum) {
    struct thread threads[MAX_THREADS] = {{0}};
    for (long i = 0; i < o->threads; i++) {
        threads[i].index = i;
        if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) != 0)
            die("cannot start a thread");
    }
    for (long i = 0; i < o->threads; i++) {
        pthread_join(threads[i].id, NULL);
        merge(sum, &threads[i].stats);
    }
}

static void prepare(const struct load_options *o) {
    run.opt = o;
    message_prepare(&run);
    if (o->starttls) {
        run.tls = SSL_CTX_new(TLS_client_method());
        if (run.tls == NULL)
            die("cannot set up TLS");
    }
    if (o->ack_log != NULL) {
        run.ack_fd = open(o->ack_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (run.ack_fd < 0)
            die("%s: %s", o->ack_log, strerror(errno));
    }
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_nofile();
    run.start_us = now_us();
    if (o->seconds > 0)
        run.end_us = run.start_us + (uint64_t)(o->seconds * 1e6);
}

int main(int argc, char **argv) {
    struct load_options o;
    struct load_stats sum = {0};
    parse_options(&o, argc, argv);
    prepare(&o);
    run_threads(&o, &sum);

    long next = run.next;
    bool cut_short = o.total >= 0 && !run.stop && run.end_us == 0;
    long unsent = cut_short ? o.total - next : 0;
    report(&o, &sum, unsent);
    free(sum.lat.us);
    buf_free(&run.msg.text);
    SSL_CTX_free(run.tls);
    bool bad = sum.failed > 0 || sum.rcpts_refused > 0 || unsent > 0;
    if (!o.retry_connect)
        bad |= sum.connect_failures > 0 || sum.lost > 0;
    return bad && !o.tolerate ? 1 : 0;
}
