/* cmd_member.c: postroad member add|remove|ls: who is on a list.
 *
 * All addresses are read and checked before the first is sent to the store: a mistake on line 40,000 changes
 * nothing. They travel in slices, each one transaction; a run that was stopped is run again and passes over
 * what is done. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"

enum { PAGE_ROWS = 500, SLICE = 500, MEMBERS_MAX = 2000000, LINE_MAX_BYTES = 1000, PROGRESS_EVERY = 10000 };

struct addresses {
    view *list; /* normalised, in the arena */
    size_t count, room;
};

static void add_address(struct addresses *a, view address) {
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 64;
        a->list = mem_resize(a->list, a->room, sizeof *a->list);
    }
    a->list[a->count++] = address;
}

static bool read_line(struct cli *c, view line, size_t number, struct addresses *a, struct err *e) {
    view address;
    line = view_trim(line);
    if (line.len == 0)
        return true;
    if (line.len > LINE_MAX_BYTES)
        return err_set(e, ERR_SYNTAX_ADDRESS, "nothing was changed: line %zu is too long for an address",
                       number);
    if (a->count == MEMBERS_MAX)
        return err_set(e, ERR_USAGE, "nothing was changed: more than %d addresses at once", MEMBERS_MAX);
    if (!address_normalise_text(line, &c->arena, &address, e)) {
        view shown = view_slice(line, 0, 80);
        err_prefix(e, "nothing was changed: line %zu: %.*s", number, VIEW_ARG(shown));
        return false;
    }
    add_address(a, address);
    return true;
}

static bool read_lines(struct cli *c, struct addresses *a, struct err *e) {
    FREE_AUTO char *line = NULL;
    size_t room = 0;
    bool ok = true;
    ssize_t len;
    for (size_t number = 1; ok && (len = getline(&line, &room, stdin)) >= 0; number++)
        ok = read_line(c, view_from(line, (size_t)len), number, a, e);
    if (ok && ferror(stdin))
        return err_errno(e, ERR_IO, "standard input");
    return ok;
}

/* The words behind the list; "-" alone: the lines of standard input. */
static bool read_addresses(struct cli *c, struct addresses *a, struct err *e) {
    const struct args *args = &c->args;
    if (args->count == 2 && strcmp(args->words[1], "-") == 0)
        return read_lines(c, a, e);
    for (size_t i = 1; i < args->count; i++) {
        view address;
        if (!cli_address(c, args->words[i], &address, e))
            return false;
        add_address(a, address);
    }
    return true;
}

static void show_progress(size_t done, size_t all) {
    if (all >= PROGRESS_EVERY && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%zu of %zu%s", done, all, done == all ? "\n" : "");
}

/* Adds up what the operation answers for each slice. */
static bool send_slices(struct cli *c, enum op op, view list, const struct addresses *a, int64_t *ret_changed,
                        struct err *e) {
    struct store_request r;
    store_request_init(&r, op);
    bool ok = true;
    *ret_changed = 0;
    for (size_t from = 0; ok && from < a->count; from += SLICE) {
        size_t n = a->count - from < SLICE ? a->count - from : SLICE;
        buf_reset(&r.args);
        vals_view(&r.args, list);
        vals_int(&r.args, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            vals_view(&r.args, a->list[from + i]);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        *ret_changed += vals_get_int(&v);
        if (ok)
            show_progress(from + n, a->count);
        else if (from > 0)
            err_prefix(e, "after %zu of %zu addresses (run it again to go on)", from, a->count);
    }
    store_request_done(&r);
    return ok;
}

static bool change(struct cli *c, enum op op, const char *verb, const char *rest, struct err *e) {
    struct addresses a = {.list = NULL};
    view list;
    int64_t changed;
    bool ok = cli_address(c, c->args.words[0], &list, e) && read_addresses(c, &a, e) &&
              send_slices(c, op, list, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "list", cli_json_text(list), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s%s", (long long)changed, a.count, verb,
                 changed < (int64_t)a.count ? rest : "");
    free(a.list);
    return ok;
}

bool cmd_member_add(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_ADD, "added", "; the others were members already", e);
}

bool cmd_member_remove(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_REMOVE, "removed", "; the others were no members", e);
}

bool cmd_member_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "MEMBER"}, {"since", "SINCE"}};
    view list;
    if (!cli_address(c, c->args.words[0], &list, e))
        return false;
    struct table t;
    struct store_request r;
    int64_t dest = 0, addr = 0;
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_MEMBER_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, list);
        vals_int(&r.args, dest);
        vals_int(&r.args, addr);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            dest = vals_get_int(&v);
            addr = vals_get_int(&v);
            table_text(&t, vals_get_view(&v));
            table_time(&t, vals_get_int(&v));
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
