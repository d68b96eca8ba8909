/* records_suite.c: the records of a folder like auth-records of the shared suites (see its README for the
 * form): each is well-formed or not. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/dkim_key.h"
#include "auth/mta_sts.h"
#include "auth/spf.h"
#include "auth/tls_report.h"
#include "testing/suite.h"
#include "testing/zone.h"

static struct arena arena;

static bool is_mta_sts_record(view text) {
    view id;
    return mta_sts_record(&text, 1, &id);
}

static bool is_mta_sts_policy(view text) {
    struct mta_sts_policy policy;
    const char *why;
    return mta_sts_policy_read(text, &arena, &policy, &why);
}

static bool is_tlsrpt_record(view text) {
    view places[TLS_REPORT_PLACES_MOST];
    return tls_report_record(&text, 1, &arena, places) > 0;
}

static bool is_dkim_key_record(view text) {
    struct dkim_key key;
    const char *why;
    bool ok = dkim_key_read(text, &arena, &key, &why);
    dkim_key_done(&key);
    return ok;
}

static const struct {
    const char *kind;
    bool (*is_valid)(view text);
} kinds[] = {{"mta-sts-record", is_mta_sts_record},
             {"mta-sts-policy", is_mta_sts_policy},
             {"tlsrpt-record", is_tlsrpt_record},
             {"dkim-key-record", is_dkim_key_record},
             {"spf-record", spf_record_is_valid}};

static bool passes(const char *folder, const json_t *all, const json_t *test) {
    (void)folder, (void)all;
    view kind = suite_text(test, "kind");
    const json_t *input = json_object_get(test, "input");
    view text = view_from(json_string_value(input), json_string_length(input));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (view_eq(kind, view_of(kinds[i].kind)) &&
            kinds[i].is_valid(text) == json_is_true(json_object_get(test, "valid")))
            return true;
    return false;
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "records",
                                       .file = "records.json",
                                       .name = "input",
                                       .arena = &arena,
                                       .arena_bytes = 1 << 20,
                                       .passes = passes};
    return suite_main(argc, argv, &suite);
}
