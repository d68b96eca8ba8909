/* authres.c: writing; authres_parse.c reads. See authres.h. */
#include "auth/authres.h"

#include <string.h>

#include "mail/encoded_word.h"
#include "mail/text.h"

enum { LINE = 78, VALUE_MOST = 480 };

/* Of a token (RFC 2045 5.1), and what more a local part may have bare (RFC 5322 3.2.3). */
static bool is_token_char(char c) {
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`{|}~", c));
}

static bool is_local_char(char c) {
    return is_token_char(c) || c == '=';
}

static bool is_token(view v) {
    return view_is_all(v, is_token_char);
}

/* pvalue (RFC 8601 2.2): a token, or [local-part]@domain. */
static bool is_bare(view v) {
    ptrdiff_t at = view_rfind(v, '@');
    if (at < 0)
        return is_token(v);
    view local = view_slice(v, 0, (size_t)at), domain = view_skip(v, (size_t)at + 1);
    return view_is_all(domain, is_token_char) &&
           (at == 0 ||
            (view_is_all(local, is_local_char) && local.ptr[0] != '.' && local.ptr[at - 1] != '.'));
}

/* Not in the middle of a character. */
static view cut(view v) {
    size_t len = v.len < VALUE_MOST ? v.len : VALUE_MOST;
    while (len < v.len && len > 0 && ((unsigned char)v.ptr[len] & 0xc0) == 0x80)
        len--;
    return view_slice(v, 0, len);
}

/* bare: it may stand as it is. */
static void add_value(struct buf *out, view v, bool (*bare)(view v)) {
    v = cut(v);
    if (bare(v)) {
        buf_add(out, v);
        return;
    }
    buf_add_char(out, '"');
    while (v.len > 0) {
        size_t n = text_char_len(v);
        if (v.ptr[0] == '"' || v.ptr[0] == '\\')
            buf_add_char(out, '\\');
        buf_add(out, n > 0 ? view_slice(v, 0, n) : VIEW("?"));
        v = view_skip(v, n > 0 ? n : 1);
    }
    buf_add_char(out, '"');
}

/* A word, behind a fold where the line would be long. */
static void add_word(struct buf *out, struct buf *word, size_t *column) {
    bool fold = *column + 1 + word->len > LINE;
    buf_add_str(out, fold ? "\r\n\t" : " ");
    buf_add(out, buf_view(word));
    *column = (fold ? 8 : *column + 1) + word->len;
    buf_reset(word);
}

static void add_result(const struct authres_result *r, struct buf *out) {
    struct buf word = BUF_INIT(4 * VALUE_MOST);
    size_t column = LINE; /* each begins a line */
    buf_add(&word, r->method);
    buf_add_char(&word, '=');
    buf_add(&word, r->result);
    add_word(out, &word, &column);
    if (r->reason.len > 0) {
        buf_add_str(&word, "reason=");
        add_value(&word, r->reason, is_token);
        add_word(out, &word, &column);
    }
    for (size_t i = 0; i < r->property_count; i++) {
        const struct authres_property *p = &r->properties[i];
        buf_printf(&word, "%.*s.%.*s=", VIEW_ARG(p->type), VIEW_ARG(p->name));
        add_value(&word, p->value, is_bare);
        add_word(out, &word, &column);
    }
    buf_done(&word);
}

static const char field_name[] = "Authentication-Results";

/* As it looks to who decodes what no such field has: encoded words. */
static bool claims_encoded(view value, view id) {
    struct buf decoded = BUF_INIT(3 * value.len + 1);
    if (view_search(value, VIEW("=?")) >= 0)
        encoded_words_decode(value, &decoded);
    bool claims = authres_claims(buf_view(&decoded), id);
    buf_done(&decoded);
    return claims;
}

bool results_are_forged(view trace, const struct header_field *f) {
    if (!view_eq_nocase(f->name, view_of(field_name)) || !view_starts_with_nocase(trace, view_of(field_name)))
        return false;
    view id = view_trim(view_skip(trace, sizeof field_name));
    ptrdiff_t end = view_find(id, ';');
    id = view_slice(id, 0, end < 0 ? 0 : (size_t)end);
    return authres_claims(f->value, id) || claims_encoded(f->value, id);
}

void authres_write(const struct authres *r, struct buf *out) {
    add_value(out, r->id, is_token);
    for (size_t i = 0; i < r->count; i++) {
        buf_add_char(out, ';');
        add_result(&r->results[i], out);
    }
    buf_add_str(out, r->count == 0 ? "; none\r\n" : "\r\n");
}
