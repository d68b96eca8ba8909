/* cmd_archive.c: postroad archive ls|cat: posts in a list's archive files. Only files are read: it works for
 * a list that was deleted, and while nothing runs. */
#include "cli/cli.h"

#include <stdlib.h>

#include "archive/folder.h"
#include "base/file.h"
#include "base/mem.h"

enum { POST_BYTES = 1 << 30 };

/* The folder of the list, public or private. Caller frees; NULL: there is none. */
static char *find_folder(struct cli *c, view *ret_list, struct err *e) {
    if (!cli_config(c, e) || !cli_address(c, c->args.words[0], ret_list, e))
        return NULL;
    FREE_AUTO char *archive = config_path(c->config, "data/archive");
    for (int i = 0; i < 2; i++) {
        char *path = folder_path(archive, *ret_list, i == 0);
        if (file_exists(path))
            return path;
        free(path);
    }
    err_set(e, ERR_NOT_FOUND, "there are no archive files of %.*s", VIEW_ARG(*ret_list));
    return NULL;
}

static const char *op_name(enum journal_op op) {
    switch (op) {
    case JOURNAL_ADD:
        return "add";
    case JOURNAL_HIDE:
        return "hide";
    case JOURNAL_UNHIDE:
        return "unhide";
    case JOURNAL_MOVE:
        return "move";
    }
    return "unknown";
}

static bool show_line(const struct journal_line *l, const char *month, void *ctx, struct err *e) {
    struct table *t = ctx;
    struct buf sha256 = BUF_INIT(2 * sizeof l->sha256);
    for (size_t i = 0; i < sizeof l->sha256; i++)
        buf_printf(&sha256, "%02x", (unsigned)l->sha256[i]);
    table_int(t, l->uid);
    table_text(t, view_of(op_name(l->op)));
    table_time(t, l->date_ms);
    table_text(t, view_of(month));
    table_int(t, l->offset);
    table_int(t, l->length);
    table_int(t, l->generation);
    table_text(t, buf_view(&sha256));
    table_text(t, l->reason);
    buf_done(&sha256);
    return t->cli->out_err.code == ERR_OK || cli_flush(t->cli, e);
}

bool cmd_archive_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"uid", "UID"},       {"op", "OP"},         {"date", "DATE"},
        {"month", "MONTH"},   {"offset", "OFFSET"}, {"length", "LENGTH"},
        {"generation", NULL}, {"sha256", NULL},     {"reason", "REASON"},
    };
    view list;
    FREE_AUTO char *path = find_folder(c, &list, e);
    if (!path)
        return false;
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    bool ok = folder_walk(path, show_line, &t, e);
    return table_close(&t, ok ? e : NULL) && ok;
}

bool cmd_archive_cat(struct cli *c, struct err *e) {
    view list;
    int64_t uid;
    if (!view_to_i64(view_of(c->args.words[1]), &uid) || uid <= 0)
        return err_set(e, ERR_USAGE, "%.60s is not a UID (archive ls shows them)", c->args.words[1]);
    FREE_AUTO char *path = find_folder(c, &list, e);
    if (!path)
        return false;
    struct buf post = BUF_INIT(POST_BYTES);
    bool ok = folder_read(path, uid, &post, e);
    if (ok && c->json) {
        json_t *object = json_pack("{sosI}", "list", cli_json_text(list), "uid", (json_int_t)uid);
        cli_json_bytes(object, buf_view(&post));
        cli_json(c, object);
    } else if (ok) {
        cli_write(c, buf_view(&post));
    }
    buf_done(&post);
    return ok;
}
