/* report.c: mail to reports_to: reports of others, read and kept in the store. It ends here, whether it can
 * be read or not: nobody is answered, and nothing is sent on. */
#include "base/log.h"
#include "roles/report_in.h"
#include "roles/router/router.h"

static bool call(void *context, struct store_request *q, struct err *e) {
    struct role *role = context;
    return store_call(role->store, q, e);
}

static view sentence(const struct report_in *r, struct arena *a) {
    const char *what = r->is_other ? "another one of that name is here: dropped"
                       : r->is_new ? "kept"
                                   : "was here already";
    if (r->is_single)
        return arena_printf(a, "failure report of %.*s about %.*s: %.*s", VIEW_ARG(r->organization),
                            VIEW_ARG(r->domain), VIEW_ARG(r->id));
    return arena_printf(a, "%s report of %.*s about %.*s, %lld %s: %s", r->is_tls ? "TLS" : "DMARC",
                        VIEW_ARG(r->organization), VIEW_ARG(r->domain), (long long)r->messages,
                        r->is_tls ? "sessions" : "messages", what);
}

static bool read_whole(struct role *role, const struct command_mail *mail, int64_t size, struct buf *out,
                       struct err *e) {
    buf_add(out, mail->text);
    return size <= REPORT_IN_MOST
               ? role_read_rest(role, mail->id, 1, (size_t)size, out, e)
               : err_set(e, ERR_LIMIT, "the mail is larger than %d octets", REPORT_IN_MOST);
}

bool report_keep(struct role *role, const struct command_mail *mail, int64_t size, struct arena *a,
                 bool *ret_kept, view *ret_said, struct err *e) {
    struct report_in_store store = {.call = call, .context = role};
    struct buf whole = BUF_INIT(REPORT_IN_MOST);
    struct arena scratch;
    struct report_in found;
    arena_init(&scratch, REPORT_IN_ARENA);
    bool ok =
        read_whole(role, mail, size, &whole, e) && report_in(buf_view(&whole), &store, &scratch, &found, e);
    *ret_kept = ok && !found.is_other;
    if (ok)
        *ret_said = sentence(&found, a);
    else if (!role_store_is_away(e->code))
        *ret_said = arena_printf(a, "no report that can be read: %s", e->text);
    ok = ok || !role_store_is_away(e->code);
    if (ok)
        log_line(LOG_INFO, *ret_kept ? "report-kept" : "report-dropped", LOG_V("what", *ret_said));
    arena_done(&scratch);
    buf_done(&whole);
    return ok;
}
