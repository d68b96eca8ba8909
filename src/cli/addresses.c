/* addresses.c: see addresses.h. */
#include "cli/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"

enum { SLICE = 500, ADDRESSES_MAX = 2000000, FILE_BYTES = 256 * 1024 * 1024, SHOWN_BYTES = 80 };

void addresses_add(struct addresses *a, view address) {
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 64;
        a->list = mem_resize(a->list, a->room, sizeof *a->list);
    }
    a->list[a->count++] = address;
}

void addresses_done(struct addresses *a) {
    free(a->list);
    *a = (struct addresses){.list = NULL};
}

static int by_octets(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

void addresses_sort(struct addresses *a) {
    size_t n = 0;
    if (a->count > 0)
        qsort(a->list, a->count, sizeof *a->list, by_octets);
    for (size_t i = 0; i < a->count; i++)
        if (n == 0 || !view_eq(a->list[n - 1], a->list[i]))
            a->list[n++] = a->list[i];
    a->count = n;
}

static bool take(struct cli *c, view text, const struct addresses_rule *rule, struct addresses *a,
                 struct err *e) {
    view address, shown = view_slice(text, 0, SHOWN_BYTES);
    if (!address_normalise_text(text, &c->arena, &address, e))
        return err_prefix(e, "%.*s", VIEW_ARG(shown));
    if (rule->domain.len > 0 && !view_eq(address_split(address).domain, rule->domain))
        return err_set(e, ERR_USAGE, "%.*s is not an address of %.*s", VIEW_ARG(shown),
                       VIEW_ARG(rule->domain));
    if (a->count == ADDRESSES_MAX)
        return err_set(e, ERR_USAGE, "more than %d addresses at once", ADDRESSES_MAX);
    addresses_add(a, address);
    return true;
}

static view first_word(view line) {
    size_t len = 0;
    while (len < line.len && !ascii_is_space(line.ptr[len]))
        len++;
    return view_starts_with(line, VIEW("#")) ? VIEW("") : view_slice(line, 0, len);
}

bool addresses_read(struct cli *c, const char *file, const struct addresses_rule *rule, struct addresses *a,
                    struct err *e) {
    struct buf text = BUF_INIT(FILE_BYTES);
    bool ok = import_read(file, &text, e);
    view rest = buf_view(&text), line;
    for (size_t number = 1; ok && view_split(&rest, '\n', &line); number++) {
        line = rule->map ? first_word(view_trim(line)) : view_trim(line);
        if (line.len > 0 && !take(c, line, rule, a, e))
            ok = err_prefix(e, "nothing was changed: line %zu", number);
    }
    buf_done(&text);
    return ok;
}

bool addresses_read_words(struct cli *c, const struct addresses_rule *rule, struct addresses *a,
                          struct err *e) {
    const struct args *args = &c->args;
    if (args->count == 2 && strcmp(args->words[1], "-") == 0)
        return addresses_read(c, "-", rule, a, e);
    for (size_t i = 1; i < args->count; i++)
        if (!take(c, view_of(args->words[i]), rule, a, e))
            return false;
    return true;
}

bool addresses_send(struct cli *c, enum op op, const struct buf *before, const struct addresses *a,
                    int64_t *ret_changed, struct err *e) {
    struct store_request r;
    bool ok = true;
    *ret_changed = 0;
    store_request_init(&r, op);
    for (size_t from = 0; ok && from < a->count; from += SLICE) {
        size_t n = a->count - from < SLICE ? a->count - from : SLICE;
        buf_reset(&r.args);
        buf_add(&r.args, buf_view(before));
        vals_int(&r.args, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            vals_view(&r.args, a->list[from + i]);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        *ret_changed += vals_get_int(&v);
        if (ok)
            cli_progress(c, "%zu of %zu", from + n, a->count);
        else if (from > 0)
            err_prefix(e, "after %zu of %zu addresses (run it again to go on)", from, a->count);
    }
    store_request_done(&r);
    return ok;
}
