/* op_owed.c: letters that lists owe, from the note to its end. */
#include "mail/address.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/owed.h"
#include "store/template.h"

static const struct {
    enum letter_kind number;
    const char *template;
    enum letter_to to;
} kinds[] = {
#define LETTER(id, number, template, to) {LETTER_##id, template, LETTER_TO_##to},
#include "store/letter.def"
#undef LETTER
};

static size_t row_of(int64_t kind) {
    size_t i = 0;
    while (i < sizeof kinds / sizeof kinds[0] && (int64_t)kinds[i].number != kind)
        i++;
    return i;
}

bool letter_kind_is_valid(int64_t kind) {
    return row_of(kind) < sizeof kinds / sizeof kinds[0];
}

enum letter_to letter_kind_to(enum letter_kind kind) {
    BUG_ON(!letter_kind_is_valid(kind));
    return kinds[row_of(kind)].to;
}

const char *letter_kind_template(enum letter_kind kind) {
    BUG_ON(!letter_kind_is_valid(kind));
    return kinds[row_of(kind)].template;
}

void letter_owe(struct op_run *r, enum letter_kind kind, int64_t list, int64_t addr, view detail) {
    db_run(r->db, "INSERT INTO owed_letter(list, addr, kind, detail, at) VALUES($1, $2, $3, $4, $5)",
           DB_I(list), DB_I(addr), DB_I(kind), DB_T(detail), DB_I(r->now_ms));
}

/* What a letter can say of its list: settings of these names stand in its text. */
static const enum list_setting told[] = {LIST_SETTING_DISPLAY_NAME, LIST_SETTING_DESCRIPTION,
                                         LIST_SETTING_INFO};

/* In which languages it is to be written, and the text for it. */
static void put_text(struct op_run *r, int64_t kind, int64_t list, view address, int64_t addr) {
    bool to_owners = letter_kind_is_valid(kind) && letter_kind_to((enum letter_kind)kind) == LETTER_TO_OWNERS;
    view languages = languages_of(r, list, address, to_owners ? 0 : addr), rest = languages;
    view first = VIEW("");
    view_split(&rest, ' ', &first);
    vals_view(r->out, languages);
    vals_view(r->out, letter_kind_is_valid(kind)
                          ? template_text_of(r, address, letter_kind_template((enum letter_kind)kind), first)
                          : VIEW(""));
}

static void put_letter(struct op_run *r, int64_t id) {
    struct query q;
    view address = VIEW("");
    int64_t kind = 0, list = 0, addr = 0;
    db_query(
        r->db, &q,
        "SELECT o.id, o.kind, o.detail, o.at, l.address, a.text, coalesce(CASE WHEN b.name = '' THEN u.name "
        "ELSE"
        " b.name END, ''), o.list, o.addr FROM owed_letter o JOIN list l ON l.id = o.list JOIN address a ON"
        " a.id = o.addr LEFT JOIN mailbox b ON b.addr = o.addr LEFT JOIN users u ON u.id = b.userid WHERE"
        " o.id = $1",
        DB_I(id));
    bool found = query_row(&q);
    if (found) {
        kind = query_int(&q, 1);
        vals_int(r->out, query_int(&q, 0));
        vals_int(r->out, kind);
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
        for (int i = 4; i < 7; i++)
            vals_view(r->out, query_text(&q, i));
        address = arena_view(r->arena, query_text(&q, 4));
        list = query_int(&q, 7);
        addr = query_int(&q, 8);
    }
    query_done(&q);
    if (!found) /* its list or address went away */
        return;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        vals_view(r->out, list_setting_text_of(r, address, told[i]));
    put_text(r, kind, list, address, addr);
}

/* Octets of letters after which no more are told: one more, with a text and the list's info, fits behind. */
enum { LETTERS_MOST = LIMIT_STORE_PACKET / 2 };

/* in: most (up to LIMIT_ROUTE_BATCH). out: id, kind, detail, when it was noted (ms), list, address it is
 * about, that person's name, the list's display_name, description and info, the languages it is to be written
 * in, the best first, the text for it (empty: the shipped one); the oldest first. Fewer where texts are long.
 */
void op_run_OWED_LETTERS(struct op_run *r) {
    int64_t ids[LIMIT_ROUTE_BATCH], n = 0, most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT o.id FROM owed_letter o JOIN list l ON l.id = o.list ORDER BY o.id LIMIT $1",
             DB_I(most < LIMIT_ROUTE_BATCH ? most : LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n && r->out->len < LETTERS_MOST; i++)
        put_letter(r, ids[i]);
}

/* in: id, count of letters (0: it is not written), each as ACCEPT takes it. The note goes; a letter whose
 * note has gone was written before. */
void op_run_OWED_WRITTEN(struct op_run *r) {
    int64_t id = vals_get_int(&r->in);
    if (db_change(r->db, "DELETE FROM owed_letter WHERE id = $1", DB_I(id)) != 1)
        return;
    for (size_t n = vals_get_count(&r->in); n > 0 && !r->in.failed && !db_error(r->db); n--)
        accept_one(r);
}

/* in: list, kind of answer (owed.h), address, for how long the same answer is not given again (ms; 0: it
 * always is), the message that is answered: asked once more, it is still to be. out: whether it is to be
 * given now (0/1) */
void op_run_AUTOREPLY(struct op_run *r) {
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(vals_get_view(&r->in)));
    int64_t kind = vals_get_int(&r->in);
    view address = vals_get_view(&r->in);
    int64_t grace = vals_get_int(&r->in), message = vals_get_int(&r->in);
    if (list == 0 || r->in.failed) {
        vals_int(r->out, 0);
        return;
    }
    db_run(r->db, "DELETE FROM autoreply WHERE list = $1 AND kind = $2 AND at <= $3", DB_I(list), DB_I(kind),
           DB_I(r->now_ms - grace));
    vals_int(r->out, db_change(r->db,
                               "INSERT INTO autoreply(list, kind, address, at, message) VALUES($1, $2, $3, "
                               "$4, $5) ON CONFLICT(list, kind, address) DO UPDATE SET at = excluded.at "
                               "WHERE autoreply.message = excluded.message",
                               DB_I(list), DB_I(kind), DB_T(address), DB_I(r->now_ms), DB_I(message)));
}
