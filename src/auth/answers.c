/* answers.c: see answers.h. */
#include "auth/answers.h"

enum { NAME_MOST = 253, LABEL_MOST = 63 };

void answers_init(struct answers *a, struct arena *arena) {
    *a = (struct answers){.arena = arena};
}

bool domain_name_is_valid(view name) {
    size_t label = 0;
    if (name.len == 0 || name.len > NAME_MOST)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '\0')
            return false;
        label = name.ptr[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MOST || (label == 0 && (i == 0 || name.ptr[i - 1] == '.')))
            return false;
    }
    return label > 0;
}

static const struct answer no_name = {.state = ANSWER_NO_NAME}, no_more = {.state = ANSWER_TEMPORARY};

const struct answer *answers_get(struct answers *a, view name, enum record_type type) {
    if (view_ends_with(name, VIEW(".")))
        name.len--;
    if (!domain_name_is_valid(name))
        return &no_name;
    name = arena_lower(a->arena, name);
    for (size_t i = 0; i < a->count; i++)
        if (a->list[i]->type == type && view_eq(a->list[i]->name, name))
            return a->list[i]->state == ANSWER_WANTED ? NULL : a->list[i];
    struct answer *one = a->count < ANSWERS_MOST ? arena_new(a->arena, struct answer) : NULL;
    if (!one) {
        a->full = true;
        return &no_more;
    }
    *one = (struct answer){.name = name, .type = type, .state = ANSWER_WANTED};
    a->list[a->count++] = one;
    a->wanted++;
    return NULL;
}

struct answer *answers_next(struct answers *a, size_t *at) {
    while (*at < a->count)
        if (a->list[(*at)++]->state == ANSWER_WANTED)
            return a->list[*at - 1];
    return NULL;
}

void answers_set(struct answers *a, struct answer *to, enum answer_state state, struct record *records,
                 size_t count) {
    a->wanted -= to->state == ANSWER_WANTED;
    to->state = count > 0 ? ANSWER_FOUND : state;
    to->records = records;
    to->count = count;
}

bool domain_name_is_within(view name, view domain) {
    return view_eq_nocase(name, domain) ||
           (name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.' &&
            view_eq_nocase(view_skip(name, name.len - domain.len), domain));
}
