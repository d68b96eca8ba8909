/* authres_suite.c: the cases of a folder like auth-ar of the shared suites (see its README for the form).
 * Prints what fails and how many pass; the exit status is 1 when one fails that its suite does not excuse. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/authres.h"
#include "mail/header.h"
#include "testing/suite.h"

static struct arena arena;

static view property_of(const struct authres_result *r, view path) {
    view type;
    view_split(&path, '.', &type);
    for (size_t i = 0; i < r->property_count; i++)
        if (view_eq(r->properties[i].type, type) && view_eq(r->properties[i].name, path))
            return r->properties[i].value;
    return VIEW_NULL;
}

static view number(int64_t n) {
    return arena_printf(&arena, "%lld", (long long)n);
}

/* As text; of what is not there the pointer is NULL. */
static view result_part(const struct authres *a, view path) {
    view index, what;
    int64_t i;
    view_split(&path, '.', &index);
    if (!view_to_i64(index, &i) || i < 0 || (size_t)i >= a->count)
        return VIEW_NULL;
    const struct authres_result *r = &a->results[i];
    view_split(&path, '.', &what);
    if (view_eq(what, VIEW("properties")))
        return property_of(r, path);
    if (view_eq(what, VIEW("method_version")))
        return number(r->version);
    if (view_eq(what, VIEW("reason")))
        return r->reason.len > 0 ? r->reason : VIEW_NULL;
    return view_eq(what, VIEW("method")) ? r->method : r->result;
}

static view part(const struct authres *a, view path) {
    if (view_eq(path, VIEW("authserv_id")))
        return a->id;
    if (view_eq(path, VIEW("authres_version")))
        return number(a->version);
    if (view_eq(path, VIEW("resinfo.length")))
        return number((int64_t)a->count);
    return result_part(a, view_skip(path, sizeof "resinfo." - 1));
}

static bool is_as_wanted(const struct authres *a, const json_t *wanted) {
    view got = part(a, view_of(json_string_value(json_array_get(wanted, 0))));
    const json_t *value = json_array_get(wanted, 1);
    if (json_is_null(value))
        return !got.ptr;
    if (json_is_integer(value))
        return view_eq(got, number(json_integer_value(value)));
    return got.ptr && view_eq(got, view_of(json_string_value(value)));
}

static bool is_right(const json_t *test) {
    struct authres_reading how = {.relaxed = json_is_true(json_object_get(test, "relaxed")),
                                  .utf8 = json_is_true(json_object_get(test, "allow_utf8"))};
    struct header header;
    struct authres a;
    size_t i;
    json_t *wanted;
    header_parse(view_of(json_string_value(json_object_get(test, "header"))), &arena, &header);
    bool valid = header.count == 1 && authres_parse(header.fields[0].value, &how, &arena, &a);
    if (!valid || !json_is_true(json_object_get(test, "valid")))
        return valid == json_is_true(json_object_get(test, "valid"));
    json_array_foreach(json_object_get(test, "expect"), i,
                       wanted) if (!is_as_wanted(&a, wanted)) return false;
    return true;
}

static bool passes_case(const char *folder, const json_t *all, const json_t *test) {
    (void)folder, (void)all;
    return is_right(test);
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "authres",
                                       .file = "ar-parse.json",
                                       .name = "id",
                                       .arena = &arena,
                                       .arena_bytes = 64 << 20,
                                       .passes = passes_case};
    return suite_main(argc, argv, &suite);
}
