/* spf_record.c: the text of an SPF record (RFC 7208 4.6, 5, 6, 12). */
#include "auth/spf_private.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
    const char *name;
    enum spf_mechanism mechanism;
} names[] = {{"all", SPF_ALL}, {"include", SPF_INCLUDE}, {"a", SPF_A},     {"mx", SPF_MX},
             {"ptr", SPF_PTR}, {"ip4", SPF_IP4},         {"ip6", SPF_IP6}, {"exists", SPF_EXISTS}};

static bool is_name(view name) {
    for (size_t i = 0; i < name.len; i++) {
        char ch = ascii_lower(name.ptr[i]);
        bool letter = ch >= 'a' && ch <= 'z';
        if (!letter && (i == 0 || (!ascii_is_digit(ch) && ch != '-' && ch != '_' && ch != '.')))
            return false;
    }
    return name.len > 0;
}

/* "/24": up to `most`, without zeros in front. */
static bool read_prefix(view digits, int most, int *ret) {
    int64_t n = 0;
    if (digits.len == 0 || digits.len > 3 || (digits.len > 1 && digits.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (!ascii_is_digit(digits.ptr[i]))
            return false;
        n = n * 10 + (digits.ptr[i] - '0');
    }
    *ret = (int)n;
    return n <= most;
}

/* "domain-spec/24//64", each part may be missing. A slash in a macro's braces is a delimiter there. */
static size_t prefix_at(view text) {
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '{')
            inside = true;
        else if (text.ptr[i] == '}')
            inside = false;
        else if (text.ptr[i] == '/' && !inside) {
            size_t k = i + 1; /* of a domain-spec: "a:foo/bar" has no prefix */
            if (k < text.len && (ascii_is_digit(text.ptr[k]) || text.ptr[k] == '/'))
                return i;
        }
    }
    return text.len;
}

static bool read_prefixes(view text, struct spf_directive *d) {
    ptrdiff_t both = view_search(text, VIEW("//"));
    view four = both < 0 ? text : view_slice(text, 0, (size_t)both);
    if (both >= 0 && !read_prefix(view_skip(text, (size_t)both + 2), 128, &d->ip6_prefix))
        return false;
    return four.len == 0 || (four.ptr[0] == '/' && read_prefix(view_skip(four, 1), 32, &d->ip4_prefix));
}

static bool read_network(view text, bool six, struct spf_directive *d) {
    char address[INET6_ADDRSTRLEN];
    ptrdiff_t slash = view_find(text, '/');
    view host = slash < 0 ? text : view_slice(text, 0, (size_t)slash);
    if (slash >= 0 && !read_prefix(view_skip(text, (size_t)slash + 1), six ? 128 : 32,
                                   six ? &d->ip6_prefix : &d->ip4_prefix))
        return false;
    if (host.len == 0 || host.len >= sizeof address || view_find(host, '\0') >= 0)
        return false;
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    return inet_pton(six ? AF_INET6 : AF_INET, address, d->network) == 1;
}

/* What follows the name: ":" and a value, or a prefix. */
static bool read_value(view rest, struct spf_directive *d) {
    bool has = rest.len > 0 && rest.ptr[0] == ':';
    view value = has ? view_skip(rest, 1) : rest;
    size_t at;
    switch (d->mechanism) {
    case SPF_ALL:
        return rest.len == 0;
    case SPF_IP4:
    case SPF_IP6:
        return has && read_network(value, d->mechanism == SPF_IP6, d);
    case SPF_INCLUDE:
    case SPF_EXISTS:
        d->spec = value;
        return has && spf_domain_spec_is_valid(value);
    case SPF_PTR:
        d->spec = value;
        return rest.len == 0 || (has && spf_domain_spec_is_valid(value));
    case SPF_A:
    case SPF_MX:
        at = prefix_at(value);
        d->spec = view_slice(value, 0, at);
        return (has ? spf_domain_spec_is_valid(d->spec) : d->spec.len == 0) &&
               read_prefixes(view_skip(value, at), d);
    }
    return false;
}

static bool read_directive(view term, struct spf_directive *d) {
    static const char signs[] = "+-~?";
    static const enum spf_result results[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};
    *d = (struct spf_directive){.qualifier = SPF_PASS, .text = term, .ip4_prefix = 32, .ip6_prefix = 128};
    const char *sign = term.ptr[0] ? strchr(signs, term.ptr[0]) : NULL;
    if (sign) {
        d->qualifier = results[sign - signs];
        term = view_skip(term, 1);
    }
    size_t len = 0;
    while (len < term.len && term.ptr[len] != ':' && term.ptr[len] != '/')
        len++;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (view_eq_nocase(view_slice(term, 0, len), view_of(names[i].name))) {
            d->mechanism = names[i].mechanism;
            return read_value(view_skip(term, len), d);
        }
    return false;
}

/* "redirect=", "exp=", each once, or one that nobody knows. */
static bool read_modifier(view name, view value, struct spf_record *ret, const char **ret_why) {
    bool redirect = view_eq_nocase(name, VIEW("redirect"));
    view *to = redirect ? &ret->redirect : &ret->exp;
    if (!redirect && !view_eq_nocase(name, VIEW("exp"))) {
        *ret_why = "a modifier's value is malformed";
        return spf_macros_are_valid(value, false);
    }
    *ret_why = to->ptr ? "a modifier is there twice" : "a modifier's domain is malformed";
    if (to->ptr || !spf_domain_spec_is_valid(value))
        return false;
    *to = value;
    return true;
}

/* Behind the name of a modifier; 0: it is a directive. */
static size_t modifier_len(view term) {
    ptrdiff_t equals = view_find(term, '=');
    return equals > 0 && is_name(view_slice(term, 0, (size_t)equals)) ? (size_t)equals : 0;
}

static bool read_term(view term, struct spf_record *ret, const char **ret_why) {
    struct spf_directive unused;
    size_t len = modifier_len(term);
    if (len > 0)
        return read_modifier(view_slice(term, 0, len), view_skip(term, len + 1), ret, ret_why);
    *ret_why = "a mechanism is unknown or malformed";
    return read_directive(term, &unused);
}

bool spf_parse(view record, struct spf_record *ret, const char **ret_why) {
    view rest = view_skip(record, sizeof "v=spf1" - 1), term;
    *ret = (struct spf_record){.terms = rest};
    while (view_split(&rest, ' ', &term))
        if (term.len > 0 && !read_term(term, ret, ret_why))
            return false;
    return true;
}

bool spf_next(view *rest, struct spf_directive *ret) {
    view term;
    while (view_split(rest, ' ', &term))
        if (term.len > 0 && modifier_len(term) == 0)
            return read_directive(term, ret);
    return false;
}

bool spf_record_is_valid(view record) {
    struct spf_record parsed;
    const char *why;
    return view_starts_with_nocase(record, VIEW("v=spf1")) && (record.len == 6 || record.ptr[6] == ' ') &&
           spf_parse(record, &parsed, &why);
}
