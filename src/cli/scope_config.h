/* scope_config.h: all that is said for one scope, a list, a domain or this server: settings, bans, header
 * matches; from the store, and from and to text (lists/config_text.h). */
#ifndef CLI_SCOPE_CONFIG_H
#define CLI_SCOPE_CONFIG_H

#include "cli/scope.h"
#include "store/list_setting.h"

struct scope_match {
    int64_t position, action; /* enum moderation */
    view header, pattern, tag;
    size_t line;
};

struct scope_config {
    view scope;
    size_t line;  /* of the section */
    view archive; /* of a list; empty: nothing is said about it */
    bool said[LIST_SETTING_COUNT];
    view values[LIST_SETTING_COUNT];
    view *bans; /* sorted */
    size_t ban_count, ban_room;
    struct scope_match *matches;
    size_t match_count, match_room;
};

struct scope_configs {
    struct scope_config **items;
    size_t count, room;
};

static inline bool scope_is_list(view scope) {
    return scope.len > 0 && scope.ptr[0] != '@';
}

/* Everything lives in the arena. What the store says; NOT_FOUND when there is no such scope. */
bool scope_config_read(struct cli *c, struct arena *a, view scope, struct scope_config *ret, struct err *e);
/* What a text says, checked; USAGE and SYNTAX name the line. */
bool scope_configs_parse(struct cli *c, view text, struct scope_configs *ret, struct err *e);
void scope_config_write(const struct scope_config *config, struct buf *out);
/* A value as one line of such a text. */
void scope_value_write(enum list_setting s, view value, struct buf *out);

void scope_config_add_ban(struct arena *a, struct scope_config *config, view pattern);
struct scope_match *scope_config_add_match(struct arena *a, struct scope_config *config);
void scope_config_sort(struct scope_config *config);

#endif
