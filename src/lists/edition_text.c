/* edition_text.c: the variables of a list's texts: Mailman's names (utilities/string.py,
 * handlers/decorate.py). */
#include <openssl/evp.h>
#include <string.h>

#include "lists/edition_private.h"
#include "lists/template.h"
#include "mail/list_address.h"

static view said(const struct making *m, enum list_setting s) {
    view v = m->l->settings[s];
    return v.ptr ? v : VIEW("");
}

static view display_name(const struct making *m) {
    view name = said(m, LIST_SETTING_DISPLAY_NAME);
    if (name.len > 0)
        return name;
    return list_name_for_people(m->l->list, m->arena);
}

/* Mailman's hash of a Message-ID without its brackets: SHA-1 in base32 (RFC 4648 6). */
static view message_id_hash(const struct making *m) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char sha1[EVP_MAX_MD_SIZE];
    char text[32];
    view id = edition_message_id(m);
    EVP_Digest(id.ptr, id.len, sha1, NULL, EVP_sha1(), NULL);
    for (size_t i = 0; i < sizeof text; i++) { /* 5 bits each */
        size_t bit = 5 * i;
        unsigned two = (unsigned)sha1[bit / 8] << 8 | (bit / 8 + 1 < 20 ? sha1[bit / 8 + 1] : 0u);
        text[i] = digits[two >> (11 - bit % 8) & 31];
    }
    return arena_view(m->arena, view_from(text, sizeof text));
}

static view role_address(view list, view name, struct arena *a) {
    static const struct {
        const char *name, *role;
    } roles[] = {{"request_email", "request"}, {"request_address", "request"}, {"owner_email", "owner"}};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (view_eq(name, view_of(roles[i].name)))
            return list_part_address(list, roles[i].role, a);
    return view_eq(name, VIEW("site_email")) ? list_site_address(list, a) : VIEW_NULL;
}

view edition_variable(const struct making *m, view name) {
    struct address list = address_split(m->l->list);
    if (view_eq(name, VIEW("listname")) || view_eq(name, VIEW("fqdn_listname")))
        return m->l->list;
    if (view_eq(name, VIEW("short_listname")) || view_eq(name, VIEW("list_name")))
        return list.local;
    if (view_eq(name, VIEW("domain")) || view_eq(name, VIEW("mail_host")))
        return list.domain;
    if (view_eq(name, VIEW("list_id")))
        return list_id_of(m->l->list, m->arena);
    if (view_eq(name, VIEW("display_name")))
        return display_name(m);
    if (view_eq(name, VIEW("message_id_hash")))
        return message_id_hash(m);
    if (view_eq(name, VIEW("language")))
        return said(m, LIST_SETTING_PREFERRED_LANGUAGE).len ? said(m, LIST_SETTING_PREFERRED_LANGUAGE)
                                                            : VIEW("en");
    if (view_eq(name, VIEW("description")))
        return said(m, LIST_SETTING_DESCRIPTION);
    if (view_eq(name, VIEW("info")))
        return said(m, LIST_SETTING_INFO);
    return role_address(m->l->list, name, m->arena);
}

static const struct {
    const char *name;
    enum slot slot;
} of_copies[] = {
    {"user_email", SLOT_EMAIL},
    {"user_address", SLOT_EMAIL},
    {"user_delivered_to", SLOT_EMAIL},
    {"user_name", SLOT_NAME},
    {"user_name_or_address", SLOT_NAME_OR_EMAIL},
    {"user_name_or_email", SLOT_NAME_OR_EMAIL},
    {"member", SLOT_MAILBOX},
};

static bool add_copy_variable(view name, struct recipe *ret) {
    if (view_eq(name, VIEW("user_language"))) { /* Mailman's name of "en"; we know no other yet */
        recipe_text(ret, VIEW("English (USA)"));
        return true;
    }
    for (size_t i = 0; i < sizeof of_copies / sizeof of_copies[0]; i++)
        if (view_eq(name, view_of(of_copies[i].name))) {
            recipe_slot(ret, of_copies[i].slot, FORM_TEXT, VIEW(""));
            return true;
        }
    return false;
}

/* Lines end in CRLF, whichever way they were written; a CR alone is none of a text. */
static void add_lines(struct recipe *r, view text) {
    while (text.len > 0) {
        size_t n = 0;
        while (n < text.len && text.ptr[n] != '\n' && text.ptr[n] != '\r')
            n++;
        recipe_text(r, view_slice(text, 0, n));
        if (n < text.len && text.ptr[n] == '\n')
            recipe_text(r, VIEW("\r\n"));
        text = view_skip(text, n + 1);
    }
}

void edition_text(const struct making *m, view text, bool copies, struct recipe *ret) {
    struct template_piece p;
    while (template_next(&text, &p)) {
        view value = p.name.len > 0 ? edition_variable(m, p.name) : VIEW_NULL;
        if (!value.ptr && copies && p.name.len > 0 && add_copy_variable(p.name, ret))
            continue;
        add_lines(ret, value.ptr ? value : p.text);
    }
}
