/* tags.c: see tags.h. */
#include "auth/tags.h"

static bool is_name(view name) {
    for (size_t i = 0; i < name.len; i++) {
        char ch = ascii_lower(name.ptr[i]);
        if (!(ch >= 'a' && ch <= 'z') && (i == 0 || (!ascii_is_digit(ch) && ch != '_')))
            return false;
    }
    return name.len > 0;
}

/* Octets a value may have (tval): printable, and white space with folds. */
static bool is_value(view value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char ch = (unsigned char)value.ptr[i];
        if (ch == 0x7f || (ch < ' ' && !ascii_is_space((char)ch)))
            return false;
    }
    return true;
}

bool tags_parse(view text, struct tags *ret) {
    view rest = text, one;
    ret->count = 0;
    while (rest.len > 0) {
        view_split(&rest, ';', &one);
        if (view_trim(one).len == 0) { /* behind the last semicolon, or there is nothing at all */
            bool is_last = one.ptr + one.len == text.ptr + text.len;
            return is_last && (ret->count > 0 || view_trim(text).len == 0);
        }
        ptrdiff_t equals = view_find(one, '=');
        if (equals < 0 || ret->count == TAGS_MOST)
            return false;
        struct tag *t = &ret->list[ret->count];
        t->name = view_trim(view_slice(one, 0, (size_t)equals));
        t->raw = view_skip(one, (size_t)equals + 1);
        t->value = view_trim(t->raw);
        if (!is_name(t->name) || !is_value(t->value))
            return false;
        for (size_t i = 0; i < ret->count; i++)
            if (view_eq(ret->list[i].name, t->name))
                return false;
        ret->count++;
    }
    return true;
}

const struct tag *tags_find(const struct tags *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (view_eq(t->list[i].name, view_of(name)))
            return &t->list[i];
    return NULL;
}

view tags_value(const struct tags *t, const char *name) {
    const struct tag *found = tags_find(t, name);
    return found ? found->value : VIEW("");
}

view tags_squeeze(view text, struct arena *a) {
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.len; i++) { /* without branches, as most of it stays */
        char c = text.ptr[i];
        out[n] = c;
        n += c != ' ' && c != '\t' && c != '\r' && c != '\n';
    }
    return out ? view_from(out, n) : VIEW("");
}

bool tags_list_has(view list, view word) {
    view one;
    while (view_split(&list, ':', &one))
        if (view_eq_nocase(view_trim(one), word))
            return true;
    return false;
}
