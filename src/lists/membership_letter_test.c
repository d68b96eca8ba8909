/* membership_letter_test.c: every letter has its words, names whom it is about, and its keys are its own. */
#include "lists/membership_letter.h"

#include "mail/verp.h"
#include "store/accept.h"
#include "testing/unit.h"

static struct arena arena;

static struct membership_letter letter_of(enum letter_kind kind) {
    return (struct membership_letter){.kind = kind,
                                      .detail = VIEW("0123456789abcdef"),
                                      .words = {.list = VIEW("news@here.example"),
                                                .person = VIEW("anne@one.example"),
                                                .name = VIEW("Anne Elk"),
                                                .display_name = VIEW("The News")},
                                      .secret = VIEW("secret"),
                                      .hostname = VIEW("mx.here.example")};
}

struct letter_read {
    view sender, to, body;
};

/* The arguments of ACCEPT, as far as a letter is concerned. */
static struct letter_read read_letter(view args) {
    struct vals v = vals_of(args);
    struct letter_read l = {0};
    vals_get_int(&v);
    l.sender = vals_get_view(&v);
    vals_get_view(&v);
    vals_get_int(&v);
    for (int i = 0; i < 3; i++)
        vals_get_view(&v);
    vals_get_int(&v);
    vals_get_view(&v);
    l.body = vals_get_view(&v);
    assert_int_equal(vals_get_int(&v), 1);
    l.to = vals_get_view(&v);
    assert_false(v.failed);
    return l;
}

static void test_letters__all_have_words(void **state) {
    (void)state;
    for (int64_t kind = 1; letter_kind_is_valid(kind); kind++) {
        struct membership_letter l = letter_of((enum letter_kind)kind);
        struct buf args = BUF_INIT(1 << 16);
        struct err e;
        assert_true(membership_letter_args(&l, &arena, 1700000000000, &args, &e));
        struct letter_read got = read_letter(buf_view(&args));
        bool to_owners = letter_kind_to(l.kind) == LETTER_TO_OWNERS;
        check(view_eq(got.to, to_owners ? VIEW("news-owner@here.example") : VIEW("anne@one.example")),
              "%d: to %.*s", (int)kind, VIEW_ARG(got.to));
        check(view_search(got.body, VIEW("anne@one.example")) > 0, "%d names nobody", (int)kind);
        check(view_find(got.body, '$') < 0, "%d: a variable is left: %.*s", (int)kind, VIEW_ARG(got.body));
        check((got.sender.len > 0) == (l.kind == LETTER_PROBE), "%d: sender %.*s", (int)kind,
              VIEW_ARG(got.sender));
        buf_done(&args);
        arena_reset(&arena);
    }
}

static void test_probe__comes_back_with_its_person(void **state) {
    (void)state;
    struct membership_letter l = letter_of(LETTER_PROBE);
    struct buf args = BUF_INIT(1 << 16);
    struct err e;
    view user, detail, person;
    assert_true(membership_letter_args(&l, &arena, 1700000000000, &args, &e));
    view sender = read_letter(buf_view(&args)).sender;
    address_detail(address_split(sender).local, &user, &detail);
    assert_true(view_eq(user, VIEW("news-bounces")));
    assert_true(membership_probe_is(VIEW("secret"), detail, &arena, &person));
    assert_true(view_eq(person, VIEW("anne@one.example")));
    assert_false(membership_probe_is(VIEW("another"), detail, &arena, &person));
    assert_false(membership_probe_is(VIEW("secret"), view_skip(detail, 1), &arena, &person));
    assert_false(membership_probe_is(VIEW("secret"), VIEW("anne=one.example"), &arena, &person));
    assert_false(membership_probe_is(VIEW("secret"), VIEW(""), &arena, &person));
    buf_done(&args);
}

static void test_keys__differ_by_purpose_and_person(void **state) {
    (void)state;
    view anne = membership_enable_key(VIEW("secret"), VIEW("anne@one.example"), &arena);
    assert_false(view_eq(anne, membership_enable_key(VIEW("secret"), VIEW("bob@one.example"), &arena)));
    assert_false(view_eq(anne, membership_enable_key(VIEW("another"), VIEW("anne@one.example"), &arena)));
    view person, as_probe = arena_printf(&arena, "%.*s+anne=one.example", VIEW_ARG(anne));
    assert_false(membership_probe_is(VIEW("secret"), as_probe, &arena, &person));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters__all_have_words),
        cmocka_unit_test(test_probe__comes_back_with_its_person),
        cmocka_unit_test(test_keys__differ_by_purpose_and_person),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
