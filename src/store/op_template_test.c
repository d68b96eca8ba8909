/* op_template_test.c: texts that people get: what is said, what is fetched, which counts for whom. */
#include "testing/store.h"

#include "store/event.h"
#include "store/list_setting.h"
#include "store/preference.h"
#include "store/role.h"
#include "store/template.h"

static const char *const news = "news@here.example", *const domain = "@here.example", *const site = "";
static const char *const welcome = "list:user:notice:welcome", *const goodbye = "list:user:notice:goodbye";
static const char *const ada = "ada@one.example";

static void say(struct unit_store *s, const char *scope, const char *language, const char *text) {
    must(s, OP_TEMPLATE_SET, S(scope), S("me"), N(1), S(welcome), S(language), N(TEMPLATE_BY_TEXT), S(text),
         S(""), S(""));
}

static void take_back(struct unit_store *s, const char *scope, const char *language) {
    must(s, OP_TEMPLATE_SET, S(scope), S("me"), N(1), S(welcome), S(language), N(TEMPLATE_REMOVE), S(""),
         S(""), S(""));
}

static void point(struct unit_store *s, const char *name, const char *uri, const char *username,
                  const char *password) {
    must(s, OP_TEMPLATE_SET, S(news), S("me"), N(1), S(name), S(""), N(TEMPLATE_BY_URI), S(uri), S(username),
         S(password));
}

/* The welcome letter to somebody: in which languages, and its text. */
static void expect_text(struct unit_store *s, const char *person, const char *languages, const char *text) {
    must(s, OP_LETTER_TEXT, S(news), S(welcome), S(person));
    expect(s, S(languages), S(text));
}

static void prefer(struct unit_store *s, enum preference_level level, const char *language) {
    int64_t value = PREFERENCE_UNSET;
    assert_true(!language || preference_parse(PREFERENCE_PREFERRED_LANGUAGE, view_of(language), &value));
    bool of_member = level == LEVEL_MEMBER;
    must(s, OP_PREFER, S("me"), N(level), S(ada), S(of_member ? news : ""), N(of_member ? ROLE_MEMBER : 0),
         N(0), N(1), N(PREFERENCE_PREFERRED_LANGUAGE), N(value));
}

static void test_template__set_and_forget(struct unit_store *s) {
    make_list(s, news);
    point(s, welcome, "http://a/1", "u", "p");
    point(s, goodbye, "http://a/2", "", "");
    point(s, goodbye, "http://a/3", "", "");
    must(s, OP_TEMPLATE_LS, S(news));
    expect(s, S(goodbye), S(""), S("http://a/3"), S(""), S(""), N(0), N(0));
    expect(s, S(welcome), S(""), S("http://a/1"), S("u"), S("p"), N(0), N(0));
    expect_end(s);
    must(s, OP_TEMPLATE_SHOW, S(news), S(welcome), S(""));
    expect_end(s);
    say(s, news, "", "Hello");
    must(s, OP_TEMPLATE_SHOW, S(news), S(welcome), S(""));
    expect(s, S("Hello"));
    take_back(s, news, "");
    assert_number(s, 1, "SELECT count(*) FROM template");
    assert_number(s, 5, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
}

static void test_template__what_cannot_be_is_refused(struct unit_store *s) {
    static char text[LIMIT_TEMPLATE_TEXT + 2];
    memset(text, 'x', sizeof text - 1);
    make_list(s, news);
    refused(s, ERR_SYNTAX, OP_TEMPLATE_SET, S(news), S("me"), N(1), S("x"), S(""), N(TEMPLATE_BY_TEXT),
            S("t"), S(""), S(""));
    refused(s, ERR_SYNTAX, OP_TEMPLATE_SET, S(news), S("me"), N(1), S(welcome), S("xx"), N(TEMPLATE_BY_TEXT),
            S("t"), S(""), S(""));
    refused(s, ERR_SYNTAX, OP_TEMPLATE_SET, S(news), S("me"), N(1), S(welcome), S(""), N(TEMPLATE_BY_TEXT),
            S(text), S(""), S(""));
    refused(s, ERR_SYNTAX, OP_TEMPLATE_SET, S(news), S("me"), N(1), S(welcome), S(""), N(TEMPLATE_BY_TEXT),
            S("\xff"), S(""), S(""));
    refused(s, ERR_SYNTAX, OP_LETTER_TEXT, S(news), S("x"), S(""));
    refused(s, ERR_NOT_FOUND, OP_TEMPLATE_SET, S("no@here.example"), S("me"), N(0));
    refused(s, ERR_NOT_FOUND, OP_TEMPLATE_LS, S("no@here.example"));
    refused(s, ERR_NOT_FOUND, OP_TEMPLATE_SHOW, S("no@here.example"), S(welcome), S(""));
}

static void test_template__each_scope_has_its_own(struct unit_store *s) {
    make_list(s, news);
    expect_text(s, ada, "en", "");
    say(s, site, "", "site");
    expect_text(s, ada, "en", "site");
    say(s, domain, "", "domain");
    expect_text(s, ada, "en", "domain");
    say(s, news, "", "list");
    expect_text(s, ada, "en", "list");
    must(s, OP_LIST_DELETE, S(news));
    must(s, OP_DOMAIN_REMOVE, S("here.example"));
    assert_number(s, 1, "SELECT count(*) FROM template");
}

static void test_language__the_nearest_level_counts(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S(ada));
    expect_text(s, ada, "en", "");
    must(s, OP_SETTING_SET, S(domain), S("me"), N(1), S("preferred_language"), N(SETTING_REPLACE), S("it"));
    expect_text(s, ada, "it", "");
    prefer(s, LEVEL_USER, "fr");
    expect_text(s, ada, "fr it", "");
    prefer(s, LEVEL_ADDRESS, "de");
    expect_text(s, ada, "de it", "");
    prefer(s, LEVEL_MEMBER, "en");
    expect_text(s, ada, "en it", "");
    prefer(s, LEVEL_MEMBER, NULL);
    expect_text(s, ada, "de it", "");
    expect_text(s, "", "it", "");
    expect_text(s, "stranger@one.example", "it", "");
}

static void test_language__the_persons_then_the_lists_then_any(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S(ada));
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("preferred_language"), N(SETTING_REPLACE), S("it"));
    prefer(s, LEVEL_ADDRESS, "fr");
    say(s, news, "es", "spanish");
    expect_text(s, ada, "fr it", "");
    say(s, news, "", "any");
    expect_text(s, ada, "fr it", "any");
    say(s, news, "it", "italian");
    expect_text(s, ada, "fr it", "italian");
    say(s, site, "fr", "french of the site");
    expect_text(s, ada, "fr it", "italian");
    say(s, news, "fr", "french");
    expect_text(s, ada, "fr it", "french");
    expect_text(s, "", "it", "italian");
}

/* A translation of the site does not come between people and what is shipped in their language. */
static void test_language__what_is_shipped_is_nearer_than_another_language(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S(ada));
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("preferred_language"), N(SETTING_REPLACE), S("it"));
    say(s, site, "it", "italian");
    prefer(s, LEVEL_ADDRESS, "fr");
    expect_text(s, ada, "fr it", "italian");
    prefer(s, LEVEL_ADDRESS, "de");
    expect_text(s, ada, "de it", "");
    say(s, domain, "it", "of the domain");
    expect_text(s, ada, "de it", "of the domain");
}

static void due(struct unit_store *s, int64_t at) {
    change(s, "UPDATE template SET due = $1 WHERE due > 0", N(at));
    must(s, OP_TEMPLATES_DUE, N(10));
}

static void fetched(struct unit_store *s, const char *uri, int64_t ok, const char *text) {
    must(s, OP_TEMPLATE_FETCHED, S(news), S(welcome), S(""), S(uri), N(ok), S(text));
}

static void test_uri__is_fetched_and_counts_then(struct unit_store *s) {
    make_list(s, news);
    point(s, welcome, "http://a/1", "u", "p");
    point(s, goodbye, "ftp://a/1", "", "");
    expect_text(s, ada, "en", "");
    must(s, OP_TEMPLATES_DUE, N(10));
    expect(s, S(news), S(welcome), S(""), S("http://a/1"), S("u"), S("p"));
    expect_end(s);
    fetched(s, "http://a/1", 0, "");
    expect_text(s, ada, "en", "");
    must(s, OP_TEMPLATES_DUE, N(10));
    expect_end(s);
    assert_number(s, 1, "SELECT count(*) FROM template WHERE due > 0 AND fetched = 0");
    due(s, 1);
    expect(s, S(news), S(welcome));
    fetched(s, "http://a/1", 1, "Hello");
    expect_text(s, ada, "en", "Hello");
    fetched(s, "http://a/1", 0, "");
    expect_text(s, ada, "en", "Hello");
    assert_number(s, 3, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
    refused(s, ERR_SYNTAX, OP_TEMPLATE_FETCHED, S(news), S(welcome), S(""), S("http://a/1"), N(1), S("\xff"));
}

static void test_uri__a_new_one_is_fetched_at_once(struct unit_store *s) {
    make_list(s, news);
    point(s, welcome, "http://a/1", "", "");
    fetched(s, "http://a/1", 1, "one");
    point(s, welcome, "http://a/2", "", "");
    expect_text(s, ada, "en", "one");
    fetched(s, "http://a/1", 1, "late");
    expect_text(s, ada, "en", "one");
    must(s, OP_TEMPLATES_DUE, N(10));
    expect(s, S(news), S(welcome), S(""), S("http://a/2"));
    fetched(s, "http://a/2", 1, "two");
    expect_text(s, ada, "en", "two");
    say(s, domain, "", "of the domain");
    point(s, welcome, "mailman:///welcome.txt", "", ""); /* the shipped one */
    expect_text(s, ada, "en", "");
    must(s, OP_TEMPLATES_DUE, N(10));
    expect_end(s);
    take_back(s, news, "");
    expect_text(s, ada, "en", "of the domain");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_template__set_and_forget),
        STORE_CASE(test_template__what_cannot_be_is_refused),
        STORE_CASE(test_template__each_scope_has_its_own),
        STORE_CASE(test_language__the_nearest_level_counts),
        STORE_CASE(test_language__the_persons_then_the_lists_then_any),
        STORE_CASE(test_language__what_is_shipped_is_nearer_than_another_language),
        STORE_CASE(test_uri__is_fetched_and_counts_then),
        STORE_CASE(test_uri__a_new_one_is_fetched_at_once),
    };
    return RUN_STORE_CASES("store/op_template", cases);
}
