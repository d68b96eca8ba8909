/* address_fuzz.c: what passes as an address is safe to write anywhere, and its normal form is a fixed point
 * that survives being quoted, split and put into a return path. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mail/address.h"
#include "mail/verp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_safe(view v) {
    for (size_t i = 0; i < v.len; i++)
        BUG_ON((unsigned char)v.ptr[i] < ' ' || v.ptr[i] == 0x7f);
    BUG_ON(v.len > 0 && !view_is_utf8(v));
}

static void check_address(const struct address *a, unsigned flags) {
    check_safe(a->local);
    check_safe(a->domain);
    BUG_ON(a->domain.len > LIMIT_DOMAIN || a->local.len + 1 + a->domain.len > LIMIT_ADDRESS);
    BUG_ON(address_is_utf8(a) && !(flags & PATH_ALLOW_UTF8));
    BUG_ON(view_find(a->domain, '@') >= 0);
}

/* The same with its local part in quotes: another way to write the same mailbox. */
static void check_quoted(const struct address *a, view normal, struct arena *arena) {
    struct buf plain = BUF_INIT(1000), quoted = BUF_INIT(3000);
    address_local_decode(a->local, &plain);
    buf_add_char(&quoted, '"');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '"' || plain.data[i] == '\\')
            buf_add_char(&quoted, '\\');
        buf_add_char(&quoted, plain.data[i]);
    }
    buf_add_str(&quoted, "\"@");
    buf_add(&quoted, a->domain);
    view again;
    if (quoted.len <= LIMIT_ADDRESS) {
        BUG_ON(!address_normalise_text(buf_view(&quoted), arena, &again, NULL));
        BUG_ON(!view_eq(again, normal));
    }
    buf_done(&plain);
    buf_done(&quoted);
}

static void check_verp(view member, struct arena *arena) {
    struct buf out = BUF_INIT(4000);
    struct address path;
    view normal, user, detail, found;
    verp_format(VIEW("dev@lists.example"), member, &out);
    if (out.len <= LIMIT_ADDRESS) {
        BUG_ON(!address_parse(buf_view(&out), PATH_ALLOW_UTF8, &path, NULL));
        BUG_ON(!address_normalise(&path, arena, &normal, NULL));
        address_detail(address_split(normal).local, &user, &detail);
        BUG_ON(!view_eq(user, VIEW("dev-bounces")));
        BUG_ON(!verp_parse(detail, arena, &found) || !view_eq(found, member));
    }
    buf_done(&out);
}

static void check_normal_form(const struct address *a) {
    struct arena arena;
    struct err e = {0};
    view normal, again;
    arena_init(&arena, 1 << 20);
    if (address_normalise(a, &arena, &normal, &e)) {
        check_safe(normal);
        BUG_ON(!address_normalise_text(normal, &arena, &again, &e) || !view_eq(normal, again));
        struct address parts = address_split(normal), parsed;
        BUG_ON(!address_parse(normal, PATH_ALLOW_UTF8, &parsed, &e));
        BUG_ON(!view_eq(parts.local, parsed.local) || !view_eq(parts.domain, parsed.domain));
        for (size_t i = 0; i < parts.domain.len; i++)
            BUG_ON((unsigned char)parts.domain.ptr[i] >= 0x80 ||
                   ascii_lower(parts.domain.ptr[i]) != parts.domain.ptr[i]);
        check_quoted(a, normal, &arena);
        check_verp(normal, &arena);
    } else {
        BUG_ON(e.code != ERR_SYNTAX_ADDRESS);
    }
    arena_done(&arena);
}

static void check_domain(view text) {
    struct arena arena;
    view normal, again;
    arena_init(&arena, 1 << 20);
    if (domain_normalise(text, &arena, &normal, NULL)) {
        check_safe(normal);
        BUG_ON(normal.len == 0 || normal.len > LIMIT_DOMAIN);
        BUG_ON(!domain_normalise(normal, &arena, &again, NULL) || !view_eq(normal, again));
        for (view rest = normal, label; view_split(&rest, '.', &label);)
            BUG_ON(label.len == 0 || label.len > 63);
    }
    arena_done(&arena);
}

static void check_local_encoding(view text) {
    struct buf encoded = BUF_INIT(1 << 20), decoded = BUF_INIT(1 << 20);
    address_local_encode(text, &encoded);
    address_local_decode(buf_view(&encoded), &decoded);
    BUG_ON(!view_eq(buf_view(&decoded), text));
    buf_done(&encoded);
    buf_done(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 4000)
        return 0;
    unsigned flags = data[0] & 7u;
    view text = view_from(data + 1, size - 1), line = text;
    struct address a;
    struct err e = {0};
    if (address_parse(text, flags, &a, &e)) {
        check_address(&a, flags);
        BUG_ON(a.local.len == 0 || a.domain.len == 0);
        BUG_ON(a.local.len + 1 + a.domain.len != text.len);
        check_normal_form(&a);
    } else {
        BUG_ON(e.code != ERR_SYNTAX_ADDRESS && e.code != ERR_NO_UTF8);
    }
    if (address_parse_path(&line, flags, &a, &e)) {
        check_address(&a, flags);
        BUG_ON(line.len >= text.len || line.ptr[-1] != '>');
        BUG_ON(a.local.len == 0 && !(flags & PATH_ALLOW_NULL));
        BUG_ON(a.local.len > 0 && a.domain.len == 0 && !(flags & PATH_ALLOW_POSTMASTER));
        if (a.domain.len > 0)
            check_normal_form(&a);
    } else {
        BUG_ON(!view_eq(line, text));
    }
    check_domain(text);
    check_local_encoding(text);
    return 0;
}
