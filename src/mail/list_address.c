/* list_address.c: see list_address.h. */
#include "mail/list_address.h"

static const struct {
    const char *suffix;
    enum list_part part;
} parts[] = {
    {"-owner", LIST_PART_OWNER},     {"-admin", LIST_PART_OWNER},       {"-bounces", LIST_PART_BOUNCES},
    {"-request", LIST_PART_REQUEST}, {"-join", LIST_PART_JOIN},         {"-subscribe", LIST_PART_JOIN},
    {"-leave", LIST_PART_LEAVE},     {"-unsubscribe", LIST_PART_LEAVE}, {"-confirm", LIST_PART_CONFIRM},
};

enum list_part list_part_of(view address, view *ret_list, view *ret_detail) {
    view base, detail;
    address_detail(address_split(address).local, &base, &detail);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        view suffix = view_of(parts[i].suffix);
        if (base.len <= suffix.len || !view_ends_with(base, suffix))
            continue;
        *ret_list = view_slice(base, 0, base.len - suffix.len);
        *ret_detail = detail;
        return parts[i].part;
    }
    return LIST_PART_NONE;
}

view list_part_address(view list, const char *part, struct arena *a) {
    struct address l = address_split(list);
    return arena_printf(a, "%.*s-%s@%.*s", VIEW_ARG(l.local), part, VIEW_ARG(l.domain));
}

view list_site_address(view list, struct arena *a) {
    return arena_printf(a, "postmaster@%.*s", VIEW_ARG(address_split(list).domain));
}

view list_id_of(view list, struct arena *a) {
    struct address l = address_split(list);
    return arena_printf(a, "%.*s.%.*s", VIEW_ARG(l.local), VIEW_ARG(l.domain));
}

view list_name_for_people(view list, struct arena *a) {
    char *text = arena_str(a, address_split(list).local);
    if (*text >= 'a' && *text <= 'z')
        *text = (char)(*text - 'a' + 'A');
    return view_of(text);
}
