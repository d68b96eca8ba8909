/* report_part_test.c: what is found in which mail, and archives that say what is not so, or become too large.
 */
#include "auth/report_part.h"

#include <zlib.h>

#include "mail/transfer.h"
#include "testing/unit.h"

enum { MOST = 32 << 20, ROOM = 64 << 20 };

static struct arena arena;

#define XML "<feedback>report</feedback>"

static void expect_unpacked(view packed, view want) {
    struct buf out = BUF_INIT(ROOM);
    struct err e = {0};
    check(report_part_unpack(packed, MOST, &out, &e), "%s", e.text);
    check(view_eq(buf_view(&out), want), "%.*s", VIEW_ARG(buf_view(&out)));
    buf_done(&out);
}

static void expect_refused(view packed, size_t most, enum err_code code, const char *what) {
    struct buf out = BUF_INIT(ROOM);
    struct err e = {0};
    buf_add_str(&out, "before");
    check(!report_part_unpack(packed, most, &out, &e), "%s: unpacked", what);
    check(e.code == code, "%s: %s", what, e.text);
    assert_view(buf_view(&out), "before");
    buf_done(&out);
}

/* ---- zip files, made by hand ---- */

struct zip {
    view content;
    bool stored, descriptor; /* its sizes stand behind it only */
    int members;             /* as the end says; there is one */
    size_t flags, size_off, crc_off, offset_off, packed_off;
    const char *comment;
};

static void add_number(struct buf *out, size_t n, int len) {
    for (int i = 0; i < len; i++)
        buf_add_char(out, (char)(n >> 8 * i));
}

static void add_deflated(struct buf *out, view text) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text.ptr, .avail_in = (uInt)text.len};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, (uLong)text.len);
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_commit(out, room - z.avail_out);
    deflateEnd(&z);
}

static void add_sizes(struct buf *out, const struct zip *z, size_t packed) {
    size_t crc = crc32(0, (const Bytef *)z->content.ptr, (uInt)z->content.len);
    add_number(out, crc + z->crc_off, 4);
    add_number(out, packed + z->packed_off, 4);
    add_number(out, z->content.len + z->size_off, 4);
}

static void add_zip(struct buf *out, const struct zip *z) {
    struct buf packed = BUF_INIT(ROOM);
    size_t start = out->len, flags = z->flags | (z->descriptor ? 8 : 0);
    if (z->stored)
        buf_add(&packed, z->content);
    else
        add_deflated(&packed, z->content);
    buf_add(out, VIEW("PK\3\4\24\0"));
    add_number(out, flags, 2);
    add_number(out, z->stored ? 0 : 8, 2);
    add_number(out, 0, 4); /* time */
    if (z->descriptor)
        buf_add(out, VIEW("\0\0\0\0\0\0\0\0\0\0\0\0"));
    else
        add_sizes(out, z, packed.len);
    buf_add(out, VIEW("\5\0\2\0r.xmlEE"));
    buf_add(out, buf_view(&packed));
    if (z->descriptor) {
        buf_add(out, VIEW("PK\7\10"));
        add_sizes(out, z, packed.len);
    }
    size_t directory = out->len - start;
    buf_add(out, VIEW("PK\1\2\24\0\24\0"));
    add_number(out, flags, 2);
    add_number(out, z->stored ? 0 : 8, 2);
    add_number(out, 0, 4);
    add_sizes(out, z, packed.len);
    buf_add(out, VIEW("\5\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    add_number(out, z->offset_off, 4);
    buf_add(out, VIEW("r.xml"));
    size_t end = out->len - start;
    buf_add(out, VIEW("PK\5\6\0\0\0\0"));
    add_number(out, (size_t)z->members, 2);
    add_number(out, (size_t)z->members, 2);
    add_number(out, end - directory, 4);
    add_number(out, directory, 4);
    add_number(out, z->comment ? strlen(z->comment) : 0, 2);
    buf_add_str(out, z->comment ? z->comment : "");
    assert_false(out->failed);
    buf_done(&packed);
}

static struct buf zip_of(struct zip z) {
    struct buf out = BUF_INIT(ROOM);
    z.members = z.members ? z.members : 1;
    z.content = z.content.ptr ? z.content : VIEW(XML);
    add_zip(&out, &z);
    return out;
}

static void test_zip__one_member(void **state) {
    (void)state;
    static const struct zip rows[] = {
        {.stored = true},
        {.stored = false},
        {.stored = false, .descriptor = true},
        {.stored = true, .descriptor = true},
        {.comment = "made by hand"},
        {.flags = 0x800}, /* the name is UTF-8 */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf zip = zip_of(rows[i]);
        expect_unpacked(buf_view(&zip), VIEW(XML));
        buf_add_str(&zip, "\r\n"); /* what a transport adds */
        expect_unpacked(buf_view(&zip), VIEW(XML));
        buf_done(&zip);
    }
}

static void test_zip__refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct zip zip;
    } rows[] = {
        {"two members", {.members = 2}},
        {"as many as can be", {.members = 0xffff}},
        {"encrypted", {.flags = 1}},
        {"its size is another", {.size_off = 1}},
        {"its checksum is another", {.crc_off = 1}},
        {"it begins elsewhere", {.offset_off = 1}},
        {"it begins behind the end", {.offset_off = 0xfffffff0}},
        {"it is larger than the file", {.packed_off = 1000}},
        {"it is larger than 32 bits", {.packed_off = 0xffffff00}},
        {"it is shorter", {.packed_off = (size_t)-1}},
        {"stored and shorter", {.stored = true, .packed_off = (size_t)-1}},
        {"of neither kind", {.content = OCTETS("text")}},
        {"empty", {.content = OCTETS("")}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf zip = zip_of(rows[i].zip);
        expect_refused(buf_view(&zip), MOST, ERR_USAGE, rows[i].what);
        buf_done(&zip);
    }
}

/* Cut off anywhere, or with any octet changed: never what it was not. */
static void test_archives__damaged(void **state) {
    (void)state;
    struct buf gzip = BUF_INIT(4096), zip = zip_of((struct zip){.comment = NULL});
    report_part_gzip(VIEW(XML), &gzip);
    const view whole[] = {buf_view(&gzip), buf_view(&zip)};
    for (size_t i = 0; i < COUNT(whole); i++) {
        for (size_t len = 0; len < whole[i].len; len++)
            expect_refused(view_slice(whole[i], 0, len), MOST, ERR_USAGE, "cut off");
        for (size_t at = 0; at < whole[i].len; at++) {
            struct buf changed = BUF_INIT(4096), out = BUF_INIT(ROOM);
            buf_add(&changed, whole[i]);
            changed.data[at] = (char)(changed.data[at] ^ 0x55);
            if (report_part_unpack(buf_view(&changed), MOST, &out, NULL))
                assert_view(buf_view(&out), XML);
            buf_done(&changed);
            buf_done(&out);
        }
    }
    buf_done(&gzip);
    buf_done(&zip);
}

static void test_unpack__plain(void **state) {
    (void)state;
    expect_unpacked(VIEW(" \r\n" XML), VIEW(" \r\n" XML));
    expect_unpacked(VIEW("\xef\xbb\xbf{}"), VIEW("\xef\xbb\xbf{}"));
    expect_unpacked(VIEW("\xff\xfe<\0"), VIEW("\xff\xfe<\0"));
    expect_refused(VIEW(""), MOST, ERR_USAGE, "nothing");
    expect_refused(VIEW("text"), MOST, ERR_USAGE, "a text");
    expect_refused(VIEW("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), MOST, ERR_USAGE, "an empty zip file");
    expect_refused(VIEW(XML), 5, ERR_LIMIT, "a long one");
}

/* ---- bombs ---- */

static struct buf zeros(size_t len) {
    struct buf text = BUF_INIT(ROOM);
    buf_add_char(&text, '<');
    char *to = buf_reserve(&text, len);
    memset(to, ' ', len);
    buf_commit(&text, len);
    return text;
}

/* Ten megabytes from ten kilobytes are more than any report; a smaller one is let be. */
static void test_bombs__ratio(void **state) {
    (void)state;
    struct buf large = zeros(10 << 20), small = zeros(1000000), packed = BUF_INIT(ROOM);
    report_part_gzip(buf_view(&large), &packed);
    assert_true(packed.len < 11000);
    expect_refused(buf_view(&packed), MOST, ERR_LIMIT, "gzip");
    struct buf zip = zip_of((struct zip){.content = buf_view(&large)});
    expect_refused(buf_view(&zip), MOST, ERR_LIMIT, "zip");
    buf_reset(&packed);
    report_part_gzip(buf_view(&small), &packed);
    expect_unpacked(buf_view(&packed), buf_view(&small));
    expect_refused(buf_view(&packed), 999999, ERR_LIMIT, "one octet too many");
    buf_done(&large);
    buf_done(&small);
    buf_done(&packed);
    buf_done(&zip);
}

/* The limit holds for stored members, and where the buffer has less room than is allowed. */
static void test_bombs__limits(void **state) {
    (void)state;
    struct buf zip = zip_of((struct zip){.stored = true}), gzip = BUF_INIT(4096), out = BUF_INIT(10);
    struct err e;
    report_part_gzip(VIEW(XML), &gzip);
    expect_refused(buf_view(&zip), 5, ERR_LIMIT, "stored");
    expect_refused(buf_view(&gzip), sizeof XML - 2, ERR_LIMIT, "gzip");
    assert_false(report_part_unpack(buf_view(&gzip), MOST, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(out.len, 0);
    buf_reset(&out);
    assert_false(report_part_unpack(buf_view(&zip), MOST, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_done(&zip);
    buf_done(&gzip);
    buf_done(&out);
}

/* One archive in the other is not opened. */
static void test_bombs__nested(void **state) {
    (void)state;
    struct buf gzip = BUF_INIT(4096), twice = BUF_INIT(4096);
    report_part_gzip(VIEW(XML), &gzip);
    report_part_gzip(buf_view(&gzip), &twice);
    expect_refused(buf_view(&twice), MOST, ERR_USAGE, "gzip in gzip");
    struct buf zip = zip_of((struct zip){.content = buf_view(&gzip)});
    expect_refused(buf_view(&zip), MOST, ERR_USAGE, "gzip in zip");
    struct buf zips = zip_of((struct zip){.content = buf_view(&zip), .stored = true});
    expect_refused(buf_view(&zips), MOST, ERR_USAGE, "zip in zip");
    buf_done(&gzip);
    buf_done(&twice);
    buf_done(&zip);
    buf_done(&zips);
}

/* ---- mails ---- */

static void expect_found(const char *message, const char *want) {
    struct buf out = BUF_INIT(ROOM);
    arena_init(&arena, 16 << 20);
    bool found = report_part_find(view_of(message), &arena, &out);
    check(found == (want != NULL), "%s: %s", message, found ? "found" : "not found");
    assert_view(buf_view(&out), want ? want : "");
    buf_done(&out);
    arena_done(&arena);
}

#define PART(fields, body) "--b\r\n" fields "\r\n\r\n" body "\r\n"
#define MIXED(parts)       "Content-Type: multipart/mixed; boundary=b\r\n\r\n" parts "--b--\r\n"
#define OCTET_STREAM(name)                                                                                   \
    "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=" name

static void test_find__the_part(void **state) {
    (void)state;
    static const struct {
        const char *message, *want;
    } rows[] = {
        {XML, XML},
        {"{\"a\": 1}", "{\"a\": 1}"},
        {"Subject: x\r\n\r\n" XML, NULL},
        {"Content-Type: text/xml\r\n\r\n" XML, XML},
        {"Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\nH4sI\r\n",
         "\x1f\x8b\x08"},
        {"Content-Type: application/gzip\r\nContent-Transfer-Encoding: x-own\r\n\r\nH4sI\r\n", NULL},
        {MIXED(PART("", "text") PART("Content-Type: application/tlsrpt+json", "{}")), "{}"},
        {MIXED(PART("Content-Type: text/xml", "none") PART("Content-Type: application/xml", XML)), XML},
        {MIXED(PART(OCTET_STREAM("a.txt"), "{1}") PART(OCTET_STREAM("A.XML"), XML)), XML},
        {MIXED(PART(OCTET_STREAM("\"a!b!1!2.json.gz\""), "{2}")), "{2}"},
        {MIXED(PART("Content-Type: text/html", "<html>")), NULL},
        {MIXED(PART("Content-Type: message/rfc822", "Content-Type: text/xml\r\n\r\n" XML)), XML},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_found(rows[i].message, rows[i].want);
}

/* Twenty parts in each other are read, a hundred are not followed. */
static void test_find__nested_parts(void **state) {
    (void)state;
    for (int depth = 19; depth <= 100; depth += 81) {
        struct buf text = BUF_INIT(1 << 20);
        for (int i = 0; i < depth; i++)
            buf_printf(&text, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
        buf_add_str(&text, "Content-Type: text/xml\r\n\r\n" XML);
        for (int i = depth; i-- > 0;)
            buf_printf(&text, "\r\n--b%d--\r\n", i);
        expect_found(text.data, depth == 19 ? XML : NULL);
        buf_done(&text);
    }
}

static void test_find__has_room(void **state) {
    (void)state;
    struct buf out = BUF_INIT(10);
    arena_init(&arena, 1 << 20);
    assert_false(report_part_find(VIEW(XML), &arena, &out));
    assert_true(out.failed);
    buf_reset(&out);
    assert_false(report_part_find(VIEW("Content-Type: text/xml\r\n\r\n" XML), &arena, &out));
    assert_true(out.failed);
    buf_done(&out);
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip__one_member),    cmocka_unit_test(test_zip__refused),
        cmocka_unit_test(test_archives__damaged),  cmocka_unit_test(test_unpack__plain),
        cmocka_unit_test(test_bombs__ratio),       cmocka_unit_test(test_bombs__limits),
        cmocka_unit_test(test_bombs__nested),      cmocka_unit_test(test_find__the_part),
        cmocka_unit_test(test_find__nested_parts), cmocka_unit_test(test_find__has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
