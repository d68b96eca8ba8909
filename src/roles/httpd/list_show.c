/* list_show.c: the attributes of a list, as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lists/style.h"
#include "mail/address.h"
#include "roles/httpd/list_attribute.h"

const struct attribute list_attributes[ATTRIBUTE_COUNT_ALL] = {
#define LIST_ATTRIBUTE(name, kind) {#name, ATTRIBUTE_##kind},
#include "roles/httpd/list_attribute.def"
#undef LIST_ATTRIBUTE
};

const struct attribute *attribute_find(view name) {
    for (size_t i = 0; i < ATTRIBUTE_COUNT_ALL; i++)
        if (view_eq(name, view_of(list_attributes[i].name)))
            return &list_attributes[i];
    return NULL;
}

enum list_setting attribute_setting(const struct attribute *a) {
    enum list_setting s = 0;
    BUG_ON(!list_setting_find(view_of(a->name), &s));
    return s;
}

/* ---- reading ---- */

/* What Mailman's style writes into a list, and nothing means here. */
static void fill_in(struct list_config *config, struct arena *a) {
    static const struct {
        enum list_setting s;
        const char *value;
    } implied[] = {{LIST_SETTING_PREFERRED_LANGUAGE, "en"},
                   {LIST_SETTING_POSTING_PIPELINE, "default-posting-pipeline"}};
    for (size_t i = 0; i < sizeof implied / sizeof implied[0]; i++)
        if (config->values[implied[i].s].len == 0)
            config->values[implied[i].s] = view_of(implied[i].value);
    if (config->values[LIST_SETTING_DISPLAY_NAME].len == 0)
        config->values[LIST_SETTING_DISPLAY_NAME] = list_name_for_people(config->list.address, a);
}

bool list_config_read(struct call *c, struct list_config *ret) {
    struct store_request q;
    bool said[LIST_SETTING_COUNT] = {false};
    if (!find_list(c, c->variables[0], &ret->list))
        return false;
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        ret->values[i] = list_setting_default((enum list_setting)i, c->arena);
    store_request_init(&q, OP_SETTINGS);
    vals_view(&q.args, ret->list.address);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    while (ok && vals_more(&v)) { /* the nearest first */
        enum list_setting s;
        (void)vals_get_view(&v);
        view name = vals_get_view(&v), value = vals_get_view(&v);
        if (!list_setting_find(name, &s) || said[s])
            continue;
        said[s] = true;
        ret->values[s] = arena_view(c->arena, value);
    }
    store_request_done(&q);
    fill_in(ret, c->arena);
    return ok;
}

/* ---- showing ---- */

static json_t *part_address(const struct list_row *list, const char *part) {
    struct address a = address_split(list->address);
    return json_sprintf("%.*s%s@%.*s", VIEW_ARG(a.local), part, VIEW_ARG(a.domain));
}

static json_t *time_or_null(int64_t ms) {
    return ms > 0 ? json_time(ms) : json_null();
}

static json_t *computed_address(const struct list_row *list, view name) {
    struct address a = address_split(list->address);
    static const struct {
        const char *name, *part;
    } parts[] = {{"bounces_address", "-bounces"},
                 {"join_address", "-join"},
                 {"leave_address", "-leave"},
                 {"owner_address", "-owner"},
                 {"request_address", "-request"},
                 {"posting_address", ""},
                 {"fqdn_listname", ""}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (view_eq(name, view_of(parts[i].name)))
            return part_address(list, parts[i].part);
    if (view_eq(name, VIEW("no_reply_address")))
        return json_sprintf("noreply@%.*s", VIEW_ARG(a.domain));
    return view_eq(name, VIEW("list_name"))   ? json_text(a.local)
           : view_eq(name, VIEW("mail_host")) ? json_text(a.domain)
                                              : NULL;
}

static json_t *computed(const struct list_row *list, const char *name) {
    if (strcmp(name, "created_at") == 0)
        return json_time(list->created);
    if (strcmp(name, "digest_last_sent_at") == 0)
        return time_or_null(list->digest_sent);
    if (strcmp(name, "last_post_at") == 0)
        return time_or_null(list->last_post);
    if (strcmp(name, "next_digest_number") == 0)
        return json_integer(list->issue);
    if (strcmp(name, "volume") == 0)
        return json_integer(list->volume);
    if (strcmp(name, "post_id") == 0) /* the number of the next one */
        return json_integer(list->posts + 1);
    json_t *address = computed_address(list, view_of(name));
    return address ? address : json_null(); /* usenet_watermark */
}

/* "7d", "1d3600.0s", "0d0.5s" */
static json_t *delta_json(int64_t ms) {
    const int64_t day = INT64_C(24) * 3600 * 1000;
    int64_t days = ms / day, rest = ms % day;
    char fraction[16];
    if (rest == 0)
        return json_sprintf("%lldd", (long long)days);
    snprintf(fraction, sizeof fraction, "%03d", (int)(rest % 1000));
    for (size_t n = 3; n > 1 && fraction[n - 1] == '0'; n--)
        fraction[n - 1] = '\0';
    return json_sprintf("%lldd%lld.%ss", (long long)days, (long long)(rest / 1000), fraction);
}

static json_t *lines_json(view lines) {
    json_t *array = json_array();
    view line;
    while (view_split(&lines, '\n', &line))
        json_array_append_new(array, json_text(line));
    return array;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static json_t *sorted(json_t *array, struct arena *a) {
    size_t n = json_array_size(array);
    json_t **texts = arena_array(a, json_t *, n + 1), *made = json_array();
    for (size_t i = 0; texts && i < n; i++)
        texts[i] = json_array_get(array, i);
    if (texts)
        qsort(texts, n, sizeof *texts, compare_texts);
    for (size_t i = 0; texts && i < n; i++)
        json_array_append(made, texts[i]);
    json_decref(array);
    return made;
}

json_t *attribute_json(struct call *c, const struct list_config *config, const struct attribute *a) {
    if (a->kind == ATTRIBUTE_READ_ONLY)
        return computed(&config->list, a->name);
    if (a->kind == ATTRIBUTE_ARCHIVE)
        return view_eq(config->list.archive, VIEW("none")) ? json_string("never")
                                                           : json_text(config->list.archive);
    enum list_setting s = attribute_setting(a);
    view value = config->values[s];
    switch (list_setting_type(s)) {
    case SETTING_CHOICE:
        return a->kind == ATTRIBUTE_BOOL ? json_boolean(list_setting_number(s, value)) : json_text(value);
    case SETTING_NUMBER:
        return json_integer(list_setting_number(s, value));
    case SETTING_DECIMAL:
        return json_real(strtod(arena_str(c->arena, value), NULL));
    case SETTING_DURATION:
        return delta_json(list_setting_number(s, value));
    case SETTING_SECRET:
        return value.len > 0 ? json_text(value) : json_null();
    case SETTING_LINES:
    case SETTING_ADDRESSES:
    case SETTING_SENDERS:
    case SETTING_LISTS:
    case SETTING_MATCHES:
        return a->kind == ATTRIBUTE_ALIASES ? sorted(lines_json(value), c->arena) : lines_json(value);
    case SETTING_TEXT:
    case SETTING_LINE:
    case SETTING_ADDRESS:
        return json_text(value);
    }
    return json_null();
}
