/* spf_suite.c: the cases of a folder like auth-spf of the shared suites (see its README for the form). Prints
 * what fails and how many pass; the exit status is 1 when one fails that its suite does not excuse.
 * With --results nothing is judged: a line of JSON for each case says what came out (for scripts/differ). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/spf.h"
#include "base/words.h"
#include "testing/zone.h"

static struct arena arena;
static int passed, failed, excused;
static bool results;

static struct spf_verdict verdict_of(const json_t *zone, const struct spf_query *q) {
    struct answers answers;
    struct spf_verdict v;
    answers_init(&answers, &arena);
    do {
        zone_answer(zone, &answers);
        spf_check(q, &answers, &v);
    } while (v.result == SPF_WAITS);
    return v;
}

static bool is_wanted(const json_t *wanted, view word) {
    size_t i;
    json_t *one;
    if (json_is_string(wanted))
        return view_eq(word, view_of(json_string_value(wanted)));
    json_array_foreach(wanted, i, one) if (view_eq(word, view_of(json_string_value(one)))) return true;
    return false;
}

static void report(bool ok, const char *file, const char *name, const struct spf_verdict *v,
                   const json_t *wanted) {
    passed += ok;
    failed += !ok;
    if (ok)
        return;
    char *text = json_dumps(wanted, JSON_ENCODE_ANY);
    printf("%s: %s: %.*s (%s) \"%.*s\", wanted %s\n", file, name, VIEW_ARG(words_at(SPF_WORDS, v->result)),
           v->why, VIEW_ARG(v->explanation), text);
    free(text);
}

/* By the suite itself: a key, two names in its README, or a mode of the library it was made for ("strict").
 */
static bool is_excused(const char *name, const json_t *test) {
    return json_object_get(test, "contested") || json_integer_value(json_object_get(test, "strict")) == 2 ||
           (json_object_get(test, "strict") && json_integer_value(json_object_get(test, "strict")) == 0) ||
           strcmp(name, "test-#double@") == 0 || strcmp(name, "test-#malformedip") == 0;
}

static bool explains(const json_t *test, const struct spf_verdict *v) {
    const char *wanted = json_string_value(json_object_get(test, "explanation"));
    if (!wanted || v->result != SPF_FAIL)
        return true;
    bool libraries =
        strcmp(wanted, "DEFAULT") == 0 || strstr(wanted, "www.openspf.org/why.html"); /* its own */
    return libraries ? v->explanation.len == 0 : view_eq(v->explanation, view_of(wanted));
}

/* {"case": ..., "result": ..., "why": ..., "explanation": ...} */
static void show(const char *name, const struct spf_verdict *v) {
    view word = words_at(SPF_WORDS, v->result);
    json_t *all = json_pack("{ss ss% ss ss%}", "case", name, "result", word.ptr, word.len, "why", v->why,
                            "explanation", v->explanation.ptr, v->explanation.len);
    char *text = json_dumps(all, JSON_COMPACT);
    printf("%s\n", text);
    free(text);
    json_decref(all);
}

static void run_scenario(const char *file, const json_t *scenario) {
    const json_t *zone = json_object_get(scenario, "zonedata");
    const char *name;
    json_t *test;
    json_object_foreach(json_object_get(scenario, "tests"), name, test) {
        arena_reset(&arena);
        if (!results && is_excused(name, test)) {
            excused++;
            continue;
        }
        struct spf_query q = {.client =
                                  zone_address(&arena, json_string_value(json_object_get(test, "host"))),
                              .helo = zone_text(json_string_value(json_object_get(test, "helo"))),
                              .sender = zone_text(json_string_value(json_object_get(test, "mailfrom"))),
                              .receiver = strcmp(file, "jspf-tests.json") == 0 ? VIEW("localdomain.foo.bar")
                                                                               : VIEW("receiver.com"),
                              .now_s = 1700000000};
        struct spf_verdict v = verdict_of(zone, &q);
        const json_t *wanted = json_object_get(test, "result");
        if (results) {
            show(name, &v);
            continue;
        }
        report(is_wanted(wanted, words_at(SPF_WORDS, v.result)) && explains(test, &v), file, name, &v,
               explains(test, &v) ? wanted : json_object_get(test, "explanation"));
    }
}

static bool run_file(const char *folder, const char *file) {
    char path[4096];
    json_error_t e;
    size_t i;
    json_t *scenario;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!all) {
        printf("%s: %s\n", path, e.text);
        return false;
    }
    int before = passed + failed, before_passed = passed, before_excused = excused;
    bool whole = json_object_get(json_array_get(all, 0), "zonedata") != NULL;
    json_array_foreach(all, i, scenario) if (whole) run_scenario(file, scenario);
    if (whole && !results)
        printf("%s: %d of %d pass, %d excused by the suite\n", file, passed - before_passed,
               passed + failed - before, excused - before_excused);
    if (!whole) /* of records of one kind its form keeps the last */
        printf("%s: %zu scenarios not run: records they need are lost in its form\n", file,
               json_array_size(all));
    json_decref(all);
    return true;
}

int main(int argc, char **argv) {
    struct dirent **names;
    results = argc == 3 && strcmp(argv[1], "--results") == 0;
    const char *folder = argc == 2 || results ? argv[argc - 1] : NULL;
    int n = folder ? scandir(folder, &names, NULL, alphasort) : -1;
    bool read = n > 0;
    if (n < 0) {
        fprintf(stderr, "usage: spf-suite [--results] FOLDER\n");
        return 2;
    }
    arena_init(&arena, 64 << 20);
    for (int i = 0; i < n; i++) {
        if (view_ends_with(view_of(names[i]->d_name), VIEW(".json")))
            read = run_file(folder, names[i]->d_name) && read;
        free(names[i]);
    }
    free(names);
    arena_done(&arena);
    if (results)
        return read ? 0 : 1;
    printf("spf: %d pass, %d fail, %d excused\n", passed, failed, excused);
    return failed == 0 && read && passed > 0 ? 0 : 1;
}
