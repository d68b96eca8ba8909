/* rspamd_suite.c: the cases of a folder like auth-rspamd of the shared suites (see its README for the form):
 * SPF, DKIM, DMARC and ARC of one message. Prints what fails and how many pass; the exit status is 1 when one
 * fails that its suite does not excuse. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/arc.h"
#include "auth/check.h"
#include "base/file.h"
#include "base/words.h"
#include "testing/zone.h"

enum { NOW = 1760000600, RECORDS_MOST = 64 };

static struct arena arena;

/* ---- DNS ---- */

static enum record_type type_of(const json_t *item) {
    static const struct {
        const char *name;
        enum record_type type;
    } types[] = {
        {"A", RECORD_A}, {"AAAA", RECORD_AAAA}, {"MX", RECORD_MX}, {"PTR", RECORD_PTR}, {"TXT", RECORD_TXT}};
    view name = zone_text(json_string_value(json_object_get(item, "type")));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (view_eq(name, view_of(types[i].name)))
            return types[i].type;
    return 0;
}

/* As text; of MX "10 mx.example.org". */
static struct record record_of(enum record_type type, const char *text) {
    struct record r = {.data = zone_text(text)};
    view first;
    int64_t preference;
    if (type == RECORD_A || type == RECORD_AAAA)
        r.data = zone_address(&arena, text);
    else if (type == RECORD_MX && view_split(&r.data, ' ', &first) && view_to_i64(first, &preference))
        r.preference = (int)preference;
    return r;
}

static enum answer_state state_of(const json_t *item) {
    view code = zone_text(json_string_value(json_object_get(item, "rcode")));
    if (view_eq(code, VIEW("timeout")) || view_eq(code, VIEW("servfail")))
        return ANSWER_TEMPORARY;
    return view_eq(code, VIEW("nxdomain")) ? ANSWER_NO_NAME : ANSWER_NO_DATA;
}

static void answer_one(const json_t *dns, struct answers *a, struct answer *to) {
    struct record *records = arena_array(&arena, struct record, RECORDS_MOST);
    char name[256];
    json_t *item, *reply;
    size_t i, j, count = 0;
    snprintf(name, sizeof name, "%.*s", VIEW_ARG(to->name));
    const json_t *items = json_object_get(dns, name);
    enum answer_state state = items ? ANSWER_NO_DATA : ANSWER_NO_NAME;
    json_array_foreach(items, i, item) {
        if (type_of(item) != to->type)
            continue;
        state = state_of(item);
        json_array_foreach(json_object_get(item, "replies"), j, reply) if (count < RECORDS_MOST)
            records[count++] = record_of(to->type, json_string_value(reply));
    }
    answers_set(a, to, state, records, count);
}

static void answer_all(const json_t *dns, struct answers *a) {
    struct answer *to;
    for (size_t at = 0; (to = answers_next(a, &at)) != NULL;)
        answer_one(dns, a, to);
}

/* ---- a case ---- */

struct outcome {
    struct auth_verdict auth;
    struct arc_verdict arc;
};

static void check(const struct auth_query *q, const json_t *dns, struct outcome *ret) {
    struct answers answers;
    answers_init(&answers, &arena);
    while (!auth_check(q, &answers, &ret->auth))
        answer_all(dns, &answers);
    for (arc_verify(q->message, NULL, NOW, &answers, &ret->arc); ret->arc.result == ARC_WAITS;
         arc_verify(q->message, NULL, NOW, &answers, &ret->arc))
        answer_all(dns, &answers);
}

static view word_of(const struct outcome *o, const char *method) {
    const struct auth_verdict *v = &o->auth;
    if (strcmp(method, "spf") == 0)
        return words_at(SPF_WORDS, v->spf.result);
    if (strcmp(method, "dkim") == 0)
        return words_at(DKIM_WORDS, v->dkim.result);
    if (strcmp(method, "arc") == 0)
        return words_at(ARC_WORDS, o->arc.result);
    if (v->dmarc.result != DMARC_FAIL)
        return words_at(DMARC_WORDS, v->dmarc.result);
    return arena_printf(&arena, "fail(p=%.*s)", VIEW_ARG(words_at(DMARC_POLICY_WORDS, v->dmarc.published)));
}

/* "arc=invalid" is a chain that does not pass. */
static bool is_word(view got, view wanted) {
    return view_eq(got, wanted) || (view_eq(wanted, VIEW("invalid")) && view_eq(got, VIEW("fail")));
}

static bool is_wanted(const json_t *expect, const struct outcome *o) {
    json_t *wanted, *one;
    const char *method;
    size_t i;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)expect, method, wanted) {
        if (json_is_array(wanted)) /* "not": what must not come out */
            continue;
        ok &= is_word(word_of(o, method), zone_text(json_string_value(wanted)));
    }
    json_array_foreach(json_object_get(expect, "not"), i, one) {
        view text = zone_text(json_string_value(one)), name;
        view_split(&text, '=', &name);
        char text_name[16];
        snprintf(text_name, sizeof text_name, "%.*s", VIEW_ARG(name));
        ok &= !view_eq(word_of(o, text_name), text);
    }
    return ok;
}

/* What its own zone cannot give: a chain that is to pass without its keys; alignment with a domain above that
 * has no record, which RFC 7489 took from a list of public suffixes and RFC 9989 does not (4.10.2). */
static bool is_lost(const json_t *expect, const struct outcome *o) {
    const struct dkim_verdict *d = &o->auth.dkim;
    view author = o->auth.author, pass = VIEW("pass");
    if (view_eq(zone_text(json_string_value(json_object_get(expect, "arc"))), pass))
        return strcmp(o->arc.why, "there is no key") == 0;
    if (!view_eq(zone_text(json_string_value(json_object_get(expect, "dmarc"))), pass))
        return false;
    for (size_t i = 0; i < d->count; i++)
        if (d->list[i].result == DKIM_PASS && !o->auth.dmarc.dkim_aligned[i] &&
            view_ends_with(author, arena_printf(&arena, ".%.*s", VIEW_ARG(d->list[i].domain))))
            return true;
    return false;
}

/* Lines end in CRLF, whatever they end in in the file. */
static view message_of(const char *folder, const char *file) {
    char path[4096];
    struct buf text = BUF_INIT(16 << 20), out = BUF_INIT(16 << 20);
    struct err e;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (!file_read(path, &text, &e))
        printf("%s\n", e.text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
            buf_add_char(&out, '\r');
        buf_add_char(&out, text.data[i]);
    }
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&text);
    buf_done(&out);
    return made;
}

static view text_of(const json_t *test, const char *key) {
    return zone_text(json_string_value(json_object_get(test, key)));
}

static bool run_case(const char *folder, const json_t *test, const json_t *dns, bool *ret_excused) {
    view sender = text_of(test, "from");
    struct outcome o;
    struct auth_query q = {.now_s = NOW,
                           .message = message_of(folder, text_of(test, "message").ptr),
                           .spf = {.helo = text_of(test, "helo"),
                                   .sender = view_eq(sender, VIEW("<>")) ? VIEW("") : sender,
                                   .receiver = VIEW("mx.example.org"),
                                   .now_s = NOW}};
    q.spf.client = zone_address(&arena, text_of(test, "ip").ptr);
    check(&q, json_object_get(dns, text_of(test, "dns").ptr), &o);
    const json_t *expect = json_object_get(test, "expect");
    bool ok = is_wanted(expect, &o);
    *ret_excused = !ok && is_lost(expect, &o);
    if (*ret_excused)
        printf("%s: excused, what it needs is not in its zone\n", text_of(test, "id").ptr);
    else if (!ok)
        printf("%s: spf=%.*s (%s) dkim=%.*s dmarc=%.*s arc=%.*s (%s)\n", text_of(test, "id").ptr,
               VIEW_ARG(word_of(&o, "spf")), o.auth.spf.why, VIEW_ARG(word_of(&o, "dkim")),
               VIEW_ARG(word_of(&o, "dmarc")), VIEW_ARG(word_of(&o, "arc")), o.arc.why);
    return ok;
}

static json_t *load(const char *folder, const char *file) {
    char path[4096];
    json_error_t e;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *all = json_load_file(path, 0, &e);
    if (!all)
        printf("%s: %s\n", path, e.text);
    return all;
}

int main(int argc, char **argv) {
    json_t *tests = argc == 2 ? load(argv[1], "cases.json") : NULL,
           *dns = tests ? load(argv[1], "dns.json") : NULL, *test;
    int passed = 0, failed = 0, excused = 0;
    size_t i;
    if (!dns) {
        fprintf(stderr, "usage: rspamd-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 256 << 20);
    json_array_foreach(tests, i, test) {
        bool is_excused, ok = run_case(argv[1], test, dns, &is_excused);
        passed += ok;
        excused += is_excused;
        failed += !ok && !is_excused;
        arena_reset(&arena);
    }
    arena_done(&arena);
    json_decref(dns);
    json_decref(tests);
    printf("%s: %d pass, %d fail, %d excused\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
           passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}
