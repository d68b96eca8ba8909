/* op_find_test.c: what programs find: memberships, users, addresses; in order, in pages, by everything that
 * can be asked. */
#include "store/event.h"
#include "store/people.h"
#include "store/preference.h"
#include "store/role.h"
#include "testing/store.h"

static const char ants[] = "ant@here.example", bees[] = "bee@here.example";

static void make_people(struct unit_store *s) {
    const char *const lists[] = {ants, bees};
    for (size_t i = 0; i < COUNT(lists); i++) {
        make_list(s, lists[i]);
        must(s, OP_MEMBER_REMOVE, S(lists[i]), S("me"), N(ROLE_OWNER), N(1), S("owner@there.example"));
    }
    must(s, OP_USER_MAKE, S("me"), S("cy@x.example"), S("Cy@x.example"), S("Cy Oak"), S("kept"), N(1));
    must(s, OP_MEMBER_ADD, S(bees), S("me"), N(ROLE_MEMBER), N(2), S("bo_b@x.example"), S("cy@x.example"));
    must(s, OP_MEMBER_ADD, S(ants), S("me"), N(ROLE_MEMBER), N(1), S("cy@x.example"));
    must(s, OP_MEMBER_ADD, S(ants), S("me"), N(ROLE_NONMEMBER), N(1), S("di@x.example"));
}

static int64_t id_of(struct unit_store *s, const char *list, const char *address) {
    return number(s,
                  "SELECT m.id FROM member m JOIN list l ON l.id = m.list JOIN address a ON a.id = m.addr"
                  " WHERE l.address = $1 AND a.text = $2",
                  S(list), S(address));
}

struct wanted {
    int64_t how;
    const char *text, *list;
    int64_t role, action, mode, status;
};

static void find(struct unit_store *s, struct wanted w) {
    must(s, OP_MEMBER_FIND, N(w.how), S(w.text), N(0), S(w.list), N(w.role), N(w.action), N(w.mode),
         N(w.status), N(0), N(0));
}

static void test_members__by_what_is_asked(struct unit_store *s) {
    make_people(s);
    int64_t cy_ant = id_of(s, ants, "cy@x.example"), cy_bee = id_of(s, bees, "cy@x.example");
    int64_t bo = id_of(s, bees, "bo_b@x.example"), di = id_of(s, ants, "di@x.example");
    find(s, (struct wanted){FIND_BY_NOTHING, "", "", -1, -1, -1, -1});
    expect(s, N(3), N(cy_ant), N(bo), N(cy_bee));
    expect_end(s);
    find(s, (struct wanted){FIND_BY_NOTHING, "", ants, 0, -1, -1, -1});
    expect(s, N(2), N(cy_ant), N(di));
    find(s, (struct wanted){FIND_BY_NOTHING, "", bees, ROLE_MEMBER, -1, -1, -1});
    expect(s, N(2), N(bo), N(cy_bee));
    find(s, (struct wanted){FIND_BY_ADDRESS, "cy@x.example", "", 0, -1, -1, -1});
    expect(s, N(2), N(cy_ant), N(cy_bee));
    find(s, (struct wanted){FIND_BY_ADDRESS, "cy@x.example", bees, ROLE_MEMBER, -1, -1, -1});
    expect(s, N(1), N(cy_bee));
    find(s, (struct wanted){FIND_BY_PATTERN, "bo!_%", "", 0, -1, -1, -1});
    expect(s, N(1), N(bo));
    find(s, (struct wanted){FIND_BY_PATTERN, "%oak", "", 0, -1, -1, -1}); /* the address's own name */
    expect(s, N(2), N(cy_ant), N(cy_bee));
    must(s, OP_MEMBER_FIND, N(FIND_BY_USER), S(""),
         N(number(s, "SELECT max(id) FROM users WHERE name = 'Cy Oak'")), S(""), N(0), N(-1), N(-1), N(-1),
         N(1), N(1)); /* the second of them */
    expect(s, N(2), N(cy_bee));
    expect_end(s);
    refused(s, ERR_NOT_FOUND, OP_MEMBER_FIND, N(0), S(""), N(0), S("no@here.example"), N(0), N(-1), N(-1),
            N(-1), N(0), N(0));
    must(s, OP_MEMBER_FIND, N(9), S(""), N(0), S(""), N(0), N(-1), N(-1), N(-1), N(0), N(0));
    expect_end(s);
}

static void test_members__by_what_they_prefer(struct unit_store *s) {
    make_people(s);
    int64_t cy = id_of(s, ants, "cy@x.example"), bo = id_of(s, bees, "bo_b@x.example");
    must(s, OP_MEMBER_SET, S("me"), N(cy), S(""), N(2), N(MODERATION_HOLD));
    must(s, OP_PREFER_OF, S("me"), N(LEVEL_ADDRESS), N(address_of(s, "bo_b@x.example")), N(0), N(1),
         N(PREFERENCE_DELIVERY_STATUS), N(1));
    find(s, (struct wanted){FIND_BY_NOTHING, "", "", 0, MODERATION_HOLD, -1, -1});
    expect(s, N(1), N(cy));
    find(s, (struct wanted){FIND_BY_NOTHING, "", "", 0, -1, 2, -1});
    expect(s, N(1), N(cy));
    find(s, (struct wanted){FIND_BY_NOTHING, "", "", 0, -1, -1, 1});
    expect(s, N(1), N(bo));
    must(s, OP_MEMBER_SHOW, N(2), N(12345), N(cy));
    expect(s, S(ants), S("cy@x.example"), S("Cy Oak"), N(cy), N(ROLE_MEMBER),
           N(address_of(s, "cy@x.example")));
    next_int(s);
    expect(s, N(0), N(0), N(2), N(MODERATION_HOLD), N(0), N(0), N(0), N(0));
    expect_end(s);
    static const char *const names[] = {ants, "ant.here.example", "gone@here.example"};
    for (size_t i = 0; i < COUNT(names); i++) {
        must(s, OP_MEMBER_ON_LIST, S(names[i]), N(ROLE_MEMBER), S("cy@x.example"));
        if (i < 2)
            expect(s, S(ants), S("cy@x.example"), S("Cy Oak"), N(cy), N(ROLE_MEMBER));
        else
            expect_end(s);
    }
    must(s, OP_MEMBER_ON_LIST, S(ants), N(ROLE_OWNER), S("cy@x.example"));
    expect_end(s);
    must(s, OP_MEMBER_SET, S("me"), N(cy), S(""), N(-1), N(MODERATION_DEFAULT));
    find(s, (struct wanted){FIND_BY_NOTHING, "", "", 0, MODERATION_HOLD, -1, -1});
    expect(s, N(0));
}

static void test_users_and_addresses(struct unit_store *s) {
    make_people(s);
    int64_t cy = number(s, "SELECT id FROM users WHERE name = 'Cy Oak'");
    int64_t users = number(s, "SELECT count(*) FROM users");
    must(s, OP_USER_FIND, N(FIND_USER_ANY), S(""), N(0), N(1));
    expect(s, N(users), N(number(s, "SELECT min(id) FROM users")));
    expect_end(s);
    must(s, OP_USER_FIND, N(FIND_USER_OWNER), S(""), N(0), N(0));
    expect(s, N(1), N(cy));
    must(s, OP_USER_FIND, N(FIND_USER_TEXT), S("%y o%"), N(0), N(0));
    expect(s, N(1), N(cy));
    must(s, OP_USER_FIND, N(FIND_USER_TEXT), S("%bo!_b@%"), N(0), N(0));
    expect(s, N(1));
    must(s, OP_USER_FIND, N(9), S(""), N(0), N(0));
    expect_end(s);
    must(s, OP_USER_GET, N(2), N(cy), N(4711));
    expect(s, N(cy));
    next_int(s);
    expect(s, N(1), N(0), S("Cy Oak"), S("kept"));
    expect_end(s);
    must(s, OP_ADDRESS_FIND, N(cy), N(0), N(0));
    expect(s, N(1), N(address_of(s, "cy@x.example")));
    must(s, OP_ADDRESS_FIND, N(0), N(0), N(1)); /* in the order of what people write */
    expect(s, N(users), N(address_of(s, "cy@x.example")));
    must(s, OP_ADDRESS_GET, N(0), S("cy@x.example"));
    expect(s, N(address_of(s, "cy@x.example")));
    next_int(s);
    expect(s, N(0), N(cy), S("cy@x.example"), S("Cy@x.example"), S("Cy Oak"));
    must(s, OP_ADDRESS_GET, N(0), S("no@x.example"));
    expect_end(s);
    must(s, OP_ADDRESS_GET, N(1), N(address_of(s, "di@x.example")));
    next_int(s), next_int(s);
    expect(s, N(0));
    next_int(s);
    expect(s, S("di@x.example"), S("di@x.example"), S(""));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_members__by_what_is_asked),
        STORE_CASE(test_members__by_what_they_prefer),
        STORE_CASE(test_users_and_addresses),
    };
    return RUN_STORE_CASES("store/op_find", cases);
}
