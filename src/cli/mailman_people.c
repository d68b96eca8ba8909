/* mailman_people.c: people as files and options name them: an address, "Name <address>" or "address (Name)".
 */
#include <string.h>

#include "base/mem.h"
#include "cli/addresses.h"
#include "cli/mailman.h"
#include "mail/address.h"
#include "mail/text.h"

enum { FILE_BYTES = 256 * 1024 * 1024, PEOPLE_MAX = 2000000 };

/* Without the quotes and backslashes of a quoted string. */
static view unquote(struct cli *c, view name) {
    name = view_trim(name);
    if (name.len < 2 || name.ptr[0] != '"' || name.ptr[name.len - 1] != '"')
        return name;
    struct buf plain = BUF_INIT(name.len);
    for (size_t i = 1; i + 1 < name.len; i++) {
        if (name.ptr[i] == '\\' && i + 2 < name.len)
            i++;
        buf_add_char(&plain, name.ptr[i]);
    }
    name = arena_view(&c->arena, buf_view(&plain));
    buf_done(&plain);
    return name;
}

/* Cuts the text into name and address. False: it is neither form. */
static bool cut(view text, view *ret_name, view *ret_address) {
    ptrdiff_t open = view_rfind(text, '<'), comment = view_find(text, '(');
    *ret_name = VIEW("");
    *ret_address = text;
    if (open >= 0) {
        *ret_name = view_slice(text, 0, (size_t)open);
        view rest = view_skip(text, (size_t)open + 1);
        ptrdiff_t close = view_find(rest, '>');
        *ret_address = view_slice(rest, 0, close < 0 ? 0 : (size_t)close);
        return close >= 0 && view_trim(view_skip(rest, (size_t)close + 1)).len == 0;
    }
    if (comment > 0 && view_ends_with(text, VIEW(")"))) {
        *ret_name = view_slice(text, (size_t)comment + 1, text.len - (size_t)comment - 2);
        *ret_address = view_slice(text, 0, (size_t)comment);
    }
    return true;
}

void mailman_person(struct cli *c, view text, struct mailman_person *ret) {
    struct err ignored;
    view name, address;
    *ret = (struct mailman_person){.text = view_trim(text)};
    if (!cut(ret->text, &name, &address))
        return;
    address = view_trim(address);
    name = unquote(c, name);
    if (!text_is_printable(name) || name.len > LIMIT_ALIAS_WORD ||
        !address_normalise_text(address, &c->arena, &ret->address, &ignored)) {
        ret->address = VIEW("");
        return;
    }
    ret->original = address;
    ret->name = name;
}

bool mailman_register(struct cli *c, const struct mailman_person *p, view who, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_USER_ADD);
    vals_view(&r.args, who);
    vals_view(&r.args, p->address);
    vals_view(&r.args, p->original);
    vals_view(&r.args, p->name);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

static bool has_special(view name) {
    for (size_t i = 0; i < name.len; i++)
        if (strchr("[]\\()<>@,:;\".", name.ptr[i]))
            return true;
    return false;
}

view mailman_person_text(struct cli *c, view name, view address) {
    struct buf text = BUF_INIT(2 * name.len + address.len + 8);
    const char *quote = has_special(name) ? "\"" : "";
    buf_add_str(&text, quote);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            buf_add_char(&text, '\\');
        buf_add_char(&text, name.ptr[i]);
    }
    buf_add_str(&text, quote);
    buf_printf(&text, name.len > 0 ? " <%.*s>" : "%.*s", VIEW_ARG(address));
    view all = arena_view(&c->arena, buf_view(&text));
    buf_done(&text);
    return all;
}

void mailman_people_add(struct cli *c, view text, struct mailman_people *people) {
    if (people->count == people->room) {
        people->room = people->room ? 2 * people->room : 64;
        people->rows = mem_resize(people->rows, people->room, sizeof *people->rows);
    }
    mailman_person(c, text, &people->rows[people->count++]);
}

bool mailman_people_read(struct cli *c, const char *file, struct mailman_people *people, struct err *e) {
    struct buf text = BUF_INIT(FILE_BYTES);
    bool ok = import_read(file, &text, e);
    view rest = arena_view(&c->arena, buf_view(&text)), line;
    buf_done(&text);
    while (ok && view_split(&rest, '\n', &line)) {
        if (view_starts_with(line, VIEW("#")) || view_trim(line).len == 0)
            continue;
        if (people->count == PEOPLE_MAX)
            return err_set(e, ERR_USAGE, "More than %d addresses.", PEOPLE_MAX);
        mailman_people_add(c, line, people);
    }
    return ok;
}
