/* cmd_list.c: postroad list create|show|ls|delete: mailing lists. */
#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

#include "lists/style.h"
#include "mail/text.h"
#include "store/class.h"

enum { TITLE_BYTES = 200 };

static bool check_title(view title, struct err *e) {
    if (title.len > TITLE_BYTES)
        return err_set(e, ERR_USAGE, "the title is longer than %d bytes", TITLE_BYTES);
    return text_is_printable(title) || err_set(e, ERR_USAGE, "the title is not one line of UTF-8 text");
}

static bool check_archive(const char *archive, struct err *e) {
    return strcmp(archive, "public") == 0 || strcmp(archive, "private") == 0 ||
           strcmp(archive, "none") == 0 ||
           err_set(e, ERR_USAGE, "--archive %.60s: public, private or none is wanted", archive);
}

static bool parse_class(const char *name, enum mail_class *ret_class, struct err *e) {
    if (!name)
        return true;
    bool ok = class_parse(view_of(name), ret_class) &&
              (*ret_class == CLASS_LIST || *ret_class == CLASS_ANNOUNCEMENT);
    return ok || err_set(e, ERR_USAGE, "--class %.60s: list or announcement is wanted", name);
}

/* What --style says: archive, class, and settings of the list's own; without it none. */
static bool find_style(const char *name, const struct list_style **ret, struct err *e) {
    char names[200] = "";
    *ret = name ? list_style_find(view_of(name)) : NULL;
    for (size_t i = 0; i < list_style_count; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "",
                 list_styles[i].name);
    return !name || *ret || err_set(e, ERR_USAGE, "--style %.60s: one of these is wanted: %s", name, names);
}

struct new_list {
    view address, title, owner, who;
    const char *archive;
    enum mail_class class;
    const struct list_style *style;
};

static bool read_new_list(struct cli *c, struct new_list *ret, struct err *e) {
    const char *owner = args_get(&c->args, "--owner"), *archive = args_get(&c->args, "--archive");
    *ret = (struct new_list){.title = view_of(args_get(&c->args, "--title")), .owner = VIEW("")};
    if (!find_style(args_get(&c->args, "--style"), &ret->style, e))
        return false;
    ret->archive = archive ? archive : ret->style ? ret->style->archive : "public";
    ret->class = ret->style ? ret->style->class : CLASS_LIST;
    return cli_address(c, c->args.words[0], &ret->address, e) && check_title(ret->title, e) &&
           check_archive(ret->archive, e) && parse_class(args_get(&c->args, "--class"), &ret->class, e) &&
           (!owner || cli_address(c, owner, &ret->owner, e)) && cli_who(c, &ret->who, e);
}

bool cmd_list_create(struct cli *c, struct err *e) {
    struct new_list list;
    if (!read_new_list(c, &list, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_LIST_CREATE);
    vals_view(&r.args, list.address);
    vals_view(&r.args, list.title);
    vals_view(&r.args, list.owner);
    vals_view(&r.args, view_of(list.archive));
    vals_int(&r.args, list.class);
    vals_view(&r.args, list.who);
    if (list.style)
        list_style_add(list.style, list.address, &c->arena, &r.args);
    else
        vals_int(&r.args, 0);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{soss}", "address", cli_json_text(list.address), "archive", list.archive),
                 "list %.*s made: add members with member add %.*s ADDRESS...", VIEW_ARG(list.address),
                 VIEW_ARG(list.address));
    return ok;
}

static const struct column columns[] = {
    {"address", "LIST"},    {"title", "TITLE"},     {"owner", "OWNER"}, {"archive", "ARCHIVE"},
    {"created", "CREATED"}, {"members", "MEMBERS"}, {"posts", "POSTS"}, {"class", "CLASS"},
};

static void show_fields(struct table *t, view address, struct vals *v) {
    table_text(t, address);
    for (int i = 0; i < 3; i++)
        table_text(t, vals_get_view(v));
    table_time(t, vals_get_int(v));
    table_int(t, vals_get_int(v));
    table_int(t, vals_get_int(v));
    table_text(t, view_of(class_name((enum mail_class)vals_get_int(v))));
}

static void show_row(struct pages *p, struct table *t, struct vals *v) {
    view address = vals_get_view(v);
    pages_after(p, address);
    show_fields(t, address, v);
}

bool cmd_list_show(struct cli *c, struct err *e) {
    view address;
    if (!cli_address(c, c->args.words[0], &address, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_LIST_LS);
    vals_view(&r.args, address);
    vals_view(&r.args, VIEW(""));
    vals_int(&r.args, 1);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok && !vals_more(&v))
        ok = err_set(e, ERR_NOT_FOUND, "no list %.*s here; list ls shows them all", VIEW_ARG(address));
    if (ok) {
        struct table t;
        table_open_single(&t, c, columns, COUNT_OF(columns));
        show_fields(&t, vals_get_view(&v), &v);
        ok = table_close(&t, e);
    }
    store_request_done(&r);
    return ok;
}

static void ask_lists(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    pages_ask_after(p, args);
}

bool cmd_list_ls(struct cli *c, struct err *e) {
    struct pages p = {.op = OP_LIST_LS, .ask = ask_lists, .row = show_row};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}

/* The store deletes slice by slice, so that no transaction lasts; stopped half-way, it is simply run again.
 */
bool cmd_list_delete(struct cli *c, struct err *e) {
    view address, who;
    if (!cli_address(c, c->args.words[0], &address, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_LIST_DELETE);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    bool ok = true, done = false;
    int64_t members = 0;
    while (ok && !done) {
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        members += vals_get_int(&v);
        done = ok && vals_get_int(&v) != 0;
    }
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sosI}", "address", cli_json_text(address), "members", (json_int_t)members),
                 "list %.*s deleted, with %lld memberships; its archive files stay", VIEW_ARG(address),
                 (long long)members);
    return ok;
}
