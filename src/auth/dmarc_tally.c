/* dmarc_tally.c: see dmarc_tally.h. All fields of a message, each with its length before it, are its key in a
 * table; the key of a report is the beginning of its records' keys. */
#include "auth/dmarc_tally.h"

#include <sodium.h>
#include <string.h>

enum {
    BUCKETS = 1 << 14,
    KEY_MOST = 256 << 10 /* octets of all fields of a message */
};
_Static_assert(DMARC_TALLY_SECRET == crypto_shorthash_KEYBYTES, "the secret is the key of SipHash");

struct dmarc_tally_row {
    struct dmarc_tally_row *next; /* of the same report */
    struct dmarc_report_record record;
};
struct dmarc_tally_sheet {
    struct dmarc_tally_sheet *next;
    struct dmarc_report report;
    struct dmarc_tally_row *first, *last;
    size_t count;
};
struct dmarc_tally_node {
    struct dmarc_tally_node *next; /* in the same bucket */
    view key;
    struct dmarc_tally_sheet *sheet; /* one of the two */
    struct dmarc_tally_row *row;
};

void dmarc_tally_init(struct dmarc_tally *t, struct arena *a) {
    *t = (struct dmarc_tally){.arena = a, .table = arena_alloc_n(a, BUCKETS, sizeof *t->table)};
    buf_init(&t->key, KEY_MOST);
    randombytes_buf(t->secret, sizeof t->secret);
}

void dmarc_tally_done(struct dmarc_tally *t) {
    buf_done(&t->key);
}

/* ---- keys ---- */

static void add_field(struct dmarc_tally *t, view v) {
    buf_add(&t->key, view_from(&v.len, sizeof v.len));
    buf_add(&t->key, v);
}

static void add_policy(struct dmarc_tally *t, const struct dmarc_report *r) {
    const view fields[] = {r->domain, r->p,   r->sp, r->np,      r->adkim,
                           r->aspf,   r->pct, r->fo, r->testing, r->discovery};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        add_field(t, fields[i]);
}

static void add_results(struct dmarc_tally *t, const struct dmarc_report_auth *list, size_t count) {
    buf_add(&t->key, view_from(&count, sizeof count));
    for (size_t i = 0; i < count; i++) {
        add_field(t, list[i].domain);
        add_field(t, list[i].selector);
        add_field(t, list[i].result);
        add_field(t, list[i].scope);
        add_field(t, list[i].human);
    }
}

static void add_message(struct dmarc_tally *t, const struct dmarc_report_record *r) {
    const view fields[] = {r->source_ip, r->disposition, r->dkim,          r->spf,        r->reason,
                           r->comment,   r->header_from, r->envelope_from, r->envelope_to};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        add_field(t, fields[i]);
    add_results(t, r->dkim_results, r->dkim_count);
    add_results(t, r->spf_results, r->spf_count);
}

static struct dmarc_tally_node **bucket_of(const struct dmarc_tally *t) {
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "the hash is one number");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)t->key.data, t->key.len, t->secret);
    return &t->table[hash % BUCKETS];
}

/* The node with the key that was put together; a new one belongs to nothing yet. NULL: no room, or it would
 * be a new one and may not. */
static struct dmarc_tally_node *find_node(struct dmarc_tally *t, bool may_be_new) {
    struct dmarc_tally_node **bucket = bucket_of(t), *node = *bucket;
    while (node && !view_eq(node->key, buf_view(&t->key)))
        node = node->next;
    if (node || !may_be_new)
        return node;
    node = arena_alloc(t->arena, sizeof *node);
    if (!node)
        return NULL;
    node->key = arena_view(t->arena, buf_view(&t->key));
    node->next = *bucket;
    if (!t->arena->failed)
        *bucket = node;
    return t->arena->failed ? NULL : node;
}

/* ---- copies ---- */

static void copy_views(struct arena *a, view *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        *list[i] = arena_view(a, *list[i]);
}

static const struct dmarc_report_auth *copy_results(struct arena *a, const struct dmarc_report_auth *list,
                                                    size_t count) {
    struct dmarc_report_auth *copy = arena_alloc_n(a, count, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = list[i];
        view *const views[] = {&copy[i].domain, &copy[i].selector, &copy[i].result, &copy[i].scope,
                               &copy[i].human};
        copy_views(a, views, sizeof views / sizeof *views);
    }
    return copy;
}

static struct dmarc_tally_row *make_row(struct arena *a, const struct dmarc_report_record *message) {
    struct dmarc_tally_row *row = arena_alloc(a, sizeof *row);
    if (!row)
        return NULL;
    struct dmarc_report_record *r = &row->record;
    *r = *message;
    view *const views[] = {&r->source_ip, &r->disposition, &r->dkim,          &r->spf,        &r->reason,
                           &r->comment,   &r->header_from, &r->envelope_from, &r->envelope_to};
    copy_views(a, views, sizeof views / sizeof *views);
    r->count = 0;
    r->dkim_results = copy_results(a, message->dkim_results, message->dkim_count);
    r->spf_results = copy_results(a, message->spf_results, message->spf_count);
    return a->failed ? NULL : row;
}

static struct dmarc_tally_sheet *make_sheet(struct dmarc_tally *t, const struct dmarc_report *published) {
    struct dmarc_tally_sheet *sheet = arena_alloc(t->arena, sizeof *sheet);
    if (!sheet)
        return NULL;
    struct dmarc_report *r = &sheet->report;
    *r = (struct dmarc_report){.domain = published->domain,
                               .p = published->p,
                               .sp = published->sp,
                               .np = published->np,
                               .adkim = published->adkim,
                               .aspf = published->aspf,
                               .pct = published->pct,
                               .fo = published->fo,
                               .testing = published->testing,
                               .discovery = published->discovery};
    view *const views[] = {&r->domain, &r->p,   &r->sp, &r->np,      &r->adkim,
                           &r->aspf,   &r->pct, &r->fo, &r->testing, &r->discovery};
    copy_views(t->arena, views, sizeof views / sizeof *views);
    if (t->arena->failed)
        return NULL;
    *(t->last ? &t->last->next : &t->first) = sheet;
    t->last = sheet;
    t->sheets++;
    return sheet;
}

/* ---- the whole ---- */

static struct dmarc_tally_sheet *find_sheet(struct dmarc_tally *t, const struct dmarc_report *published) {
    buf_reset(&t->key);
    add_policy(t, published);
    struct dmarc_tally_node *node = t->key.failed ? NULL : find_node(t, true);
    if (node && !node->sheet)
        node->sheet = make_sheet(t, published);
    return node ? node->sheet : NULL;
}

/* The key of its report is in t->key. */
static struct dmarc_tally_row *find_row(struct dmarc_tally *t, struct dmarc_tally_sheet *sheet,
                                        const struct dmarc_report_record *message) {
    add_message(t, message);
    bool has_room = sheet->count < DMARC_REPORT_RECORDS_MOST;
    struct dmarc_tally_node *node = t->key.failed ? NULL : find_node(t, has_room);
    if (!node || node->row)
        return node ? node->row : NULL;
    node->row = make_row(t->arena, message);
    if (!node->row)
        return NULL;
    *(sheet->last ? &sheet->last->next : &sheet->first) = node->row;
    sheet->last = node->row;
    sheet->count++;
    return node->row;
}

bool dmarc_tally_add(struct dmarc_tally *t, const struct dmarc_report *published,
                     const struct dmarc_report_record *message) {
    if (t->arena->failed)
        return false;
    struct dmarc_tally_sheet *sheet = find_sheet(t, published);
    struct dmarc_tally_row *row = sheet ? find_row(t, sheet, message) : NULL;
    if (!row || message->count > DMARC_REPORT_COUNT_MOST - row->record.count)
        return false;
    row->record.count += message->count;
    return true;
}

bool dmarc_tally_reports(const struct dmarc_tally *t, struct dmarc_report **ret, size_t *ret_count) {
    struct dmarc_report *reports = arena_alloc_n(t->arena, t->sheets, sizeof *reports);
    size_t n = 0;
    for (const struct dmarc_tally_sheet *s = t->first; s && reports; s = s->next) {
        struct dmarc_report_record *records = arena_alloc_n(t->arena, s->count, sizeof *records);
        size_t count = 0;
        for (const struct dmarc_tally_row *row = s->first; row && records; row = row->next)
            if (row->record.count > 0)
                records[count++] = row->record;
        reports[n] = s->report;
        reports[n].records = records;
        reports[n].count = count;
        n += count > 0;
    }
    if (t->arena->failed)
        return false;
    *ret = reports;
    *ret_count = n;
    return true;
}
