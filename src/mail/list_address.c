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
