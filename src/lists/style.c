/* style.c: see style.h. */
#include "lists/style.h"

#include "store/list_setting.h"

const struct list_style list_styles[] = {
#define STYLE(name, description, archive, class, settings) {name, description, archive, class, settings},
#include "lists/style.def"
#undef STYLE
};
const size_t list_style_count = sizeof list_styles / sizeof list_styles[0];

const struct list_style *list_style_find(view name) {
    for (size_t i = 0; i < list_style_count; i++)
        if (view_eq(name, view_of(list_styles[i].name)))
            return &list_styles[i];
    return NULL;
}

static void add(struct buf *args, view name, view value) {
    vals_view(args, name);
    vals_int(args, SETTING_REPLACE);
    vals_view(args, value);
}

void list_style_add(const struct list_style *style, view address, struct arena *a, struct buf *args) {
    enum { OF_EVERY_STYLE = 4 };
    view called = list_name_for_people(address, a), rest = view_of(style->settings), name, value;
    int64_t count = OF_EVERY_STYLE;
    for (view left = rest; view_split(&left, ' ', &value);)
        count++;
    vals_int(args, count);
    add(args, VIEW("display_name"), called);
    add(args, VIEW("subject_prefix"), arena_printf(a, "[%.*s] ", VIEW_ARG(called)));
    add(args, VIEW("send_welcome_message"), VIEW("true"));
    add(args, VIEW("send_goodbye_message"), VIEW("true"));
    while (view_split(&rest, ' ', &value)) {
        view_split(&value, '=', &name);
        add(args, name, value);
    }
}
