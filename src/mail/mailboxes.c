/* mailboxes.c: see mailboxes.h. One entry is read up to its comma. What stands in angle brackets is the
 * address; where there are none, all of it is. */
#include "mail/mailboxes.h"

#include "mail/header.h"
#include "mail/text.h"

enum { COMMENT_DEPTH_MAX = 50 };

/* Behind a quoted string or a comment that begins at v; 0 when it does not end. */
static size_t skip_quoted(view v) {
    for (size_t i = 1; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t skip_comment(view v) {
    int depth = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '(' && ++depth > COMMENT_DEPTH_MAX)
            return 0;
        else if (v.ptr[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* An entry being read: what may be its address. */
struct entry {
    struct buf text; /* outside of comments, without white space */
    bool angle, closed;
    size_t end; /* where the entry ends: at a comma or semicolon, or at the end */
};

static bool bad(struct err *e, view v) {
    return err_set(e, ERR_SYNTAX_ADDRESS, "not a list of addresses: %.*s", VIEW_ARG(view_slice(v, 0, 80)));
}

/* One octet that has a meaning of its own. */
static bool take_special(struct entry *n, char c) {
    if (c == '<') {
        if (n->angle)
            return false;
        n->angle = true;
        buf_reset(&n->text); /* a display name was in front */
    } else if (c == '>') {
        if (!n->angle || n->closed)
            return false;
        n->closed = true;
    } else if (c == ':' && !n->angle) {
        buf_reset(&n->text); /* the name of a group: its members follow */
    } else if (!n->closed) {
        buf_add(&n->text, view_from(&c, 1));
    }
    return true;
}

/* A quoted string, a comment, or a domain literal at the front; its length, 0 when it is none of these.
 * SIZE_MAX: it does not end. Comments are left off. */
static size_t take_quoted(struct entry *n, view v) {
    size_t len = v.ptr[0] == '"' ? skip_quoted(v) : v.ptr[0] == '(' ? skip_comment(v) : 0;
    if (v.ptr[0] == '[') {
        ptrdiff_t end = view_find(v, ']');
        len = end < 0 ? 0 : (size_t)end + 1;
    }
    if (len == 0)
        return view_find(VIEW("\"(["), v.ptr[0]) >= 0 ? SIZE_MAX : 0;
    if (v.ptr[0] != '(' && !n->closed)
        buf_add(&n->text, view_slice(v, 0, len));
    return len;
}

static bool ends_entry(const struct entry *n, char c) {
    return c == ';' || (c == ',' && (!n->angle || n->closed));
}

static bool read_entry(view v, struct entry *n) {
    size_t i = 0;
    while (i < v.len && !ends_entry(n, v.ptr[i])) {
        size_t len = take_quoted(n, view_skip(v, i));
        if (len == SIZE_MAX || (len == 0 && !ascii_is_space(v.ptr[i]) && !take_special(n, v.ptr[i])))
            return false;
        i += len > 0 ? len : 1;
    }
    n->end = i;
    return n->angle == n->closed;
}

/* "@a,@b:x@c" is x@c. */
static view without_route(view address) {
    ptrdiff_t colon = view_find(address, ':');
    return view_starts_with(address, VIEW("@")) && colon >= 0 ? view_skip(address, (size_t)colon + 1)
                                                              : address;
}

bool mailboxes_next(view *rest, struct arena *a, view *ret_address, struct err *e) {
    while (rest->len > 0) {
        struct entry n = {.text = BUF_INIT(rest->len + 1)};
        bool ok = read_entry(*rest, &n) && !n.text.failed;
        view found = ok ? arena_view(a, without_route(buf_view(&n.text))) : VIEW("");
        buf_done(&n.text);
        if (!ok)
            return bad(e, *rest);
        *rest = view_skip(*rest, n.end < rest->len ? n.end + 1 : n.end);
        if (found.len > 0) {
            *ret_address = found;
            return true;
        }
    }
    return false;
}

void mailbox_format(view name, view address, struct buf *out) {
    struct buf clean = BUF_INIT(name.len + 1);
    text_add_printable(&clean, name, true);
    if (clean.len > 0 && text_is_7bit(buf_view(&clean))) {
        buf_add_char(out, '"');
        for (size_t i = 0; i < clean.len; i++) {
            if (clean.data[i] == '"' || clean.data[i] == '\\')
                buf_add_char(out, '\\');
            buf_add_char(out, clean.data[i]);
        }
        buf_add_char(out, '"');
    } else {
        header_encode_text(out, buf_view(&clean));
    }
    buf_printf(out, clean.len > 0 ? " <%.*s>" : "%.*s", VIEW_ARG(address));
    buf_done(&clean);
}
