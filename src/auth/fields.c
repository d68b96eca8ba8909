/* fields.c: see fields.h. */
#include "auth/fields.h"

enum { NAME_MOST = 32 };

static bool is_blank(char ch) {
    return ch == ' ' || ch == '\t';
}

static view trim(view v) {
    while (v.len > 0 && is_blank(v.ptr[0]))
        v = view_skip(v, 1);
    while (v.len > 0 && is_blank(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

bool fields_choose(const view *records, size_t count, view version, view *ret) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        view rest = trim(view_skip(records[i], version.len));
        if (!view_starts_with(records[i], version) || !view_starts_with(rest, VIEW(";")))
            continue;
        *ret = view_skip(rest, 1);
        found++;
    }
    return found == 1;
}

enum fields_state fields_next(view *rest, view *ret_name, view *ret_value) {
    view one;
    if (trim(*rest).len == 0)
        return FIELDS_END;
    view_split(rest, ';', &one);
    one = trim(one);
    ptrdiff_t equals = view_find(one, '=');
    if (equals <= 0)
        return FIELDS_MALFORMED;
    *ret_name = view_slice(one, 0, (size_t)equals);
    *ret_value = view_skip(one, (size_t)equals + 1);
    return fields_name_is_valid(*ret_name) ? FIELDS_NEXT : FIELDS_MALFORMED;
}

bool fields_name_is_valid(view name) {
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && (i == 0 || view_find(VIEW("_-."), name.ptr[i]) < 0))
            return false;
    return name.len > 0 && name.len <= NAME_MOST;
}

bool fields_value_is_valid(view value) {
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == '=' || value.ptr[i] == ';')
            return false;
    return value.len > 0;
}
