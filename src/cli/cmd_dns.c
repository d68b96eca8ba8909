/* cmd_dns.c: postroad dns show and dns check: what a domain should publish, and whether it does. */
#include <netinet/in.h>

#include "auth/dkim_key.h"
#include "auth/dmarc.h"
#include "auth/mta_sts.h"
#include "auth/resolve.h"
#include "auth/spf.h"
#include "auth/tls_report.h"
#include "base/clock.h"
#include "base/words.h"
#include "cli/dns_records.h"
#include "net/dns.h"

enum { PATIENCE_MS = 8000, FOUND_MOST = 1000 };

/* ---- show ---- */

static void show_json(struct cli *c, const struct dns_records *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(list, json_pack("{sossso}", "name", cli_json_text(r->list[i].name), "type",
                                              r->list[i].type, "value", cli_json_text(r->list[i].value)));
    cli_json(c, json_pack("{soso}", "records", list, "mta_sts_policy", cli_json_text(r->sts_policy)));
}

static void show_text(struct cli *c, const struct dns_records *r) {
    view rest = r->sts_policy, line;
    for (size_t i = 0; i < r->count; i++)
        cli_print(c, "%.*s\n", VIEW_ARG(dns_record_line(&r->list[i], &c->arena)));
    if (rest.len > 0)
        cli_print(c, "; to be served as https://mta-sts.%.*s/.well-known/mta-sts.txt:\n",
                  VIEW_ARG(r->domain));
    while (view_split(&rest, '\n', &line))
        cli_print(c, ";   %.*s\n", VIEW_ARG(line));
    if (r->ip_count == 0)
        cli_print(c,
                  "; it is not known which addresses mail leaves from: say so with --ip, for SPF and PTR\n");
}

bool cmd_dns_show(struct cli *c, struct err *e) {
    FREE_AUTO struct dns_records *r = mem_alloc(sizeof *r);
    bool ok = dns_records_make(c, r, e);
    if (ok && c->json)
        show_json(c, r);
    else if (ok)
        show_text(c, r);
    dns_records_done(r);
    return ok;
}

/* ---- check ---- */

enum status { STATUS_OK, STATUS_MISSING, STATUS_DIFFERENT, STATUS_UNKNOWN };
#define STATUS_WORDS "ok missing different unknown"

struct checking {
    struct cli *cli;
    struct dns_records *records;
    struct dns *dns;
    struct answers *answers;
    int64_t deadline_ms;
    view found; /* what DNS has instead */
};

static void resolve(struct checking *k) {
    answers_resolve(k->answers, k->dns, k->deadline_ms);
}

/* The texts of a name. False: DNS does not say. */
static bool ask_texts(struct checking *k, view name, view **ret, size_t *ret_count) {
    if (!answers_get(k->answers, name, RECORD_TXT))
        resolve(k);
    const struct answer *found = answers_get(k->answers, name, RECORD_TXT);
    if (!found || found->state == ANSWER_TEMPORARY || found->state == ANSWER_WANTED)
        return false;
    *ret = arena_array(&k->cli->arena, view, found->count + 1);
    *ret_count = *ret ? found->count : 0;
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = found->records[i].data;
    return *ret != NULL;
}

static void note_found(struct checking *k, view one) {
    k->found = k->found.len == 0 ? view_slice(one, 0, FOUND_MOST)
                                 : arena_printf(&k->cli->arena, "%.*s | %.*s", VIEW_ARG(k->found),
                                                VIEW_ARG(view_slice(one, 0, FOUND_MOST)));
}

/* Whatever begins so is shown as what is found. Returns how many. */
static size_t note_texts(struct checking *k, const view *texts, size_t count, view prefix) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (view_starts_with_nocase(texts[i], prefix)) {
            note_found(k, texts[i]);
            n++;
        }
    return n;
}

static enum status judge_of(bool same, size_t count) {
    return same ? STATUS_OK : count > 0 ? STATUS_DIFFERENT : STATUS_MISSING;
}

static bool names_address(view text, view wanted) {
    ptrdiff_t at = view_search(wanted, VIEW("mailto:"));
    return at < 0 || view_search(text, view_skip(wanted, (size_t)at)) >= 0;
}

static struct spf_verdict spf_of(struct checking *k, const struct dns_record *r, view client) {
    struct spf_verdict v;
    view sender = r->what == DNS_WHAT_SPF ? arena_printf(&k->cli->arena, "postmaster@%.*s", VIEW_ARG(r->name))
                                          : VIEW("");
    struct spf_query q = {.client = client,
                          .helo = r->what == DNS_WHAT_SPF ? k->records->hostname : r->name,
                          .sender = sender,
                          .receiver = k->records->hostname,
                          .now_s = clock_now_ms() / 1000};
    for (spf_check(&q, k->answers, &v); v.result == SPF_WAITS; spf_check(&q, k->answers, &v))
        resolve(k);
    return v;
}

/* Whether our hosts pass, however it is written. */
static enum status check_spf(struct checking *k, const struct dns_record *r) {
    enum status worst = STATUS_OK;
    view *texts;
    size_t count;
    if (!ask_texts(k, r->name, &texts, &count))
        return STATUS_UNKNOWN;
    size_t n = note_texts(k, texts, count, VIEW("v=spf1"));
    if (n == 0)
        return STATUS_MISSING;
    for (size_t i = 0; i < k->records->ip_count; i++) {
        const struct sockaddr_storage *s = &k->records->ips[i].storage;
        view client = s->ss_family == AF_INET ? view_from(&((const struct sockaddr_in *)s)->sin_addr, 4)
                                              : view_from(&((const struct sockaddr_in6 *)s)->sin6_addr, 16);
        struct spf_verdict v = spf_of(k, r, client);
        if (v.result == SPF_TEMPERROR)
            return STATUS_UNKNOWN;
        if (v.result == SPF_PASS)
            continue;
        worst = STATUS_DIFFERENT;
        note_found(k, arena_printf(&k->cli->arena, "%s: %.*s", sockaddr_ip(&k->records->ips[i]).s,
                                   VIEW_ARG(words_at(SPF_WORDS, v.result))));
    }
    return worst;
}

static enum status check_dkim(struct checking *k, const struct dns_record *r) {
    view *texts;
    size_t count;
    bool same = false;
    if (!ask_texts(k, r->name, &texts, &count))
        return STATUS_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        struct dkim_key key;
        const char *why;
        note_found(k, texts[i]);
        if (!dkim_key_read(texts[i], &k->cli->arena, &key, &why))
            continue;
        same = same || EVP_PKEY_eq(key.key, r->key->key) == 1;
        dkim_key_done(&key);
    }
    return judge_of(same, count);
}

/* Any policy is the owner's own, but for what lists cannot have. */
static enum status check_dmarc(struct checking *k, const struct dns_record *r) {
    struct dmarc_verdict v;
    view *texts;
    size_t count;
    view domain = k->records->domain;
    for (dmarc_find_policy(domain, k->answers, &v); v.result == DMARC_WAITS;
         dmarc_find_policy(domain, k->answers, &v))
        resolve(k);
    if (v.result == DMARC_TEMPERROR || !ask_texts(k, r->name, &texts, &count))
        return STATUS_UNKNOWN;
    size_t n = note_texts(k, texts, count, VIEW("v=DMARC1"));
    bool own = v.result == DMARC_FAIL && view_eq(v.policy_domain, domain);
    if (own && v.tags.p == DMARC_P_REJECT)
        note_found(
            k,
            VIEW("posts to lists of people of a domain with p=reject are refused elsewhere (RFC 9989 7.4)"));
    return judge_of(own && v.tags.p != DMARC_P_REJECT && names_address(v.rua, r->value), n);
}

static enum status check_text(struct checking *k, const struct dns_record *r) {
    view *texts, id, uris[TLS_REPORT_PLACES_MOST];
    size_t count;
    bool same = false;
    if (!ask_texts(k, r->name, &texts, &count))
        return STATUS_UNKNOWN;
    view prefix = r->value;
    view_split(&(view){r->value.ptr, r->value.len}, ';', &prefix);
    size_t n = note_texts(k, texts, count, prefix);
    if (r->what == DNS_WHAT_MTA_STS)
        same = mta_sts_record(texts, count, &id);
    else if (r->what == DNS_WHAT_CONSENT)
        same = n > 0;
    else
        for (size_t i = tls_report_record(texts, count, &k->cli->arena, uris); i > 0; i--)
            same = same || names_address(uris[i - 1], r->value);
    return judge_of(same, n);
}

/* ---- records that are no texts ---- */

static view name_in(struct checking *k, const struct dns_record *r, view data) {
    view name = VIEW("");
    dns_name_from_wire(r->what == DNS_WHAT_MX ? view_skip(data, 2) : data, &k->cli->arena, &name);
    return name;
}

static view tlsa_in(struct checking *k, view data) {
    struct buf out = BUF_INIT(FOUND_MOST);
    for (size_t i = 0; i < data.len; i++)
        buf_printf(&out, i < 3 ? "%d " : "%02x", (unsigned char)data.ptr[i]);
    view made = arena_view(&k->cli->arena, buf_view(&out));
    buf_done(&out);
    return made;
}

/* One of them is ours. */
static enum status check_others(struct checking *k, const struct dns_record *r) {
    struct dns_question q = {.name = r->name, .type = r->number};
    bool same = false;
    dns_ask(k->dns, &q, 1, &k->cli->arena, k->deadline_ms);
    if (q.found == DNS_TEMPORARY)
        return STATUS_UNKNOWN;
    for (size_t i = 0; i < q.count; i++) {
        view found = r->what == DNS_WHAT_TLSA ? tlsa_in(k, q.data[i]) : name_in(k, r, q.data[i]);
        same = same || view_eq(found, r->what == DNS_WHAT_TLSA ? r->value : k->records->hostname);
        note_found(k, found);
    }
    return judge_of(same, q.count);
}

static enum status check_one(struct checking *k, const struct dns_record *r) {
    k->found = VIEW("");
    switch (r->what) {
    case DNS_WHAT_SPF:
    case DNS_WHAT_HELO:
        return check_spf(k, r);
    case DNS_WHAT_DKIM:
        return check_dkim(k, r);
    case DNS_WHAT_DMARC:
        return check_dmarc(k, r);
    case DNS_WHAT_CONSENT:
    case DNS_WHAT_MTA_STS:
    case DNS_WHAT_TLSRPT:
        return check_text(k, r);
    case DNS_WHAT_MX:
    case DNS_WHAT_TLSA:
    case DNS_WHAT_PTR:
        break;
    }
    return check_others(k, r);
}

/* What is published long since would hide in long lines of what is right. */
static void check_all(struct checking *k, struct table *t) {
    for (size_t i = 0; i < k->records->count; i++) {
        const struct dns_record *r = &k->records->list[i];
        enum status status = check_one(k, r);
        bool ok = status == STATUS_OK;
        if (!ok)
            k->cli->status = 1;
        table_text(t, words_at(STATUS_WORDS, status));
        table_text(t, r->name);
        table_text(t, view_of(r->type));
        table_text(t, ok && !k->cli->json ? VIEW("") : r->value);
        table_text(t, ok && !k->cli->json ? VIEW("") : k->found);
    }
}

/* Where nobody says what our addresses are, DNS does. */
static void find_ips(struct checking *k) {
    struct sockaddr_any *addrs;
    struct err e;
    int n = k->records->ip_count > 0 ? 0
                                     : dns_lookup_addresses(k->dns, k->records->hostname, 25, &k->cli->arena,
                                                            k->deadline_ms, &addrs, NULL, &e);
    for (int i = 0; i < n && k->records->ip_count < DNS_IPS_MOST; i++)
        k->records->ips[k->records->ip_count++] = addrs[i];
}

bool cmd_dns_check(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"status", "STATUS"}, {"name", "NAME"}, {"type", "TYPE"}, {"wanted", "WANTED"}, {"found", "FOUND"}};
    FREE_AUTO struct dns_records *r = mem_alloc(sizeof *r);
    FREE_AUTO struct answers *answers = mem_alloc(sizeof *answers);
    struct checking k = {.cli = c, .records = r, .answers = answers};
    struct table t;
    bool ok = dns_records_make(c, r, e);
    if (ok) {
        k.dns = dns_open_configured(c->config, e);
        ok = k.dns != NULL;
    }
    if (ok) {
        k.deadline_ms = clock_mono_ms() + PATIENCE_MS;
        answers_init(answers, &c->arena);
        find_ips(&k);
        table_open(&t, c, columns, COUNT_OF(columns));
        check_all(&k, &t);
        ok = table_close(&t, e);
        dns_close(&k.dns);
    }
    dns_records_done(r);
    return ok;
}
