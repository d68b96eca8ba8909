/* metrics.c: counters in a mapped file per role.
 *
 * Counting is one relaxed atomic add to mapped memory: no lock, no message, and a role that crashes leaves
 * its last numbers behind. A fresh file is made complete under a hidden name and then renamed, so a reader
 * never sees half a header. The fingerprint of the table lets a reader leave out files of another release,
 * whose slots mean other things. */
#include "base/metrics.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum metric_type { COUNTER, GAUGE };
enum { ROLE_MAX_BYTES = 63, ROLES_MAX = 256 };

static const struct metric_info {
    enum metric_type type;
    const char *name, *help;
} infos[] = {
#define METRIC(id, type, name, help) [METRIC_##id] = {type, name, help},
#include "base/metrics.def"
#undef METRIC
};
_Static_assert(sizeof infos / sizeof *infos == METRIC_COUNT, "metrics.def and enum metric differ");

static const struct {
    const char *name, *suffix;
} type_texts[] = {[COUNTER] = {"counter", "_total"}, [GAUGE] = {"gauge", ""}};

typedef _Atomic(int64_t) slot;

struct metrics_file {
    char magic[8];
    uint64_t count;
    uint64_t fingerprint;
    slot slots[METRIC_COUNT];
};
static const char file_magic[8] = "PRmetric";

static slot unopened[METRIC_COUNT];
static _Atomic(slot *) slots = unopened;

static slot *slot_of(enum metric m) {
    BUG_ON((unsigned)m >= METRIC_COUNT);
    return atomic_load_explicit(&slots, memory_order_acquire) + m;
}

void metric_add(enum metric m, int64_t n) {
    atomic_fetch_add_explicit(slot_of(m), n, memory_order_relaxed);
}

void metric_set(enum metric m, int64_t n) {
    atomic_store_explicit(slot_of(m), n, memory_order_relaxed);
}

int64_t metric_get(enum metric m) {
    return atomic_load_explicit(slot_of(m), memory_order_relaxed);
}

/* FNV-1a over names and types in table order. */
static uint64_t fingerprint(void) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (const char *c = infos[i].name;; c++) {
            hash = (hash ^ (uint64_t)(*c ? (unsigned char)*c : infos[i].type)) * UINT64_C(0x100000001b3);
            if (!*c)
                break;
        }
    return hash;
}

/* A role is a file name and a label value, so it is kept to letters that need no escaping in either. */
static bool is_role(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_alnum(v.ptr[i]) && v.ptr[i] != '-' && v.ptr[i] != '_')
            return false;
    return v.len > 0 && v.len <= ROLE_MAX_BYTES;
}

static struct metrics_file *map_new(const char *path, struct err *e) {
    unlink(path); /* what a crash may have left */
    CLOSE_AUTO int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof(struct metrics_file)) < 0) {
        err_errno(e, ERR_IO, "cannot make %s", path);
        return NULL;
    }
    /* Blocks are taken now: on a full disk a later write to the mapping would be a SIGBUS. */
    int failure = posix_fallocate(fd, 0, sizeof(struct metrics_file));
    if (failure != 0) {
        err_set(e, failure == ENOSPC ? ERR_DISK_FULL : ERR_IO, "cannot make %s: %s", path,
                strerrordesc_np(failure));
        return NULL;
    }
    struct metrics_file *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (f == MAP_FAILED) {
        err_errno(e, ERR_IO, "cannot map %s", path);
        return NULL;
    }
    memcpy(f->magic, file_magic, sizeof f->magic);
    f->count = METRIC_COUNT;
    f->fingerprint = fingerprint();
    return f;
}

struct role_metrics {
    char role[ROLE_MAX_BYTES + 1];
    int64_t values[METRIC_COUNT];
};

/* False when the file is not one of this release's; that hides only itself. */
static bool read_role(const char *dir, const char *role, struct role_metrics *ret) {
    FREE_AUTO char *path = mem_printf("%s/%s", dir, role);
    struct metrics_file f;
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || pread(fd, &f, sizeof f, 0) != sizeof f)
        return false;
    if (memcmp(f.magic, file_magic, sizeof f.magic) != 0 || f.count != METRIC_COUNT ||
        f.fingerprint != fingerprint())
        return false;
    snprintf(ret->role, sizeof ret->role, "%.63s", role);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        ret->values[i] = atomic_load_explicit(&f.slots[i], memory_order_relaxed);
    return true;
}

/* Counters go on where the process before ended: what it counted must not be taken back by its restart. */
static void carry_over(const char *dir, const char *role, struct metrics_file *f) {
    struct role_metrics before;
    if (!read_role(dir, role, &before))
        return;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (infos[i].type == COUNTER)
            atomic_store_explicit(&f->slots[i], before.values[i], memory_order_relaxed);
}

bool metrics_open(const char *dir, const char *role, struct err *e) {
    if (!is_role(view_of(role)))
        return err_set(e, ERR_USAGE, "\"%s\" cannot be the name of a metrics file", role);
    if (!file_mkdirs(dir, 0755, e))
        return false;
    FREE_AUTO char *path = mem_printf("%s/%s", dir, role);
    FREE_AUTO char *hidden = mem_printf("%s/.%s.%ld", dir, role, (long)getpid());
    struct metrics_file *f = map_new(hidden, e);
    if (f)
        carry_over(dir, role, f);
    if (f && rename(hidden, path) == 0) {
        atomic_store_explicit(&slots, f->slots, memory_order_release);
        return true;
    }
    if (f) {
        err_errno(e, ERR_IO, "cannot make %s", path);
        munmap(f, sizeof *f);
    }
    unlink(hidden);
    return false;
}

static int role_order(const void *a, const void *b) {
    return strcmp(((const struct role_metrics *)a)->role, ((const struct role_metrics *)b)->role);
}

/* All roles of the folder in order of name. Caller frees. NULL on failure. */
static struct role_metrics *read_roles(const char *dir, size_t *ret_count, struct err *e) {
    DIR *d = opendir(dir);
    if (!d) {
        err_errno(e, ERR_IO, "cannot read the metrics in %s", dir);
        return NULL;
    }
    struct role_metrics *roles = mem_resize(NULL, ROLES_MAX, sizeof *roles);
    size_t count = 0;
    for (struct dirent *entry; count < ROLES_MAX && (entry = readdir(d));)
        if (is_role(view_of(entry->d_name)) && read_role(dir, entry->d_name, &roles[count]))
            count++;
    closedir(d);
    qsort(roles, count, sizeof *roles, role_order);
    *ret_count = count;
    return roles;
}

bool metrics_format(const char *dir, struct buf *out, struct err *e) {
    size_t count;
    FREE_AUTO struct role_metrics *roles = read_roles(dir, &count, e);
    if (!roles)
        return false;
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        const struct metric_info *info = &infos[m];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
                   type_texts[info->type].name);
        for (size_t i = 0; i < count; i++)
            buf_printf(out, "%s%s{role=\"%s\"} %" PRId64 "\n", info->name, type_texts[info->type].suffix,
                       roles[i].role, roles[i].values[m]);
    }
    buf_add_str(out, "# EOF\n");
    return !out->failed || err_set(e, ERR_LIMIT, "the metrics do not fit into %zu bytes", out->limit);
}
