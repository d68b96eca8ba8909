/* file_test.c: whole files are read up to a limit and replaced whole, and every error names its file. */
#include "testing/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

static void write_file(const char *path, view content) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(content.ptr, 1, content.len, f), content.len);
    fclose(f);
}

static void test_file__reads_all_or_nothing(void **state) {
    (void)state;
    enum { BIG = 200000 };
    static const struct {
        size_t size, limit;
        bool ok;
    } rows[] = {
        {0, 0, true},         {0, 10, true},         {10, 10, true},       {11, 10, false},
        {BIG, BIG, true},     {BIG, BIG - 1, false}, {65536, 65536, true}, {65537, 65536, false},
        {BIG, 2 * BIG, true}, {1, 0, false},
    };
    char *content = malloc(BIG);
    assert_non_null(content);
    for (size_t i = 0; i < BIG; i++)
        content[i] = (char)(i * 7 % 256);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = {0};
        struct buf out = BUF_INIT(rows[i].limit);
        write_file("in", view_from(content, rows[i].size));
        check(file_read("in", &out, &e) == rows[i].ok, "row %zu", i);
        check(out.len == (rows[i].ok ? rows[i].size : 0), "row %zu: %zu octets", i, out.len);
        assert_memory_equal(out.data, content, out.len);
        check(e.code == (rows[i].ok ? ERR_OK : ERR_LIMIT), "row %zu: %s", i, e.text);
        buf_done(&out);
    }
    free(content);
}

static void test_file__appends_to_what_is_there(void **state) {
    (void)state;
    struct err e = {0};
    struct buf out = BUF_INIT(8);
    write_file("in", VIEW("abc"));
    buf_add_str(&out, "x:");
    assert_true(file_read("in", &out, &e));
    assert_view(buf_view(&out), "x:abc");
    assert_true(file_read("in", &out, &e));
    assert_view(buf_view(&out), "x:abcabc");
    assert_false(file_read("in", &out, &e));
    assert_view(buf_view(&out), "x:abcabc"); /* as before */
    buf_done(&out);
}

static void test_file__errors_name_the_file(void **state) {
    (void)state;
    struct err e = {0};
    struct buf out = BUF_INIT(100);
    int64_t bytes;
    assert_false(file_read("no-such-file", &out, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "no-such-file"));
    assert_false(file_read(".", &out, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_false(file_replace("no/folder/x", VIEW("a"), 0644, &e));
    assert_non_null(strstr(e.text, "no/folder/x"));
    assert_false(file_fsync_dir("no-folder", &e));
    assert_non_null(strstr(e.text, "no-folder"));
    assert_false(file_free_bytes("no-folder", &bytes, &e));
    assert_non_null(strstr(e.text, "no-folder"));
    assert_false(file_read("no-such-file", &out, NULL));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void test_file__replace_gives_the_new_content(void **state) {
    (void)state;
    static const char *const contents[] = {"one", "", "a longer third one"};
    for (size_t i = 0; i < COUNT(contents); i++) {
        struct err e = {0};
        struct buf out = BUF_INIT(100);
        assert_true(file_replace("target", view_of(contents[i]), 0600, &e));
        assert_true(file_read("target", &out, &e));
        assert_view(buf_view(&out), contents[i]);
        struct stat st;
        assert_int_equal(stat("target", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        buf_done(&out);
    }
}

static size_t entries(const char *folder) {
    char command[200];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *f = popen(command, "r");
    size_t n = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &n), 1);
    pclose(f);
    return n;
}

static void test_file__failed_replace_leaves_the_old_and_no_rest(void **state) {
    (void)state;
    struct err e = {0};
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(mkdir("folder/busy", 0755), 0);
    assert_false(file_replace("folder/busy", VIEW("a"), 0644, &e)); /* a folder cannot be replaced */
    assert_int_equal(entries("folder"), 1);
    assert_true(file_replace("folder/plain", VIEW("a"), 0644, &e));
    assert_int_equal(entries("folder"), 2); /* no temporary file stays */
}

static void test_file__a_reader_sees_the_old_or_the_new(void **state) {
    (void)state;
    struct err e = {0};
    assert_true(file_replace("seen", VIEW("old"), 0644, &e));
    int fd = open("seen", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(file_replace("seen", VIEW("newer"), 0644, &e));
    char text[10];
    assert_int_equal(read(fd, text, sizeof text), 3); /* who had it open reads the old one to its end */
    assert_memory_equal(text, "old", 3);
    close(fd);
}

static void test_file__makes_folders(void **state) {
    (void)state;
    static const struct {
        const char *path;
        bool ok;
    } rows[] = {
        {"a", true}, {"a/b/c", true},  {"a/b/c", true},      {"a//d/", true}, {"./a/../e/f", true},
        {"/", true}, {"plain", false}, {"plain/x/y", false}, {"", false},
    };
    write_file("plain", VIEW("a file"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = {0};
        struct stat st;
        check(file_mkdirs(rows[i].path, 0750, &e) == rows[i].ok, "\"%s\": %s", rows[i].path, e.text);
        check(!rows[i].ok || (stat(rows[i].path, &st) == 0 && S_ISDIR(st.st_mode)), "\"%s\"", rows[i].path);
        check(rows[i].ok || e.code != ERR_OK, "\"%s\"", rows[i].path);
    }
    assert_true(file_exists("a/b/c"));
    assert_true(file_exists("plain"));
    assert_false(file_exists("a/b/c/d"));
}

static void test_file__writes_all_through_a_pipe(void **state) {
    (void)state;
    enum { SIZE = 1000000 }; /* far more than a pipe takes at once */
    int ends[2];
    struct err e = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        char part[4096];
        size_t sum = 0;
        for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
            sum += (size_t)n;
        _exit(sum == SIZE ? 0 : 1);
    }
    close(ends[0]);
    char *content = calloc(1, SIZE);
    assert_true(file_write_all(ends[1], view_from(content, SIZE), &e));
    assert_true(file_write_all(ends[1], VIEW_NULL, &e));
    close(ends[1]);
    free(content);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(file_write_all(-1, VIEW("a"), &e));
    assert_int_equal(e.code, ERR_IO);
}

static void test_file__a_full_disk_is_told_apart(void **state) {
    (void)state;
    struct err e = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        print_message("skipped: there is no /dev/full\n");
        skip();
    }
    assert_false(file_write_all(fd, VIEW("a"), &e));
    assert_int_equal(e.code, ERR_DISK_FULL);
    close(fd);
}

static void test_file__knows_the_free_space(void **state) {
    (void)state;
    struct err e = {0};
    int64_t bytes = -1;
    assert_true(file_free_bytes(".", &bytes, &e));
    assert_true(bytes >= 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__reads_all_or_nothing),
        cmocka_unit_test(test_file__appends_to_what_is_there),
        cmocka_unit_test(test_file__errors_name_the_file),
        cmocka_unit_test(test_file__replace_gives_the_new_content),
        cmocka_unit_test(test_file__failed_replace_leaves_the_old_and_no_rest),
        cmocka_unit_test(test_file__a_reader_sees_the_old_or_the_new),
        cmocka_unit_test(test_file__makes_folders),
        cmocka_unit_test(test_file__writes_all_through_a_pipe),
        cmocka_unit_test(test_file__a_full_disk_is_told_apart),
        cmocka_unit_test(test_file__knows_the_free_space),
    };
    return cmocka_run_group_tests(tests, unit_enter_folder, unit_leave_folder);
}
