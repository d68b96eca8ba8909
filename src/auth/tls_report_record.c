/* tls_report_record.c: where a domain wants reports about TLS (RFC 8460 3). */
#include "auth/fields.h"
#include "auth/tls_report.h"

static bool is_hex(char ch) {
    ch = ascii_lower(ch);
    return ascii_is_digit(ch) || (ch >= 'a' && ch <= 'f');
}

/* RFC 3986, as far as its characters go. ",", "!" and ";" must be encoded here. */
static bool is_uri(view uri) {
    ptrdiff_t colon = view_find(uri, ':');
    if (colon <= 0 || (size_t)colon + 1 == uri.len)
        return false;
    for (size_t i = 0; i < uri.len; i++) {
        char ch = uri.ptr[i];
        if (ch == '%' && (i + 2 >= uri.len || !is_hex(uri.ptr[i + 1]) || !is_hex(uri.ptr[i + 2])))
            return false;
        if (!ascii_is_alnum(ch) && view_find(VIEW("-._~:/?#[]@$&'()*+=%"), ch) < 0)
            return false;
    }
    return true;
}

/* Only what a report can be sent to is kept. False: one of them is malformed. */
static bool add_places(view list, view ret[TLS_REPORT_PLACES_MOST], size_t *count) {
    view one;
    if (view_ends_with(list, VIEW(",")))
        return false;
    while (view_split(&list, ',', &one)) {
        one = view_trim(one);
        if (!is_uri(one))
            return false;
        bool known =
            view_starts_with_nocase(one, VIEW("mailto:")) || view_starts_with_nocase(one, VIEW("https:"));
        if (known && *count < TLS_REPORT_PLACES_MOST)
            ret[(*count)++] = one;
    }
    return true;
}

size_t tls_report_record(const view *records, size_t count, struct arena *a,
                         view ret[TLS_REPORT_PLACES_MOST]) {
    view rest, name, value;
    size_t found = 0;
    enum fields_state state;
    (void)a; /* they are borrowed */
    if (!fields_choose(records, count, VIEW("v=TLSRPTv1"), &rest))
        return 0;
    while ((state = fields_next(&rest, &name, &value)) == FIELDS_NEXT) {
        bool where = view_eq(name, VIEW("rua"));
        if (where ? value.len == 0 || !add_places(value, ret, &found) : !fields_value_is_valid(value))
            return 0;
    }
    return state == FIELDS_END ? found : 0;
}
