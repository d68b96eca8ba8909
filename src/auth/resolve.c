/* resolve.c: see resolve.h. */
#include "auth/resolve.h"

#include "base/buf.h"

view resolve_text(view wire, struct arena *a) {
    struct buf out = BUF_INIT(wire.len + 1);
    while (wire.len > 0) { /* strings, each behind its length (RFC 1035 3.3.14) */
        size_t len = (unsigned char)wire.ptr[0];
        buf_add(&out, view_slice(wire, 1, len));
        wire = view_skip(wire, len + 1);
    }
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

/* False: the record says nothing that can be used. */
static bool read_record(enum record_type type, view wire, struct arena *a, struct record *ret) {
    *ret = (struct record){.data = wire};
    switch (type) {
    case RECORD_A:
        return wire.len == 4;
    case RECORD_AAAA:
        return wire.len == 16;
    case RECORD_TXT:
        ret->data = resolve_text(wire, a);
        return true;
    case RECORD_PTR:
        return dns_name_from_wire(wire, a, &ret->data);
    case RECORD_MX:
        if (wire.len < 3)
            return false;
        ret->preference = (unsigned char)wire.ptr[0] << 8 | (unsigned char)wire.ptr[1];
        return dns_name_from_wire(view_skip(wire, 2), a, &ret->data);
    }
    return false;
}

static void take(struct answers *a, struct answer *to, const struct dns_question *q) {
    static const enum answer_state states[] = {[DNS_FOUND] = ANSWER_NO_DATA,
                                               [DNS_NO_DATA] = ANSWER_NO_DATA,
                                               [DNS_NO_NAME] = ANSWER_NO_NAME,
                                               [DNS_TEMPORARY] = ANSWER_TEMPORARY};
    struct record *records = arena_array(a->arena, struct record, q->count);
    size_t n = 0;
    for (size_t i = 0; records && i < q->count; i++)
        n += read_record(to->type, q->data[i], a->arena, &records[n]);
    answers_set(a, to, records || q->count == 0 ? states[q->found] : ANSWER_TEMPORARY, records, n);
}

void answers_resolve(struct answers *a, struct dns *d, int64_t deadline_ms) {
    struct answer *asked[DNS_QUESTIONS_MAX];
    struct dns_question questions[DNS_QUESTIONS_MAX];
    struct answer *to;
    size_t n;
    do {
        n = 0;
        for (size_t at = 0; n < DNS_QUESTIONS_MAX && (to = answers_next(a, &at)) != NULL; n++) {
            asked[n] = to;
            questions[n] = (struct dns_question){.name = to->name, .type = (int)to->type};
        }
        dns_ask(d, questions, n, a->arena, deadline_ms);
        for (size_t i = 0; i < n; i++)
            take(a, asked[i], &questions[i]);
    } while (n == DNS_QUESTIONS_MAX);
}
