/* verify_test.c: one bit anywhere in an archive is found, and everything else that can be wrong with its
 * files; an archive that is as it was written has no fault. */
#include "testing/unit.h"

#include "archive/digest.h"
#include "archive/extent.h"
#include "archive/folder.h"
#include "archive/verify.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>

enum { FILE_MAX = 1 << 20, POSTS = 5 };
static const int64_t october = 1792000000000, november = 1795496767123; /* of 2026 */
static const char *const files[] = {"2026-10.mbox", "2026-10.log", "2026-11.mbox", "2026-11.log"};
static const char folder[] = "d/public/x.example/news";

static view body_of(int i) {
    static const view bodies[] = {OCTETS("A: 1\r\n\r\nFrom one\r\n"),
                                  OCTETS("B: 2\r\n\r\nlf alone\nmore\r\n"), OCTETS("C: 3\r\n\r\nno end"),
                                  OCTETS("\r\n>From quoted\r\n"), OCTETS("")};
    return bodies[i];
}

static void write_post(int64_t uid, int64_t date_ms, view sender, view body) {
    struct err e = {0};
    struct arena a;
    view place;
    struct folder_post p = {.uid = uid, .date_ms = date_ms, .sender = sender, .message = body};
    digest_sha256(body, p.sha256);
    struct folder *f = folder_open(folder, &e);
    check(f, "%s", e.text);
    arena_init(&a, 1000);
    check(folder_append(f, &p, 1, &a, &place, &e), "%s", e.text);
    arena_done(&a);
    folder_close(&f);
}

static void make(void) {
    static const view senders[] = {OCTETS("a@b.example"), OCTETS(""), OCTETS("\"odd one\"@b.example"),
                                   OCTETS("\xc3\xa4@b.example"), OCTETS("a@b.example")};
    for (int i = 0; i < POSTS; i++)
        write_post(i + 1, i < 3 ? october : november, senders[i], body_of(i));
}

static char *in(const char *file) {
    return mem_printf("%s/%s", folder, file);
}

static struct buf get(const char *file) {
    FREE_AUTO char *path = in(file);
    struct err e = {0};
    struct buf out = BUF_INIT(FILE_MAX);
    check(file_read(path, &out, &e), "%s", e.text);
    return out;
}

static void put(const char *file, view bytes) {
    FREE_AUTO char *path = in(file);
    struct err e = {0};
    check(file_replace(path, bytes, 0600, &e), "%s", e.text);
}

/* The faults of a walk, one text. */
struct found {
    struct archive_check check;
    struct buf text;
};

static void note_fault(const struct archive_fault *f, void *ctx) {
    struct found *w = ctx;
    buf_printf(&w->text, "%.*s:%lld:%lld: %s\n", VIEW_ARG(f->file), (long long)f->uid, (long long)f->offset,
               f->text);
}

static struct found walk(bool quick) {
    struct found w = {.check = {.quick = quick, .fault = note_fault}, .text = BUF_INIT(FILE_MAX)};
    struct err e = {0};
    w.check.ctx = &w;
    check(archive_verify(folder, &w.check, &e), "%s", e.text);
    return w;
}

static void finds(bool quick, const char *what) {
    struct found w = walk(quick);
    check(w.check.faults > 0 && strstr(w.text.data, what), "\"%s\" is not in: %s", what, w.text.data);
    buf_done(&w.text);
}

static bool same_post(const struct journal_line *l, view message, void *ctx, struct err *e) {
    (void)ctx, (void)e;
    assert_true(view_eq(message, body_of((int)l->uid - 1)));
    return true;
}

static void test_verify__as_written(void **state) {
    (void)state;
    make();
    for (int quick = 0; quick < 2; quick++) {
        struct found w = walk(quick);
        check(w.check.faults == 0, "%s", w.text.data);
        assert_int_equal(w.check.posts, POSTS);
        assert_int_equal(w.check.months, 2);
        assert_int_equal(w.check.last_uid, POSTS);
        buf_done(&w.text);
    }
    struct archive_check c = {.post = same_post};
    assert_true(archive_verify(folder, &c, NULL));
}

/* Every octet of all four files, each bit of it in turn. */
static void test_verify__a_flipped_bit_anywhere(void **state) {
    (void)state;
    make();
    for (size_t i = 0; i < COUNT(files); i++) {
        struct buf bytes = get(files[i]);
        for (size_t at = 0; at + 1 < bytes.len; at++) {
            char was = bytes.data[at];
            bytes.data[at] = (char)(was ^ (1 << at % 8));
            put(files[i], buf_view(&bytes));
            struct found w = walk(false);
            check(w.check.faults > 0, "%s, octet %zu", files[i], at);
            check(strstr(w.text.data, files[i]), "%s, octet %zu: %s", files[i], at, w.text.data);
            buf_done(&w.text);
            bytes.data[at] = was;
        }
        put(files[i], buf_view(&bytes));
        buf_done(&bytes);
    }
}

static void test_verify__a_lost_line_end(void **state) {
    (void)state;
    make();
    struct buf log = get("2026-11.log");
    log.data[log.len - 1] = '\v';
    put("2026-11.log", buf_view(&log));
    finds(true, "are no whole line");
    buf_done(&log);
}

static void test_verify__cut_and_grown_files(void **state) {
    (void)state;
    make();
    struct buf mbox = get("2026-10.mbox");
    put("2026-10.mbox", view_slice(buf_view(&mbox), 0, mbox.len - 1));
    finds(true, "2026-10.mbox:3:");
    finds(false, "the file ends at");
    buf_add(&mbox, VIEW("From half"));
    put("2026-10.mbox", buf_view(&mbox));
    finds(true, "9 octets at the end are named by no journal line");
    buf_done(&mbox);
}

static void test_verify__missing_and_foreign_files(void **state) {
    (void)state;
    make();
    FREE_AUTO char *mbox = in("2026-10.mbox"), *log = in("2026-11.log");
    put("2026-10.mbox~", VIEW("an editor's"));
    finds(true, "2026-10.mbox~:0:-1: not a file of the archive");
    unlink(mbox);
    finds(true, "2026-10.mbox:0:-1: the file is missing");
    unlink(log);
    finds(true, "2026-11.log:0:-1: the journal is missing");
}

static void add_line(const char *file, struct journal_line l) {
    struct buf log = get(file);
    l.eol = VIEW("-");
    journal_format(&l, &log);
    put(file, buf_view(&log));
    buf_done(&log);
}

static void test_verify__uids_and_offsets(void **state) {
    (void)state;
    make();
    struct buf mbox = get("2026-11.mbox"), before = get("2026-11.log");
    int64_t end = (int64_t)mbox.len;
    add_line("2026-11.log", (struct journal_line){.uid = 2, .offset = end, .length = 1});
    finds(true, "2026-11.log:2:");
    finds(true, "out of order: it follows UID 5");
    finds(true, "its UID is given twice: 2026-10.mbox:");
    put("2026-11.log", buf_view(&before));
    add_line("2026-11.log", (struct journal_line){.uid = 6, .offset = end - 1, .length = 1});
    finds(true, "the post before it ends at");
    put("2026-11.log", buf_view(&before));
    add_line("2026-11.log", (struct journal_line){.op = JOURNAL_HIDE, .uid = 5, .length = 1});
    finds(true, "newer release");
    buf_done(&mbox);
    buf_done(&before);
}

static bool stop_at_two(const struct journal_line *l, view message, void *ctx, struct err *e) {
    (void)message, (void)ctx;
    return l->uid < 2 || err_set(e, ERR_CONFLICT, "enough");
}

static void test_verify__ends_when_told(void **state) {
    (void)state;
    make();
    struct err e = {0};
    struct archive_check c = {.post = stop_at_two};
    assert_false(archive_verify(folder, &c, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_false(archive_verify("d/nowhere", &(struct archive_check){0}, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static bool note_extent(const struct archive_extent *x, void *ctx, struct err *e) {
    (void)e;
    buf_printf(ctx, "%s %lld %lld %d\n", x->month, (long long)x->log_end, (long long)x->mbox_end, x->damaged);
    return true;
}

static void extents_are(int64_t below, const char *expected) {
    struct buf out = BUF_INIT(FILE_MAX);
    struct err e = {0};
    check(archive_extents(folder, below, note_extent, &out, &e), "%s", e.text);
    assert_string_equal(out.data, expected);
    buf_done(&out);
}

static void test_extents(void **state) {
    (void)state;
    make();
    struct buf log = get(files[1]), mbox = get(files[0]), log2 = get(files[3]), mbox2 = get(files[2]);
    size_t one = (size_t)view_find(buf_view(&log), '\n') + 1;
    ptrdiff_t second = view_search(buf_view(&mbox), VIEW("From MAILER-DAEMON"));
    FREE_AUTO char *whole = mem_printf("2026-10 %zu %zu 0\n", log.len, mbox.len);
    FREE_AUTO char *both = mem_printf("%s2026-11 %zu %zu 0\n", whole, log2.len, mbox2.len);
    FREE_AUTO char *first = mem_printf("2026-10 %zu %zd 0\n", one, second);
    extents_are(INT64_MAX, both);
    extents_are(4, whole);
    extents_are(2, first);
    extents_are(1, "");
    log.data[one + 5] ^= 1; /* a damaged line: the mbox counts to its end */
    put(files[1], buf_view(&log));
    FREE_AUTO char *damaged = mem_printf("2026-10 %zu %zu 1\n", log.len, mbox.len);
    extents_are(4, damaged);
    FREE_AUTO char *path = in(files[0]);
    unlink(path);
    extents_are(4, "");
    struct buf *bufs[] = {&log, &mbox, &log2, &mbox2};
    for (size_t i = 0; i < COUNT(bufs); i++)
        buf_done(bufs[i]);
}

static bool note_list(const struct archive_list *l, void *ctx, struct err *e) {
    (void)e;
    buf_printf(ctx, "%s %.*s %d\n", l->path, VIEW_ARG(l->address), l->public);
    return true;
}

static void test_lists(void **state) {
    (void)state;
    static const view names[] = {OCTETS("news@x.example"), OCTETS("../a%b@x.example"), OCTETS("z@..")};
    struct err e = {0};
    for (size_t i = 0; i < COUNT(names); i++) {
        FREE_AUTO char *path = folder_path("d", names[i], i != 2);
        check(file_mkdirs(path, 0700, &e), "%s", e.text);
    }
    check(file_mkdirs("d/public/x.example/.odd", 0700, &e), "%s", e.text);
    check(file_mkdirs("d/other", 0700, &e), "%s", e.text);
    struct buf out = BUF_INIT(FILE_MAX);
    assert_true(archive_lists("d", note_list, &out, &e));
    assert_string_equal(out.data, "d/other  0\n"
                                  "d/public/x.example/%2E.%2Fa%25b ../a%b@x.example 1\n"
                                  "d/public/x.example/.odd  1\n"
                                  "d/public/x.example/news news@x.example 1\n"
                                  "d/private/%2E./z z@.. 0\n");
    buf_reset(&out);
    assert_true(archive_lists("nowhere", note_list, &out, &e));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_enter_folder, unit_leave_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_verify__as_written),
        IN_FOLDER(test_verify__a_flipped_bit_anywhere),
        IN_FOLDER(test_verify__a_lost_line_end),
        IN_FOLDER(test_verify__cut_and_grown_files),
        IN_FOLDER(test_verify__missing_and_foreign_files),
        IN_FOLDER(test_verify__uids_and_offsets),
        IN_FOLDER(test_verify__ends_when_told),
        IN_FOLDER(test_extents),
        IN_FOLDER(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
