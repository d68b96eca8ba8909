/* dmarc_report_test.c: what is written is read the same whatever strangers have put into it, and what would
 * cost too much is refused. */
#include "auth/dmarc_report.h"

#include <time.h>

#include "base/mem.h"
#include "testing/unit.h"

enum { TEXT_MOST = DMARC_REPORT_BYTES_MOST + (1 << 20) };

static struct arena arena;

static int begin(void **state) {
    (void)state;
    arena_init(&arena, 256 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

#define NAMED "<policy_published><domain>b.example</domain></policy_published>"

static struct dmarc_report read_one(view xml) {
    struct dmarc_report r = {0};
    struct err e = {0};
    check(dmarc_report_read(xml, &arena, &r, &e), "%.*s: %s", (int)(xml.len < 300 ? xml.len : 300), xml.ptr,
          e.text);
    return r;
}

static struct err refused(view xml) {
    struct dmarc_report r;
    struct err e = {0};
    check(!dmarc_report_read(xml, &arena, &r, &e), "read: %.*s", (int)(xml.len < 300 ? xml.len : 300),
          xml.ptr);
    return e;
}

static void expect_refused(view xml, enum err_code code) {
    struct err e = refused(xml);
    check(e.code == code, "%.*s: %s", (int)(xml.len < 300 ? xml.len : 300), xml.ptr, e.text);
}

/* ---- what is written ---- */

static const struct dmarc_report_auth dkim[] = {
    {.domain = OCTETS("list.example"),
     .selector = OCTETS("s1"),
     .result = OCTETS("permerror"),
     .human = OCTETS("a \"key\" & <that> is short")},
    {.domain = OCTETS("other.example"), .result = OCTETS("pass")},
};
static const struct dmarc_report_auth spf[] = {
    {.domain = OCTETS("bounces.list.example"), .scope = OCTETS("mfrom"), .result = OCTETS("softfail")}};
static const struct dmarc_report_record records[] = {
    {.source_ip = OCTETS("2001:db8::1"),
     .count = 3,
     .disposition = OCTETS("none"),
     .dkim = OCTETS("fail"),
     .spf = OCTETS("pass"),
     .reason = OCTETS("mailing_list"),
     .comment = OCTETS("]]> \xc3\xa4\r\n\tb"),
     .header_from = OCTETS("list.example"),
     .envelope_from = OCTETS("bounces.list.example"),
     .envelope_to = OCTETS("here.example"),
     .dkim_results = dkim,
     .dkim_count = 2,
     .spf_results = spf,
     .spf_count = 1},
    {.source_ip = OCTETS("192.0.2.1"),
     .count = DMARC_REPORT_COUNT_MOST,
     .disposition = OCTETS("pass"),
     .dkim = OCTETS("pass"),
     .spf = OCTETS("fail"),
     .header_from = OCTETS("list.example")},
};
static const struct dmarc_report whole = {.organization = OCTETS("Post & Example"),
                                          .email = OCTETS("dmarc@post.example"),
                                          .contact = OCTETS("https://post.example/?a=1&b=2"),
                                          .id = OCTETS("<1@post.example>"),
                                          .generator = OCTETS("Postroad"),
                                          .begin_s = 1795392000,
                                          .end_s = 1795478399,
                                          .domain = OCTETS("list.example"),
                                          .p = OCTETS("reject"),
                                          .sp = OCTETS("none"),
                                          .np = OCTETS("quarantine"),
                                          .adkim = OCTETS("s"),
                                          .aspf = OCTETS("r"),
                                          .fo = OCTETS("1:d"),
                                          .testing = OCTETS("y"),
                                          .discovery = OCTETS("treewalk"),
                                          .namespace = OCTETS("urn:ietf:params:xml:ns:dmarc-2.0"),
                                          .error = "two records",
                                          .records = records,
                                          .count = COUNT(records)};

static void assert_same(view got, view want, const char *what) {
    check(view_eq(got, want), "%s: \"%.*s\" instead of \"%.*s\"", what, VIEW_ARG(got), VIEW_ARG(want));
}

static void assert_same_auth(const struct dmarc_report_auth *got, const struct dmarc_report_auth *want,
                             size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_same(got[i].domain, want[i].domain, "domain");
        assert_same(got[i].selector, want[i].selector, "selector");
        assert_same(got[i].result, want[i].result, "result");
        assert_same(got[i].scope, want[i].scope, "scope");
        assert_same(got[i].human, want[i].human, "human_result");
    }
}

static void assert_same_record(const struct dmarc_report_record *got,
                               const struct dmarc_report_record *want) {
    assert_same(got->source_ip, want->source_ip, "source_ip");
    assert_int_equal(got->count, want->count);
    assert_same(got->disposition, want->disposition, "disposition");
    assert_same(got->dkim, want->dkim, "dkim");
    assert_same(got->spf, want->spf, "spf");
    assert_same(got->reason, want->reason, "reason");
    assert_same(got->comment, want->comment, "comment");
    assert_same(got->header_from, want->header_from, "header_from");
    assert_same(got->envelope_from, want->envelope_from, "envelope_from");
    assert_same(got->envelope_to, want->envelope_to, "envelope_to");
    assert_int_equal(got->dkim_count, want->dkim_count);
    assert_int_equal(got->spf_count, want->spf_count);
    assert_same_auth(got->dkim_results, want->dkim_results, want->dkim_count);
    assert_same_auth(got->spf_results, want->spf_results, want->spf_count);
}

static void assert_same_report(const struct dmarc_report *got, const struct dmarc_report *want) {
    assert_same(got->organization, want->organization, "org_name");
    assert_same(got->email, want->email, "email");
    assert_same(got->contact, want->contact, "extra_contact_info");
    assert_same(got->id, want->id, "report_id");
    assert_same(got->generator, want->generator, "generator");
    assert_int_equal(got->begin_s, want->begin_s);
    assert_int_equal(got->end_s, want->end_s);
    assert_same(got->domain, want->domain, "domain");
    assert_same(got->p, want->p, "p");
    assert_same(got->sp, want->sp, "sp");
    assert_same(got->np, want->np, "np");
    assert_same(got->adkim, want->adkim, "adkim");
    assert_same(got->aspf, want->aspf, "aspf");
    assert_same(got->pct, want->pct, "pct");
    assert_same(got->fo, want->fo, "fo");
    assert_same(got->testing, want->testing, "testing");
    assert_same(got->discovery, want->discovery, "discovery_method");
    assert_same(got->namespace, want->namespace, "namespace");
    assert_same(view_of(got->error), view_of(want->error), "error");
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < want->count; i++)
        assert_same_record(&got->records[i], &want->records[i]);
}

static void test_write__is_read_the_same(void **state) {
    (void)state;
    struct buf out = BUF_INIT(TEXT_MOST);
    dmarc_report_write(&whole, &out);
    struct dmarc_report got = read_one(buf_view(&out));
    assert_same_report(&got, &whole);
    buf_done(&out);
}

/* Every text of a report is this one. */
static struct dmarc_report filled_with(view v) {
    struct dmarc_report_auth *auth = arena_alloc(&arena, sizeof *auth);
    struct dmarc_report_record *record = arena_alloc(&arena, sizeof *record);
    *auth = (struct dmarc_report_auth){v, v, v, v, v};
    *record = (struct dmarc_report_record){.source_ip = v,
                                           .count = 1,
                                           .disposition = v,
                                           .dkim = v,
                                           .spf = v,
                                           .reason = v,
                                           .comment = v,
                                           .header_from = v,
                                           .envelope_from = v,
                                           .envelope_to = v,
                                           .dkim_results = auth,
                                           .spf_results = auth,
                                           .dkim_count = 1,
                                           .spf_count = 1};
    return (struct dmarc_report){.organization = v,
                                 .email = v,
                                 .contact = v,
                                 .id = v,
                                 .generator = v,
                                 .domain = v,
                                 .p = v,
                                 .sp = v,
                                 .np = v,
                                 .adkim = v,
                                 .aspf = v,
                                 .pct = v,
                                 .fo = v,
                                 .testing = v,
                                 .discovery = v,
                                 .error = arena_str(&arena, v),
                                 .records = record,
                                 .count = 1};
}

/* Words that the schema does not have are replaced; every other text is there, and nothing breaks out. */
static void assert_filled(const struct dmarc_report *got, view v) {
    const struct dmarc_report_record *r = &got->records[0];
    const view texts[] = {got->organization,
                          got->email,
                          got->contact,
                          got->id,
                          got->generator,
                          got->domain,
                          got->fo,
                          r->source_ip,
                          r->comment,
                          r->header_from,
                          r->envelope_from,
                          r->envelope_to,
                          r->dkim_results[0].human,
                          r->dkim_results[0].domain,
                          r->spf_results[0].human,
                          r->dkim_results[0].selector,
                          r->spf_results[0].domain};
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_same(texts[i], v, "a text");
    assert_int_equal(got->count, 1);
    assert_view(got->p, "none");
    assert_view(got->sp, "");
    assert_view(got->testing, "");
    assert_view(r->disposition, "none");
    assert_view(r->dkim, "fail");
    assert_view(r->reason, "other");
    assert_view(r->dkim_results[0].result, "none");
    assert_view(r->spf_results[0].scope, "");
}

static void test_write__whatever_is_in_it(void **state) {
    (void)state;
    static const struct {
        view text, want;
    } rows[] = {
        {OCTETS("a]]>b"), OCTETS("a]]>b")},
        {OCTETS("</feedback><!-- &lt; \"'"), OCTETS("</feedback><!-- &lt; \"'")},
        {OCTETS("<![CDATA[x]]>"), OCTETS("<![CDATA[x]]>")},
        {OCTETS("a\0b\1c\x1f\x7f"
                "d"),
         OCTETS("a?b?c??d")},
        {OCTETS("a\tb\nc\rd\r\ne"), OCTETS("a\tb\nc\rd\r\ne")},
        {OCTETS("a\x80\xff\xc3"), OCTETS("a???")},
        {OCTETS("a\xed\xa0\x80z"), OCTETS("a???z")},                /* a surrogate */
        {OCTETS("a\xef\xbf\xbfz\xef\xbf\xbe"), OCTETS("a???z???")}, /* U+FFFF, U+FFFE: not in XML */
        {OCTETS("\xf0\x9f\x93\xac\xef\xbf\xbd"), OCTETS("\xf0\x9f\x93\xac\xef\xbf\xbd")},
        {OCTETS("&b;&#0;%c;"), OCTETS("&b;&#0;%c;")},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(TEXT_MOST);
        struct dmarc_report r = filled_with(rows[i].text);
        dmarc_report_write(&r, &out);
        struct dmarc_report got = read_one(buf_view(&out));
        assert_filled(&got, rows[i].want);
        buf_done(&out);
    }
}

/* RFC 9990 has no pct, no helo and one result of SPF. */
static void test_write__only_what_rfc_9990_has(void **state) {
    (void)state;
    struct buf out = BUF_INIT(TEXT_MOST);
    struct dmarc_report_auth two[] = {{.scope = VIEW("helo"), .result = VIEW("hardfail")},
                                      {.result = VIEW("pass")}};
    struct dmarc_report_record record = {.spf_results = two, .spf_count = 2, .reason = VIEW("sampled_out")};
    struct dmarc_report r = {.domain = VIEW("b.example"), .pct = VIEW("5"), .records = &record, .count = 1};
    dmarc_report_write(&r, &out);
    struct dmarc_report got = read_one(buf_view(&out));
    assert_view(got.pct, "");
    assert_int_equal(got.records[0].spf_count, 1);
    assert_view(got.records[0].spf_results[0].scope, "");
    assert_view(got.records[0].spf_results[0].result, "none");
    assert_view(got.records[0].reason, "other");
    buf_done(&out);
}

/* ---- what is read ---- */

static void test_read__leniently(void **state) {
    (void)state;
    struct dmarc_report r =
        read_one(VIEW("\xef\xbb\xbf \r\n<x:feedback xmlns:y='urn:y'><record><auth_results><spf/>"
                      "<dkim><result> pa<!-- c -->s<![CDATA[s]]></result><new>1</new></dkim></auth_results>"
                      "<row><count>2</count><policy_evaluated><reason/><reason><type>late</type></reason>"
                      "</policy_evaluated></row></record><report_metadata><date_range><begin> 12.9 </begin>"
                      "<end>-1</end></date_range><email>a@b.example</email><email>c@b.example</email>"
                      "</report_metadata><policy_published><domain>b.example<x>no</x></domain>"
                      "<domain>b.example</domain></policy_published><record><row><count>1e9</count></row>"
                      "</record></x:feedback>"));
    assert_view(r.email, "a@b.example");
    assert_int_equal(r.begin_s, 12);
    assert_int_equal(r.end_s, 0);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.records[0].count, 2);
    assert_int_equal(r.records[0].dkim_count, 1);
    assert_int_equal(r.records[0].spf_count, 1);
    assert_view(r.records[0].dkim_results[0].result, "pass");
    assert_view(r.records[0].reason, "");
    assert_int_equal(r.records[1].count, 0);
    assert_int_equal(r.records[1].dkim_count, 0);
}

static void utf16(const char *text, bool big, bool mark, struct buf *out) {
    if (mark)
        buf_add(out, big ? VIEW("\xfe\xff") : VIEW("\xff\xfe"));
    for (; *text; text++) {
        buf_add_char(out, big ? 0 : *text);
        buf_add_char(out, big ? *text : 0);
    }
}

static void test_read__charsets(void **state) {
    (void)state;
    static const struct {
        view xml;
        const char *name;
    } rows[] = {
#define NAME(declared, name)                                                                                 \
    OCTETS(declared "<feedback><report_metadata><org_name>" name "</org_name></report_metadata>" NAMED       \
                    "</feedback>")
        {NAME("", "P\xc3\xb6st"), "P\xc3\xb6st"},
        {NAME("", "P\xf6st"), "P\xc3\xb6st"},
        {NAME("<?xml version='1.0' encoding='utf-8'?>", "P\xf6st"), "P\xc3\xb6st"},
        {NAME("<?xml version='1.0' encoding = \"ISO-8859-1\" ?>", "P\xf6st"), "P\xc3\xb6st"},
        {NAME("<?xml version='1.0' encoding='koi8-r'?>", "\xf0"), "\xd0\x9f"},
        {NAME("<?xml version='1.0' encoding='utf-16'?>", "Post"), "Post"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_view(read_one(rows[i].xml).organization, rows[i].name);
    for (int i = 0; i < 4; i++) {
        struct buf wide = BUF_INIT(4096);
        utf16("<?xml version='1.0' encoding='UTF-16'?><feedback>" NAMED "</feedback>", i & 1, i & 2, &wide);
        assert_view(read_one(buf_view(&wide)).domain, "b.example");
        buf_reset(&wide);
        utf16("<!DOCTYPE feedback><feedback>" NAMED "</feedback>", i & 1, i & 2, &wide);
        expect_refused(buf_view(&wide), ERR_USAGE);
        buf_done(&wide);
    }
}

static void test_read__refuses(void **state) {
    (void)state;
    static const view rows[] = {
        OCTETS(""),
        OCTETS(" \n"),
        OCTETS("feedback"),
        OCTETS("<feedback/>"),
        OCTETS("<html><body>" NAMED "</body></html>"),
        OCTETS("<feedback>" NAMED),
        OCTETS("<feedback>" NAMED "</feedback><feedback/>"),
        OCTETS("<feedback>" NAMED "&nbsp;</feedback>"),
        OCTETS("<feedback>" NAMED "\0</feedback>"),
        OCTETS("<feedback>" NAMED "<a b=\"<\"/></feedback>"),
        OCTETS("<?xml version='1.0' encoding='utf-7'?><feedback>" NAMED "</feedback>"),
        OCTETS("<?xml version='1.0' encoding='IBM037'?><feedback>" NAMED "</feedback>"),
        OCTETS("\x4c\x6f\xa7\x94\x93"), /* "<?xml" in EBCDIC */
        OCTETS("<\0\0\0f\0\0\0"),
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_refused(rows[i], ERR_USAGE);
}

/* Each would be expanded, fetched or both by a parser that does what it is told. */
static void test_read__no_dtd(void **state) {
    (void)state;
    static const view rows[] = {
        OCTETS("<!DOCTYPE feedback><feedback>" NAMED "</feedback>"),
        OCTETS("<!DOCTYPE feedback SYSTEM 'http://dtd.example/'><feedback>" NAMED "</feedback>"),
        OCTETS("<?xml version='1.0'?><!-- x --><!DOCTYPE f [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
               "<feedback><report_metadata><org_name>&x;</org_name></report_metadata>" NAMED "</feedback>"),
        OCTETS("<!DOCTYPE f [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
               "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
               "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"
               "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'><!ENTITY h '&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;'>]>"
               "<feedback><report_metadata><org_name>&h;</org_name></report_metadata>" NAMED "</feedback>"),
        OCTETS("<!DOCTYPE f [<!ENTITY % a SYSTEM 'http://dtd.example/'> %a;]><feedback>" NAMED "</feedback>"),
        OCTETS("<feedback><!ENTITY a 'b'>" NAMED "</feedback>"),
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_refused(rows[i], ERR_USAGE);
    assert_view(
        read_one(VIEW("<feedback><!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE x>]]>" NAMED "</feedback>")).domain,
        "b.example");
}

/* ---- limits ---- */

static struct buf repeated(const char *head, const char *piece, size_t times, const char *tail) {
    struct buf out = BUF_INIT(TEXT_MOST);
    buf_add_str(&out, head);
    for (size_t i = 0; i < times; i++)
        buf_add_str(&out, piece);
    buf_add_str(&out, tail);
    assert_false(out.failed);
    return out;
}

static void test_limits__of_records(void **state) {
    (void)state;
    struct buf most =
        repeated("<feedback>" NAMED, "<record><row/></record>", DMARC_REPORT_RECORDS_MOST, "</feedback>");
    struct buf more =
        repeated("<feedback>" NAMED, "<record><row/></record>", DMARC_REPORT_RECORDS_MOST + 1, "</feedback>");
    assert_int_equal(read_one(buf_view(&most)).count, DMARC_REPORT_RECORDS_MOST);
    expect_refused(buf_view(&more), ERR_LIMIT);
    buf_done(&most);
    buf_done(&more);
}

static void test_limits__of_results(void **state) {
    (void)state;
    struct buf most = repeated("<feedback>" NAMED "<record><auth_results>", "<dkim/><spf/>",
                               DMARC_REPORT_AUTH_MOST, "</auth_results></record></feedback>");
    struct buf more = repeated("<feedback>" NAMED "<record><auth_results>", "<spf></spf>",
                               DMARC_REPORT_AUTH_MOST + 1, "</auth_results></record></feedback>");
    assert_int_equal(read_one(buf_view(&most)).records[0].dkim_count, DMARC_REPORT_AUTH_MOST);
    expect_refused(buf_view(&more), ERR_LIMIT);
    buf_done(&most);
    buf_done(&more);
}

static void test_limits__of_octets(void **state) {
    (void)state;
    struct buf value = repeated("<feedback>" NAMED "<report_metadata><org_name>", "x", (64 << 10) + 1,
                                "</org_name></report_metadata></feedback>");
    struct buf all = repeated("<feedback>" NAMED, "<a>xx</a>", DMARC_REPORT_BYTES_MOST / 9, "</feedback>");
    expect_refused(buf_view(&value), ERR_LIMIT);
    expect_refused(buf_view(&all), ERR_LIMIT);
    buf_done(&value);
    buf_done(&all);
}

static void test_limits__of_the_arena(void **state) {
    (void)state;
    struct arena small;
    struct dmarc_report r;
    struct err e;
    struct buf many = repeated("<feedback>" NAMED, "<record/>", 1000, "</feedback>");
    arena_init(&small, 64 << 10);
    assert_false(dmarc_report_read(buf_view(&many), &small, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_done(&small);
    buf_done(&many);
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Texts that take a parser long: it compares attributes with each other, and looks for an end from the start
 * of what it has. Each is a matter of a second, or of hours. */
enum { LONG = 8 << 20, SECONDS_MOST = 20 };

static void test_limits__of_time(void **state) {
    (void)state;
    static const struct {
        const char *head, *piece, *tail;
    } rows[] = {
        {"<feedback ", "a='' ", "/>"},
        {"<feedback ", "xmlns:abcdefghijklmnop='' ", "/>"},
        {"<feedback a='", "a>", "'/>"},
        {"<feedback", "x", "/>"},
        {"<feedback><!--", "- ", "--></feedback>"},
        {"<feedback><![CDATA[", "] ", "]]></feedback>"},
        {"<feedback><?x ", "? ", "?></feedback>"},
        {"<feedback>", "<a>", ""},
        {"<feedback>", "<a b='' c='' d='' e=''/>", "</feedback>"},
        {"<feedback>" NAMED, "x ", "</feedback>"},
        {"<feedback>" NAMED, "&#32;", "</feedback>"},
        {"<feedback>", "<", ""},
        {"", "<!---->", "<feedback/>"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dmarc_report r;
        struct err e;
        struct buf text = repeated(rows[i].head, rows[i].piece, LONG / strlen(rows[i].piece), rows[i].tail);
        double start = seconds_now();
        dmarc_report_read(buf_view(&text), &arena, &r, &e);
        double taken = seconds_now() - start;
        check(taken < SECONDS_MOST, "%s: %.1f s", rows[i].piece, taken);
        buf_done(&text);
        arena_reset(&arena);
    }
}

/* Attributes up to what a tag may have, in as many tags as there is room for. */
static void test_limits__of_attributes(void **state) {
    (void)state;
    struct buf tag = BUF_INIT(8192), text = BUF_INIT(TEXT_MOST);
    buf_add_str(&tag, "<a");
    for (int i = 0; tag.len < 2030; i++)
        buf_printf(&tag, " %c%x=''", 'a' + i % 6, i / 6);
    buf_add_str(&tag, "/>");
    buf_add_str(&text, "<feedback>" NAMED);
    while (text.len < LONG)
        buf_add(&text, buf_view(&tag));
    buf_add_str(&text, "</feedback>");
    double start = seconds_now();
    read_one(buf_view(&text));
    double taken = seconds_now() - start;
    check(taken < SECONDS_MOST, "%.1f s", taken);
    buf_done(&tag);
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write__is_read_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_write__whatever_is_in_it, begin, end),
        cmocka_unit_test_setup_teardown(test_write__only_what_rfc_9990_has, begin, end),
        cmocka_unit_test_setup_teardown(test_read__leniently, begin, end),
        cmocka_unit_test_setup_teardown(test_read__charsets, begin, end),
        cmocka_unit_test_setup_teardown(test_read__refuses, begin, end),
        cmocka_unit_test_setup_teardown(test_read__no_dtd, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_records, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_results, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_octets, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_the_arena, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_time, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_attributes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
