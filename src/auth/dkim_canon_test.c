/* dkim_canon_test.c: relaxed bodies, in whatever pieces they come, against RFC 6376 3.4.4 written down
 * plainly. */
#include "auth/dkim_canon.h"

#include "testing/unit.h"

enum { BODY_MOST = 400 };

static uint64_t seed = 1;

static size_t random_below(size_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % n;
}

/* Words and what is between them; what an arithmetic of octets may take for a blank is among them. */
static size_t random_body(char *to) {
    static const char *const pieces[] = {"\r\n", "\r\n",     " ",    " ",    "  ",
                                         "\t",   "\r",       "\n",   "!",    "\x1f",
                                         "\x08", "\xa0",     "\x89", "word", "longer-than-eight",
                                         "\x01", "\x8a \x8a"};
    size_t len = 0, wanted = random_below(BODY_MOST - 20);
    size_t kinds = random_below(3) ? COUNT(pieces) : 6; /* or of lines and blanks alone */
    while (len < wanted) {
        const char *piece = pieces[random_below(kinds)];
        memcpy(to + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

/* Blanks at the end of lines go, other runs are one space, empty lines at the end go. */
static size_t plain_relaxed(view body, char *to) {
    size_t n = 0, end = 0; /* end: behind the last line that is not empty */
    while (body.len > 0) {
        ptrdiff_t crlf = view_search(body, VIEW("\r\n"));
        view line = view_slice(body, 0, crlf < 0 ? body.len : (size_t)crlf);
        body = view_skip(body, crlf < 0 ? body.len : (size_t)crlf + 2);
        while (line.len > 0 && strchr(" \t", line.ptr[line.len - 1]))
            line.len--;
        for (size_t i = 0; i < line.len; i++) {
            bool blank = line.ptr[i] == ' ' || line.ptr[i] == '\t';
            if (!blank || (line.ptr[i + 1] != ' ' && line.ptr[i + 1] != '\t'))
                to[n++] = blank ? ' ' : line.ptr[i];
        }
        memcpy(to + n, "\r\n", 2);
        n += 2;
        end = line.len > 0 ? n : end;
    }
    return end;
}

/* Empty lines at the end go; there is a line end. */
static size_t plain_simple(view body, char *to) {
    while (view_ends_with(body, VIEW("\r\n")))
        body.len -= 2;
    memcpy(to, body.ptr, body.len);
    memcpy(to + body.len, "\r\n", 2);
    return body.len + 2;
}

static void test_body__random_in_random_pieces(void **state) {
    (void)state;
    for (int row = 0; row < 40000; row++) {
        char body[BODY_MOST], plain[2 * BODY_MOST];
        unsigned char wanted[32], got[32];
        enum canon how = row % 2 ? CANON_RELAXED : CANON_SIMPLE;
        view text = view_from(body, random_body(body));
        size_t whole = how == CANON_RELAXED ? plain_relaxed(text, plain) : plain_simple(text, plain);
        int64_t limit = random_below(4) ? -1 : (int64_t)random_below(text.len + 2);
        struct canon_body b;
        canon_body_begin(&b, how, limit);
        for (view rest = text; rest.len > 0;) {
            view piece = view_slice(rest, 0, 1 + random_below(random_below(2) ? 9 : BODY_MOST));
            canon_body_add(&b, piece);
            rest = view_skip(rest, piece.len);
        }
        check(canon_body_end(&b, got) == (int64_t)whole, "row %d: its length: \"%.*s\"", row, VIEW_ARG(text));
        EVP_Digest(plain, limit < 0 || (size_t)limit > whole ? whole : (size_t)limit, wanted, NULL,
                   EVP_sha256(), NULL);
        check(memcmp(wanted, got, sizeof got) == 0, "row %d, limit %d: \"%.*s\"", row, (int)limit,
              VIEW_ARG(text));
    }
}

static void test_field__relaxed(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *canonical;
    } rows[] = {
        {"SUBJect", " AbC\r\n", "subject:AbC\r\n"}, {"A", " X\r\n", "a:X\r\n"},
        {"B", "\t Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},  {"C", "", "c:\r\n"},
        {"D", " \r\n \r\n\t\r\n", "d:\r\n"},        {"E", " a\rb\nc\r\r\n", "e:a\rbc\r\r\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000);
        struct header_field f = {.name = view_of(rows[i].name), .value = view_of(rows[i].value)};
        buf_add_str(&out, "before ");
        canon_field(CANON_RELAXED, &f, &out);
        assert_view(view_skip(buf_view(&out), 7), rows[i].canonical);
        buf_done(&out);
    }
    struct buf full = BUF_INIT(10);
    struct header_field f = {.name = VIEW("Subject"), .value = VIEW(" more than there is room for\r\n")};
    canon_field(CANON_RELAXED, &f, &full);
    assert_true(full.failed);
    buf_done(&full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body__random_in_random_pieces),
        cmocka_unit_test(test_field__relaxed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
