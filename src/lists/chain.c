/* chain.c: see chain.h. Each rule is one function. An expression that fails (pattern.h) neither lets a post
 * pass nor loses it: the post is held. */
#include "lists/chain.h"

#include "base/pattern.h"
#include "lists/command.h"
#include "lists/shipped.h"
#include "mail/address.h"
#include "mail/text.h"
#include "store/template.h"

/* MASTHEAD_LINES: as many lines of a digest's masthead are no accident. */
enum { MASTHEAD_LINES = 4, PATTERNS_MOST = 1000, PATTERNS_US = 4 * PATTERN_BUDGET_US };

/* What is left of what the expressions of a list may cost for one post. */
struct patterns {
    int count;
    int64_t us;
};

struct look {
    const struct post *post;
    const struct facts *facts;
    struct arena *arena;
    struct patterns *patterns;
    struct verdict *verdict; /* a rule that hits sets its reason, and the action where that is its own */
};

static bool hit(const struct look *c, const char *reason) {
    c->verdict->reason = view_of(reason);
    return true;
}

static bool hit_with(const struct look *c, int64_t action, const char *reason) {
    c->verdict->action = (enum moderation)action;
    return hit(c, reason);
}

/* A choice whose words begin with "hold". */
static int64_t action_of(const struct look *c, enum list_setting s) {
    return MODERATION_HOLD + facts_number(c->facts, s);
}

/* An expression on a text. Beyond what they may cost for a post it fails. */
static enum pattern_answer try_pattern(const struct look *c, view expression, view text) {
    struct err e;
    return --c->patterns->count < 0 ? PATTERN_FAILED
                                    : pattern_match_within(expression, text, &c->patterns->us, &e);
}

/* Whether the address is one of the lines, or matches one that is an expression. */
static enum pattern_answer find_line(const struct look *c, view lines, view address) {
    view line;
    while (view_split(&lines, '\n', &line)) {
        enum pattern_answer found = view_eq(line, address) ? PATTERN_YES : PATTERN_NO;
        if (view_starts_with(line, VIEW("^")))
            found = try_pattern(c, line, address);
        if (found != PATTERN_NO)
            return found;
    }
    return PATTERN_NO;
}

static const char failed[] = "An expression of the list's settings costs too much on this post";

/* The answer itself is router's. */
static bool rule_autorespond(const struct look *c) {
    return facts_number(c->facts, LIST_SETTING_AUTORESPOND_POSTINGS) == AUTORESPOND_AND_DISCARD &&
           hit(c, "Posts to this list are answered and go no further");
}

/* The password is never passed on (edition_fields.c, edition_approval.c). */
static bool rule_approved(const struct look *c) {
    view kept = c->facts->settings[LIST_SETTING_MODERATOR_PASSWORD].value;
    return kept.len > 0 && post_approved(c->post, kept, c->arena) == APPROVAL_RIGHT && hit(c, "");
}

static bool rule_no_senders(const struct look *c) {
    return c->post->sender_count == 0 && hit(c, "The message has no valid senders");
}

/* "<mailto:list@host>" or an address as it is, anywhere in a value. */
static bool names_list(view value, view list, struct arena *a) {
    view address;
    struct err e;
    while (value.len > 0) {
        if (view_starts_with_nocase(value, VIEW("<mailto:")))
            value = view_skip(value, sizeof "<mailto:" - 1);
        view one = view_slice(value, 0, 2 * LIMIT_ADDRESS); /* longer is no address */
        if (view_find(one, '>') >= 0)
            one = view_slice(one, 0, (size_t)view_find(one, '>'));
        one = view_trim(one);
        ptrdiff_t query = view_find(one, '?');
        if (query >= 0)
            one = view_slice(one, 0, (size_t)query);
        if (address_normalise_text(one, a, &address, &e) && view_eq(address, list))
            return true;
        ptrdiff_t next = view_search(value, VIEW("<mailto:"));
        value = next < 0 ? VIEW("") : view_skip(value, (size_t)next);
    }
    return false;
}

/* The "<list.host>" of RFC 2919, whatever stands in front of it. */
static bool is_list_id(view value, view list) {
    ptrdiff_t at = view_rfind(list, '@'), begin = view_rfind(value, '<');
    view id = view_trim(view_skip(value, begin < 0 ? 0 : (size_t)begin + 1));
    if (view_find(id, '>') >= 0)
        id = view_slice(id, 0, (size_t)view_find(id, '>'));
    return id.len == list.len &&
           view_eq_nocase(view_slice(id, 0, (size_t)at), view_slice(list, 0, (size_t)at)) &&
           id.ptr[at] == '.' &&
           view_eq_nocase(view_skip(id, (size_t)at + 1), view_skip(list, (size_t)at + 1));
}

static bool rule_loop(const struct look *c) {
    const struct header *h = &c->post->header;
    view list = c->facts->list;
    for (size_t i = 0; i < h->count; i++) {
        view name = h->fields[i].name;
        bool id = view_eq_nocase(name, VIEW("List-Id")), been = view_eq_nocase(name, VIEW("X-BeenThere"));
        if (!id && !been && !view_eq_nocase(name, VIEW("List-Post")))
            continue;
        view value = header_value(&h->fields[i], c->arena);
        if (id ? is_list_id(value, list) : names_list(value, list, c->arena))
            return hit(c, "Message has already been posted to this list");
    }
    return false;
}

static bool ban(const struct look *c, size_t i, enum pattern_answer found) {
    if (found == PATTERN_FAILED)
        return hit_with(c, MODERATION_HOLD, failed);
    c->verdict->action = MODERATION_DISCARD;
    c->verdict->reason =
        arena_printf(c->arena, "Message sender %.*s is banned from this list", VIEW_ARG(c->post->senders[i]));
    return true;
}

static bool rule_banned_address(const struct look *c) {
    enum pattern_answer found;
    for (size_t i = 0; i < c->post->sender_count; i++)
        if (c->facts->senders[i].banned)
            return ban(c, i, PATTERN_YES);
        else if ((found = find_line(c, c->facts->banned, c->post->senders[i])) != PATTERN_NO)
            return ban(c, i, found);
    return false;
}

static bool rule_header_match(const struct look *c) {
    const struct header *h = &c->post->header;
    for (size_t k = 0; k < c->facts->match_count; k++) {
        const struct header_match *m = &c->facts->matches[k];
        for (size_t i = 0; i < h->count; i++) {
            if (!view_eq_nocase(h->fields[i].name, m->header))
                continue;
            enum pattern_answer found = try_pattern(c, m->pattern, post_value(&h->fields[i], c->arena));
            if (found == PATTERN_NO)
                continue;
            c->verdict->action =
                found == PATTERN_FAILED || m->action == MODERATION_DEFAULT ? MODERATION_HOLD : m->action;
            c->verdict->reason =
                arena_printf(c->arena, "Header \"%.*s\" matched a header rule", VIEW_ARG(m->header));
            return true;
        }
    }
    return false;
}

static bool rule_emergency(const struct look *c) {
    return facts_number(c->facts, LIST_SETTING_EMERGENCY) &&
           hit(c, "Emergency moderation is in effect for this list");
}

static bool rule_locked_subject(const struct look *c) {
    view lines = c->facts->settings[LIST_SETTING_LOCKED_SUBJECTS].value, line;
    view thread = post_thread(post_line(c->post->subject, c->arena));
    while (view_split(&lines, '\n', &line))
        if (view_eq_nocase(post_thread(post_line(line, c->arena)), thread))
            return hit_with(c, action_of(c, LIST_SETTING_LOCKED_SUBJECTS_ACTION), "This thread is closed");
    return false;
}

/* The number of the first sender that is a member, or -1. */
static ptrdiff_t find_member(const struct look *c) {
    for (size_t i = 0; i < c->post->sender_count; i++)
        if (c->facts->senders[i].member >= 0)
            return (ptrdiff_t)i;
    return -1;
}

static bool moderate(const struct look *c, int64_t action, enum list_setting notice, const char *reason) {
    view text = c->facts->settings[notice].value;
    if (action == MODERATION_DEFER)
        return false;
    hit_with(c, action, reason);
    if (action == MODERATION_REJECT && text.len > 0)
        c->verdict->reason = text;
    return true;
}

static bool rule_member_moderation(const struct look *c) {
    ptrdiff_t i = find_member(c);
    if (i < 0)
        return false;
    int64_t action = c->facts->senders[i].member;
    if (action == MODERATION_DEFAULT)
        action = action_of(c, LIST_SETTING_DEFAULT_MEMBER_ACTION);
    return moderate(c, action, LIST_SETTING_MEMBER_MODERATION_NOTICE,
                    "The message comes from a moderated member");
}

/* What the four lists of senders say about one that is no member. DEFAULT: it stands on none. */
static enum moderation listed_action(const struct look *c, size_t i, const char **ret_reason) {
    static const struct {
        enum list_setting setting;
        enum moderation action;
        const char *reason;
    } lists[] = {
        {LIST_SETTING_ACCEPT_THESE_NONMEMBERS, MODERATION_DEFER, ""},
        {LIST_SETTING_HOLD_THESE_NONMEMBERS, MODERATION_HOLD, "The sender is in the nonmember hold list"},
        {LIST_SETTING_REJECT_THESE_NONMEMBERS, MODERATION_REJECT,
         "The sender is in the nonmember reject list"},
        {LIST_SETTING_DISCARD_THESE_NONMEMBERS, MODERATION_DISCARD,
         "The sender is in the nonmember discard list"},
    };
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        enum pattern_answer found = PATTERN_YES;
        if (!(c->facts->settings[lists[k].setting].senders >> i & 1))
            found = find_line(c, c->facts->settings[lists[k].setting].value, c->post->senders[i]);
        if (found == PATTERN_NO)
            continue;
        *ret_reason = found == PATTERN_YES ? lists[k].reason : failed;
        return found == PATTERN_YES ? lists[k].action : MODERATION_HOLD;
    }
    return MODERATION_DEFAULT;
}

static bool rule_nonmember_moderation(const struct look *c) {
    const char *reason = "The message is not from a list member";
    int64_t action = MODERATION_DEFAULT;
    if (find_member(c) >= 0)
        return false;
    for (size_t i = 0; i < c->post->sender_count && action == MODERATION_DEFAULT; i++) {
        if (c->facts->senders[i].nonmember > 0)
            action = c->facts->senders[i].nonmember;
        else
            action = listed_action(c, i, &reason);
    }
    if (action == MODERATION_DEFAULT)
        action = action_of(c, LIST_SETTING_DEFAULT_NONMEMBER_ACTION);
    return moderate(c, action, LIST_SETTING_NONMEMBER_REJECTION_NOTICE, reason);
}

static bool rule_unreadable_senders(const struct look *c) {
    return c->post->senders_cut && hit(c, "The senders of the message cannot all be read");
}

static bool rule_administrivia(const struct look *c) {
    return facts_number(c->facts, LIST_SETTING_ADMINISTRIVIA) && command_is_in_post(c->post, c->arena) &&
           hit(c, "Message contains administrivia");
}

/* The list's address, in its domain's other name, too. */
static bool is_own_address(const struct look *c, view address) {
    struct address a = address_split(address), list = address_split(c->facts->list);
    return view_eq(a.local, list.local) &&
           (view_eq(a.domain, list.domain) ||
            (c->facts->alias_domain.len > 0 && view_eq(a.domain, c->facts->alias_domain)));
}

static bool rule_implicit_dest(const struct look *c) {
    view aliases = c->facts->settings[LIST_SETTING_ACCEPTABLE_ALIASES].value;
    if (!facts_number(c->facts, LIST_SETTING_REQUIRE_EXPLICIT_DESTINATION))
        return false;
    for (size_t i = 0; i < c->post->recipient_count; i++)
        if (is_own_address(c, c->post->recipients[i]) ||
            find_line(c, aliases, c->post->recipients[i]) == PATTERN_YES)
            return false;
    return hit(c, "Message has implicit destination");
}

static bool rule_max_recipients(const struct look *c) {
    int64_t most = facts_number(c->facts, LIST_SETTING_MAX_NUM_RECIPIENTS);
    if (most == 0 || ((int64_t)c->post->named < most && !c->post->named_cut))
        return false;
    c->verdict->reason = arena_printf(c->arena, "Message has more than %lld recipients", (long long)most);
    return true;
}

static bool rule_max_size(const struct look *c) {
    int64_t most = facts_number(c->facts, LIST_SETTING_MAX_MESSAGE_SIZE);
    if (most == 0 || c->post->size <= most * 1024)
        return false;
    c->verdict->reason =
        arena_printf(c->arena, "The message is larger than the %lld KB maximum size", (long long)most);
    return true;
}

static bool rule_news_moderation(const struct look *c) {
    return facts_number(c->facts, LIST_SETTING_NEWSGROUP_MODERATION) == 2 &&
           hit(c, "Post to a moderated newsgroup gateway");
}

static bool rule_no_subject(const struct look *c) {
    return c->post->subject.len == 0 && hit(c, "Message has no subject");
}

/* "News Digest, Vol 3, Issue 14" */
static bool is_digest_subject(view subject, struct arena *a) {
    subject = arena_lower(a, post_line(subject, a));
    ptrdiff_t at = view_search(subject, VIEW(" digest, vol "));
    view rest = view_skip(subject, at < 0 ? 0 : (size_t)at + sizeof " digest, vol " - 1), volume;
    int64_t number;
    return at >= 0 && view_split(&rest, ',', &volume) && view_to_i64(volume, &number) &&
           view_starts_with(rest, VIEW(" issue ")) &&
           view_to_i64(view_skip(rest, sizeof " issue " - 1), &number);
}

/* How many lines of a digest's masthead stand in the text; those with variables are of their lists. */
static int64_t quoted_lines(view text, view language) {
    struct shipped s;
    int64_t found = 0;
    view rest, line;
    if (!shipped_find(VIEW("list:member:digest:masthead"), language, &s))
        return 0;
    for (rest = view_of(s.text); view_split(&rest, '\n', &line);)
        found += view_trim(line).len > 0 && view_find(line, '$') < 0 && view_search(text, line) >= 0;
    return found;
}

static bool rule_digests(const struct look *c) {
    view languages = VIEW(SHIPPED_LANGUAGES), language;
    if (!facts_number(c->facts, LIST_SETTING_HOLD_DIGEST))
        return false;
    if (is_digest_subject(c->post->subject, c->arena))
        return hit(c, "Message has a digest subject");
    view text = post_text(c->post, c->arena);
    while (view_split(&languages, ' ', &language))
        if (quoted_lines(text, language) >= MASTHEAD_LINES)
            return hit(c, "Message quotes digest boilerplate");
    return false;
}

static bool rule_suspicious_header(const struct look *c) {
    view lines = c->facts->settings[LIST_SETTING_BOUNCE_MATCHING_HEADERS].value, line, name;
    const struct header *h = &c->post->header;
    while (view_split(&lines, '\n', &line)) {
        view_split(&line, ':', &name);
        for (size_t i = 0; i < h->count; i++) {
            if (!view_eq_nocase(h->fields[i].name, view_trim(name)))
                continue;
            enum pattern_answer found = try_pattern(c, view_trim(line), post_value(&h->fields[i], c->arena));
            if (found == PATTERN_NO)
                continue;
            c->verdict->reason =
                found == PATTERN_FAILED
                    ? view_of(failed)
                    : arena_printf(c->arena, "Header \"%.*s\" matched a bounce_matching_header line",
                                   VIEW_ARG(h->fields[i].name));
            return true;
        }
    }
    return false;
}

enum follow { DISCARD, HOLD, ACCEPT, ITS_OWN, LATER };

static const struct {
    const char *name;
    enum follow follow;
    bool (*hits)(const struct look *c);
} rules[] = {
#define RULE(id, name, follow, help) {name, follow, rule_##id},
#include "lists/rule.def"
#undef RULE
};

/* The first rule that hit names the verdict; every reason is told. */
static void gather(struct verdict *all, const struct verdict *one, const char *rule, struct arena *a) {
    if (!*all->rule)
        all->rule = rule;
    all->reason = all->reason.len
                      ? arena_printf(a, "%.*s; %.*s", VIEW_ARG(all->reason), VIEW_ARG(one->reason))
                      : one->reason;
}

void chain_decide(const struct post *p, const struct facts *f, struct arena *a, struct verdict *ret) {
    *ret = (struct verdict){.action = MODERATION_ACCEPT, .rule = "", .reason = VIEW("")};
    if (f->list.len == 0)
        return; /* it is gone: for whoever commits to say */
    struct patterns patterns = {PATTERNS_MOST, PATTERNS_US};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct verdict one = {.action = MODERATION_HOLD, .rule = rules[i].name, .reason = VIEW("")};
        if (!rules[i].hits(&(struct look){p, f, a, &patterns, &one}))
            continue;
        if (rules[i].follow == DISCARD)
            one.action = MODERATION_DISCARD;
        if (rules[i].follow == ACCEPT)
            one.action = MODERATION_ACCEPT;
        if (rules[i].follow != LATER && !a->failed) {
            *ret = one;
            return;
        }
        gather(ret, &one, rules[i].name, a);
        ret->action = MODERATION_HOLD;
    }
    if (a->failed) /* a rule may have seen only a part */
        *ret = (struct verdict){MODERATION_HOLD, "limits",
                                VIEW("The header of the message is too large to judge")};
}

void chain_refusal(const struct verdict *v, view list, struct err *e) {
    struct buf text = BUF_INIT(LIMIT_ERR_TEXT);
    view reason = v->reason, line;
    while (view_split(&reason, '\n', &line)) {
        if (text.len > 0)
            buf_add_char(&text, ' ');
        text_add_printable(&text, view_trim(line), false);
    }
    err_set(e, ERR_REFUSED, "%.*s: %.*s", VIEW_ARG(list), VIEW_ARG(buf_view(&text)));
    buf_done(&text);
}
