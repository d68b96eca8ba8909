/* facts.c: see facts.h. */
#include "lists/facts.h"

void facts_args(int64_t list, const struct post *p, struct buf *args) {
    vals_int(args, list);
    vals_int(args, (int64_t)p->sender_count);
    for (size_t i = 0; i < p->sender_count; i++)
        vals_view(args, p->senders[i]);
}

static bool is_between(int64_t n, int64_t least, int64_t most) {
    return n >= least && n <= most;
}

static bool read_matches(struct vals *v, struct arena *a, struct facts *ret) {
    size_t room = 0;
    while (vals_more(v)) {
        if (ret->match_count == room) {
            struct header_match *grown = arena_array(a, struct header_match, 2 * room + 8);
            if (!grown)
                return false;
            for (size_t i = 0; i < room; i++)
                grown[i] = ret->matches[i];
            room = 2 * room + 8;
            ret->matches = grown;
        }
        struct header_match *m = &ret->matches[ret->match_count++];
        vals_get_int(v); /* position */
        m->header = vals_get_view(v);
        m->pattern = vals_get_view(v);
        int64_t action = vals_get_int(v);
        vals_get_view(v); /* tag */
        if (!is_between(action, MODERATION_DEFAULT, MODERATION_ACCEPT))
            return false;
        m->action = (enum moderation)action;
    }
    return true;
}

bool facts_read(view results, const struct post *p, struct arena *a, struct facts *ret) {
    struct vals v = vals_of(results);
    *ret = (struct facts){.list = vals_get_view(&v)};
    if (ret->list.len == 0)
        return !v.failed;
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        if (list_setting_part((enum list_setting)i) != SETTINGS_RULES)
            continue;
        ret->settings[i].value = vals_get_view(&v);
        ret->settings[i].senders = vals_get_int(&v);
    }
    ret->banned = vals_get_view(&v);
    ret->has_moderators = vals_get_int(&v) != 0;
    ret->alias_domain = vals_get_view(&v);
    for (size_t i = 0; i < p->sender_count; i++) {
        ret->senders[i].banned = vals_get_int(&v) != 0;
        ret->senders[i].member = vals_get_int(&v);
        ret->senders[i].nonmember = vals_get_int(&v);
        if (!is_between(ret->senders[i].member, -1, MODERATION_DEFER) ||
            !is_between(ret->senders[i].nonmember, -1, MODERATION_DEFER))
            return false;
    }
    return read_matches(&v, a, ret) && !v.failed;
}

int64_t facts_number(const struct facts *f, enum list_setting s) {
    return list_setting_number(s, f->settings[s].value);
}
