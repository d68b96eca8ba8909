/* srs_suite.c: the cases of a folder like auth-srs of the shared suites (see its README for the form). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/srs.h"
#include "testing/zone.h"

static struct arena arena;

static view text_of(const json_t *test, const char *key) {
    return zone_text(json_string_value(json_object_get(test, key)));
}

static struct srs_keys keys_of(const json_t *test) {
    struct srs_keys keys = {.count = 0};
    json_t *one;
    size_t i;
    if (json_object_get(test, "secret"))
        keys.list[keys.count++] = text_of(test, "secret");
    json_array_foreach(json_object_get(test, "secrets"), i, one) keys.list[keys.count++] =
        zone_text(json_string_value(one));
    return keys;
}

static bool passes(const json_t *test) {
    struct srs_keys keys = keys_of(test);
    const json_t *expect = json_object_get(test, "expect");
    view address = text_of(test, "address"), got = VIEW("");
    int64_t now_s = json_integer_value(json_object_get(test, "time"));
    bool made =
        view_eq(text_of(test, "op"), VIEW("forward"))
            ? srs_forward(address, text_of(test, "forwarder"), &keys, now_s, &arena, &got)
            : srs_reverse(address, &keys, now_s,
                          (int)json_integer_value(json_object_get(test, "max_age_days")), &arena, &got);
    if (made == json_is_string(expect) && (!made || view_eq(got, zone_text(json_string_value(expect)))))
        return true;
    printf("%.*s (%.*s): %.*s\n", VIEW_ARG(address), VIEW_ARG(text_of(test, "note")),
           VIEW_ARG(made ? got : VIEW("none")));
    return false;
}

int main(int argc, char **argv) {
    char path[4096];
    json_error_t e;
    json_t *all, *test;
    int passed = 0, failed = 0, excused = 0;
    size_t i;
    snprintf(path, sizeof path, "%s/srs.json", argc == 2 ? argv[1] : ".");
    all = argc == 2 ? json_load_file(path, 0, &e) : NULL;
    if (!all) {
        fprintf(stderr, "usage: srs-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 1 << 20);
    json_array_foreach(all, i, test) {
        bool ok = passes(test), contested = json_is_true(json_object_get(test, "contested"));
        passed += ok;
        excused += !ok && contested;
        failed += !ok && !contested;
        arena_reset(&arena);
    }
    arena_done(&arena);
    json_decref(all);
    printf("%s: %d pass, %d fail, %d excused\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
           passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}
