/* dkim2_suite.c: the folder auth-dkim2 of the shared suites (see its README): messages with an envelope in
 * spec06 and mail-auth, recipes and differences in turscar. Prints what fails and how many pass in each; the
 * exit status is 1 when one fails that its suite does not excuse. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dkim2_private.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/words.h"
#include "testing/zone.h"

enum { RECIPIENTS = 64, FILE_MOST = 64 << 20 };

static struct arena arena;
static int passed, failed, excused;

static void count(bool ok, bool contested) {
    passed += ok;
    excused += !ok && contested;
    failed += !ok && !contested;
}

static json_t *load(const char *folder, const char *file) {
    json_error_t e;
    FREE_AUTO char *path = mem_printf("%s/%s", folder, file);
    json_t *all = json_load_file(path, 0, &e);
    if (!all)
        printf("%s: %s\n", path, e.text);
    return all;
}

/* A file with CRLF as the end of each line, whatever it has. Empty: there is none. */
static view read_crlf(const char *folder, const char *name, const char *end) {
    FREE_AUTO char *path = mem_printf("%s/%s%s", folder, name, end);
    struct buf text = BUF_INIT(FILE_MOST), out = BUF_INIT(2 * FILE_MOST);
    struct err e;
    if (!file_read(path, &text, &e))
        printf("%s\n", e.text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
            buf_add_char(&out, '\r');
        buf_add_char(&out, text.data[i]);
    }
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&text);
    buf_done(&out);
    return made;
}

/* ---- messages ---- */

/* As zone_answer() has it. */
static void add_record(json_t *zone, const char *name, const json_t *text) {
    json_t *items = json_object_get(zone, name);
    if (!items)
        json_object_set_new(zone, name, items = json_array());
    if (json_is_string(text) && json_string_value(text)[0] == '~')
        json_array_append_new(items, json_string("TIMEOUT"));
    else
        json_array_append_new(items, json_pack("{sO}", "TXT", text));
}

/* name -> TXT or a list of them; or domain -> label -> list of ["txt", value]. */
static json_t *zone_of(json_t *dns) {
    json_t *zone = json_object(), *value, *labels, *one;
    const char *name, *label;
    size_t i;
    json_object_foreach(dns, name, value) {
        if (json_is_string(value))
            add_record(zone, name, value);
        json_array_foreach(value, i, one) add_record(zone, name, one);
        json_object_foreach(value, label, labels) {
            FREE_AUTO char *full = mem_printf("%s.%s", label, name);
            json_array_foreach(labels, i, one) add_record(zone, full, json_array_get(one, 1));
        }
    }
    return zone;
}

static view address_of(const json_t *path) {
    view text = zone_text(json_string_value(path));
    if (text.len >= 2 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>')
        return view_slice(text, 1, text.len - 2);
    return text;
}

static struct dkim2_verdict verdict_of(const json_t *zone, const json_t *test, view message) {
    struct answers answers;
    struct dkim2_verdict v;
    view recipients[RECIPIENTS];
    struct dkim2_envelope e = {.sender = address_of(json_object_get(test, "mail_from")),
                               .recipients = recipients};
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(test, "rcpt_to"), i, one) if (e.recipient_count < RECIPIENTS)
        recipients[e.recipient_count++] = address_of(one);
    answers_init(&answers, &arena);
    for (;;) {
        dkim2_verify_paths(message, json_is_false(json_object_get(test, "strict")), &e,
                           json_integer_value(json_object_get(test, "now")), &answers, &v);
        if (v.result != DKIM2_WAITS)
            return v;
        zone_answer(zone, &answers);
    }
}

static bool is_wanted(const json_t *wanted, enum dkim2_result got) {
    size_t i;
    json_t *one;
    json_array_foreach(wanted, i, one) if (is_wanted(one, got)) return true;
    return json_is_string(wanted) &&
           view_eq(zone_text(json_string_value(wanted)), words_at(DKIM2_WORDS, got));
}

static void run_message(const char *folder, const json_t *zone, const json_t *test) {
    const char *file = json_string_value(json_object_get(test, "file")),
               *said = json_string_value(json_object_get(test, "reference_text"));
    FREE_AUTO char *path = mem_printf("%s%s", strchr(file, '/') ? "" : "expected/", file);
    view message = read_crlf(folder, path, "");
    struct dkim2_verdict v = verdict_of(zone, test, message);
    bool ok = is_wanted(json_object_get(test, "expected"), v.result),
         contested = json_is_true(json_object_get(test, "contested"));
    count(ok, contested);
    if (getenv("DKIM2_SUITE_TEXTS") || (!ok && !contested))
        printf("%s: %.*s %s (hop %d; reference: %s)\n", file, VIEW_ARG(words_at(DKIM2_WORDS, v.result)),
               v.why, v.hop, said ? said : "");
    arena_reset(&arena);
}

static void run_messages(const char *folder) {
    json_t *tests = load(folder, "cases.json"), *dns = load(folder, "dns.json"), *zone = zone_of(dns), *test;
    size_t i;
    json_array_foreach(tests, i, test) run_message(folder, zone, test);
    json_decref(zone);
    json_decref(dns);
    json_decref(tests);
}

/* ---- recipes ---- */

static void form_of(view message, struct dkim2_form *ret) {
    struct header h;
    header_parse(message, &arena, &h);
    dkim2_form_of(&h, &arena, ret);
}

/* By name, those of one name as they stand in the message. */
static void add_form(const struct dkim2_form *f, struct buf *out) {
    for (size_t i = 0, count; i < f->count; i += count) {
        view name = f->fields[i].name;
        dkim2_form_find(f, name, &count);
        for (size_t k = count; k-- > 0;)
            buf_printf(out, "%.*s: %.*s", VIEW_ARG(name),
                       VIEW_ARG(view_skip(f->fields[i + k].line, name.len + 1)));
    }
}

/* X.in + X.json: X.want, or "<nil>" where the recipe is none. */
static bool run_recipe(const char *folder, const char *name) {
    struct dkim2_form form;
    struct dkim2_recipe recipe;
    struct buf got = BUF_INIT(FILE_MOST);
    form_of(read_crlf(folder, name, ".in"), &form);
    bool fine = dkim2_recipe_read(read_crlf(folder, name, ".json"), &arena, &recipe) &&
                dkim2_recipe_apply(&recipe, &arena, &form);
    if (fine)
        add_form(&form, &got);
    else
        buf_add_str(&got, "<nil>\r\n");
    bool same = view_eq(buf_view(&got), read_crlf(folder, name, ".want"));
    buf_done(&got);
    dkim2_form_done(&form);
    return same;
}

/* Our recipe for X.new gives X.old again. `body`: they are bodies. */
static bool run_difference(const char *folder, const char *name, bool body) {
    struct dkim2_form old, now;
    struct dkim2_recipe made, recipe;
    struct buf json = BUF_INIT(DKIM2_RECIPE_MOST), was = BUF_INIT(FILE_MOST), is = BUF_INIT(FILE_MOST);
    view text = read_crlf(folder, name, ".old");
    form_of(arena_printf(&arena, "%s%.*s", body ? "\r\n" : "", VIEW_ARG(text)), &old);
    text = read_crlf(folder, name, ".new");
    form_of(arena_printf(&arena, "%s%.*s", body ? "\r\n" : "", VIEW_ARG(text)), &now);
    bool fine = dkim2_recipe_make(&old, &now, &arena, &made);
    if (fine)
        dkim2_recipe_write(&made, &json);
    fine = fine && dkim2_recipe_read(buf_view(&json), &arena, &recipe) &&
           dkim2_recipe_apply(&recipe, &arena, &now) && !now.body_lost;
    add_form(&old, &was);
    add_form(&now, &is);
    unsigned char left[DKIM2_DIGEST_MOST], right[DKIM2_DIGEST_MOST];
    dkim2_body_digest(old.body, EVP_sha256(), left);
    dkim2_body_digest(now.body, EVP_sha256(), right);
    fine = fine && view_eq(buf_view(&was), buf_view(&is)) && memcmp(left, right, 32) == 0;
    buf_done(&json);
    buf_done(&was);
    buf_done(&is);
    dkim2_form_done(&now);
    dkim2_form_done(&old);
    return fine;
}

static void run_files(const char *folder, const char *kind) {
    FREE_AUTO char *path = mem_printf("%s/%s", folder, kind);
    DIR *d = opendir(path);
    bool recipes = strcmp(kind, "recipe") == 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        view file = view_of(entry->d_name), end = recipes ? VIEW(".in") : VIEW(".old");
        if (!view_ends_with(file, end))
            continue;
        const char *name = arena_str(&arena, view_slice(file, 0, file.len - end.len));
        bool ok = recipes ? run_recipe(path, name) : run_difference(path, name, strcmp(kind, "body") == 0);
        count(ok, false);
        if (!ok)
            printf("%s/%s\n", kind, name);
        arena_reset(&arena);
    }
    if (d)
        closedir(d);
}

/* ---- all of them ---- */

static int run_folder(const char *all, const char *name) {
    FREE_AUTO char *folder = mem_printf("%s/%s", all, name);
    passed = failed = excused = 0;
    if (strcmp(name, "turscar") == 0) {
        run_files(folder, "recipe");
        run_files(folder, "body");
        run_files(folder, "diff");
    } else {
        run_messages(folder);
    }
    printf("auth-dkim2/%s: %d pass, %d fail, %d excused\n", name, passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    static const char *const folders[] = {"spec06", "mail-auth", "turscar"};
    int status = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: dkim2-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 256 << 20);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        status |= run_folder(argv[1], folders[i]);
    arena_done(&arena);
    return status;
}
