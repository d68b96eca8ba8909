/* archives.c: from a command's words to archive folders, and faults to people. */
#include "cli/archives.h"

#include <stdlib.h>

#include "archive/folder.h"
#include "base/file.h"
#include "base/mem.h"

enum { FAULTS_KEPT = 10000 };

static bool visit_one(struct cli *c, view address, archive_list_visit visit, void *ctx, struct err *e) {
    FREE_AUTO char *archive = config_path(c->config, "data/archive");
    bool any = false, ok = true;
    for (int i = 0; ok && i < 2; i++) {
        FREE_AUTO char *path = folder_path(archive, address, i == 0);
        if (!file_exists(path))
            continue;
        any = true;
        ok = visit(&(struct archive_list){.path = path, .address = address, .public = i == 0}, ctx, e);
    }
    return ok && (any || err_set(e, ERR_NOT_FOUND, "there are no archive files of %.*s", VIEW_ARG(address)));
}

bool archives_visit(struct cli *c, archive_list_visit visit, void *ctx, struct err *e) {
    view address;
    if (!cli_config(c, e))
        return false;
    if (c->args.count > 0)
        return cli_address(c, c->args.words[0], &address, e) && visit_one(c, address, visit, ctx, e);
    FREE_AUTO char *archive = config_path(c->config, "data/archive");
    return archive_lists(archive, visit, ctx, e);
}

void faults_open(struct fault_list *f, struct cli *c) {
    static const struct column columns[] = {
        {"list", "LIST"}, {"file", "FILE"}, {"uid", "UID"}, {"offset", "OFFSET"}, {"fault", "WHAT IS WRONG"}};
    *f = (struct fault_list){.cli = c};
    if (c->json)
        f->array = json_array();
    else
        table_open(&f->table, c, columns, COUNT_OF(columns));
}

static json_t *fault_json(view list, const struct archive_fault *fault) {
    json_t *object = json_pack("{soso}", "list", cli_json_text(list), "file", cli_json_text(fault->file));
    if (fault->uid > 0)
        json_object_set_new(object, "uid", json_integer(fault->uid));
    if (fault->offset >= 0)
        json_object_set_new(object, "offset", json_integer(fault->offset));
    json_object_set_new(object, "fault", cli_json_text(view_of(fault->text)));
    return object;
}

/* A number that may be missing. */
static void add_number(struct table *t, int64_t n, int64_t least) {
    if (n >= least)
        table_int(t, n);
    else
        table_text(t, VIEW("-"));
}

void faults_add(struct fault_list *f, view list, const struct archive_fault *fault) {
    f->count++;
    if (f->cli->json && f->count <= FAULTS_KEPT)
        json_array_append_new(f->array, fault_json(list, fault));
    if (f->cli->json)
        return;
    table_text(&f->table, list.len > 0 ? list : VIEW("-"));
    table_text(&f->table, fault->file.len > 0 ? fault->file : VIEW("-"));
    add_number(&f->table, fault->uid, 1);
    add_number(&f->table, fault->offset, 0);
    table_text(&f->table, view_of(fault->text));
}

bool faults_close(struct fault_list *f, json_t *object, struct err *e) {
    cli_progress_end(f->cli);
    if (!f->cli->json)
        return table_close(&f->table, e);
    json_object_set_new(object, "faults", f->array);
    json_object_set_new(object, "faults_total", json_integer(f->count));
    return true;
}
