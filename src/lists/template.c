/* template.c: see template.h. */
#include "lists/template.h"

static size_t name_len(view v) {
    size_t n = 0;
    while (n < v.len && (ascii_is_alnum(v.ptr[n]) || v.ptr[n] == '_') &&
           !(n == 0 && ascii_is_digit(v.ptr[n])))
        n++;
    return n;
}

/* v begins with a dollar sign. */
static struct template_piece variable_at(view v) {
    view behind = view_skip(v, 1);
    if (view_starts_with(behind, VIEW("$")))
        return (struct template_piece){.text = view_slice(v, 0, 2)};
    bool braces = view_starts_with(behind, VIEW("{"));
    view name = view_skip(behind, braces);
    name = view_slice(name, 0, name_len(name));
    size_t len = 1 + name.len + (braces ? 2 : 0);
    if (name.len == 0 || (braces && (len > v.len || v.ptr[len - 1] != '}')))
        return (struct template_piece){.text = view_slice(v, 0, 1)};
    return (struct template_piece){.text = view_slice(v, 0, len), .name = name};
}

bool template_next(view *rest, struct template_piece *ret) {
    if (rest->len == 0)
        return false;
    ptrdiff_t dollar = view_find(*rest, '$');
    if (dollar == 0)
        *ret = variable_at(*rest);
    else
        *ret = (struct template_piece){.text = view_slice(*rest, 0, dollar < 0 ? rest->len : (size_t)dollar)};
    *rest = view_skip(*rest, ret->text.len);
    if (view_eq(ret->text, VIEW("$$")))
        ret->text.len = 1;
    return true;
}
