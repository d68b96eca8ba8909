/* parameter.c: the parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET,
 * ENVID, NOTIFY and ORCPT (RFC 3461), REQUIRETLS (RFC 8689). A parameter that is known and wrong, or comes
 * twice, is 501; one that is not known is 555. */
#include "mail/xtext.h"
#include "roles/smtpd/smtpd.h"

typedef bool (*take_value)(struct session *s, view value, struct err *e);

static bool take_size(struct session *s, view value, struct err *e) {
    int64_t *size = &s->t.declared_size;
    if (!view_to_i64(value, size) || *size < 0)
        return err_set(e, ERR_USAGE, "SIZE wants a number");
    return *size <= s->policy->config->message_size_max || err_set(e, ERR_LIMIT_MESSAGE, NULL);
}

static bool take_body(struct session *s, view value, struct err *e) {
    if (view_eq_nocase(value, VIEW("8BITMIME")))
        s->t.flags |= MESSAGE_8BIT;
    else if (!view_eq_nocase(value, VIEW("7BIT")))
        return err_set(e, ERR_USAGE, "BODY is 7BIT or 8BITMIME here");
    return true;
}

static bool take_utf8(struct session *s, view value, struct err *e) {
    s->t.flags |= MESSAGE_UTF8;
    return value.len == 0 || err_set(e, ERR_PARAMETER, "SMTPUTF8 takes no value");
}

/* RFC 8689 2: it means something only behind STARTTLS, where alone it is offered. */
static bool take_requiretls(struct session *s, view value, struct err *e) {
    s->t.flags |= MESSAGE_REQUIRETLS;
    if (!s->tls)
        return err_set(e, ERR_PARAMETER, "REQUIRETLS needs STARTTLS first");
    return value.len == 0 || err_set(e, ERR_PARAMETER, "REQUIRETLS takes no value");
}

static bool take_ret(struct session *s, view value, struct err *e) {
    if (view_eq_nocase(value, VIEW("FULL")))
        s->t.flags |= MESSAGE_RET_FULL;
    else if (view_eq_nocase(value, VIEW("HDRS")))
        s->t.flags |= MESSAGE_RET_HEADERS;
    else
        return err_set(e, ERR_USAGE, "RET is FULL or HDRS");
    return true;
}

static bool take_envid(struct session *s, view value, struct err *e) {
    if (value.len == 0 || value.len > LIMIT_ENVID || !xtext_decode(value, NULL))
        return err_set(e, ERR_USAGE, "ENVID wants xtext of at most %d octets", LIMIT_ENVID);
    s->t.envid = arena_view(&s->transaction_arena, value);
    return true;
}

static bool take_notify(struct session *s, view value, struct err *e) {
    static const struct {
        view name;
        int64_t bit;
    } kinds[] = {{VIEW("NEVER"), NOTIFY_NEVER},
                 {VIEW("SUCCESS"), NOTIFY_SUCCESS},
                 {VIEW("FAILURE"), NOTIFY_FAILURE},
                 {VIEW("DELAY"), NOTIFY_DELAY}};
    int64_t all = 0;
    view word;
    bool fine = value.len > 0 && !view_ends_with(value, VIEW(","));
    while (fine && view_split(&value, ',', &word)) {
        size_t i = 0;
        while (i < sizeof kinds / sizeof *kinds && !view_eq_nocase(word, kinds[i].name))
            i++;
        fine = i < sizeof kinds / sizeof *kinds;
        all |= fine ? kinds[i].bit : 0;
    }
    if (!fine || (all & NOTIFY_NEVER && all != NOTIFY_NEVER))
        return err_set(e, ERR_USAGE, "NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY");
    s->pending.notify = all;
    return true;
}

static bool take_orcpt(struct session *s, view value, struct err *e) {
    if (!xtext_is_orcpt(value, (s->t.flags & MESSAGE_UTF8) != 0))
        return err_set(e, ERR_USAGE, "ORCPT wants type;address, the address in xtext");
    s->pending.orcpt = arena_view(&s->transaction_arena, value);
    return true;
}

static const struct parameter {
    view name;
    bool of_rcpt;
    take_value take;
} known[] = {
    {VIEW("SIZE"), false, take_size},     {VIEW("BODY"), false, take_body},
    {VIEW("SMTPUTF8"), false, take_utf8}, {VIEW("RET"), false, take_ret},
    {VIEW("ENVID"), false, take_envid},   {VIEW("NOTIFY"), true, take_notify},
    {VIEW("ORCPT"), true, take_orcpt},    {VIEW("REQUIRETLS"), false, take_requiretls},
};
enum { KNOWN = sizeof known / sizeof *known };

static const struct parameter *find(view name, bool of_rcpt) {
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].of_rcpt == of_rcpt && view_eq_nocase(name, known[i].name))
            return &known[i];
    return NULL;
}

bool parameters_take(struct session *s, view rest, bool of_rcpt, struct err *e) {
    bool seen[KNOWN] = {false};
    view word;
    rest = view_trim(rest);
    while (view_split(&rest, ' ', &word)) {
        if (word.len == 0)
            continue;
        ptrdiff_t equals = view_find(word, '=');
        view name = equals < 0 ? word : view_slice(word, 0, (size_t)equals);
        view value = equals < 0 ? VIEW("") : view_skip(word, (size_t)equals + 1);
        const struct parameter *p = find(name, of_rcpt);
        if (!p)
            return err_set(e, ERR_PARAMETER, "parameter %.*s is not known here", VIEW_ARG(name));
        if (seen[p - known])
            return err_set(e, ERR_USAGE, "parameter %.*s is given twice", VIEW_ARG(name));
        seen[p - known] = true;
        if (!p->take(s, value, e))
            return false;
    }
    return !s->transaction_arena.failed || err_set(e, ERR_LIMIT, NULL);
}
