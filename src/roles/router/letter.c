/* letter.c: letters about memberships that lists owe (store/owed.h): written, and taken in with the end of
 * their notes. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/membership_letter.h"
#include "roles/router/router.h"

/* What an operation told of one. */
struct owed {
    int64_t id;
    struct membership_letter letter;
};

static struct owed read_owed(struct vals *v) {
    struct owed o = {.id = vals_get_int(v)};
    o.letter.kind = (enum letter_kind)vals_get_int(v);
    o.letter.detail = vals_get_view(v);
    (void)vals_get_int(v); /* when it was noted */
    struct letter_words *w = &o.letter.words;
    view *const texts[] = {&w->list,        &w->person, &w->name,      &w->display_name,
                           &w->description, &w->info,   &w->languages, &w->text};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = vals_get_view(v);
    return o;
}

bool list_settings(struct role *role, view list, const enum list_setting *names, size_t count,
                   struct arena *a, view *values, bool *ret_found, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_SETTING_OF);
    vals_view(&q.args, list);
    vals_int(&q.args, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        vals_view(&q.args, view_of(list_setting_name(names[i])));
    bool ok = store_call(role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    *ret_found = ok && vals_more(&v);
    for (size_t i = 0; *ret_found && i < count; i++)
        values[i] = arena_view(a, vals_get_view(&v));
    store_request_done(&q);
    return ok;
}

bool list_secret(struct role *role, view list, struct arena *a, view *ret, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_LIST_SECRET);
    vals_view(&q.args, list);
    bool ok = store_call(role->store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok)
        *ret = arena_view(a, vals_get_view(&v));
    store_request_done(&q);
    return ok;
}

struct letter_words letter_words_find(struct role *role, const char *name, view list, view person,
                                      struct arena *a) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_LETTER_TEXT);
    vals_view(&q.args, list);
    vals_view(&q.args, view_of(name));
    vals_view(&q.args, person);
    if (!store_call(role->store, &q, &e)) {
        log_line(LOG_WARN, "text-not-found", LOG_V("list", list), LOG_S("reason", e.text));
        buf_reset(&q.out);
    }
    struct letter_words w = letter_words_read(arena_view(a, buf_view(&q.out)), list, person);
    store_request_done(&q);
    return w;
}

bool letter_may_go(struct role *role, view address) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_LETTER_COUNT);
    vals_view(&q.args, address);
    bool ok = true; /* where nobody can count, whatever comes next finds that out */
    if (store_call(role->store, &q, &e)) {
        struct vals v = vals_of(buf_view(&q.out));
        ok = vals_get_int(&v) <= LIMIT_LETTERS_A_DAY;
    }
    store_request_done(&q);
    return ok;
}

/* What cannot be written is not tried for ever. False: not now, the store cannot say what it takes. */
static bool write_letter(struct role *role, struct owed *o, struct arena *a, struct store_request *q,
                         struct err *e) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    bool keyed = o->letter.kind == LETTER_WARNING || o->letter.kind == LETTER_PROBE;
    o->letter.hostname = view_of(role->config->hostname);
    if (keyed && !list_secret(role, o->letter.words.list, a, &o->letter.secret, e))
        return false;
    bool ok = letter_kind_is_valid(o->letter.kind) &&
              membership_letter_args(&o->letter, a, clock_now_ms(), &args, e);
    if (!ok)
        log_line(LOG_WARN, "letter-not-written", LOG_V("list", o->letter.words.list),
                 LOG_V("about", o->letter.words.person), LOG_S("reason", e->text));
    vals_int(&q->args, o->id);
    vals_int(&q->args, ok);
    buf_add(&q->args, buf_view(&args));
    buf_done(&args);
    return true;
}

/* Those of one answer of the store, in one group commit. Returns how many, or -1. */
static int write_some(struct role *role, view owed, struct err *e) {
    struct store_request *q = mem_alloc(LIMIT_ROUTE_BATCH * sizeof *q);
    struct store_wait wait;
    struct arena scratch;
    int n = 0, failed = 0;
    arena_init(&scratch, LIMIT_STEP_ARENA);
    store_wait_init(&wait);
    for (struct vals v = vals_of(owed); vals_more(&v) && n < LIMIT_ROUTE_BATCH; n++) {
        struct owed o = read_owed(&v);
        store_request_init(&q[n], OP_OWED_WRITTEN);
        if (write_letter(role, &o, &scratch, &q[n], e))
            store_wait_submit(&wait, role->store, &q[n]);
        else
            q[n].err = *e;
        arena_reset(&scratch);
    }
    store_wait_all(&wait);
    for (int i = 0; i < n; i++) {
        if (q[i].err.code != ERR_OK)
            *e = q[i].err;
        failed += q[i].err.code != ERR_OK;
        store_request_done(&q[i]);
    }
    store_wait_done(&wait);
    arena_done(&scratch);
    free(q);
    return failed ? -1 : n;
}

bool letters_write(struct role *role) {
    struct store_request q;
    struct err e = {.code = ERR_OK};
    int written = 0;
    store_request_init(&q, OP_OWED_LETTERS);
    vals_int(&q.args, LIMIT_ROUTE_BATCH);
    if (!store_call(role->store, &q, &e) || (written = write_some(role, buf_view(&q.out), &e)) < 0)
        log_line(LOG_ERROR, "letters-not-written", LOG_S("reason", e.text));
    store_request_done(&q);
    return written > 0;
}
