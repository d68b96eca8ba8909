/* session_fuzz.c: a whole session as a stream of octets: the session's own steps over a socket pair, with a
 * store that knows a few addresses and answers at once. The first octet chooses how the octets are cut, and
 * whether the session is LMTP, begins with a PROXY header, or may say XCLIENT.
 *
 * Checked: what is accepted has no bare CR or LF, its size and recipients; every reply is a line of SMTP; the
 * session ends when the client does. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "roles/smtpd/smtpd.h"
#include "roles/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CHOICE_LMTP = 1,
    CHOICE_PROXY = 2,
    CHOICE_XCLIENT = 4,
    CUT_SHIFT = 3,
    PIECES_MAX = 256,
    STEPS_MAX = 100000
};

static struct server server;
static struct listener listener;
static struct task *task;
static bool woken;
static int64_t staged_octets;

/* ---- in place of the runner, the hints and the store ---- */

void runner_add(struct runner *r, struct task *t) {
    (void)r;
    task = t;
}

void task_wake(struct task *t) {
    (void)t;
    woken = true;
}

void runner_stop(struct runner *r, int64_t drain_ms) {
    (void)r, (void)drain_ms;
}

void hint_send(const char *dir, const char *role) {
    (void)dir, (void)role;
}

void tally_add(enum tally_kind kind, view domain, view row) {
    (void)kind, (void)domain, (void)row;
}

void store_request_init(struct store_request *r, enum op op) {
    *r = (struct store_request){.op = op};
    buf_init(&r->args, LIMIT_STORE_PACKET);
    buf_init(&r->out, LIMIT_STORE_PACKET);
}

void store_request_done(struct store_request *r) {
    buf_done(&r->args);
    buf_done(&r->out);
}

static void add_fact(struct buf *out, view address, bool local, view target) {
    vals_view(out, address);
    vals_int(out, local);
    vals_int(out, 0);
    vals_view(out, VIEW(""));
    vals_int(out, target.len > 0);
    if (target.len > 0)
        vals_view(out, target);
}

static void look_up(struct store_request *r) {
    view address = vals_get_view(&(struct vals){.rest = buf_view(&r->args)});
    bool local = view_ends_with(address, VIEW("@here.example"));
    bool known = view_eq(address, VIEW("known@here.example"));
    add_fact(&r->out, address, local, known ? VIEW("k@far.example") : VIEW(""));
    if (known)
        add_fact(&r->out, VIEW("k@far.example"), false, VIEW(""));
}

static void check_lines(view v) {
    for (size_t i = 0; i < v.len; i++) {
        BUG_ON(v.ptr[i] == '\n' && (i == 0 || v.ptr[i - 1] != '\r'));
        BUG_ON(v.ptr[i] == '\r' && (i + 1 == v.len || v.ptr[i + 1] != '\n'));
    }
}

static void check_accepted(struct store_request *r) {
    struct vals v = vals_of(buf_view(&r->args));
    vals_get_int(&v); /* id */
    vals_get_view(&v);
    vals_get_view(&v);
    int64_t size = vals_get_int(&v);
    BUG_ON(vals_get_view(&v).len != 32);
    check_lines(vals_get_view(&v)); /* the fields on top */
    view origin = vals_get_view(&v);
    BUG_ON(view_find(origin, '\n') >= 0 || view_find(origin, '\r') >= 0);
    vals_get_int(&v);
    vals_get_view(&v);
    view body = vals_get_view(&v);
    check_lines(body);
    BUG_ON((int64_t)body.len + staged_octets != size);
    size_t recipients = vals_get_count(&v);
    BUG_ON(recipients == 0);
    for (size_t i = 0; i < recipients; i++) {
        BUG_ON(vals_get_view(&v).len == 0);
        vals_get_int(&v);
        vals_get_view(&v);
    }
    BUG_ON(v.failed || vals_more(&v));
    staged_octets = 0;
}

void store_submit(struct store *s, struct store_request *r) {
    (void)s;
    if (r->op == OP_LOOKUP) {
        look_up(r);
    } else if (r->op == OP_LIST_RULES) {
        vals_view(&r->out, VIEW("")); /* the list is gone: nothing stops the post */
    } else if (r->op == OP_BODY_STAGE) {
        struct vals v = vals_of(buf_view(&r->args));
        vals_get_int(&v);
        vals_get_int(&v);
        staged_octets += (int64_t)vals_get_view(&v).len;
    } else if (r->op == OP_BODY_DROP) {
        staged_octets = 0;
    } else if (r->op == OP_SECRETS) {
        vals_view(&r->out, VIEW("0123456789abcdef0123456789abcdef"));
    } else if (r->op == OP_ADDRESS_KNOWN) {
        vals_int(&r->out, 1);
    } else if (r->op == OP_INBOX_AGE) {
        err_set(&r->err, ERR_STORE, NULL); /* it stays as begin() set it */
    } else {
        check_accepted(r);
    }
    r->done(r);
}

/* ---- the client ---- */

static void read_replies(int fd, bool *ret_line_start) {
    char text[4096];
    ssize_t n;
    while ((n = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            BUG_ON(*ret_line_start && (text[i] < '2' || text[i] > '5'));
            *ret_line_start = text[i] == '\n';
        }
}

/* Until the session waits for its client, or has ended. */
static void run(int fd, bool *line_start) {
    enum task_event event = TASK_READY;
    for (int i = 0; task; i++) {
        BUG_ON(i > STEPS_MAX);
        enum step step = task->step(task, event);
        event = TASK_READY;
        read_replies(fd, line_start);
        if (step == STEP_CLOSE) {
            task->closed(task);
            task = NULL;
        } else if (step == STEP_WAIT) {
            BUG_ON(!woken);
            woken = false;
            event = TASK_WOKEN;
        } else if (step == STEP_TIMER) {
            event = TASK_TIMEOUT;
        } else if (step == STEP_READ) {
            return;
        }
    }
}

static void begin(unsigned choice, int fd) {
    listener = (struct listener){&server, choice & CHOICE_LMTP ? SERVICE_LMTP : SERVICE_SMTP, "here"};
    staged_octets = 0;
    server.inbox_age_ms = choice & CHOICE_LMTP ? 60000 : 0; /* then answers wait */
    session_accepted(NULL, fd, &listener);
    struct session *s = (struct session *)task;
    s->may_xclient = (choice & CHOICE_XCLIENT) != 0;
    if (choice & CHOICE_PROXY)
        s->phase = frontend_proxy_phase;
}

static void open_server(void) {
    struct err e;
    struct config *c = mem_alloc(sizeof *c);
    log_init("fuzz", LOG_ERROR);
    BUG_ON(!config_parse(VIEW("hostname = mx.here.example\nmin_free = 0\nmessage_size_max = 600k\n"
                              "postmaster = known@here.example\nauth_checks = off\n"
                              "rewrite_domains = dmarc.here.example\nsrs_domain = srs.here.example\n"),
                         "fuzz", c, &e));
    c->dir = mem_str("/nonexistent");
    server.role.config = c;
    server.hostname = c->hostname;
    pthread_mutex_init(&server.policy_lock, NULL);
    server.clients = clients_new(10);
    server.policy = policy_new(c, false, &e);
    BUG_ON(!server.policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fds[2];
    bool line_start = true;
    if (!server.policy)
        open_server();
    if (size < 2 || size > 65536 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    size_t cut = (size_t)1 << (data[0] >> CUT_SHIFT) % 16;
    if (cut < size / PIECES_MAX)
        cut = size / PIECES_MAX;
    begin(data[0], fds[0]);
    for (size_t at = 1; at < size && task; at += cut) {
        size_t len = size - at < cut ? size - at : cut;
        BUG_ON(send(fds[1], data + at, len, MSG_NOSIGNAL) != (ssize_t)len);
        run(fds[1], &line_start);
    }
    shutdown(fds[1], SHUT_WR);
    run(fds[1], &line_start);
    BUG_ON(task);
    BUG_ON(!line_start);
    close(fds[1]);
    return 0;
}
