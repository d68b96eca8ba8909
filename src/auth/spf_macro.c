/* spf_macro.c: macros in domain-specs and explanations (RFC 7208 7). */
#include <stdio.h>
#include <string.h>

#include "auth/spf_private.h"
#include "mail/address.h"
#include "mail/text.h"

enum {
    NAME_MOST = 253,
    LABELS_MOST = 1000 * 1000, /* more than any value has */
    EXPANDED_MOST = 16 * 1024,
    NAME_KEPT = 1024 /* octets of a name while it grows: what is left of them will be cut */
};

/* "%{ir.}": letter, how many labels from the right, whether reversed, delimiters. */
struct macro {
    char letter;
    bool upper, reverse;
    int labels; /* 0: all */
    view delimiters;
};

/* How many labels, at *i: 0 where nothing stands. False: a zero stands there. */
static bool read_labels(view text, size_t *i, int *ret) {
    size_t begin = *i;
    *ret = 0;
    for (; *i < text.len && ascii_is_digit(text.ptr[*i]); ++*i)
        *ret = *ret < LABELS_MOST ? *ret * 10 + (text.ptr[*i] - '0') : *ret;
    return *i == begin || *ret > 0;
}

/* Behind "%{". Returns its length with the brace; 0: malformed. */
static size_t read_macro(view text, bool exp, struct macro *ret) {
    view letters = exp ? VIEW("slodiphvcrt") : VIEW("slodiphv");
    size_t i = 1;
    *ret = (struct macro){.labels = 0};
    if (text.len == 0)
        return 0;
    ret->letter = ascii_lower(text.ptr[0]);
    ret->upper = text.ptr[0] != ret->letter;
    if (view_find(letters, ret->letter) < 0 || !read_labels(text, &i, &ret->labels))
        return 0;
    if (i < text.len && ascii_lower(text.ptr[i]) == 'r') {
        ret->reverse = true;
        i++;
    }
    size_t begin = i;
    while (i < text.len && view_find(VIEW(".-+,/_="), text.ptr[i]) >= 0)
        i++;
    ret->delimiters = view_slice(text, begin, i - begin);
    return i < text.len && text.ptr[i] == '}' ? i + 1 : 0;
}

/* The length of what stands at the beginning: a macro, or one octet; 0: malformed. */
static size_t macro_len(view text, bool exp) {
    struct macro m;
    unsigned char ch = (unsigned char)text.ptr[0];
    if (ch != '%')
        return ch > ' ' && ch < 0x7f ? 1 : exp && ch == ' ' ? 1 : 0;
    if (text.len > 1 && text.ptr[1] == '{') {
        size_t n = read_macro(view_skip(text, 2), exp, &m);
        return n ? n + 2 : 0;
    }
    return text.len > 1 && (text.ptr[1] == '%' || text.ptr[1] == '_' || text.ptr[1] == '-') ? 2 : 0;
}

bool spf_macros_are_valid(view text, bool exp) {
    while (text.len > 0) {
        size_t n = macro_len(text, exp);
        if (n == 0)
            return false;
        text = view_skip(text, n);
    }
    return true;
}

/* RFC 7208 7.1 toplabel: letters, digits and hyphens, not digits alone. */
static bool is_top_label(view label) {
    bool digits = true;
    for (size_t i = 0; i < label.len; i++) {
        if (!ascii_is_alnum(label.ptr[i]) && (label.ptr[i] != '-' || i == 0 || i + 1 == label.len))
            return false;
        digits = digits && ascii_is_digit(label.ptr[i]);
    }
    return label.len > 0 && !digits;
}

bool spf_domain_spec_is_valid(view text) {
    size_t last = 0;
    if (text.len == 0 || !spf_macros_are_valid(text, false))
        return false;
    for (view rest = text; rest.len > 0;) { /* what it ends with: a macro? */
        size_t n = macro_len(rest, false);
        last = n;
        rest = view_skip(rest, n);
    }
    if (last > 1)
        return true;
    view name = view_ends_with(text, VIEW(".")) ? view_slice(text, 0, text.len - 1) : text;
    ptrdiff_t dot = view_rfind(name, '.');
    return dot >= 0 && is_top_label(view_skip(name, (size_t)dot + 1));
}

/* ---- expansion ---- */

static view dotted(struct spf_run *r) {
    const unsigned char *o = (const unsigned char *)r->client.ptr;
    if (r->client.len == 4)
        return arena_printf(r->answers->arena, "%d.%d.%d.%d", o[0], o[1], o[2], o[3]);
    struct buf out = BUF_INIT(80);
    for (int i = 0; i < 16; i++)
        buf_printf(&out, "%s%x.%x", i ? "." : "", o[i] >> 4, o[i] & 15);
    view made = arena_view(r->answers->arena, buf_view(&out));
    buf_done(&out);
    return made;
}

/* For people (%{c}). */
static view readable(struct spf_run *r) {
    const unsigned char *o = (const unsigned char *)r->client.ptr;
    struct buf out = BUF_INIT(80);
    if (r->client.len == 4)
        return dotted(r);
    int best = -1, best_len = 1; /* RFC 5952 4.2: the longest run of zeros, the first of such */
    for (int i = 0; i < 8; i++) {
        int len = 0;
        while (i + len < 8 && !o[2 * (i + len)] && !o[2 * (i + len) + 1])
            len++;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            buf_add_str(&out, "::");
            i += best_len - 1;
            continue;
        }
        bool colon = i > 0 && (best < 0 || i != best + best_len);
        buf_printf(&out, "%s%x", colon ? ":" : "", o[2 * i] << 8 | o[2 * i + 1]);
    }
    view made = arena_view(r->answers->arena, buf_view(&out));
    buf_done(&out);
    return made;
}

/* False: answers are wanted. */
static bool value_of(struct spf_run *r, char letter, view domain, view *ret) {
    struct address sender = address_split(r->sender);
    struct arena *a = r->answers->arena;
    switch (letter) {
    case 's':
        *ret = r->sender;
        return true;
    case 'l':
        *ret = sender.local;
        return true;
    case 'o':
        *ret = sender.domain;
        return true;
    case 'd':
        *ret = domain;
        return true;
    case 'i':
        *ret = dotted(r);
        return true;
    case 'c':
        *ret = readable(r);
        return true;
    case 'v':
        *ret = r->client.len == 4 ? VIEW("in-addr") : VIEW("ip6");
        return true;
    case 'h':
        *ret = r->helo;
        return true;
    case 'r':
        *ret = r->query->receiver.len ? r->query->receiver : VIEW("unknown");
        return true;
    case 't':
        *ret = arena_printf(a, "%lld", (long long)r->query->now_s);
        return true;
    default: /* 'p' */
        if (!spf_validated_name(r, domain, false, ret))
            return false;
        *ret = ret->len ? *ret : VIEW("unknown");
        return true;
    }
}

/* A part of the value, its parts from right to left, with dots between. */
static void add_reversed(view value, view delimiters, struct buf *out) {
    size_t end = value.len;
    for (size_t i = value.len; i-- > 0;)
        if (view_find(delimiters, value.ptr[i]) >= 0) {
            buf_add(out, view_slice(value, i + 1, end - i - 1));
            buf_add_char(out, '.');
            end = i;
        }
    buf_add(out, view_slice(value, 0, end));
}

static void add_forward(view value, view delimiters, struct buf *out) {
    for (size_t i = 0; i < value.len; i++)
        buf_add_char(out, view_find(delimiters, value.ptr[i]) >= 0 ? '.' : value.ptr[i]);
}

static view first_parts(view value, view delimiters, int n) {
    for (size_t i = 0; i < value.len; i++)
        if (view_find(delimiters, value.ptr[i]) >= 0 && --n == 0)
            return view_slice(value, 0, i);
    return value;
}

static view last_parts(view value, view delimiters, int n) {
    for (size_t i = value.len; i-- > 0;)
        if (view_find(delimiters, value.ptr[i]) >= 0 && --n == 0)
            return view_skip(value, i + 1);
    return value;
}

/* Cut at the delimiters, reverse, take some from the right, and put dots between. Those from the right of
 * what is reversed are the first. */
static void add_labels(const struct macro *m, view value, struct buf *out) {
    view delimiters = m->delimiters.len ? m->delimiters : VIEW(".");
    if (m->labels > 0)
        value =
            m->reverse ? first_parts(value, delimiters, m->labels) : last_parts(value, delimiters, m->labels);
    if (m->reverse)
        add_reversed(value, delimiters, out);
    else
        add_forward(value, delimiters, out);
}

/* RFC 3986 2.3. */
static void add_escaped(view v, struct buf *out) {
    for (size_t i = 0; i < v.len; i++)
        if (ascii_is_alnum(v.ptr[i]) || (v.ptr[i] && strchr("-._~", v.ptr[i])))
            buf_add_char(out, v.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)v.ptr[i]);
}

/* False: answers are wanted. */
static bool add_macro(struct spf_run *r, const struct macro *m, view domain, struct buf *out) {
    view value;
    if (!value_of(r, m->letter, domain, &value))
        return false;
    struct buf plain = BUF_INIT(value.len);
    add_labels(m, value, &plain);
    if (m->upper)
        add_escaped(buf_view(&plain), out);
    else
        buf_add(out, buf_view(&plain));
    buf_done(&plain);
    return true;
}

static view shortened(view name) {
    while (name.len > NAME_MOST && view_find(name, '.') >= 0)
        name = view_skip(name, (size_t)view_find(name, '.') + 1);
    return name;
}

/* RFC 8616 4: such terms match nothing. */
static bool is_no_label(const struct spf_run *r, const struct macro *m) {
    return (m->letter == 's' || m->letter == 'l') && !text_is_7bit(address_split(r->sender).local);
}

/* PASS, or there is nothing to go on with. *text begins behind it then. */
static enum spf_result expand_one(struct spf_run *r, view *text, view domain, bool exp, struct buf *out) {
    struct macro m;
    size_t n = macro_len(*text, exp);
    view one = view_slice(*text, 0, n);
    *text = view_skip(*text, n);
    if (n == 1) {
        buf_add(out, one);
    } else if (n == 2) {
        buf_add_str(out, one.ptr[1] == '%' ? "%" : one.ptr[1] == '_' ? " " : "%20");
    } else {
        read_macro(view_skip(one, 2), exp, &m);
        if (!exp && is_no_label(r, &m))
            return SPF_NONE;
        if (!add_macro(r, &m, domain, out))
            return SPF_WAITS;
    }
    if (!exp && out->len > 2 * NAME_KEPT)
        buf_consume(out, out->len - NAME_KEPT);
    return out->failed ? SPF_NONE : SPF_PASS;
}

enum spf_result spf_expand(struct spf_run *r, view text, view domain, bool exp, view *ret) {
    struct buf out = BUF_INIT(EXPANDED_MOST);
    enum spf_result got = SPF_PASS;
    while (got == SPF_PASS && text.len > 0)
        got = expand_one(r, &text, domain, exp, &out);
    *ret = arena_view(r->answers->arena, exp ? buf_view(&out) : shortened(buf_view(&out)));
    buf_done(&out);
    return got;
}
