/* digest_test.c: odd posts in digests: none breaks the frame around it. */
#include "lists/digest.h"

#include <string.h>

#include "mail/mime.h"
#include "testing/unit.h"

static struct arena arena;

static struct buf make(void (*write)(const struct digest *, struct arena *, struct buf *), const view *posts,
                       size_t count) {
    struct digest d = {.hostname = VIEW("mx.here.example"),
                       .list = VIEW("news@here.example"),
                       .display_name = VIEW("News"),
                       .volume = 3,
                       .issue = 14,
                       .posts = posts,
                       .count = count,
                       .masthead = VIEW("masthead\n"),
                       .topics = VIEW("Today's Topics:"),
                       .footer = VIEW("the footer\n"),
                       .message_id = VIEW("digest.1@mx.here.example"),
                       .now_ms = 1700000000000};
    struct buf out = BUF_INIT(1 << 20);
    write(&d, &arena, &out);
    assert_false(out.failed);
    return out;
}

static bool has(const struct buf *b, const char *text) {
    return view_search(buf_view(b), view_of(text)) >= 0;
}

static void test_mime__each_post_is_a_part_whatever_it_says(void **state) {
    (void)state;
    static const char inner[] =
        "From: a@x.example\r\nSubject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nno end";
    const view posts[] = {view_of(inner), VIEW("no header at all\r\n\r\nbody"), VIEW("")};
    struct buf out = make(digest_mime, posts, 3);
    struct mime m;
    size_t messages = 0;
    assert_true(mime_parse(buf_view(&out), &arena, &m));
    for (size_t i = 0; i < m.count; i++)
        messages += mime_is(&m.parts[i], "message/rfc822");
    assert_int_equal(messages, 3);
    assert_true(m.parts[0].closing.len > 0 && has(&out, "the footer"));
    assert_true(has(&out, "Message: 3\r\n"));
    buf_done(&out);
}

static void test_plain__hyphens_of_a_post_end_nothing(void **state) {
    (void)state;
    static const char post[] = "From: a@x.example\r\n\r\n------------------------------\r\nforged\r\n";
    const view posts[] = {view_of(post)};
    struct buf out = make(digest_plain, posts, 1);
    assert_true(has(&out, "\r\n ------------------------------\r\nforged"));
    assert_true(has(&out, "(no subject)"));
    assert_true(view_ends_with(buf_view(&out), VIEW("End of News Digest, Vol 3, Issue 14\r\n"
                                                    "***********************************\r\n")));
    buf_done(&out);
}

static void test_plain__of_several_forms_one_is_read_and_files_are_named(void **state) {
    (void)state;
    static const char post[] = "From: a@x.example\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: "
                               "multipart/mixed; boundary=o\r\n\r\n--o\r\n"
                               "Content-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\nContent-Type: "
                               "text/plain\r\n\r\nthe text\r\n--i\r\n"
                               "Content-Type: text/html\r\n\r\n<p>the html\r\n--i--\r\n--o\r\nContent-Type: "
                               "image/png; name=\"a\x1b.png\"\r\n\r\n"
                               "xyz\r\n--o--\r\n";
    const view posts[] = {view_of(post)};
    struct buf out = make(digest_plain, posts, 1);
    assert_true(has(&out, "the text") && !has(&out, "the html"));
    assert_true(has(&out, "[image/png, a?.png, 3 octets, not shown]"));
    buf_done(&out);
}

static void test_summary__topics_alone(void **state) {
    (void)state;
    const view posts[] = {
        VIEW("From: Ada <a@x.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nsecret\r\n")};
    struct buf out = make(digest_summary, posts, 1);
    assert_true(has(&out, "   1. Gr\xc3\xbc\xc3\x9f"
                          "e (Ada)\r\n") &&
                !has(&out, "secret"));
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mime__each_post_is_a_part_whatever_it_says),
        cmocka_unit_test(test_plain__hyphens_of_a_post_end_nothing),
        cmocka_unit_test(test_plain__of_several_forms_one_is_read_and_files_are_named),
        cmocka_unit_test(test_summary__topics_alone),
    };
    arena_init(&arena, 16 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
