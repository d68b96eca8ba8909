/* wrap_suite.c: the cases of a folder like tests/vectors/auth-wrap (see its README for the form). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/wrap.h"
#include "base/words.h"
#include "testing/suite.h"
#include "testing/zone.h"

enum { KEYS_MOST = 8 };

static struct arena arena;

static bool wraps(const json_t *test, view *ret_got) {
    bool made = wrap_address(suite_text(test, "address"), suite_text(test, "domain"), suite_text(test, "key"),
                             &arena, ret_got);
    return made == json_is_string(json_object_get(test, "expect")) &&
           (!made || view_eq(*ret_got, suite_text(test, "expect")));
}

static bool reads(const json_t *test, view *ret_got) {
    view keys[KEYS_MOST], older;
    size_t count = 0, i;
    json_t *one;
    json_array_foreach(json_object_get(test, "keys"), i, one) if (count < KEYS_MOST) keys[count++] =
        zone_text(json_string_value(one));
    enum wrap_kind kind = wrap_read(suite_text(test, "address"), keys, count, &arena, ret_got, &older);
    bool ok = view_eq(words_at("none keyed old", kind), suite_text(test, "kind")) &&
              view_eq(*ret_got, suite_text(test, "expect")) && view_eq(older, suite_text(test, "older"));
    *ret_got = arena_printf(&arena, "%.*s %.*s %.*s", VIEW_ARG(words_at("none keyed old", kind)),
                            VIEW_ARG(*ret_got), VIEW_ARG(older));
    return ok;
}

static bool passes(const char *folder, const json_t *all, const json_t *test) {
    (void)folder, (void)all;
    view got = VIEW("");
    bool ok = view_eq(suite_text(test, "op"), VIEW("wrap")) ? wraps(test, &got) : reads(test, &got);
    if (!ok)
        printf("%.*s (%.*s): %.*s\n", VIEW_ARG(suite_text(test, "id")), VIEW_ARG(suite_text(test, "note")),
               VIEW_ARG(got));
    return ok;
}

int main(int argc, char **argv) {
    static const struct suite suite = {
        .runner = "wrap", .file = "cases.json", .arena = &arena, .arena_bytes = 1 << 20, .passes = passes};
    return suite_main(argc, argv, &suite);
}
