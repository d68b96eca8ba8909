/* mbox_test.c: the archive gives every octet back, and says so when it cannot. */
#include "testing/unit.h"

#include "mail/mbox.h"
#include "testing/corpus.h"

static void test_mbox__entries(void **state) {
    (void)state;
    static const struct {
        view message;
        const char *body, *note; /* without the "From " line */
    } rows[] = {
        {OCTETS(""), "\n", "-"},
        {OCTETS("a\r\n"), "a\n\n", "-"},
        {OCTETS("A: 1\r\n\r\nb\r\n"), "A: 1\n\nb\n\n", "-"},
        {OCTETS("a\r\n\r\n"), "a\n\n\n", "-"},
        {OCTETS("a\n"), "a\n\n", "lf:1"},
        {OCTETS("1\r\n2\n3\n4\r\n5\n6\r\n"), "1\n2\n3\n4\n5\n6\n\n", "lf:2-3,5"},
        {OCTETS("a"), "a\n\n", "none"},
        {OCTETS("a\nb"), "a\nb\n\n", "lf:1,none"},
        {OCTETS("a\r\nb"), "a\nb\n\n", "none"},
        {OCTETS("a\rb\r\r\n"), "a\rb\r\n\n", "-"},
        {OCTETS("a\r"), "a\r\n\n", "none"},
        {OCTETS("\r"), "\r\n\n", "none"},
        {OCTETS("\n"), "\n\n", "lf:1"},
        {OCTETS("From me\r\n"), ">From me\n\n", "-"},
        {OCTETS(">From me\r\n>>From you\r\n"), ">>From me\n>>>From you\n\n", "-"},
        {OCTETS("From: me\r\nfrom me\r\n From me\r\nFrom\r\n"), "From: me\nfrom me\n From me\nFrom\n\n", "-"},
        {OCTETS("From "), ">From \n\n", "none"},
        {OCTETS(">\r\n>> From\r\n"), ">\n>> From\n\n", "-"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000), note = BUF_INIT(100), back = BUF_INIT(1000);
        struct err e = {0};
        mbox_encode(rows[i].message, VIEW("a@b.example"), 1795496767123, &out, &note);
        view line = VIEW("From a@b.example Tue Nov 24 05:06:07 2026\n");
        check(view_starts_with(buf_view(&out), line), "%s", out.data);
        assert_view(view_skip(buf_view(&out), line.len), rows[i].body);
        assert_view(buf_view(&note), rows[i].note);
        check(mbox_decode(buf_view(&out), buf_view(&note), &back, &e), "row %zu: %s", i, e.text);
        check(view_eq(buf_view(&back), rows[i].message), "row %zu: %s", i, back.data);
        buf_done(&out);
        buf_done(&note);
        buf_done(&back);
    }
}

static void test_mbox__senders_are_one_word(void **state) {
    (void)state;
    static const struct {
        view sender;
        const char *written;
    } rows[] = {
        {OCTETS("a@b.example"), "a@b.example"}, {OCTETS(""), "MAILER-DAEMON"},
        {OCTETS("\"a b\"@c"), "\"a?b\"@c"},     {OCTETS("a\nFrom b"), "a?From?b"},
        {OCTETS("\xc3\xa4@b"), "\xc3\xa4@b"},   {OCTETS("\xff\r\0"), "???"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000), note = BUF_INIT(100), expected = BUF_INIT(100);
        mbox_encode(VIEW("x\r\n"), rows[i].sender, 0, &out, &note);
        buf_printf(&expected, "From %s Thu Jan  1 00:00:00 1970\nx\n\n", rows[i].written);
        assert_view(buf_view(&out), expected.data);
        buf_done(&out);
        buf_done(&note);
        buf_done(&expected);
    }
}

static void test_mbox__appends(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1000), note = BUF_INIT(100), back = BUF_INIT(1000);
    buf_add_str(&note, "note=");
    mbox_encode(VIEW("a\r\n"), VIEW("s"), 0, &out, &note);
    size_t first = out.len;
    mbox_encode(VIEW("b\n"), VIEW("s"), 0, &out, &note);
    assert_view(buf_view(&note), "note=-lf:1");
    buf_add_str(&back, "before ");
    assert_true(mbox_decode(view_skip(buf_view(&out), first), VIEW("lf:1"), &back, NULL));
    assert_view(buf_view(&back), "before b\n");
    assert_false(mbox_decode(view_skip(buf_view(&out), first), VIEW("lf:2"), &back, NULL));
    assert_view(buf_view(&back), "before b\n"); /* as it was */
    buf_done(&out);
    buf_done(&note);
    buf_done(&back);
}

static void test_mbox__what_was_never_written_is_damaged(void **state) {
    (void)state;
    static const struct {
        const char *entry, *note;
    } rows[] = {
        {"", "-"},
        {"From s d", "-"},
        {"From s d\n", "-"},     /* the empty line is missing */
        {"From s d\na\n", "-"},  /* … and here */
        {"From s d\na\n\n", ""}, /* notes that are none */
        {"From s d\na\n\n", "lf:"},
        {"From s d\na\n\n", "x"},
        {"From s d\na\n\n", "-,none"},
        {"From s d\na\n\n", "none,none"},
        {"From s d\na\n\n", "lf:none"},
        {"From s d\na\n\n", "lf:0"},
        {"From s d\na\n\n", "lf:2"}, /* no such line */
        {"From s d\na\n\n", "lf:1-2"},
        {"From s d\na\n\n", "lf:1,none"}, /* both for one line */
        {"From s d\na\n\n", "lf:1,"},
        {"From s d\na\n\n", "lf:-1"},
        {"From s d\na\n\n", "lf:+1"},
        {"From s d\na\n\n", "lf: 1"},
        {"From s d\na\n\n", "lf:01"},
        {"From s d\na\n\n", "lf:18446744073709551617"},
        {"From s d\na\nb\n\n", "lf:2,1"},
        {"From s d\na\nb\n\n", "lf:1-1"},
        {"From s d\na\nb\n\n", "lf:2-1"},
        {"From s d\na\nb\n\n", "lf:1,2"}, /* would have been 1-2 */
        {"From s d\na\nb\nc\n\n", "lf:1-2,3"},
        {"From s d\na\n\n", "lf:1,1"},
        {"From s d\n\n", "none"}, /* nothing is no line without an end */
        {"From s d\na\n\n\n", "none"},
        {"From s d\na\r\n\n", "lf:1"}, /* would have been a CRLF */
        {"From s d\nFrom x\n\n", "-"}, /* would have been quoted */
        {"xFrom s d\na\n\n", "-"},
        {"From: s d\na\n\n", "-"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000);
        struct err e = {0};
        bool ok = mbox_decode(view_of(rows[i].entry), view_of(rows[i].note), &out, &e);
        check(!ok, "row %zu is taken: note \"%s\"", i, rows[i].note);
        check(e.code == ERR_DAMAGED && out.len == 0, "row %zu: %s", i, e.text);
        buf_done(&out);
    }
}

static void test_mbox__a_result_too_large_is_no_damage(void **state) {
    (void)state;
    struct buf out = BUF_INIT(3);
    struct err e = {0};
    assert_false(mbox_decode(VIEW("From s d\nab\n\n"), VIEW("-"), &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void round_trip(const char *name, view message) {
    struct buf out = BUF_INIT(64 << 20), note = BUF_INIT(8 << 20), back = BUF_INIT(64 << 20);
    struct err e = {0};
    mbox_encode(message, VIEW("sender@example.org"), 1795496767123, &out, &note);
    assert_false(out.failed || note.failed);
    check(mbox_decode(buf_view(&out), buf_view(&note), &back, &e), "%s: %s", name, e.text);
    check(view_eq(buf_view(&back), message), "%s is changed", name);
    /* No other reader sees a second message in it. */
    check(view_search(view_skip(buf_view(&out), 1), VIEW("\nFrom ")) < 0, "%s holds a From line", name);
    buf_done(&out);
    buf_done(&note);
    buf_done(&back);
}

/* Every text of up to six pieces out of what matters. */
static void test_mbox__every_short_text_round_trips(void **state) {
    (void)state;
    static const char *const pieces[] = {"", "\r", "\n", "From ", ">", "a"};
    for (size_t n = 0; n < 6 * 6 * 6 * 6 * 6 * 6; n++) {
        struct buf message = BUF_INIT(100);
        for (size_t i = 0, rest = n; i < 6; i++, rest /= 6)
            buf_add_str(&message, pieces[rest % 6]);
        round_trip(message.data, buf_view(&message));
        buf_done(&message);
    }
}

static void round_trip_both(const char *name, view message, void *context) {
    size_t *lines = context;
    round_trip(name, message); /* as stored: most of them have LF */
    struct buf crlf = BUF_INIT(64 << 20);
    while (message.len) {
        ptrdiff_t lf = view_find(message, '\n');
        view line = view_slice(message, 0, lf < 0 ? message.len : (size_t)lf);
        message = view_skip(message, line.len + 1);
        buf_add(&crlf, line);
        buf_add_str(&crlf, view_ends_with(line, VIEW("\r")) ? "\n" : "\r\n");
        ++*lines;
    }
    round_trip(name, buf_view(&crlf)); /* as received */
    buf_done(&crlf);
}

static void test_mbox__all_public_mail_round_trips(void **state) {
    (void)state;
    size_t lines = 0, messages = corpus_each("", round_trip_both, &lines);
    if (messages == 0)
        skip();
    print_message("%zu messages, %zu lines\n", messages, lines);
    assert_true(messages > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mbox__entries),
        cmocka_unit_test(test_mbox__senders_are_one_word),
        cmocka_unit_test(test_mbox__appends),
        cmocka_unit_test(test_mbox__what_was_never_written_is_damaged),
        cmocka_unit_test(test_mbox__a_result_too_large_is_no_damage),
        cmocka_unit_test(test_mbox__every_short_text_round_trips),
        cmocka_unit_test(test_mbox__all_public_mail_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
