/* words_test.c: the values of an enumeration as one text. */
#include "testing/unit.h"

#include "base/words.h"

static void test_words__there_and_back(void **state) {
    static const char words[] = "open confirm moderate";
    int64_t value;
    (void)state;
    assert_true(words_find(words, VIEW("open"), &value) && value == 0);
    assert_true(words_find(words, VIEW("moderate"), &value) && value == 2);
    assert_false(words_find(words, VIEW("mod"), &value));
    assert_false(words_find(words, VIEW(""), &value));
    assert_true(view_eq(words_at(words, 1), VIEW("confirm")));
    assert_true(view_eq(words_at(words, 3), VIEW("?")));
    assert_true(view_eq(words_at(words, -1), VIEW("?")));
    assert_true(words_has(words, 2) && !words_has(words, 3) && !words_has(words, -1));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words__there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
