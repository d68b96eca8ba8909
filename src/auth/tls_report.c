/* tls_report.c: reports about TLS as JSON (RFC 8460 4.4), from jansson's values and to them. */
#include "auth/tls_report.h"

#include <jansson.h>

#include "base/words.h"
#include "mail/date.h"
#include "mail/text.h"

enum {
    DEPTH_MOST = 16, /* objects and arrays in each other: jansson recurses */
    CONTAINERS_MOST = 50000 /* objects and arrays: each costs it two hundred octets */,
    VALUES_MOST = 500000 /* commas */
};
#define SECONDS_LEAST INT64_C(0)
#define SECONDS_MOST  INT64_C(253402300799) /* the last of the year 9999 */

/* ---- writing ---- */

/* JSON is UTF-8. */
static json_t *text_of(view v) {
    struct buf clean = BUF_INIT(TLS_REPORT_BYTES_MOST);
    if (!view_is_utf8(v))
        text_add_printable(&clean, v, true);
    else
        buf_add(&clean, v);
    json_t *text = json_stringn(clean.data, clean.len);
    buf_done(&clean);
    return text;
}

static void set_text(json_t *object, const char *key, view v) {
    json_object_set_new(object, key, text_of(v));
}

static void set_text_if(json_t *object, const char *key, view v) {
    if (v.len > 0)
        set_text(object, key, v);
}

static void set_number(json_t *object, const char *key, int64_t n) {
    json_object_set_new(object, key, json_integer(n));
}

static void set_list_if(json_t *object, const char *key, const view *list, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, text_of(list[i]));
    if (count > 0)
        json_object_set(object, key, array);
    json_decref(array);
}

static void set_time(json_t *object, const char *key, int64_t seconds) {
    struct buf out = BUF_INIT(64);
    date_format_iso(seconds * 1000, &out);
    if (view_ends_with(buf_view(&out), VIEW(".000Z"))) { /* as others have it */
        buf_truncate(&out, out.len - 5);
        buf_add_char(&out, 'Z');
    }
    set_text(object, key, buf_view(&out));
    buf_done(&out);
}

static json_t *failure_json(const struct tls_failure *f) {
    json_t *object = json_object();
    set_text(object, "result-type", f->type);
    set_text_if(object, "sending-mta-ip", f->sending_ip);
    set_text_if(object, "receiving-mx-hostname", f->receiving_mx);
    set_text_if(object, "receiving-mx-helo", f->receiving_helo);
    set_text_if(object, "receiving-ip", f->receiving_ip);
    set_number(object, "failed-session-count", f->sessions);
    set_text_if(object, "additional-information", f->info);
    set_text_if(object, "failure-reason-code", f->reason);
    return object;
}

static json_t *policy_json(const struct tls_policy_report *p) {
    json_t *policy = json_object(), *summary = json_object(), *all = json_object();
    set_text(policy, "policy-type", words_at(TLS_POLICY_KINDS, p->kind));
    set_list_if(policy, "policy-string", p->policy, p->policy_count);
    set_text(policy, "policy-domain", p->domain);
    set_list_if(policy, "mx-host", p->mx_hosts, p->mx_host_count);
    set_number(summary, "total-successful-session-count", p->success);
    set_number(summary, "total-failure-session-count", p->failure);
    json_object_set_new(all, "policy", policy);
    json_object_set_new(all, "summary", summary);
    if (p->failure_count > 0) {
        json_t *failures = json_array();
        for (size_t i = 0; i < p->failure_count; i++)
            json_array_append_new(failures, failure_json(&p->failures[i]));
        json_object_set_new(all, "failure-details", failures);
    }
    return all;
}

static int add_octets(const char *octets, size_t len, void *out) {
    buf_add(out, view_from(octets, len));
    return 0;
}

void tls_report_write(const struct tls_report *r, struct buf *out) {
    json_t *all = json_object(), *range = json_object(), *policies = json_array();
    set_text(all, "organization-name", r->organization);
    set_time(range, "start-datetime", r->begin_s);
    set_time(range, "end-datetime", r->end_s);
    json_object_set_new(all, "date-range", range);
    set_text(all, "contact-info", r->contact);
    set_text(all, "report-id", r->id);
    for (size_t i = 0; i < r->policy_count; i++)
        json_array_append_new(policies, policy_json(&r->policies[i]));
    json_object_set_new(all, "policies", policies);
    json_dump_callback(all, add_octets, out, JSON_COMPACT);
    json_decref(all);
}

/* ---- reading ---- */

/* What jansson makes of it has a bound in memory and on the stack. */
static bool is_modest(view json) {
    size_t depth = 0, containers = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\';
        } else if (c == '{' || c == '[') {
            containers++;
            if (++depth > DEPTH_MOST)
                return false;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else {
            values += c == ',';
        }
    }
    return containers <= CONTAINERS_MOST && values <= VALUES_MOST;
}

static view get_text(const json_t *object, const char *key, struct arena *a) {
    const json_t *value = json_object_get(object, key);
    return json_is_string(value)
               ? arena_view(a, view_from(json_string_value(value), json_string_length(value)))
               : VIEW("");
}

/* A number, or one written as text; 0 for anything else. */
static int64_t get_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    int64_t n = 0;
    if (json_is_integer(value))
        n = json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) >= 0 &&
             json_real_value(value) <= (double)TLS_REPORT_SESSIONS_MOST)
        n = (int64_t)json_real_value(value);
    else if (json_is_string(value) && !view_to_i64(view_of(json_string_value(value)), &n))
        n = 0;
    return n >= 0 && n <= TLS_REPORT_SESSIONS_MOST ? n : 0;
}

static int64_t get_time(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    int64_t ms = 0;
    if (json_is_integer(value))
        return json_integer_value(value) >= SECONDS_LEAST && json_integer_value(value) <= SECONDS_MOST
                   ? json_integer_value(value)
                   : 0;
    if (!json_is_string(value) || !date_parse_iso(view_of(json_string_value(value)), &ms) || ms < 0)
        return 0;
    return ms / 1000;
}

/* Of a list, or of one text that stands there instead. More than the limit are not looked at. */
static size_t get_list(const json_t *object, const char *key, struct arena *a, const view **ret) {
    const json_t *value = json_object_get(object, key);
    size_t count = json_is_string(value) ? 1 : json_array_size(value), kept = 0;
    if (count > TLS_REPORT_LINES_MOST)
        count = TLS_REPORT_LINES_MOST;
    view *list = arena_alloc_n(a, count, sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        const json_t *one = json_is_string(value) ? value : json_array_get(value, i);
        if (json_is_string(one))
            list[kept++] = arena_view(a, view_from(json_string_value(one), json_string_length(one)));
    }
    *ret = list;
    return kept;
}

static void read_failure(const json_t *object, struct arena *a, struct tls_failure *ret) {
    ret->type = get_text(object, "result-type", a);
    ret->sending_ip = get_text(object, "sending-mta-ip", a);
    ret->receiving_mx = get_text(object, "receiving-mx-hostname", a);
    ret->receiving_helo = get_text(object, "receiving-mx-helo", a);
    ret->receiving_ip = get_text(object, "receiving-ip", a);
    ret->info = get_text(object, "additional-information", a);
    ret->reason = get_text(object, "failure-reason-code", a);
    ret->sessions = get_number(object, "failed-session-count");
}

static bool read_failures(const json_t *list, struct arena *a, struct tls_policy_report *ret, struct err *e) {
    size_t count = json_array_size(list);
    if (count > TLS_REPORT_FAILURES_MOST)
        return err_set(e, ERR_LIMIT, "a policy in the report has more than %d failures",
                       TLS_REPORT_FAILURES_MOST);
    struct tls_failure *failures = arena_alloc_n(a, count, sizeof *failures);
    for (size_t i = 0; failures && i < count; i++)
        if (json_is_object(json_array_get(list, i)))
            read_failure(json_array_get(list, i), a, &failures[ret->failure_count++]);
    ret->failures = failures;
    return true;
}

static bool read_policy(const json_t *object, struct arena *a, struct tls_policy_report *ret, struct err *e) {
    const json_t *policy = json_object_get(object, "policy"), *summary = json_object_get(object, "summary");
    int64_t kind;
    bool known = words_find(TLS_POLICY_KINDS, get_text(policy, "policy-type", a), &kind);
    ret->kind = known ? (enum tls_policy_kind)kind : TLS_POLICY_NONE;
    ret->domain = get_text(policy, "policy-domain", a);
    ret->policy_count = get_list(policy, "policy-string", a, &ret->policy);
    ret->mx_host_count = get_list(policy, "mx-host", a, &ret->mx_hosts);
    ret->success = get_number(summary, "total-successful-session-count");
    ret->failure = get_number(summary, "total-failure-session-count");
    return read_failures(json_object_get(object, "failure-details"), a, ret, e);
}

static bool read_report(const json_t *all, struct arena *a, struct tls_report *ret, struct err *e) {
    const json_t *range = json_object_get(all, "date-range"), *list = json_object_get(all, "policies");
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return err_set(e, ERR_USAGE, "the JSON is no report about TLS");
    if (count > TLS_REPORT_POLICIES_MOST)
        return err_set(e, ERR_LIMIT, "the report has more than %d policies", TLS_REPORT_POLICIES_MOST);
    struct tls_policy_report *policies = arena_alloc_n(a, count, sizeof *policies);
    struct tls_report r = {.organization = get_text(all, "organization-name", a),
                           .contact = get_text(all, "contact-info", a),
                           .id = get_text(all, "report-id", a),
                           .begin_s = get_time(range, "start-datetime"),
                           .end_s = get_time(range, "end-datetime"),
                           .policies = policies};
    for (size_t i = 0; policies && i < count; i++)
        if (json_is_object(json_array_get(list, i)) &&
            !read_policy(json_array_get(list, i), a, &policies[r.policy_count++], e))
            return false;
    if (a->failed)
        return err_set(e, ERR_LIMIT, "the report is too large");
    *ret = r;
    return true;
}

bool tls_report_read(view json, struct arena *a, struct tls_report *ret, struct err *e) {
    json_error_t error;
    if (json.len > TLS_REPORT_BYTES_MOST || !is_modest(json))
        return err_set(e, ERR_LIMIT, "the report is too large");
    json = view_skip(json, view_starts_with(json, VIEW("\xef\xbb\xbf")) ? 3 : 0);
    json_t *all = json.len ? json_loadb(json.ptr, json.len, 0, &error) : NULL;
    if (!all)
        return err_set(e, ERR_USAGE, "the report is no JSON");
    bool ok = read_report(all, a, ret, e);
    json_decref(all);
    return ok;
}
