/* sched.c: see sched.h. */
#include "roles/deliver/sched.h"

#define RUN_ALONE      50 /* then others may have the connection's place */
#define WINDOW_FIRST   2
#define WINDOW_PROBE   60000 /* after a refusal, one connection more may be tried this often */
#define PAUSE_FIRST_MS 1000
#define PAUSE_MOST_MS  60000

void fair_wake(struct fair *f, enum mail_class class) {
    double least = -1;
    if (f->busy[class])
        return;
    for (int c = 0; c < CLASS_COUNT; c++)
        if (f->busy[c] && (least < 0 || f->served[c] < least))
            least = f->served[c];
    if (least >= 0)
        f->served[class] = least;
    f->busy[class] = true;
}

void fair_idle(struct fair *f, enum mail_class class) {
    f->busy[class] = false;
}

void fair_charge(struct fair *f, enum mail_class class) {
    f->served[class] += 1.0 / class_weight(class);
}

void fair_order(const struct fair *f, enum mail_class ret_order[CLASS_COUNT]) {
    for (int c = 0; c < CLASS_COUNT; c++) {
        int at = c;
        for (; at > 0 && f->served[ret_order[at - 1]] > f->served[c]; at--)
            ret_order[at] = ret_order[at - 1];
        ret_order[at] = (enum mail_class)c;
    }
}

size_t fair_run(const struct fair *f, enum mail_class class) {
    for (int c = 0; c < CLASS_COUNT; c++)
        if (c != (int)class && f->busy[c])
            return class_weight(class);
    return RUN_ALONE;
}

void window_init(struct window *w) {
    *w = (struct window){.size = WINDOW_FIRST};
}

bool window_allows(const struct window *w, size_t active, size_t most, int64_t now_ms) {
    return now_ms >= w->paused_ms && active < most && (double)active + 1 <= w->size;
}

void window_success(struct window *w, size_t most, int64_t now_ms) {
    w->refusals_row = 0;
    w->pause_ms = 0;
    if (w->size >= (double)most || (w->probe_ms && now_ms < w->probe_ms))
        return;
    w->size += 1;
    if (w->probe_ms)
        w->probe_ms = now_ms + WINDOW_PROBE;
}

static void shrink(struct window *w, double size, int64_t now_ms) {
    if (w->size > size)
        w->size = size;
    if (w->size < 1)
        w->size = 1;
    w->probe_ms = now_ms + WINDOW_PROBE;
}

void window_limit(struct window *w, size_t connected, int64_t now_ms) {
    shrink(w, (double)connected, now_ms);
}

bool window_refusal(struct window *w, int64_t now_ms) {
    if (now_ms < w->paused_ms) /* one of several that were under way when the first was refused */
        return true;
    shrink(w, w->size / 2, now_ms);
    w->pause_ms = w->pause_ms == 0 ? PAUSE_FIRST_MS : 2 * w->pause_ms;
    if (w->pause_ms > PAUSE_MOST_MS)
        w->pause_ms = PAUSE_MOST_MS;
    w->paused_ms = now_ms + w->pause_ms;
    return ++w->refusals_row < WINDOW_REFUSALS;
}
