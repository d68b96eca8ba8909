/* check.c: mail from outside is checked (SPF, DKIM, DMARC) between its final dot and the answer. Look-ups may
 * take long, so they run in threads of their own, and the session is parked meanwhile; when too many are
 * under way the client is told to come again. What they find stands above the message in
 * Authentication-Results. */
#include "auth/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "auth/resolve.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/words.h"
#include "roles/dmarc_row.h"
#include "roles/smtpd/smtpd.h"
#include "roles/tally.h"
#include "store/report.h"

enum { CHECK_ARENA = 16 << 20, WAITING_MOST = 4 /* for each thread */ };

/* Of one message, from its header on. */
struct check {
    struct session *session;
    struct arena arena; /* of what is found */
    struct answers answers;
    struct auth_query query;
    struct auth_verdict verdict;
    struct dkim2_envelope envelope;
    struct dkim_bodies *bodies; /* NULL: the message is in one piece */
    bool done;
    struct check *next; /* waits for a thread */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct check *first, **last;
    size_t waiting, threads, most, free;
    struct dns *dns;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .last = &pool.first};

bool checks_start(struct server *server, struct err *e) {
    const struct config *c = server->role.config;
    pool.most = (size_t)c->smtpd_checks;
    pool.dns = dns_open_configured(c, e);
    return pool.dns != NULL;
}

/* ---- threads ---- */

static void run(struct check *k) {
    int64_t deadline = clock_mono_ms() + k->session->policy->config->auth_timeout;
    while (!auth_check(&k->query, &k->answers, &k->verdict))
        answers_resolve(&k->answers, pool.dns, deadline);
}

static void *work(void *unused) {
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct check *k = pool.first;
        if (!k) {
            pool.free++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.free--;
            continue;
        }
        pool.first = k->next;
        if (!pool.first)
            pool.last = &pool.first;
        pool.waiting--;
        pthread_mutex_unlock(&pool.lock);
        run(k);
        task_wake(&k->session->task);
        pthread_mutex_lock(&pool.lock);
    }
    return NULL;
}

/* Under the lock. Threads are made as there is work, and stay. */
static void make_thread(void) {
    pthread_t thread;
    if (pool.free == 0 && pool.threads < pool.most && pthread_create(&thread, NULL, work, NULL) == 0) {
        pthread_detach(thread);
        pool.threads++;
    }
}

/* False: too many wait. */
static bool hand_over(struct check *k) {
    pthread_mutex_lock(&pool.lock);
    make_thread();
    bool room = pool.threads > 0 && pool.waiting < WAITING_MOST * pool.most;
    if (room) {
        *pool.last = k;
        pool.last = &k->next;
        pool.waiting++;
        pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    return room;
}

/* ---- a message ---- */

/* Who may send to any address here is not a stranger; and of what comes by LMTP the mail server in front
 * knows the client, unless it has said who that is. */
bool check_is_due(const struct session *s) {
    return s->policy->config->auth_checks && !s->may_relay &&
           (s->service == SERVICE_SMTP || s->speaks_for_other);
}

static struct check *check_of(struct session *s) {
    if (!s->t.check) {
        s->t.check = mem_alloc(sizeof *s->t.check);
        s->t.check->session = s;
        arena_init(&s->t.check->arena, CHECK_ARENA);
        answers_init(&s->t.check->answers, &s->t.check->arena);
    }
    return s->t.check;
}

void check_take_piece(struct session *s) {
    struct transaction *t = &s->t;
    if (!check_is_due(s) || t->fault.code != ERR_OK)
        return;
    struct check *k = check_of(s);
    view piece = buf_view(&t->body);
    if (!k->bodies) {
        struct header h;
        k->bodies = mem_alloc(sizeof *k->bodies);
        header_parse(piece, &k->arena, &h);
        dkim_bodies_begin(k->bodies, piece);
        piece = h.body;
    }
    dkim_bodies_add(k->bodies, piece);
}

void check_drop(struct transaction *t) {
    struct check *k = t->check;
    if (!k)
        return;
    if (k->bodies)
        dkim_bodies_drop(k->bodies);
    free(k->bodies);
    arena_done(&k->arena);
    free(k);
    t->check = NULL;
}

static view address_octets(const struct sockaddr_text *ip, struct arena *a) {
    unsigned char octets[16];
    if (inet_pton(AF_INET, ip->s, octets) == 1)
        return arena_view(a, view_from(octets, 4));
    return inet_pton(AF_INET6, ip->s, octets) == 1 ? arena_view(a, view_from(octets, 16)) : VIEW("");
}

/* What the client's listener is to refuse: "dmarc", or "127.0.0.1:25=dmarc" for one of them. */
static bool refuses(const struct session *s, view method) {
    const struct config_list *list = &s->policy->config->auth_reject;
    for (size_t i = 0; i < list->count; i++) {
        view word = view_of(list->items[i]);
        ptrdiff_t equals = view_find(word, '=');
        bool here = equals < 0 || view_eq(view_slice(word, 0, (size_t)equals), view_of(s->listener));
        if (here && view_eq(view_skip(word, (size_t)(equals + 1)), method))
            return true;
    }
    return false;
}

static view spoken(view explanation) {
    return explanation.len > 0 ? explanation : VIEW("that host may not send mail of this domain");
}

/* A verdict that has to be known, and is not, puts the client off; it never lets mail in. */
static void judge(struct session *s, const struct check *k) {
    struct err *fault = &s->t.fault;
    const struct auth_verdict *v = &k->verdict;
    bool spf = refuses(s, VIEW("spf")), dmarc = refuses(s, VIEW("dmarc"));
    if (spf && v->spf.result == SPF_FAIL)
        err_set(fault, ERR_AUTH_SPF, "SPF of %.*s: %.*s", VIEW_ARG(v->spf.domain),
                VIEW_ARG(spoken(v->spf.explanation)));
    else if (dmarc && v->dmarc.result == DMARC_FAIL && v->dmarc.applied == DMARC_P_REJECT)
        err_set(fault, ERR_AUTH_DMARC,
                "DMARC: neither SPF nor DKIM shows that this is from %.*s, which wants it rejected",
                VIEW_ARG(v->author));
    else if (v->dkim2.result == DKIM2_PASS && (v->dkim2.wishes & DKIM2_DONOTEXPLODE) && s->t.list_count > 0)
        err_set(fault, ERR_REFUSED, "DKIM2: its signature says donotexplode, and a list sends to many");
    else if ((spf && v->spf.result == SPF_TEMPERROR) || (dmarc && v->dmarc.result == DMARC_TEMPERROR))
        err_set(fault, ERR_DNS, "the name servers of the sender's domain do not answer, try again later");
}

/* For the report to the author's domain. Who is put off comes again, and is counted then. */
static void count(struct session *s, struct check *k) {
    struct buf row = BUF_INIT(REPORT_ROW_MOST);
    bool put_off = s->t.fault.code != ERR_OK && err_is_temporary(&s->t.fault);
    if (s->policy->config->reports_out && !put_off &&
        dmarc_row_write(&k->query, &k->verdict, view_of(s->peer_ip.s), s->t.fault.code != ERR_OK, &k->arena,
                        &row))
        tally_add(TALLY_DMARC, k->verdict.dmarc.policy_domain, buf_view(&row));
    buf_done(&row);
}

static enum next answered(struct session *s) {
    struct check *k = s->t.check;
    k->done = true;
    metric_add(METRIC_SMTPD_CHECKED, 1);
    if (k->verdict.dkim2.result == DKIM2_PASS && (k->verdict.dkim2.wishes & DKIM2_DONOTMODIFY))
        s->t.flags |= MESSAGE_DONOTMODIFY;
    if (k->verdict.dmarc.applied != DMARC_P_NONE)
        s->t.flags |= MESSAGE_FORBIDDEN;
    metric_add(METRIC_SMTPD_DMARC_FAILED, k->verdict.dmarc.result == DMARC_FAIL);
    judge(s, k);
    count(s, k);
    return NEXT_MORE;
}

/* As the client said them, before addresses inside of others were taken out. */
static const view *given_recipients(const struct session *s, struct arena *a) {
    view *list = arena_array(a, view, s->t.recipient_count);
    for (size_t i = 0; list && i < s->t.recipient_count; i++)
        list[i] = s->t.recipients[i].given.len > 0 ? s->t.recipients[i].given : s->t.recipients[i].address;
    return list;
}

bool check_is_done(const struct session *s) {
    return !check_is_due(s) || (s->t.check && s->t.check->done);
}

enum next check_ask(struct session *s) {
    struct transaction *t = &s->t;
    struct check *k = check_of(s);
    if (k->bodies)
        dkim_bodies_end(k->bodies);
    k->query = (struct auth_query){.spf = {.client = address_octets(&s->peer_ip, &k->arena),
                                           .helo = s->helo,
                                           .sender = t->sender,
                                           .receiver = view_of(s->server->hostname),
                                           .now_s = clock_now_ms() / 1000},
                                   .message = buf_view(t->first.len > 0 ? &t->first : &t->body),
                                   .bodies = k->bodies,
                                   .now_s = clock_now_ms() / 1000};
    k->envelope = (struct dkim2_envelope){.sender = t->sender, .recipient_count = t->recipient_count};
    k->envelope.recipients = given_recipients(s, &k->arena);
    k->query.envelope = &k->envelope;
    s->answered = answered;
    if (hand_over(k))
        return NEXT_STORE;
    s->answered = NULL;
    err_set(&t->fault, ERR_LIMIT, "too many messages are being checked, try again later");
    return NEXT_MORE;
}

static view authserv_id(const struct session *s) {
    const char *id = s->policy->config->authserv_id;
    return view_of(*id ? id : s->server->hostname);
}

void check_add_field(struct session *s, struct buf *fields) {
    struct check *k = s->t.check;
    struct authres found;
    if (!k)
        return;
    auth_results(&k->query, &k->verdict, authserv_id(s), &k->arena, &found);
    buf_add_str(fields, "Authentication-Results: ");
    authres_write(&found, fields);
}

view check_summary(struct session *s) {
    struct check *k = s->t.check;
    if (!k)
        return VIEW("");
    const struct auth_verdict *v = &k->verdict;
    view spf = words_at(SPF_WORDS, v->spf.result), dkim = words_at(DKIM_WORDS, v->dkim.result),
         dmarc = v->author_unclear ? VIEW("permerror") : words_at(DMARC_WORDS, v->dmarc.result);
    return arena_printf(&s->transaction_arena, " spf=%.*s dkim=%.*s dmarc=%.*s", VIEW_ARG(spf),
                        VIEW_ARG(dkim), VIEW_ARG(dmarc));
}
