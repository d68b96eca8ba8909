/* edition.c: see edition.h. */
#include "lists/edition.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/authres.h"
#include "base/limits.h"
#include "base/mem.h"
#include "lists/edition_private.h"
#include "lists/post.h"
#include "store/vals.h"

bool edition_facts_take(struct vals *v, struct edition_facts *ret) {
    *ret = (struct edition_facts){.list = vals_get_view(v)};
    ret->archive = vals_get_view(v);
    ret->number = vals_get_int(v);
    ret->secret = vals_get_view(v);
    ret->approvals = vals_get_int(v) != 0;
    for (size_t i = 0; i < LIST_SETTING_COUNT; i++)
        if (list_setting_part((enum list_setting)i) == SETTINGS_EDITION)
            ret->settings[i] = vals_get_view(v);
    return !v->failed;
}

bool edition_facts_read(view results, struct edition_facts *ret) {
    struct vals v = vals_of(results);
    return edition_facts_take(&v, ret);
}

void edition_note(struct making *m, const char *fmt, ...) {
    char *what = m->edition->what;
    size_t len = strlen(what), room = sizeof m->edition->what - len;
    va_list args;
    if (room < 4)
        return;
    if (len > 0)
        strcpy(what + len, ", ");
    len = strlen(what);
    va_start(args, fmt);
    vsnprintf(what + len, sizeof m->edition->what - len, fmt, args);
    va_end(args);
}

static bool look(struct making *m) {
    view message = view_skip(m->source, m->trace);
    header_parse(message, m->arena, &m->header);
    m->out = recipe_in(m->arena);
    return mime_parse(message, m->arena, &m->mime);
}

/* What the list adds must fit into a row beside all else a request holds. */
static bool is_too_large(const struct recipe *r) {
    return recipe_stored_len(r) > LIMIT_EDITION;
}

/* A line that is no field ends the header for us, and not for everybody: what may be fields behind it goes,
 * too. */
static void hide_rest_of_header(struct making *m) {
    view message = view_skip(m->source, m->trace);
    if (m->header.section.len + m->header.body.len < message.len || m->header.body.len == 0)
        return; /* there is an empty line */
    ptrdiff_t end = view_search(m->header.body, VIEW("\r\n\r\n"));
    m->header.body = view_skip(m->header.body, end < 0 ? m->header.body.len : (size_t)end + 4);
    m->mime.parts[0].body = m->header.body;
    m->mime.parts[0].children = 0; /* nothing is put between them */
}

static bool make_message(struct making *m) {
    struct body_plan plan = {.header = recipe_in(m->arena), .footer = recipe_in(m->arena)};
    if (!look(m))
        return false;
    edition_mitigation_begin(m, m->mitigation);
    if (making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        hide_rest_of_header(m);
    if (m->mitigation != MITIGATE_WRAP)
        edition_body_plan(m, &plan);
    edition_fields(m, &plan);
    if (m->mitigation != MITIGATE_WRAP)
        edition_body(m, &plan);
    return !m->arena->failed;
}

/* Behind a step that takes something out: `next` over what it has made. */
static bool make_behind(struct making *m, bool (*next)(struct making *m, struct recipe *ret),
                        struct recipe *ret) {
    struct recipe first = m->out, second = recipe_in(m->arena);
    struct buf octets = BUF_INIT(m->source.len + recipe_text_len(&first));
    recipe_render(&first, 0, first.count, m->source, NULL, &octets);
    m->source = buf_view(&octets);
    bool ok = !octets.failed && next(m, &second);
    *ret = recipe_in(m->arena);
    if (ok)
        recipe_compose(&first, &second, ret);
    if (ok && !is_too_large(ret))
        recipe_own(ret); /* some of its texts may be borrowed from what goes now */
    buf_done(&octets);
    return ok;
}

static bool make_last(struct making *m, struct recipe *ret) {
    bool ok = make_message(m);
    *ret = m->out;
    return ok;
}

static bool is_spared(const struct making *m) {
    return m->post->untouchable && !making_number(m, LIST_SETTING_ANONYMOUS_LIST);
}

static bool filter(struct making *m, struct recipe *ret) {
    struct edition *made = m->edition;
    if (!making_number(m, LIST_SETTING_FILTER_CONTENT))
        return make_last(m, ret);
    if (!look(m))
        return false;
    made->nothing_left = !edition_filter(m);
    if (made->nothing_left)
        return true;
    made->filtered = !recipe_is_whole(&m->out, m->source.len);
    if (made->filtered && is_spared(m)) { /* a signature is no way around the filter */
        edition_note(m, "and its signature forbids that it is sent without that");
        made->nothing_left = true;
        return true;
    }
    return made->filtered ? make_behind(m, make_last, ret) : make_last(m, ret);
}

/* The recipe over the post's octets. False: no memory for it. */
static bool make(struct making *m, struct edition *ret) {
    if (!look(m))
        return false;
    ret->approved = edition_approval(m);
    return ret->approved ? make_behind(m, filter, &ret->recipe) : filter(m, &ret->recipe);
}

static bool has_password(const struct making *m) {
    for (size_t i = 0; i < m->header.count; i++)
        if (post_field_is_approval(m->header.fields[i].name))
            return true;
    return false;
}

/* Whom the author did not want to name: the list takes that out. */
static bool has_hidden_recipients(const struct making *m) {
    return header_find(&m->header, "Bcc") || header_find(&m->header, "Resent-Bcc");
}

/* What the list took out must not be in the archive: what it filtered, who wrote, its moderators' password.
 */
static enum edition_kept kept(const struct making *m, const struct edition *made) {
    if (making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        return KEPT_ANONYMOUS;
    return made->filtered || made->approved || made->nothing_left || has_password(m) ? KEPT_EDITION
                                                                                     : KEPT_POST;
}

/* One form of the edition. */
static bool make_form(const struct making *with, enum mitigation how, struct recipe *ret) {
    struct making m = *with;
    struct edition form = {.recipe = recipe_in(with->arena)};
    m.edition = &form;
    m.mitigation = how;
    bool ok = make(&m, &form) && !with->arena->failed && !is_too_large(&form.recipe);
    *ret = form.recipe;
    return ok;
}

/* What the list does for the author's domain's sake: to the edition, or to a second form of it. */
static enum mitigation mitigate(struct making *m, bool *ret_always) {
    enum mitigation how = look(m) ? edition_mitigation(m, ret_always) : MITIGATE_NOT;
    bool acts = *ret_always || m->post->forbidden;
    if (how == MITIGATE_REFUSE || how == MITIGATE_DROP) {
        if (acts)
            m->edition->dmarc = how == MITIGATE_REFUSE ? EDITION_REFUSED : EDITION_DROPPED;
        return MITIGATE_NOT;
    }
    return how;
}

/* Of a post that must not be changed the list only says that it is its. What it does not take it does not
 * take of anybody: see filter(). */
static void spare(struct edition_facts *l) {
    static const enum list_setting changes[] = {LIST_SETTING_SUBJECT_PREFIX,
                                                LIST_SETTING_MSG_HEADER,
                                                LIST_SETTING_MSG_FOOTER,
                                                LIST_SETTING_PERSONALIZE,
                                                LIST_SETTING_REPLY_GOES_TO_LIST,
                                                LIST_SETTING_FIRST_STRIP_REPLY_TO,
                                                LIST_SETTING_CONVERT_HTML_TO_PLAINTEXT};
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        l->settings[changes[i]] = VIEW("");
    l->settings[LIST_SETTING_COLLAPSE_ALTERNATIVES] = VIEW("false");
}

static bool has_names(const struct recipe *r) {
    for (size_t i = 0; i < r->count; i++)
        if (r->pieces[i].kind == PIECE_SLOT && recipe_slot_names(r->pieces[i].slot))
            return true;
    return false;
}

bool edition_make(const struct edition_facts *of_list, const struct edition_post *p, struct arena *a,
                  struct edition *ret, struct err *e) {
    struct edition_facts facts = *of_list, *l = &facts;
    struct making m = {.l = l, .post = p, .arena = a, .source = p->source, .trace = p->trace, .edition = ret};
    bool always = false;
    *ret = (struct edition){.recipe = recipe_in(a), .mitigated = recipe_in(a)};
    ret->dkim2 = making_number(&m, LIST_SETTING_DKIM2) != 0;
    enum mitigation how = mitigate(&m, &always);
    if (is_spared(&m)) {
        spare(&facts);
        how = MITIGATE_NOT;
        always = false;
    }
    m.mitigation = always ? how : MITIGATE_NOT;
    ret->own_from = m.mitigation != MITIGATE_NOT || making_number(&m, LIST_SETTING_ANONYMOUS_LIST);
    bool ok = make(&m, ret) && !a->failed && !is_too_large(&ret->recipe);
    if (ok && how != MITIGATE_NOT && !always && !ret->nothing_left)
        ok = make_form(&m, how, &ret->mitigated);
    if (ok && recipe_stored_len(&ret->recipe) + recipe_stored_len(&ret->mitigated) > LIMIT_EDITION) {
        ret->recipe = ret->mitigated; /* one of them can be kept: the one that everybody takes */
        ret->mitigated.count = 0;
        ret->own_from = true;
    }
    ret->names = has_names(&ret->recipe);
    ret->kept = kept(&m, ret);
    ret->hides = ret->kept != KEPT_POST || has_hidden_recipients(&m);
    return ok ||
           err_set(e, ERR_LIMIT, "what %.*s makes of the post is too large to be kept", VIEW_ARG(l->list));
}

void edition_render_kept(const struct recipe *recipe, view source, view list, struct buf *out) {
    const struct copy_to who = {.address = list, .name = VIEW("")};
    recipe_render(recipe, 0, recipe->count, source, &who, out);
}

void edition_plain(view list, view source, size_t trace, struct recipe *ret) {
    struct address parts = address_split(list);
    recipe_printf(ret, "List-Id: <%.*s.%.*s>\r\nList-Post: <mailto:%.*s>\r\n", VIEW_ARG(parts.local),
                  VIEW_ARG(parts.domain), VIEW_ARG(list));
    recipe_printf(ret, "List-Owner: <mailto:%.*s-owner@%.*s>\r\nPrecedence: list\r\n", VIEW_ARG(parts.local),
                  VIEW_ARG(parts.domain));
    struct header h;
    header_parse(view_skip(source, trace), ret->arena, &h);
    recipe_copy(ret, 0, trace);
    for (size_t i = 0; i < h.count; i++)
        if (!results_are_forged(view_slice(source, 0, trace), &h.fields[i]))
            recipe_copy(ret, (size_t)(h.fields[i].raw.ptr - source.ptr), h.fields[i].raw.len);
    view rest = h.count > 0 ? view_skip(source, (size_t)(h.fields[h.count - 1].raw.ptr - source.ptr) +
                                                    h.fields[h.count - 1].raw.len)
                            : view_skip(source, trace);
    recipe_copy(ret, source.len - rest.len, rest.len);
}

void edition_of_digest(const struct edition_facts *l, size_t source_len, struct arena *a,
                       struct recipe *ret) {
    struct edition made = {.recipe = recipe_in(a)};
    struct making m = {.l = l, .arena = a, .edition = &made, .out = recipe_in(a)};
    edition_list_fields(&m);
    recipe_copy(&m.out, 0, source_len);
    *ret = m.out;
}
