/* journal.c: one line of a month's journal, written and read back.
 *
 * There is exactly one way to write a line, and reading accepts no other: what parses is written back octet
 * for octet. `check` covers the line up to and including the space before it, so it is looked at first; what
 * is wrong behind a right check was written by a program that counts differently, and is refused all the
 * same. */
#include "archive/journal.h"

#include "archive/digest.h"

#include <inttypes.h>
#include <string.h>

enum { CHECK_DIGITS = 8, FIELDS = 12 /* before the check */ };

static const char *const op_names[] = {
    [JOURNAL_ADD] = "add", [JOURNAL_HIDE] = "hide", [JOURNAL_UNHIDE] = "unhide", [JOURNAL_MOVE] = "move"};
enum { OPS = sizeof op_names / sizeof *op_names };

static void add_hex(struct buf *out, const unsigned char *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    char *to = buf_reserve(out, 2 * count);
    if (!to)
        return;
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf_commit(out, 2 * count);
}

/* A lone '-' is encoded too, since it stands for the empty text. */
static bool needs_encoding(view text, size_t at) {
    unsigned char c = (unsigned char)text.ptr[at];
    return c <= ' ' || c == '%' || c >= 0x7f || (c == '-' && text.len == 1);
}

static void add_text(struct buf *out, view text) {
    if (!text.len)
        buf_add_char(out, '-');
    for (size_t i = 0; i < text.len; i++) {
        if (needs_encoding(text, i))
            buf_printf(out, "%%%02X", (unsigned char)text.ptr[i]);
        else
            buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, ' ');
}

static void add_check(struct buf *out, size_t start) {
    unsigned char digest[DIGEST_BYTES];
    digest_sha256(view_skip(buf_view(out), start), digest);
    add_hex(out, digest, CHECK_DIGITS / 2);
}

void journal_format(const struct journal_line *l, struct buf *out) {
    size_t start = out->len;
    bool all_crlf = view_eq(l->eol, VIEW("-")); /* the note's own way to say nothing */
    buf_printf(out, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " ", op_names[l->op], l->uid,
               l->generation, l->offset, l->length);
    add_hex(out, l->sha256, sizeof l->sha256);
    buf_printf(out, " %" PRId64 " ", l->date_ms);
    add_text(out, l->sender);
    add_text(out, all_crlf ? VIEW_NULL : l->eol);
    add_text(out, l->salt);
    add_text(out, l->legacy);
    add_text(out, l->reason);
    add_check(out, start);
    buf_add_char(out, '\n');
}

static bool check_is_right(view line) {
    unsigned char digest[DIGEST_BYTES];
    char room[CHECK_DIGITS + 1];
    struct buf digits = {.data = room, .cap = CHECK_DIGITS, .limit = CHECK_DIGITS};
    if (line.len <= CHECK_DIGITS || line.ptr[line.len - CHECK_DIGITS - 1] != ' ')
        return false;
    digest_sha256(view_slice(line, 0, line.len - CHECK_DIGITS), digest);
    add_hex(&digits, digest, CHECK_DIGITS / 2);
    return view_eq(buf_view(&digits), view_skip(line, line.len - CHECK_DIGITS));
}

static bool split_fields(view line, view fields[FIELDS]) {
    size_t count = 0;
    if (view_ends_with(line, VIEW(" ")))
        return false;
    for (view field; view_split(&line, ' ', &field); count++) {
        if (count == FIELDS || !field.len)
            return false;
        fields[count] = field;
    }
    return count == FIELDS;
}

static bool read_op(view v, enum journal_op *ret_op) {
    for (size_t i = 0; i < OPS; i++)
        if (view_eq(v, view_of(op_names[i]))) {
            *ret_op = (enum journal_op)i;
            return true;
        }
    return false;
}

/* As printf writes it: no zeros at the front, no "-0". */
static bool read_number(view v, int64_t least, int64_t *ret_n) {
    view digits = view_skip(v, view_starts_with(v, VIEW("-")));
    bool zero_first = view_starts_with(digits, VIEW("0"));
    return view_to_i64(v, ret_n) && *ret_n >= least && (!zero_first || v.len == 1);
}

static int hex_digit(char c, bool upper) {
    char a = upper ? 'A' : 'a';
    if (ascii_is_digit(c))
        return c - '0';
    return c >= a && c <= a + 5 ? c - a + 10 : -1;
}

static bool read_byte(view v, bool upper, unsigned char *ret_byte) {
    int high = v.len >= 2 ? hex_digit(v.ptr[0], upper) : -1;
    int low = v.len >= 2 ? hex_digit(v.ptr[1], upper) : -1;
    *ret_byte = (unsigned char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

static bool read_digest(view v, unsigned char digest[DIGEST_BYTES]) {
    if (v.len != 2 * DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        if (!read_byte(view_skip(v, 2 * i), false, &digest[i]))
            return false;
    return true;
}

/* At the arena's limit the text comes out empty; the caller looks at a->failed. */
static bool read_text(view field, struct arena *a, view *ret_text) {
    *ret_text = VIEW_NULL;
    if (view_eq(field, VIEW("-")))
        return true;
    char *text = arena_alloc(a, field.len);
    size_t len = 0;
    if (!text)
        return true;
    while (field.len) {
        bool encoded = field.ptr[0] == '%';
        unsigned char byte = (unsigned char)field.ptr[0];
        if (encoded && !read_byte(view_skip(field, 1), true, &byte))
            return false;
        text[len++] = (char)byte;
        field = view_skip(field, encoded ? 3 : 1);
        /* '-' needs it only when it is all there is. */
        bool needs = needs_encoding((view){text, len}, len - 1) && !(byte == '-' && field.len);
        if (encoded != needs)
            return false;
    }
    *ret_text = (view){text, len};
    return true;
}

static const char *read_fields(const view f[FIELDS], struct arena *a, struct journal_line *l) {
    int64_t end;
    if (!read_op(f[0], &l->op))
        return "unknown operation";
    if (!read_number(f[1], 1, &l->uid) || !read_number(f[2], 0, &l->generation))
        return "bad UID or generation";
    if (!read_number(f[3], 0, &l->offset) || !read_number(f[4], 1, &l->length) ||
        __builtin_add_overflow(l->offset, l->length, &end))
        return "bad offset or length";
    if (!read_digest(f[5], l->sha256))
        return "bad SHA-256";
    if (!read_number(f[6], INT64_MIN, &l->date_ms))
        return "bad date";
    view *const texts[] = {&l->sender, &l->eol, &l->salt, &l->legacy, &l->reason};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!read_text(f[7 + i], a, texts[i]))
            return "badly encoded text";
    if (!l->eol.len)
        l->eol = VIEW("-");
    return NULL;
}

bool journal_parse(view line, struct arena *a, struct journal_line *ret_line, struct err *e) {
    view fields[FIELDS];
    struct journal_line l = {.op = JOURNAL_ADD};
    if (!check_is_right(line))
        return err_set(e, ERR_DAMAGED, "its check does not match");
    if (!split_fields(view_slice(line, 0, line.len - CHECK_DIGITS - 1), fields))
        return err_set(e, ERR_DAMAGED, "not %d fields", FIELDS + 1);
    const char *wrong = read_fields(fields, a, &l);
    if (wrong)
        return err_set(e, ERR_DAMAGED, "%s", wrong);
    if (a->failed)
        return err_set(e, ERR_LIMIT, "the texts of a journal line do not fit");
    *ret_line = l;
    return true;
}
