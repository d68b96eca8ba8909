/* wrap_suite.c: the cases of a folder like tests/vectors/auth-wrap (see its README for the form). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/wrap.h"
#include "base/words.h"
#include "testing/zone.h"

enum { KEYS_MOST = 8 };

static struct arena arena;

static view text_of(const json_t *test, const char *key) {
    return zone_text(json_string_value(json_object_get(test, key)));
}

static bool wraps(const json_t *test, view *ret_got) {
    bool made = wrap_address(text_of(test, "address"), text_of(test, "domain"), text_of(test, "key"), &arena,
                             ret_got);
    return made == json_is_string(json_object_get(test, "expect")) &&
           (!made || view_eq(*ret_got, text_of(test, "expect")));
}

static bool reads(const json_t *test, view *ret_got) {
    view keys[KEYS_MOST], older;
    size_t count = 0, i;
    json_t *one;
    json_array_foreach(json_object_get(test, "keys"), i, one) if (count < KEYS_MOST) keys[count++] =
        zone_text(json_string_value(one));
    enum wrap_kind kind = wrap_read(text_of(test, "address"), keys, count, &arena, ret_got, &older);
    bool ok = view_eq(words_at("none keyed old", kind), text_of(test, "kind")) &&
              view_eq(*ret_got, text_of(test, "expect")) && view_eq(older, text_of(test, "older"));
    *ret_got = arena_printf(&arena, "%.*s %.*s %.*s", VIEW_ARG(words_at("none keyed old", kind)),
                            VIEW_ARG(*ret_got), VIEW_ARG(older));
    return ok;
}

static bool passes(const json_t *test) {
    view got = VIEW("");
    bool ok = view_eq(text_of(test, "op"), VIEW("wrap")) ? wraps(test, &got) : reads(test, &got);
    if (!ok)
        printf("%.*s (%.*s): %.*s\n", VIEW_ARG(text_of(test, "id")), VIEW_ARG(text_of(test, "note")),
               VIEW_ARG(got));
    return ok;
}

int main(int argc, char **argv) {
    char path[4096];
    json_error_t e;
    json_t *all, *test;
    int passed = 0, failed = 0, excused = 0;
    size_t i;
    snprintf(path, sizeof path, "%s/cases.json", argc == 2 ? argv[1] : ".");
    all = argc == 2 ? json_load_file(path, 0, &e) : NULL;
    if (!all) {
        fprintf(stderr, "usage: wrap-suite FOLDER\n");
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
