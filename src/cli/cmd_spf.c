/* cmd_spf.c: postroad spf check: what a domain's SPF says of a host, as this server would find it. */
#include <arpa/inet.h>
#include <time.h>

#include "auth/resolve.h"
#include "auth/spf.h"
#include "base/clock.h"
#include "base/words.h"
#include "cli/cli.h"
#include "mail/text.h"
#include "net/dns.h"

enum { PATIENCE_MS = 20000 };

static bool read_client(struct cli *c, view *ret, struct err *e) {
    const char *text = c->args.words[0];
    unsigned char octets[16];
    bool four = inet_pton(AF_INET, text, octets) == 1;
    if (!four && inet_pton(AF_INET6, text, octets) != 1)
        return err_set(e, ERR_USAGE, "%.60s: an IP address is wanted", text);
    *ret = arena_view(&c->arena, view_from(octets, four ? 4 : 16));
    return true;
}

static void run_check(struct cli *c, struct dns *d, const struct spf_query *q, struct spf_verdict *ret,
                      size_t *ret_questions) {
    struct answers answers;
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    answers_init(&answers, &c->arena);
    do {
        answers_resolve(&answers, d, deadline);
        spf_check(q, &answers, ret);
    } while (ret->result == SPF_WAITS);
    *ret_questions = answers.count;
}

static bool show(struct cli *c, const struct spf_verdict *v, size_t questions, struct err *e) {
    static const struct column columns[] = {
        {"result", "RESULT"}, {"domain", "DOMAIN"},           {"mechanism", "MECHANISM"},
        {"why", "WHY"},       {"explanation", "EXPLANATION"}, {"questions", "QUESTIONS TO DNS"}};
    struct table t;
    table_open_single(&t, c, columns, COUNT_OF(columns));
    table_text(&t, words_at(SPF_WORDS, v->result));
    table_text(&t, v->domain);
    table_text(&t, v->mechanism);
    table_text(&t, view_of(v->why));
    table_text(&t, v->explanation);
    table_int(&t, (int64_t)questions);
    return table_close(&t, e);
}

bool cmd_spf_check(struct cli *c, struct err *e) {
    const char *sender = c->args.words[1], *helo = args_get(&c->args, "--helo");
    struct spf_query q = {.receiver = cli_hostname(c), .now_s = clock_now_ms() / 1000};
    struct spf_verdict v;
    size_t questions;
    q.sender = *sender == '<' || !*sender ? VIEW("") : view_of(sender);
    q.helo = view_of(helo);
    if (!read_client(c, &q.client, e))
        return false;
    if (q.sender.len == 0 && q.helo.len == 0)
        return err_set(e, ERR_USAGE, "without a sender --helo NAME is wanted");
    struct dns *d = dns_open(c->config->dns_servers.items, c->config->dns_servers.count, e);
    if (!d)
        return false;
    run_check(c, d, &q, &v, &questions);
    dns_close(&d);
    return show(c, &v, questions, e);
}
