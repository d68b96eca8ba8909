/* lists.c: which lists have files: archive/public|private/<domain>/<list>, the names decoded. */
#include "archive/verify.h"

#include "archive/folder.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct names {
    struct dirent **entries;
    int count;
};

static int not_dots(const struct dirent *d) {
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static bool read_names(const char *path, struct names *n, struct err *e) {
    n->count = scandir(path, &n->entries, not_dots, alphasort);
    if (n->count < 0 && errno == ENOENT) {
        *n = (struct names){NULL, 0};
        return true;
    }
    return n->count >= 0 || err_errno(e, ERR_IO, "cannot list %s", path);
}

static void free_names(struct names *n) {
    for (int i = 0; i < n->count; i++)
        free(n->entries[i]);
    free(n->entries);
}

static bool is_folder(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What add_part of folder.c wrote. */
static void decode_part(view part, struct buf *out) {
    if (view_eq(part, VIEW("%")))
        return;
    while (part.len) {
        char hex[3] = {0};
        if (part.ptr[0] == '%' && part.len >= 3)
            memcpy(hex, part.ptr + 1, 2);
        buf_add_char(out, hex[0] ? (char)strtol(hex, NULL, 16) : part.ptr[0]);
        part = view_skip(part, hex[0] ? 3 : 1);
    }
}

struct walk {
    const char *archive_dir;
    archive_list_visit list;
    void *ctx;
    struct err *e;
};

static bool visit(struct walk *w, const char *path, view address, bool public) {
    struct archive_list l = {.path = path, .address = address, .public = public};
    return w->list(&l, w->ctx, w->e);
}

/* A folder with a name that we would not have given is foreign. */
static bool visit_list(struct walk *w, const char *path, const char *domain, const char *name, bool public) {
    struct buf address = BUF_INIT(strlen(domain) + strlen(name) + 2);
    decode_part(view_of(name), &address);
    buf_add_char(&address, '@');
    decode_part(view_of(domain), &address);
    FREE_AUTO char *ours = folder_path(w->archive_dir, buf_view(&address), public);
    bool known = is_folder(path) && strcmp(ours, path) == 0;
    bool ok = visit(w, path, known ? buf_view(&address) : VIEW_NULL, public);
    buf_done(&address);
    return ok;
}

static bool visit_domain(struct walk *w, const char *path, const char *domain, bool public) {
    struct names lists;
    if (!is_folder(path))
        return visit(w, path, VIEW_NULL, public);
    if (!read_names(path, &lists, w->e))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < lists.count; i++) {
        FREE_AUTO char *below = mem_printf("%s/%s", path, lists.entries[i]->d_name);
        ok = visit_list(w, below, domain, lists.entries[i]->d_name, public);
    }
    free_names(&lists);
    return ok;
}

static bool visit_half(struct walk *w, const char *path, bool public) {
    struct names domains;
    if (!read_names(path, &domains, w->e))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < domains.count; i++) {
        FREE_AUTO char *below = mem_printf("%s/%s", path, domains.entries[i]->d_name);
        ok = visit_domain(w, below, domains.entries[i]->d_name, public);
    }
    free_names(&domains);
    return ok;
}

static bool visit_foreign(struct walk *w) {
    struct names all;
    if (!read_names(w->archive_dir, &all, w->e))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < all.count; i++) {
        const char *name = all.entries[i]->d_name;
        FREE_AUTO char *path = mem_printf("%s/%s", w->archive_dir, name);
        if (strcmp(name, "public") != 0 && strcmp(name, "private") != 0)
            ok = visit(w, path, VIEW_NULL, false);
    }
    free_names(&all);
    return ok;
}

bool archive_lists(const char *archive_dir, archive_list_visit list, void *ctx, struct err *e) {
    struct err scratch;
    struct walk w = {archive_dir, list, ctx, e ? e : &scratch};
    FREE_AUTO char *public = mem_printf("%s/public", archive_dir);
    FREE_AUTO char *private = mem_printf("%s/private", archive_dir);
    return visit_foreign(&w) && visit_half(&w, public, true) && visit_half(&w, private, false);
}
