/* verp.c: the member's address inside the envelope sender of the copy that went to it.
 *
 * The member becomes "user=host" behind "LIST-bounces+". Where that is no dot-atom any more (a quoted local
 * part, an address literal) the whole local part is quoted: "LIST-bounces+a b=host"@DOMAIN. address_detail()
 * then hands out the detail with its quoted pairs but without the quotes, so decoding puts the quotes back
 * and lets the normal form drop them again. */
#include "mail/verp.h"

void verp_format_keyed(view list, view key, view member, struct buf *out) {
    struct address l = address_split(list);
    struct address m = address_split(member);
    struct buf text = BUF_INIT(3 * LIMIT_ADDRESS);
    address_local_decode(l.local, &text);
    buf_add(&text, VIEW("-bounces+"));
    buf_add(&text, key);
    if (key.len > 0)
        buf_add_char(&text, '+');
    address_local_decode(m.local, &text);
    buf_add_char(&text, '=');
    buf_add(&text, m.domain);
    address_local_encode(buf_view(&text), out);
    buf_add_char(out, '@');
    buf_add(out, l.domain);
    buf_done(&text);
}

void verp_format(view list, view member, struct buf *out) {
    verp_format_keyed(list, VIEW(""), member, out);
}

bool verp_parse(view detail, struct arena *a, view *ret_member) {
    ptrdiff_t equals = view_rfind(detail, '=');
    if (equals < 0)
        return false;
    view local = view_slice(detail, 0, (size_t)equals);
    view host = view_skip(detail, (size_t)equals + 1);
    struct buf quoted = BUF_INIT(2 * LIMIT_ADDRESS);
    buf_add_char(&quoted, '"');
    buf_add(&quoted, local);
    buf_add(&quoted, VIEW("\"@"));
    buf_add(&quoted, host);
    bool ok = !quoted.failed && address_normalise_text(buf_view(&quoted), a, ret_member, NULL);
    buf_done(&quoted);
    return ok;
}
