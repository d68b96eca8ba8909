/* list_setting.c: see list_setting.h. */
#include "store/list_setting.h"

#include "base/config.h"
#include "base/password.h"
#include "base/pattern.h"
#include "base/words.h"
#include "mail/address.h"
#include "mail/text.h"
#include "store/sender_set.h"

static const struct {
    const char *name, *values;
    int64_t initial;
    enum setting_type type;
    enum setting_part part;
    const char *help;
} table[LIST_SETTING_COUNT] = {
#define LIST_SETTING(part, id, name, type, values, initial, help)                                            \
    {name, values, initial, SETTING_##type, SETTINGS_##part, help},
#include "store/list_setting.def"
#undef LIST_SETTING
};

const char *list_setting_name(enum list_setting s) {
    return table[s].name;
}

const char *list_setting_help(enum list_setting s) {
    return table[s].help;
}

enum setting_type list_setting_type(enum list_setting s) {
    return table[s].type;
}

const char *list_setting_values(enum list_setting s) {
    return table[s].values;
}

enum setting_part list_setting_part(enum list_setting s) {
    return table[s].part;
}

bool list_setting_find(view name, enum list_setting *ret) {
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        if (view_eq(name, view_of(table[i].name))) {
            *ret = (enum list_setting)i;
            return true;
        }
    return false;
}

view list_setting_default(enum list_setting s, struct arena *a) {
    if (table[s].type == SETTING_CHOICE)
        return words_at(table[s].values, table[s].initial);
    long long initial = table[s].initial;
    if (table[s].type == SETTING_DURATION)
        return initial % 24 ? arena_printf(a, "%lldh", initial) : arena_printf(a, "%lldd", initial / 24);
    return table[s].type == SETTING_NUMBER || table[s].type == SETTING_DECIMAL
               ? arena_printf(a, "%lld", initial)
               : VIEW("");
}

static bool read_number(enum list_setting s, view text, int64_t *ret) {
    int64_t most = 0;
    view_to_i64(view_of(table[s].values), &most);
    return view_to_i64(text, ret) && *ret >= 0 && *ret <= most;
}

/* "30", "30.5" */
static bool read_decimal(enum list_setting s, view text, int64_t *ret) {
    view rest = text, whole;
    int64_t fraction;
    return text.len > 0 && ascii_is_digit(text.ptr[0]) && view_split(&rest, '.', &whole) &&
           read_number(s, whole, ret) &&
           (rest.len == 0 || (rest.len <= 6 && view_to_i64(rest, &fraction) && ascii_is_digit(rest.ptr[0])));
}

static bool read_duration(enum list_setting s, view text, int64_t *ret) {
    int64_t most = INT64_MAX;
    duration_parse(view_of(table[s].values), &most);
    return duration_parse(text, ret) && *ret <= most;
}

int64_t list_setting_number(enum list_setting s, view stored) {
    enum setting_type type = table[s].type;
    int64_t value, initial = table[s].initial;
    if (type == SETTING_CHOICE)
        return words_find(table[s].values, stored, &value) ? value : initial;
    if (type == SETTING_DURATION)
        return read_duration(s, stored, &value) ? value : initial * 3600 * 1000;
    if (type == SETTING_DECIMAL)
        return read_decimal(s, stored, &value) ? value : initial;
    return read_number(s, stored, &value) ? value : initial;
}

/* "X-Spam-Flag: ^yes" */
static bool check_match(view line, struct err *e) {
    view rest = line, name;
    if (view_find(line, ':') <= 0)
        return err_set(e, ERR_USAGE, "%.*s: FIELD: EXPRESSION is wanted", VIEW_ARG(view_slice(line, 0, 80)));
    view_split(&rest, ':', &name);
    return pattern_check(view_trim(rest), e);
}

static bool check_line(enum setting_type type, view line, struct arena *a, view *ret, struct err *e) {
    *ret = line;
    if (type == SETTING_LINES)
        return true;
    if (type == SETTING_MATCHES)
        return check_match(line, e);
    if (type == SETTING_LISTS)
        return address_normalise_text(line, a, ret, e);
    if (view_starts_with(line, VIEW("^")))
        return pattern_check(line, e);
    if (type == SETTING_SENDERS && sender_set_name_is_valid(sender_set_of(line)))
        return true;
    bool list = type == SETTING_SENDERS && view_starts_with(line, VIEW("@"));
    if (!address_normalise_text(view_skip(line, list), a, ret, e))
        return err_set(e, ERR_USAGE, "%.*s: an address%s or a regular expression ^... is wanted",
                       VIEW_ARG(view_slice(line, 0, 80)),
                       type == SETTING_SENDERS
                           ? ", @LIST for who is on that list, @NAME for who is in that set of senders,"
                           : "");
    if (list)
        *ret = arena_printf(a, "@%.*s", VIEW_ARG(*ret));
    return true;
}

static bool check_lines(enum setting_type type, view text, struct arena *a, view *ret, struct err *e) {
    struct buf all = BUF_INIT(LIMIT_SETTING_TEXT);
    bool ok = true;
    view line;
    while (ok && view_split(&text, '\n', &line)) {
        line = view_trim(line);
        if (line.len == 0 || !(ok = check_line(type, line, a, &line, e)))
            continue;
        if (all.len > 0)
            buf_add_char(&all, '\n');
        buf_add(&all, line);
    }
    ok = ok && (!all.failed || err_set(e, ERR_LIMIT, "lines of more than %d octets", LIMIT_SETTING_TEXT));
    *ret = arena_view(a, buf_view(&all));
    buf_done(&all);
    return ok;
}

static bool keep_secret(view text, struct arena *a, view *ret, struct err *e) {
    char kept[PASSWORD_KEPT];
    if (view_starts_with(text, VIEW("$argon2id$"))) /* kept already, from an export */
        return true;
    if (!password_keep(text, kept, e))
        return false;
    *ret = arena_view(a, view_of(kept));
    return true;
}

static bool check_value(enum list_setting s, view text, struct arena *a, view *ret_stored, struct err *e) {
    int64_t value;
    *ret_stored = text;
    switch (table[s].type) {
    case SETTING_CHOICE:
        return words_find(table[s].values, text, &value) ||
               err_set(e, ERR_USAGE, "one of these is wanted: %s", table[s].values);
    case SETTING_NUMBER:
        return read_number(s, text, &value) ||
               err_set(e, ERR_USAGE, "a number from 0 to %s is wanted", table[s].values);
    case SETTING_DECIMAL:
        return read_decimal(s, text, &value) ||
               err_set(e, ERR_USAGE, "a number from 0 to %s is wanted, as 30 or 30.5", table[s].values);
    case SETTING_DURATION:
        return read_duration(s, text, &value) ||
               err_set(e, ERR_USAGE, "a time of at most %s is wanted, as 7d or 1d12h", table[s].values);
    case SETTING_TEXT:
        return text.len <= LIMIT_SETTING_TEXT ||
               err_set(e, ERR_LIMIT, "a text of more than %d octets", LIMIT_SETTING_TEXT);
    case SETTING_LINE:
        return (text_is_printable(text) || err_set(e, ERR_USAGE, "one line of text is wanted")) &&
               (text.len <= LIMIT_SETTING_LINE ||
                err_set(e, ERR_LIMIT, "a line of more than %d octets", LIMIT_SETTING_LINE));
    case SETTING_SECRET:
        return text.len == 0 || keep_secret(text, a, ret_stored, e);
    case SETTING_ADDRESS:
        return text.len == 0 || address_normalise_text(text, a, ret_stored, e);
    case SETTING_LINES:
    case SETTING_ADDRESSES:
    case SETTING_SENDERS:
    case SETTING_LISTS:
    case SETTING_MATCHES:
        return check_lines(table[s].type, text, a, ret_stored, e);
    }
    return false;
}

bool list_setting_check(enum list_setting s, view text, struct arena *a, view *ret_stored, struct err *e) {
    if (check_value(s, text, a, ret_stored, e))
        return true;
    return err_prefix(e, "%s", table[s].name);
}

#define SCOPES(scope)                                                                                        \
    DB_T(scope), DB_T(view_skip(scope, (size_t)(view_rfind(scope, '@') < 0 ? 0 : view_rfind(scope, '@'))))

view list_setting_text_of(struct op_run *r, view scope, enum list_setting s) {
    view value = list_setting_default(s, r->arena);
    struct query q; /* a list's address is longer than "@" and its domain */
    db_query(r->db, &q,
             "SELECT value FROM setting WHERE name = $1 AND scope IN ($2, $3, '')"
             " ORDER BY length(scope) DESC LIMIT 1",
             DB_T(view_of(table[s].name)), SCOPES(scope));
    if (query_row(&q))
        value = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    return value;
}

void list_settings_of(struct op_run *r, view list, view values[LIST_SETTING_COUNT]) {
    enum list_setting s;
    struct query q;
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        values[i] = list_setting_default((enum list_setting)i, r->arena);
    db_query(r->db, &q, "SELECT name, value FROM setting WHERE scope IN ($1, $2, '') ORDER BY length(scope)",
             SCOPES(list));
    while (query_row(&q))
        if (list_setting_find(query_text(&q, 0), &s))
            values[s] = arena_view(r->arena, query_text(&q, 1));
}

int64_t list_setting_of(struct op_run *r, view list, enum list_setting s) {
    return list_setting_number(s, list_setting_text_of(r, list, s));
}
