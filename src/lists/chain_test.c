/* chain_test.c: each rule by itself, and their order. */
#include "lists/chain.h"

#include <string.h>

#include "base/password.h"

#include "testing/unit.h"

#define FAILED "An expression of the list's settings costs too much on this post"

/* A post to news@here.example, and facts that stop nothing. */
struct case_ {
    struct arena arena;
    struct post post;
    struct facts facts;
    struct verdict verdict;
};

static const char plain[] =
    "From: Ada <Ada@X.example>\r\nTo: news@here.example\r\nSubject: hello\r\n\r\nHi\r\n";

static void set(struct case_ *c, enum list_setting s, const char *value) {
    c->facts.settings[s].value = view_of(value);
}

static struct case_ *begin(void **state, const char *text) {
    struct case_ *c = *state;
    arena_reset(&c->arena);
    c->facts = (struct facts){.list = VIEW("news@here.example")};
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        c->facts.settings[i].value = list_setting_default((enum list_setting)i, &c->arena);
    assert_true(post_read(VIEW("ada@x.example"), view_of(text), (int64_t)strlen(text), &c->arena, &c->post));
    for (size_t i = 0; i < LIMIT_POST_SENDERS; i++)
        c->facts.senders[i] = (struct sender_facts){false, MODERATION_DEFAULT, -1};
    return c;
}

static void nobody_is_a_member(struct case_ *c) {
    for (size_t i = 0; i < LIMIT_POST_SENDERS; i++)
        c->facts.senders[i].member = -1;
}

static void expect_verdict(struct case_ *c, enum moderation action, const char *rule, const char *reason) {
    chain_decide(&c->post, &c->facts, &c->arena, &c->verdict);
    assert_string_equal(c->verdict.rule, rule);
    assert_int_equal(c->verdict.action, action);
    assert_view(c->verdict.reason, reason);
}

static void expect_pass(struct case_ *c) {
    expect_verdict(c, MODERATION_ACCEPT, "", "");
}

static void test_chain__a_members_post_passes(void **state) {
    expect_pass(begin(state, plain));
    struct case_ *c = begin(state, plain);
    c->facts.list = VIEW(""); /* gone: for the commit to say */
    expect_pass(c);
}

static void test_no_senders(void **state) {
    struct case_ *c = begin(state, plain);
    const char *text = "From: nobody at all\r\nTo: news@here.example\r\nSubject: x\r\n\r\n";
    assert_true(post_read(VIEW(""), view_of(text), 10, &c->arena, &c->post));
    expect_verdict(c, MODERATION_DISCARD, "no-senders", "The message has no valid senders");
}

static void test_loop(void **state) {
    static const char *const loops[] = {
        "List-Id: News of the <b> here <News.Here.Example>",
        "List-Id: <news.here.example>",
        "List-Post: <mailto:news@here.example>",
        "List-Post: <http://x/>, <mailto:News@here.example?a=b>",
        "X-BeenThere: news@here.example",
        "List-Post: news@here.example",
    };
    static const char *const others[] = {
        "List-Id: <other.here.example>",          "List-Id: news.here.example.org",
        "List-Id: <news@here.example> other",     "List-Post: NO",
        "List-Post: <mailto:other@here.example>", "X-BeenThere: <",
    };
    char text[400];
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        snprintf(text, sizeof text, "%s\r\n%s", loops[i], plain);
        expect_verdict(begin(state, text), MODERATION_DISCARD, "loop",
                       "Message has already been posted to this list");
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(text, sizeof text, "%s\r\n%s", others[i], plain);
        expect_pass(begin(state, text));
    }
}

static void test_banned_address(void **state) {
    struct case_ *c = begin(state, plain);
    c->facts.banned = VIEW("^.*@other\\.example$");
    expect_pass(c);
    c->facts.banned = VIEW("^.*@other\\.example$\n^a.a@x");
    expect_verdict(c, MODERATION_DISCARD, "banned-address",
                   "Message sender ada@x.example is banned from this list");
    c = begin(state, plain);
    c->facts.senders[0].banned = true;
    expect_verdict(c, MODERATION_DISCARD, "banned-address",
                   "Message sender ada@x.example is banned from this list");
    c = begin(state, plain);
    c->facts.banned = VIEW("^(broken"); /* is no pass */
    expect_verdict(c, MODERATION_HOLD, "banned-address", FAILED);
}

static void test_header_match(void **state) {
    struct case_ *c = begin(state, plain);
    struct header_match matches[] = {{VIEW("X-Spam"), VIEW("."), MODERATION_DISCARD},
                                     {VIEW("subject"), VIEW("^bye"), MODERATION_DISCARD},
                                     {VIEW("subject"), VIEW("HELL"), MODERATION_REJECT}};
    c->facts.matches = matches;
    c->facts.match_count = 2;
    expect_pass(c);
    c->facts.match_count = 3;
    expect_verdict(c, MODERATION_REJECT, "header-match", "Header \"subject\" matched a header rule");
    assert_true(post_read(VIEW(""),
                          VIEW("From: a@x.example\r\nTo: news@here.example\r\n"
                               "Subject: =?utf-8?b?SMOkbGxv?=\r\n\r\n"),
                          10, &c->arena, &c->post));
    matches[2].pattern = VIEW("^h\xc3\x84llo");
    expect_verdict(c, MODERATION_REJECT, "header-match", "Header \"subject\" matched a header rule");
    matches[2].action = MODERATION_DEFAULT;
    expect_verdict(c, MODERATION_HOLD, "header-match", "Header \"subject\" matched a header rule");
    matches[1] = (struct header_match){VIEW("To"), VIEW("news"), MODERATION_ACCEPT};
    expect_verdict(c, MODERATION_ACCEPT, "header-match", "Header \"To\" matched a header rule");
    matches[0] = (struct header_match){VIEW("From"), VIEW("(broken"), MODERATION_ACCEPT};
    expect_verdict(c, MODERATION_HOLD, "header-match", "Header \"From\" matched a header rule");
}

static void test_approved(void **state) {
    static const char approved[] = "From: ada@x.example\r\nTo: news@here.example\r\nX-Approved: open "
                                   "sesame\r\nSubject: hello\r\n\r\nHi\r\n";
    char kept[PASSWORD_KEPT];
    struct err e;
    struct case_ *c = begin(state, approved);
    set(c, LIST_SETTING_EMERGENCY, "true");
    expect_verdict(c, MODERATION_HOLD, "emergency",
                   "Emergency moderation is in effect for this list"); /* no password */
    assert_true(password_keep(VIEW("open sesame"), kept, &e));
    set(c, LIST_SETTING_MODERATOR_PASSWORD, kept);
    expect_verdict(c, MODERATION_ACCEPT, "approved", "");
    assert_true(password_keep(VIEW("another"), kept, &e));
    set(c, LIST_SETTING_MODERATOR_PASSWORD, kept);
    expect_verdict(c, MODERATION_HOLD, "emergency", "Emergency moderation is in effect for this list");
}

static void test_autorespond(void **state) {
    struct case_ *c = begin(state, plain);
    set(c, LIST_SETTING_AUTORESPOND_POSTINGS, "respond_and_continue");
    expect_pass(c);
    set(c, LIST_SETTING_AUTORESPOND_POSTINGS, "respond_and_discard");
    expect_verdict(c, MODERATION_DISCARD, "autorespond", "Posts to this list are answered and go no further");
}

static void test_emergency(void **state) {
    struct case_ *c = begin(state, plain);
    set(c, LIST_SETTING_EMERGENCY, "true");
    expect_verdict(c, MODERATION_HOLD, "emergency", "Emergency moderation is in effect for this list");
}

static void test_locked_subject(void **state) {
    struct case_ *c = begin(
        state,
        "From: a@x.example\r\nTo: news@here.example\r\nSubject: [News] Re: AW[2]: Hello,\r\n\tworld\r\n\r\n");
    set(c, LIST_SETTING_LOCKED_SUBJECTS, "bye\nRe: hello,  world");
    expect_verdict(c, MODERATION_REJECT, "locked-subject", "This thread is closed");
    set(c, LIST_SETTING_LOCKED_SUBJECTS_ACTION, "hold");
    expect_verdict(c, MODERATION_HOLD, "locked-subject", "This thread is closed");
    set(c, LIST_SETTING_LOCKED_SUBJECTS, "hello again");
    expect_pass(c);
}

static void test_member_moderation(void **state) {
    struct case_ *c = begin(state, plain);
    const char *reason = "The message comes from a moderated member";
    c->facts.senders[0].member = MODERATION_HOLD;
    expect_verdict(c, MODERATION_HOLD, "member-moderation", reason);
    c->facts.senders[0].member = MODERATION_REJECT;
    expect_verdict(c, MODERATION_REJECT, "member-moderation", reason);
    set(c, LIST_SETTING_MEMBER_MODERATION_NOTICE, "Ask first.");
    expect_verdict(c, MODERATION_REJECT, "member-moderation", "Ask first.");
    c->facts.senders[0].member = MODERATION_DEFAULT;
    expect_pass(c);
    set(c, LIST_SETTING_DEFAULT_MEMBER_ACTION, "discard");
    expect_verdict(c, MODERATION_DISCARD, "member-moderation", reason);
    c->facts.senders[0].member = MODERATION_DEFER;
    expect_pass(c);
    set(c, LIST_SETTING_MAX_NUM_RECIPIENTS, "1"); /* accepted: nothing else is looked at */
    c->facts.senders[0].member = MODERATION_ACCEPT;
    expect_verdict(c, MODERATION_ACCEPT, "member-moderation", reason);
}

static void test_nonmember_moderation(void **state) {
    struct case_ *c = begin(
        state, "From: a@x.example\r\nReply-To: b@y.example\r\nTo: news@here.example\r\nSubject: s\r\n\r\n");
    const char *rule = "nonmember-moderation", *reason = "The message is not from a list member";
    c->facts.senders[0].member = c->facts.senders[1].member = -1; /* a, ada; b is a member */
    assert_int_equal(c->post.sender_count, 3);
    expect_pass(c);
    nobody_is_a_member(c);
    expect_verdict(c, MODERATION_HOLD, rule, reason);
    set(c, LIST_SETTING_DEFAULT_NONMEMBER_ACTION, "reject");
    set(c, LIST_SETTING_NONMEMBER_REJECTION_NOTICE, "Members only.");
    expect_verdict(c, MODERATION_REJECT, rule, "Members only.");
    set(c, LIST_SETTING_DISCARD_THESE_NONMEMBERS, "^B@Y");
    expect_verdict(c, MODERATION_DISCARD, rule, "The sender is in the nonmember discard list");
    c->facts.settings[LIST_SETTING_HOLD_THESE_NONMEMBERS].senders = 4; /* comes before it */
    expect_verdict(c, MODERATION_HOLD, rule, "The sender is in the nonmember hold list");
    c->facts.settings[LIST_SETTING_ACCEPT_THESE_NONMEMBERS].senders = 1; /* the sender before comes first */
    expect_pass(c);
    c->facts.senders[0].nonmember = MODERATION_REJECT; /* its own action counts before the lists */
    expect_verdict(c, MODERATION_REJECT, rule, "Members only.");
    c->facts.senders[0].nonmember = MODERATION_DEFAULT;
    expect_pass(c);
}

/* What permits does not permit when it fails. */
static void test_nonmember_moderation__a_failing_expression_holds(void **state) {
    struct case_ *c = begin(state, plain);
    nobody_is_a_member(c);
    set(c, LIST_SETTING_ACCEPT_THESE_NONMEMBERS, "^(a");
    expect_verdict(c, MODERATION_HOLD, "nonmember-moderation", FAILED);
    set(c, LIST_SETTING_DISCARD_THESE_NONMEMBERS, "^(a");
    set(c, LIST_SETTING_ACCEPT_THESE_NONMEMBERS, "");
    expect_verdict(c, MODERATION_HOLD, "nonmember-moderation", FAILED);
    c = begin(state, "From: a@x.example\r\nTo: other@here.example\r\nSubject: s\r\n\r\n");
    set(c, LIST_SETTING_ACCEPTABLE_ALIASES, "^(a");
    expect_verdict(c, MODERATION_HOLD, "implicit-dest", "Message has implicit destination");
}

static void test_unreadable_senders(void **state) {
    const char *reason = "The senders of the message cannot all be read";
    struct case_ *c =
        begin(state, "From: a@x.example, <<, eve@y.example\r\nTo: news@here.example\r\nSubject: s\r\n\r\n");
    expect_verdict(c, MODERATION_HOLD, "unreadable-senders", reason);
    char text[2000] = "From: ";
    for (int i = 0; i < LIMIT_POST_SENDERS + 1; i++)
        snprintf(text + strlen(text), 100, "%sa%d@x.example", i ? ", " : "", i);
    snprintf(text + strlen(text), 100, "\r\nTo: news@here.example\r\nSubject: s\r\n\r\n");
    expect_verdict(begin(state, text), MODERATION_HOLD, "unreadable-senders", reason);
}

/* A header that is too much for the arena is not judged in part. */
static void test_chain__what_does_not_fit_is_held(void **state) {
    struct case_ *c = begin(state, plain);
    struct arena small;
    arena_init(&small, 20000);
    arena_alloc(&small, 30000);
    chain_decide(&c->post, &c->facts, &small, &c->verdict);
    assert_string_equal(c->verdict.rule, "limits");
    assert_int_equal(c->verdict.action, MODERATION_HOLD);
    arena_done(&small);
}

/* However much an expression and a header cost, there is an end. */
static void test_header_match__bounded(void **state) {
    static char text[40000];
    int n = snprintf(text, sizeof text, "From: a@x.example\r\nTo: news@here.example\r\nSubject: s\r\n");
    for (int i = 0; i < 1100; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "X-A: b%d\r\n", i);
    snprintf(text + n, sizeof text - (size_t)n, "\r\n");
    struct case_ *c = begin(state, text);
    struct header_match match = {VIEW("X-A"), VIEW("c"), MODERATION_DISCARD};
    c->facts.matches = &match;
    c->facts.match_count = 1;
    expect_verdict(c, MODERATION_HOLD, "header-match", "Header \"X-A\" matched a header rule");
}

static void test_administrivia(void **state) {
    struct case_ *c =
        begin(state, "From: a@x.example\r\nTo: news@here.example\r\nSubject: unsubscribe\r\n\r\n");
    expect_verdict(c, MODERATION_HOLD, "administrivia", "Message contains administrivia");
    set(c, LIST_SETTING_ADMINISTRIVIA, "false");
    expect_pass(c);
    expect_verdict(begin(state, "From: a@x.example\r\nTo: news@here.example\r\nSubject: s\r\n\r\nhelp\r\n"),
                   MODERATION_HOLD, "administrivia", "Message contains administrivia");
}

static void test_implicit_dest(void **state) {
    struct case_ *c = begin(state, "From: a@x.example\r\nTo: other@here.example\r\nSubject: s\r\n\r\n");
    expect_verdict(c, MODERATION_HOLD, "implicit-dest", "Message has implicit destination");
    set(c, LIST_SETTING_ACCEPTABLE_ALIASES, "x@here.example\nother@here.example");
    expect_pass(c);
    set(c, LIST_SETTING_ACCEPTABLE_ALIASES, "^o.*@here");
    expect_pass(c);
    set(c, LIST_SETTING_ACCEPTABLE_ALIASES, "");
    set(c, LIST_SETTING_REQUIRE_EXPLICIT_DESTINATION, "false");
    expect_pass(c);
    expect_pass(begin(state, "From: a@x.example\r\nResent-Cc: (us) News@HERE.example\r\nSubject: s\r\n\r\n"));
    c = begin(state, "From: a@x.example\r\nTo: news@old.example\r\nSubject: s\r\n\r\n");
    expect_verdict(c, MODERATION_HOLD, "implicit-dest", "Message has implicit destination");
    c->facts.alias_domain = VIEW("old.example");
    expect_pass(c);
}

static void test_max_recipients(void **state) {
    struct case_ *c =
        begin(state, "From: a@x.example\r\nTo: news@here.example, b@x, c@x.example\r\nCc: d@x.example\r\n"
                     "Subject: s\r\n\r\n");
    set(c, LIST_SETTING_MAX_NUM_RECIPIENTS, "4");
    expect_verdict(c, MODERATION_HOLD, "max-recipients", "Message has more than 4 recipients");
    set(c, LIST_SETTING_MAX_NUM_RECIPIENTS, "5");
    expect_pass(c);
    set(c, LIST_SETTING_MAX_NUM_RECIPIENTS, "0");
    expect_pass(c);
}

static void test_max_size(void **state) {
    struct case_ *c = begin(state, plain);
    c->post.size = 40 * 1024 + 1;
    expect_verdict(c, MODERATION_HOLD, "max-size", "The message is larger than the 40 KB maximum size");
    c->post.size--;
    expect_pass(c);
    set(c, LIST_SETTING_MAX_MESSAGE_SIZE, "0");
    c->post.size = INT64_C(1) << 40;
    expect_pass(c);
}

static void test_news_moderation(void **state) {
    struct case_ *c = begin(state, plain);
    set(c, LIST_SETTING_NEWSGROUP_MODERATION, "open_moderated");
    expect_pass(c);
    set(c, LIST_SETTING_NEWSGROUP_MODERATION, "moderated");
    expect_verdict(c, MODERATION_HOLD, "news-moderation", "Post to a moderated newsgroup gateway");
}

static void test_no_subject(void **state) {
    expect_verdict(begin(state, "From: a@x.example\r\nTo: news@here.example\r\n\r\n"), MODERATION_HOLD,
                   "no-subject", "Message has no subject");
    expect_verdict(begin(state, "From: a@x.example\r\nTo: news@here.example\r\nSubject: \r\n \r\n\r\n"),
                   MODERATION_HOLD, "no-subject", "Message has no subject");
}

static void test_digests(void **state) {
    static const char answer[] = "From: a@x.example\r\nTo: news@here.example\r\nSubject: Re: The News "
                                 "Digest, Vol 3, Issue 14\r\n\r\nHi\r\n";
    expect_pass(begin(state, answer));
    struct case_ *c = begin(state, answer);
    set(c, LIST_SETTING_HOLD_DIGEST, "true");
    expect_verdict(c, MODERATION_HOLD, "digests", "Message has a digest subject");
    c = begin(
        state,
        "From: a@x.example\r\nTo: news@here.example\r\nSubject: Digest, Vol 3 of my novel\r\n\r\nHi\r\n");
    set(c, LIST_SETTING_HOLD_DIGEST, "true");
    expect_pass(c);
    c = begin(state, "From: a@x.example\r\nTo: news@here.example\r\nSubject: mine\r\n\r\n"
                     "> To leave it or to change how you get it, write \"help\" to\r\n> Whoever looks after "
                     "the list is at\r\n"
                     "> When you answer, please give your message a subject of its own,\r\n> not that of "
                     "this digest.\r\n");
    set(c, LIST_SETTING_HOLD_DIGEST, "true");
    expect_verdict(c, MODERATION_HOLD, "digests", "Message quotes digest boilerplate");
}

static void test_suspicious_header(void **state) {
    static const char post[] =
        "From: a@x.example\r\nTo: news@here.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        "X-Flag: no\r\nX-Flag: YES, it is\r\n\r\nHi\r\n";
    struct case_ *c = begin(state, post);
    set(c, LIST_SETTING_BOUNCE_MATCHING_HEADERS, "x-other: yes\nx-flag: ^maybe");
    expect_pass(c);
    set(c, LIST_SETTING_BOUNCE_MATCHING_HEADERS, "x-other: yes\nx-flag: ^yes");
    expect_verdict(c, MODERATION_HOLD, "suspicious-header",
                   "Header \"X-Flag\" matched a bounce_matching_header line");
    set(c, LIST_SETTING_BOUNCE_MATCHING_HEADERS, "Subject: gr\u00fc\u00df");
    expect_verdict(c, MODERATION_HOLD, "suspicious-header",
                   "Header \"Subject\" matched a bounce_matching_header line");
    set(c, LIST_SETTING_BOUNCE_MATCHING_HEADERS, "X-Flag: (a+)+$\nX-Flag: (");
    expect_verdict(c, MODERATION_HOLD, "suspicious-header", FAILED);
}

static void test_chain__all_reasons_of_what_is_held_are_told(void **state) {
    struct case_ *c = begin(state, "From: a@x.example\r\nTo: other@here.example\r\n\r\n");
    expect_verdict(c, MODERATION_HOLD, "implicit-dest",
                   "Message has implicit destination; Message has no subject");
    set(c, LIST_SETTING_EMERGENCY, "true");
    expect_verdict(c, MODERATION_HOLD, "emergency", "Emergency moderation is in effect for this list");
    c->facts.banned = VIEW("^");
    expect_verdict(c, MODERATION_DISCARD, "banned-address",
                   "Message sender a@x.example is banned from this list");
}

static int make(void **state) {
    static struct case_ c;
    arena_init(&c.arena, LIMIT_STEP_ARENA);
    *state = &c;
    return 0;
}

static int drop(void **state) {
    arena_done(&((struct case_ *)*state)->arena);
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_chain__a_members_post_passes),
    cmocka_unit_test(test_no_senders),
    cmocka_unit_test(test_loop),
    cmocka_unit_test(test_banned_address),
    cmocka_unit_test(test_header_match),
    cmocka_unit_test(test_approved),
    cmocka_unit_test(test_autorespond),
    cmocka_unit_test(test_emergency),
    cmocka_unit_test(test_locked_subject),
    cmocka_unit_test(test_member_moderation),
    cmocka_unit_test(test_nonmember_moderation),
    cmocka_unit_test(test_nonmember_moderation__a_failing_expression_holds),
    cmocka_unit_test(test_unreadable_senders),
    cmocka_unit_test(test_chain__what_does_not_fit_is_held),
    cmocka_unit_test(test_header_match__bounded),
    cmocka_unit_test(test_administrivia),
    cmocka_unit_test(test_implicit_dest),
    cmocka_unit_test(test_max_recipients),
    cmocka_unit_test(test_max_size),
    cmocka_unit_test(test_news_moderation),
    cmocka_unit_test(test_no_subject),
    cmocka_unit_test(test_digests),
    cmocka_unit_test(test_suspicious_header),
    cmocka_unit_test(test_chain__all_reasons_of_what_is_held_are_told),
};

int main(void) {
    return cmocka_run_group_tests(tests, make, drop);
}
