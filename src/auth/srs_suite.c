/* srs_suite.c: the cases of a folder like auth-srs of the shared suites (see its README for the form). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/srs.h"
#include "testing/suite.h"
#include "testing/zone.h"

static struct arena arena;

static struct srs_keys keys_of(const json_t *test) {
    struct srs_keys keys = {.count = 0};
    json_t *one;
    size_t i;
    if (json_object_get(test, "secret"))
        keys.list[keys.count++] = suite_text(test, "secret");
    json_array_foreach(json_object_get(test, "secrets"), i, one) keys.list[keys.count++] =
        zone_text(json_string_value(one));
    return keys;
}

static bool passes(const char *folder, const json_t *all, const json_t *test) {
    (void)folder, (void)all;
    struct srs_keys keys = keys_of(test);
    const json_t *expect = json_object_get(test, "expect");
    view address = suite_text(test, "address"), got = VIEW("");
    int64_t now_s = json_integer_value(json_object_get(test, "time"));
    bool made =
        view_eq(suite_text(test, "op"), VIEW("forward"))
            ? srs_forward(address, suite_text(test, "forwarder"), &keys, now_s, &arena, &got)
            : srs_reverse(address, &keys, now_s,
                          (int)json_integer_value(json_object_get(test, "max_age_days")), &arena, &got);
    if (made == json_is_string(expect) && (!made || view_eq(got, zone_text(json_string_value(expect)))))
        return true;
    printf("%.*s (%.*s): %.*s\n", VIEW_ARG(address), VIEW_ARG(suite_text(test, "note")),
           VIEW_ARG(made ? got : VIEW("none")));
    return false;
}

int main(int argc, char **argv) {
    static const struct suite suite = {
        .runner = "srs", .file = "srs.json", .arena = &arena, .arena_bytes = 1 << 20, .passes = passes};
    return suite_main(argc, argv, &suite);
}
