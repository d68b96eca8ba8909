/* edition.c: the list's edition of a post, made once, before its first copy (ADR 20): what the store says of
 * the list, the octets, lists/edition.h, and the result back into the store. */
#include "lists/edition.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/letter.h"
#include "lists/mitigation.h"
#include "lists/post.h"
#include "mail/address.h"
#include "roles/router/router.h"
#include "store/accept.h"
#include "store/edition.h"
#include "store/message.h"
#include "store/moderation.h"
#include "store/secret.h"
#include "store/vals.h"

enum { LETTER_WHOLE = 48 * 1024, LETTER_HEADER = 16 * 1024 };
enum { FILTER_DISCARD, FILTER_REJECT, FILTER_FORWARD, FILTER_PRESERVE }; /* filter_action */

struct work {
    struct role *role;
    int64_t message, list;
    struct arena arena;
    struct buf source;
    size_t trace;
    struct edition_facts facts;
    struct message_info info;
    struct post post;
    struct edition edition;
    view wrap_key;
    bool unfit; /* it cannot be made, and the post as it came must not be sent */
};

/* Nothing of it is sent. */
static bool is_over(const struct work *w) {
    return w->edition.nothing_left || w->edition.dmarc != EDITION_GOES;
}

/* Nobody is told who may be a program, or another list. */
static bool wants_letter(const struct work *w) {
    return !post_is_of_a_robot(&w->post, w->info.sender) && !header_find(&w->post.header, "Precedence") &&
           !header_find(&w->post.header, "List-Id");
}

static bool add_letter(struct work *w, view to, view subject, view text, struct buf *args) {
    view message = view_skip(buf_view(&w->source), w->trace);
    bool whole = message.len <= LETTER_WHOLE;
    struct err e;
    return letter_args(
        &(struct letter){.hostname = view_of(w->role->config->hostname),
                         .list = w->facts.list,
                         .to = to,
                         .subject = subject,
                         .text = text,
                         .references = header_message_id(&w->post.header, &w->arena),
                         .message = w->message,
                         .original = whole ? message : view_slice(w->post.header.section, 0, LETTER_HEADER),
                         .whole = whole},
        clock_now_ms(), args, &e);
}

/* What becomes of a post of which nothing is left, and who hears of it. */
static enum moderation end_of_filtered(struct work *w, struct buf *letters, int64_t *ret_letters) {
    struct address list = address_split(w->facts.list);
    int64_t action =
        list_setting_number(LIST_SETTING_FILTER_ACTION, w->facts.settings[LIST_SETTING_FILTER_ACTION]);
    view why =
        arena_printf(&w->arena,
                     "The content filter of %.*s has left nothing of the attached post: %s.\nIt was not sent "
                     "to the list's members. Queue id: %s\n",
                     VIEW_ARG(w->facts.list), w->edition.what, id_format(w->message).s);
    *ret_letters = 0;
    if (action == FILTER_FORWARD)
        *ret_letters = add_letter(w, list_part_address(w->facts.list, "owner", &w->arena),
                                  arena_printf(&w->arena, "%.*s: a post was filtered", VIEW_ARG(list.local)),
                                  why, letters);
    if (action == FILTER_REJECT && wants_letter(w) && letter_may_go(w->role, w->info.sender))
        *ret_letters = add_letter(
            w, w->info.sender,
            arena_printf(&w->arena, "Your post to %.*s was not sent", VIEW_ARG(w->facts.list)), why, letters);
    return action == FILTER_PRESERVE ? MODERATION_HOLD
           : action == FILTER_REJECT ? MODERATION_REJECT
                                     : MODERATION_DISCARD;
}

/* What becomes of a post whose author's domain forbids what the list does, where the list takes none of
 * those. */
static enum moderation end_for_dmarc(struct work *w, struct buf *letters, int64_t *ret_letters) {
    view notice = w->facts.settings[LIST_SETTING_DMARC_MODERATION_NOTICE];
    view why = notice.len > 0
                   ? notice
                   : arena_printf(&w->arena,
                                  "%.*s takes no posts whose author's domain publishes a DMARC policy of "
                                  "quarantine or reject:\ncopies of them would be refused. Queue id: %s\n",
                                  VIEW_ARG(w->facts.list), id_format(w->message).s);
    snprintf(w->edition.what, sizeof w->edition.what, "the DMARC policy of the author's domain");
    *ret_letters = 0;
    if (w->edition.dmarc == EDITION_REFUSED && wants_letter(w) && letter_may_go(w->role, w->info.sender))
        *ret_letters = add_letter(
            w, w->info.sender,
            arena_printf(&w->arena, "Your post to %.*s was not sent", VIEW_ARG(w->facts.list)), why, letters);
    return w->edition.dmarc == EDITION_REFUSED ? MODERATION_REJECT : MODERATION_DISCARD;
}

static enum moderation end_of(struct work *w, struct buf *letters, int64_t *ret_letters) {
    if (w->edition.dmarc != EDITION_GOES)
        return end_for_dmarc(w, letters, ret_letters);
    return end_of_filtered(w, letters, ret_letters);
}

/* Size and SHA-256 of what the archive will have. */
static void put_kept(struct work *w, struct buf *args) {
    unsigned char sha256[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf kept = BUF_INIT(w->source.len + recipe_text_len(&w->edition.recipe) +
                               w->edition.recipe.count * LIMIT_SMTP_LINE);
    if (w->edition.kept != KEPT_POST && !is_over(w) && !w->unfit) {
        edition_render_kept(&w->edition.recipe, buf_view(&w->source), w->facts.list, &kept);
        EVP_Digest(kept.data, kept.len, sha256, &len, EVP_sha256(), NULL);
    }
    vals_int(args, (int64_t)kept.len);
    vals_view(args, view_from(sha256, len));
    buf_done(&kept);
}

static void format_keep(struct work *w, struct buf *args) {
    struct buf letters = BUF_INIT(LIMIT_BODY_CHUNK), recipe = BUF_INIT(LIMIT_STORE_PACKET),
               mitigated = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t letter_count = 0;
    const struct post *p = &w->post;
    enum moderation end = w->unfit     ? MODERATION_HOLD
                          : is_over(w) ? end_of(w, &letters, &letter_count)
                                       : MODERATION_ACCEPT;
    recipe_write(&w->edition.recipe, &recipe);
    if (w->edition.mitigated.count > 0)
        recipe_write(&w->edition.mitigated, &mitigated);
    vals_int(args, w->message);
    vals_int(args, w->list);
    vals_int(args, end);
    vals_view(args, view_of(w->edition.what));
    vals_int(args, w->edition.kept);
    put_kept(w, args);
    vals_int(args, w->edition.names);
    vals_view(args, buf_view(&recipe));
    vals_view(args, buf_view(&mitigated));
    vals_int(args, (w->edition.dkim2 ? EDITION_DKIM2 : 0) | (w->edition.hides ? EDITION_NEW_CHAIN : 0) |
                       (w->edition.own_from ? EDITION_OWN_FROM : 0));
    vals_view(args, one_line(p->subject, &w->arena));
    size_t named = 0;
    for (size_t octets = 0; named < p->recipient_count; named++)
        if ((octets += p->recipients[named].len + 8) > LIMIT_EDITION_NAMED)
            break;
    vals_int(args, (int64_t)named);
    for (size_t i = 0; i < named; i++)
        vals_view(args, p->recipients[i]);
    vals_int(args, (int64_t)p->sender_count);
    for (size_t i = 0; i < p->sender_count; i++)
        vals_view(args, p->senders[i]);
    vals_int(args, letter_count);
    buf_add(args, buf_view(&letters));
    buf_done(&letters);
    buf_done(&recipe);
    buf_done(&mitigated);
}

static bool is_on(const struct work *w, enum list_setting s) {
    return list_setting_number(s, w->facts.settings[s]) != 0;
}

/* Where the list's answers to rewritten authors come in. */
static view wrap_domain(const struct work *w) {
    const struct config_list *domains = &w->role->config->rewrite_domains;
    view domain = mitigation_domain(domains->items, domains->count, address_split(w->facts.list).domain);
    return w->wrap_key.len > 0 ? domain : VIEW("");
}

/* One that cannot be made is not made tomorrow either: the post goes as it came, with the least of the list's
 * fields; or waits for people, where the list takes something out. */
static void make(struct work *w) {
    struct edition_post post = {.source = buf_view(&w->source),
                                .trace = w->trace,
                                .message = w->message,
                                .wrap_domain = wrap_domain(w),
                                .wrap_key = w->wrap_key,
                                .untouchable = (w->info.flags & MESSAGE_DONOTMODIFY) != 0,
                                .forbidden = (w->info.flags & MESSAGE_FORBIDDEN) != 0};
    struct err e;
    if (edition_make(&w->facts, &post, &w->arena, &w->edition, &e))
        return;
    log_line(LOG_ERROR, "edition-failed", LOG_S("queue", id_format(w->message).s), LOG_S("reason", e.text));
    arena_reset(&w->arena);
    w->edition = (struct edition){.recipe = recipe_in(&w->arena)};
    w->unfit =
        is_on(w, LIST_SETTING_FILTER_CONTENT) || is_on(w, LIST_SETTING_ANONYMOUS_LIST) || w->facts.approvals;
    if (w->unfit)
        w->edition.kept = KEPT_EDITION;
    else
        edition_plain(w->facts.list, buf_view(&w->source), w->trace, &w->edition.recipe);
    snprintf(w->edition.what, sizeof w->edition.what, "%s%.150s", w->unfit ? "" : "as it came: ", e.text);
}

/* What the store says, asked for all at once: one by one, each would wait for the commit of others. */
struct asked {
    struct store_request list, post, secrets, keep;
};

static void ask(struct role *r, const struct edition_job *job, struct asked *a, struct store_wait *wait) {
    store_request_init(&a->list, OP_LIST_EDITION);
    vals_int(&a->list.args, job->message);
    vals_int(&a->list.args, job->list);
    store_wait_submit(wait, r->store, &a->list);
    role_ask_message(r, job->message, wait, &a->post);
    store_request_init(&a->secrets, OP_SECRETS);
    vals_view(&a->secrets.args, VIEW(SECRET_WRAP));
    if (r->config->rewrite_domains.count > 0)
        store_wait_submit(wait, r->store, &a->secrets);
    store_request_init(&a->keep, OP_EDITION_KEEP);
}

static bool read_post(struct work *w, const struct asked *a, struct err *e) {
    w->info = message_info_of(w->message, buf_view(&a->post.out));
    buf_init(&w->source, w->info.fields.len + (size_t)w->info.size);
    return role_take_source(w->role, w->message, &a->post, &w->source, &w->trace, e);
}

/* From the answers to what is to be kept; nothing, when the edition is made already. False: see e. */
static bool make_one(struct work *w, struct asked *a, struct err *e) {
    if (a->list.err.code != ERR_OK || a->post.err.code != ERR_OK || a->secrets.err.code != ERR_OK) {
        *e = a->list.err.code != ERR_OK   ? a->list.err
             : a->post.err.code != ERR_OK ? a->post.err
                                          : a->secrets.err;
        return false;
    }
    if (!edition_facts_read(buf_view(&a->list.out), &w->facts))
        return err_set(e, ERR_DAMAGED, "the store's answer about a list is malformed");
    if (w->facts.list.len == 0)
        return true;
    if (!read_post(w, a, e))
        return false; /* never from a part of it */
    if (a->secrets.out.len > 0)
        w->wrap_key = vals_get_view(&(struct vals){.rest = buf_view(&a->secrets.out)});
    role_works_on(w->message);
    make(w);
    view message = view_skip(buf_view(&w->source), w->trace);
    if (!post_read(w->info.sender, message, w->info.size, &w->arena, &w->post))
        w->post.recipient_count = 0; /* more addresses than memory for them: nobody is left out */
    format_keep(w, &a->keep.args);
    role_works_on(0);
    return true;
}

void editions_keep(struct role *r, struct edition_job *jobs, size_t count) {
    struct asked *asked = mem_resize(NULL, count, sizeof *asked);
    struct store_wait wait;
    store_wait_init(&wait);
    for (size_t i = 0; i < count; i++)
        ask(r, &jobs[i], &asked[i], &wait);
    store_wait_all(&wait);
    for (size_t i = 0; i < count; i++) {
        struct work w = {.role = r, .message = jobs[i].message, .list = jobs[i].list};
        arena_init(&w.arena, LIMIT_DECISION_ARENA);
        buf_init(&w.source, 0);
        jobs[i].err.code = ERR_OK;
        if (make_one(&w, &asked[i], &jobs[i].err) && asked[i].keep.args.len > 0)
            store_wait_submit(&wait, r->store, &asked[i].keep);
        buf_done(&w.source);
        arena_done(&w.arena);
    }
    store_wait_all(&wait);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].err.code == ERR_OK)
            jobs[i].err = asked[i].keep.err;
        store_request_done(&asked[i].list);
        store_request_done(&asked[i].post);
        store_request_done(&asked[i].secrets);
        store_request_done(&asked[i].keep);
    }
    store_wait_done(&wait);
    free(asked);
}
