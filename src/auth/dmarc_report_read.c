/* dmarc_report_read.c: reports of strangers. libxml2's reader goes over the elements once; what it gets is
 * UTF-8, has no DTD (so no entities, and nothing to fetch) and no tag that is long, because it compares the
 * attributes of a tag with each other. */
#include <libxml/xmlreader.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "auth/dmarc_report.h"
#include "mail/charset.h"

enum {
    TAG_MOST = 2048,       /* octets of a tag */
    VALUE_MOST = 64 << 10, /* octets of the text in an element that is read */
    DEPTH_MOST = 5,        /* of elements that are read, below the root */
    NAME_MOST = 40,        /* octets of an element's name that are looked at: more than the longest has */
    PATH_MOST = DEPTH_MOST * (NAME_MOST + 1),
    DECLARATION_MOST = 200 /* octets in which the charset is looked for */
};
#define SECONDS_MOST INT64_C(253402300799) /* the last of the year 9999 */

struct run {
    xmlTextReader *xml;
    struct arena *arena;
    struct err *e;
    struct dmarc_report report;
    struct dmarc_report_record record;
    struct dmarc_report_auth auth, dkim[DMARC_REPORT_AUTH_MOST], spf[DMARC_REPORT_AUTH_MOST];
    size_t dkim_count, spf_count, reasons;
    struct buf records; /* of struct dmarc_report_record */
    struct buf path;    /* names below the root, to the element that is open: "record/row/count" */
    size_t ends[DEPTH_MOST + 1];
    const struct field *field; /* that is open, nothing in it; or NULL */
    struct buf text;           /* in it */
};

/* ---- values ---- */

enum place { OF_REPORT, OF_RECORD, OF_AUTH };
enum form { TEXT, SECONDS, COUNT, FAULT };

static const struct field {
    const char *path;
    enum place place;
    enum form form;
    size_t at;
} fields[] = {
#define REPORT(path, form, member)                                                                           \
    { path, OF_REPORT, form, offsetof(struct dmarc_report, member) }
#define RECORD(path, form, member)                                                                           \
    { path, OF_RECORD, form, offsetof(struct dmarc_report_record, member) }
#define AUTH(path, member)                                                                                   \
    { path, OF_AUTH, TEXT, offsetof(struct dmarc_report_auth, member) }
    REPORT("report_metadata/org_name", TEXT, organization),
    REPORT("report_metadata/email", TEXT, email),
    REPORT("report_metadata/extra_contact_info", TEXT, contact),
    REPORT("report_metadata/report_id", TEXT, id),
    REPORT("report_metadata/generator", TEXT, generator),
    REPORT("report_metadata/error", FAULT, error),
    REPORT("report_metadata/date_range/begin", SECONDS, begin_s),
    REPORT("report_metadata/date_range/end", SECONDS, end_s),
    REPORT("policy_published/domain", TEXT, domain),
    REPORT("policy_published/p", TEXT, p),
    REPORT("policy_published/sp", TEXT, sp),
    REPORT("policy_published/np", TEXT, np),
    REPORT("policy_published/adkim", TEXT, adkim),
    REPORT("policy_published/aspf", TEXT, aspf),
    REPORT("policy_published/pct", TEXT, pct),
    REPORT("policy_published/fo", TEXT, fo),
    REPORT("policy_published/testing", TEXT, testing),
    REPORT("policy_published/discovery_method", TEXT, discovery),
    RECORD("record/row/source_ip", TEXT, source_ip),
    RECORD("record/row/count", COUNT, count),
    RECORD("record/row/policy_evaluated/disposition", TEXT, disposition),
    RECORD("record/row/policy_evaluated/dkim", TEXT, dkim),
    RECORD("record/row/policy_evaluated/spf", TEXT, spf),
    RECORD("record/row/policy_evaluated/reason/type", TEXT, reason),
    RECORD("record/row/policy_evaluated/reason/comment", TEXT, comment),
    RECORD("record/identifiers/header_from", TEXT, header_from),
    RECORD("record/identifiers/envelope_from", TEXT, envelope_from),
    RECORD("record/identifiers/envelope_to", TEXT, envelope_to),
    RECORD("record/identities/header_from", TEXT, header_from), /* drafts had it so */
    RECORD("record/identities/envelope_from", TEXT, envelope_from),
    RECORD("record/identities/envelope_to", TEXT, envelope_to),
    AUTH("record/auth_results/dkim/domain", domain),
    AUTH("record/auth_results/dkim/selector", selector),
    AUTH("record/auth_results/dkim/result", result),
    AUTH("record/auth_results/dkim/human_result", human),
    AUTH("record/auth_results/spf/domain", domain),
    AUTH("record/auth_results/spf/scope", scope),
    AUTH("record/auth_results/spf/result", result),
    AUTH("record/auth_results/spf/human_result", human),
#undef REPORT
#undef RECORD
#undef AUTH
};

static const struct field *find_field(const struct run *r) {
    view path = buf_view(&r->path);
    if (r->reasons > 1 && view_starts_with(path, VIEW("record/row/policy_evaluated/reason/")))
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (view_eq(path, view_of(fields[i].path)))
            return &fields[i];
    return NULL;
}

/* Digits; a fraction behind them is not looked at. */
static int64_t number_of(view text, int64_t most) {
    int64_t n;
    ptrdiff_t point = view_find(text, '.');
    if (point >= 0)
        text.len = (size_t)point;
    return view_to_i64(text, &n) && n >= 0 && n <= most ? n : 0;
}

static void store(struct run *r) {
    static const int64_t most[] = {[SECONDS] = SECONDS_MOST, [COUNT] = DMARC_REPORT_COUNT_MOST};
    const struct field *f = r->field;
    view text = view_trim(buf_view(&r->text));
    void *base = f->place == OF_REPORT   ? (void *)&r->report
                 : f->place == OF_RECORD ? (void *)&r->record
                                         : (void *)&r->auth;
    void *to = (char *)base + f->at;
    if (f->form == SECONDS || f->form == COUNT) {
        int64_t *number = to;
        *number = *number ? *number : number_of(text, most[f->form]);
    } else if (f->form == FAULT) {
        const char **fault = to;
        *fault = *fault || text.len == 0 ? *fault : arena_str(r->arena, text);
    } else {
        view *value = to;
        *value = value->len ? *value : arena_view(r->arena, text);
    }
}

/* ---- records ---- */

static const struct dmarc_report_auth *keep(struct run *r, const struct dmarc_report_auth *list,
                                            size_t count) {
    struct dmarc_report_auth *kept = arena_alloc_n(r->arena, count, sizeof *list);
    for (size_t i = 0; kept && i < count; i++)
        kept[i] = list[i];
    return kept;
}

static bool end_record(struct run *r) {
    if (r->records.len / sizeof r->record == DMARC_REPORT_RECORDS_MOST)
        return err_set(r->e, ERR_LIMIT, "the report has more than %d records", DMARC_REPORT_RECORDS_MOST);
    r->record.dkim_count = r->dkim_count;
    r->record.dkim_results = keep(r, r->dkim, r->dkim_count);
    r->record.spf_count = r->spf_count;
    r->record.spf_results = keep(r, r->spf, r->spf_count);
    buf_add(&r->records, view_from(&r->record, sizeof r->record));
    return true;
}

static bool end_auth(struct run *r, struct dmarc_report_auth *list, size_t *count) {
    if (*count == DMARC_REPORT_AUTH_MOST)
        return err_set(r->e, ERR_LIMIT, "a record has more than %d results of one kind",
                       DMARC_REPORT_AUTH_MOST);
    list[(*count)++] = r->auth;
    return true;
}

/* ---- elements ---- */

static view local_name(const struct run *r) {
    view name = view_of((const char *)xmlTextReaderConstLocalName(r->xml));
    return view_skip(name, (size_t)(view_rfind(name, ':') + 1)); /* the prefix may be one of no namespace */
}

static bool open_root(struct run *r) {
    if (!view_eq(local_name(r), VIEW("feedback")))
        return err_set(r->e, ERR_USAGE, "the XML is no report of DMARC");
    r->report.namespace = arena_view(r->arena, view_of((const char *)xmlTextReaderConstNamespaceUri(r->xml)));
    return true;
}

static void begin(struct run *r) {
    view path = buf_view(&r->path);
    if (view_eq(path, VIEW("record"))) {
        r->record = (struct dmarc_report_record){0};
        r->dkim_count = r->spf_count = r->reasons = 0;
    } else if (view_eq(path, VIEW("record/auth_results/dkim")) ||
               view_eq(path, VIEW("record/auth_results/spf"))) {
        r->auth = (struct dmarc_report_auth){0};
    } else if (view_eq(path, VIEW("record/row/policy_evaluated/reason"))) {
        r->reasons++;
    }
}

static bool end(struct run *r) {
    view path = buf_view(&r->path);
    if (view_eq(path, VIEW("record")))
        return end_record(r);
    if (view_eq(path, VIEW("record/auth_results/dkim")))
        return end_auth(r, r->dkim, &r->dkim_count);
    if (view_eq(path, VIEW("record/auth_results/spf")))
        return end_auth(r, r->spf, &r->spf_count);
    return true;
}

static bool close_element(struct run *r) {
    int depth = xmlTextReaderDepth(r->xml);
    if (depth < 1 || depth > DEPTH_MOST)
        return true;
    buf_truncate(&r->path, r->ends[depth]);
    if (r->text.failed)
        return err_set(r->e, ERR_LIMIT, "a value in the report has more than %d octets", VALUE_MOST);
    if (r->field)
        store(r);
    r->field = NULL;
    return end(r);
}

static bool open_element(struct run *r) {
    int depth = xmlTextReaderDepth(r->xml);
    r->field = NULL;
    if (depth > DEPTH_MOST)
        return true;
    if (depth < 1)
        return open_root(r);
    buf_truncate(&r->path, r->ends[depth - 1]);
    if (depth > 1)
        buf_add_char(&r->path, '/');
    buf_add(&r->path, view_slice(local_name(r), 0, NAME_MOST));
    r->ends[depth] = r->path.len;
    begin(r);
    r->field = find_field(r);
    buf_reset(&r->text);
    return !xmlTextReaderIsEmptyElement(r->xml) || close_element(r);
}

static bool read_node(struct run *r) {
    switch (xmlTextReaderNodeType(r->xml)) {
    case XML_READER_TYPE_ELEMENT:
        return open_element(r);
    case XML_READER_TYPE_END_ELEMENT:
        return close_element(r);
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
        if (r->field)
            buf_add(&r->text, view_of((const char *)xmlTextReaderConstValue(r->xml)));
        return true;
    case XML_READER_TYPE_DOCUMENT_TYPE:
    case XML_READER_TYPE_ENTITY_REFERENCE:
        return err_set(r->e, ERR_USAGE, "the XML has a DTD or entities");
    default:
        return true;
    }
}

static bool read_all(struct run *r) {
    int got;
    while ((got = xmlTextReaderRead(r->xml)) == 1)
        if (!read_node(r))
            return false;
    if (got < 0)
        return err_set(r->e, ERR_USAGE, "not well-formed XML, line %d",
                       xmlTextReaderGetParserLineNumber(r->xml));
    return true;
}

/* ---- the text ---- */

/* The length to the end mark, which ends in ">", behind the first `from` octets; else all. */
static size_t len_until(view v, size_t from, view mark) {
    size_t at = from;
    ptrdiff_t found;
    while ((found = view_find(view_skip(v, at), '>')) >= 0) {
        at += (size_t)found + 1;
        if (at >= from + mark.len && view_ends_with(view_slice(v, 0, at), mark))
            return at;
    }
    return v.len;
}

/* The length of what begins with "<"; 0: it is too long, or a declaration of a DTD. */
static size_t markup_len(view v) {
    static const struct {
        view begin, end;
    } kinds[] = {{{"<!--", 4}, {"-->", 3}}, {{"<![CDATA[", 9}, {"]]>", 3}}, {{"<?", 2}, {"?>", 2}}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (view_starts_with(v, kinds[i].begin))
            return len_until(v, kinds[i].begin.len, kinds[i].end);
    if (view_starts_with(v, VIEW("<!")))
        return 0;
    char quote = 0;
    for (size_t i = 1; i < v.len && i < TAG_MOST; i++) {
        char c = v.ptr[i];
        if (quote ? c == quote : c == '"' || c == '\'')
            quote = quote ? 0 : c;
        else if (c == '>' && !quote)
            return i + 1;
    }
    return v.len < TAG_MOST ? v.len : 0;
}

static bool is_harmless(view xml) {
    ptrdiff_t at;
    while ((at = view_find(xml, '<')) >= 0) {
        xml = view_skip(xml, (size_t)at);
        size_t len = markup_len(xml);
        if (len == 0)
            return false;
        xml = view_skip(xml, len);
    }
    return true;
}

/* What the XML declaration says, or empty. */
static view declared_charset(view xml) {
    view head = view_slice(xml, 0, DECLARATION_MOST), found = VIEW("");
    ptrdiff_t end = view_search(head, VIEW("?>"));
    ptrdiff_t at = end < 0 ? -1 : view_search(view_slice(head, 0, (size_t)end), VIEW("encoding"));
    if (at < 0 || !view_starts_with(head, VIEW("<?xml")))
        return found;
    view rest = view_slice(head, (size_t)at + 8, (size_t)end - (size_t)at - 8);
    rest = view_trim(rest);
    if (!view_starts_with(rest, VIEW("=")))
        return found;
    rest = view_trim(view_skip(rest, 1));
    if (view_starts_with(rest, VIEW("\"")) || view_starts_with(rest, VIEW("'"))) {
        char quote = rest.ptr[0];
        rest = view_skip(rest, 1);
        view_split(&rest, quote, &found);
    }
    return found;
}

/* Without byte order mark and blanks before it. */
static view charset_of(view *xml) {
    if (view_starts_with(*xml, VIEW("\xff\xfe")) || view_starts_with(*xml, VIEW("<\0"))) {
        *xml = view_skip(*xml, xml->ptr[0] == '<' ? 0 : 2);
        return VIEW("UTF-16LE");
    }
    if (view_starts_with(*xml, VIEW("\xfe\xff")) || view_starts_with(*xml, VIEW("\0<"))) {
        *xml = view_skip(*xml, xml->ptr[0] == 0 ? 0 : 2);
        return VIEW("UTF-16BE");
    }
    *xml = view_skip(*xml, view_starts_with(*xml, VIEW("\xef\xbb\xbf")) ? 3 : 0);
    *xml = view_trim(*xml);
    view name = declared_charset(*xml);
    bool is_unicode =
        name.len == 0 || view_eq_nocase(name, VIEW("UTF-8")) || view_starts_with_nocase(name, VIEW("UTF-16"));
    if (is_unicode && view_is_utf8(*xml)) /* whatever it calls itself */
        return VIEW("");
    return is_unicode ? VIEW("windows-1252") : name;
}

/* As UTF-8: *xml itself, or in `out`. */
static bool decode(view *xml, struct buf *out, struct err *e) {
    view charset = charset_of(xml);
    if (charset.len == 0)
        return true;
    if (!charset_to_utf8(charset, *xml, out))
        return err_set(e, ERR_USAGE, "the XML is in a charset that is not known");
    if (out->failed)
        return err_set(e, ERR_LIMIT, "the report has more than %d octets", DMARC_REPORT_BYTES_MOST);
    *xml = view_trim(buf_view(out));
    return true;
}

/* ---- the whole ---- */

static bool finish(struct run *r, struct dmarc_report *ret) {
    size_t count = r->records.len / sizeof r->record;
    struct dmarc_report_record *records = arena_alloc_n(r->arena, count, sizeof *records);
    if (r->arena->failed)
        return err_set(r->e, ERR_LIMIT, "the report is too large");
    if (r->report.domain.len == 0)
        return err_set(r->e, ERR_USAGE, "the report names no domain");
    if (count > 0)
        memcpy(records, r->records.data, r->records.len);
    *ret = r->report;
    ret->records = records;
    ret->count = count;
    return true;
}

/* Some of libxml2's errors would go to standard error whatever its options say. */
static void keep_quiet(void *context, xmlErrorPtr error) {
    (void)context, (void)error;
}

static bool read_xml(view xml, struct arena *a, struct dmarc_report *ret, struct err *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* libxml2 wants it before there are threads in it */
    pthread_once(&once, xmlInitParser);
    struct run *r = arena_alloc(a, sizeof *r);
    if (!r)
        return err_set(e, ERR_LIMIT, NULL);
    r->arena = a;
    r->e = e;
    buf_init(&r->records, DMARC_REPORT_RECORDS_MOST * sizeof r->record);
    buf_init(&r->path, PATH_MOST);
    buf_init(&r->text, VALUE_MOST);
    r->xml =
        xmlReaderForMemory(xml.ptr, (int)xml.len, NULL, "UTF-8",
                           XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC);
    BUG_ON(!r->xml);
    xmlTextReaderSetStructuredErrorHandler(r->xml, keep_quiet, NULL);
    bool ok = read_all(r) && finish(r, ret);
    xmlFreeTextReader(r->xml);
    buf_done(&r->records);
    buf_done(&r->path);
    buf_done(&r->text);
    return ok;
}

bool dmarc_report_read(view xml, struct arena *a, struct dmarc_report *ret, struct err *e) {
    struct buf decoded = BUF_INIT(DMARC_REPORT_BYTES_MOST);
    bool ok = false;
    if (xml.len > DMARC_REPORT_BYTES_MOST)
        err_set(e, ERR_LIMIT, "the report has more than %d octets", DMARC_REPORT_BYTES_MOST);
    else if (!decode(&xml, &decoded, e))
        ok = false;
    else if (xml.len == 0)
        err_set(e, ERR_USAGE, "the report is empty");
    else if (!is_harmless(xml))
        err_set(e, ERR_USAGE, "the XML has a DTD, or a tag of more than %d octets", TAG_MOST);
    else
        ok = read_xml(xml, a, ret, e);
    buf_done(&decoded);
    return ok;
}
