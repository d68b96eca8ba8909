/* mailman_bulk.c: addmembers, delmembers, syncmembers: subscriptions of very many, in slices that are a
 * transaction each. Whoever was passed over is named on standard error; a run that stopped says at whom, and
 * may be run again: who is done is passed over. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/mailman.h"
#include "store/subscription.h"

enum { SLICE = 100, SAYS_NOTHING = -1, PROOF_ALL = PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED };

/* Of all people of a run. */
struct run {
    struct cli *cli;
    view list, who;
    int64_t proofs, mode, status;
    bool aloud;     /* say who was added or removed */
    bool quiet;     /* say nothing about those that were no members */
    bool no_change; /* only say */
};

/* ---- what options mean ---- */

static void read_delivery(struct run *r) {
    static const struct {
        const char *word;
        int64_t mode, status;
    } ways[] = {{"regular", 0, 0}, {"plain", 1, 0}, {"mime", 2, 0}, {"summary", 3, 0}, {"disabled", 0, 3}};
    const char *given = args_get(&r->cli->args, "--delivery");
    r->mode = r->status = SAYS_NOTHING;
    for (size_t i = 0; given && i < COUNT_OF(ways); i++)
        if (strcmp(given, ways[i].word) == 0) {
            r->mode = ways[i].mode;
            r->status = ways[i].status;
        }
}

static int64_t hears(const struct cli *c, const char *yes, const char *no, int64_t if_yes, int64_t if_no) {
    int said = mailman_pair(&c->args, yes, no);
    return said < 0 ? 0 : said ? if_yes : if_no;
}

static int64_t welcome(const struct cli *c) {
    return hears(c, "--welcome-msg", "--no-welcome-msg", SUBSCRIBE_WELCOME, SUBSCRIBE_QUIETLY);
}

static int64_t goodbye(const struct cli *c) {
    return hears(c, "--goodbye-msg", "--no-goodbye-msg", SUBSCRIBE_WELCOME, SUBSCRIBE_QUIETLY) |
           hears(c, "--admin-notify", "--no-admin-notify", OWNERS_TOLD, OWNERS_QUIETLY);
}

/* ---- slices ---- */

static view person_text(struct run *r, const struct mailman_person *p) {
    return p->address.len > 0 ? mailman_person_text(r->cli, p->name, p->original) : p->text;
}

/* What stopped, and where: nothing of it is done silently in part. */
static bool stopped(struct run *r, const struct mailman_person *first, size_t done, size_t count,
                    struct err *e) {
    view text = view_slice(person_text(r, first), 0, 120);
    if (e->code == ERR_USAGE)
        e->code = ERR_REFUSED; /* the store's word, not the user's */
    return err_prefix(e, "stopped at %.*s, %zu of %zu are done (run it again to go on)", VIEW_ARG(text), done,
                      count);
}

static void say_added(struct run *r, const struct mailman_person *p, int64_t outcome) {
    static const char *const why[] = {[SUBSCRIBED_ALREADY] = "Already subscribed (skipping)",
                                      [SUBSCRIBED_PENDING] = "Subscription already pending (skipping)",
                                      [SUBSCRIBED_BANNED] = "Membership is banned (skipping)",
                                      [SUBSCRIBED_NOT] = "Belongs to a list (skipping)"};
    view text = person_text(r, p);
    if (r->aloud)
        cli_print(r->cli, "[ADD] %.*s\n", VIEW_ARG(text));
    if (outcome > SUBSCRIBED_WAITS && outcome < (int64_t)COUNT_OF(why))
        mailman_complain(r->cli, "%s: %.*s", why[outcome], VIEW_ARG(text));
}

static int64_t readable(const struct mailman_person *people, size_t count) {
    int64_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += people[i].address.len > 0;
    return n;
}

#define UNREADABLE "Cannot parse as valid email address"

static bool add_slice(struct run *r, const struct mailman_person *people, size_t count, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_SUBSCRIBE_MANY);
    vals_view(&q.args, r->list);
    vals_view(&q.args, r->who);
    vals_int(&q.args, r->proofs);
    vals_int(&q.args, r->mode);
    vals_int(&q.args, r->status);
    vals_int(&q.args, readable(people, count));
    for (size_t i = 0; i < count; i++) {
        if (people[i].address.len == 0)
            continue;
        vals_view(&q.args, people[i].address);
        vals_view(&q.args, people[i].original);
        vals_view(&q.args, people[i].name);
        vals_view(&q.args, cli_token(r->cli));
    }
    bool ok = cli_call(r->cli, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    for (size_t i = 0; ok && i < count; i++)
        if (people[i].address.len > 0)
            say_added(r, &people[i], vals_get_int(&v));
        else
            mailman_complain(r->cli, UNREADABLE " (skipping): %.*s", VIEW_ARG(people[i].text));
    store_request_done(&q);
    return ok;
}

static bool remove_slice(struct run *r, const struct mailman_person *people, size_t count, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_UNSUBSCRIBE_MANY);
    vals_view(&q.args, r->list);
    vals_view(&q.args, r->who);
    vals_int(&q.args, r->proofs);
    vals_int(&q.args, readable(people, count));
    for (size_t i = 0; i < count; i++)
        if (people[i].address.len > 0)
            vals_view(&q.args, people[i].address);
    bool ok = cli_call(r->cli, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    for (size_t i = 0; ok && i < count; i++) {
        bool was = people[i].address.len > 0 && vals_get_int(&v) != 0;
        view text = person_text(r, &people[i]);
        if (r->aloud)
            cli_print(r->cli, "[DEL] %.*s\n", VIEW_ARG(text));
        else if (!was && !r->quiet)
            mailman_complain(r->cli, "Member not subscribed (skipping): %.*s", VIEW_ARG(text));
    }
    store_request_done(&q);
    return ok;
}

/* Each slice is done whole. */
static bool in_slices(struct run *r, const struct mailman_people *people, bool add, struct err *e) {
    for (size_t from = 0; from < people->count; from += SLICE) {
        size_t n = people->count - from < SLICE ? people->count - from : SLICE;
        const struct mailman_person *slice = &people->rows[from];
        if (!(add ? add_slice(r, slice, n, e) : remove_slice(r, slice, n, e)))
            return stopped(r, slice, from, people->count, e);
        cli_progress(r->cli, "%zu of %zu", from + n, people->count);
    }
    return true;
}

static bool begin(struct run *r, struct cli *c, const char *spec, struct err *e) {
    struct mailman_list list;
    *r = (struct run){.cli = c};
    if (!mailman_need_list(c, spec, &list, e) || !cli_who(c, &r->who, e))
        return false;
    r->list = list.address;
    read_delivery(r);
    return true;
}

/* ---- the commands ---- */

bool mailman_cmd_addmembers(struct cli *c, struct err *e) {
    struct run r;
    struct mailman_people people = {.rows = NULL};
    bool ok = begin(&r, c, c->args.words[1], e) && mailman_people_read(c, c->args.words[0], &people, e);
    if (ok) {
        r.proofs = (args_has(&c->args, "--invite") ? PROOF_INVITED : PROOF_ALL) | welcome(c);
        ok = in_slices(&r, &people, true, e);
    }
    free(people.rows);
    return ok;
}

static void add_all(struct mailman_people *people, const struct mailman_members *m) {
    people->rows = mem_resize(people->rows, m->count + 1, sizeof *people->rows);
    people->room = m->count + 1;
    for (size_t i = 0; i < m->count; i++)
        people->rows[people->count++] = (struct mailman_person){
            .address = m->rows[i].address, .original = m->rows[i].original, .name = m->rows[i].name};
}

static bool check_delmembers(const struct args *a, struct err *e) {
    bool list = args_has(a, "--list"), all = args_has(a, "--all"), from_all = args_has(a, "--fromall");
    bool named = args_has(a, "--file") || args_has(a, "--member");
    if (from_all && (list || all))
        return err_set(e, ERR_USAGE, "--fromall may not be specified with -l/--list, or -a/--all");
    if (all && named)
        return err_set(e, ERR_USAGE, "-a/--all must not be specified with -f/--file or -m/--member.");
    if (!list && !from_all)
        return err_set(e, ERR_USAGE, "Without --fromall, -l/--list is required.");
    return all || named ||
           err_set(e, ERR_USAGE, "At least one of -a/--all, -f/--file or -m/--member is required.");
}

/* Whom --member and --file name. */
static bool read_named(struct cli *c, struct mailman_people *people, struct err *e) {
    const char *file = args_get(&c->args, "--file");
    for (size_t i = 0; i < c->args.given_count; i++)
        if (view_eq(c->args.given[i].name, VIEW("--member")))
            mailman_people_add(c, view_of(c->args.given[i].value), people);
    return !file || mailman_people_read(c, file, people, e);
}

static bool remove_from_one(struct cli *c, struct mailman_people *people, struct err *e) {
    struct run r;
    struct mailman_members m = {.rows = NULL};
    bool ok = begin(&r, c, args_get(&c->args, "--list"), e);
    if (ok && args_has(&c->args, "--all") && (ok = mailman_members(c, r.list, ROLE_MEMBER, &m, e)))
        add_all(people, &m);
    if (ok) {
        r.proofs = goodbye(c);
        ok = in_slices(&r, people, false, e);
    }
    free(m.rows);
    return ok;
}

/* Where somebody is on no list, nothing is said, unless there is but one. */
static bool remove_from_all(struct cli *c, struct mailman_people *people, struct err *e) {
    struct mailman_lists lists;
    struct run r = {.cli = c, .proofs = goodbye(c)};
    if (!cli_who(c, &r.who, e) || !mailman_lists(c, false, &lists, e))
        return false;
    r.quiet = lists.count != 1;
    for (size_t i = 0; i < lists.count; i++) {
        r.list = lists.rows[i].address;
        if (!in_slices(&r, people, false, e))
            return err_prefix(e, "%.*s", VIEW_ARG(r.list));
    }
    return true;
}

bool mailman_cmd_delmembers(struct cli *c, struct err *e) {
    struct mailman_people people = {.rows = NULL};
    bool ok =
        check_delmembers(&c->args, e) && read_named(c, &people, e) &&
        (args_has(&c->args, "--fromall") ? remove_from_all(c, &people, e) : remove_from_one(c, &people, e));
    free(people.rows);
    return ok;
}

static int by_address(const void *a, const void *b) {
    return view_cmp(((const struct mailman_person *)a)->address, ((const struct mailman_person *)b)->address);
}

/* Sorted, each address once: of several the last. */
static void sort(struct mailman_people *p) {
    size_t n = 0;
    if (p->count > 0)
        qsort(p->rows, p->count, sizeof *p->rows, by_address);
    for (size_t i = 0; i < p->count; i++) {
        if (n > 0 && view_eq(p->rows[n - 1].address, p->rows[i].address))
            n--;
        p->rows[n++] = p->rows[i];
    }
    p->count = n;
}

/* Those of `p` that `other` lacks. Both are sorted. */
static struct mailman_people without(const struct mailman_people *p, const struct mailman_people *other) {
    struct mailman_people left = {.rows = mem_resize(NULL, p->count + 1, sizeof *p->rows)};
    size_t at = 0;
    for (size_t i = 0; i < p->count; i++) {
        while (at < other->count && by_address(&other->rows[at], &p->rows[i]) < 0)
            at++;
        if (at == other->count || by_address(&other->rows[at], &p->rows[i]) != 0)
            left.rows[left.count++] = p->rows[i];
    }
    return left;
}

static bool sync_one_way(struct run *r, const struct mailman_people *people, bool add, struct err *e) {
    if (!r->no_change)
        return in_slices(r, people, add, e);
    for (size_t i = 0; i < people->count; i++) {
        view text = person_text(r, &people->rows[i]);
        cli_print(r->cli, "[%s] %.*s\n", add ? "ADD" : "DEL", VIEW_ARG(text));
    }
    return true;
}

/* What cannot be read is told, and left out. */
static void drop_unreadable(struct run *r, struct mailman_people *people) {
    size_t n = 0;
    for (size_t i = 0; i < people->count; i++)
        if (people->rows[i].address.len > 0)
            people->rows[n++] = people->rows[i];
        else
            mailman_complain(r->cli, UNREADABLE " (skipping): %.*s", VIEW_ARG(people->rows[i].text));
    people->count = n;
}

static bool sync(struct run *r, struct mailman_people *wanted, struct mailman_people *now, struct err *e) {
    struct cli *c = r->cli;
    drop_unreadable(r, wanted);
    sort(wanted);
    sort(now);
    struct mailman_people added = without(wanted, now), removed = without(now, wanted);
    r->aloud = true;
    r->no_change = args_has(&c->args, "--no-change");
    r->proofs = PROOF_ALL | welcome(c);
    bool ok = sync_one_way(r, &added, true, e);
    r->proofs = goodbye(c);
    ok = ok && sync_one_way(r, &removed, false, e);
    if (ok && added.count == 0 && removed.count == 0)
        cli_print(c, "Nothing to do\n");
    free(added.rows);
    free(removed.rows);
    return ok;
}

bool mailman_cmd_syncmembers(struct cli *c, struct err *e) {
    struct run r;
    struct mailman_people wanted = {.rows = NULL}, now = {.rows = NULL};
    struct mailman_members m = {.rows = NULL};
    bool ok = begin(&r, c, c->args.words[1], e) && mailman_people_read(c, c->args.words[0], &wanted, e) &&
              mailman_members(c, r.list, ROLE_MEMBER, &m, e);
    if (ok) {
        add_all(&now, &m);
        ok = sync(&r, &wanted, &now, e);
    }
    free(wanted.rows);
    free(now.rows);
    free(m.rows);
    return ok;
}
