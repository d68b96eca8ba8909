/* dmarc_suite.c: the cases of a folder like auth-dmarcbis of the shared suites (see its README for the form).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dmarc.h"
#include "base/words.h"
#include "testing/suite.h"
#include "testing/zone.h"

static struct arena arena;

/* name -> {TYPE: [values]} or "~TIMEOUT": as zone_answer() has it. */
static json_t *zone_of(const json_t *dns) {
    json_t *zone = json_object(), *types, *values, *one;
    const char *name, *type;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)dns, name, types) {
        json_t *items = json_array();
        if (json_is_string(types))
            json_array_append_new(items, json_string("TIMEOUT"));
        json_object_foreach(types, type, values) json_array_foreach(values, i, one)
            json_array_append_new(items, json_pack("{sO}", type, one));
        json_object_set_new(zone, name, items);
    }
    return zone;
}

static bool passed_in(const json_t *identity) {
    return strcmp(zone_text(json_string_value(json_object_get(identity, "result"))).ptr, "pass") == 0;
}

static void read_query(const json_t *test, struct dmarc_query *q) {
    const json_t *spf = json_object_get(test, "spf");
    json_t *one;
    size_t i;
    *q = (struct dmarc_query){.author_domain =
                                  zone_text(json_string_value(json_object_get(test, "author_domain")))};
    if (json_is_object(spf))
        q->spf = (struct dmarc_identity){zone_text(json_string_value(json_object_get(spf, "domain"))),
                                         passed_in(spf)};
    json_array_foreach(json_object_get(test, "dkim"), i, one) q->dkim[q->dkim_count++] =
        (struct dmarc_identity){zone_text(json_string_value(json_object_get(one, "d"))), passed_in(one)};
}

static bool says(const json_t *expect, const char *key, view got) {
    const json_t *wanted = json_object_get(expect, key);
    return !wanted || view_eq_nocase(got, zone_text(json_string_value(wanted)));
}

/* The first names that were asked for. */
static bool asked(const json_t *expect, const struct answers *a) {
    json_t *one;
    size_t i, at = 0;
    json_array_foreach(json_object_get(expect, "queries"), i, one) {
        while (at < a->count && a->list[at]->type != RECORD_TXT)
            at++;
        if (at == a->count || !view_eq_nocase(a->list[at]->name, view_of(json_string_value(one))))
            return false;
        at++;
    }
    return true;
}

static bool is_wanted(const json_t *expect, const struct dmarc_verdict *v, const struct answers *a) {
    const json_t *spf = json_object_get(expect, "spf_aligned");
    json_t *one;
    size_t i;
    bool ok = says(expect, "result", words_at(DMARC_WORDS, v->result)) &&
              says(expect, "policy_domain", v->policy_domain) && says(expect, "org_domain", v->org_domain) &&
              says(expect, "published_policy", words_at(DMARC_POLICY_WORDS, v->published)) &&
              says(expect, "applied_policy", words_at(DMARC_POLICY_WORDS, v->applied)) && asked(expect, a);
    json_array_foreach(json_object_get(expect, "dkim_aligned"), i, one) ok &=
        json_is_true(one) == v->dkim_aligned[i];
    return ok && (!spf || json_is_true(spf) == v->spf_aligned);
}

static bool run_case(const json_t *test) {
    json_t *zone = zone_of(json_object_get(test, "dns"));
    struct dmarc_query q;
    struct dmarc_verdict v;
    struct answers answers;
    answers_init(&answers, &arena);
    read_query(test, &q);
    for (;;) {
        dmarc_check(&q, &answers, &v);
        if (v.result != DMARC_WAITS)
            break;
        zone_answer(zone, &answers);
    }
    bool ok = is_wanted(json_object_get(test, "expect"), &v, &answers);
    if (!ok && !json_is_true(json_object_get(test, "contested"))) {
        printf("%s (%s): %.*s, policy of %.*s, org %.*s, %.*s, %.*s; asked:",
               json_string_value(json_object_get(test, "id")),
               json_string_value(json_object_get(test, "note")), VIEW_ARG(words_at(DMARC_WORDS, v.result)),
               VIEW_ARG(v.policy_domain), VIEW_ARG(v.org_domain),
               VIEW_ARG(words_at(DMARC_POLICY_WORDS, v.published)),
               VIEW_ARG(words_at(DMARC_POLICY_WORDS, v.applied)));
        for (size_t i = 0; i < answers.count; i++)
            printf(" %.*s", VIEW_ARG(answers.list[i]->name));
        printf("\n");
    }
    json_decref(zone);
    return ok;
}

static bool passes_case(const char *folder, const json_t *all, const json_t *test) {
    (void)folder, (void)all;
    return run_case(test);
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "dmarc",
                                       .file = "cases.json",
                                       .arena = &arena,
                                       .arena_bytes = 16 << 20,
                                       .passes = passes_case};
    return suite_main(argc, argv, &suite);
}
