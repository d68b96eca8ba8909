/* journal_test.c: a journal line says the same after it was read back, and a line that was touched is known.
 */
#include "testing/unit.h"

#include "archive/digest.h"
#include "archive/journal.h"

#include <stdio.h>

static struct journal_line example(void) {
    struct journal_line l = {.op = JOURNAL_ADD,
                             .uid = 17,
                             .generation = 0,
                             .offset = 4096,
                             .length = 512,
                             .date_ms = 1795496767123,
                             .sender = VIEW("me@sender.example"),
                             .eol = VIEW("-")};
    digest_sha256(VIEW("A: b\r\n\r\nc\r\n"), l.sha256);
    return l;
}

static view without_lf(const struct buf *line) {
    assert_true(view_ends_with(buf_view(line), VIEW("\n")));
    return view_slice(buf_view(line), 0, line->len - 1);
}

static void assert_same(const struct journal_line *a, const struct journal_line *b) {
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->date_ms, b->date_ms);
    assert_memory_equal(a->sha256, b->sha256, sizeof a->sha256);
    assert_true(view_eq(a->sender, b->sender));
    assert_true(view_eq(a->eol, b->eol));
    assert_true(view_eq(a->salt, b->salt));
    assert_true(view_eq(a->legacy, b->legacy));
    assert_true(view_eq(a->reason, b->reason));
}

/* The form on disk is for ever: these octets must never change. The hashes are sha256sum's. */
static void test_journal__form_on_disk(void **state) {
    (void)state;
    static const char expected[] =
        "add 17 0 4096 512 8b6bfc2e200eccc84f956127229abed528a6952cad80d433843f65359f86dd98 1795496767123 "
        "me@sender.example - - - - 268d6a89\n";
    struct buf out = BUF_INIT(1000);
    struct journal_line l = example();
    journal_format(&l, &out);
    assert_string_equal(out.data, expected);
    buf_done(&out);
}

static void test_journal__round_trip(void **state) {
    (void)state;
    static const view texts[] = {
        {"", 0},          {"-", 1}, {"--", 2},       {"lf:1-3,7,none", 13},   {"%", 1},
        {"100% sure", 9}, {" ", 1}, {"\0\n\r\t", 4}, {"\xc3\xa4\xff\x7f", 4}, {"a-", 2},
    };
    static const int64_t numbers[] = {1, 9, 10, 4294967295, INT64_MAX / 2};
    for (size_t i = 0; i < COUNT(texts) * COUNT(numbers) * 4; i++) {
        struct buf out = BUF_INIT(4000);
        struct arena a;
        struct err e = {0};
        struct journal_line l = example(), back;
        arena_init(&a, 4000);
        l.op = (enum journal_op)(i % 4);
        l.uid = l.generation = l.offset = l.length = numbers[i / 4 % COUNT(numbers)];
        l.date_ms = i % 3 ? -numbers[i / 4 % COUNT(numbers)] : INT64_MIN;
        l.sender = texts[(i + 3) % COUNT(texts)];
        l.salt = texts[i % COUNT(texts)];
        l.legacy = texts[(i + 1) % COUNT(texts)];
        l.reason = texts[(i + 2) % COUNT(texts)];
        l.eol = texts[3];
        journal_format(&l, &out);
        check(journal_parse(without_lf(&out), &a, &back, &e), "row %zu: %s: %s", i, e.text, out.data);
        assert_same(&l, &back);
        arena_done(&a);
        buf_done(&out);
    }
}

/* Every octet, changed in every bit, or lost, or the line cut there. */
static void test_journal__any_change_is_seen(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct journal_line l = example(), back = {.uid = -1};
    struct arena a;
    arena_init(&a, 10000);
    l.reason = VIEW("asked for by the author");
    journal_format(&l, &out);
    view line = without_lf(&out);
    for (size_t i = 0; i < line.len; i++) {
        char copy[1000];
        struct err e = {0};
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, line.ptr, line.len);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            check(!journal_parse((view){copy, line.len}, &a, &back, &e), "octet %zu, bit %u", i, bit);
            assert_int_equal(e.code, ERR_DAMAGED);
        }
        check(!journal_parse((view){line.ptr, i}, &a, &back, &e), "cut at %zu", i);
        memcpy(copy, line.ptr, i);
        memcpy(copy + i, line.ptr + i + 1, line.len - i - 1);
        check(!journal_parse((view){copy, line.len - 1}, &a, &back, &e), "without octet %zu", i);
    }
    assert_int_equal(back.uid, -1); /* outputs are untouched */
    arena_done(&a);
    buf_done(&out);
}

/* Lines with a right check that no program of ours writes. */
static void test_journal__one_way_to_write_it(void **state) {
    (void)state;
#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    static const struct {
        const char *line, *wrong; /* NULL: it is fine */
    } rows[] = {
        {"add 1 0 0 1 " SHA " 0 - - - - -", NULL},
        {"add 1 0 0 1 " SHA " -1 - lf:1 a%20b %2D -a", NULL},
        {"ADD 1 0 0 1 " SHA " 0 - - - - -", "operation"},
        {"addx 1 0 0 1 " SHA " 0 - - - - -", "operation"},
        {"add 0 0 0 1 " SHA " 0 - - - - -", "UID"},
        {"add 01 0 0 1 " SHA " 0 - - - - -", "UID"},
        {"add -1 0 0 1 " SHA " 0 - - - - -", "UID"},
        {"add 1 -1 0 1 " SHA " 0 - - - - -", "generation"},
        {"add 1 -0 0 1 " SHA " 0 - - - - -", "generation"},
        {"add 1 0 -1 1 " SHA " 0 - - - - -", "offset"},
        {"add 1 0 0 0 " SHA " 0 - - - - -", "length"},
        {"add 1 0 9223372036854775807 1 " SHA " 0 - - - - -", "length"},
        {"add 1 0 9223372036854775808 1 " SHA " 0 - - - - -", "offset"},
        {"add 1 0 0 1 " SHA "0 0 - - - - -", "SHA-256"},
        {"add 1 0 0 1 E" SHA " 0 - - - - -", "SHA-256"},
        {"add 1 0 0 1 - 0 - - - - -", "SHA-256"},
        {"add 1 0 0 1 " SHA " 00 - - - - -", "date"},
        {"add 1 0 0 1 " SHA " -0 - - - - -", "date"},
        {"add 1 0 0 1 " SHA " 0x - - - - -", "date"},
        {"add 1 0 0 1 " SHA " 0 - %41 - - -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - %2d - -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - a%2Db - -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - % - -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - %2 - -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - - \x80 -", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - - - a\tb", "encoded"},
        {"add 1 0 0 1 " SHA " 0 - - - -", "fields"},
        {"add 1 0 0 1 " SHA " 0 - - - - - -", "fields"},
        {"add 1 0 0 1 " SHA " 0 - - - - ", "fields"},
        {"add 1 0 0 1 " SHA " 0 - - - - - ", "fields"},
        {"add  1 0 0 1 " SHA " 0 - - - -", "fields"},
        {" add 1 0 0 1 " SHA " 0 - - - -", "fields"},
        {"", "fields"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf line = BUF_INIT(1000);
        unsigned char digest[DIGEST_BYTES];
        struct journal_line l;
        struct err e = {0};
        struct arena a;
        arena_init(&a, 1000);
        buf_printf(&line, "%s ", rows[i].line);
        digest_sha256(buf_view(&line), digest);
        for (size_t n = 0; n < 4; n++)
            buf_printf(&line, "%02x", digest[n]);
        bool ok = journal_parse(buf_view(&line), &a, &l, &e);
        check(ok == !rows[i].wrong, "row %zu: %s: %s", i, rows[i].line, e.text);
        check(ok || strstr(e.text, rows[i].wrong), "row %zu: %s: %s", i, rows[i].line, e.text);
        arena_done(&a);
        buf_done(&line);
    }
}

static void test_journal__limits(void **state) {
    (void)state;
    struct buf small = BUF_INIT(100), out = BUF_INIT(1000);
    struct journal_line l = example(), back;
    struct arena a;
    struct err e = {0};
    journal_format(&l, &small);
    assert_true(small.failed);
    l.reason = VIEW("a reason that does not fit");
    journal_format(&l, &out);
    arena_init(&a, 8);
    assert_false(journal_parse(without_lf(&out), &a, &back, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_done(&a);
    buf_done(&small);
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal__form_on_disk),
        cmocka_unit_test(test_journal__round_trip),
        cmocka_unit_test(test_journal__any_change_is_seen),
        cmocka_unit_test(test_journal__one_way_to_write_it),
        cmocka_unit_test(test_journal__limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
