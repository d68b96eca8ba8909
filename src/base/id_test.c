/* id_test.c: identifiers are unique, sort by time in both forms, and survive being read aloud. */
#include "testing/unit.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/id.h"

static void test_id__rises_and_carries_its_time(void **state) {
    (void)state;
    int64_t before = clock_now_ms(), last = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t id = id_new();
        check(id > last, "identifier %d does not rise", i);
        last = id;
    }
    /* A counter that runs over borrows from the next milliseconds, a few at most. */
    int64_t time = id_time_ms(last);
    check(time >= before && time <= clock_now_ms() + 10, "%lld", (long long)time);
}

enum { THREADS = 4, EACH = 50000 };

static void *make_ids(void *out) {
    int64_t *ids = out;
    for (size_t i = 0; i < EACH; i++)
        ids[i] = id_new();
    return NULL;
}

static int order(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void test_id__is_unique_among_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int64_t *ids = calloc(THREADS * EACH, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * EACH), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    qsort(ids, THREADS * EACH, sizeof *ids, order);
    for (size_t i = 1; i < THREADS * EACH; i++)
        check(ids[i] > ids[i - 1], "two are %lld", (long long)ids[i]);
    free(ids);
}

static void source_too_large(void) {
    id_set_source(32);
}

static void test_id__source_is_the_last_five_bits(void **state) {
    (void)state;
    for (unsigned source = 0; source < 32; source++) {
        id_set_source(source);
        assert_int_equal(id_new() & 31, source);
    }
    id_set_source(0);
    assert_true(unit_aborts(source_too_large));
}

static void test_id__text_round_trips_and_sorts(void **state) {
    (void)state;
    static const struct {
        int64_t id;
        const char *text;
    } rows[] = {
        {0, "0000000000000"},         {1, "0000000000001"},    {31, "000000000000Z"},
        {32, "0000000000010"},        {1023, "00000000000ZZ"}, {INT64_C(1) << 62, "4000000000000"},
        {INT64_MAX, "7ZZZZZZZZZZZZ"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct id_text text = id_format(rows[i].id);
        int64_t back = -1;
        assert_string_equal(text.s, rows[i].text);
        check(id_parse(view_of(text.s), &back) && back == rows[i].id, "row %zu", i);
        check(i == 0 || (strcmp(rows[i - 1].text, rows[i].text) < 0) == (rows[i - 1].id < rows[i].id),
              "row %zu", i);
    }
    for (int i = 0; i < 10000; i++) {
        int64_t a = (int64_t)(random_u64() >> 1), b = (int64_t)(random_u64() >> 1), back;
        struct id_text x = id_format(a), y = id_format(b);
        assert_true(id_parse(view_of(x.s), &back) && back == a);
        assert_int_equal(strcmp(x.s, y.s) < 0, a < b);
    }
}

static void test_id__reads_what_people_write(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t id;
    } rows[] = {
        {"0000000000010", true, 32},
        {"OoO00000000iL", true, 33}, /* O is 0; I and L are 1 */
        {"000000000000z", true, 31},
        {"7zzzzzzzzzzzz", true, INT64_MAX},
        {"8000000000000", false, 0}, /* 64 bits */
        {"Z000000000000", false, 0},
        {"000000000000U", false, 0}, /* no digit of Crockford's */
        {"000000000000", false, 0},
        {"00000000000000", false, 0},
        {"", false, 0},
        {"00000 0000000", false, 0},
        {"00000-0000000", false, 0},
        {"000000000000\xc3", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t id = -7;
        check(id_parse(view_of(rows[i].text), &id) == rows[i].ok, "\"%s\"", rows[i].text);
        check(id == (rows[i].ok ? rows[i].id : -7), "\"%s\" gives %lld", rows[i].text, (long long)id);
    }
    int64_t id;
    assert_false(id_parse((view){"\0\0\0\0\0\0\0\0\0\0\0\0\0", 13}, &id));
}

static void test_id__at_ms_is_the_least_of_its_time(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        int64_t id = id_new(), ms = id_time_ms(id), least = id_at_ms(ms);
        assert_int_equal(id_time_ms(least), ms);
        assert_int_equal(id_time_ms(least - 1), ms - 1);
        assert_true(least <= id && id < id_at_ms(ms + 1));
    }
    static const int64_t early[] = {INT64_MIN, -1, 0, 1577836800000}; /* before 2020 there were none */
    for (size_t i = 0; i < COUNT(early); i++)
        assert_int_equal(id_at_ms(early[i]), 0);
    assert_int_equal(id_at_ms(INT64_MAX), INT64_MAX); /* later than any id */
}

static void test_id__random_bytes_fill_exactly(void **state) {
    (void)state;
    unsigned char bytes[1000] = {0};
    size_t zeros = 0;
    random_bytes(bytes, 0);
    assert_int_equal(bytes[0], 0);
    random_bytes(bytes + 1, sizeof bytes - 2);
    assert_int_equal(bytes[0] + bytes[sizeof bytes - 1], 0);
    for (size_t i = 1; i < sizeof bytes - 1; i++)
        zeros += bytes[i] == 0;
    check(zeros < 30, "%zu of 998 are zero", zeros); /* 4 are to be expected */
    assert_true(random_u64() != random_u64());
}

static void test_id__random_hex_is_digits_and_differs(void **state) {
    (void)state;
    char one[2 * 16 + 2] = "", two[2 * 16 + 2] = "";
    one[33] = two[33] = 'x'; /* behind the NUL */
    random_hex(16, one);
    random_hex(16, two);
    assert_int_equal(strlen(one), 32);
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_true(one[33] == 'x' && strcmp(one, two) != 0);
    size_t zeros = 0;
    char many[2 * 1000 + 1];
    random_hex(1000, many);
    for (size_t i = 0; i < 2000; i++)
        zeros += many[i] == '0';
    check(zeros > 60 && zeros < 200, "%zu of 2,000 digits are 0", zeros); /* 125 are to be expected */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id__rises_and_carries_its_time),
        cmocka_unit_test(test_id__is_unique_among_threads),
        cmocka_unit_test(test_id__source_is_the_last_five_bits),
        cmocka_unit_test(test_id__text_round_trips_and_sorts),
        cmocka_unit_test(test_id__reads_what_people_write),
        cmocka_unit_test(test_id__at_ms_is_the_least_of_its_time),
        cmocka_unit_test(test_id__random_bytes_fill_exactly),
        cmocka_unit_test(test_id__random_hex_is_digits_and_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
