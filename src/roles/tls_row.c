/* tls_row.c: see tls_row.h. */
#include "roles/tls_row.h"

#include "store/report.h"
#include "store/vals.h"

enum { LINES_MOST = 100 };

static void write_lines(const view *lines, size_t count, struct buf *out) {
    size_t n = count < LINES_MOST ? count : LINES_MOST;
    vals_int(out, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        vals_view(out, lines[i]);
}

void tls_row_write(const struct tls_row *r, struct buf *out) {
    struct buf policy = BUF_INIT(REPORT_ROW_MOST);
    vals_int(&policy, r->kind);
    write_lines(r->policy, r->policy_count, &policy);
    write_lines(r->mx_hosts, r->mx_host_count, &policy);
    vals_view(out, buf_view(&policy));
    vals_view(out, r->type);
    vals_view(out, r->sending_ip);
    vals_view(out, r->receiving_mx);
    vals_view(out, r->receiving_ip);
    vals_view(out, r->info);
    buf_done(&policy);
}

static const view *read_lines(struct vals *v, struct arena *a, size_t *ret_count) {
    size_t count = vals_get_count(v);
    view *lines = arena_array(a, view, count + 1);
    if (!lines || count > LINES_MOST) {
        v->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        lines[i] = vals_get_view(v);
    *ret_count = count;
    return lines;
}

static bool read_policy(struct arena *a, struct tls_row *ret) {
    struct vals v = vals_of(ret->policy_text);
    ret->kind = (enum tls_policy_kind)vals_get_int(&v);
    ret->policy = read_lines(&v, a, &ret->policy_count);
    ret->mx_hosts = v.failed ? NULL : read_lines(&v, a, &ret->mx_host_count);
    return !v.failed && ret->kind <= TLS_POLICY_NONE;
}

bool tls_row_read(view row, struct arena *a, struct tls_row *ret) {
    struct vals v = vals_of(row);
    *ret = (struct tls_row){.policy_text = vals_get_view(&v)};
    ret->type = vals_get_view(&v);
    ret->sending_ip = vals_get_view(&v);
    ret->receiving_mx = vals_get_view(&v);
    ret->receiving_ip = vals_get_view(&v);
    ret->info = vals_get_view(&v);
    return !v.failed && read_policy(a, ret);
}
