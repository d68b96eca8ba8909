/* command_test.c: what mail to the addresses of a list asks for. */
#include "lists/command.h"

#include <string.h>

#include "testing/unit.h"

static struct arena arena;
static struct post post;
static struct command commands[COMMANDS_MOST];

static size_t commands_in(enum list_part part, const char *detail, const char *text) {
    arena_reset(&arena);
    assert_true(post_read(VIEW("ada@x.example"), view_of(text), (int64_t)strlen(text), &arena, &post));
    return commands_read(part, view_of(detail), &post, &arena, commands);
}

static void expect(size_t i, enum command_kind kind, const char *argument) {
    assert_int_equal(commands[i].kind, kind);
    assert_view(commands[i].argument, argument);
}

static void test_address__parts_of_a_list(void **unused) {
    (void)unused;
    static const struct {
        const char *address;
        enum list_part part;
        const char *list, *detail;
    } cases[] = {
        {"news-owner@h", LIST_PART_OWNER, "news", ""},
        {"news-admin@h", LIST_PART_OWNER, "news", ""},
        {"news-bounces+a=b@h", LIST_PART_BOUNCES, "news", "a=b"},
        {"news-request@h", LIST_PART_REQUEST, "news", ""},
        {"a-join-subscribe@h", LIST_PART_JOIN, "a-join", ""},
        {"news-unsubscribe@h", LIST_PART_LEAVE, "news", ""},
        {"news-confirm+12@h", LIST_PART_CONFIRM, "news", "12"},
        {"-join@h", LIST_PART_NONE, NULL, NULL},
        {"join@h", LIST_PART_NONE, NULL, NULL},
        {"news@h", LIST_PART_NONE, NULL, NULL},
        {"news+x-join@h", LIST_PART_NONE, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        view list, detail;
        assert_int_equal(list_part_of(view_of(cases[i].address), &list, &detail), cases[i].part);
        if (cases[i].list) {
            assert_view(list, cases[i].list);
            assert_view(detail, cases[i].detail);
        }
    }
}

static void test_commands__of_addresses(void **unused) {
    (void)unused;
    static const char text[] = "Subject: leave\r\n\r\nhelp\r\n";
    assert_int_equal(commands_in(LIST_PART_JOIN, "", text), 1);
    expect(0, COMMAND_JOIN, "");
    assert_int_equal(commands_in(LIST_PART_LEAVE, "k\1", text), 1);
    expect(0, COMMAND_LEAVE, "k?");
    assert_int_equal(commands_in(LIST_PART_CONFIRM, "token", text), 1);
    expect(0, COMMAND_CONFIRM, "token");
}

static void test_commands__of_subject_and_text(void **unused) {
    (void)unused;
    assert_int_equal(commands_in(LIST_PART_REQUEST, "",
                                 "Subject: RE: Confirm 0123 x\r\n\r\n\r\n  JOIN\r\nsubscribe address=x\r\n"
                                 "echo  a b\r\nleave\r\nhelp me\r\nwhat?\r\nstop\r\njoin\r\n"),
                     7);
    expect(0, COMMAND_CONFIRM, "0123");
    expect(1, COMMAND_JOIN, "");
    expect(2, COMMAND_JOIN, "");
    expect(3, COMMAND_ECHO, "a b");
    expect(4, COMMAND_LEAVE, "");
    expect(5, COMMAND_HELP, "");
    expect(6, COMMAND_UNKNOWN, "");
    assert_view(commands[6].line, "what?");
    assert_int_equal(commands_in(LIST_PART_REQUEST, "", "\r\nleave\r\n-- \r\njoin us\r\n"), 1);
    assert_int_equal(commands_in(LIST_PART_REQUEST, "", "Subject: a question\r\n\r\nhelp\r\n"), 1);
    assert_int_equal(commands_in(LIST_PART_REQUEST, "", "Subject: end\r\n\r\nhelp\r\n"), 0);
    assert_int_equal(
        commands_in(LIST_PART_REQUEST, "", "\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n11\r\n"),
        10);
    assert_int_equal(commands_in(LIST_PART_REQUEST, "", "Subject: help\r\n"), 1);
    assert_int_equal(
        commands_in(
            LIST_PART_REQUEST, "",
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: "
            "text/html\r\n\r\n<p>join"
            "\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "sub=\r\nscribe\r\n--b--\r\n"),
        1);
    expect(0, COMMAND_JOIN, "");
}

static void test_administrivia(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        bool command;
    } cases[] = {
        {"Subject: unsubscribe\r\n\r\n", true},
        {"Subject: Unsubscribe  me\r\n\r\n", true},
        {"Subject: unsubscribe me please\r\n\r\n", false},
        {"Subject: help\r\n\r\n", true},
        {"Subject: help me\r\n\r\n", false},
        {"Subject: x\r\n\r\n\r\n who \r\n", true},
        {"Subject: x\r\n\r\nset this is it\r\n", true},
        {"Subject: x\r\n\r\nset that\r\n", false},
        {"Subject: x\r\n\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\nleave\r\n", false},
        {"Subject: x\r\nContent-Type: text/html\r\n\r\nleave\r\n", false},
        {"\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        commands_in(LIST_PART_JOIN, "", cases[i].text);
        check(command_is_in_post(&post, &arena) == cases[i].command, "%s", cases[i].text);
    }
}

static void test_robots(void **unused) {
    (void)unused;
    static const struct {
        const char *fields;
        bool robot;
    } cases[] = {
        {"", false},
        {"Precedence: Junk\r\n", true},
        {"Precedence: list\r\nX-Ack: Yes\r\n", false},
        {"Precedence: first-class\r\n", false},
        {"Auto-Submitted: no\r\n", false},
        {"Auto-Submitted: auto-generated (vacation)\r\n", true},
        {"Auto-Submitted: auto-replied\r\nX-Ack: yes\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        commands_in(LIST_PART_JOIN, "", cases[i].fields);
        check(post_is_of_a_robot(&post, VIEW("a@b")) == cases[i].robot, "%s", cases[i].fields);
    }
    assert_true(post_is_of_a_robot(&post, VIEW("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__parts_of_a_list),
        cmocka_unit_test(test_commands__of_addresses),
        cmocka_unit_test(test_commands__of_subject_and_text),
        cmocka_unit_test(test_administrivia),
        cmocka_unit_test(test_robots),
    };
    arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests_name("lists/command", tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
