/* shelf.h: the archive folders this process has open, the ones used last. */
#ifndef ROLES_ARCHIVED_SHELF_H
#define ROLES_ARCHIVED_SHELF_H

#include "archive/folder.h"

#define SHELF_FOLDERS 64

struct shelf;

/* `archive_dir` is copied. */
struct shelf *shelf_new(const char *archive_dir);
void shelf_free(struct shelf **s);
/* The list's folder, opened (and made) when it is not on the shelf. Good until the next call. */
struct folder *shelf_get(struct shelf *s, view list_address, bool public, struct err *e);
/* It has files there. */
bool shelf_has(const struct shelf *s, view list_address, bool public);
/* Its folder is where `public` wants it (folder_place). */
bool shelf_place(struct shelf *s, view list_address, bool public, struct err *e);
/* Close it, so that the next shelf_get looks at its files afresh: after every error. */
void shelf_drop(struct shelf *s, view list_address, bool public);

#endif
