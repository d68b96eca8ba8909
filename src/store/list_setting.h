/* list_setting.h: what lists can be told (list_setting.def). Settings stand in scopes: a list's address, "@"
 * and its domain, or "" for all lists; the nearest counts, also where it says "nothing". Only what was said
 * is stored. */
#ifndef STORE_LIST_SETTING_H
#define STORE_LIST_SETTING_H

#include "store/op.h"

enum list_setting {
#define LIST_SETTING(part, id, name, type, values, default, help) LIST_SETTING_##id,
#include "store/list_setting.def"
#undef LIST_SETTING
    LIST_SETTING_COUNT
};

enum setting_type {
    SETTING_CHOICE,
    SETTING_NUMBER,
    SETTING_DECIMAL,
    SETTING_DURATION,
    SETTING_TEXT,
    SETTING_LINE,
    SETTING_SECRET, /* kept by base/password.h */
    SETTING_ADDRESS,
    SETTING_LINES,
    SETTING_ADDRESSES,
    SETTING_SENDERS,
    SETTING_LISTS,
    SETTING_MATCHES
};

/* The settings autorespond_*. */
enum { AUTORESPOND_NEVER, AUTORESPOND_AND_DISCARD, AUTORESPOND_AND_CONTINUE };

/* Who reads a setting. */
enum setting_part { SETTINGS_PEOPLE, SETTINGS_RULES, SETTINGS_EDITION, SETTINGS_MAIL, SETTINGS_KEPT };

/* How SETTING_SET changes a value. */
enum setting_how {
    SETTING_REPLACE,
    SETTING_UNSET, /* as the scope around it says */
    SETTING_ADD,   /* a line, to what counts now */
    SETTING_REMOVE
};

/* Of those whose words are actions, a value is its enum moderation without DEFAULT: MODERATION_HOLD + value.
 */
const char *list_setting_name(enum list_setting s);
const char *list_setting_help(enum list_setting s);
enum setting_type list_setting_type(enum list_setting s);
const char *list_setting_values(enum list_setting s); /* of a CHOICE: its words */
enum setting_part list_setting_part(enum list_setting s);
bool list_setting_find(view name, enum list_setting *ret);
/* The value that holds where nobody says anything, as text. */
view list_setting_default(enum list_setting s, struct arena *a);
/* A value as it is stored: addresses normalised, lines trimmed and without empty ones. USAGE names what is
 * wrong. */
bool list_setting_check(enum list_setting s, view text, struct arena *a, view *ret_stored, struct err *e);
/* A stored value of a CHOICE or NUMBER; of a DURATION in ms, of a DECIMAL without its fraction. */
int64_t list_setting_number(enum list_setting s, view stored);

/* For operations: the scope is there, or the operation is refused; what was said for it (bans and header
 * matches too) goes with it. */
bool need_scope(struct op_run *r, view scope);
void scope_forget(struct op_run *r, view scope);
/* What follows in r->in, count of (name, enum setting_how, value), is done in a scope that is there. */
void settings_change(struct op_run *r, view scope, view who);
/* What holds for a list, as list_setting_number has it; for any scope, as it is stored. */
int64_t list_setting_of(struct op_run *r, view list, enum list_setting s);
view list_setting_text_of(struct op_run *r, view scope, enum list_setting s);
/* What holds for the list of all settings, in the operation's arena. */
void list_settings_of(struct op_run *r, view list, view values[LIST_SETTING_COUNT]);

#endif
