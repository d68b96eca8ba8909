/* dmarc_report_write.c: a report as the schema of RFC 9990 (appendix A) wants it. Its words are closed lists,
 * so a value that is none of them is never written. */
#include "auth/dmarc_report.h"
#include "base/words.h"
#include "mail/text.h"

#define POLICIES     "none quarantine reject"
#define DISPOSITIONS "none pass quarantine reject"
#define ALIGNED      "pass fail"
#define MODES        "r s"
#define REASONS      "local_policy mailing_list other policy_test_mode trusted_forwarder"
#define DKIM_RESULTS "none pass fail policy neutral temperror permerror"
#define SPF_RESULTS  "none pass fail softfail policy neutral temperror permerror"

/* Octets of the character at the front that XML may have (XML 1.0, 2.2) and that can be shown; or 0. */
static size_t char_len(view v) {
    char c = v.ptr[0];
    if (c == '\t' || c == '\n' || c == '\r')
        return 1;
    size_t n = text_char_len(v);
    view one = view_slice(v, 0, n);
    return view_eq(one, VIEW("\xef\xbf\xbe")) || view_eq(one, VIEW("\xef\xbf\xbf")) ? 0 : n;
}

static void add_char(struct buf *out, view one) {
    switch (one.ptr[0]) {
    case '&':
        buf_add_str(out, "&amp;");
        break;
    case '<':
        buf_add_str(out, "&lt;");
        break;
    case '>': /* of "]]>" */
        buf_add_str(out, "&gt;");
        break;
    case '\r': /* else it is read as a line feed */
        buf_add_str(out, "&#13;");
        break;
    default:
        buf_add(out, one);
    }
}

static void element(struct buf *out, const char *name, view text) {
    buf_printf(out, "<%s>", name);
    while (text.len > 0 && !out->failed) {
        size_t n = char_len(text);
        add_char(out, n ? view_slice(text, 0, n) : VIEW("?"));
        text = view_skip(text, n ? n : 1);
    }
    buf_printf(out, "</%s>\n", name);
}

static void element_if(struct buf *out, const char *name, view text) {
    if (text.len > 0)
        element(out, name, text);
}

static bool is_word(const char *words, view text) {
    int64_t n;
    return words_find(words, text, &n);
}

static void word(struct buf *out, const char *name, const char *words, view text, const char *otherwise) {
    element(out, name, is_word(words, text) ? text : view_of(otherwise));
}

static void word_if(struct buf *out, const char *name, const char *words, view text) {
    if (is_word(words, text))
        element(out, name, text);
}

static void number(struct buf *out, const char *name, int64_t n) {
    buf_printf(out, "<%s>%lld</%s>\n", name, (long long)n, name);
}

static void write_metadata(const struct dmarc_report *r, struct buf *out) {
    buf_add_str(out, "<report_metadata>\n");
    element(out, "org_name", r->organization);
    element(out, "email", r->email);
    element_if(out, "extra_contact_info", r->contact);
    element(out, "report_id", r->id);
    buf_add_str(out, "<date_range>\n");
    number(out, "begin", r->begin_s);
    number(out, "end", r->end_s);
    buf_add_str(out, "</date_range>\n");
    element_if(out, "error", view_of(r->error));
    element_if(out, "generator", r->generator);
    buf_add_str(out, "</report_metadata>\n");
}

static void write_policy(const struct dmarc_report *r, struct buf *out) {
    buf_add_str(out, "<policy_published>\n");
    element(out, "domain", r->domain);
    word(out, "p", POLICIES, r->p, "none");
    word_if(out, "sp", POLICIES, r->sp);
    word_if(out, "np", POLICIES, r->np);
    word_if(out, "adkim", MODES, r->adkim);
    word_if(out, "aspf", MODES, r->aspf);
    word_if(out, "discovery_method", "psl treewalk", r->discovery);
    element_if(out, "fo", r->fo);
    word_if(out, "testing", "n y", r->testing);
    buf_add_str(out, "</policy_published>\n");
}

static void write_row(const struct dmarc_report_record *record, struct buf *out) {
    buf_add_str(out, "<row>\n");
    element(out, "source_ip", record->source_ip);
    number(out, "count", record->count);
    buf_add_str(out, "<policy_evaluated>\n");
    word(out, "disposition", DISPOSITIONS, record->disposition, "none");
    word(out, "dkim", ALIGNED, record->dkim, "fail");
    word(out, "spf", ALIGNED, record->spf, "fail");
    if (record->reason.len > 0 || record->comment.len > 0) {
        buf_add_str(out, "<reason>\n");
        word(out, "type", REASONS, record->reason, "other");
        element_if(out, "comment", record->comment);
        buf_add_str(out, "</reason>\n");
    }
    buf_add_str(out, "</policy_evaluated>\n</row>\n");
}

static void write_dkim(const struct dmarc_report_auth *auth, struct buf *out) {
    buf_add_str(out, "<dkim>\n");
    element(out, "domain", auth->domain);
    element(out, "selector", auth->selector);
    word(out, "result", DKIM_RESULTS, auth->result, "none");
    element_if(out, "human_result", auth->human);
    buf_add_str(out, "</dkim>\n");
}

static void write_spf(const struct dmarc_report_auth *auth, struct buf *out) {
    buf_add_str(out, "<spf>\n");
    element(out, "domain", auth->domain);
    word_if(out, "scope", "mfrom", auth->scope);
    word(out, "result", SPF_RESULTS, auth->result, "none");
    element_if(out, "human_result", auth->human);
    buf_add_str(out, "</spf>\n");
}

static void write_record(const struct dmarc_report_record *record, struct buf *out) {
    buf_add_str(out, "<record>\n");
    write_row(record, out);
    buf_add_str(out, "<identifiers>\n");
    element(out, "header_from", record->header_from);
    element_if(out, "envelope_from", record->envelope_from);
    element_if(out, "envelope_to", record->envelope_to);
    buf_add_str(out, "</identifiers>\n<auth_results>\n");
    for (size_t i = 0; i < record->dkim_count; i++)
        write_dkim(&record->dkim_results[i], out);
    if (record->spf_count > 0)
        write_spf(&record->spf_results[0], out);
    buf_add_str(out, "</auth_results>\n</record>\n");
}

void dmarc_report_write(const struct dmarc_report *r, struct buf *out) {
    buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n<version>1.0</version>\n");
    write_metadata(r, out);
    write_policy(r, out);
    for (size_t i = 0; i < r->count && !out->failed; i++)
        write_record(&r->records[i], out);
    buf_add_str(out, "</feedback>\n");
}
