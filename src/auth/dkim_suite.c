/* dkim_suite.c: the messages of a folder like auth-dkim-vectors, -messages or -maildkim of the shared suites
 * (see their READMEs for the forms). Prints what fails and how many pass; the exit status is 1 when one fails
 * that its suite does not excuse. With --results nothing is judged: a line of JSON for each message says what
 * its signatures are (for scripts/differ). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dkim.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/words.h"
#include "testing/zone.h"

enum { NOW = 1760000600 };

static struct arena arena;

static struct dkim_verdict verdict_of(const json_t *zone, view message, int64_t now_s) {
    struct answers answers;
    struct dkim_verdict v;
    answers_init(&answers, &arena);
    for (;;) {
        dkim_verify(message, NULL, now_s, &answers, &v);
        if (v.result != DKIM_WAITS)
            return v;
        zone_answer(zone, &answers);
    }
}

/* name -> TXT, a list of such, null, or "~TIMEOUT": as zone_answer() has it. */
static json_t *zone_of(const json_t *dns) {
    json_t *zone = json_object(), *value, *one;
    const char *name;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)dns, name, value) {
        json_t *items = json_array();
        if (json_is_string(value) && json_string_value(value)[0] == '~')
            json_array_append_new(items, json_string("TIMEOUT"));
        else if (json_is_string(value))
            json_array_append_new(items, json_pack("{sO}", "TXT", value));
        json_array_foreach(value, i, one) json_array_append_new(items, json_pack("{sO}", "TXT", one));
        if (!json_is_null(value))
            json_object_set(zone, name, items);
        json_decref(items);
    }
    return zone;
}

static bool is_word(const json_t *wanted, enum dkim_result got) {
    view word = view_of(json_string_value(wanted) ? json_string_value(wanted) : "");
    if (view_eq(word, VIEW("not-pass")))
        return got != DKIM_PASS && got != DKIM_TEMPERROR;
    return json_is_null(wanted) || view_eq(word, words_at(DKIM_WORDS, got));
}

static bool is_one_of(const json_t *wanted, enum dkim_result got) {
    size_t i;
    json_t *one;
    json_array_foreach(wanted, i, one) if (is_word(one, got)) return true;
    return false;
}

static bool is_each(const json_t *wanted, const struct dkim_verdict *v) {
    size_t i;
    json_t *one;
    json_array_foreach(wanted, i, one) if (i >= v->count || !is_word(one, v->list[i].result)) return false;
    return json_array_size(wanted) == v->count;
}

static bool is_wanted(const json_t *test, const struct dkim_verdict *v) {
    const json_t *each = json_object_get(test, "expect_per_signature"),
                 *all = json_object_get(test, "expect");
    if (each)
        return is_each(each, v);
    if (json_is_true(json_object_get(test, "per_signature")))
        return is_each(all, v);
    return all ? is_one_of(all, v->result) : is_word(json_object_get(test, "expected"), v->result);
}

static void tell(const json_t *test, const struct dkim_verdict *v) {
    printf("%s (%s): %.*s", json_string_value(json_object_get(test, "file")),
           json_string_value(json_object_get(test, "note")), VIEW_ARG(words_at(DKIM_WORDS, v->result)));
    for (size_t i = 0; i < v->count; i++)
        printf("; %.*s %s", VIEW_ARG(words_at(DKIM_WORDS, v->list[i].result)), v->list[i].why);
    printf("\n");
}

static json_t *load(const char *folder, const char *file) {
    char path[4096];
    json_error_t e;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *all = json_load_file(path, 0, &e);
    if (!all)
        printf("%s: %s\n", path, e.text);
    return all;
}

/* {"file": ..., "signatures": [[result, why], ...]} */
static void show(const json_t *test, const struct dkim_verdict *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < v->count; i++) {
        view word = words_at(DKIM_WORDS, v->list[i].result);
        json_array_append_new(list, json_pack("[s%, s]", word.ptr, word.len, v->list[i].why));
    }
    json_t *all = json_pack("{sOso}", "file", json_object_get(test, "file"), "signatures", list);
    char *text = json_dumps(all, JSON_COMPACT);
    printf("%s\n", text);
    free(text);
    json_decref(all);
}

struct counts {
    int passed, failed, excused;
};

static void judge(const json_t *test, const struct dkim_verdict *v, struct counts *n) {
    bool ok = is_wanted(test, v), contested = json_is_true(json_object_get(test, "contested"));
    n->passed += ok;
    n->excused += !ok && contested;
    n->failed += !ok && !contested;
    if (!ok && !contested)
        tell(test, v);
}

static void run(const char *folder, const json_t *zone, const json_t *test, bool results, struct counts *n) {
    char path[4096];
    struct buf text = BUF_INIT(64 << 20);
    struct err e;
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(test, "file")));
    const json_t *now = json_object_get(test, "now");
    if (!file_read(path, &text, &e)) {
        printf("%s\n", e.text);
        n->failed++;
    } else {
        struct dkim_verdict v =
            verdict_of(zone, buf_view(&text), json_is_integer(now) ? json_integer_value(now) : NOW);
        if (results)
            show(test, &v);
        else
            judge(test, &v, n);
    }
    buf_done(&text);
    arena_reset(&arena);
}

int main(int argc, char **argv) {
    bool results = argc == 3 && strcmp(argv[1], "--results") == 0;
    const char *folder = argc == 2 || results ? argv[argc - 1] : NULL;
    json_t *tests = folder ? load(folder, "manifest.json") : NULL,
           *dns = tests ? load(folder, "dns.json") : NULL;
    json_t *zone = dns ? zone_of(dns) : NULL, *test;
    struct counts n = {0};
    size_t i;
    if (!zone) {
        fprintf(stderr, "usage: dkim-suite [--results] FOLDER\n");
        return 2;
    }
    arena_init(&arena, 256 << 20);
    json_array_foreach(tests, i, test) run(folder, zone, test, results, &n);
    arena_done(&arena);
    json_decref(zone);
    json_decref(dns);
    json_decref(tests);
    if (results)
        return n.failed > 0;
    printf("%s: %d pass, %d fail, %d excused\n", strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder,
           n.passed, n.failed, n.excused);
    return n.failed == 0 && n.passed > 0 ? 0 : 1;
}
