/* suite.c: see suite.h. */
#include "testing/suite.h"

#include <stdio.h>
#include <string.h>

view suite_text(const json_t *test, const char *key) {
    const char *text = json_string_value(json_object_get(test, key));
    return text ? view_of(text) : VIEW("");
}

/* The key is there, with a reason or just true. */
static bool is_contested(const json_t *test) {
    const json_t *said = json_object_get(test, "contested");
    return said && !json_is_false(said) && !json_is_null(said);
}

static json_t *load(const char *folder, const char *file) {
    char path[4096];
    json_error_t e;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!all)
        fprintf(stderr, "%s: %s\n", path, e.text);
    return all;
}

int suite_main(int argc, char **argv, const struct suite *s) {
    int passed = 0, failed = 0, excused = 0;
    json_t *all = argc == 2 ? load(argv[1], s->file) : NULL, *test;
    size_t i;
    if (!all) {
        fprintf(stderr, "usage: %s-suite FOLDER, with its %s\n", s->runner, s->file);
        return 2;
    }
    arena_init(s->arena, s->arena_bytes);
    json_array_foreach(s->member ? json_object_get(all, s->member) : all, i, test) {
        bool ok = s->passes(argv[1], all, test), contested = is_contested(test);
        passed += ok;
        excused += !ok && contested;
        failed += !ok && !contested;
        if (!ok && s->name)
            printf("%.*s%s\n", VIEW_ARG(suite_text(test, s->name)), contested ? " (contested)" : "");
        arena_reset(s->arena);
    }
    arena_done(s->arena);
    json_decref(all);
    const char *slash = strrchr(argv[1], '/');
    printf("%s: %d pass, %d fail, %d excused\n", slash ? slash + 1 : argv[1], passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}
