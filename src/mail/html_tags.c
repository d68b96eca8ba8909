/* html_tags.c: see html_tags.h.
 *
 * Whether "<" begins a tag depends on all before it: it may stand in a comment, a script or another tag. To
 * bound what a tag costs this need not be known. A tag is followed from every "<" at once, as an automaton
 * that keeps for each of its states only the costliest tag that may be in it. */
#include "mail/html_tags.h"

#include <string.h>

void html_tags_clean(struct buf *html) {
    enum { CONDITION_MOST = 200 };
    for (size_t i = 0; i < html->len; i++) {
        if ((unsigned char)html->data[i] < ' ' && !ascii_is_space(html->data[i]))
            html->data[i] = ' ';
        view v = view_slice(buf_view(html), i, CONDITION_MOST);
        if (!view_starts_with(v, VIEW("<![")))
            continue;
        ptrdiff_t end = view_find(v, '>');
        if (end > 0 && v.ptr[end - 1] == ']')
            memset(html->data + i, ' ', (size_t)end + 1);
    }
}

/* Where in a tag: in its name; where an attribute may begin; in its name; behind that; behind "="; in a value
 * without quotes, in one with; in what is none of these, up to the next blank. */
enum state {
    TAG,
    BEFORE,
    NAME,
    AFTER,
    EQUALS,
    VALUE,
    DOUBLE_QUOTED,
    SINGLE_QUOTED,
    JUNK,
    STATES,
    ENDED = STATES
};

/* A cost counts attributes in hundredths, one for each octet of their names: the parser cuts names of more
 * than 100 octets in two. */
enum { ATTRIBUTE = 100 };

static bool is_letter(char c) {
    return ascii_is_alnum(c) && !ascii_is_digit(c);
}

static bool begins_name(char c) {
    return c == '_' || c == ':' || c == '.' || is_letter(c);
}

static enum state begin_attribute(char c) {
    if (c == '>')
        return ENDED;
    if (ascii_is_space(c))
        return BEFORE;
    return begins_name(c) ? NAME : JUNK;
}

static enum state next_in_value(enum state s, char c) {
    switch ((int)s) {
    case EQUALS:
        if (ascii_is_space(c))
            return EQUALS;
        return c == '"' ? DOUBLE_QUOTED : c == '\'' ? SINGLE_QUOTED : c == '>' ? ENDED : VALUE;
    case DOUBLE_QUOTED:
        return c == '"' ? BEFORE : DOUBLE_QUOTED;
    case SINGLE_QUOTED:
        return c == '\'' ? BEFORE : SINGLE_QUOTED;
    default: /* VALUE, JUNK */
        return ascii_is_space(c) ? BEFORE : c == '>' ? ENDED : s;
    }
}

static enum state next_state(enum state s, char c) {
    bool in_name = begins_name(c) || ascii_is_digit(c) || c == '-';
    switch ((int)s) {
    case TAG:
        return in_name ? TAG : begin_attribute(c);
    case BEFORE:
        return begin_attribute(c);
    case NAME:
        if (in_name)
            return NAME;
        return c == '=' ? EQUALS : ascii_is_space(c) ? AFTER : begin_attribute(c);
    case AFTER:
        return c == '=' ? EQUALS : ascii_is_space(c) ? AFTER : begin_attribute(c);
    default:
        return next_in_value(s, c);
    }
}

static size_t next_cost(enum state from, enum state to, size_t cost) {
    if (to != NAME && to != TAG)
        return cost;
    return from == to ? cost + 1 : (cost / ATTRIBUTE + 1) * ATTRIBUTE;
}

/* Costs of the tags in each state behind one more octet; 0: no tag is in it. Returns the highest. */
static size_t step(size_t cost[STATES], char c) {
    size_t next[STATES] = {0}, highest = 0;
    for (enum state s = TAG; s < STATES; s++) {
        enum state to = cost[s] > 0 ? next_state(s, c) : ENDED;
        if (to == ENDED)
            continue;
        size_t n = next_cost(s, to, cost[s]);
        next[to] = n > next[to] ? n : next[to];
        highest = n > highest ? n : highest;
    }
    memcpy(cost, next, sizeof next);
    return highest;
}

bool html_tags_bounded(view html, size_t attributes) {
    size_t cost[STATES] = {0}, highest = 0;
    for (size_t i = 0; i < html.len; i++) {
        if (highest > 0)
            highest = step(cost, html.ptr[i]);
        if (highest > attributes * ATTRIBUTE)
            return false;
        if (i + 1 < html.len && html.ptr[i] == '<' && is_letter(html.ptr[i + 1])) {
            cost[TAG] = cost[TAG] > 0 ? cost[TAG] : 1;
            highest = highest > 0 ? highest : 1;
        }
    }
    return true;
}
