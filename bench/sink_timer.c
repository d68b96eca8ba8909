/* Sessions of postroad-sink that wait for a time, the next one first: a binary heap, as sites differ in
 * delay. */
#include "sink.h"

#include <stdlib.h>

static void put(struct timer *t, size_t at, struct session *s) {
    t->heap[at] = s;
    s->heap_at = at;
}

static void up(struct timer *t, size_t at, struct session *s) {
    while (at > 0 && t->heap[(at - 1) / 2]->due_us > s->due_us) {
        put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(t, at, s);
}

static void down(struct timer *t, size_t at, struct session *s) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < t->len && t->heap[child + 1]->due_us < t->heap[child]->due_us)
            child++;
        if (child >= t->len || t->heap[child]->due_us >= s->due_us)
            break;
        put(t, at, t->heap[child]);
        at = child;
    }
    put(t, at, s);
}

void timer_add(struct timer *t, struct session *s) {
    if (t->len == t->cap) {
        t->cap = t->cap > 0 ? 2 * t->cap : 256;
        t->heap = realloc(t->heap, t->cap * sizeof *t->heap);
        if (t->heap == NULL)
            die("out of memory");
    }
    up(t, t->len++, s);
}

void timer_remove(struct timer *t, struct session *s) {
    struct session *last = t->heap[--t->len];
    if (last == s)
        return;
    down(t, s->heap_at, last);
    up(t, last->heap_at, last);
}

struct session *timer_first(const struct timer *t) {
    return t->len > 0 ? t->heap[0] : NULL;
}

void timer_free(struct timer *t) {
    free(t->heap);
    *t = (struct timer){0};
}
