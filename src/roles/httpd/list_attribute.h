/* list_attribute.h: the attributes of a list as programs know them (list_attribute.def): list_show.c shows
 * them, list_read.c reads what is given for one, rest_config.c is the resource. */
#ifndef ROLES_HTTPD_LIST_ATTRIBUTE_H
#define ROLES_HTTPD_LIST_ATTRIBUTE_H

#include "roles/httpd/resources.h"
#include "store/list_setting.h"

enum attribute_kind {
    ATTRIBUTE_READ_ONLY,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_COUNT,
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_DELTA, /* a time: 7d */
    ATTRIBUTE_ENUM,
    ATTRIBUTE_FILTER,  /* an enumeration with values that say nothing here */
    ATTRIBUTE_ARCHIVE, /* the list's column, not a setting */
    ATTRIBUTE_TEXT,
    ATTRIBUTE_LINE,
    ATTRIBUTE_PASSWORD,
    ATTRIBUTE_PIPELINE,
    ATTRIBUTE_LANGUAGE,
    ATTRIBUTE_STRINGS,
    ATTRIBUTE_ALIASES,
    ATTRIBUTE_SENDERS
};

struct attribute {
    const char *name;
    enum attribute_kind kind;
};
enum {
#define LIST_ATTRIBUTE(name, kind) ATTRIBUTE_AT_##name,
#include "roles/httpd/list_attribute.def"
#undef LIST_ATTRIBUTE
    ATTRIBUTE_COUNT_ALL
};
extern const struct attribute list_attributes[ATTRIBUTE_COUNT_ALL];

const struct attribute *attribute_find(view name); /* NULL: there is none */
/* The setting of a writable one, except of ARCHIVE. */
enum list_setting attribute_setting(const struct attribute *a);

/* A list and what counts for it. */
struct list_config {
    struct list_row list;
    view values[LIST_SETTING_COUNT]; /* as stored */
};
/* False: answered. */
bool list_config_read(struct call *c, struct list_config *ret);

json_t *attribute_json(struct call *c, const struct list_config *config, const struct attribute *a);

enum attribute_answer {
    ATTRIBUTE_TAKEN,
    ATTRIBUTE_WRONG,   /* *ret says why */
    ATTRIBUTE_UNKNOWN, /* as if there were no such attribute: what Mailman says of an unknown language */
    ATTRIBUTE_LATE     /* wrong, which is found when everything else is right, and said as it is in *ret */
};
/* From what is given for it to what is stored (of ARCHIVE: public, private, none). */
enum attribute_answer attribute_read(struct call *c, const struct attribute *a, view *ret);

#endif
