/* mitigation.c: see mitigation.h. Addresses are replaced where they stand, so that names, comments and
 * encoded words keep their octets. */
#include "lists/mitigation.h"

#include "base/limits.h"
#include "mail/mailboxes.h"
#include "mail/text.h"

/* What an address becomes. False: it stays. */
struct change {
    bool (*of)(struct change *c, view address, view *ret);
    struct arena *arena;
    view wrap_domain, key;
    const struct wrap_domains *unwrap;
    size_t made, failed;
};

/* Where the address stands in what was written of one mailbox: between the last angle brackets outside of
 * quotes, or as it is. Empty: it cannot be told, as when white space stands in it. */
static view place_of(view written, view address) {
    bool quoted = false;
    size_t open = SIZE_MAX;
    for (size_t i = 0; i < written.len; i++) {
        char c = written.ptr[i];
        if (c == '\\' && quoted)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == '<' && !quoted)
            open = i + 1;
    }
    view from = open == SIZE_MAX ? written : view_skip(written, open);
    ptrdiff_t at = view_search(from, address);
    return at < 0 ? VIEW("") : view_slice(from, (size_t)at, address.len);
}

/* Who reads it finds this address and no other: a comment or a name may look like the address. */
static bool says(view written, view address, struct arena *a) {
    view found;
    struct err e;
    return mailboxes_next(&written, a, &found, &e) && view_eq(found, address) && written.len == 0;
}

/* One mailbox as it was written, with another address in its place. */
static view with_address(view written, view address, view changed, struct arena *a) {
    view place = place_of(written, address);
    if (place.len == 0)
        return VIEW("");
    size_t at = (size_t)(place.ptr - written.ptr);
    view made = arena_printf(a, "%.*s%.*s%.*s", VIEW_ARG(view_slice(written, 0, at)), VIEW_ARG(changed),
                             VIEW_ARG(view_skip(written, at + place.len)));
    return says(made, changed, a) ? made : VIEW("");
}

/* The mailboxes of a value, each with its address changed where that can be. False: one is written in a way
 * of its own. */
static bool change_in_place(view value, struct change *c, struct buf *out) {
    view rest = value, address, changed;
    struct err e;
    while (rest.len > 0) {
        view before = rest;
        if (!mailboxes_next(&rest, c->arena, &address, &e)) {
            c->failed += rest.len > 0; /* there may be more addresses, which nobody can tell */
            buf_add(out, before);
            return true;
        }
        view written = view_slice(before, 0, before.len - rest.len);
        if (!c->of(c, address, &changed)) {
            buf_add(out, written);
            continue;
        }
        view made = with_address(written, address, changed, c->arena);
        if (made.len == 0)
            return false;
        buf_add(out, made);
    }
    return true;
}

/* Nothing but the addresses: names, groups and commas around one whose place is not known would be a guess.
 */
static void change_bare(view value, struct change *c, struct buf *out) {
    view address, changed;
    struct err e;
    while (mailboxes_next(&value, c->arena, &address, &e))
        buf_printf(out, "%s%.*s", out->len > 0 ? ", " : "",
                   VIEW_ARG(c->of(c, address, &changed) ? changed : address));
    if (value.len > 0) /* there is more, which would be lost */
        c->made = 0;
}

static void change_all(view value, struct change *c, struct buf *out) {
    if (change_in_place(value, c, out))
        return;
    buf_reset(out);
    c->made = c->failed = 0;
    change_bare(value, c, out);
}

static bool wrap_one(struct change *c, view address, view *ret) {
    bool ok = wrap_address(address, c->wrap_domain, c->key, c->arena, ret);
    c->made += ok;
    c->failed += !ok;
    return ok;
}

bool mitigation_wrap_from(const struct header *h, view wrap_domain, view key, struct arena *a,
                          struct buf *out) {
    const struct header_field *from = header_find(h, "From");
    struct change c = {.of = wrap_one, .arena = a, .wrap_domain = wrap_domain, .key = key};
    struct buf value = BUF_INIT(LIMIT_HEADER_BYTES);
    if (from)
        change_all(header_value(from, a), &c, &value);
    bool ok = c.made > 0 && c.failed == 0 && !value.failed && !a->failed;
    if (ok) {
        view was = header_value(from, a);
        header_add(out, "From", buf_view(&value));
        header_add(out, "X-Original-From", was);
        if (!header_find(h, "Author"))
            header_add(out, "Author", was);
    }
    buf_done(&value);
    return ok;
}

static bool is_wrap_domain(const struct wrap_domains *w, view domain) {
    for (size_t i = 0; i < w->count; i++)
        if (view_eq_nocase(w->list[i], domain))
            return true;
    return false;
}

static bool unwrap_one(struct change *c, view address, view *ret) {
    view older;
    ptrdiff_t at = view_rfind(address, '@');
    bool ok = at >= 0 && is_wrap_domain(c->unwrap, view_skip(address, (size_t)at + 1)) &&
              wrap_read(address, c->unwrap->keys, c->unwrap->key_count, c->arena, ret, &older) != WRAP_NONE;
    c->made += ok;
    return ok;
}

bool mitigation_unwrap(view value, const struct wrap_domains *w, struct arena *a, struct buf *out) {
    struct change c = {.of = unwrap_one, .arena = a, .unwrap = w};
    struct buf made = BUF_INIT(LIMIT_HEADER_BYTES);
    change_all(value, &c, &made);
    if (c.made > 0)
        buf_add(out, buf_view(&made));
    buf_done(&made);
    return c.made > 0;
}

view mitigation_entry_domain(const char *entry) {
    view v = view_of(entry);
    return view_skip(v, (size_t)(view_find(v, '=') + 1));
}

view mitigation_domain(char *const *settings, size_t count, view domain) {
    view found = VIEW("");
    for (size_t i = 0; i < count; i++) {
        view item = view_of(settings[i]);
        ptrdiff_t equals = view_find(item, '=');
        if (equals >= 0 && view_eq_nocase(view_slice(item, 0, (size_t)equals), domain))
            return mitigation_entry_domain(settings[i]);
        if (equals < 0 && found.len == 0)
            found = item;
    }
    return found;
}
