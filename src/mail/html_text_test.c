/* html_text_test.c: HTML as mail programs write it, as broken as it comes, and as hostile. */
#include "mail/html_text.h"

#include <pthread.h>

#include "base/limits.h"
#include "testing/unit.h"

static void expect(const char *html, const char *want) {
    struct buf out = BUF_INIT(10000);
    check(html_text(view_of(html), &out), "false for %s", html);
    check(view_eq(buf_view(&out), view_of(want)), "%s gave \"%.*s\"", html, VIEW_ARG(buf_view(&out)));
    buf_done(&out);
}

static void test_paragraphs_and_lines(void **state) {
    (void)state;
    expect("", "");
    expect("plain\ntext", "plain text\r\n");
    expect("<h1>A</h1><p>b  c<p>x<br>y", "A\r\n\r\nb c\r\n\r\nx\r\ny\r\n");
    expect("<div>a</div><div><br></div><div>b<b>c</b></div>", "a\r\n\r\nbc\r\n");
    expect("<p>&nbsp;</p>a&nbsp;b<p>&nbsp;</p>c", "a b\r\n\r\nc\r\n");
    expect("a<hr>b", "a\r\n\r\n----------\r\n\r\nb\r\n");
    expect("<pre>\n a\n\n\tb</pre>c", " a\r\n\r\n\tb\r\n\r\nc\r\n");
    expect("<blockquote>a<blockquote>b</blockquote></blockquote>c", "> a\r\n>\r\n> > b\r\n\r\nc\r\n");
}

static void test_lists(void **state) {
    (void)state;
    expect("a<ul><li>b<li>c<ol><li>d</ol></ul>e", "a\r\n\r\n* b\r\n* c\r\n  1. d\r\n\r\ne\r\n");
    expect("<ol start=9><li>a<li>b<br>c</ol>", "9. a\r\n10. b\r\n    c\r\n");
    expect("<ol start=-5><li>a<ul><li>x</ul><li>b</ol>", "1. a\r\n   * x\r\n2. b\r\n");
    expect("<li>a<li>b", "* a\r\n* b\r\n");
    expect("<dl><dt>a<dd>b<dt>c</dl>", "a\r\n    b\r\nc\r\n");
}

static void test_tables(void **state) {
    (void)state;
    expect("<table><tr><th>a<th>b</tr><tr><td><p>c</p></td><td><p>d</p></td></tr></table>e",
           "a  b\r\n\r\nc  d\r\n\r\ne\r\n");
    expect(
        "<table><tr><td>a<table><tr><td>b</td></tr><tr><td>c</td></tr></table></td><td>x</td></tr></table>",
        "a\r\nb\r\nc\r\nx\r\n");
}

static void test_links_and_images(void **state) {
    (void)state;
    expect("<a href='https://a.example/x'>text</a>.", "text <https://a.example/x>.\r\n");
    expect("<a href='https://a.example/'>a.example</a>", "a.example\r\n");
    expect("<a href='HTTP://a.example'> HTTP://a.example </a>", "HTTP://a.example\r\n");
    expect("<a href='http://a.example'>https://b.example</a>", "https://b.example <http://a.example>\r\n");
    expect("<a href='mailto:x@a.example'>x@a.example</a>", "x@a.example\r\n");
    expect("<a href='mailto:x@a.example?subject=a b'>x</a>", "x <mailto:x@a.example?subject=a%20b>\r\n");
    expect("<a href='javascript:x'>a</a> <a href='/x'>b</a> <a name=x>c</a> <a href>d</a>", "a b c d\r\n");
    expect("<a href=' http://a\n.b/<\xc3\xa4>'>x</a>", "x <http://a.b/%3C%C3%A4%3E>\r\n");
    expect("<a href='http://a'>x<a href='http://b'>y</a></a>", "x <http://a>y <http://b>\r\n");
    expect("<img alt=' a\nb ' src=x><img src=y><img alt=''>", "[a b]\r\n");
    expect("<a href='http://a'><img src=x></a>", "<http://a>\r\n");
}

static void test_what_is_left_out(void **state) {
    (void)state;
    expect("<html><head><title>a</title><style>b</style></head><body>c<script>d < e</script></body></html>",
           "c\r\n");
    expect("a<!-- b --><!--[if mso]>c<![endif]--><![if !mso]>d<![endif]>", "a d\r\n");
    expect("<head><x>shown by browsers", "shown by browsers\r\n");
    expect("<script>a</scr></script>b<iframe>c</iframe><noscript>d</noscript>", "bd\r\n");
    expect("<?xml version='1.0'?><!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p>a&x;",
           "]>\r\n\r\na&x;\r\n");
}

static void test_characters(void **state) {
    (void)state;
    expect("<meta charset=iso-8859-1>\xc3\xa4&auml;&#228;&#xe4;&lt;&amp;&unknown;", "ääää<&&unknown;\r\n");
    expect("<meta http-equiv=content-type content='text/html; charset=utf-16'>\xc3\xa4", "ä\r\n");
    expect("a&#150;b\xc2\x80"
           "c&#129;d",
           "a–b€cd\r\n");
    expect("a&#0;&#1;&#27;&#127;&#x85;&#13;b", "a… b\r\n");
    expect("a\xff"
           "b\xc3",
           "a\xef\xbf\xbd"
           "b\xef\xbf\xbd\r\n");
    expect("\xef\xbb\xbf<p>a", "a\r\n");
    struct buf out = BUF_INIT(100);
    assert_true(html_text(VIEW("a\0b"), &out));
    assert_view(buf_view(&out), "a b\r\n");
    buf_done(&out);
}

static void repeat(struct buf *html, const char *text, size_t times) {
    for (size_t i = 0; i < times; i++)
        buf_add_str(html, text);
}

static void test_deep__to_a_limit(void **state) {
    (void)state;
    struct buf html = BUF_INIT(1 << 20), out = BUF_INIT(10000);
    repeat(&html, "<blockquote>", LIMIT_HTML_DEPTH - 10);
    buf_add_str(&html, "x");
    assert_true(html_text(buf_view(&html), &out));
    assert_true(view_ends_with(buf_view(&out), VIEW("> > x\r\n")));
    assert_true(out.len < 50);
    repeat(&html, "<blockquote>", 20);
    size_t before = out.len;
    assert_false(html_text(buf_view(&html), &out));
    assert_int_equal(out.len, before);
    assert_false(out.failed);
    buf_reset(&html);
    repeat(&html, "<ul><li>", 50000);
    assert_false(html_text(buf_view(&html), &out));
    buf_done(&html);
    buf_done(&out);
}

static void test_many_attributes__are_refused(void **state) {
    (void)state;
    struct buf html = BUF_INIT(1 << 20), out = BUF_INIT(10000);
    repeat(&html, "<a b=c d=e>x</a> ", 1000);
    assert_true(html_text(buf_view(&html), &out));
    buf_add_str(&html, "<a ");
    for (unsigned i = 0; i < 50000; i++)
        buf_printf(&html, "x%u ", i);
    buf_add_str(&html, ">y</a>");
    assert_false(html_text(buf_view(&html), &out));
    buf_done(&html);
    buf_done(&out);
}

static void test_limit_of_the_output(void **state) {
    (void)state;
    struct buf out = BUF_INIT(10);
    buf_add_str(&out, "kept");
    assert_false(html_text(VIEW("<p>too much text"), &out));
    assert_true(out.failed);
    assert_view(buf_view(&out), "kept");
    assert_false(html_text(VIEW(""), &out));
    buf_done(&out);
}

static void *in_thread(void *unused) {
    for (int i = 0; i < 100; i++)
        expect("<p>a<ul><li>b&uuml;</ul>", "a\r\n\r\n* bü\r\n");
    return unused;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, in_thread, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_threads), /* first, so that they set libxml2 up */
    cmocka_unit_test(test_paragraphs_and_lines),
    cmocka_unit_test(test_lists),
    cmocka_unit_test(test_tables),
    cmocka_unit_test(test_links_and_images),
    cmocka_unit_test(test_what_is_left_out),
    cmocka_unit_test(test_characters),
    cmocka_unit_test(test_deep__to_a_limit),
    cmocka_unit_test(test_many_attributes__are_refused),
    cmocka_unit_test(test_limit_of_the_output),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
