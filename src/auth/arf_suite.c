/* arf_suite.c: the reports of a folder like auth-arf of the shared suites: beside NNN.eml, NNN.json says what
 * is in it. Those without are reports of DMARC failures of the wild: what such a report is for is found.
 * Prints what fails and how many pass; the exit status is 1 when one fails. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/arf.h"
#include "auth/tags.h"
#include "base/file.h"

enum { BYTES_MOST = 64 << 20, PATH_MOST = 4096 };

static struct arena arena;

/* White space does not count; nor, of words, letters' case and hyphens ("AuthFailure"). */
static view plain(view text, bool is_word) {
    view squeezed = tags_squeeze(text, &arena);
    struct buf out = BUF_INIT(BYTES_MOST);
    for (size_t i = 0; is_word && i < squeezed.len; i++)
        if (squeezed.ptr[i] != '-')
            buf_add_char(&out, ascii_lower(squeezed.ptr[i]));
    view made = is_word ? arena_view(&arena, buf_view(&out)) : squeezed;
    buf_done(&out);
    return made;
}

static bool is_same(const char *key, view wanted, view got, bool is_word) {
    if (is_word && view_eq(wanted, VIEW("Unspecified")))
        wanted = VIEW("");
    if (view_starts_with(wanted, VIEW("<")))
        wanted = view_slice(wanted, 1, wanted.len - 2);
    if (view_eq(plain(wanted, is_word), plain(got, is_word)))
        return true;
    printf("    %s: \"%.*s\" instead of \"%.*s\"\n", key, VIEW_ARG(got), VIEW_ARG(wanted));
    return false;
}

static view text_at(const json_t *wanted, const char *key) {
    return view_of(json_string_value(json_object_get(wanted, key)));
}

static bool is_text(const json_t *wanted, const char *key, view got) {
    return is_same(key, text_at(wanted, key), got, false);
}

static bool is_word(const json_t *wanted, const char *key, view got) {
    return is_same(key, text_at(wanted, key), got, true);
}

/* An array, one text, or null. */
static bool is_list(const json_t *wanted, const char *key, const struct arf_list *got) {
    const json_t *list = json_object_get(wanted, key);
    bool is_one = json_is_string(list), ok = true;
    size_t count = is_one ? 1 : json_array_size(list);
    if (count != got->count)
        printf("    %s: %zu instead of %zu\n", key, got->count, count);
    for (size_t i = 0; i < count && i < got->count; i++)
        ok &= is_same(key, view_of(json_string_value(is_one ? list : json_array_get(list, i))), got->items[i],
                      false);
    return ok && count == got->count;
}

static bool is_number(const json_t *wanted, const char *key, int64_t got) {
    int64_t n = json_integer_value(json_object_get(wanted, key));
    if (n != got)
        printf("    %s: %lld instead of %lld\n", key, (long long)got, (long long)n);
    return n == got;
}

/* Of a whole message the suite keeps nothing. */
static bool is_original(const json_t *wanted, const struct arf_report *r) {
    bool is_header = json_is_string(json_object_get(wanted, "headers"));
    if (is_header != r->is_header_only || r->original.len == 0)
        printf("    the message that is reported is not found\n");
    return is_header == r->is_header_only && r->original.len > 0 &&
           (!is_header || is_text(wanted, "headers", r->original));
}

static bool is_wanted(const json_t *wanted, const struct arf_report *r) {
    int64_t version = 0;
    bool ok = view_to_i64(r->version, &version) && is_number(wanted, "version", version);
    ok &= is_word(wanted, "feedback_type", r->type);
    ok &= is_word(wanted, "auth_failure", r->auth_failure);
    ok &= is_word(wanted, "delivery_result", r->delivery_result);
    ok &= is_word(wanted, "identity_alignment", r->identity_alignment);
    ok &= is_number(wanted, "arrival_date", r->arrival_ms / 1000);
    ok &= is_number(wanted, "incidents", r->incidents);
    ok &= is_number(wanted, "source_port", r->source_port);
    ok &= is_text(wanted, "source_ip", r->source_ip);
    ok &= is_text(wanted, "user_agent", r->user_agent);
    ok &= is_text(wanted, "reporting_mta", r->reporting_mta);
    ok &= is_text(wanted, "original_envelope_id", r->envelope_id);
    ok &= is_text(wanted, "original_mail_from", r->mail_from);
    ok &= is_list(wanted, "original_rcpt_to", &r->rcpt_to);
    ok &= is_list(wanted, "reported_domain", &r->domains);
    ok &= is_list(wanted, "reported_uri", &r->uris);
    ok &= is_list(wanted, "authentication_results", &r->results);
    ok &= is_list(wanted, "spf_dns", &r->spf_dns);
    ok &= is_text(wanted, "dkim_domain", r->dkim_domain);
    ok &= is_text(wanted, "dkim_identity", r->dkim_identity);
    ok &= is_text(wanted, "dkim_selector", r->dkim_selector);
    ok &= is_text(wanted, "dkim_selector_dns", r->dkim_selector_dns);
    ok &= is_text(wanted, "dkim_adsp_dns", r->dkim_adsp_dns);
    ok &= is_text(wanted, "dkim_canonicalized_header", r->dkim_canonical_header);
    ok &= is_text(wanted, "dkim_canonicalized_body", r->dkim_canonical_body);
    return is_original(wanted, r) && ok;
}

/* What a report of a DMARC failure is for. */
static bool is_failure(const struct arf_report *r) {
    bool ok = is_same("type", VIEW("auth-failure"), r->type, false);
    ok &= is_same("failure", VIEW("dmarc"), r->auth_failure, false);
    if (r->domains.count == 0 || r->rcpt_to.count == 0 || r->source_ip.len == 0 || r->arrival_ms == 0 ||
        r->delivery_result.len == 0 || r->original.len == 0) {
        printf("    a field that is there is not found\n");
        return false;
    }
    return ok;
}

static bool passes(const char *path, view octets) {
    char json[PATH_MOST];
    json_error_t e;
    struct arf_report r;
    snprintf(json, sizeof json, "%.*s.json", (int)(strlen(path) - strlen(".eml")), path);
    json_t *wanted = file_exists(json) ? json_load_file(json, 0, &e) : NULL;
    bool is_report = view_search(octets, VIEW("message/feedback-report")) >= 0,
         ok = arf_read(octets, &arena, &r) == is_report;
    if (!ok)
        printf("    %s\n", is_report ? "it is not read" : "it is none");
    if (ok && is_report)
        ok = file_exists(json) ? wanted && is_wanted(wanted, &r) : is_failure(&r);
    json_decref(wanted);
    return ok;
}

static bool run(const char *path) {
    struct buf text = BUF_INIT(BYTES_MOST);
    struct err e;
    bool ok = file_read(path, &text, &e);
    if (!ok)
        printf("%s\n", e.text);
    ok = ok && passes(path, buf_view(&text));
    buf_done(&text);
    arena_reset(&arena);
    return ok;
}

int main(int argc, char **argv) {
    char path[PATH_MOST];
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1, passed = 0, failed = 0;
    if (count < 0) {
        fprintf(stderr, "usage: arf-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 256 << 20);
    for (int i = 0; i < count; i++) {
        if (view_ends_with(view_of(entries[i]->d_name), VIEW(".eml"))) {
            snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
            bool ok = run(path);
            passed += ok;
            failed += !ok;
            if (!ok)
                printf("%s\n", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    arena_done(&arena);
    printf("%s: %d pass, %d fail, 0 excused\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
           passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
