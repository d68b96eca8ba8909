/* route_fuzz.c: whatever the facts say, a decision ends, stays inside its limits and contradicts itself
 * nowhere. The input is a small language: bytes that choose who leads where among sixteen addresses; or,
 * after a first byte 255, the facts as they are. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "routing/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(const struct route *r, size_t i) {
    const struct route_target *t = &r->targets[i];
    BUG_ON((t->kind == ROUTE_REFUSED) != (t->why != NULL));
    BUG_ON((t->kind == ROUTE_LIST || t->kind == ROUTE_BOUNCE || t->kind == ROUTE_COMMAND) && t->list == 0);
    BUG_ON(t->why && t->why->code == ERR_OK);
    for (size_t k = 0; k < i; k++)
        BUG_ON(r->targets[k].kind == t->kind && view_eq(r->targets[k].address, t->address));
}

static void decide(view address, view facts) {
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    struct route r;
    struct err e = {.code = ERR_OK};
    if (!route_decide(address, facts, &arena, &r, &e)) {
        BUG_ON(e.code != ERR_SYNTAX && e.code != ERR_LIMIT);
    } else {
        bool some = false;
        for (size_t i = 0; i < r.count; i++) {
            check_target(&r, i);
            some |= r.targets[i].kind != ROUTE_REFUSED;
        }
        BUG_ON(r.count > 0 && some == (route_refusal(&r) != NULL));
    }
    arena_done(&arena);
}

/* Each address: a byte of what it is, a byte of how many targets, a byte for each. */
static void write_facts(const uint8_t *data, size_t size, struct buf *facts) {
    static const char *const names[] = {
        "a@h", "b@h",       "c@h", "d@h", "news@h", "news-owner@h", "news-bounces+m=t@h", "e@h", "x@t",
        "y@t", "\"q q\"@h", "f@h", "g@h", "@h",     "i@h",          "news-bounces@h"};
    for (size_t at = 0, n = 0; at + 1 < size && n < 16; n++) {
        uint8_t what = data[at++], targets = data[at++] & 7;
        vals_view(facts, view_of(names[n]));
        vals_int(facts, what & 1 ? 1 + (what >> 2) % 3 : 0); /* enum domain_state */
        vals_int(facts, what & 2 ? 7 : 0);
        vals_view(facts, what & 2 ? VIEW("news@h") : VIEW(""));
        if (targets > size - at)
            targets = (uint8_t)(size - at);
        vals_int(facts, targets);
        for (; targets > 0; targets--)
            vals_view(facts, view_of(names[data[at++] & 15]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] == 255) {
        view rest = view_from(data + 1, size - 1);
        struct vals v = vals_of(rest);
        view first = vals_get_view(&v);
        decide(v.failed ? VIEW("a@h") : first, rest);
        return 0;
    }
    struct buf facts = BUF_INIT(1 << 20);
    write_facts(data, size, &facts);
    decide(VIEW("a@h"), buf_view(&facts));
    buf_done(&facts);
    return 0;
}
