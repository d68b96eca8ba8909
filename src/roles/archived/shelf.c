/* shelf.c: opening a folder reads its journals, and lists get posts again and again; so some stay open. */
#include "roles/archived/shelf.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct slot {
    char *path; /* NULL: free */
    struct folder *folder;
    uint64_t used;
};

struct shelf {
    char *archive_dir;
    uint64_t now; /* counts uses */
    struct slot slots[SHELF_FOLDERS];
};

struct shelf *shelf_new(const char *archive_dir) {
    struct shelf *s = mem_alloc(sizeof *s);
    s->archive_dir = mem_str(archive_dir);
    return s;
}

static void clear_slot(struct slot *slot) {
    folder_close(&slot->folder);
    free(slot->path);
    *slot = (struct slot){0};
}

void shelf_free(struct shelf **s) {
    if (!*s)
        return;
    for (size_t i = 0; i < SHELF_FOLDERS; i++)
        clear_slot(&(*s)->slots[i]);
    free((*s)->archive_dir);
    free(*s);
    *s = NULL;
}

static struct slot *find_slot(struct shelf *s, const char *path) {
    for (size_t i = 0; i < SHELF_FOLDERS; i++)
        if (s->slots[i].path && strcmp(s->slots[i].path, path) == 0)
            return &s->slots[i];
    return NULL;
}

/* Free ones have the use 0. */
static struct slot *oldest_slot(struct shelf *s) {
    struct slot *oldest = &s->slots[0];
    for (size_t i = 1; i < SHELF_FOLDERS; i++)
        if (s->slots[i].used < oldest->used)
            oldest = &s->slots[i];
    return oldest;
}

bool shelf_has(const struct shelf *s, view list_address, bool public) {
    FREE_AUTO char *path = folder_path(s->archive_dir, list_address, public);
    return file_exists(path);
}

bool shelf_place(struct shelf *s, view list_address, bool public, struct err *e) {
    bool moved = false;
    if (shelf_has(s, list_address, public) || !shelf_has(s, list_address, !public))
        return true;
    shelf_drop(s, list_address, !public);
    if (!folder_place(s->archive_dir, list_address, public, &moved, e))
        return false;
    if (moved)
        log_line(LOG_INFO, "archive-moved", LOG_V("list", list_address),
                 LOG_S("to", public ? "public" : "private"));
    return true;
}

struct folder *shelf_get(struct shelf *s, view list_address, bool public, struct err *e) {
    FREE_AUTO char *path = folder_path(s->archive_dir, list_address, public);
    struct slot *slot = find_slot(s, path);
    if (!slot) {
        struct folder *folder = shelf_place(s, list_address, public, e) ? folder_open(path, e) : NULL;
        if (!folder)
            return NULL;
        slot = oldest_slot(s);
        clear_slot(slot);
        slot->path = mem_str(path);
        slot->folder = folder;
    }
    slot->used = ++s->now;
    return slot->folder;
}

void shelf_drop(struct shelf *s, view list_address, bool public) {
    FREE_AUTO char *path = folder_path(s->archive_dir, list_address, public);
    struct slot *slot = find_slot(s, path);
    if (slot)
        clear_slot(slot);
}
