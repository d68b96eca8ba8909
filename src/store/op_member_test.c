/* op_member_test.c: memberships in their roles. */
#include "testing/store.h"

#include "store/event.h"
#include "store/preference.h"
#include "store/role.h"

static const char *const news = "news@here.example";

#define ADD(s, role, ...)    must((s), OP_MEMBER_ADD, S(news), S("me"), N(role), __VA_ARGS__)
#define REMOVE(s, role, ...) must((s), OP_MEMBER_REMOVE, S(news), S("me"), N(role), __VA_ARGS__)

static void test_member__add_list_remove(struct unit_store *s) {
    make_list(s, news);
    ADD(s, ROLE_MEMBER, N(3), S("b@two.example"), S("a@one.example"), S("b@two.example"));
    expect(s, N(2));
    ADD(s, ROLE_MEMBER, N(2), S("a@one.example"), S("c@one.example"));
    expect(s, N(1));
    ADD(s, ROLE_MEMBER, N(0));
    expect(s, N(0));
    assert_number(s, 4, "SELECT count(*) FROM mailbox"); /* and the list's owner */
    assert_number(s, 4, "SELECT count(*) FROM users u JOIN mailbox b ON b.userid = u.id");
    REMOVE(s, ROLE_MEMBER, N(3), S("a@one.example"), S("stranger@one.example"), S("a@one.example"));
    expect(s, N(1));
    REMOVE(s, ROLE_MEMBER, N(1), S("a@one.example"));
    expect(s, N(0));
    must(s, OP_MEMBER_LS, S(news), N(ROLE_MEMBER), N(-1), N(0), N(0), N(0), N(10));
    expect(s, N(ROLE_MEMBER), N(site_of(s, "two.example")), N(address_of(s, "b@two.example")),
           S("b@two.example"), S(""));
    assert_number(s, 2, "SELECT count(*) FROM member WHERE role = 1");
    refused(s, ERR_NOT_FOUND, OP_MEMBER_ADD, S("no@here.example"), S("me"), N(1), N(1), S("a@one.example"));
    refused(s, ERR_NOT_FOUND, OP_MEMBER_REMOVE, S("no@here.example"), S("me"), N(1), N(1),
            S("a@one.example"));
    refused(s, ERR_NOT_FOUND, OP_MEMBER_LS, S("no@here.example"), N(0), N(-1), N(0), N(0), N(0), N(10));
    refused(s, ERR_REFUSED, OP_MEMBER_ADD, S(news), S("me"), N(1), N(1), S(news));
}

static void test_member__who_did_it_is_kept(struct unit_store *s) {
    make_list(s, news);
    ADD(s, ROLE_MEMBER, N(2), S("a@one.example"), S("b@one.example"));
    REMOVE(s, ROLE_MEMBER, N(1), S("a@one.example"));
    must(s, OP_MEMBER_HISTORY, S("a@one.example"), N(0), N(10));
    int64_t last = next_int(s);
    expect(s, N(EVENT_UNSUBSCRIBED), S(news), S("by=me"));
    next_int(s);
    expect(s, N(EVENT_SUBSCRIBED), S(news), S("by=me"));
    expect_end(s);
    must(s, OP_MEMBER_HISTORY, S("a@one.example"), N(last), N(10));
    next_int(s);
    expect(s, N(EVENT_SUBSCRIBED));
}

/* One address in several roles; each role is listed by itself, all come in the order of roles. */
static void test_member__roles(struct unit_store *s) {
    make_list(s, news); /* owner@there.example */
    ADD(s, ROLE_MODERATOR, N(1), S("a@one.example"));
    ADD(s, ROLE_MEMBER, N(1), S("a@one.example"));
    must(s, OP_MEMBER_LS, S(news), N(ROLE_OWNER), N(-1), N(0), N(0), N(0), N(10));
    expect(s, N(ROLE_OWNER), N(site_of(s, "there.example")), N(address_of(s, "owner@there.example")));
    must(s, OP_MEMBER_LS, S(news), N(ROLE_ANY), N(-1), N(0), N(0), N(0), N(10));
    expect(s, N(ROLE_MEMBER));
    must(s, OP_MEMBER_LS, S(news), N(ROLE_ANY), N(-1), N(ROLE_MEMBER), N(1000), N(0), N(10));
    expect(s, N(ROLE_OWNER));
    must(s, OP_MEMBER_OF, S("a@one.example"));
    expect(s, S(news), N(ROLE_MEMBER), S("a@one.example"));
    change(s, "UPDATE member SET action = 2 WHERE role = $1", N(ROLE_MEMBER));
    must(s, OP_MEMBER_OF, S("a@one.example"));
    for (int i = 0; i < 8; i++)
        (void)(i == 0 || i == 2 ? next_view(s).len : (size_t)next_int(s));
    expect(s, N(2), S(news), N(ROLE_MODERATOR));
    REMOVE(s, ROLE_MODERATOR, N(1), S("a@one.example"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM member WHERE addr = $1", N(address_of(s, "a@one.example")));
}

static int64_t targets_of_owner(struct unit_store *s) {
    must(s, OP_LOOKUP, S("news-owner@here.example"));
    next_view(s), next_int(s), next_int(s), next_view(s);
    return next_int(s);
}

/* LIST-owner goes to owners and moderators, each once, but for who takes no mail. */
static void test_member__mail_for_the_owners(struct unit_store *s) {
    make_list(s, news);
    assert_int_equal(targets_of_owner(s), 1);
    ADD(s, ROLE_MODERATOR, N(2), S("a@one.example"), S("owner@there.example"));
    ADD(s, ROLE_MEMBER, N(1), S("reader@one.example"));
    assert_int_equal(targets_of_owner(s), 2);
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("a@one.example"), S(news), N(ROLE_MODERATOR), N(0), N(1),
         N(PREFERENCE_DELIVERY_STATUS), N(1));
    assert_int_equal(targets_of_owner(s), 1);
}

static void test_member_ls__pages_in_the_order_of_expansion(struct unit_store *s) {
    enum { MANY = 1200 };
    int64_t list = make_list(s, news);
    add_members(s, news, 0, MANY, 7);
    int64_t at[3] = {0}, seen = 0;
    for (;;) {
        must(s, OP_MEMBER_LS, S(news), N(ROLE_MEMBER), N(-1), N(at[0]), N(at[1]), N(at[2]), N(500));
        if (!vals_more(&s->results))
            break;
        for (; vals_more(&s->results); seen++) {
            int64_t role = next_int(s), site = next_int(s), addr = next_int(s);
            check(role == ROLE_MEMBER && (site > at[1] || (site == at[1] && addr > at[2])), "in order");
            at[0] = role, at[1] = site, at[2] = addr;
            next_view(s), next_view(s), next_int(s), next_int(s), next_int(s), next_int(s);
        }
    }
    assert_int_equal(seen, MANY);
    assert_number(s, MANY, "SELECT count(*) FROM member WHERE list = $1 AND role = 1", N(list));
    assert_number(s, 0, "SELECT count(*) - count(DISTINCT id) FROM member");
}

static void test_member_add__malformed_in_the_middle_adds_nobody(struct unit_store *s) {
    make_list(s, news);
    refused(s, ERR_SYNTAX, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(2), S("a@one.example"), N(5));
    assert_number(s, 0, "SELECT count(*) FROM member WHERE role = 1");
    assert_number(s, 0, "SELECT count(*) FROM address WHERE text = 'a@one.example'");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_member__add_list_remove),
        STORE_CASE(test_member__who_did_it_is_kept),
        STORE_CASE(test_member__roles),
        STORE_CASE(test_member__mail_for_the_owners),
        STORE_CASE(test_member_ls__pages_in_the_order_of_expansion),
        STORE_CASE(test_member_add__malformed_in_the_middle_adds_nobody),
    };
    return RUN_STORE_CASES("store/op_member", cases);
}
