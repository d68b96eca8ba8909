/* bounce_kind.c: what a refusal speaks of: the address, the hour, or the message.
 *
 * An enhanced code decides where it is precise. Where it only says "policy", or there is none, the words of
 * the text do. Servers are free in their words, so the list below is what is seen most; what it does not know
 * is held against the address. That must not happen to what is refused for its sender or content, since one
 * post would be held against every member of a list whose provider dislikes it. */
#include "mail/bounce.h"
#include "mail/bounce_reader.h"

#include <string.h>

enum { TEXT_OCTETS = 2048 }; /* of a refusal that are looked at */

/* RFC 3463 and the registry of RFC 5248. With a dot at the end: all that begin so, but those that end in
 * ".0", which say no more than their class. */
static const struct {
    const char *status;
    enum bounce_kind kind;
} of_status[] = {
    {"5.1.7", BOUNCE_OF_MESSAGE},  /* the sender's address */
    {"5.1.8", BOUNCE_OF_MESSAGE},  /* the sender's domain */
    {"5.1.", BOUNCE_PERMANENT},    /* the recipient's */
    {"5.2.1", BOUNCE_PERMANENT},   /* disabled */
    {"5.2.2", BOUNCE_TEMPORARY},   /* full */
    {"5.2.3", BOUNCE_OF_MESSAGE},  /* too long */
    {"5.3.1", BOUNCE_TEMPORARY},   /* the system is full */
    {"5.3.4", BOUNCE_OF_MESSAGE},  /* too big */
    {"5.4.5", BOUNCE_TEMPORARY},   /* congestion; Gmail: we sent too much today */
    {"5.4.", BOUNCE_PERMANENT},    /* no road to it */
    {"5.5.3", BOUNCE_OF_MESSAGE},  /* too many recipients */
    {"5.6.", BOUNCE_OF_MESSAGE},   /* content */
    {"5.7.17", BOUNCE_PERMANENT},  /* the mailbox has a new owner (RFC 7293) */
    {"5.7.18", BOUNCE_PERMANENT},  /* the domain has */
    {"5.7.20", BOUNCE_OF_MESSAGE}, /* DKIM, */
    {"5.7.21", BOUNCE_OF_MESSAGE}, {"5.7.22", BOUNCE_OF_MESSAGE},
    {"5.7.23", BOUNCE_OF_MESSAGE}, /* SPF, */
    {"5.7.24", BOUNCE_OF_MESSAGE}, {"5.7.25", BOUNCE_OF_MESSAGE},
    {"5.7.26", BOUNCE_OF_MESSAGE}, /* both: DMARC (RFC 7372) */
    {"5.7.27", BOUNCE_OF_MESSAGE},
};

/* What words mean, the first that a text has. A star stands in front of those that count also inside of words
 * and host names. */
static const struct {
    enum bounce_kind kind;
    const char *words; /* "|" between */
} of_words[] = {
    /* Of the address whatever else is said. Who does not relay does not know the domain. */
    {BOUNCE_PERMANENT,
     "user unknown|unknown user|no such user|user not found|user does not exist|no such recipient|"
     "unknown recipient|recipient unknown|invalid recipient|recipient not found|disabled recipient|"
     "recipient address rejected: user|mailbox not found|no mailbox here|mailbox is disabled|"
     "account disabled|account is disabled|account has been disabled|account is blocked|"
     "unrouteable address|no relaying|relaying denied|relaying not|relay access denied|"
     "relay not permitted|to relay"},
    /* Too big for any mailbox. */
    {BOUNCE_OF_MESSAGE,
     "message size|mail size|message too|message is too|message exceeds|too large|too big"},
    /* Too full for now, or not to be reached. */
    {BOUNCE_TEMPORARY,
     "mailbox full|mailbox is full|full mailbox|mailbox exceeds|mailbox exceeded|mailfolder is full|"
     "disk full|quota|overquota|storage|not enough space|timed out|retry timeout|"
     "envelope expired|message expired|requests to connect|have been failing"},
    /* Of what the message is. */
    {BOUNCE_OF_MESSAGE,
     "spam|spammer|spamming|*spamhaus|*spamcop|unsolicited|bulk|junk|virus|malware|policy|policies|"
     "prohibited|prohibition|message content|content rejected|content filter|content policy|"
     "potentially offensive|attachments|attachment type|illegal attachment|message rejected|mail rejected|"
     "message refused|message not allowed|message not accepted|too many recipients"},
    /* Of whom it is from, or who brought it. */
    {BOUNCE_OF_MESSAGE,
     "*dmarc|*dkim|spf|*dnsbl|rbl|reputation|blocked|block list|blocklist|blocklisted|black list|"
     "black listed|blacklist|blacklisted|banned|access denied|not authorized|not allowed to send|"
     "weren't sent|unauthenticated|client host rejected|too many connections|too many messages|"
     "reverse dns|rdns|ptr record|sender address|sender domain|sender verify|sender rejected|"
     "sender denied|invalid sender|sending domain|sending ip"},
};

static bool is_one_of(char c, const char *set) {
    return c && strchr(set, c);
}

static bool is_name_char(char c) {
    return ascii_is_alnum(c) || c == '.' || c == '@' || c == '_';
}

/* Are the octets [at, end) a part of a longer word, a host name or an address? Hosts are called "spam" too.
 */
static bool is_inside_word(view text, size_t at, size_t end) {
    if (at > 0 && is_name_char(text.ptr[at - 1]))
        return true;
    if (end >= text.len || !is_name_char(text.ptr[end]))
        return false;
    return text.ptr[end] != '.' || (end + 1 < text.len && ascii_is_alnum(text.ptr[end + 1]));
}

static bool has_word(view text, view want) {
    bool anywhere = view_starts_with(want, VIEW("*"));
    want = view_skip(want, anywhere);
    for (size_t from = 0;; from++) {
        ptrdiff_t at = view_search(view_skip(text, from), want);
        if (at < 0)
            return false;
        from += (size_t)at;
        if (anywhere || !is_inside_word(text, from, from + want.len))
            return true;
    }
}

static bool has_words(view text, const char *words) {
    view rest = view_of(words);
    for (view want; view_split(&rest, '|', &want);)
        if (has_word(text, want))
            return true;
    return false;
}

static bool is_vague(view status) {
    return status.len == 0 || view_ends_with(status, VIEW(".0"));
}

static bool status_fits(view enhanced, const char *status) {
    view want = view_of(status);
    if (view_ends_with(want, VIEW(".")))
        return view_starts_with(enhanced, want) && !is_vague(enhanced);
    return view_eq(enhanced, want);
}

/* In lower case, with one space wherever a line was folded. */
static view lower_case(view text, char *buffer, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < text.len && n < size; i++) {
        bool blank = ascii_is_space(text.ptr[i]);
        if (!blank || n == 0 || buffer[n - 1] != ' ')
            buffer[n++] = blank ? ' ' : ascii_lower(text.ptr[i]);
    }
    return view_from(buffer, n);
}

/* `policy`: the server says so, and only what is certainly of the address can be more. */
static enum bounce_kind kind_by_words(view text, bool policy, enum bounce_kind otherwise) {
    char lower[TEXT_OCTETS];
    text = lower_case(text, lower, sizeof lower);
    for (size_t i = 0; i < sizeof of_words / sizeof *of_words; i++)
        if ((!policy || of_words[i].kind == BOUNCE_PERMANENT) && has_words(text, of_words[i].words))
            return of_words[i].kind;
    return otherwise;
}

bool bounce_is_of_dmarc(view enhanced, view text) {
    char lower[TEXT_OCTETS];
    if (view_ends_with(enhanced, VIEW(".7.26")) || view_ends_with(enhanced, VIEW(".7.20")))
        return true;
    return has_words(
        lower_case(text, lower, sizeof lower),
        "*dmarc|unauthenticated mail|unauthenticated email|authentication checks|not authenticated");
}

enum bounce_kind bounce_of_reply(int code, view enhanced, view text) {
    if (code / 100 == 4 || view_starts_with(enhanced, VIEW("4.")))
        return BOUNCE_TEMPORARY;
    for (size_t i = 0; i < sizeof of_status / sizeof *of_status; i++)
        if (status_fits(enhanced, of_status[i].status))
            return of_status[i].kind;
    bool policy = view_starts_with(enhanced, VIEW("5.7."));
    if (policy || view_starts_with(enhanced, VIEW("5.6.")))
        return kind_by_words(text, true, BOUNCE_OF_MESSAGE);
    return kind_by_words(text, false, code == 552 ? BOUNCE_TEMPORARY : BOUNCE_PERMANENT);
}

/* Without what the address was set in. */
static view without_brackets(view text) {
    while (text.len > 0 && (ascii_is_space(text.ptr[0]) || is_one_of(text.ptr[0], "\">:;.,)")))
        text = view_skip(text, 1);
    while (text.len > 0 &&
           (ascii_is_space(text.ptr[text.len - 1]) || is_one_of(text.ptr[text.len - 1], "<(:")))
        text.len--;
    return text;
}

void bounce_judge(struct bounce *b, bool delayed, view text, struct arena *a) {
    struct bounce_codes found = bounce_find_codes(text);
    bool declared = !is_vague(b->status);
    /* What the refusing server said itself is believed before what another made of it; but who gave up after
     * days of "try again" has the last word. */
    if (found.enhanced.len > 0 && (!b->status.len || b->status.ptr[0] == found.enhanced.ptr[0]) &&
        (!declared || !is_vague(found.enhanced)))
        b->status = arena_view(a, found.enhanced);
    if (declared && found.code < 500)
        found.code = 0;
    b->kind = delayed ? BOUNCE_TEMPORARY : bounce_of_reply(found.code, b->status, text);
    b->reason = bounce_line(without_brackets(view_skip(text, found.at)), a);
}

/* ---- codes in a text ---- */

/* RFC 3463 2: class "." subject "." detail; a subject has one digit, by which the versions of programs and
 * the addresses of hosts are told from it. */
size_t bounce_status_len(view text) {
    size_t i = sizeof "5.1." - 1;
    if (text.len <= i || !is_one_of(text.ptr[0], "245") || text.ptr[1] != '.' ||
        !is_one_of(text.ptr[2], "01234567") || text.ptr[3] != '.')
        return 0;
    while (i < text.len && i < 7 && ascii_is_digit(text.ptr[i]))
        i++;
    return i > 4 && (i == text.len || !is_name_char(text.ptr[i])) ? i : 0;
}

static bool is_code(view word) {
    return word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') && word.ptr[1] >= '0' &&
           word.ptr[1] <= '5' && ascii_is_digit(word.ptr[2]);
}

/* May a code stand behind this? "port=443" and "-0400" have none. */
static bool may_precede(char c) {
    return ascii_is_space(c) || is_one_of(c, "\"'#:;<>[(-");
}

static size_t word_len(view v) {
    size_t n = 0;
    while (n < v.len && is_name_char(v.ptr[n]))
        n++;
    while (n > 0 && v.ptr[n - 1] == '.')
        n--;
    return n;
}

/* "(480) 624-2500" is a telephone's. */
static bool is_dialled(view text, size_t at) {
    return at > 0 && text.ptr[at - 1] == '(' && at + 3 < text.len && text.ptr[at + 3] == ')';
}

static int code_at(view text, size_t at, view word) {
    if (!is_code(word) || is_dialled(text, at))
        return 0;
    return (word.ptr[0] - '0') * 100 + (word.ptr[1] - '0') * 10 + word.ptr[2] - '0';
}

static bool is_refusal(view word) {
    return word.len > 0 && word.ptr[0] != '2' && bounce_status_len(word) == word.len;
}

struct bounce_codes bounce_find_codes(view text) {
    struct bounce_codes c = {0};
    for (size_t i = 0, len; i < text.len && (!c.code || is_vague(c.enhanced)); i += len) {
        view word = view_slice(text, i, word_len(view_skip(text, i)));
        len = word.len ? word.len : 1;
        if (i > 0 && !may_precede(text.ptr[i - 1]))
            continue;
        int code = c.code ? 0 : code_at(text, i, word);
        if (code) {
            c.code = code;
            c.at = i;
        } else if (is_refusal(word) && (c.enhanced.len == 0 || !is_vague(word))) {
            c.enhanced = word;
        }
    }
    return c;
}
