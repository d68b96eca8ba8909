/* authres_parse.c: see authres.h. One walk over the text; white space and comments may stand nearly anywhere.
 */
#include <string.h>

#include "auth/authres.h"
#include "auth/authres_private.h"

enum { FIELD_MOST = 64 * 1024 };

struct reader {
    view rest;
    const struct authres_reading *how;
    struct arena *arena;
    bool odd_value;  /* one was bare that the standard wants quoted */
    bool own_method; /* there is a method that nobody has registered */
};

/* ---- octets ---- */

/* Behind the comment that v begins with; 0: it does not end. */
static size_t comment_end(view v) {
    size_t depth = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '(')
            depth++;
        else if (v.ptr[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* White space and comments. False: a comment does not end. */
static bool skip(struct reader *r) {
    for (;;) {
        size_t n = 0;
        while (n < r->rest.len && ascii_is_space(r->rest.ptr[n]))
            n++;
        r->rest = view_skip(r->rest, n);
        if (!view_starts_with(r->rest, VIEW("(")))
            return true;
        n = comment_end(r->rest);
        if (n == 0)
            return false;
        r->rest = view_skip(r->rest, n);
    }
}

/* That octet, with white space and comments around it. */
static bool take(struct reader *r, char c) {
    struct reader before = *r;
    if (skip(r) && r->rest.len > 0 && r->rest.ptr[0] == c) {
        r->rest = view_skip(r->rest, 1);
        return skip(r);
    }
    *r = before;
    return false;
}

static bool is_at_end(struct reader *r) {
    return skip(r) && r->rest.len == 0;
}

static view take_while(struct reader *r, bool (*wanted)(char c)) {
    size_t n = 0;
    while (n < r->rest.len && wanted(r->rest.ptr[n]))
        n++;
    view taken = view_slice(r->rest, 0, n);
    r->rest = view_skip(r->rest, n);
    return taken;
}

static bool is_of_keyword(char c) {
    return ascii_is_alnum(c) || c == '-';
}

static bool is_of_own_keyword(char c) {
    return is_of_keyword(c) || c == '_';
}

/* In lower case; empty: there is none. */
static view take_keyword(struct reader *r) {
    return arena_lower(r->arena, take_while(r, r->how->relaxed ? is_of_own_keyword : is_of_keyword));
}

static bool take_number(struct reader *r, int64_t *ret) {
    return view_to_i64(take_while(r, ascii_is_digit), ret);
}

/* ---- values ---- */

/* What no value has that is not quoted. */
static bool is_of_bare(char c) {
    return !ascii_is_space(c) && !strchr(";()\"", c);
}

static bool is_of_token(char c) { /* RFC 2045 5.1 */
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_of_local_part(char c) {
    return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || strchr("!#$%&'*+-/=?^_`{|}~.", c);
}

static bool is_of_domain(char c) {
    return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || strchr("-_.", c);
}

/* A domain, "@" and a domain, or an address. */
static bool is_identity(view v) {
    ptrdiff_t at = view_rfind(v, '@');
    view local = view_slice(v, 0, at < 0 ? 0 : (size_t)at);
    return view_is_all(view_skip(v, (size_t)(at + 1)), is_of_domain) &&
           (local.len == 0 || view_is_all(local, is_of_local_part));
}

/* Behind the quoted string that v begins with; 0: it does not end. */
static size_t quoted_end(view v) {
    for (size_t i = 1; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

/* What stands between the quotes, without folds. */
static view unquoted(view v, struct arena *a) {
    char *out = arena_alloc(a, v.len + 1);
    size_t n = 0;
    for (size_t i = 1; out && i + 1 < v.len; i++) {
        i += v.ptr[i] == '\\' && i + 2 < v.len;
        if (v.ptr[i] != '\r' && v.ptr[i] != '\n')
            out[n++] = v.ptr[i];
    }
    return out ? view_from(out, n) : VIEW("");
}

/* Quoted; or a local part in quotes, and then the value is all of the address as it is written. */
static bool take_quoted(struct reader *r, view *ret) {
    view start = r->rest;
    size_t n = quoted_end(start);
    if (n == 0)
        return false;
    r->rest = view_skip(start, n);
    if (!view_starts_with(r->rest, VIEW("@"))) {
        *ret = unquoted(view_slice(start, 0, n), r->arena);
        return true;
    }
    r->rest = view_skip(r->rest, 1);
    view domain = take_while(r, is_of_bare);
    *ret = view_slice(start, 0, n + 1 + domain.len);
    return view_is_all(domain, is_of_domain);
}

static bool take_value(struct reader *r, view *ret) {
    if (view_starts_with(r->rest, VIEW("\"")))
        return take_quoted(r, ret);
    *ret = take_while(r, is_of_bare);
    r->odd_value |= !view_is_all(*ret, is_of_token) && !is_identity(*ret);
    return ret->len > 0 || r->how->relaxed;
}

/* authserv-id and reason: in UTF-8 only between quotes. */
static bool take_plain_value(struct reader *r, view *ret) {
    if (view_starts_with(r->rest, VIEW("\"")))
        return take_quoted(r, ret);
    *ret = take_while(r, is_of_bare);
    return view_is_all(*ret, r->how->relaxed ? is_of_bare : is_of_token);
}

/* ---- results ---- */

/* What may be found out by methods that are registered. */
static const struct {
    const char *method, *results;
} registered[] = {
    {"arc", "none pass fail"},
    {"auth", "none pass fail temperror permerror"},
    {"bimi", "none pass fail declined skipped temperror"},
    {"dkim", "none pass fail policy neutral temperror permerror"},
    {"dkim-adsp", "none pass unknown fail discard nxdomain temperror permerror"},
    {"dkim-atps", "none pass fail temperror permerror"},
    {"dmarc", "none pass fail temperror permerror"},
    {"dnswl", "none pass temperror permerror"},
    {"domainkeys", "none pass fail policy neutral temperror permerror"},
    {"iprev", "pass fail temperror permerror"},
    {"rrvs", "none pass unknown fail temperror permerror"},
    {"sender-id", "none pass fail hardfail softfail neutral policy temperror permerror"},
    {"smime", "none pass fail policy neutral temperror permerror"},
    {"spf", "none pass fail hardfail softfail neutral policy temperror permerror"},
    {"vbr", "none pass fail temperror permerror"},
};

static bool has_word(const char *words, view word) {
    view rest = view_of(words), one;
    while (view_split(&rest, ' ', &one))
        if (view_eq(one, word))
            return true;
    return false;
}

/* *ret_own: of a method that is not registered. Names are case-sensitive but for SPF (RFC 4408). */
static bool is_result(view method, view as_written, view lower, bool *ret_own) {
    bool any_case = view_eq(method, VIEW("spf")) || view_eq(method, VIEW("sender-id"));
    *ret_own = false;
    for (size_t i = 0; i < sizeof registered / sizeof registered[0]; i++)
        if (view_eq(method, view_of(registered[i].method)))
            return has_word(registered[i].results, any_case ? lower : as_written);
    *ret_own = true;
    return true;
}

static bool take_method(struct reader *r, struct authres_result *ret, bool *ret_own) {
    *ret = (struct authres_result){.version = 1, .reason = VIEW("")};
    ret->method = take_keyword(r);
    if (ret->method.len == 0 || (take(r, '/') && !take_number(r, &ret->version)) || !take(r, '='))
        return false;
    view as_written = r->rest;
    ret->result = take_keyword(r);
    as_written = view_slice(as_written, 0, ret->result.len);
    bool known = is_result(ret->method, as_written, ret->result, ret_own);
    r->own_method |= *ret_own;
    return ret->result.len > 0 && (known || r->how->relaxed);
}

static bool take_property(struct reader *r, view type, struct authres_result *ret) {
    if (ret->property_count == AUTHRES_PROPERTIES_MOST)
        return false;
    struct authres_property *p = &ret->properties[ret->property_count++];
    *p = (struct authres_property){.type = type, .name = take_keyword(r)};
    return p->name.len > 0 && take(r, '=') && take_value(r, &p->value);
}

/* "reason=...", "type.name=...", or without a type what only its writer knows; that is left out. */
static bool take_detail(struct reader *r, bool own, struct authres_result *ret) {
    view word = take_keyword(r), dropped;
    if (word.len == 0)
        return false;
    if (take(r, '.'))
        return take_property(r, word, ret);
    if (!take(r, '='))
        return false;
    if (view_eq(word, VIEW("reason")) && ret->reason.len == 0 &&
        (ret->property_count == 0 || r->how->relaxed))
        return take_plain_value(r, &ret->reason);
    return (own || r->how->relaxed) && take_value(r, &dropped);
}

static bool take_result(struct reader *r, struct authres_result *ret) {
    bool own;
    if (!take_method(r, ret, &own))
        return false;
    while (skip(r) && r->rest.len > 0 && r->rest.ptr[0] != ';')
        if (!take_detail(r, own, ret))
            return false;
    return true;
}

/* ---- the field ---- */

/* Outlook begins with the first result. */
static bool has_no_id(const struct reader *r) {
    struct reader ahead = *r;
    return ahead.how->relaxed && take_keyword(&ahead).len > 0 && take(&ahead, '=');
}

static bool take_id(struct reader *r, struct authres *ret) {
    if (!take_plain_value(r, &ret->id) || !skip(r))
        return false;
    return r->rest.len == 0 || !ascii_is_digit(r->rest.ptr[0]) || take_number(r, &ret->version);
}

static bool is_none(const struct reader *r) {
    struct reader ahead = *r;
    if (!view_eq(take_keyword(&ahead), VIEW("none")))
        return false;
    if (ahead.how->relaxed)
        (void)take(&ahead, ';');
    return is_at_end(&ahead);
}

static size_t most_results(view value) {
    size_t count = 1;
    for (size_t i = 0; i < value.len && count < AUTHRES_RESULTS_MOST; i++)
        count += value.ptr[i] == ';';
    return count;
}

static bool take_results(struct reader *r, size_t most, bool first, struct authres *ret) {
    for (; first || take(r, ';'); first = false) {
        if (r->rest.len == 0)
            return r->how->relaxed;
        if (ret->count == 0 && is_none(r))
            return true;
        if (ret->count == most || !take_result(r, &ret->results[ret->count++]))
            return false;
    }
    return is_at_end(r) && (ret->count > 0 || r->how->relaxed);
}

static bool has_controls(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (((unsigned char)v.ptr[i] < ' ' && !ascii_is_space(v.ptr[i])) || v.ptr[i] == 0x7f)
            return true;
    return false;
}

bool authres_parse(view value, const struct authres_reading *how, struct arena *a, struct authres *ret) {
    struct reader r = {.rest = value, .how = how, .arena = a};
    *ret = (struct authres){.id = VIEW(""), .version = 1};
    if (value.len > FIELD_MOST || has_controls(value) || !(how->utf8 ? view_is_utf8 : view_is_ascii)(value))
        return false;
    size_t most = most_results(value);
    ret->results = arena_array(a, struct authres_result, most);
    if (!ret->results || !skip(&r))
        return false;
    bool without = has_no_id(&r);
    if ((!without && !take_id(&r, ret)) || !take_results(&r, most, without, ret) || a->failed)
        return false;
    /* Who reports methods of their own write all values bare: Gmail's header.b with "/" beside its x-tls. */
    return how->relaxed || !r.odd_value || r.own_method;
}

bool authres_take_instance(view *value, view *ret_instance) {
    struct reader r = {.rest = *value};
    if (!take(&r, 'i') || !take(&r, '='))
        return false;
    *ret_instance = take_while(&r, ascii_is_digit);
    if (!take(&r, ';'))
        return false;
    *value = r.rest;
    return true;
}

/* ---- forged ones ---- */

/* The next octet that counts: behind white space, comments, quotes and backslashes. *gap: some stood before
 * it. A comment that does not end is none, and none is looked for behind it. */
static bool next_octet(view *rest, bool *comments, bool *gap, char *ret) {
    *gap = false;
    while (rest->len > 0) {
        char c = rest->ptr[0];
        size_t n = c == '(' && *comments ? comment_end(*rest) : 1;
        *comments &= n > 0;
        if (n == 1 && (unsigned char)c > ' ' && !strchr("\"\\()", c)) {
            *rest = view_skip(*rest, 1);
            *ret = c;
            return true;
        }
        *gap |= c != '\\';
        *rest = view_skip(*rest, n > 0 ? n : 1);
    }
    return false;
}

bool authres_claims(view value, view id) {
    bool comments = true, gap;
    char c;
    if (view_ends_with(id, VIEW(".")))
        id.len--;
    for (size_t i = 0; i < id.len; i++)
        if (!next_octet(&value, &comments, &gap, &c) || ascii_lower(c) != ascii_lower(id.ptr[i]))
            return false;
    if (!next_octet(&value, &comments, &gap, &c))
        return id.len > 0;
    if (c == '.' && !gap && !next_octet(&value, &comments, &gap, &c))
        return id.len > 0;
    return id.len > 0 && (gap || c == ';' || c == '/' || c == '=');
}
