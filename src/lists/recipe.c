/* recipe.c: see recipe.h. */
#include "lists/recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "lists/unsubscribe.h"
#include "mail/mailboxes.h"
#include "mail/transfer.h"
#include "store/vals.h"

bool recipe_slot_names(enum slot slot) {
    return slot == SLOT_NAME || slot == SLOT_NAME_OR_EMAIL || slot == SLOT_MAILBOX;
}

struct recipe recipe_in(struct arena *a) {
    return (struct recipe){.arena = a};
}

static void add(struct recipe *r, struct piece p) {
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 32;
        struct piece *more = arena_array(r->arena, struct piece, room);
        if (!more)
            return;
        if (r->count > 0)
            memcpy(more, r->pieces, r->count * sizeof *more);
        r->pieces = more;
        r->room = room;
    }
    r->pieces[r->count++] = p;
}

void recipe_copy(struct recipe *r, size_t from, size_t len) {
    struct piece *last = r->count > 0 ? &r->pieces[r->count - 1] : NULL;
    if (len == 0)
        return;
    if (last && last->kind == PIECE_COPY && last->from + last->len == from)
        last->len += len;
    else
        add(r, (struct piece){.kind = PIECE_COPY, .from = from, .len = len});
}

void recipe_text(struct recipe *r, view text) {
    if (text.len > 0)
        add(r, (struct piece){.kind = PIECE_TEXT, .text = text});
}

void recipe_printf(struct recipe *r, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = len > 0 ? arena_alloc(r->arena, (size_t)len + 1) : NULL;
    if (p) {
        vsnprintf(p, (size_t)len + 1, fmt, again);
        recipe_text(r, view_from(p, (size_t)len));
    }
    va_end(again);
}

void recipe_slot(struct recipe *r, enum slot slot, enum slot_form form, view text) {
    add(r, (struct piece){.kind = PIECE_SLOT, .slot = slot, .form = form, .text = text});
}

void recipe_add(struct recipe *r, const struct recipe *more) {
    for (size_t i = 0; i < more->count; i++)
        if (more->pieces[i].kind == PIECE_COPY)
            recipe_copy(r, more->pieces[i].from, more->pieces[i].len);
        else
            add(r, more->pieces[i]);
}

bool recipe_is_whole(const struct recipe *r, size_t source_len) {
    return r->count == 1 && r->pieces[0].kind == PIECE_COPY && r->pieces[0].from == 0 &&
           r->pieces[0].len == source_len;
}

/* Octets [from, from + len) of what `first` makes. */
static void copy_through(const struct recipe *first, size_t from, size_t len, struct recipe *ret) {
    size_t at = 0; /* in what it makes */
    for (size_t i = 0; i < first->count && len > 0; i++) {
        const struct piece *p = &first->pieces[i];
        BUG_ON(p->kind == PIECE_SLOT);
        size_t size = p->kind == PIECE_COPY ? p->len : p->text.len;
        if (from < at + size) {
            size_t skip = from - at, n = size - skip < len ? size - skip : len;
            if (p->kind == PIECE_COPY)
                recipe_copy(ret, p->from + skip, n);
            else
                recipe_text(ret, view_slice(p->text, skip, n));
            from += n;
            len -= n;
        }
        at += size;
    }
    BUG_ON(len > 0);
}

void recipe_compose(const struct recipe *first, const struct recipe *second, struct recipe *ret) {
    for (size_t i = 0; i < second->count; i++)
        if (second->pieces[i].kind == PIECE_COPY)
            copy_through(first, second->pieces[i].from, second->pieces[i].len, ret);
        else
            add(ret, second->pieces[i]);
}

void recipe_own(struct recipe *r) {
    for (size_t i = 0; i < r->count; i++)
        if (r->pieces[i].text.len > 0)
            r->pieces[i].text = arena_view(r->arena, r->pieces[i].text);
}

size_t recipe_text_len(const struct recipe *r) {
    size_t len = 0;
    for (size_t i = 0; i < r->count; i++)
        len += r->pieces[i].text.len;
    return len;
}

size_t recipe_stored_len(const struct recipe *r) {
    enum { NUMBERS = 32 };
    return recipe_text_len(r) + r->count * NUMBERS;
}

size_t recipe_differs(const struct recipe *r) {
    size_t n = r->count;
    while (n > 0 && r->pieces[n - 1].kind != PIECE_SLOT)
        n--;
    return n;
}

/* ---- in the store ---- */

void recipe_write(const struct recipe *r, struct buf *out) {
    for (size_t i = 0; i < r->count; i++) {
        const struct piece *p = &r->pieces[i];
        vals_int(out, p->kind);
        if (p->kind == PIECE_COPY) {
            vals_int(out, (int64_t)p->from);
            vals_int(out, (int64_t)p->len);
            continue;
        }
        if (p->kind == PIECE_SLOT) {
            vals_int(out, p->slot);
            vals_int(out, p->form);
        }
        vals_view(out, p->text);
    }
}

static bool read_piece(struct vals *v, size_t source_len, struct piece *p) {
    int64_t kind = vals_get_int(v), from = 0, len = 0, slot = SLOT_EMAIL, form = FORM_TEXT;
    if (kind == PIECE_COPY) {
        from = vals_get_int(v);
        len = vals_get_int(v);
    } else {
        if (kind == PIECE_SLOT) {
            slot = vals_get_int(v);
            form = vals_get_int(v);
        }
        p->text = vals_get_view(v);
    }
    if (v->failed || kind < PIECE_COPY || kind > PIECE_SLOT || from < 0 || len < 0 ||
        (size_t)from > source_len || (size_t)len > source_len - (size_t)from || slot < SLOT_EMAIL ||
        slot > SLOT_UNSUBSCRIBE || form < FORM_TEXT || form > FORM_URI)
        return false;
    p->kind = (enum piece_kind)kind;
    p->from = (size_t)from;
    p->len = (size_t)len;
    p->slot = (enum slot)slot;
    p->form = (enum slot_form)form;
    return true;
}

bool recipe_read(view stored, size_t source_len, struct arena *a, struct recipe *ret) {
    struct vals v = vals_of(stored);
    *ret = recipe_in(a);
    while (vals_more(&v)) {
        struct piece p = {0};
        if (!read_piece(&v, source_len, &p))
            return false;
        add(ret, p);
    }
    return !v.failed && !a->failed;
}

/* ---- a copy ---- */

static void add_value(const struct piece *p, const struct copy_to *who, struct buf *out) {
    switch (p->slot) {
    case SLOT_EMAIL:
        buf_add(out, who->address);
        break;
    case SLOT_NAME:
        buf_add(out, who->name);
        break;
    case SLOT_NAME_OR_EMAIL:
        buf_add(out, who->name.len > 0 ? who->name : who->address);
        break;
    case SLOT_MAILBOX:
        mailbox_format(who->name, who->address, out);
        break;
    case SLOT_UNSUBSCRIBE:
        unsubscribe_key_add(p->text, who->address, out);
        break;
    }
}

void uri_add(view v, struct buf *out) {
    for (size_t i = 0; i < v.len; i++)
        if (ascii_is_alnum(v.ptr[i]) || memchr("-._~@", v.ptr[i], 5))
            buf_add_char(out, v.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)v.ptr[i]);
}

static void add_slot(const struct piece *p, const struct copy_to *who, struct buf *out) {
    struct buf value = BUF_INIT(LIMIT_SMTP_LINE);
    BUG_ON(!who);
    add_value(p, who, &value);
    if (p->form == FORM_QP)
        transfer_add_qp(out, buf_view(&value));
    else if (p->form == FORM_URI)
        uri_add(buf_view(&value), out);
    else
        buf_add(out, buf_view(&value));
    buf_done(&value);
}

void recipe_render(const struct recipe *r, size_t from, size_t to, view source, const struct copy_to *who,
                   struct buf *out) {
    for (size_t i = from; i < to; i++) {
        const struct piece *p = &r->pieces[i];
        if (p->kind == PIECE_COPY)
            buf_add(out, view_slice(source, p->from, p->len));
        else if (p->kind == PIECE_TEXT)
            buf_add(out, p->text);
        else
            add_slot(p, who, out);
    }
}
