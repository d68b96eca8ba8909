/* store_threads.c: the way into the store by threads of this process, one database connection each: what
 * roles do on PostgreSQL, and the command line on SQLite when no stored runs. A thread takes what has piled
 * up, as many calls as make a group, and runs them with one commit. Reads are not mixed with writes. */
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/exec.h"
#include "store/schema.h"
#include "store/store_private.h"

struct store_threads {
    struct store base;
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct store_request *first, **last;
    bool stopping;
    unsigned count;
    struct {
        pthread_t id;
        struct db *db;
        struct store_threads *store;
    } threads[];
};

static bool is_read(const struct store_request *r) {
    return op_info(r->op)->durability == DURABLE_READ;
}

static void threads_submit(struct store *base, struct store_request *r) {
    struct store_threads *s = (struct store_threads *)base;
    r->next = NULL;
    pthread_mutex_lock(&s->lock);
    bool refused = s->stopping;
    if (!refused) {
        *s->last = r;
        s->last = &r->next;
    }
    pthread_mutex_unlock(&s->lock);
    if (refused)
        store_finish(r, ERR_STOPPING, err_info(ERR_STOPPING)->text);
}

static void threads_flush(struct store *base) {
    struct store_threads *s = (struct store_threads *)base;
    pthread_mutex_lock(&s->lock);
    if (s->first)
        pthread_cond_signal(&s->some);
    pthread_mutex_unlock(&s->lock);
}

/* Wait for requests and take the head's kind, in order; what is left is for the next thread. 0: stopping. */
static size_t take_group(struct store_threads *s, struct store_request *group[LIMIT_STORE_GROUP]) {
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->stopping)
        pthread_cond_wait(&s->some, &s->lock);
    while (s->first && n < LIMIT_STORE_GROUP && (n == 0 || is_read(s->first) == is_read(group[0]))) {
        group[n++] = s->first;
        s->first = s->first->next;
    }
    if (!s->first)
        s->last = &s->first;
    else
        pthread_cond_signal(&s->some);
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void *run(void *arg) {
    typeof(((struct store_threads *)0)->threads[0]) *t = arg;
    struct store_request *group[LIMIT_STORE_GROUP];
    struct exec_call calls[LIMIT_STORE_GROUP];
    size_t n;
    while ((n = take_group(t->store, group)) > 0) {
        for (size_t i = 0; i < n; i++)
            calls[i] = (struct exec_call){
                .op = group[i]->op, .args = buf_view(&group[i]->args), .out = &group[i]->out};
        exec_group(t->db, calls, n);
        for (size_t i = 0; i < n; i++) {
            group[i]->err = calls[i].err;
            group[i]->done(group[i]);
        }
    }
    return NULL;
}

static void threads_close(struct store *base) {
    struct store_threads *s = (struct store_threads *)base;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->some);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->count; i++) {
        pthread_join(s->threads[i].id, NULL);
        db_close(&s->threads[i].db);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->some);
    free(s);
}

static bool check_schema(struct db *db, const struct config *c, struct err *e) {
    int64_t version = schema_version(db);
    if (db_error(db)) {
        *e = *db_error(db);
        return false;
    }
    return version == SCHEMA_VERSION ||
           err_set(e, ERR_CONFIG,
                   "the store of %s has schema %lld and this release needs %d: run postroad -C %s "
                   "migrate",
                   c->dir, (long long)version, SCHEMA_VERSION, c->dir);
}

static struct db *open_checked(const struct config *c, enum store_role role, struct err *e) {
    struct db *db = store_open_db(c, e);
    if (db && db_take_role(db, role == R_STORED ? NULL : store_role_name(role), e) && check_schema(db, c, e))
        return db;
    db_close(&db);
    return NULL;
}

struct store *store_open_threads(const struct config *c, enum store_role role, unsigned threads,
                                 struct err *e) {
    struct err own;
    e = e ? e : &own;
    if (!store_is_postgresql(c))
        threads = 1;
    struct store_threads *s = mem_alloc(sizeof *s + threads * sizeof s->threads[0]);
    s->base = (struct store){.submit = threads_submit, .flush = threads_flush, .close = threads_close};
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->some, NULL);
    bool ok = true;
    for (unsigned i = 0; ok && i < threads; i++) {
        s->threads[i].db = i > 0 ? db_another(s->threads[0].db) : open_checked(c, role, e);
        ok = s->threads[i].db != NULL;
        if (!ok)
            break;
        s->threads[i].store = s;
        BUG_ON(pthread_create(&s->threads[i].id, NULL, run, &s->threads[i]) != 0);
        s->count++;
    }
    if (ok)
        return &s->base;
    threads_close(&s->base);
    return NULL;
}
