/* edition_fields.c: the header of an edition. Fields the list has nothing to say about keep their octets and
 * places; the list's own stand on top, as a trace of who had the message last. */
#include "auth/authres.h"
#include "base/id.h"
#include "lists/edition_private.h"
#include "lists/post.h"
#include "lists/template.h"
#include "lists/unsubscribe.h"
#include "mail/mailboxes.h"
#include "mail/text.h"

static bool is_one_of(view name, const char *const *names) {
    for (; *names; names++)
        if (view_eq_nocase(name, view_of(*names)))
            return true;
    return false;
}

/* Beside the moderators' password: what would make every member answer the poster, and what another archive
 * has said (Mailman's cleanse). */
static const char *const never_for_members[] = {"Urgent",
                                                "Return-Receipt-To",
                                                "Disposition-Notification-To",
                                                "X-Confirm-Reading-To",
                                                "X-PMRQC",
                                                "Archived-At",
                                                "Bcc",
                                                "Resent-Bcc",
                                                NULL};
/* RFC 2369 4: a list removes those of another. List-Unsubscribe-Post: RFC 8058. */
static const char *const of_lists[] = {"List-Id",
                                       "List-Help",
                                       "List-Owner",
                                       "List-Post",
                                       "List-Subscribe",
                                       "List-Unsubscribe",
                                       "List-Archive",
                                       "List-Unsubscribe-Post",
                                       NULL};
/* Of an anonymous list nothing else stays: whatever a program adds may say who wrote. */
static const char *const of_nobody[] = {
    "Date",       "Subject",        "To",         "Cc",       "In-Reply-To", "References", "MIME-Version",
    "Precedence", "Auto-Submitted", "Importance", "Priority", "Keywords",    NULL};

/* The list says who gets answers: the author's Reply-To goes, and may be part of what comes. */
static bool makes_reply_to(const struct making *m) {
    return making_number(m, LIST_SETTING_REPLY_GOES_TO_LIST) != REPLY_UNCHANGED ||
           making_number(m, LIST_SETTING_FIRST_STRIP_REPLY_TO) ||
           making_number(m, LIST_SETTING_ANONYMOUS_LIST);
}

/* Each copy names its member in To: answers to all reach the list by Cc, where it does not get all answers
 * anyway. */
static bool makes_cc(const struct making *m) {
    int64_t how = making_number(m, LIST_SETTING_REPLY_GOES_TO_LIST);
    return making_number(m, LIST_SETTING_PERSONALIZE) == PERSONALIZE_FULL &&
           (how == REPLY_UNCHANGED || how == REPLY_EXPLICIT) &&
           !making_number(m, LIST_SETTING_ANONYMOUS_LIST);
}

static bool goes(const struct making *m, const struct body_plan *plan, const struct header_field *f) {
    view name = f->name;
    bool anonymous = making_number(m, LIST_SETTING_ANONYMOUS_LIST);
    if (is_one_of(name, never_for_members) || post_field_is_approval(name) ||
        (is_one_of(name, of_lists) && making_number(m, LIST_SETTING_INCLUDE_RFC2369_HEADERS)) ||
        (anonymous && !is_one_of(name, of_nobody) && !making_is_content(name)))
        return true;
    if (edition_mitigation_replaces(m, name) || results_are_forged(view_slice(m->source, 0, m->trace), f))
        return true;
    if (plan->how == BODY_WRAP && making_is_content(name))
        return true; /* to the part the body becomes */
    if (view_eq_nocase(name, VIEW("Reply-To")))
        return makes_reply_to(m);
    if (view_eq_nocase(name, VIEW("Cc")))
        return makes_cc(m);
    return view_eq_nocase(name, VIEW("To")) && making_number(m, LIST_SETTING_PERSONALIZE) == PERSONALIZE_FULL;
}

/* ---- what comes ---- */

static void add_field(struct making *m, const char *name, view value) {
    struct buf field = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    header_add(&field, name, value);
    recipe_text(&m->out, arena_view(m->arena, buf_view(&field)));
    buf_done(&field);
}

/* "Description <address>", the text encoded where it must be; without one the address alone. */
static view named(struct making *m, view text, view address) {
    struct buf value = BUF_INIT(LIMIT_HEADER_BYTES);
    mailbox_format(text, address, &value);
    view made = arena_view(m->arena, buf_view(&value));
    buf_done(&value);
    return made;
}

static view list_id(const struct making *m) {
    return edition_variable(m, VIEW("list_id"));
}

/* A setting that is a URI with variables, whose values become part of its path. */
static void add_uri_field(struct making *m, const char *name, enum list_setting s) {
    struct buf uri = BUF_INIT(LIMIT_HEADER_BYTES);
    struct template_piece p;
    for (view rest = m->l->settings[s]; template_next(&rest, &p);) {
        view value = p.name.len > 0 ? edition_variable(m, p.name) : VIEW_NULL;
        if (value.ptr)
            uri_add(value, &uri);
        else
            buf_add(&uri, p.text);
    }
    if (uri.len > 0 && view_is_ascii(buf_view(&uri)))
        recipe_printf(&m->out, "%s: <%.*s>\r\n", name, VIEW_ARG(buf_view(&uri)));
    buf_done(&uri);
}

/* RFC 8058: https with a key that is good for one click, and mail for everybody else. */
static void add_unsubscribe(struct making *m, struct address list) {
    view base = m->l->settings[LIST_SETTING_UNSUBSCRIBE_URL];
    bool one_click = base.len > 0 && view_is_ascii(base) && m->l->secret.len > 0;
    recipe_text(&m->out, VIEW("List-Unsubscribe: "));
    if (one_click) {
        struct buf name = BUF_INIT(3 * LIMIT_ADDRESS);
        uri_add(m->l->list, &name);
        recipe_printf(&m->out, "<%.*s%s%s/", VIEW_ARG(base), view_ends_with(base, VIEW("/")) ? "" : "/",
                      name.data);
        buf_done(&name);
        recipe_slot(&m->out, SLOT_EMAIL, FORM_URI, VIEW(""));
        recipe_text(&m->out, VIEW("/"));
        recipe_slot(&m->out, SLOT_UNSUBSCRIBE, FORM_TEXT, m->l->secret);
        recipe_text(&m->out, VIEW(">,\r\n "));
    }
    recipe_printf(&m->out, "<mailto:%.*s-leave", VIEW_ARG(list.local));
    if (m->l->secret.len > 0) {
        recipe_text(&m->out, VIEW("+"));
        recipe_slot(&m->out, SLOT_UNSUBSCRIBE, FORM_TEXT, m->l->secret);
    }
    recipe_printf(&m->out, "@%.*s>\r\n", VIEW_ARG(list.domain));
    if (one_click)
        recipe_text(&m->out, VIEW("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
}

/* RFC 2369, 2919, 5064. */
void edition_list_fields(struct making *m) {
    struct address list = address_split(m->l->list);
    if (!making_number(m, LIST_SETTING_INCLUDE_RFC2369_HEADERS))
        return;
    view description = m->l->settings[LIST_SETTING_DESCRIPTION], id = list_id(m);
    add_field(m, "List-Id",
              description.len > 0 ? named(m, description, id)
                                  : arena_printf(m->arena, "<%.*s>", VIEW_ARG(id)));
    if (!view_eq(m->l->archive, VIEW("none"))) {
        if (m->post) /* a digest is not in the archive */
            add_uri_field(m, "Archived-At", LIST_SETTING_ARCHIVED_AT_URL);
        add_uri_field(m, "List-Archive", LIST_SETTING_ARCHIVE_URL);
    }
    recipe_printf(&m->out, "List-Help: <mailto:%.*s-request@%.*s?subject=help>\r\n", VIEW_ARG(list.local),
                  VIEW_ARG(list.domain));
    recipe_printf(&m->out, "List-Owner: <mailto:%.*s-owner@%.*s>\r\n", VIEW_ARG(list.local),
                  VIEW_ARG(list.domain));
    if (making_number(m, LIST_SETTING_ALLOW_LIST_POSTS))
        recipe_printf(&m->out, "List-Post: <mailto:%.*s>\r\n", VIEW_ARG(m->l->list));
    else
        recipe_text(&m->out, VIEW("List-Post: NO\r\n"));
    recipe_printf(&m->out, "List-Subscribe: <mailto:%.*s-join@%.*s>\r\n", VIEW_ARG(list.local),
                  VIEW_ARG(list.domain));
    add_unsubscribe(m, list);
}

struct reply_to {
    struct buf value;
    view seen[4 * LIMIT_POST_SENDERS]; /* normalised, each once; further ones may come twice */
    size_t count;
};

static void add_reply(struct making *m, struct reply_to *r, view mailbox, view address) {
    struct err e;
    view normal = address;
    if (!address_normalise_text(address, m->arena, &normal, &e))
        normal = address;
    for (size_t i = 0; i < r->count; i++)
        if (view_eq(r->seen[i], normal))
            return;
    if (r->count < sizeof r->seen / sizeof r->seen[0])
        r->seen[r->count++] = normal;
    buf_add(&r->value, r->value.len > 0 ? VIEW(", ") : VIEW(""));
    buf_add(&r->value, mailbox);
}

/* One of several entries as written, without the commas around it. */
static view entry(view written) {
    written = view_trim(written);
    while (view_starts_with(written, VIEW(",")))
        written = view_trim(view_skip(written, 1));
    while (view_ends_with(written, VIEW(",")))
        written = view_trim(view_slice(written, 0, written.len - 1));
    return written;
}

/* The next mailbox of a field, as written; of a group, which cannot be taken apart, its address. False at the
 * end, and where the rest is no list of addresses. */
static bool next_mailbox(struct making *m, view *rest, view *ret_written, view *ret_address) {
    view before = *rest;
    struct err e;
    if (rest->len == 0 || !mailboxes_next(rest, m->arena, ret_address, &e))
        return false;
    *ret_written = entry(view_slice(before, 0, before.len - rest->len));
    if (view_find(*ret_written, ':') >= 0 || view_find(*ret_written, ';') >= 0)
        *ret_written = *ret_address;
    return true;
}

static void add_authors_replies(struct making *m, struct reply_to *r) {
    for (size_t i = 0; i < m->header.count; i++) {
        const struct header_field *f = &m->header.fields[i];
        view rest = view_eq_nocase(f->name, VIEW("Reply-To")) ? header_value(f, m->arena) : VIEW(""), written,
             address;
        while (next_mailbox(m, &rest, &written, &address))
            add_reply(m, r, written, address);
    }
}

static void add_reply_to(struct making *m) {
    struct reply_to r = {.value = BUF_INIT(LIMIT_HEADER_BYTES)};
    int64_t how = making_number(m, LIST_SETTING_REPLY_GOES_TO_LIST);
    bool anonymous = making_number(m, LIST_SETTING_ANONYMOUS_LIST);
    view explicit = m->l->settings[LIST_SETTING_REPLY_TO_ADDRESS];
    if (!makes_reply_to(m))
        return;
    if ((how == REPLY_EXPLICIT || how == REPLY_EXPLICIT_ONLY) && explicit.len > 0)
        add_reply(m, &r, explicit, explicit);
    if (!anonymous && !making_number(m, LIST_SETTING_FIRST_STRIP_REPLY_TO))
        add_authors_replies(m, &r);
    if (how == REPLY_TO_LIST || anonymous)
        add_reply(m, &r, named(m, m->l->settings[LIST_SETTING_DESCRIPTION], m->l->list), m->l->list);
    if (r.value.len > 0)
        add_field(m, "Reply-To", buf_view(&r.value));
    if (r.value.len > 0 || header_find(&m->header, "Reply-To"))
        edition_note(m, "Reply-To");
    buf_done(&r.value);
}

view edition_message_id(const struct making *m) {
    if (!making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        return header_message_id(&m->header, m->arena);
    return arena_printf(m->arena, "%s@%.*s", id_format(m->post->message).s, VIEW_ARG(list_id(m)));
}

static void add_anonymous_fields(struct making *m) {
    if (!making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        return;
    edition_note(m, "anonymous");
    view name = m->l->settings[LIST_SETTING_DESCRIPTION];
    if (name.len == 0)
        name = edition_variable(m, VIEW("display_name"));
    add_field(m, "From", named(m, name, m->l->list));
    recipe_printf(&m->out, "Message-ID: <%.*s>\r\n", VIEW_ARG(edition_message_id(m)));
}

/* The mailboxes of all Cc fields, and the list where it is not among them. */
static view cc_with_list(struct making *m) {
    struct buf all = BUF_INIT(LIMIT_HEADER_BYTES);
    bool there = false;
    for (size_t i = 0; i < m->header.count; i++) {
        const struct header_field *f = &m->header.fields[i];
        view rest = view_eq_nocase(f->name, VIEW("Cc")) ? header_value(f, m->arena) : VIEW("");
        view written, address, normal;
        struct err e;
        while (next_mailbox(m, &rest, &written, &address)) {
            there |= address_normalise_text(address, m->arena, &normal, &e) && view_eq(normal, m->l->list);
            buf_printf(&all, "%s%.*s", all.len > 0 ? ", " : "", VIEW_ARG(written));
        }
    }
    if (!there)
        buf_printf(&all, "%s%.*s", all.len > 0 ? ", " : "",
                   VIEW_ARG(named(m, m->l->settings[LIST_SETTING_DESCRIPTION], m->l->list)));
    view value = arena_view(m->arena, buf_view(&all));
    buf_done(&all);
    return value;
}

static void add_personal_fields(struct making *m) {
    if (making_number(m, LIST_SETTING_PERSONALIZE) != PERSONALIZE_FULL)
        return;
    edition_note(m, "To");
    recipe_text(&m->out, VIEW("To: "));
    recipe_slot(&m->out, SLOT_MAILBOX, FORM_TEXT, VIEW(""));
    recipe_text(&m->out, VIEW("\r\n"));
    if (makes_cc(m))
        add_field(m, "Cc", cc_with_list(m));
}

static void add_content_fields(struct making *m, const struct body_plan *plan) {
    if (plan->how != BODY_WRAP)
        return;
    const struct mime_part *top = &m->mime.parts[0];
    if (!header_find(&m->header, "MIME-Version"))
        recipe_text(&m->out, VIEW("MIME-Version: 1.0\r\n"));
    recipe_printf(&m->out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n", plan->boundary);
    bool wide = view_eq(top->encoding, VIEW("8bit")) || view_eq(top->encoding, VIEW("binary"));
    if (wide) /* RFC 2045 6.4: as wide as the widest part */
        recipe_printf(&m->out, "Content-Transfer-Encoding: %.*s\r\n", VIEW_ARG(top->encoding));
}

static void copy_field(struct making *m, const struct header_field *f, bool *subject_is_made) {
    view prefix = m->l->settings[LIST_SETTING_SUBJECT_PREFIX];
    bool subject = view_trim(prefix).len > 0 && view_eq_nocase(f->name, VIEW("Subject"));
    if (!subject) {
        making_copy(m, f->raw);
    } else if (!*subject_is_made) { /* further ones are no subject (RFC 5322 3.6) */
        *subject_is_made = true;
        recipe_text(&m->out, VIEW("Subject: "));
        edition_subject(m, f, prefix);
        recipe_text(&m->out, VIEW("\r\n"));
    }
}

/* What begins a line behind the header begins one. */
static void end_line(struct making *m) {
    const struct header *h = &m->header;
    if (h->count > 0 && !view_ends_with(h->fields[h->count - 1].raw, VIEW("\n")))
        recipe_text(&m->out, VIEW("\r\n"));
}

/* Fields too many to be told apart, and what stands between the header and the body. */
static void copy_rest(struct making *m, const struct body_plan *plan) {
    const struct header *h = &m->header;
    bool anonymous = making_number(m, LIST_SETTING_ANONYMOUS_LIST);
    size_t end = making_at(m, h->section) + h->section.len, body = making_at(m, h->body);
    if (h->truncated && h->count > 0 && !anonymous) {
        view last = h->fields[h->count - 1].raw;
        size_t from = making_at(m, last) + last.len;
        recipe_copy(&m->out, from, end - from);
    }
    if (body > end && !anonymous) {
        recipe_copy(&m->out, end, body - end);
    } else if (anonymous || plan->how != BODY_AS_IT_IS) { /* there may have been no empty line */
        if (plan->how != BODY_AS_IT_IS)
            end_line(m);
        recipe_text(&m->out, VIEW("\r\n"));
    }
}

void edition_fields(struct making *m, const struct body_plan *plan) {
    view prefix = m->l->settings[LIST_SETTING_SUBJECT_PREFIX];
    bool subject_is_made = false;
    if (view_trim(prefix).len > 0)
        edition_note(m, "subject prefix");
    edition_list_fields(m);
    if (!header_find(&m->header, "Precedence"))
        recipe_text(&m->out, VIEW("Precedence: list\r\n"));
    if (!making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        recipe_copy(&m->out, 0, m->trace);
    add_anonymous_fields(m);
    edition_mitigation_fields(m);
    add_reply_to(m);
    add_personal_fields(m);
    add_content_fields(m, plan);
    for (size_t i = 0; i < m->header.count; i++)
        if (!goes(m, plan, &m->header.fields[i]))
            copy_field(m, &m->header.fields[i], &subject_is_made);
    if (view_trim(prefix).len > 0 && !subject_is_made) {
        end_line(m);
        recipe_text(&m->out, VIEW("Subject: "));
        edition_subject(m, NULL, prefix);
        recipe_text(&m->out, VIEW("\r\n"));
    }
    if (m->mitigation == MITIGATE_WRAP)
        edition_mitigation_body(m);
    else
        copy_rest(m, plan);
}
