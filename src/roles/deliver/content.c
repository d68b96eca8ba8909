/* content.c: message texts in memory. A fan-out of 50,000 copies reads its message once. Texts nobody uses
 * stay while there is room, newest first. */
#include <stdlib.h>
#include <string.h>

#include "auth/dkim_canon.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/edition.h"
#include "mail/text.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"
#include "store/edition.h"
#include "store/message.h"

#define KEEP_BYTES      (32 << 20)
#define USE_BYTES       (256 << 20) /* texts in use; more is loaded when some has gone, but always at least one */
#define SIGNATURES_MOST (512 << 10) /* each may name all fields, and a seal tells what was found */
#define KEEP_TEXTS      32          /* the list stays short enough to be searched */

static struct content *cache; /* newest first; under deliver.lock */
static pthread_cond_t loaded = PTHREAD_COND_INITIALIZER;

/* RFC 5321 4.5.2: a dot more where a line begins with one. */
static void stuff(view body, struct buf *out) {
    while (body.len > 0) {
        const char *lf = memchr(body.ptr, '\n', body.len);
        size_t len = lf ? (size_t)(lf - body.ptr) + 1 : body.len;
        if (body.ptr[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, view_slice(body, 0, len));
        body = view_skip(body, len);
    }
    if (out->len > 0 && !view_ends_with(buf_view(out), VIEW("\r\n")))
        buf_add_str(out, "\r\n");
}

/* Pieces of the source among those that differ are needed for every copy. */
static bool copies_source(const struct recipe *r, size_t differs) {
    for (size_t i = 0; i < differs; i++)
        if (r->pieces[i].kind == PIECE_COPY)
            return true;
    return false;
}

view content_header(view message) {
    ptrdiff_t end = view_search(message, VIEW("\r\n\r\n"));
    return end < 0 ? message : view_slice(message, 0, (size_t)end + 2);
}

view content_body(view message) {
    ptrdiff_t end = view_search(message, VIEW("\r\n\r\n"));
    return end < 0 ? VIEW("") : view_skip(message, (size_t)end + 4);
}

/* One signature for all copies where they are the same; else what it takes to make each its own. copy: for
 * anybody. */
static void prepare_signatures(struct content *c, view list, view trace, view copy) {
    const struct signed_mail mail = {.flags = c->flags,
                                     .list = list,
                                     .trace = trace,
                                     .header = content_header(copy),
                                     .mitigated = c->mitigated || c->own_from};
    signing_begin(&c->signing, &mail, &c->arena);
    if (c->new_chain)
        c->signing.seal = NULL; /* it would say whom the post came from */
    signing_hash(&c->signing, content_body(copy));
    if (c->differs > 0)
        return;
    buf_init(&c->signature, SIGNATURES_MOST + c->fields.len);
    signing_add(&c->signing, content_header(copy), &c->signature);
    buf_add(&c->signature, c->fields);
    if (!c->signature.failed) /* part of one would end the header; without any the copy is whole */
        c->fields = buf_view(&c->signature);
    c->signing.dkim.key_count = 0;
    c->signing.seal = NULL;
}

/* What every copy shares is made once: of one for anybody what is behind the pieces that differ. */
static void prepare(struct content *c, view list, view trace) {
    const struct copy_to anybody = {.address = VIEW("a@b.example"), .name = VIEW("")};
    const struct recipe *r = &c->recipe;
    c->differs = recipe_differs(r);
    buf_init(&c->made, c->source.len + recipe_text_len(r) + r->count * LIMIT_SMTP_LINE);
    recipe_render(r, 0, c->differs, c->source, &anybody, &c->made);
    size_t front = c->made.len;
    recipe_render(r, c->differs, r->count, c->source, NULL, &c->made);
    view copy = buf_view(&c->made), header = content_header(copy);
    c->differs_below = c->differs > 0 && front > header.len;
    c->utf8_header = !text_is_7bit(header);
    c->body = view_skip(copy, front);
    prepare_signatures(c, list, trace, copy);
    dkim2_begin(c, c->new_chain ? VIEW("") : view_skip(c->source, trace.len), copy);
    if (c->differs_below) /* each copy has a body of its own */
        return;
    c->shared_header = view_skip(header, front);
    buf_init(&c->wire, 2 * c->body.len + 16);
    stuff(c->body, &c->wire);
    c->stuffed = buf_view(&c->wire);
    if (!copies_source(r, c->differs) && !c->dkim2) {
        buf_done(&c->store);
        c->source = VIEW("");
    }
}

static bool take_recipe(struct content *c, view stored) {
    buf_done(&c->stored_recipe);
    buf_init(&c->stored_recipe, stored.len);
    buf_add(&c->stored_recipe, stored);
    return recipe_read(buf_view(&c->stored_recipe), c->source.len, &c->arena, &c->recipe) ||
           err_set(&c->err, ERR_DAMAGED, "the edition of %s is damaged in the store",
                   id_format(c->message).s);
}

/* The author's domain forbids what receivers would get: as a copy, with our signature, would be found there.
 */
static bool is_forbidden(struct content *c, view list) {
    const struct copy_to anybody = {.address = list, .name = VIEW("")};
    struct buf copy =
        BUF_INIT(c->source.len + recipe_text_len(&c->recipe) + c->recipe.count * LIMIT_SMTP_LINE);
    struct signing s;
    recipe_render(&c->recipe, 0, c->recipe.count, c->source, &anybody, &copy);
    const struct signed_mail mail = {
        .flags = c->flags, .list = list, .trace = c->fields, .header = content_header(buf_view(&copy))};
    signing_begin(&s, &mail, &c->arena);
    bool forbidden = direct_is_forbidden(buf_view(&copy), &s);
    buf_done(&copy);
    if (forbidden)
        log_line(LOG_INFO, "rewritten", LOG_S("queue", id_format(c->message).s), LOG_V("list", list));
    return forbidden;
}

/* The list's edition. Copies that an older release has left in the queue have none. */
static bool load_edition(struct content *c, view list_address) {
    struct store_request q;
    store_request_init(&q, OP_EDITION);
    vals_int(&q.args, c->message);
    vals_int(&q.args, c->list);
    bool ok = store_call(deliver.role.store, &q, &c->err);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && vals_more(&v)) {
        view stored = vals_get_view(&v), mitigated = vals_get_view(&v);
        int64_t flags = vals_get_int(&v);
        c->dkim2 = (flags & EDITION_DKIM2) != 0;
        c->new_chain = (flags & EDITION_NEW_CHAIN) != 0;
        c->own_from = (flags & EDITION_OWN_FROM) != 0;
        c->can_be_otherwise = mitigated.len > 0;
        ok = take_recipe(c, c->form == FORM_MITIGATED && mitigated.len > 0 ? mitigated : stored);
        if (ok && c->form == FORM_USUAL && mitigated.len > 0 && is_forbidden(c, list_address)) {
            c->mitigated = true;
            ok = take_recipe(c, mitigated);
        }
        c->mitigated |= c->form == FORM_MITIGATED && mitigated.len > 0;
    } else if (ok) {
        c->recipe = recipe_in(&c->arena);
        edition_plain(list_address, c->source, c->fields.len, &c->recipe);
    }
    store_request_done(&q);
    return ok;
}

/* Mail that no list has made anything of. */
static bool load_direct(struct content *c, view trace) {
    struct signing s;
    struct signed_mail mail = {
        .flags = c->flags, .list = VIEW(""), .trace = trace, .header = content_header(c->body)};
    signing_begin(&s, &mail, &c->arena);
    c->can_be_otherwise = deliver.role.config->rewrite_domains.count > 0 && c->form != FORM_PASSED_ON &&
                          !(c->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE)); /* it is nobody else's author */
    if (!direct_make(c, &s))
        return false;
    c->dkim2 = deliver.role.config->dkim2 && c->form != FORM_PASSED_ON;
    prepare_signatures(c, VIEW(""), trace, c->body);
    dkim2_begin(c, view_skip(c->source, trace.len), c->body);
    buf_init(&c->wire, 2 * c->body.len + 16);
    stuff(c->body, &c->wire);
    c->stuffed = buf_view(&c->wire);
    c->utf8_header = !text_is_7bit(content_header(c->body));
    return true;
}

static void load_as_list(struct content *c, view list_address, view trace) {
    if (!load_edition(c, list_address)) {
        c->body = VIEW(""); /* see err */
        return;
    }
    c->fields = VIEW("");
    prepare(c, list_address, trace);
}

static void load(struct content *c, view list_address) {
    struct store_request q;
    size_t trace = 0;
    store_request_init(&q, OP_MESSAGE_INFO);
    vals_int(&q.args, c->message);
    if (store_call(deliver.role.store, &q, &c->err)) {
        struct message_info m = message_info_of(c->message, buf_view(&q.out));
        buf_init(&c->store, (size_t)m.size + LIMIT_HEADER_BYTES);
        c->flags = m.flags;
        buf_init(&c->envid_text, LIMIT_SMTP_LINE);
        buf_add(&c->envid_text, m.envid);
        c->envid = buf_view(&c->envid_text);
        if (role_take_source(&deliver.role, c->message, &q, &c->store, &trace, &c->err)) {
            c->source = buf_view(&c->store);
            c->fields = view_slice(c->source, 0, trace);
            c->body = view_skip(c->source, trace);
            if (c->list)
                load_as_list(c, list_address, c->fields);
            else
                load_direct(c, c->fields);
        }
    }
    store_request_done(&q);
}

/* Put the signature of this copy on top of it. */
static void sign(const struct content *c, struct buf *made) {
    struct signing own = c->signing;
    struct buf unsigned_copy = *made, header = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    view copy = buf_view(&unsigned_copy);
    if (c->differs_below)
        canon_body_digest(CANON_RELAXED, content_body(copy), -1, own.body_sha256);
    buf_add(&header, c->differs_below ? content_header(copy) : copy);
    buf_add(&header, c->shared_header);
    buf_init(made, unsigned_copy.limit + SIGNATURES_MOST);
    signing_add(&own, buf_view(&header), made);
    buf_add(made, copy);
    buf_done(&unsigned_copy);
    buf_done(&header);
}

void content_copy(const struct content *c, const struct copy_to *who, struct buf *made, struct buf *wire) {
    size_t room = recipe_text_len(&c->recipe) + c->recipe.count * LIMIT_SMTP_LINE;
    buf_init(made, c->source.len + c->body.len + room);
    buf_init(wire, 2 * (c->source.len + c->body.len + room + SIGNATURES_MOST) + 16);
    recipe_render(&c->recipe, 0, c->differs, c->source, who, made);
    if (c->differs_below)
        buf_add(made, c->body);
    if (c->signing.dkim.key_count > 0 || c->signing.seal)
        sign(c, made);
    if (c->differs_below)
        stuff(buf_view(made), wire);
}

static void free_content(struct content *c) {
    buf_done(&c->store);
    buf_done(&c->made);
    buf_done(&c->wire);
    buf_done(&c->stored_recipe);
    buf_done(&c->envid_text);
    buf_done(&c->signature);
    buf_done(&c->instances);
    arena_done(&c->dkim2_arena);
    arena_done(&c->arena);
    free(c);
}

/* Under the lock: forget what nobody uses beyond KEEP_TEXTS and KEEP_BYTES. */
static void trim(void) {
    size_t bytes = 0, unused = 0;
    for (struct content **at = &cache, *c; (c = *at);) {
        bytes += c->bytes;
        unused += c->refs == 0;
        if (c->refs == 0 && (unused > KEEP_TEXTS || bytes > KEEP_BYTES || c->err.code != ERR_OK)) {
            *at = c->next;
            bytes -= c->bytes;
            free_content(c);
        } else {
            at = &c->next;
        }
    }
}

static size_t bytes_in_use(void) {
    size_t bytes = 0;
    for (const struct content *c = cache; c; c = c->next)
        bytes += c->refs > 0 ? c->bytes : 0;
    return bytes;
}

/* A thread uses one text at a time, so whoever waits for room holds none. */
struct content *content_get(int64_t message, int64_t list, view list_address, enum content_form form) {
    pthread_mutex_lock(&deliver.lock);
    struct content **at = &cache, *c;
    while ((c = *at) && (c->message != message || c->list != list || c->form != form))
        at = &c->next;
    if (c) {
        c->refs++;
        *at = c->next; /* to the front */
        c->next = cache;
        cache = c;
        while (!c->ready)
            pthread_cond_wait(&loaded, &deliver.lock);
        pthread_mutex_unlock(&deliver.lock);
        return c;
    }
    while (bytes_in_use() > USE_BYTES)
        pthread_cond_wait(&loaded, &deliver.lock);
    c = mem_alloc(sizeof *c);
    *c = (struct content){.message = message, .list = list, .form = form, .refs = 1, .next = cache};
    buf_init(&c->store, 0);
    buf_init(&c->made, 0);
    buf_init(&c->wire, 0);
    buf_init(&c->stored_recipe, 0);
    buf_init(&c->envid_text, 0);
    buf_init(&c->signature, 0);
    buf_init(&c->instances, 0);
    arena_init(&c->dkim2_arena, 0);
    arena_init(&c->arena, LIMIT_STEP_ARENA);
    cache = c;
    pthread_mutex_unlock(&deliver.lock);
    load(c, list_address);
    pthread_mutex_lock(&deliver.lock);
    c->bytes = c->store.cap + c->made.cap + c->wire.cap + c->stored_recipe.cap + c->arena.used;
    c->ready = true;
    pthread_cond_broadcast(&loaded);
    trim();
    pthread_mutex_unlock(&deliver.lock);
    return c;
}

void content_put(struct content *c) {
    pthread_mutex_lock(&deliver.lock);
    c->refs--;
    if (c->refs == 0) {
        trim();
        pthread_cond_broadcast(&loaded);
    }
    pthread_mutex_unlock(&deliver.lock);
}
