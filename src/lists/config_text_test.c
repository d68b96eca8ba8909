/* config_text_test.c: configuration of lists as text. */
#include "lists/config_text.h"

#include "testing/unit.h"

static struct arena arena;

/* "[a] n=v n=*x|y [[b]] ...", or the error. */
static const char *read_all(const char *text) {
    static char out[1000];
    struct config_text t = config_text_of(view_of(text), &arena);
    struct config_text_item item;
    size_t n = 0;
    arena_reset(&arena);
    out[0] = '\0';
    while (config_text_next(&t, &item)) {
        view rest = item.value, line;
        n += (size_t)snprintf(out + n, sizeof out - n, "%zu", item.line);
        if (item.kind != CONFIG_TEXT_VALUE) {
            n += (size_t)snprintf(out + n, sizeof out - n,
                                  item.kind == CONFIG_TEXT_MATCH ? "[[%.*s]] " : "[%.*s] ",
                                  VIEW_ARG(item.name));
            continue;
        }
        n += (size_t)snprintf(out + n, sizeof out - n, "%.*s=%s", VIEW_ARG(item.name), item.many ? "*" : "");
        for (bool more = false; view_split(&rest, '\n', &line); more = true)
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", more ? "|" : "", VIEW_ARG(line));
        n += (size_t)snprintf(out + n, sizeof out - n, " ");
    }
    if (t.err.code != ERR_OK)
        snprintf(out, sizeof out, "%s", t.err.text);
    return out;
}

static void test_read__what_is_said(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"# nothing\n\n \t# here", ""},
        {"[all]\na=1\n", "1[all] 2a=1 "},
        {"[\"a@b\"] # x\r\nname = \"v\" # y\r\n", "1[a@b] 2name=v "},
        {"[@b.example]\n[ 'x y' ]", "1[@b.example] 2[x y] "},
        {"[[\"a@b\".header_match]]\n[[a@b.header_match]]", "1[[a@b]] 2[[a@b]] "},
        {"a = 7d\nb=true\nc = -1.5", "1a=7d 2b=true 3c=-1.5 "},
        {"a = \"q\\\"b\\\\t\\u00e9\\U0001F600\\t\"", "1a=q\"b\\té😀\t "},
        {"a = '^\\w\"#'", "1a=^\\w\"# "},
        {"a = \"\"\"\nx\n\"y\" \"\"\"\nb=1", "1a=x|\"y\"  4b=1 "},
        {"a = \"\"\"x\"\"\"\"\"", "1a=x\"\" "},
        {"a = \"\"\"x \\\n   y\r\nz\"\"\"", "1a=x y|z "},
        {"a = []", "1a=* "},
        {"a = ['', 'x', \"\", y, '']", "1a=*x|y "},
        {"a = [\"x\", 'y' , z]", "1a=*x|y|z "},
        {"a = [ # one\n  \"x\",\n\n  \"y\", # two\n]\nb=1", "1a=*x|y 6b=1 "},
        {"a = \"\"", "1a= "},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(strcmp(read_all(cases[i].text), cases[i].want) == 0, "%s: %s", cases[i].text,
              read_all(cases[i].text));
}

static void test_read__mistakes_have_a_line(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"\na", "line 2: NAME = VALUE is wanted"},
        {"a = ", "line 1: a value is wanted: \"text\", a word, or [\"a\", \"b\"]"},
        {"= 1", "line 1: a name is wanted"},
        {"[", "line 1: a name is wanted"},
        {"[a", "line 1: ] is wanted"},
        {"[a]b", "line 1: nothing more is wanted on this line"},
        {"[[a]]", "line 1: [[\"SCOPE\".header_match]] is wanted"},
        {"[[\"a\".other]]", "line 1: [[\"SCOPE\".header_match]] is wanted"},
        {"[[.header_match]]", "line 1: a name is wanted"},
        {"x = 1\na = \"b\nc\"", "line 2: the text has no end"},
        {"a = 'b", "line 1: the text has no end"},
        {"a = \"\"\"\nb\nc", "line 3: the text has no end"},
        {"a = \"\x01\"", "line 1: a control character: write it as \\u0001"},
        {"a = \"\\x\"", "line 1: a backslash stands before one of btnfr\"\\uU; '...' takes it as it is"},
        {"a = \"\\u12\"", "line 1: \\u wants 4 hexadecimal digits, \\U 8"},
        {"a = \"\\ud800\"", "line 1: there is no such character"},
        {"a = \"\\u0000\"", "line 1: there is no such character"},
        {"a = '''b'''", "line 1: '''...''' is not read here: \"\"\"...\"\"\" is"},
        {"a = 1 2", "line 1: nothing more is wanted on this line"},
        {"a = [1 2]", "line 1: a comma or ] is wanted"},
        {"a = [\"\"\"\nx\ny\"\"\"]", "line 3: a value of several is one line"},
        {"a = [\n1,", "line 2: a value is wanted: \"text\", a word, or [\"a\", \"b\"]"},
        {"a = 1\nb = \"\xff\"", "line 1: this is not all UTF-8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(strcmp(read_all(cases[i].text), cases[i].want) == 0, "%s: %s", cases[i].text,
              read_all(cases[i].text));
}

static void test_write__is_read_back(void **unused) {
    (void)unused;
    static const char *const values[] = {
        "", "x", "a \"b\" \\ 'c'", "two\nlines\n", "\n", "tab\tcr\r\x7f", "^\\w+$"};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct buf out = BUF_INIT(1000);
        struct config_text_item item;
        config_text_section(&out, VIEW("a\"b@c"), CONFIG_TEXT_MATCH);
        config_text_value(&out, "name", view_of(values[i]), CONFIG_TEXT_STRING);
        config_text_value(&out, "lines", VIEW("x'\\\ny\n\"z"), CONFIG_TEXT_LINES);
        struct config_text t = config_text_of(buf_view(&out), &arena);
        assert_true(config_text_next(&t, &item));
        assert_view(item.name, "a\"b@c");
        assert_true(config_text_next(&t, &item));
        assert_view(item.value, values[i]);
        assert_true(config_text_next(&t, &item));
        assert_view(item.value, "x'\\\ny\n\"z");
        assert_false(config_text_next(&t, &item));
        assert_int_equal(t.err.code, ERR_OK);
        buf_done(&out);
    }
}

int main(void) {
    arena_init(&arena, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read__what_is_said),
        cmocka_unit_test(test_read__mistakes_have_a_line),
        cmocka_unit_test(test_write__is_read_back),
    };
    int failed = cmocka_run_group_tests_name("lists/config_text", tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
