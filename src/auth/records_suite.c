/* records_suite.c: the records of a folder like auth-records of the shared suites (see its README for the
 * form): each is well-formed or not. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/dkim_key.h"
#include "auth/mta_sts.h"
#include "auth/spf.h"
#include "auth/tls_report.h"
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

static bool passes(const json_t *test) {
    view kind = zone_text(json_string_value(json_object_get(test, "kind")));
    const json_t *input = json_object_get(test, "input");
    view text = view_from(json_string_value(input), json_string_length(input));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (view_eq(kind, view_of(kinds[i].kind)) &&
            kinds[i].is_valid(text) == json_is_true(json_object_get(test, "valid")))
            return true;
    return false;
}

int main(int argc, char **argv) {
    char path[4096];
    json_error_t e;
    json_t *all, *test;
    int passed = 0, failed = 0, excused = 0;
    size_t i;
    snprintf(path, sizeof path, "%s/records.json", argc == 2 ? argv[1] : ".");
    all = argc == 2 ? json_load_file(path, JSON_ALLOW_NUL, &e) : NULL;
    if (!all) {
        fprintf(stderr, "usage: records-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 1 << 20);
    json_array_foreach(all, i, test) {
        bool ok = passes(test), contested = json_is_true(json_object_get(test, "contested"));
        passed += ok;
        excused += !ok && contested;
        failed += !ok && !contested;
        if (!ok && !contested)
            printf("%s \"%s\" (%s)\n", json_string_value(json_object_get(test, "kind")),
                   json_string_value(json_object_get(test, "input")),
                   json_string_value(json_object_get(test, "comment")));
        arena_reset(&arena);
    }
    arena_done(&arena);
    json_decref(all);
    printf("%s: %d pass, %d fail, %d excused\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
           passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}
