/* tls_report_suite.c: the reports of a folder like auth-tlsrpt of the shared suites (see its README for the
 * form of the manifest); each is written and read again, too. Prints what fails and how many pass; the exit
 * status is 1 when one fails that its suite does not excuse. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/report_part.h"
#include "auth/tls_report.h"
#include "base/file.h"
#include "base/words.h"
#include "testing/suite.h"

enum { BYTES_MOST = 64 << 20 };

static struct arena arena;

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_number(const json_t *wanted, const char *key, int64_t got) {
    if (json_integer_value(json_object_get(wanted, key)) == got)
        return true;
    printf("    %s: %lld\n", key, (long long)got);
    return false;
}

static bool is_wanted(const json_t *wanted, const struct tls_report *r) {
    int64_t success = 0, failure = 0, failures = 0;
    const json_t *kinds = json_object_get(wanted, "policy_types");
    bool ok = is_number(wanted, "policies", (int64_t)r->policy_count);
    for (size_t i = 0; i < r->policy_count; i++) {
        const char *kind = json_string_value(json_array_get(kinds, i));
        ok &= kind && view_eq(view_of(kind), words_at(TLS_POLICY_KINDS, r->policies[i].kind));
        success += r->policies[i].success;
        failure += r->policies[i].failure;
        failures += (int64_t)r->policies[i].failure_count;
    }
    ok &= is_number(wanted, "success", success);
    ok &= is_number(wanted, "failure", failure);
    ok &= is_number(wanted, "failure_details", failures);
    ok &= r->begin_s > 0 && r->end_s >= r->begin_s;
    return ok && view_eq(r->organization, view_of(text_at(wanted, "org"))) &&
           view_eq(r->id, view_of(text_at(wanted, "report_id")));
}

static bool is_written(const struct tls_report *r) {
    struct buf once = BUF_INIT(BYTES_MOST), twice = BUF_INIT(BYTES_MOST);
    struct tls_report again;
    struct err e;
    tls_report_write(r, &once);
    bool ok = tls_report_read(buf_view(&once), &arena, &again, &e);
    if (ok)
        tls_report_write(&again, &twice);
    ok = ok && view_eq(buf_view(&once), buf_view(&twice));
    buf_done(&once);
    buf_done(&twice);
    return ok;
}

static bool passes(const json_t *test, view octets) {
    struct buf part = BUF_INIT(BYTES_MOST), json = BUF_INIT(BYTES_MOST);
    struct tls_report r;
    struct err e = {0};
    bool ok = report_part_find(octets, &arena, &part) || err_set(&e, ERR_USAGE, "no report in it");
    ok = ok && report_part_unpack(buf_view(&part), TLS_REPORT_BYTES_MOST, &json, &e) &&
         tls_report_read(buf_view(&json), &arena, &r, &e);
    if (!ok)
        printf("    %s\n", e.text);
    ok = ok && is_wanted(test, &r) && is_written(&r);
    buf_done(&part);
    buf_done(&json);
    return ok;
}

static bool run(const char *folder, const json_t *test) {
    char path[4096];
    struct buf text = BUF_INIT(BYTES_MOST);
    struct err e;
    snprintf(path, sizeof path, "%s/%s", folder, text_at(test, "file"));
    bool ok = file_read(path, &text, &e);
    if (!ok)
        printf("%s\n", e.text);
    ok = ok && passes(test, buf_view(&text));
    buf_done(&text);
    arena_reset(&arena);
    return ok;
}

static bool passes_case(const char *folder, const json_t *all, const json_t *test) {
    (void)all;
    return run(folder, test);
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "tls_report",
                                       .file = "manifest.json",
                                       .name = "file",
                                       .arena = &arena,
                                       .arena_bytes = 64 << 20,
                                       .passes = passes_case};
    return suite_main(argc, argv, &suite);
}
