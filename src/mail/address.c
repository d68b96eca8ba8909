/* address.c: the address grammar of RFC 5321 4.1.2 and RFC 6531 3.3, and the one form addresses are compared
 * in.
 *
 * A parser here first finds how far a thing can reach (the ..._span functions), then judges the piece.
 * Nothing that passes can hold a control character, so an address is safe in a reply, a header field and a
 * log line. Local parts over 64 octets pass on purpose (RFC 5321 4.5.3.1 names sizes that must at least be
 * taken): bounces to VERP addresses, ours too, are longer than that. Only the whole is bounded, by
 * LIMIT_ADDRESS. */
#include "mail/address.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "base/buf.h"
#include "mail/text.h"

enum { LABEL_OCTETS = 63 };

static bool is_atext(char c) {
    return (unsigned char)c >= 0x80 || ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_domain_char(char c) {
    return (unsigned char)c >= 0x80 || ascii_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

/* Each ..._span gives the length of that thing at the front, 0 when it is not there. */

static size_t dot_atom_span(view v) {
    size_t len = 0;
    while (len < v.len && (is_atext(v.ptr[len]) || (v.ptr[len] == '.' && len && v.ptr[len - 1] != '.')))
        len++;
    return len && v.ptr[len - 1] == '.' ? 0 : len;
}

static size_t quoted_span(view v) {
    for (size_t i = 1; i < v.len; i++) {
        if (v.ptr[i] == '"')
            return i + 1;
        bool pair = v.ptr[i] == '\\';
        if (pair && ++i == v.len)
            return 0;
        unsigned char c = (unsigned char)v.ptr[i];
        if (c < 0x20 || c == 0x7f || (pair && c >= 0x80))
            return 0;
    }
    return 0;
}

static size_t local_span(view v) {
    return view_starts_with(v, VIEW("\"")) ? quoted_span(v) : dot_atom_span(v);
}

static size_t domain_span(view v) {
    if (view_starts_with(v, VIEW("[")))
        return (size_t)(view_find(v, ']') + 1);
    size_t len = 0;
    while (len < v.len && is_domain_char(v.ptr[len]))
        len++;
    return len;
}

static bool is_dot_atom(view v) {
    return v.len && dot_atom_span(v) == v.len;
}

static bool is_literal(view domain) {
    return view_starts_with(domain, VIEW("["));
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
static bool literal_ok(view v) {
    if (v.len < 2 || v.ptr[v.len - 1] != ']')
        return false;
    view text = view_slice(v, 1, v.len - 2);
    int family = AF_INET;
    if (view_starts_with_nocase(text, VIEW("IPv6:"))) {
        family = AF_INET6;
        text = view_skip(text, strlen("IPv6:"));
    }
    char host[INET6_ADDRSTRLEN] = "";
    if (!text.len || text.len >= sizeof host || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(host, text.ptr, text.len);
    unsigned char ip[sizeof(struct in6_addr)];
    return inet_pton(family, host, ip) == 1;
}

/* The octets of a label in UTF-8 say nothing about its length as an A-label, which is what counts. */
static bool label_ok(view label) {
    if (!label.len || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    return label.len <= LABEL_OCTETS || !text_is_7bit(label);
}

static bool domain_name_ok(view domain) {
    if (!domain.len || domain.len > LIMIT_DOMAIN || domain.ptr[domain.len - 1] == '.')
        return false;
    if (is_literal(domain) || domain_span(domain) != domain.len)
        return false;
    view label;
    while (view_split(&domain, '.', &label))
        if (!label_ok(label))
            return false;
    return true;
}

static bool domain_ok(view domain) {
    return is_literal(domain) ? literal_ok(domain) : domain_name_ok(domain);
}

static bool mailbox_take(view *v, unsigned flags, struct address *ret_address, struct err *e) {
    struct address a;
    a.local = view_slice(*v, 0, local_span(*v));
    view rest = view_skip(*v, a.local.len);
    if (!a.local.len)
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: the part before @ is wrong");
    if (!view_starts_with(rest, VIEW("@")))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: no @domain");
    rest = view_skip(rest, 1);
    a.domain = view_slice(rest, 0, domain_span(rest));
    if (!domain_ok(a.domain))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: the domain is wrong");
    if (a.local.len + 1 + a.domain.len > LIMIT_ADDRESS)
        return err_set(e, ERR_SYNTAX_ADDRESS, "mail address too long");
    if (address_is_utf8(&a)) {
        if (!(flags & PATH_ALLOW_UTF8))
            return err_set(e, ERR_NO_UTF8, NULL);
        if (!text_is_printable(a.local) || !text_is_printable(a.domain))
            return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: not UTF-8");
    }
    *v = view_skip(rest, a.domain.len);
    *ret_address = a;
    return true;
}

/* "@one,@two:": where the message should have gone by; nobody has used that for decades. */
static bool route_skip(view *v) {
    if (!view_starts_with(*v, VIEW("@")))
        return true;
    while (view_starts_with(*v, VIEW("@"))) {
        view rest = view_skip(*v, 1);
        view domain = view_slice(rest, 0, domain_span(rest));
        rest = view_skip(rest, domain.len);
        if (!domain_ok(domain) || !rest.len)
            return false;
        *v = view_skip(rest, 1);
        if (rest.ptr[0] != ',')
            return rest.ptr[0] == ':';
    }
    return false;
}

bool address_parse_path(view *line, unsigned flags, struct address *ret_address, struct err *e) {
    struct address a = {.local = VIEW_NULL, .domain = VIEW_NULL};
    view v = view_skip(*line, 1);
    if (!view_starts_with(*line, VIEW("<")))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: no <");
    if ((flags & PATH_ALLOW_POSTMASTER) && view_starts_with_nocase(v, VIEW("postmaster>"))) {
        a.local = view_slice(v, 0, strlen("postmaster"));
        v = view_skip(v, a.local.len);
    } else if (!(flags & PATH_ALLOW_NULL) || !view_starts_with(v, VIEW(">"))) {
        if (!route_skip(&v))
            return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: the route is wrong");
        if (!mailbox_take(&v, flags, &a, e))
            return false;
    }
    if (!view_starts_with(v, VIEW(">")))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: no > behind it");
    *line = view_skip(v, 1);
    *ret_address = a;
    return true;
}

bool address_parse(view text, unsigned flags, struct address *ret_address, struct err *e) {
    struct address a;
    if (!mailbox_take(&text, flags, &a, e))
        return false;
    if (text.len)
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid mail address: something stands behind it");
    *ret_address = a;
    return true;
}

void address_local_decode(view local, struct buf *out) {
    if (local.len < 2 || local.ptr[0] != '"') {
        buf_add(out, local);
        return;
    }
    view inner = view_slice(local, 1, local.len - 2);
    for (size_t i = 0; i < inner.len; i++) {
        if (inner.ptr[i] == '\\' && i + 1 < inner.len)
            i++;
        buf_add_char(out, inner.ptr[i]);
    }
}

void address_local_encode(view text, struct buf *out) {
    if (is_dot_atom(text)) {
        buf_add(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

bool address_open(view text, struct arena *a, struct address *ret_parts) {
    struct address parts;
    struct buf local = BUF_INIT(LIMIT_ADDRESS);
    if (!address_parse(text, PATH_ALLOW_UTF8, &parts, NULL))
        return false;
    address_local_decode(parts.local, &local);
    ret_parts->local = arena_view(a, buf_view(&local));
    ret_parts->domain = arena_view(a, parts.domain);
    buf_done(&local);
    return !a->failed;
}

bool address_close(const struct address *parts, struct arena *a, view *ret_text) {
    struct buf text = BUF_INIT(LIMIT_ADDRESS);
    struct address parsed;
    address_local_encode(parts->local, &text);
    buf_add_char(&text, '@');
    buf_add(&text, parts->domain);
    bool ok = !text.failed && address_parse(buf_view(&text), PATH_ALLOW_UTF8, &parsed, NULL);
    *ret_text = ok ? arena_view(a, buf_view(&text)) : VIEW("");
    buf_done(&text);
    return ok && !a->failed;
}

/* A lower-case copy; the empty view at the arena's limit. */
static bool to_alabels(view domain, struct arena *a, view *ret_ascii, struct err *e) {
    char source[LIMIT_DOMAIN + 1] = "";
    uint8_t *found = NULL;
    memcpy(source, domain.ptr, domain.len);
    int rc = idn2_lookup_u8((const uint8_t *)source, &found, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (rc != IDN2_OK)
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid domain: %s", idn2_strerror(rc));
    *ret_ascii = arena_lower(a, view_of((const char *)found));
    idn2_free(found);
    return true;
}

/* No top-level domain is a number, so this is an IP address without its brackets. */
static bool last_label_is_number(view domain) {
    view last = view_skip(domain, (size_t)(view_rfind(domain, '.') + 1));
    for (size_t i = 0; i < last.len; i++)
        if (!ascii_is_digit(last.ptr[i]))
            return false;
    return true;
}

bool domain_normalise(view domain, struct arena *a, view *ret_domain, struct err *e) {
    if (!domain_name_ok(domain) || !text_is_printable(domain))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid domain");
    view ascii = VIEW_NULL;
    if (text_is_7bit(domain))
        ascii = arena_lower(a, domain);
    else if (!to_alabels(domain, a, &ascii, e))
        return false;
    if (a->failed)
        return err_set(e, ERR_LIMIT, NULL);
    /* Mapping by Unicode may have made any ASCII out of look-alikes, '@' too: check again. */
    if (!text_is_7bit(ascii) || !domain_name_ok(ascii))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid domain");
    if (last_label_is_number(ascii))
        return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid domain: an IP address needs brackets");
    *ret_domain = ascii;
    return true;
}

bool address_normalise(const struct address *in, struct arena *a, view *ret_text, struct err *e) {
    view domain = in->domain;
    if (is_literal(domain)) {
        if (!literal_ok(domain))
            return err_set(e, ERR_SYNTAX_ADDRESS, "not a valid address literal");
        domain = arena_lower(a, domain);
    } else if (domain.len && !domain_normalise(domain, a, &domain, e)) {
        return false;
    }
    struct buf plain = BUF_INIT(LIMIT_ADDRESS);
    struct buf text = BUF_INIT(LIMIT_ADDRESS);
    address_local_decode(in->local, &plain);
    if (in->local.len)
        address_local_encode(buf_view(&plain), &text);
    if (domain.len) {
        buf_add_char(&text, '@');
        buf_add(&text, domain);
    }
    bool fits = !plain.failed && !text.failed;
    view normal = arena_lower(a, buf_view(&text));
    buf_done(&plain);
    buf_done(&text);
    if (!fits)
        return err_set(e, ERR_SYNTAX_ADDRESS, "mail address too long");
    if (a->failed)
        return err_set(e, ERR_LIMIT, NULL);
    *ret_text = normal;
    return true;
}

bool address_normalise_text(view text, struct arena *a, view *ret_text, struct err *e) {
    struct address parsed;
    return address_parse(text, PATH_ALLOW_UTF8, &parsed, e) && address_normalise(&parsed, a, ret_text, e);
}

struct address address_split(view normalised) {
    ptrdiff_t at = view_rfind(normalised, '@');
    if (at < 0)
        return (struct address){.local = normalised, .domain = VIEW_NULL};
    return (struct address){.local = view_slice(normalised, 0, (size_t)at),
                            .domain = view_skip(normalised, (size_t)at + 1)};
}

void address_detail(view local, view *ret_user, view *ret_detail) {
    *ret_user = local;
    *ret_detail = VIEW_NULL;
    bool quoted = local.len >= 2 && local.ptr[0] == '"';
    view text = quoted ? view_slice(local, 1, local.len - 2) : local;
    ptrdiff_t plus = view_find(text, '+');
    if (plus <= 0 || !is_dot_atom(view_slice(text, 0, (size_t)plus)))
        return;
    *ret_user = view_slice(text, 0, (size_t)plus);
    *ret_detail = view_skip(text, (size_t)plus + 1);
}

bool address_is_utf8(const struct address *a) {
    return !text_is_7bit(a->local) || !text_is_7bit(a->domain);
}
