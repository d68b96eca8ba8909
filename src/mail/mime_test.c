/* mime_test.c: where the parts of a message are, and what their fields say. */
#include "mail/mime.h"

#include "base/limits.h"
#include "testing/unit.h"

static struct arena arena;

static struct mime parse(const char *text) {
    struct mime m;
    arena_done(&arena);
    arena_init(&arena, 1 << 20);
    assert_true(mime_parse(view_of(text), &arena, &m));
    return m;
}

#define MIXED                                                                                                \
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=\"b b\"\r\n\r\npreamble\r\n"                      \
    "--b b\r\nContent-Type: Text/Plain; charset=UTF-8; format=flowed\r\n\r\none\r\n"                         \
    "--b b  \r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"                                    \
    "--in\r\n\r\ntwo\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\n"                            \
    "--b b\r\nContent-Disposition: attachment; filename=a.EXE\r\nContent-Type: application/x\r\n"            \
    "Content-Transfer-Encoding: BASE64\r\n\r\nAAAA\r\n--b b--\r\nepilogue\r\n"

static void test_parts__are_found_in_order(void **unused) {
    (void)unused;
    struct mime m = parse(MIXED);
    static const struct {
        const char *type, *body;
        int parent, depth;
        size_t children, after;
    } want[] = {{"multipart/mixed", NULL, -1, 0, 3, 6},
                {"text/plain", "one", 0, 1, 0, 2},
                {"multipart/alternative", NULL, 0, 1, 2, 5},
                {"text/plain", "two", 2, 2, 0, 4},
                {"text/html", "<p>", 2, 2, 0, 5},
                {"application/x", "AAAA", 0, 1, 0, 6}};
    assert_int_equal(m.count, sizeof want / sizeof want[0]);
    assert_false(m.odd);
    for (size_t i = 0; i < m.count; i++) {
        assert_true(mime_is(&m.parts[i], want[i].type));
        assert_int_equal(m.parts[i].parent, want[i].parent);
        assert_int_equal(m.parts[i].depth, want[i].depth);
        assert_int_equal(m.parts[i].children, want[i].children);
        assert_int_equal(m.parts[i].after, want[i].after);
        if (want[i].body)
            assert_view(m.parts[i].body, want[i].body);
    }
    assert_view(m.parts[0].closing, "--b b--\r\n");
    assert_view(m.parts[1].charset, "utf-8");
    assert_true(m.parts[1].flowed);
    assert_view(m.parts[3].span, "--in\r\n\r\ntwo\r\n");
    assert_view(m.parts[5].filename, "a.EXE");
    assert_view(m.parts[5].encoding, "base64");
}

static void test_parts__that_are_odd(void **unused) {
    (void)unused;
    struct mime m = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n");
    assert_true(m.odd);
    assert_int_equal(m.count, 2);
    assert_view(m.parts[1].body, "one\r\n");
    assert_int_equal(m.parts[0].closing.len, 0);
    m = parse("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\none\r\n--b--\r\n");
    assert_true(m.odd);
    assert_int_equal(m.count, 1);
    m = parse("Content-Type: nonsense\r\n\r\nx");
    assert_true(mime_is(&m.parts[0], "text/plain"));
    m = parse("");
    assert_int_equal(m.count, 1);
    m = parse("just text\r\n");
    assert_view(m.parts[0].body, "just text\r\n");
    m = parse("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--bb\n--b--\n"); /* LF alone */
    assert_false(m.odd);
    assert_view(m.parts[1].body, "one\n--bb");
}

static void test_parts__messages_and_digests_are_looked_into(void **unused) {
    (void)unused;
    struct mime m = parse("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: in\r\n"
                          "Content-Type: text/html\r\n\r\n<b>\r\n--b--\r\n");
    assert_int_equal(m.count, 3);
    assert_true(mime_is(&m.parts[1], "message/rfc822"));
    assert_true(mime_is(&m.parts[2], "text/html"));
    assert_view(m.parts[2].head, "Subject: in\r\nContent-Type: text/html\r\n");
    m = parse("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n");
    assert_int_equal(m.count, 1); /* of no use as it is */
}

/* As deep, and as many, as the limits say, and no more. */
static void test_parts__have_limits(void **unused) {
    (void)unused;
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&text, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    struct mime m = parse(text.data);
    assert_true(m.cut);
    assert_int_equal(m.count, LIMIT_MIME_DEPTH + 1);
    buf_reset(&text);
    buf_add_str(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 3000; i++)
        buf_add_str(&text, "--b\r\n\r\n\r\n");
    m = parse(text.data);
    assert_true(m.cut);
    assert_int_equal(m.count, LIMIT_MIME_PARTS);
    buf_done(&text);
}

static void test_parameter__as_programs_write_them(void **unused) {
    (void)unused;
    static const struct {
        const char *value, *name, *want;
    } cases[] = {
        {"attachment; filename=a.txt", "filename", "a.txt"},
        {"attachment; FileName = \"a \\\"b\\\".txt\" ; x=y", "filename", "a \"b\".txt"},
        {"attachment; filename=a b.txt; x=y", "filename", "a b.txt"},
        {"attachment (x; filename=no); filename=yes (really)", "filename", "no)"},
        {"a; filename*=utf-8''na%C3%AFve%20x.exe", "filename", "na\xC3\xAFve x.exe"},
        {"a; filename*=iso-8859-1'en'na%EFve.exe", "filename", "na\xC3\xAFve.exe"},
        {"a; filename*1*=%65xe; filename*0=\"a.\"", "filename", "a.exe"},
        {"a; filename*0*=utf-8''a%2E; filename*1=e; filename*2=xe", "filename", "a.exe"},
        {"a; filename*=broken%4", "filename", "broken%4"},
        {"a; filenames=x", "filename", ""},
        {"a; b", "filename", ""},
        {"", "filename", ""},
        {"a; boundary=\"x\r\n y\"", "boundary", "x y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_view(mime_parameter(view_of(cases[i].value), cases[i].name, &arena), cases[i].want);
}

static void test_decode__quoted_printable_and_base64(void **unused) {
    (void)unused;
    static const struct {
        const char *encoding, *body, *want;
    } cases[] = {
        {"quoted-printable", "a=3D=\r\nb  \r\n=zz=\r\n", "a=b\r\n=zz"},
        {"quoted-printable", "soft =  \r\nbreak", "soft break"},
        {"quoted-printable", "end=", "end"},
        {"base64", "SGVs\r\nbG8=", "Hello"},
        {"base64", "SGk=SGk=", "HiHi"},
        {"base64", "!S G k", "Hi"},
        {"7bit", "x=3D", "x=3D"},
        {"", "y", "y"},
    };
    struct buf out = BUF_INIT(100);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&out);
        assert_true(mime_decode(view_of(cases[i].encoding), view_of(cases[i].body), &out));
        assert_view(buf_view(&out), cases[i].want);
    }
    assert_false(mime_decode(VIEW("x-uuencode"), VIEW("x"), &out));
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts__are_found_in_order),
        cmocka_unit_test(test_parts__that_are_odd),
        cmocka_unit_test(test_parts__messages_and_digests_are_looked_into),
        cmocka_unit_test(test_parts__have_limits),
        cmocka_unit_test(test_parameter__as_programs_write_them),
        cmocka_unit_test(test_decode__quoted_printable_and_base64),
    };
    arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests_name("mail/mime", tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
