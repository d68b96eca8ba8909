/* dmarc_report_suite.c: the reports of a folder like auth-dmarc-reports of the shared suites (see its README
 * for the form of the manifest). What is read is written again, too: that must be valid by the schema beside
 * the manifest, and read as the same. Prints what fails and how many pass; the exit status is 1 when one
 * fails that its suite does not excuse. */
#include <jansson.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dmarc_report.h"
#include "auth/report_part.h"
#include "base/file.h"
#include "testing/suite.h"

enum { BYTES_MOST = 64 << 20, NAMES_LISTED = 5 /* as many names the manifest has */ };

static struct arena arena;
static xmlSchemaPtr schema; /* NULL: there is none */

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_text(const json_t *wanted, const char *key, view got) {
    if (view_eq(got, view_of(text_at(wanted, key))))
        return true;
    printf("    %s: \"%.*s\" instead of \"%s\"\n", key, VIEW_ARG(got), text_at(wanted, key));
    return false;
}

static bool is_number(const json_t *wanted, const char *key, int64_t got) {
    const json_t *value = json_object_get(wanted, key);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : (int64_t)atof(text_at(wanted, key));
    if (n == got)
        return true;
    printf("    %s: %lld instead of %lld\n", key, (long long)got, (long long)n);
    return false;
}

static bool is_json(const json_t *wanted, const char *key, json_t *got) {
    bool ok = json_equal(json_object_get(wanted, key), got) == 1;
    char *text = ok ? NULL : json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!ok)
        printf("    %s: %s\n", key, text);
    free(text);
    json_decref(got);
    return ok;
}

static void set(json_t *object, const char *key, view v) {
    if (v.len > 0)
        json_object_set_new(object, key, json_stringn(v.ptr, v.len));
}

static json_t *policy_of(const struct dmarc_report *r) {
    json_t *policy = json_object();
    set(policy, "domain", r->domain);
    set(policy, "p", r->p);
    set(policy, "sp", r->sp);
    set(policy, "np", r->np);
    set(policy, "adkim", r->adkim);
    set(policy, "aspf", r->aspf);
    set(policy, "pct", r->pct);
    set(policy, "fo", r->fo);
    set(policy, "testing", r->testing);
    set(policy, "discovery_method", r->discovery);
    return policy;
}

static view disposition_of(const struct dmarc_report_record *r) {
    return r->disposition;
}

static view dkim_of(const struct dmarc_report_record *r) {
    return r->dkim;
}

static view spf_of(const struct dmarc_report_record *r) {
    return r->spf;
}

static view source_of(const struct dmarc_report_record *r) {
    return r->source_ip;
}

static view from_of(const struct dmarc_report_record *r) {
    return arena_lower(&arena, r->header_from);
}

/* Value -> messages that have it. */
static json_t *counts_of(const struct dmarc_report *r, view (*value_of)(const struct dmarc_report_record *)) {
    json_t *counts = json_object();
    for (size_t i = 0; i < r->count; i++) {
        const char *value = arena_str(&arena, value_of(&r->records[i]));
        json_int_t before = json_integer_value(json_object_get(counts, value));
        json_object_set_new(counts, value, json_integer(before + r->records[i].count));
    }
    return counts;
}

static int64_t sources_of(const struct dmarc_report *r) {
    json_t *counts = counts_of(r, source_of);
    int64_t n = (int64_t)json_object_size(counts);
    json_decref(counts);
    return n;
}

static bool has_names(const json_t *wanted, const struct dmarc_report *r) {
    const json_t *names = json_object_get(wanted, "header_from");
    json_t *counts = counts_of(r, from_of), *name;
    size_t i;
    bool ok = json_array_size(names) == NAMES_LISTED || json_array_size(names) == json_object_size(counts);
    json_array_foreach(names, i, name) ok &= json_object_get(counts, json_string_value(name)) != NULL;
    if (!ok)
        printf("    header_from: %zu names\n", json_object_size(counts));
    json_decref(counts);
    return ok;
}

static bool is_wanted(const json_t *wanted, const struct dmarc_report *r) {
    int64_t messages = 0;
    for (size_t i = 0; i < r->count; i++)
        messages += r->records[i].count;
    bool ok = is_text(wanted, "namespace", r->namespace);
    ok &= is_text(wanted, "org_name", r->organization);
    ok &= is_text(wanted, "report_id", r->id);
    ok &= is_number(wanted, "begin", r->begin_s);
    ok &= is_number(wanted, "end", r->end_s);
    ok &= is_json(wanted, "policy", policy_of(r));
    ok &= is_number(wanted, "records", (int64_t)r->count);
    ok &= is_number(wanted, "messages", messages);
    ok &= is_json(wanted, "disposition", counts_of(r, disposition_of));
    ok &= is_json(wanted, "dkim_aligned", counts_of(r, dkim_of));
    ok &= is_json(wanted, "spf_aligned", counts_of(r, spf_of));
    ok &= is_number(wanted, "source_ips", sources_of(r));
    return has_names(wanted, r) && ok;
}

static bool is_valid(view xml) {
    xmlDocPtr doc = xmlReadMemory(xml.ptr, (int)xml.len, NULL, NULL, XML_PARSE_NONET);
    xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);
    int got = doc ? xmlSchemaValidateDoc(context, doc) : -1;
    xmlSchemaFreeValidCtxt(context);
    xmlFreeDoc(doc);
    if (got != 0)
        printf("    what is written is not valid\n");
    return got == 0;
}

/* Written, read and written again: the same, and valid. */
static bool is_written(const struct dmarc_report *r) {
    struct buf once = BUF_INIT(BYTES_MOST), twice = BUF_INIT(BYTES_MOST);
    struct dmarc_report again;
    struct err e = {0};
    dmarc_report_write(r, &once);
    bool ok = dmarc_report_read(buf_view(&once), &arena, &again, &e);
    if (ok)
        dmarc_report_write(&again, &twice);
    if (!ok || !view_eq(buf_view(&once), buf_view(&twice))) {
        printf("    what is written is read differently: %s\n", e.text);
        ok = false;
    }
    if (schema && ok)
        ok = is_valid(buf_view(&once));
    buf_done(&once);
    buf_done(&twice);
    return ok;
}

static bool read_report(view octets, struct dmarc_report *ret, struct err *e) {
    struct buf part = BUF_INIT(BYTES_MOST), xml = BUF_INIT(BYTES_MOST);
    bool ok = report_part_find(octets, &arena, &part) || err_set(e, ERR_USAGE, "no report in it");
    ok = ok && report_part_unpack(buf_view(&part), DMARC_REPORT_BYTES_MOST, &xml, e) &&
         dmarc_report_read(buf_view(&xml), &arena, ret, e);
    buf_done(&part);
    buf_done(&xml);
    return ok;
}

/* What is not well-formed is to be survived. */
static bool passes(const json_t *test, view octets) {
    const json_t *reports = json_object_get(test, "reports"), *wanted = json_array_get(reports, 0);
    struct dmarc_report r;
    struct err e = {0};
    bool ok = read_report(octets, &r, &e);
    if (json_array_size(reports) != 1)
        return false;
    if (!json_is_true(json_object_get(wanted, "well_formed")))
        return true;
    if (!ok)
        printf("    %s\n", e.text);
    return ok && is_wanted(wanted, &r) && is_written(&r);
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

static void load_schema(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/dmarc-xml-0.2.xsd", folder);
    xmlSchemaParserCtxtPtr context = file_exists(path) ? xmlSchemaNewParserCtxt(path) : NULL;
    schema = context ? xmlSchemaParse(context) : NULL;
    if (context)
        xmlSchemaFreeParserCtxt(context);
    if (!schema)
        printf("skipped: %s is not there\n", path);
}

static bool passes_case(const char *folder, const json_t *all, const json_t *test) {
    (void)all;
    return run(folder, test);
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "dmarc_report",
                                       .file = "manifest.json",
                                       .name = "file",
                                       .arena = &arena,
                                       .arena_bytes = 256 << 20,
                                       .passes = passes_case};
    if (argc == 2)
        load_schema(argv[1]);
    int status = suite_main(argc, argv, &suite);
    xmlSchemaFree(schema);
    xmlCleanupParser();
    return status;
}
