/* cmd_alias_import.c: postroad alias import: one source's aliases replaced by those of a file.
 *
 * The whole file is read and checked against the rules before the store is told anything. Then the import
 * begins (from now on this one has the source), reads what is there, shows the difference, stages it slice by
 * slice, unseen, and publishes: everybody sees the old set or the new one. Stopped at any point it has
 * changed nothing that is seen, and is simply run again. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "cli/alias.h"
#include "routing/alias_set.h"

enum { FILE_BYTES = 512 * 1024 * 1024, PAGE_ROWS = 2000, EXAMPLES = 5, NOTE_BYTES = 80 };

struct import {
    struct cli *cli;
    view source, who, note;
    const char *file;
    bool dry_run;
    struct buf text;
    struct alias_entries wanted, others;
    struct alias_had *had;
    size_t had_count, had_room;
    struct alias_names domains, lists;
    int64_t number, live; /* of this import; the version that is seen */
    struct alias_diff diff;
};

/* ---- what is given ---- */

static bool check_source(view source, struct err *e) {
    bool ok = source.len > 0 && source.len <= LIMIT_ALIAS_WORD;
    for (size_t i = 0; i < source.len && ok; i++)
        ok = ascii_is_alnum(source.ptr[i]) || (i > 0 && view_find(VIEW("._-"), source.ptr[i]) >= 0);
    if (!ok)
        return err_set(e, ERR_USAGE, "a source has a name of at most %d letters, digits, '.', '_' and '-'",
                       LIMIT_ALIAS_WORD);
    return !view_eq(source, VIEW(ALIAS_MANUAL)) ||
           err_set(e, ERR_USAGE, "the source " ALIAS_MANUAL " is what alias set makes: choose another name");
}

static bool read_given(struct import *i, struct err *e) {
    struct cli *c = i->cli;
    i->source = view_of(c->args.words[0]);
    i->file = c->args.words[1];
    i->dry_run = args_has(&c->args, "--dry-run");
    const char *name = strrchr(i->file, '/');
    view shown = view_slice(view_of(name ? name + 1 : i->file), 0, NOTE_BYTES);
    i->note = arena_printf(&c->arena, "import of %.*s", VIEW_ARG(shown));
    if (!check_source(i->source, e) || !cli_who(c, &i->who, e) || !import_read(i->file, &i->text, e))
        return false;
    if (!alias_file_parse(buf_view(&i->text), &c->arena, &i->wanted, e))
        return err_prefix(e, "nothing was changed: %.60s", i->file);
    alias_entries_sort(&i->wanted);
    return true;
}

/* ---- what is there ---- */

/* All names that an operation pages through; `extra` numbers follow each. */
static bool read_names(struct cli *c, enum op op, int extra, struct alias_names *ret, struct err *e) {
    struct store_request r;
    view *list = NULL, after = VIEW("");
    size_t count = 0, room = 0;
    bool ok = true, more = true;
    store_request_init(&r, op);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, after);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(arena_view(&c->arena, buf_view(&r.out)));
        size_t before = count;
        while (ok && vals_more(&v)) {
            if (count == room)
                list = mem_resize(list, room = room ? 2 * room : 64, sizeof *list);
            list[count++] = after = vals_get_view(&v);
            for (int k = 0; k < extra; k++)
                vals_get_int(&v);
        }
        more = count - before == PAGE_ROWS;
    }
    store_request_done(&r);
    *ret = (struct alias_names){list, count};
    return ok;
}

static void add_had(struct import *i, const struct alias_entry *entry, int64_t first, int64_t ended) {
    unsigned state = first > i->live ? HAS_STAGED : ended == i->live + 1 ? HAS_LIVE | HAS_END : HAS_LIVE;
    if (i->had_count > 0 && alias_entry_cmp(&i->had[i->had_count - 1].entry, entry) == 0) {
        i->had[i->had_count - 1].state |= state;
        return;
    }
    if (i->had_count == i->had_room) {
        i->had_room = i->had_room ? 2 * i->had_room : 256;
        i->had = mem_resize(i->had, i->had_room, sizeof *i->had);
    }
    i->had[i->had_count++] = (struct alias_had){*entry, state};
}

static bool read_page(struct import *i, struct store_request *r, struct buf *cursor) {
    struct vals v = vals_of(arena_view(&i->cli->arena, buf_view(&r->out)));
    while (vals_get_int(&v) == 1) {
        struct alias_entry entry = {.address = vals_get_view(&v)};
        bool is_own = view_eq(vals_get_view(&v), i->source);
        entry.target = vals_get_view(&v);
        int64_t first = vals_get_int(&v), ended = vals_get_int(&v);
        if (is_own)
            add_had(i, &entry, first, ended);
        else
            alias_entries_add(&i->others, &entry);
    }
    return alias_page_end(&v, cursor);
}

static bool read_entries(struct import *i, struct err *e) {
    struct store_request r;
    struct buf cursor = BUF_INIT(LIMIT_STORE_PACKET);
    bool ok = true, more = true;
    store_request_init(&r, OP_ALIAS_LS);
    while (ok && more) {
        alias_page_args(&r.args, i->source, ALIAS_IMPORT, &cursor);
        ok = cli_call(i->cli, &r, e);
        more = ok && read_page(i, &r, &cursor);
    }
    buf_done(&cursor);
    store_request_done(&r);
    alias_entries_sort(&i->others);
    return ok && (!i->cli->arena.failed || err_set(e, ERR_LIMIT, "too many aliases for one import"));
}

/* A dry run has no part in the source: it only looks. */
static bool find_live(struct import *i, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_ALIAS_SOURCES);
    bool ok = cli_call(i->cli, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    while (ok && vals_more(&v)) {
        view name = vals_get_view(&v);
        int64_t live = vals_get_int(&v);
        if (view_eq(name, i->source))
            i->live = live;
        vals_get_int(&v), vals_get_view(&v), vals_get_view(&v), vals_get_int(&v), vals_get_int(&v);
    }
    store_request_done(&r);
    return ok;
}

static bool begin(struct import *i, struct err *e) {
    struct store_request r;
    if (i->dry_run)
        return find_live(i, e);
    i->number = id_new();
    store_request_init(&r, OP_ALIAS_BEGIN);
    vals_view(&r.args, i->source);
    vals_int(&r.args, i->number);
    bool ok = cli_call(i->cli, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    i->live = vals_get_int(&v);
    store_request_done(&r);
    return ok;
}

/* Everything that is read and checked before anything is written. */
static bool compare(struct import *i, struct err *e) {
    struct cli *c = i->cli;
    if (!begin(i, e) || !read_names(c, OP_DOMAIN_LS, 1, &i->domains, e) ||
        !read_names(c, OP_LIST_NAMES, 0, &i->lists, e) || !read_entries(i, e))
        return false;
    if (!alias_set_check(&i->wanted, &i->others, &i->domains, &i->lists, e))
        return err_prefix(e, "nothing was changed: %.60s", i->file);
    alias_diff(i->had, i->had_count, &i->wanted, &i->diff);
    return true;
}

/* ---- what is done ---- */

static int by_key(const void *a, const void *b) {
    return alias_entry_cmp(a, b);
}

static bool wanted_has(const struct import *i, const struct alias_entry *entry) {
    return i->wanted.count > 0 &&
           bsearch(entry, i->wanted.list, i->wanted.count, sizeof *entry, by_key) != NULL;
}

/* An entry is the first member of what was there. */
static bool had_has(const struct import *i, const struct alias_entry *entry) {
    const struct alias_had *found =
        i->had_count > 0 ? bsearch(entry, i->had, i->had_count, sizeof *i->had, by_key) : NULL;
    return found && found->state & HAS_LIVE;
}

static void show_examples(struct import *i) {
    size_t shown = 0;
    for (size_t k = 0; k < i->had_count && shown < EXAMPLES && i->diff.removed > 0; k++)
        if (i->had[k].state & HAS_LIVE && !wanted_has(i, &i->had[k].entry)) {
            cli_print(i->cli, "  - %.*s: %.*s\n", VIEW_ARG(i->had[k].entry.address),
                      VIEW_ARG(i->had[k].entry.target));
            shown++;
        }
    if (i->diff.removed > shown)
        cli_print(i->cli, "  - ... %zu more\n", i->diff.removed - shown);
    shown = 0;
    for (size_t k = 0; k < i->wanted.count && shown < EXAMPLES && i->diff.added > 0; k++)
        if (!had_has(i, &i->wanted.list[k])) {
            cli_print(i->cli, "  + %.*s: %.*s\n", VIEW_ARG(i->wanted.list[k].address),
                      VIEW_ARG(i->wanted.list[k].target));
            shown++;
        }
    if (i->diff.added > shown)
        cli_print(i->cli, "  + ... %zu more\n", i->diff.added - shown);
}

static void show_difference(struct import *i) {
    if (i->cli->json)
        return;
    cli_print(i->cli, "source %.*s: +%zu -%zu, %zu stay\n", VIEW_ARG(i->source), i->diff.added,
              i->diff.removed, i->diff.same);
    show_examples(i);
}

/* The changes from `from` on that fit one slice. Returns how many. */
static size_t slice_args(const struct import *i, size_t from, struct buf *args) {
    struct buf entries = BUF_INIT(LIMIT_STORE_PACKET);
    size_t n = 0;
    for (; from + n < i->diff.count && n < LIMIT_ALIAS_SLICE && entries.len < LIMIT_STORE_PACKET / 2; n++) {
        const struct alias_change *change = &i->diff.changes[from + n];
        vals_int(&entries, change->action);
        vals_view(&entries, change->entry->address);
        vals_view(&entries, change->entry->target);
    }
    buf_reset(args);
    vals_view(args, i->source);
    vals_int(args, i->number);
    vals_int(args, i->live);
    vals_int(args, (int64_t)n);
    buf_add(args, buf_view(&entries));
    buf_done(&entries);
    return n;
}

static bool stage(struct import *i, struct err *e) {
    struct store_request r;
    bool ok = true;
    store_request_init(&r, OP_ALIAS_STAGE);
    for (size_t at = 0; ok && at < i->diff.count;) {
        at += slice_args(i, at, &r.args);
        ok = cli_call(i->cli, &r, e);
    }
    store_request_done(&r);
    return ok;
}

static bool publish(struct import *i, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_ALIAS_PUBLISH);
    vals_view(&r.args, i->source);
    vals_int(&r.args, i->number);
    vals_int(&r.args, i->live);
    vals_view(&r.args, i->who);
    vals_view(&r.args, i->note);
    vals_int(&r.args, (int64_t)i->diff.added);
    vals_int(&r.args, (int64_t)i->diff.removed);
    bool ok = cli_call(i->cli, &r, e);
    store_request_done(&r);
    return ok;
}

static void show_done(struct import *i, bool changed) {
    json_t *object =
        json_pack("{sosIsIsIsIsb}", "source", cli_json_text(i->source), "added", (json_int_t)i->diff.added,
                  "removed", (json_int_t)i->diff.removed, "same", (json_int_t)i->diff.same, "version",
                  (json_int_t)(i->live + changed), "changed", changed);
    cli_done(i->cli, object, "%s",
             changed      ? "done: the new set is what is seen"
             : i->dry_run ? "a dry run: nothing was changed"
                          : "nothing to change");
}

static bool run(struct import *i, struct err *e) {
    if (!read_given(i, e) || !compare(i, e))
        return false;
    show_difference(i);
    bool differs = i->diff.added + i->diff.removed > 0;
    if (differs && !import_check_loss(i->cli, i->diff.live, i->diff.removed, "aliases of the source", e))
        return false;
    bool goes_on = differs && !i->dry_run;
    if (goes_on && (!import_ask(i->cli, i->file, e) || !stage(i, e) || !publish(i, e)))
        return false;
    show_done(i, goes_on);
    return true;
}

bool cmd_alias_import(struct cli *c, struct err *e) {
    struct import i = {.cli = c, .text = BUF_INIT(FILE_BYTES)};
    bool ok = run(&i, e);
    alias_diff_done(&i.diff);
    alias_entries_done(&i.wanted);
    alias_entries_done(&i.others);
    free(i.had);
    free(i.domains.list);
    free(i.lists.list);
    buf_done(&i.text);
    return ok;
}
