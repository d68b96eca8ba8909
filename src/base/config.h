/* config.h: the settings of an instance, one row each in config.def. The file postroad.conf is lines of
 * `name = value`, with # comments; a list-valued setting separates its entries by spaces or commas. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/buf.h"
#include "base/err.h"

struct config_list {
    char *items[LIMIT_LIST_SETTING];
    size_t count;
};

typedef char *config_text;
typedef struct config_list config_texts;
typedef int64_t config_number;   /* plain number */
typedef int64_t config_size;     /* bytes; k, M, G (powers of 1024) */
typedef int64_t config_duration; /* milliseconds; ms, s, m, h, d, w */
typedef bool config_switch;      /* on, off */

struct config {
    char *dir; /* the instance's directory, absolute */
#define CONFIG(name, type, min, max, value, help) config_##type name;
#include "base/config.def"
#undef CONFIG
};

/* Read DIR/postroad.conf. On failure e->text names file, line and setting, and the way out. */
bool config_load(const char *dir, struct config **ret_config, struct err *e);
void config_free(struct config *c); /* NULL is allowed */

/* True when every setting has the same value. */
bool config_equal(const struct config *a, const struct config *b);

/* What config_load does with the bytes of the file; `source` names them in errors. *c is zeroed memory from
 * mem_alloc(); free it with config_free() after failure too. */
bool config_parse(view text, const char *source, struct config *c, struct err *e);

/* A new configuration file: every setting with its help, commented out when it has its default value.
 * `given` is NULL-terminated pairs name, value. */
void config_format(const char *const *given, struct buf *out);

/* Absolute path: of a relative one below the instance, config_path(c, "data/run"). Caller frees. */
char *config_path(const struct config *c, const char *path);

/* "90" (seconds), "10s", "5m", "3d", "+1h30m", "250ms": into milliseconds. */
bool duration_parse(view v, int64_t *ret_ms);

#endif
