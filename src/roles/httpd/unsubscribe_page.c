/* unsubscribe_page.c: the address in a copy's List-Unsubscribe (RFC 8058): LIST/MEMBER/KEY. A mail program
 * sends one POST there; a person who follows it gets a page with a button that sends the same. Whoever
 * fetches it to look at it, as programs do that look for malice, changes nothing.
 *
 * The key is all that is asked for, and is looked at first: who has none learns nothing, not even whether
 * there is such a list. With it, the end of a membership that ended before is done as well. */
#include "lists/recipe.h"
#include "lists/style.h"
#include "lists/unsubscribe.h"
#include "mail/address.h"
#include "mail/mime.h"
#include "roles/httpd/people.h"
#include "store/subscription.h"

struct leaving {
    view list, member, key;
    view called; /* the list's name for people; empty when it is gone */
};

/* ---- whose key ---- */

static bool read_address(struct call *c, view path, view *ret) {
    view text = percent_decode(c->arena, path, false);
    return view_is_utf8(text) && address_normalise_text(text, c->arena, ret, NULL) && view_is_utf8(*ret);
}

/* A slash of an address is escaped in the path, those of the path are not. */
static bool read_path(struct call *c, view path, struct leaving *ret) {
    view list, member;
    return view_split(&path, '/', &list) && view_split(&path, '/', &member) &&
           view_split(&path, '/', &ret->key) && path.len == 0 && read_address(c, list, &ret->list) &&
           read_address(c, member, &ret->member);
}

/* *ret_gone: there is nothing of what it names any more. False: it cannot be done, which is answered. */
static bool call_store(struct call *c, struct store_request *q, bool *ret_gone) {
    struct err e = {.code = ERR_OK};
    bool ok = store_call(c->role->store, q, &e);
    *ret_gone = !ok && e.code == ERR_NOT_FOUND;
    if (!ok && !*ret_gone) {
        page_say(c, 503, "Not now", "This cannot be done at the moment. Please try again later.");
        return false;
    }
    return true;
}

/* False: answered, in the same words whatever is wrong. */
static bool check_key(struct call *c, view path, struct leaving *ret) {
    bool right = false, gone;
    struct store_request q;
    if (read_path(c, path, ret)) {
        store_request_init(&q, OP_LIST_SECRET);
        vals_view(&q.args, ret->list);
        if (!call_store(c, &q, &gone)) {
            store_request_done(&q);
            return false;
        }
        struct vals v = vals_of(buf_view(&q.out));
        view secret = gone ? VIEW("") : vals_get_view(&v);
        right = secret.len > 0 && unsubscribe_key_is(secret, ret->member, ret->key);
        store_request_done(&q);
    }
    if (!right)
        page_say(c, 404, "This link is not valid",
                 "It may have been cut off: please open it from the message once more. An answer to that "
                 "message, or a letter to the owner of the list, helps, too.");
    return right;
}

static int64_t find_id(struct call *c, view list) {
    struct store_request q;
    bool gone;
    int64_t id = 0;
    store_request_init(&q, OP_LIST_SHOW);
    vals_view(&q.args, list);
    if (call_store(c, &q, &gone) && !gone && q.out.len > 0) {
        struct vals v = vals_of(buf_view(&q.out));
        id = vals_get_int(&v);
    }
    store_request_done(&q);
    return id;
}

/* False: answered. */
static bool find_name(struct call *c, struct leaving *l) {
    struct store_request q;
    bool gone;
    int64_t id = find_id(c, l->list);
    l->called = VIEW("");
    if (id == 0)
        return c->status == 0;
    store_request_init(&q, OP_LIST_ROWS);
    vals_int(&q.args, 1);
    vals_int(&q.args, id);
    bool ok = call_store(c, &q, &gone);
    if (ok && !gone && q.out.len > 0) {
        struct vals v = vals_of(buf_view(&q.out));
        (void)vals_get_int(&v);  /* id */
        (void)vals_get_view(&v); /* address */
        (void)vals_get_int(&v);  /* members */
        (void)vals_get_int(&v);  /* volume */
        (void)vals_get_int(&v);  /* advertised */
        l->called = arena_view(c->arena, vals_get_view(&v));
        if (l->called.len == 0)
            l->called = list_name_for_people(l->list, c->arena);
    }
    store_request_done(&q);
    return ok;
}

/* ---- what is said ---- */

#define FIELD VIEW("List-Unsubscribe")
#define CLICK VIEW("One-Click")

static bool part_says(struct call *c, const struct mime_part *p) {
    struct header head;
    header_parse(p->head, c->arena, &head);
    const struct header_field *f = header_find(&head, "Content-Disposition");
    return f && view_eq(mime_parameter(header_value(f, c->arena), "name", c->arena), FIELD) &&
           view_eq(p->body, CLICK);
}

/* multipart/form-data (RFC 7578) is mail's multipart. */
static bool parts_say(struct call *c, view type, view body) {
    view message = arena_printf(c->arena, "Content-Type: %.*s\r\n\r\n%.*s", VIEW_ARG(type), VIEW_ARG(body));
    struct mime m;
    if (!mime_parse(message, c->arena, &m))
        return false;
    for (size_t i = 1; i < m.count; i++)
        if (part_says(c, &m.parts[i]))
            return true;
    return false;
}

bool unsubscribe_said(struct call *c, view content_type, view body) {
    if (view_starts_with_nocase(content_type, VIEW("multipart/")))
        return parts_say(c, content_type, body);
    return params_add_form(c, body) && view_eq(param_text(c, "List-Unsubscribe"), CLICK);
}

/* ---- the pages ---- */

static void add_list(struct call *c, const struct leaving *l) {
    page_html(c, "the mailing list <strong>");
    page_name(c, l->called.len > 0 ? l->called : l->list);
    page_html(c, "</strong>");
    if (l->called.len > 0) {
        page_html(c, " (");
        page_name(c, l->list);
        page_html(c, ")");
    }
}

static void show_form(struct call *c, const struct leaving *l, int status) {
    page_begin(c, status, "Leave a mailing list");
    page_html(c, "<p>The address <strong>");
    page_name(c, l->member);
    page_html(c, "</strong> gets mail of ");
    add_list(c, l);
    page_html(c, ".</p>\n<form method=\"post\">\n"
                 "<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n"
                 "<p><button type=\"submit\">Leave this list</button></p>\n</form>\n"
                 "<p>Nothing has changed yet, and nothing does if you close this page.</p>\n");
    page_end(c);
}

/* In a mailto address what is no letter is escaped; what is left cannot end the attribute. */
static void add_mailto(struct call *c, view list) {
    struct address parts = address_split(list);
    struct buf address = BUF_INIT(4 * LIMIT_ADDRESS);
    uri_add(parts.local, &address);
    buf_printf(&address, "-join@");
    uri_add(parts.domain, &address);
    page_html(c, "<a href=\"mailto:");
    page_text(c, buf_view(&address));
    page_html(c, "\">");
    page_name(c, arena_printf(c->arena, "%.*s-join@%.*s", VIEW_ARG(parts.local), VIEW_ARG(parts.domain)));
    page_html(c, "</a>");
    buf_done(&address);
}

static void show_done(struct call *c, const struct leaving *l) {
    page_begin(c, 200, "You have left the list");
    page_html(c, "<p>The address <strong>");
    page_name(c, l->member);
    page_html(c, "</strong> gets no more mail of ");
    add_list(c, l);
    page_html(c, ". What was on its way already may still arrive.</p>\n");
    if (l->called.len > 0) {
        page_html(c, "<p>Was it a mistake? An empty message to ");
        add_mailto(c, l->list);
        page_html(c, " asks to let you in again.</p>\n");
    }
    page_end(c);
}

/* ---- the way ---- */

/* False: answered. That there is no such membership, or list, any more is as good. */
static bool leave(struct call *c, const struct leaving *l) {
    char token[TOKEN_SIZE];
    struct store_request q;
    bool gone;
    make_token(token);
    store_request_init(&q, OP_UNSUBSCRIBE);
    vals_view(&q.args, l->list);
    vals_view(&q.args, VIEW("one-click"));
    vals_view(&q.args, l->member);
    vals_int(&q.args, PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED);
    vals_view(&q.args, view_of(token));
    bool ok = call_store(c, &q, &gone);
    if (ok && !gone)
        hurry_letters(c); /* the list may owe a goodbye */
    store_request_done(&q);
    return ok;
}

void unsubscribe_answer(struct call *c, view path, bool said) {
    struct leaving l = {0};
    c->who = VIEW("one-click");
    if (c->method != METHOD_GET && c->method != METHOD_POST) {
        c->allow = METHOD_GET | METHOD_POST;
        page_say(c, 405, "This cannot be done", "This address is there to leave a mailing list.");
        return;
    }
    if (!check_key(c, path, &l) || !find_name(c, &l))
        return;
    if (c->method == METHOD_GET)
        show_form(c, &l, 200);
    else if (!said)
        show_form(c, &l, 400);
    else if (leave(c, &l))
        show_done(c, &l);
}
