/* digest.c: digests of lists that are due: their posts are read again, put together for each kind that
 * somebody gets, and handed over to be expanded like posts. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/digest.h"
#include "lists/edition.h"
#include "lists/letter_words.h"
#include "mail/list_address.h"
#include "mail/text.h"
#include "roles/router/router.h"
#include "store/accept.h"
#include "store/digest.h"
#include "store/message.h"

/* In a text each octet may become a letter of several, and each post has a heading. */
enum { LOOK_MS = 1000, OUTPUT_TIMES = 4, OUTPUT_FRAME = 1024 * 1024 };

/* One kind of a digest, before it is handed over. */
struct made_digest {
    int64_t message;
    view message_id;
    struct buf out;
};

struct making_digest {
    struct role *role;
    int64_t list, class, issue, modes;
    struct edition_facts facts;
    struct letter_words words;
    view masthead, header, footer; /* as people have given them */
    struct digest digest;
    int64_t *messages, *kept;
    size_t count;
    struct arena arena;
    struct buf *posts; /* one for each */
    struct made_digest made[MODES];
};

/* A digest is not made again and again with what nobody can put into one. */
static bool is_for_good(enum err_code code) {
    return code == ERR_DAMAGED || code == ERR_NOT_FOUND || code == ERR_LIMIT;
}

/* The others can go without it. */
static bool leave_out(struct making_digest *m, size_t i, const struct err *why, struct err *e) {
    struct store_request q;
    log_line(LOG_ERROR, "digest-without-post", LOG_V("list", m->facts.list),
             LOG_S("queue", id_format(m->messages[i]).s), LOG_S("reason", why->text));
    store_request_init(&q, OP_DIGEST_LEAVE_OUT);
    vals_int(&q.args, m->list);
    vals_int(&q.args, m->messages[i]);
    vals_view(&q.args, view_slice(view_of(why->text), 0, LIMIT_EVENT_TEXT / 2));
    bool ok = store_call(m->role->store, &q, e);
    store_request_done(&q);
    return ok;
}

/* What DIGEST_TAKE says. False: the list is gone. */
static bool read_taken(struct making_digest *m, struct vals *v) {
    if (!vals_more(v) || !edition_facts_take(v, &m->facts))
        return false;
    m->words.languages = vals_get_view(v);
    m->masthead = vals_get_view(v);
    m->header = vals_get_view(v);
    m->footer = vals_get_view(v);
    m->class = vals_get_int(v);
    m->digest.volume = vals_get_int(v);
    m->issue = m->digest.issue = vals_get_int(v);
    m->modes = vals_get_int(v);
    m->messages = arena_array(&m->arena, int64_t, DIGEST_POSTS_MOST);
    m->kept = arena_array(&m->arena, int64_t, DIGEST_POSTS_MOST);
    while (m->messages && m->kept && vals_more(v) && m->count < DIGEST_POSTS_MOST) {
        m->messages[m->count] = vals_get_int(v);
        m->kept[m->count++] = vals_get_int(v);
    }
    return !v->failed && m->kept;
}

/* What the list's archive keeps in its place. */
static bool render_kept(struct making_digest *m, size_t i, view source, struct err *e) {
    struct store_request q;
    struct recipe recipe;
    struct arena scratch; /* one post's alone: many of them have no bound together */
    arena_init(&scratch, LIMIT_DECISION_ARENA);
    store_request_init(&q, OP_EDITION);
    vals_int(&q.args, m->messages[i]);
    vals_int(&q.args, m->list);
    bool ok = store_call(m->role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && !recipe_read(vals_get_view(&v), source.len, &scratch, &recipe))
        ok = err_set(e, ERR_DAMAGED, "an edition in the store is damaged");
    buf_init(&m->posts[i], source.len + LIMIT_STORE_PACKET);
    if (ok)
        edition_render_kept(&recipe, source, m->facts.list, &m->posts[i]);
    arena_done(&scratch);
    store_request_done(&q);
    return ok;
}

static bool read_post(struct making_digest *m, size_t i, const struct store_request *info, struct err *e) {
    struct message_info about = message_info_of(m->messages[i], buf_view(&info->out));
    struct buf source = BUF_INIT(about.fields.len + (size_t)about.size);
    size_t trace = 0;
    bool ok = role_take_source(m->role, m->messages[i], info, &source, &trace, e);
    if (ok && m->kept[i] != KEPT_POST) {
        ok = render_kept(m, i, buf_view(&source), e);
    } else if (ok) {
        buf_init(&m->posts[i], source.len);
        buf_add(&m->posts[i], view_skip(buf_view(&source), trace));
    }
    buf_done(&source);
    return ok;
}

static bool read_posts(struct making_digest *m, struct err *e) {
    struct store_request *infos = mem_alloc((m->count + 1) * sizeof *infos);
    struct store_wait wait;
    bool ok = true;
    store_wait_init(&wait);
    for (size_t i = 0; i < m->count; i++)
        role_ask_message(m->role, m->messages[i], &wait, &infos[i]);
    store_wait_all(&wait);
    for (size_t i = 0; i < m->count; i++) {
        struct err why = {.code = ERR_OK};
        if (ok && !read_post(m, i, &infos[i], &why)) {
            ok = false; /* made at the next look */
            if (!is_for_good(why.code) || leave_out(m, i, &why, e))
                *e = why;
        }
        store_request_done(&infos[i]);
    }
    store_wait_done(&wait);
    free(infos);
    return ok;
}

/* The text for that place, with its variables. */
static view text_of(struct making_digest *m, view given, const char *shipped) {
    view text = given.len ? given : letter_words_phrase(&m->words, shipped);
    return letter_words_expand(&m->words, text, &m->arena);
}

static void describe(struct making_digest *m) {
    view *posts = arena_array(&m->arena, view, m->count + 1),
         name = m->facts.settings[LIST_SETTING_DISPLAY_NAME];
    BUG_ON(!posts); /* a few hundred octets of a fresh arena */
    for (size_t i = 0; i < m->count; i++)
        posts[i] = buf_view(&m->posts[i]);
    if (name.len == 0)
        name = list_name_for_people(m->facts.list, &m->arena);
    m->digest.hostname = view_of(m->role->config->hostname);
    m->digest.list = m->facts.list;
    m->digest.display_name = name;
    m->digest.posts = posts;
    m->digest.count = m->count;
    m->digest.now_ms = clock_now_ms();
    m->words.list = m->facts.list;
    m->words.display_name = name;
    m->words.description = m->facts.settings[LIST_SETTING_DESCRIPTION];
    m->words.info = m->facts.settings[LIST_SETTING_INFO];
    m->digest.masthead = text_of(m, m->masthead, "list:member:digest:masthead");
    m->digest.header = text_of(m, m->header, "list:member:digest:header");
    m->digest.footer = text_of(m, m->footer, "list:member:digest:footer");
    m->digest.topics = letter_words_phrase(&m->words, "words:digest-topics");
}

/* A body in the store before its message is there (ACCEPT does the same for large ones). */
static bool stage(struct role *role, int64_t message, view body, struct err *e) {
    bool ok = true;
    for (int64_t seq = 0; ok && (body.len > 0 || seq == 0); seq++) {
        struct store_request q;
        view piece = view_slice(body, 0, LIMIT_BODY_CHUNK);
        store_request_init(&q, OP_BODY_STAGE);
        vals_int(&q.args, message);
        vals_int(&q.args, seq);
        vals_view(&q.args, piece);
        ok = store_call(role->store, &q, e);
        store_request_done(&q);
        body = view_skip(body, piece.len);
    }
    return ok;
}

static void write_digest(struct making_digest *m, enum delivery_mode mode, struct arena *a, struct buf *out) {
    if (mode == MODE_MIME)
        digest_mime(&m->digest, a, out);
    else if (mode == MODE_PLAIN)
        digest_plain(&m->digest, a, out);
    else
        digest_summary(&m->digest, a, out);
}

/* All kinds that somebody gets, of the first `count` posts. False: they are too large. */
static bool write_kinds(struct making_digest *m) {
    struct arena scratch;
    size_t most = OUTPUT_FRAME;
    bool ok = true;
    describe(m);
    for (size_t i = 0; i < m->count; i++)
        most += OUTPUT_TIMES * m->posts[i].len;
    for (int mode = MODE_PLAIN; ok && mode < MODES; mode++) {
        struct made_digest *made = &m->made[mode];
        if (!(m->modes & (INT64_C(1) << mode)))
            continue;
        arena_init(&scratch, LIMIT_DECISION_ARENA);
        made->message = id_new();
        m->digest.message_id = made->message_id = arena_printf(
            &m->arena, "digest.%s@%.*s", id_format(made->message).s, VIEW_ARG(m->digest.hostname));
        buf_done(&made->out);
        buf_init(&made->out, most);
        write_digest(m, (enum delivery_mode)mode, &scratch, &made->out);
        ok = !made->out.failed && !scratch.failed && !m->arena.failed;
        arena_done(&scratch);
    }
    return ok;
}

/* As many posts as fit. */
static bool write_what_fits(struct making_digest *m, struct err *e) {
    while (m->count > 0 && !write_kinds(m)) {
        struct err why;
        if (m->count == 1) {
            err_set(&why, ERR_LIMIT, "no digest has room for it");
            m->count = 0;
            if (leave_out(m, 0, &why, e))
                *e = why;
            return false;
        }
        m->count /= 2;
    }
    return true;
}

static bool add_digest(struct making_digest *m, enum delivery_mode mode, struct buf *args, struct err *e) {
    struct made_digest *made = &m->made[mode];
    struct buf stored = BUF_INIT(LIMIT_STORE_PACKET / 8);
    unsigned char sha256[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct recipe recipe;
    edition_of_digest(&m->facts, made->out.len, &m->arena, &recipe);
    recipe_write(&recipe, &stored);
    bool ok = (!stored.failed && !m->arena.failed) || err_set(e, ERR_LIMIT, "its edition is too large");
    ok = ok && stage(m->role, made->message, buf_view(&made->out), e);
    EVP_Digest(made->out.data, made->out.len, sha256, &len, EVP_sha256(), NULL);
    vals_int(args, mode);
    vals_int(args, made->message);
    vals_view(args, list_part_address(m->facts.list, "bounces", &m->arena));
    vals_view(args, made->message_id);
    vals_int(args, (int64_t)made->out.len);
    vals_view(args, view_from(sha256, len));
    vals_int(args, MESSAGE_NOTICE | MESSAGE_8BIT | (text_is_7bit(m->facts.list) ? 0 : MESSAGE_UTF8));
    vals_view(args, buf_view(&stored));
    buf_done(&stored);
    return ok;
}

/* All kinds that somebody gets, in one transaction with their number. */
static bool hand_over(struct making_digest *m, struct err *e) {
    struct store_request q;
    struct buf digests = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t count = 0;
    bool ok = true;
    for (int mode = MODE_PLAIN; ok && mode < MODES && m->count > 0; mode++)
        if (m->modes & (INT64_C(1) << mode)) {
            ok = add_digest(m, (enum delivery_mode)mode, &digests, e);
            count++;
        }
    store_request_init(&q, OP_DIGEST_SENT);
    vals_int(&q.args, m->list);
    vals_int(&q.args, m->issue);
    vals_int(&q.args, m->class);
    vals_int(&q.args, (int64_t)m->count);
    for (size_t i = 0; i < m->count; i++)
        vals_int(&q.args, m->messages[i]);
    vals_int(&q.args, count);
    buf_add(&q.args, buf_view(&digests));
    ok = ok && store_call(m->role->store, &q, e);
    store_request_done(&q);
    buf_done(&digests);
    return ok;
}

static bool send_digest(struct role *role, int64_t list, struct err *e) {
    struct making_digest m = {.role = role, .list = list};
    struct store_request q;
    arena_init(&m.arena, LIMIT_DECISION_ARENA);
    store_request_init(&q, OP_DIGEST_TAKE);
    vals_int(&q.args, list);
    bool ok = store_call(role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && read_taken(&m, &v)) {
        size_t taken = m.count;
        m.posts = mem_alloc((taken + 1) * sizeof *m.posts);
        for (size_t i = 0; i < taken; i++)
            buf_init(&m.posts[i], 0);
        for (int mode = 0; mode < MODES; mode++)
            buf_init(&m.made[mode].out, 0);
        ok = read_posts(&m, e) && write_what_fits(&m, e) && hand_over(&m, e);
        if (ok)
            log_line(LOG_INFO, "digest", LOG_V("list", m.facts.list), LOG_I("posts", m.count),
                     LOG_I("volume", m.digest.volume), LOG_I("issue", m.issue));
        for (int mode = 0; mode < MODES; mode++)
            buf_done(&m.made[mode].out);
        for (size_t i = 0; i < taken; i++)
            buf_done(&m.posts[i]);
        free(m.posts);
    }
    store_request_done(&q);
    arena_done(&m.arena);
    return ok;
}

/* Of a page of lists, the digests that are due; *list becomes the last one looked at, 0 behind the last page.
 * Returns how many were sent, or -1. */
static int send_page(struct role *role, int64_t *list, struct err *e) {
    struct store_request q;
    int sent = 0;
    store_request_init(&q, OP_DIGESTS_DUE);
    vals_int(&q.args, *list);
    bool ok = store_call(role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    *list = ok ? vals_get_int(&v) : 0;
    while (ok && vals_more(&v) && !role_stopping()) {
        int64_t due = vals_get_int(&v);
        if (send_digest(role, due, e))
            sent++;
        else
            log_line(LOG_ERROR, "digest-not-sent", LOG_I("list", due), LOG_S("reason", e->text));
    }
    store_request_done(&q);
    return ok ? sent : -1;
}

/* One page at a time: however many lists are due, posts are routed between them. */
bool digests_send(struct role *role) {
    static int64_t next_ms, list; /* the last one looked at; 0: at the beginning */
    struct err e = {.code = ERR_OK};
    if (list == 0 && clock_mono_ms() < next_ms)
        return false;
    int sent = send_page(role, &list, &e);
    if (sent < 0)
        log_line(LOG_ERROR, "digests-unknown", LOG_S("reason", e.text));
    if (list == 0)
        next_ms = clock_mono_ms() + LOOK_MS;
    return sent > 0 || list != 0;
}
