/* sums_test.c: SHA256SUMS says the same after it was read back, whatever the names, and what is no such list
 * is refused. */
#include "testing/unit.h"

#include "base/file.h"
#include "cli/bundle.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void put(view text) {
    struct err e = {0};
    check(file_replace(BUNDLE_SUMS, text, 0600, &e), "%s", e.text);
}

static void test_sums__round_trip(void **state) {
    (void)state;
    static const char *const names[] = {"store.db", "archive/public/x/a b", "back\\slash", "line\nfeed\r",
                                        "\\n"};
    struct sums s = {0}, back;
    struct buf text = BUF_INIT(4000);
    struct err e = {0};
    for (size_t i = 0; i < COUNT(names); i++)
        sums_add(&s, view_of(names[i]), HEX);
    sums_format(&s, &text);
    /* The form of sha256sum. */
    assert_true(view_search(buf_view(&text), VIEW(HEX "  store.db\n")) >= 0);
    assert_true(view_search(buf_view(&text), VIEW("\n\\" HEX "  back\\\\slash\n")) >= 0);
    put(buf_view(&text));
    check(sums_read(".", &back, &e), "%s", e.text);
    assert_int_equal(back.count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct sum *found = sums_find(&back, names[i]);
        check(found && strcmp(found->sha256, HEX) == 0, "%s", names[i]);
    }
    assert_null(sums_find(&back, "store"));
    sums_done(&s);
    sums_done(&back);
    buf_done(&text);
}

static void test_sums__refused(void **state) {
    (void)state;
    static const view rows[] = {
        OCTETS(""),         OCTETS(HEX "  cut"),           OCTETS("x\n"),          OCTETS(HEX " one-space\n"),
        OCTETS(HEX "  \n"), OCTETS(HEX "  /etc/passwd\n"), OCTETS(HEX "  a\0b\n"), OCTETS("E" HEX "  a\n")};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sums s;
        struct err e = {0};
        put(rows[i]);
        check(!sums_read(".", &s, &e) && e.code == ERR_DAMAGED, "row %zu: %s", i, e.text);
        sums_done(&s);
    }
    unlink(BUNDLE_SUMS);
    struct sums s;
    struct err e = {0};
    assert_false(sums_read(".", &s, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_sum_file(void **state) {
    (void)state;
    char sha256[65];
    struct err e = {0};
    put(VIEW("abcdef"));
    int fd = open(BUNDLE_SUMS, O_RDONLY);
    assert_true(sum_file(fd, 3, sha256, &e));
    assert_string_equal(sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* of "abc" */
    assert_true(sum_file(fd, 0, sha256, &e));
    assert_string_equal(sha256, HEX);
    assert_false(sum_file(fd, 7, sha256, &e));
    assert_int_equal(e.code, ERR_DAMAGED);
    close(fd);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_enter_folder, unit_leave_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_sums__round_trip),
        IN_FOLDER(test_sums__refused),
        IN_FOLDER(test_sum_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
