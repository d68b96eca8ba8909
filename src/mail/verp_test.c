/* verp_test.c: a return path names its member, whatever the member's address looks like. */
#include "testing/unit.h"

#include "mail/verp.h"

/* Through the whole road: formatted, received as a path, split at its detail, decoded. */
static void test_verp__return_path_names_its_member(void **state) {
    (void)state;
    static const char *const members[] = {
        "user@example.org",      "a+b@example.org",        "x=y@example.org",
        "\"a b\"@example.org",   "\"a\\\"b\"@example.org", "\"a@b\"@example.org",
        "\"\"@example.org",      "user@[192.0.2.1]",       "u@[ipv6:2001:db8::1]",
        "\"a=b c\"@example.org", "\xc3\xa4@example.org",   "a.b-c_d@xn--mnchen-3ya.example",
        "\"a..b\"@example.org",  "+@example.org",          "=@example.org",
    };
    for (size_t i = 0; i < COUNT(members); i++) {
        struct arena a;
        struct buf out = BUF_INIT(1024);
        arena_init(&a, 4096);
        verp_format(VIEW("dev@lists.example"), view_of(members[i]), &out);
        struct address path;
        struct err e = {0};
        check(address_parse(buf_view(&out), PATH_ALLOW_UTF8, &path, &e), "%s: %s", out.data, e.text);
        assert_view(path.domain, "lists.example");
        view normal, user, detail, member;
        assert_true(address_normalise(&path, &a, &normal, &e));
        address_detail(address_split(normal).local, &user, &detail);
        assert_view(user, "dev-bounces");
        check(verp_parse(detail, &a, &member), "%s", out.data);
        assert_view(member, members[i]);
        arena_done(&a);
        buf_done(&out);
    }
}

static void test_verp__plain_members_stay_readable(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1024);
    verp_format(VIEW("dev@lists.example"), VIEW("user@example.org"), &out);
    assert_view(buf_view(&out), "dev-bounces+user=example.org@lists.example");
    buf_done(&out);
}

static void test_verp__what_is_no_member_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",          "user",   "user=",          "user=192.0.2.1",
                                        "user=a..b", "a\nb=c", "a\"b=c.example", "user=exa mple",
                                        "user=a@b"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct arena a;
        view member = VIEW("untouched");
        arena_init(&a, 4096);
        check(!verp_parse(view_of(wrong[i]), &a, &member), "%s", wrong[i]);
        assert_view(member, "untouched");
        arena_done(&a);
    }
}

static void test_verp__longest_addresses_fit(void **state) {
    (void)state;
    struct buf out = BUF_INIT(2000), list = BUF_INIT(100), member = BUF_INIT(400);
    struct arena a;
    view found;
    arena_init(&a, 4096);
    while (list.len < LIMIT_LOCAL_PART)
        buf_add_char(&list, 'l');
    buf_add_str(&list, "@lists.example");
    while (member.len < LIMIT_LOCAL_PART)
        buf_add_char(&member, 'm');
    buf_add_str(&member, "@example.org");
    verp_format(buf_view(&list), buf_view(&member), &out);
    assert_false(out.failed);
    view detail = view_skip(buf_view(&out), LIMIT_LOCAL_PART + strlen("-bounces+"));
    detail = view_slice(detail, 0, (size_t)view_find(detail, '@'));
    assert_true(verp_parse(detail, &a, &found));
    assert_view(found, member.data);
    arena_done(&a);
    buf_done(&out);
    buf_done(&list);
    buf_done(&member);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verp__return_path_names_its_member),
        cmocka_unit_test(test_verp__plain_members_stay_readable),
        cmocka_unit_test(test_verp__what_is_no_member_is_refused),
        cmocka_unit_test(test_verp__longest_addresses_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
