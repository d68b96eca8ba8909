/* store.h: a fresh store for each test, on either engine, and short ways to run operations on it and to look
 * at what they answered.
 *
 * A test of the store is written once, as a function of a struct unit_store, and run by unit_store_run() on
 * SQLite and on PostgreSQL; where no PostgreSQL can be had its half says "skipped: …". */
#ifndef TESTING_STORE_H
#define TESTING_STORE_H

#include "store/moderation.h"
#include "testing/unit.h"

#include "base/config.h"
#include "store/exec.h"

struct unit_store {
    enum db_engine engine;
    struct config config; /* names this store, for store_open() */
    struct db *db;
    /* Of the last call. */
    struct err err;
    struct buf out;
    struct vals results;
};

struct unit_store_case {
    const char *name;
    void (*run)(struct unit_store *s);
    bool empty; /* without the schema */
};

#define STORE_CASE(function)                                                                                 \
    { #function, function, false }
#define EMPTY_STORE_CASE(function)                                                                           \
    { #function, function, true }

/* Runs every case on both engines; what main() returns. */
int unit_store_run(const char *name, const struct unit_store_case *cases, size_t count);
#define RUN_STORE_CASES(name, cases) unit_store_run((name), (cases), COUNT(cases))

/* Another connection to the same store: PostgreSQL only (SQLite has one). The caller closes it. */
struct db *unit_store_connect(struct unit_store *s);

/* Arguments of a call and expected results: N(number), S("text"), V(view). */
#define N(n) DB_I(n)
/* A list of ROUTE_COMMIT that takes the post. */
#define POST_TO(list) N(list), N(MODERATION_ACCEPT), S(""), S("")
#define S(s)          DB_T(view_of(s))
#define V(v)          DB_B(v)

/* Append to a buffer as an operation reads it. */
void unit_values(struct buf *b, const struct db_value *values, size_t count);
#define add_values(b, ...) unit_values((b), DB_ARGS(__VA_ARGS__))

/* Run an operation as a group of one and keep its answer. */
enum err_code unit_call(struct unit_store *s, enum op op, const struct db_value *values, size_t count);
#define call(s, op, ...) unit_call((s), (op), DB_ARGS(__VA_ARGS__))
/* It must be done; it must be refused with that code. */
#define must(s, op, ...)                                                                                     \
    check(call((s), (op), __VA_ARGS__) == ERR_OK, "%s: %s", op_info(op)->name, (s)->err.text)
#define refused(s, want, op, ...)                                                                            \
    do {                                                                                                     \
        enum err_code unit_code = call((s), (op), __VA_ARGS__);                                              \
        check(unit_code == (want), "%s: %s (%s), expected %s", op_info(op)->name, err_info(unit_code)->name, \
              (s)->err.text, err_info(want)->name);                                                          \
    } while (0)
/* As must(), with arguments that stand in a buffer; frees them. */
enum err_code unit_call_args(struct unit_store *s, enum op op, struct buf *args);
#define must_args(s, op, args)                                                                               \
    check(unit_call_args((s), (op), (args)) == ERR_OK, "%s: %s", op_info(op)->name, (s)->err.text)

/* The next results of the last call are these; expect_end: and then there are no more. */
void unit_expect(struct unit_store *s, const char *file, int line, const struct db_value *values,
                 size_t count);
#define expect(s, ...) unit_expect((s), __FILE__, __LINE__, DB_ARGS(__VA_ARGS__))
#define expect_end(s)  check(!vals_more(&(s)->results) && !(s)->results.failed, "more results than expected")
/* Read the next result. */
int64_t next_int(struct unit_store *s);
view next_view(struct unit_store *s);

/* The first number of a query, -1 when there is no row; a change, by its number of rows. Each fails the test
 * when the database does. */
int64_t unit_number(struct unit_store *s, const char *sql, const struct db_value *values, size_t count);
#define number(s, sql, ...) unit_number((s), (sql), DB_ARGS(__VA_ARGS__))
int64_t unit_change(struct unit_store *s, const char *sql, const struct db_value *values, size_t count);
#define change(s, sql, ...) unit_change((s), (sql), DB_ARGS(__VA_ARGS__))
/* number() of rows as expected. */
#define assert_number(s, want, sql, ...)                                                                     \
    do {                                                                                                     \
        long long unit_n = (long long)number((s), (sql), __VA_ARGS__), unit_want = (long long)(want);        \
        check(unit_n == unit_want, "%s:%d: %s is %lld, expected %lld", __FILE__, __LINE__, (sql), unit_n,    \
              unit_want);                                                                                    \
    } while (0)

/* The instance's clock goes on; only in builds with test hooks: there is_clock_movable() is true. */
bool is_clock_movable(void);
void advance(int64_t ms);

/* -- a small world to test in: the domain here.example, and short ways to get mail into the store */

/* Accept a message with an inline body; returns its id. */
int64_t accept_mail(struct unit_store *s, const char *sender, const char *body, const char *recipient);
/* Accept it and let a router with a batch of its own decide: one list (0: none) and one address (NULL: none).
 */
int64_t route_mail(struct unit_store *s, const char *body, int64_t list, const char *address);
/* domain-add and list-create (public archive); returns the list's id. */
int64_t make_list(struct unit_store *s, const char *address);
void add_member(struct unit_store *s, const char *list, const char *address);
/* n members m0@d0.example … spread over `domains` domains. */
/* The list's edition of a routed post, which is that post as it came. */
void keep_edition(struct unit_store *s, int64_t message, int64_t list);
void add_members(struct unit_store *s, const char *list, int from, int n, int domains);
/* The id of an address's row, and of its destination. */
int64_t address_of(struct unit_store *s, const char *address);
int64_t site_of(struct unit_store *s, const char *domain);
/* The queue of the domain: of the last class that was used. */
int64_t destination_of(struct unit_store *s, const char *domain);

#endif
