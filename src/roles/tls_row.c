/* tls_row.c: see tls_row.h. */
#include "roles/tls_row.h"

#include "store/vals.h"

enum {
    HOSTS_OCTETS = 2200,  /* of patterns, and of a policy's lines that name hosts */
    POLICY_OCTETS = 4700, /* of all its lines */
    NAME_MOST = 255,      /* of a domain, of a host */
    SHORT_MOST = 120,     /* of an address, of why it failed */
    LINE_COST = 5,        /* octets that a text takes besides its own */
    NUMBER_COST = 9
};
_Static_assert(HOSTS_OCTETS + POLICY_OCTETS + 2 * (NAME_MOST + LINE_COST) + 4 * (SHORT_MOST + LINE_COST) +
                       3 * NUMBER_COST <=
                   TLS_ROW_MOST,
               "all of a row has room");

/* Those that have room; shorter ones behind one that has none may. */
static void write_lines(const view *lines, size_t count, size_t hosts_most, size_t most, struct buf *out) {
    struct buf text = BUF_INIT(most);
    int64_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t room = view_starts_with_nocase(lines[i], VIEW("mx:")) ? hosts_most : most;
        if (text.len + lines[i].len + LINE_COST > room)
            continue;
        vals_view(&text, lines[i]);
        kept++;
    }
    vals_int(out, kept);
    buf_add(out, buf_view(&text));
    buf_done(&text);
}

static void write_text(view text, size_t most, struct buf *out) {
    vals_view(out, view_slice(text, 0, most));
}

void tls_row_write(const struct tls_row *r, struct buf *out) {
    vals_int(out, r->kind);
    write_lines(r->policy, r->policy_count, HOSTS_OCTETS, POLICY_OCTETS, out);
    write_lines(r->mx_hosts, r->mx_host_count, HOSTS_OCTETS, HOSTS_OCTETS, out);
    write_text(r->domain, NAME_MOST, out);
    write_text(r->failure, SHORT_MOST, out);
    write_text(r->sending_ip, SHORT_MOST, out);
    write_text(r->receiving_mx, NAME_MOST, out);
    write_text(r->receiving_ip, SHORT_MOST, out);
    write_text(r->reason, SHORT_MOST, out);
}

static const view *read_lines(struct vals *v, struct arena *a, size_t *ret_count) {
    size_t count = vals_get_count(v);
    view *lines = count <= TLS_REPORT_LINES_MOST ? arena_array(a, view, count) : NULL;
    *ret_count = 0;
    if (!lines) {
        v->failed |= count > 0;
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        lines[i] = vals_get_view(v);
    *ret_count = count;
    return lines;
}

bool tls_row_read(view row, struct arena *a, struct tls_row *ret) {
    struct vals v = vals_of(row);
    int64_t kind = vals_get_int(&v);
    *ret = (struct tls_row){.kind = (enum tls_policy_kind)kind};
    ret->policy = read_lines(&v, a, &ret->policy_count);
    ret->mx_hosts = read_lines(&v, a, &ret->mx_host_count);
    ret->domain = vals_get_view(&v);
    ret->failure = vals_get_view(&v);
    ret->sending_ip = vals_get_view(&v);
    ret->receiving_mx = vals_get_view(&v);
    ret->receiving_ip = vals_get_view(&v);
    ret->reason = vals_get_view(&v);
    return !v.failed && !vals_more(&v) && kind >= TLS_POLICY_TLSA && kind <= TLS_POLICY_NONE;
}
