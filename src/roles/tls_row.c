/* tls_row.c: see tls_row.h. */
#include "roles/tls_row.h"

#include "store/vals.h"

static void write_lines(const view *lines, size_t count, struct buf *out) {
    vals_int(out, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        vals_view(out, lines[i]);
}

void tls_row_write(const struct tls_row *r, struct buf *out) {
    vals_int(out, r->kind);
    write_lines(r->policy, r->policy_count, out);
    write_lines(r->mx_hosts, r->mx_host_count, out);
    vals_view(out, r->failure);
    vals_view(out, r->sending_ip);
    vals_view(out, r->receiving_mx);
    vals_view(out, r->receiving_ip);
    vals_view(out, r->info);
}

static const view *read_lines(struct vals *v, struct arena *a, size_t *ret_count) {
    size_t count = vals_get_count(v);
    view *lines = count <= TLS_REPORT_LINES_MOST ? arena_array(a, view, count + 1) : NULL;
    if (!lines) {
        v->failed = true;
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
    ret->failure = vals_get_view(&v);
    ret->sending_ip = vals_get_view(&v);
    ret->receiving_mx = vals_get_view(&v);
    ret->receiving_ip = vals_get_view(&v);
    ret->info = vals_get_view(&v);
    return !v.failed && !vals_more(&v) && kind >= TLS_POLICY_TLSA && kind <= TLS_POLICY_NONE;
}
