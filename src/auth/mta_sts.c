/* mta_sts.c: see mta_sts.h. Of what is there twice the first counts, and what nobody knows is passed over
 * when it is well-formed (RFC 8461 3.2). */
#include "auth/mta_sts.h"

#include "auth/answers.h"
#include "auth/fields.h"
#include "base/words.h"
#include "mail/text.h"

enum { ID_MOST = 32, AGE_DIGITS_MOST = 10 };

static bool is_id(view id) {
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_alnum(id.ptr[i]))
            return false;
    return id.len > 0 && id.len <= ID_MOST;
}

bool mta_sts_record(const view *records, size_t count, view *ret_id) {
    view rest, name, value, id = VIEW("");
    enum fields_state state;
    if (!fields_choose(records, count, VIEW("v=STSv1"), &rest))
        return false;
    while ((state = fields_next(&rest, &name, &value)) == FIELDS_NEXT) {
        if (!fields_value_is_valid(value))
            return false;
        if (id.len == 0 && view_eq(name, VIEW("id")))
            id = value;
    }
    if (state != FIELDS_END || !is_id(id))
        return false;
    *ret_id = id;
    return true;
}

/* ---- the policy ---- */

struct reading {
    struct mta_sts_policy *policy;
    struct arena *arena;
    view version, mode, age;
};

/* Labels of letters, digits and hyphens (RFC 5321 4.1.2), after "*." where that is allowed. */
static bool is_host(view host) {
    if (view_starts_with(host, VIEW("*.")))
        host = view_skip(host, 2);
    for (size_t i = 0; i < host.len; i++) {
        bool edge = i == 0 || i + 1 == host.len || host.ptr[i - 1] == '.' || host.ptr[i + 1] == '.';
        if (!ascii_is_alnum(host.ptr[i]) && host.ptr[i] != '.' && (host.ptr[i] != '-' || edge))
            return false;
    }
    return domain_name_is_valid(host);
}

static const char *add_host(struct reading *r, view host) {
    struct mta_sts_policy *p = r->policy;
    if (!is_host(host))
        return "a host's name is malformed";
    if (p->count == MTA_STS_HOSTS_MOST)
        return "too many hosts";
    p->hosts[p->count++] = arena_lower(r->arena, host);
    return NULL;
}

static void keep_first(view *field, view value) {
    if (!field->ptr)
        *field = value;
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct reading *r, view line) {
    ptrdiff_t colon = view_find(line, ':');
    if (colon < 0 || !fields_name_is_valid(view_slice(line, 0, (size_t)colon)))
        return "a line is malformed";
    view name = view_slice(line, 0, (size_t)colon), value = view_trim(view_skip(line, (size_t)colon + 1));
    if (value.len == 0 || !text_is_printable(value))
        return "a value is missing or malformed";
    if (view_eq(name, VIEW("mx")))
        return add_host(r, value);
    if (view_eq(name, VIEW("version")))
        keep_first(&r->version, value);
    else if (view_eq(name, VIEW("mode")))
        keep_first(&r->mode, value);
    else if (view_eq(name, VIEW("max_age")))
        keep_first(&r->age, value);
    return NULL;
}

static bool read_age(view digits, int64_t *ret) {
    for (size_t i = 0; i < digits.len; i++)
        if (!ascii_is_digit(digits.ptr[i]))
            return false;
    return digits.len <= AGE_DIGITS_MOST && view_to_i64(digits, ret) && *ret <= MTA_STS_AGE_MOST_S;
}

static const char *judge(struct reading *r) {
    int64_t mode;
    if (!view_eq(r->version, VIEW("STSv1")))
        return "no policy of version STSv1";
    if (!words_find(MTA_STS_MODES, r->mode, &mode))
        return "its mode is missing or unknown";
    if (!read_age(r->age, &r->policy->max_age_s))
        return "max_age is missing or no number up to 31557600";
    r->policy->mode = (enum mta_sts_mode)mode;
    if (r->policy->mode != MTA_STS_NONE && r->policy->count == 0)
        return "it names no host";
    return r->arena->failed ? "it does not fit into memory" : NULL;
}

bool mta_sts_policy_read(view text, struct arena *a, struct mta_sts_policy *ret, const char **ret_why) {
    struct reading r = {.policy = ret, .arena = a, .version = VIEW_NULL, .mode = VIEW_NULL, .age = VIEW_NULL};
    view line;
    *ret = (struct mta_sts_policy){.count = 0};
    *ret_why = text.len > MTA_STS_BYTES_MOST ? "it is too long" : NULL;
    while (!*ret_why && view_split(&text, '\n', &line)) {
        if (view_ends_with(line, VIEW("\r")))
            line.len--;
        if (line.len > 0) /* empty lines are no part of the grammar, and common at the end */
            *ret_why = read_line(&r, line);
    }
    if (!*ret_why)
        *ret_why = judge(&r);
    return *ret_why == NULL;
}

bool mta_sts_allows(const struct mta_sts_policy *p, view host) {
    if (view_ends_with(host, VIEW(".")))
        host.len--;
    ptrdiff_t dot = view_find(host, '.');
    for (size_t i = 0; i < p->count; i++) {
        if (view_eq_nocase(p->hosts[i], host))
            return true;
        if (dot > 0 && view_starts_with(p->hosts[i], VIEW("*.")) &&
            view_eq_nocase(view_skip(p->hosts[i], 1), view_skip(host, (size_t)dot)))
            return true;
    }
    return false;
}
