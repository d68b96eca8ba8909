/* zone.c: see zone.h. */
#include "testing/zone.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <string.h>

view zone_text(const char *text) {
    return text ? view_of(text) : VIEW("");
}

view zone_address(struct arena *a, const char *text) {
    unsigned char octets[16];
    if (text && inet_pton(AF_INET, text, octets) == 1)
        return arena_view(a, view_from(octets, 4));
    return text && inet_pton(AF_INET6, text, octets) == 1 ? arena_view(a, view_from(octets, 16)) : VIEW("");
}

/* Characters up to U+00FF are octets in these suites. */
static view octets_of(struct arena *a, const json_t *value) {
    struct buf out = BUF_INIT(1 << 16);
    const unsigned char *p = (const unsigned char *)json_string_value(value),
                        *end = p + json_string_length(value);
    for (; p && p < end; p++)
        if ((*p == 0xc2 || *p == 0xc3) && p + 1 < end) {
            buf_add_char(&out, (char)(p[1] | (*p == 0xc3 ? 0x40 : 0)));
            p++;
        } else {
            buf_add_char(&out, (char)*p);
        }
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

static view name_of(struct arena *a, const char *text) {
    view name = arena_lower(a, zone_text(text));
    return view_ends_with(name, VIEW(".")) ? view_slice(name, 0, name.len - 1) : name;
}

static view joined(struct arena *a, const json_t *value) {
    struct buf out = BUF_INIT(1 << 16);
    size_t i;
    json_t *one;
    if (json_is_string(value))
        return octets_of(a, value);
    json_array_foreach(value, i, one) buf_add(&out, octets_of(a, one));
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

static bool is_type(const char *name, enum record_type type) {
    static const struct {
        const char *name;
        enum record_type type;
    } names[] = {
        {"A", RECORD_A}, {"AAAA", RECORD_AAAA}, {"MX", RECORD_MX}, {"PTR", RECORD_PTR}, {"TXT", RECORD_TXT}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].type == type;
    return false;
}

static struct record record_of(struct arena *a, enum record_type type, const json_t *value) {
    struct record r = {0};
    if (type == RECORD_TXT)
        r.data = joined(a, value);
    else if (type == RECORD_A || type == RECORD_AAAA)
        r.data = zone_address(a, json_string_value(value));
    else if (type == RECORD_PTR)
        r.data = name_of(a, json_string_value(value));
    else {
        r.preference = (int)json_integer_value(json_array_get(value, 0));
        r.data = name_of(a, json_string_value(json_array_get(value, 1)));
    }
    return r;
}

static const json_t *find_name(const json_t *zone, view name) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)zone, key, value) {
        view k = view_of(key);
        if (view_ends_with(k, VIEW(".")))
            k.len--;
        if (view_eq_nocase(k, name))
            return value;
    }
    return NULL;
}

/* A name without records is there when one below it has some. */
static bool has_below(const json_t *zone, view name) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)zone, key, value) {
        view k = view_of(key);
        if (k.len > name.len && k.ptr[k.len - name.len - 1] == '.' &&
            view_eq_nocase(view_skip(k, k.len - name.len), name))
            return true;
    }
    return false;
}

static bool has_key(const json_t *items, const char *key) {
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) if (json_object_get(item, key)) return true;
    return false;
}

static void answer_one(const json_t *zone, struct answers *a, struct answer *to, view name, int depth) {
    struct record *records = arena_array(a->arena, struct record, 64);
    const json_t *items = find_name(zone, name);
    size_t count = 0, i;
    json_t *item, *value;
    const char *key;
    bool spf_is_txt = to->type == RECORD_TXT && !has_key(items, "TXT"), late = false;
    if (!items) {
        answers_set(a, to, has_below(zone, name) ? ANSWER_NO_DATA : ANSWER_NO_NAME, NULL, 0);
        return;
    }
    json_array_foreach(items, i, item) {
        if (json_is_string(item) ||
            json_object_get(item, "TIMEOUT")) { /* what stands behind it is not found */
            late = count == 0;
            break;
        }
        json_object_foreach(item, key, value) {
            if (strcmp(key, "CNAME") == 0 && depth < 8) {
                answer_one(zone, a, to, name_of(a->arena, json_string_value(value)), depth + 1);
                return;
            }
            bool none = to->type == RECORD_TXT && json_is_string(value) &&
                        strcmp(json_string_value(value), "NONE") == 0;
            if (!none && count < 64 && (is_type(key, to->type) || (spf_is_txt && strcmp(key, "SPF") == 0)))
                records[count++] = record_of(a->arena, to->type, value);
        }
    }
    answers_set(a, to, late ? ANSWER_TEMPORARY : ANSWER_NO_DATA, records, count);
}

void zone_answer(const json_t *zone, struct answers *a) {
    struct answer *to;
    for (size_t at = 0; (to = answers_next(a, &at)) != NULL;)
        answer_one(zone, a, to, to->name, 0);
}
