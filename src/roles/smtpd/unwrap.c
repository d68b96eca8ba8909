/* unwrap.c: recipients that hold another address: an author's inside one of ours (auth/wrap.h), a forwarded
 * sender (auth/srs.h). Mail to such a recipient is for the address inside. Whoever could make one could send
 * through us to anybody, so it has to show that we have made it; those of the days before that count for
 * addresses known here. */
#include "auth/srs.h"
#include "auth/wrap.h"
#include "base/clock.h"
#include "base/log.h"
#include "lists/mitigation.h"
#include "mail/address.h"
#include "roles/smtpd/smtpd.h"
#include "store/secret.h"

static bool is_wrap_domain(const struct session *s, view domain) {
    const struct config_list *list = &s->policy->config->rewrite_domains;
    for (size_t i = 0; i < list->count; i++)
        if (view_eq_nocase(mitigation_entry_domain(list->items[i]), domain))
            return true;
    return false;
}

static bool is_srs(const struct session *s, view address) {
    return view_eq_nocase(view_of(s->policy->config->srs_domain), address_split(address).domain) &&
           srs_is_one(address);
}

bool unwrap_is_due(const struct session *s) {
    view address = s->pending.address;
    return is_srs(s, address) ||
           (is_wrap_domain(s, address_split(address).domain) && view_search(address, VIEW("=40")) > 0);
}

static enum next refuse(struct session *s) {
    struct err e;
    err_set(&e, ERR_NO_SUCH_USER, "<%.*s>: no address that this server has made, or no longer",
            VIEW_ARG(s->pending.address));
    session_reply_err(s, &e);
    s->refused_recipients++; /* whoever guesses does not guess long */
    log_line(LOG_INFO, "recipient-refused", LOG_S("client", s->peer_ip.s), LOG_V("from", s->t.sender),
             LOG_V("rcpt", s->pending.address), LOG_S("reason", e.text));
    s->pending = (struct accept_recipient){.notify = NOTIFY_DEFAULT};
    store_request_done(&s->request);
    return NEXT_MORE;
}

/* The recipient is the one inside; DSNs speak of the one that was given. */
static enum next turn_to(struct session *s, view inside) {
    struct arena *arena = &s->transaction_arena;
    struct err e;
    view normal;
    if (!address_normalise_text(inside, arena, &normal, &e))
        return refuse(s);
    if (s->pending.orcpt.len == 0 && view_is_ascii(s->pending.address))
        s->pending.orcpt = arena_printf(arena, "rfc822;%.*s", VIEW_ARG(s->pending.address));
    s->pending.given = s->pending.address;
    s->pending.address = inside;
    s->unwrapped = true;
    store_request_done(&s->request);
    return command_ask_about(s, normal);
}

static enum next known(struct session *s) {
    if (s->request.err.code == ERR_OK && vals_get_int(&(struct vals){.rest = buf_view(&s->request.out)}))
        return turn_to(s, s->inside);
    if (s->request.err.code == ERR_OK)
        return refuse(s);
    session_reply_err(s, &s->request.err);
    store_request_done(&s->request);
    return NEXT_MORE;
}

/* Made before there were tags: for authors known here alone. */
static enum next ask_known(struct session *s, view inside, view older) {
    struct arena *arena = &s->transaction_arena;
    struct err e;
    view normal;
    s->inside = older.len > 0 ? older : inside;
    if (!address_normalise_text(s->inside, arena, &normal, &e))
        return refuse(s);
    store_request_done(&s->request);
    store_request_init(&s->request, OP_ADDRESS_KNOWN);
    vals_view(&s->request.args, normal);
    return session_ask(s, known);
}

static enum next secrets_are_there(struct session *s) {
    struct arena *arena = &s->transaction_arena;
    view address = s->pending.address, inside, older, keys[SECRETS_KEPT];
    struct vals v = vals_of(buf_view(&s->request.out));
    size_t n = 0;
    if (s->request.err.code != ERR_OK) {
        session_reply_err(s, &s->request.err);
        store_request_done(&s->request);
        return NEXT_MORE;
    }
    while (vals_more(&v) && n < SECRETS_KEPT)
        keys[n++] = vals_get_view(&v);
    if (is_srs(s, address)) {
        struct srs_keys k = {.count = n};
        for (size_t i = 0; i < n; i++)
            k.list[i] = keys[i];
        return srs_reverse(address, &k, clock_now_ms() / 1000, SRS_AGE_DAYS, arena, &inside)
                   ? turn_to(s, inside)
                   : refuse(s);
    }
    switch (wrap_read(address, keys, n, arena, &inside, &older)) {
    case WRAP_KEYED:
        return turn_to(s, inside);
    case WRAP_OLD:
        return ask_known(s, inside, older);
    case WRAP_NONE:
        break;
    }
    return refuse(s);
}

enum next unwrap_ask(struct session *s) {
    store_request_init(&s->request, OP_SECRETS);
    vals_view(&s->request.args, is_srs(s, s->pending.address) ? VIEW(SECRET_SRS) : VIEW(SECRET_WRAP));
    return session_ask(s, secrets_are_there);
}
