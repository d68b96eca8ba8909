/* view_test.c: views compare, search, split and convert, and the empty view with a NULL pointer is welcome
 * everywhere. */
#include "testing/unit.h"

static void test_view__compares_octets(void **state) {
    (void)state;
    static const struct {
        view a, b;
        bool eq, eq_nocase;
        int order;
    } rows[] = {
        {{NULL, 0}, {"", 0}, true, true, 0},
        {{"a", 1}, {NULL, 0}, false, false, 1},
        {{"abc", 3}, {"abc", 3}, true, true, 0},
        {{"aBc", 3}, {"AbC", 3}, false, true, 1},
        {{"ab", 2}, {"abc", 3}, false, false, -1},
        {{"a\0b", 3}, {"a\0c", 3}, false, false, -1},
        {{"\xff", 1}, {"a", 1}, false, false, 1},
        {{"[", 1}, {"{", 1}, false, false, -1},
        {{"\xc3\x84", 2}, {"\xc3\xa4", 2}, false, false, -1}, /* A and a with dots: not ASCII */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int order = view_cmp(rows[i].a, rows[i].b), back = view_cmp(rows[i].b, rows[i].a);
        check(view_eq(rows[i].a, rows[i].b) == rows[i].eq, "eq, row %zu", i);
        check(view_eq_nocase(rows[i].a, rows[i].b) == rows[i].eq_nocase, "eq_nocase, row %zu", i);
        check((order > 0) - (order < 0) == rows[i].order, "cmp, row %zu", i);
        check((back > 0) - (back < 0) == -rows[i].order, "cmp the other way, row %zu", i);
    }
    assert_int_equal(view_of(NULL).len, 0);
    assert_int_equal(view_from("abc", 2).len, 2);
}

static void test_view__finds_beginnings_and_ends(void **state) {
    (void)state;
    static const struct {
        const char *text, *piece;
        bool starts, starts_nocase, ends;
    } rows[] = {
        {"", "", true, true, true},           {"abc", "", true, true, true},
        {"abc", "ab", true, true, false},     {"abc", "AB", false, true, false},
        {"abc", "bc", false, false, true},    {"abc", "abc", true, true, true},
        {"abc", "abcd", false, false, false}, {"", "a", false, false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        view text = view_of(rows[i].text), piece = view_of(rows[i].piece);
        check(view_starts_with(text, piece) == rows[i].starts, "starts, row %zu", i);
        check(view_starts_with_nocase(text, piece) == rows[i].starts_nocase, "starts_nocase, row %zu", i);
        check(view_ends_with(text, piece) == rows[i].ends, "ends, row %zu", i);
    }
    assert_true(view_starts_with(VIEW_NULL, VIEW_NULL));
    assert_true(view_ends_with(VIEW_NULL, VIEW_NULL));
}

static void test_view__finds_characters_and_pieces(void **state) {
    (void)state;
    static const struct {
        view text;
        char c;
        ptrdiff_t first, last;
    } rows[] = {
        {{NULL, 0}, 'a', -1, -1},    {{"abcabc", 6}, 'b', 1, 4}, {{"abcabc", 6}, 'x', -1, -1},
        {{"a\0b\0", 4}, '\0', 1, 3}, {{"abc", 2}, 'c', -1, -1}, /* behind its end */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check(view_find(rows[i].text, rows[i].c) == rows[i].first, "find, row %zu", i);
        check(view_rfind(rows[i].text, rows[i].c) == rows[i].last, "rfind, row %zu", i);
    }
    assert_int_equal(view_search(VIEW("abcabd"), VIEW("abd")), 3);
    assert_int_equal(view_search(VIEW("abcabd"), VIEW("")), 0);
    assert_int_equal(view_search(VIEW_NULL, VIEW("a")), -1);
    assert_int_equal(view_search(VIEW("ab"), VIEW("abc")), -1);
    assert_int_equal(view_search((view){"a\0b\0c", 5}, (view){"\0c", 2}), 3);
}

static void test_view__cuts_within_its_bounds(void **state) {
    (void)state;
    assert_view(view_skip(VIEW("abc"), 1), "bc");
    assert_view(view_skip(VIEW("abc"), 4), "");
    assert_view(view_skip(VIEW("abc"), SIZE_MAX), "");
    assert_view(view_skip(VIEW_NULL, 1), "");
    assert_view(view_slice(VIEW("abc"), 1, 1), "b");
    assert_view(view_slice(VIEW("abc"), 1, SIZE_MAX), "bc");
    assert_view(view_slice(VIEW("abc"), SIZE_MAX, SIZE_MAX), "");
    assert_view(view_slice(VIEW_NULL, 0, 5), "");
    assert_view(view_trim(VIEW(" \t\r\na b\n \r\t")), "a b");
    assert_view(view_trim(VIEW(" \r\n")), "");
    assert_view(view_trim(VIEW_NULL), "");
    assert_view(view_trim(VIEW("\va\f")), "\va\f");
}

static void test_view__splits_into_pieces(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *pieces[4];
    } rows[] = {
        {"", {NULL}},        {"a", {"a", NULL}}, {"a,b", {"a", "b", NULL}}, {",a,,b", {"", "a", "", "b"}},
        {"a,", {"a", NULL}}, /* the last piece has no separator behind it */
        {",", {"", NULL}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        view rest = view_of(rows[i].text), piece;
        size_t n = 0;
        for (; n < 4 && rows[i].pieces[n]; n++) {
            check(view_split(&rest, ',', &piece), "row %zu ends before piece %zu", i, n);
            assert_view(piece, rows[i].pieces[n]);
        }
        check(!view_split(&rest, ',', &piece), "row %zu goes on behind piece %zu", i, n);
    }
}

static void test_view__reads_numbers_that_fill_it(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t n;
    } rows[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t n = 42;
        check(view_to_i64(view_of(rows[i].text), &n) == rows[i].ok, "\"%s\"", rows[i].text);
        check(n == (rows[i].ok ? rows[i].n : 42), "\"%s\" gives %lld", rows[i].text, (long long)n);
    }
    int64_t n;
    assert_false(view_to_i64((view){"1\0", 2}, &n));
}

static void test_view__classes_are_ascii(void **state) {
    (void)state;
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool digit = i >= '0' && i <= '9';
        bool upper = i >= 'A' && i <= 'Z', lower = i >= 'a' && i <= 'z';
        check(ascii_is_digit(c) == digit, "digit %d", i);
        check(ascii_is_alnum(c) == (digit || upper || lower), "alnum %d", i);
        check(ascii_is_space(c) == (i == ' ' || i == '\t' || i == '\r' || i == '\n'), "space %d", i);
        check(ascii_lower(c) == (upper ? (char)(i + 32) : c), "lower %d", i);
        bool text = (i >= ' ' && i <= '~') || i == '\t' || i == '\r' || i == '\n';
        check(view_is_ascii((view){&c, 1}) == text, "is_ascii %d", i);
    }
    assert_true(view_is_ascii(VIEW_NULL));
}

/* Every sequence of one to three octets, and the corners of four, against the ranges of RFC 3629 written as
 * code points. */
static bool decodes(const unsigned char *s, size_t len) {
    static const uint32_t least[] = {0, 0x01, 0x80, 0x800, 0x10000};
    size_t promised = s[0] < 0x80   ? 1
                      : s[0] < 0xc0 ? 0
                      : s[0] < 0xe0 ? 2
                      : s[0] < 0xf0 ? 3
                      : s[0] < 0xf8 ? 4
                                    : 0;
    if (promised != len)
        return false;
    uint32_t code = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return false;
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code >= least[len] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

static void test_view__utf8_is_that_of_rfc_3629(void **state) {
    (void)state;
    for (unsigned n = 0; n < 1u << 24;
         n += n < 1u << 16 ? 1 : 3) { /* every third is enough of the long ones */
        unsigned char s[3] = {(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};
        size_t len = s[0] ? 3 : s[1] ? 2 : 1;
        view v = view_from(s + 3 - len, len);
        /* A sequence of two or three characters is not what decodes() judges. */
        if (len > 1 && (s[3 - len] < 0xc2 || (len == 3 && s[0] < 0xe0)))
            continue;
        if (view_is_utf8(v) != decodes(s + 3 - len, len))
            fail_msg("%02x %02x %02x", s[0], s[1], s[2]);
    }
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0xbf, 0xc0, 0xff};
    for (int first = 0xf0; first <= 0xff; first++)
        for (size_t i = 0; i < 8 * 8 * 8; i++) {
            unsigned char s[4] = {(unsigned char)first, edges[i / 64], edges[i / 8 % 8], edges[i % 8]};
            check(view_is_utf8(view_from(s, 4)) == decodes(s, 4), "%02x %02x %02x %02x", s[0], s[1], s[2],
                  s[3]);
        }
    assert_true(view_is_utf8(VIEW_NULL));
    assert_true(view_is_utf8(VIEW("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xac!")));
    assert_false(view_is_utf8(VIEW("a\xc3\xa4\xe2\x82"))); /* cut */
    assert_false(view_is_utf8((view){"a\0b", 3}));
    assert_false(view_is_utf8(VIEW("a\x80"
                                   "b")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view__compares_octets),
        cmocka_unit_test(test_view__finds_beginnings_and_ends),
        cmocka_unit_test(test_view__finds_characters_and_pieces),
        cmocka_unit_test(test_view__cuts_within_its_bounds),
        cmocka_unit_test(test_view__splits_into_pieces),
        cmocka_unit_test(test_view__reads_numbers_that_fill_it),
        cmocka_unit_test(test_view__classes_are_ascii),
        cmocka_unit_test(test_view__utf8_is_that_of_rfc_3629),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
