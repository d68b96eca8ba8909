/* header_test.c: fields are found where they are, in any mail, and what is written is one field for every
 * reader. */
#include "testing/unit.h"

#include <stdio.h>

#include "testing/corpus.h"
#include "testing/header_check.h"

static struct arena arena;

static int start_arena(void **state) {
    (void)state;
    arena_init(&arena, 8 << 20);
    return 0;
}

static int end_arena(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct header parse(view message) {
    struct header h;
    header_parse(message, &arena, &h);
    header_check_parsed(&h, message);
    return h;
}

static void test_header__sections(void **state) {
    (void)state;
    static const struct {
        const char *message;
        size_t count;
        const char *section, *body;
    } rows[] = {
        {"", 0, "", ""},
        {"\r\n", 0, "", ""},
        {"\r\nbody", 0, "", "body"},
        {"A: 1\r\nB: 2\r\n\r\nbody\r\n", 2, "A: 1\r\nB: 2\r\n", "body\r\n"},
        {"A: 1\nB: 2\n\nbody\n", 2, "A: 1\nB: 2\n", "body\n"},
        {"A: 1\r\n", 1, "A: 1\r\n", ""},
        {"A: 1", 1, "A: 1", ""},
        {"A:", 1, "A:", ""},
        {"A: 1\r\n\r\n", 1, "A: 1\r\n", ""},
        {"A: 1\r\n\r\n\r\nB: 2", 1, "A: 1\r\n", "\r\nB: 2"},
        {"A: 1\r\n folded\r\n\tagain\r\nB: 2\r\n\r\n", 2, "A: 1\r\n folded\r\n\tagain\r\nB: 2\r\n", ""},
        {"A: 1\r\n \r\nB: 2\r\n\r\nx", 2, "A: 1\r\n \r\nB: 2\r\n",
         "x"}, /* a fold of white space (RFC 5322 4.2) */
        {"A : 1\r\n\r\nx", 1, "A : 1\r\n", "x"},
        {"A: 1\r\nno field\r\n\r\nx", 1, "A: 1\r\n", "no field\r\n\r\nx"},
        {" A: 1\r\n\r\nx", 0, "", " A: 1\r\n\r\nx"},
        {": 1\r\n\r\nx", 0, "", ": 1\r\n\r\nx"},
        {"From a@b.example Tue Nov 24 05:06:07 2026\nA: 1\n\nx", 0, "",
         "From a@b.example Tue Nov 24 05:06:07 2026\nA: 1\n\nx"},
        {"\xc3\xa4: 1\r\n\r\n", 0, "", "\xc3\xa4: 1\r\n\r\n"},
        {"A: a\rB: b\r\n\r\nx", 1, "A: a\rB: b\r\n", "x"}, /* a CR alone ends no line */
        {"A: 1\r\n\rx", 1, "A: 1\r\n", "\rx"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct header h = parse(view_of(rows[i].message));
        check(h.count == rows[i].count && !h.truncated, "row %zu: %zu fields", i, h.count);
        assert_view(h.section, rows[i].section);
        assert_view(h.body, rows[i].body);
    }
}

static void test_header__fields(void **state) {
    (void)state;
    struct header h =
        parse(VIEW("Subject: one\r\nX-Empty:\r\nTo \t:\ta\r\n b\r\nsubject: two\r\n\r\nSubject: body"));
    assert_int_equal(h.count, 4);
    assert_view(h.fields[2].name, "To");
    assert_view(h.fields[2].value, "\ta\r\n b\r\n");
    assert_view(h.fields[2].raw, "To \t:\ta\r\n b\r\n");
    assert_ptr_equal(header_find(&h, "SUBJECT"), &h.fields[0]);
    assert_int_equal(header_count(&h, "Subject"), 2);
    assert_int_equal(header_count(&h, "Sub"), 0);
    assert_null(header_find(&h, "Cc"));
    assert_null(header_find(&h, ""));
    assert_view(header_value(header_find(&h, "x-empty"), &arena), "");
    assert_view(header_value(header_find(&h, "to"), &arena), "a b");
}

static void test_header__limits_truncate(void **state) {
    (void)state;
    struct buf text = BUF_INIT(8 << 20);
    for (int i = 0; i < LIMIT_HEADER_FIELDS; i++)
        buf_printf(&text, "X-%d: x\r\n", i);
    assert_false(parse(buf_view(&text)).truncated);
    buf_add_str(&text, "Last: x\r\n\r\nbody");
    struct header h = parse(buf_view(&text));
    assert_true(h.truncated);
    assert_int_equal(h.count, LIMIT_HEADER_FIELDS);
    assert_view(h.body, "body");
    assert_null(header_find(&h, "Last"));
    buf_reset(&text);
    buf_add_str(&text, "A: 1\r\nB: ");
    while (text.len < LIMIT_HEADER_BYTES)
        buf_add_str(&text, "bbbbbbbbbbbbbbbb");
    buf_add_str(&text, "\r\nC: 3\r\n\r\nbody");
    h = parse(buf_view(&text));
    assert_true(h.truncated);
    assert_int_equal(h.count, 1);
    assert_view(h.body, "body");
    struct arena small; /* no memory for the index is a truncation too */
    arena_init(&small, 16);
    header_parse(VIEW("A: 1\r\n\r\nbody"), &small, &h);
    assert_true(h.truncated);
    assert_int_equal(h.count, 0);
    assert_view(h.section, "A: 1\r\n");
    assert_view(h.body, "body");
    arena_done(&small);
    buf_done(&text);
}

static void test_header__values_are_unfolded(void **state) {
    (void)state;
    static const struct {
        const char *value, *unfolded;
    } rows[] = {
        {" a\r\n", "a"},
        {"a", "a"},
        {" a\r\n b\r\n", "a b"},
        {" a\n\tb\n", "a\tb"},
        {" a \r\n  b\r\n", "a   b"},
        {"\r\n a\r\n", "a"},
        {" a\r\n \r\n b\r\n", "a  b"},
        {" a\r\n \r\n", "a"},
        {" a\rb\r\n", "a\rb"},
        {" a\r\r\n b\r\n", "a\r b"},
        {" \r\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct header_field f = {.value = view_of(rows[i].value)};
        view value = header_value(&f, &arena);
        assert_view(value, rows[i].unfolded);
        header_check_value(&f, value);
    }
}

static void test_header__message_ids(void **state) {
    (void)state;
    static const struct {
        const char *field, *id;
    } rows[] = {
        {"Message-ID: <a@b>\r\n", "a@b"},
        {"MESSAGE-Id:<a@b>", "a@b"},
        {"Message-ID:\r\n <a@b>\r\n", "a@b"},
        {"Message-ID: (comment <no@id>) <a@b> (more)\r\n", "a@b"},
        {"Message-ID: (a (nested \\) <no@id>)) <a@b>\r\n", "a@b"},
        {"Message-ID: < a@b >\r\n", "a@b"},
        {"Message-ID: <a\r\n @b>\r\n", "a @b"},
        {"Message-ID: a@b\r\n", "a@b"},
        {"Message-ID: <a@b\r\n", "a@b"},
        {"Message-ID: <a@b> <c@d>\r\n", "a@b"},
        {"Message-ID: <>\r\n", ""},
        {"Message-ID:\r\n", ""},
        {"Subject: x\r\n", ""},
        {"X-Message-ID: <a@b>\r\n", ""},
        {"Message-ID: <one@b>\r\nMessage-ID: <two@b>\r\n", "one@b"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct header h = parse(view_of(rows[i].field));
        assert_view(header_message_id(&h, &arena), rows[i].id);
    }
    struct buf text = BUF_INIT(5000);
    buf_add_str(&text, "Message-ID: <");
    for (int i = 0; i < 2000; i++)
        buf_add_char(&text, 'a');
    buf_add_str(&text, ">\r\n");
    struct header h = parse(buf_view(&text));
    assert_int_equal(header_message_id(&h, &arena).len, LIMIT_MESSAGE_ID);
    buf_done(&text);
}

static void test_header__add(void **state) {
    (void)state;
    static const struct {
        view value;
        const char *field;
    } rows[] = {
        {{"short", 5}, "X-Name: short\r\n"},
        {{"  trimmed\r\n", 11}, "X-Name: trimmed\r\n"},
        {{"", 0}, "X-Name: \r\n"},
        {{"a\r\nBcc: x", 9}, "X-Name: a  Bcc: x\r\n"}, /* no injection */
        {{"a\nb\rc", 5}, "X-Name: a b c\r\n"},
        {{"a\0b", 3}, "X-Name: a?b\r\n"},
        {{"\xc3\xa4", 2}, "X-Name: \xc3\xa4\r\n"},
        {{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cc", 79},
         "X-Name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cc\r\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000);
        header_add(&out, "X-Name", rows[i].value);
        if (rows[i].value.len)
            assert_view(buf_view(&out), rows[i].field);
        header_check_added(buf_view(&out), "X-Name", rows[i].value);
        buf_done(&out);
    }
}

/* Words and gaps of every awkward length: lines stay legal, and within 78 columns where words let them. */
static void test_header__add_folds(void **state) {
    (void)state;
    static const size_t sizes[] = {1,  2,  30,  68,  69,  70,  71,  76,  77,
                                   78, 79, 200, 988, 989, 990, 991, 997, 2000};
    static const size_t gaps[] = {1, 2, 60, 77, 78, 79, 1000};
    for (size_t s = 0; s < COUNT(sizes) * COUNT(sizes) * COUNT(gaps); s++) {
        size_t words[] = {sizes[s % COUNT(sizes)], sizes[s / COUNT(sizes) % COUNT(sizes)], 5};
        size_t gap = gaps[s / COUNT(sizes) / COUNT(sizes)];
        struct buf value = BUF_INIT(20000), out = BUF_INIT(40000);
        for (size_t w = 0; w < COUNT(words); w++) {
            for (size_t i = 0; i < words[w]; i++)
                buf_add_str(&value, w == 1 && i + 1 < words[w] && i % 2 == 0 ? "\xc3"
                                    : w == 1 && i % 2                        ? "\xa4"
                                                                             : "a");
            for (size_t i = 0; i < gap; i++)
                buf_add_char(&value, " \t\r\n"[i % 4]);
        }
        header_add(&out, "X-Name", buf_view(&value));
        header_check_added(buf_view(&out), "X-Name", buf_view(&value));
        view rest = buf_view(&out), line;
        while (gap <= 2 && view_split(&rest, '\n', &line)) {
            bool one_word = view_find(view_trim(line), ' ') < 0 || view_starts_with(line, VIEW("X-Name: "));
            check(line.len <= 79 || one_word, "words %zu and %zu: a line of %zu", words[0], words[1],
                  line.len);
        }
        buf_done(&value);
        buf_done(&out);
    }
}

static void test_header__encode_text(void **state) {
    (void)state;
    static const struct {
        view text;
        const char *decoded; /* NULL: goes as it is */
    } rows[] = {
        {{"plain words", 11}, NULL},
        {{"", 0}, NULL},
        {{"gr\xc3\xbc\xc3\x9f"
          "e",
          7},
         "gr\xc3\xbc\xc3\x9f"
         "e"},
        {{"a\r\n\tb\xc3\xa4", 7}, "a   b\xc3\xa4"},
        {{"a\xff", 2}, "a\xef\xbf\xbd"},
        {{"a\0b", 3},
         "a\xef\xbf\xbd"
         "b"},
        {{"a\x1b[2J", 5}, "a\xef\xbf\xbd[2J"},
        {{"half \xe2\x82", 7}, "half \xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000), back = BUF_INIT(1000);
        header_encode_text(&out, rows[i].text);
        assert_true(view_is_ascii(buf_view(&out)));
        if (rows[i].decoded) {
            header_decode_words(buf_view(&out), &back);
            assert_view(buf_view(&back), rows[i].decoded);
        } else {
            check(view_eq(buf_view(&out), rows[i].text), "row %zu", i);
        }
        buf_done(&out);
        buf_done(&back);
    }
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xac"};
    for (size_t n = 0; n < 400; n++) { /* words break between characters, wherever that is */
        struct buf text = BUF_INIT(10000), out = BUF_INIT(10000), back = BUF_INIT(10000),
                   field = BUF_INIT(20000);
        buf_add_str(&text, "\xc3\xa4");
        for (size_t i = 0; i < n; i++)
            buf_add_str(&text, characters[(i * i + n) % COUNT(characters)]);
        header_encode_text(&out, buf_view(&text));
        header_decode_words(buf_view(&out), &back);
        assert_view(buf_view(&back), text.data);
        header_add(&field, "Subject", buf_view(&out));
        header_check_added(buf_view(&field), "Subject", buf_view(&out));
        view rest = buf_view(&field), line;
        while (view_split(&rest, '\n', &line)) /* RFC 2047 2: a line with an encoded word has at most 76 */
            check(line.len <= 77, "a line of %zu", line.len - 1);
        buf_done(&text);
        buf_done(&out);
        buf_done(&back);
        buf_done(&field);
    }
}

struct walk {
    size_t messages, fields, without;
};

static void check_message(const char *name, view message, void *context) {
    struct walk *w = context;
    (void)name;
    if (view_starts_with(message, VIEW("From ")))
        message = view_skip(message, (size_t)(view_find(message, '\n') + 1));
    arena_reset(&arena);
    struct header h = parse(message);
    for (size_t i = 0; i < h.count; i++)
        header_check_value(&h.fields[i], header_value(&h.fields[i], &arena));
    view id = header_message_id(&h, &arena);
    assert_true(id.len <= LIMIT_MESSAGE_ID && view_find(id, '\n') < 0);
    assert_false(arena.failed);
    w->messages++;
    w->fields += h.count;
    w->without += h.count == 0;
}

static void test_header__all_public_mail_is_taken_apart_whole(void **state) {
    (void)state;
    struct walk w = {0};
    if (corpus_each("", check_message, &w) == 0)
        skip();
    print_message("%zu messages, %zu fields, %zu messages without any\n", w.messages, w.fields, w.without);
    assert_true(w.messages > 500 && w.fields > 10 * w.messages);
    check(w.without * 100 < w.messages, "%zu of %zu have no field", w.without, w.messages);
}

struct oracle {
    size_t compared, differing;
};

static bool take_offset(view *json, const char *key, size_t *ret_n) {
    ptrdiff_t at = view_search(*json, view_of(key));
    if (at < 0)
        return false;
    *json = view_skip(*json, (size_t)at + strlen(key));
    size_t len = 0;
    int64_t n;
    while (len < json->len && ascii_is_digit(json->ptr[len]))
        len++;
    bool ok = view_to_i64(view_slice(*json, 0, len), &n);
    *ret_n = (size_t)n;
    return ok;
}

/* Another parser's offsets of field, value and end, for the fields of the message itself. */
static void compare_fields(const char *name, view json, void *context) {
    struct oracle *o = context;
    struct buf message = BUF_INIT(8 << 20);
    size_t n = 0;
    if (!corpus_message_of(name, &message))
        return;
    arena_reset(&arena);
    struct header h = parse(buf_view(&message));
    ptrdiff_t end = view_search(json, VIEW("\n      ],"));
    json = view_slice(json, 0, end < 0 ? 0 : (size_t)end);
    for (size_t field, start, stop; take_offset(&json, "\"offset_field\": ", &field); n++) {
        assert_true(take_offset(&json, "\"offset_start\": ", &start));
        assert_true(take_offset(&json, "\"offset_end\": ", &stop));
        const struct header_field *ours = n < h.count ? &h.fields[n] : NULL;
        bool same = ours && ours->name.ptr == message.data + field &&
                    ours->value.ptr == message.data + start &&
                    ours->raw.ptr + ours->raw.len == message.data + stop;
        o->compared++;
        o->differing += !same;
        if (!same)
            print_message("differs: %s: field %zu at %zu-%zu-%zu\n", name, n, field, start, stop);
    }
    o->differing += n != h.count;
    if (n != h.count)
        print_message("differs: %s: %zu fields, theirs %zu\n", name, h.count, n);
    buf_done(&message);
}

static void test_header__agrees_with_another_parser_on_public_mail(void **state) {
    (void)state;
    struct oracle o = {0};
    if (corpus_each_file("03-mailparser-eml", ".json", compare_fields, &o) == 0)
        skip();
    print_message("%zu fields compared, %zu differ\n", o.compared, o.differing);
    assert_true(o.compared > 500);
    assert_int_equal(o.differing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header__sections, start_arena, end_arena),
        cmocka_unit_test_setup_teardown(test_header__fields, start_arena, end_arena),
        cmocka_unit_test_setup_teardown(test_header__limits_truncate, start_arena, end_arena),
        cmocka_unit_test_setup_teardown(test_header__values_are_unfolded, start_arena, end_arena),
        cmocka_unit_test_setup_teardown(test_header__message_ids, start_arena, end_arena),
        cmocka_unit_test(test_header__add),
        cmocka_unit_test(test_header__add_folds),
        cmocka_unit_test(test_header__encode_text),
        cmocka_unit_test_setup_teardown(test_header__all_public_mail_is_taken_apart_whole, start_arena,
                                        end_arena),
        cmocka_unit_test_setup_teardown(test_header__agrees_with_another_parser_on_public_mail, start_arena,
                                        end_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
