/* cmd_auth.c: postroad auth check and spf check: what mail authentication says, as this server would find it.
 */
#include <arpa/inet.h>

#include "auth/check.h"
#include "auth/resolve.h"
#include "base/clock.h"
#include "base/words.h"
#include "cli/cli.h"
#include "mail/address.h"
#include "net/dns.h"

enum { PATIENCE_MS = 20000, MESSAGE_MOST = 128 * 1024 * 1024 };

/* Answers, and where they come from. */
struct checking {
    struct cli *cli;
    struct dns *dns;
    struct answers answers;
    int64_t deadline_ms;
};

static bool begin(struct cli *c, struct checking *k, struct err *e) {
    if (!cli_config(c, e))
        return false;
    k->cli = c;
    k->deadline_ms = clock_mono_ms() + PATIENCE_MS;
    answers_init(&k->answers, &c->arena);
    k->dns = dns_open_configured(c->config, e);
    return k->dns != NULL;
}

static void get_answers(struct checking *k) {
    answers_resolve(&k->answers, k->dns, k->deadline_ms);
}

/* ---- SPF ---- */

static bool read_client(struct cli *c, const char *text, view *ret, struct err *e) {
    unsigned char octets[16];
    bool four = inet_pton(AF_INET, text, octets) == 1;
    if (!four && inet_pton(AF_INET6, text, octets) != 1)
        return err_set(e, ERR_USAGE, "%.60s: an IP address is wanted", text);
    *ret = arena_view(&c->arena, view_from(octets, four ? 4 : 16));
    return true;
}

/* Without its angle brackets. */
static view plain_path(const char *text) {
    view path = text ? view_of(text) : VIEW("");
    bool enclosed = view_starts_with(path, VIEW("<")) && view_ends_with(path, VIEW(">"));
    return enclosed ? view_slice(path, 1, path.len - 2) : path;
}

/* `sender` NULL or "<>": none. */
static bool read_envelope(struct cli *c, const char *client, const char *sender, struct spf_query *ret,
                          struct err *e) {
    if (!cli_config(c, e))
        return false;
    *ret = (struct spf_query){.helo = view_of(args_get(&c->args, "--helo")),
                              .sender = plain_path(sender),
                              .receiver = cli_hostname(c),
                              .now_s = clock_now_ms() / 1000};
    if (!read_client(c, client, &ret->client, e))
        return false;
    return ret->sender.len + ret->helo.len > 0 ||
           err_set(e, ERR_USAGE, "without a sender --helo NAME is wanted");
}

static struct spf_verdict spf_of(struct checking *k, const struct spf_query *q) {
    struct spf_verdict v;
    for (spf_check(q, &k->answers, &v); v.result == SPF_WAITS; spf_check(q, &k->answers, &v))
        get_answers(k);
    return v;
}

bool cmd_spf_check(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"result", "RESULT"}, {"domain", "DOMAIN"},           {"mechanism", "MECHANISM"},
        {"why", "WHY"},       {"explanation", "EXPLANATION"}, {"questions", "QUESTIONS TO DNS"}};
    struct checking k;
    struct spf_query q;
    struct table t;
    if (!read_envelope(c, c->args.words[0], c->args.words[1], &q, e) || !begin(c, &k, e))
        return false;
    struct spf_verdict v = spf_of(&k, &q);
    dns_close(&k.dns);
    table_open_single(&t, c, columns, COUNT_OF(columns));
    table_text(&t, words_at(SPF_WORDS, v.result));
    table_text(&t, v.domain);
    table_text(&t, v.mechanism);
    table_text(&t, view_of(v.why));
    table_text(&t, v.explanation);
    table_int(&t, (int64_t)k.answers.count);
    return table_close(&t, e);
}

/* ---- a message ---- */

/* Line ends as mail has them on its way. */
static bool read_message(const char *file, struct buf *ret, struct err *e) {
    struct buf text = BUF_INIT(MESSAGE_MOST);
    bool ok = import_read(file, &text, e);
    view rest = buf_view(&text), line;
    buf_init(ret, 2 * (size_t)MESSAGE_MOST);
    while (ok && rest.len > 0) {
        bool ended = view_find(rest, '\n') >= 0;
        view_split(&rest, '\n', &line);
        buf_add(ret, view_ends_with(line, VIEW("\r")) ? view_slice(line, 0, line.len - 1) : line);
        buf_add_str(ret, ended ? "\r\n" : "");
    }
    buf_done(&text);
    return ok;
}

static void show(struct table *t, const char *method, view result, view domain, view detail) {
    table_text(t, view_of(method));
    table_text(t, result);
    table_text(t, domain);
    table_text(t, detail);
}

static void show_dkim(struct checking *k, struct table *t, const struct dkim_verdict *v) {
    for (size_t i = 0; i < v->count; i++) {
        const struct dkim_signature *s = &v->list[i];
        view detail = arena_printf(&k->cli->arena, "%s%s%.*s %.*s%s", s->why, *s->why ? "; " : "",
                                   VIEW_ARG(s->selector), VIEW_ARG(s->algorithm),
                                   s->unsigned_len > 0 ? "; not all of the body is signed" : "");
        show(t, "dkim", words_at(DKIM_WORDS, s->result), s->domain, detail);
    }
    if (v->count == 0)
        show(t, "dkim", VIEW("none"), VIEW(""), VIEW(""));
}

static void show_dmarc(struct checking *k, struct table *t, view author, const struct dmarc_verdict *v) {
    view applied = words_at(DMARC_POLICY_WORDS, v->applied);
    view detail = v->policy_domain.len == 0
                      ? VIEW("")
                      : arena_printf(&k->cli->arena, "policy %.*s of %.*s%s", VIEW_ARG(applied),
                                     VIEW_ARG(v->policy_domain), v->testing ? " (testing)" : "");
    show(t, "dmarc", words_at(DMARC_WORDS, v->result), author, detail);
}

static void check_message(struct checking *k, const struct auth_query *q, struct table *t) {
    struct auth_verdict v;
    while (!auth_check(q, &k->answers, &v))
        get_answers(k);
    if (q->spf.client.len > 0)
        show(t, "spf", words_at(SPF_WORDS, v.spf.result), v.spf.domain,
             *v.spf.why ? view_of(v.spf.why) : v.spf.mechanism);
    show_dkim(k, t, &v.dkim);
    if (v.author_unclear)
        show(t, "dmarc", VIEW("permerror"), VIEW(""), VIEW("From does not name exactly one domain"));
    else
        show_dmarc(k, t, v.author, &v.dmarc);
    if (v.arc.result != ARC_NONE)
        show(t, "arc", words_at(ARC_WORDS, v.arc.result), v.arc.domain, view_of(v.arc.why));
    if (v.dkim2.result != DKIM2_NONE)
        show(t, "dkim2", words_at(DKIM2_WORDS, v.dkim2.result), v.dkim2.domain, view_of(v.dkim2.why));
}

/* The envelope that DKIM2 signs: what --sender and --recipient say. NULL: they say none. */
static const struct dkim2_envelope *read_hop(struct cli *c, view *recipients, struct dkim2_envelope *ret) {
    const char *sender = args_get(&c->args, "--sender");
    *ret = (struct dkim2_envelope){.sender = plain_path(sender), .recipients = recipients};
    for (size_t i = 0; i < c->args.given_count; i++)
        if (view_eq(c->args.given[i].name, VIEW("--recipient")))
            recipients[ret->recipient_count++] = plain_path(c->args.given[i].value);
    return sender && ret->recipient_count > 0 ? ret : NULL;
}

bool cmd_auth_check(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"method", "METHOD"}, {"result", "RESULT"}, {"domain", "DOMAIN"}, {"detail", "DETAIL"}};
    const char *client = args_get(&c->args, "--client");
    view recipients[ARGS_GIVEN_MAX];
    struct dkim2_envelope hop;
    struct auth_query q = {.now_s = clock_now_ms() / 1000, .envelope = read_hop(c, recipients, &hop)};
    struct checking k;
    struct table t;
    struct buf message;
    if ((client && !read_envelope(c, client, args_get(&c->args, "--sender"), &q.spf, e)) || !begin(c, &k, e))
        return false;
    bool ok = read_message(c->args.words[0], &message, e);
    q.message = buf_view(&message);
    table_open(&t, c, columns, COUNT_OF(columns));
    if (ok)
        check_message(&k, &q, &t);
    dns_close(&k.dns);
    ok = table_close(&t, ok ? e : NULL) && ok;
    buf_done(&message);
    return ok;
}
