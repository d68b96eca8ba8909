/* spf_macro.c: macros in domain-specs and explanations (RFC 7208 7). */
#include <stdio.h>
#include <string.h>

#include "auth/spf_private.h"
#include "mail/address.h"

enum { NAME_MOST = 253, LABELS_MOST = 128, EXPANDED_MOST = 8 * 1024 };

/* "%{ir.}": letter, how many labels from the right, whether reversed, delimiters. */
struct macro {
    char letter;
    bool upper, reverse;
    int labels; /* 0: all */
    view delimiters;
};

/* Behind "%{". Returns its length with the brace; 0: malformed. */
static size_t read_macro(view text, bool exp, struct macro *ret) {
    static const char letters[] = "slodiphv", in_explanations[] = "crt", delimiters[] = ".-+,/_=";
    size_t i = 0;
    *ret = (struct macro){.labels = 0};
    if (text.len == 0 || !text.ptr[0])
        return 0;
    ret->letter = ascii_lower(text.ptr[i]);
    ret->upper = text.ptr[i++] != ret->letter;
    if (!strchr(letters, ret->letter) && !(exp && strchr(in_explanations, ret->letter)))
        return 0;
    bool digits = false;
    for (; i < text.len && ascii_is_digit(text.ptr[i]); i++, digits = true)
        ret->labels = ret->labels < LABELS_MOST ? ret->labels * 10 + (text.ptr[i] - '0') : LABELS_MOST;
    if (digits && ret->labels == 0)
        return 0;
    if (i < text.len && ascii_lower(text.ptr[i]) == 'r') {
        ret->reverse = true;
        i++;
    }
    size_t begin = i;
    while (i < text.len && text.ptr[i] && strchr(delimiters, text.ptr[i]))
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

/* Cut at the delimiters, reverse, take some from the right, and put dots between. */
static void add_labels(const struct macro *m, view value, struct buf *out) {
    view labels[LABELS_MOST];
    size_t n = 0, begin = 0;
    view delimiters = m->delimiters.len ? m->delimiters : VIEW(".");
    for (size_t i = 0; i <= value.len && n < LABELS_MOST; i++)
        if (i == value.len || view_find(delimiters, value.ptr[i]) >= 0) {
            labels[n++] = view_slice(value, begin, i - begin);
            begin = i + 1;
        }
    size_t shown = m->labels > 0 && (size_t)m->labels < n ? (size_t)m->labels : n;
    for (size_t i = 0; i < shown; i++) {
        size_t at = n - shown + i; /* of the list as it is to be */
        buf_add(out, labels[m->reverse ? n - 1 - at : at]);
        buf_add_str(out, i + 1 < shown ? "." : "");
    }
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
    struct buf plain = BUF_INIT(EXPANDED_MOST);
    view value;
    bool ok = value_of(r, m->letter, domain, &value);
    if (ok) {
        add_labels(m, value, &plain);
        if (m->upper)
            add_escaped(buf_view(&plain), out);
        else
            buf_add(out, buf_view(&plain));
    }
    buf_done(&plain);
    return ok;
}

static view shortened(view name) {
    while (name.len > NAME_MOST && view_find(name, '.') >= 0)
        name = view_skip(name, (size_t)view_find(name, '.') + 1);
    return name;
}

enum spf_result spf_expand(struct spf_run *r, view text, view domain, bool exp, view *ret) {
    struct buf out = BUF_INIT(EXPANDED_MOST);
    bool ok = true;
    while (ok && text.len > 0) {
        struct macro m;
        size_t n = macro_len(text, exp);
        if (n > 2) {
            read_macro(view_skip(text, 2), exp, &m);
            ok = add_macro(r, &m, domain, &out);
        } else if (n == 2) {
            buf_add_str(&out, text.ptr[1] == '%' ? "%" : text.ptr[1] == '_' ? " " : "%20");
        } else {
            buf_add_char(&out, text.ptr[0]);
            n = 1;
        }
        text = view_skip(text, n);
    }
    view made = arena_view(r->answers->arena, buf_view(&out));
    *ret = exp ? made : shortened(made);
    buf_done(&out);
    return ok ? SPF_PASS : SPF_WAITS;
}
