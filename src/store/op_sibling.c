/* op_sibling.c: see sibling.h. */
#include "store/sibling.h"

#include "mail/address.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/vals.h"

static int64_t list_number(struct op_run *r, view address) {
    return db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(address));
}

static view list_address(struct op_run *r, int64_t list) {
    struct query q;
    db_query(r->db, &q, "SELECT address FROM list WHERE id = $1", DB_I(list));
    view address = query_row(&q) ? arena_view(r->arena, query_text(&q, 0)) : VIEW("");
    query_done(&q);
    return address;
}

static void note(struct op_run *r, int64_t message, int64_t list, enum sibling kind, int64_t other) {
    db_run(r->db,
           "INSERT INTO expansion_list(message, list, kind, other) VALUES($1, $2, $3, $4) ON CONFLICT DO "
           "NOTHING",
           DB_I(message), DB_I(list), DB_I(kind), DB_I(other));
}

/* Lists that are included, those that they include, and so on; each once, and never the list itself. */
static size_t note_included(struct op_run *r, int64_t message, int64_t list, view address, view *ret_names) {
    int64_t found[SIBLINGS_MOST] = {list};
    size_t count = 1;
    for (size_t i = 0; i < count; i++) {
        view of = i == 0 ? address : list_address(r, found[i]), line;
        view lines = list_setting_text_of(r, of, LIST_SETTING_REGULAR_INCLUDE_LISTS);
        while (view_split(&lines, '\n', &line)) {
            int64_t other = list_number(r, line);
            size_t k = 0;
            while (k < count && found[k] != other)
                k++;
            if (other == 0 || k < count || count == SIBLINGS_MOST)
                continue; /* gone, or there already */
            found[count++] = other;
            note(r, message, list, SIBLING_INCLUDED, other);
            *ret_names = arena_printf(r->arena, "%.*s %.*s", VIEW_ARG(*ret_names), VIEW_ARG(line));
        }
    }
    return count - 1;
}

static bool is_named(struct vals named, view address) {
    for (size_t count = vals_get_count(&named); count > 0 && !named.failed; count--)
        if (view_eq(vals_get_view(&named), address))
            return true;
    return false;
}

/* A list has a second address where its domain has a second name. */
static bool is_named_at_all(struct op_run *r, struct vals named, view list) {
    struct address a = address_split(list);
    struct query q;
    db_query(r->db, &q, "SELECT alias_domain FROM domain WHERE name = $1 AND alias_domain <> ''",
             DB_T(a.domain));
    view other = query_row(&q)
                     ? arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(a.local), VIEW_ARG(query_text(&q, 0)))
                     : VIEW("");
    query_done(&q);
    return is_named(named, list) || (other.len > 0 && is_named(named, other));
}

static size_t note_excluded(struct op_run *r, int64_t message, int64_t list, view address, struct vals named,
                            view *ret_names) {
    view lines = list_setting_text_of(r, address, LIST_SETTING_REGULAR_EXCLUDE_LISTS), line;
    size_t count = 0;
    while (view_split(&lines, '\n', &line)) {
        int64_t other = is_named_at_all(r, named, line) ? list_number(r, line) : 0;
        if (other == 0 || other == list)
            continue;
        note(r, message, list, SIBLING_EXCLUDED, other);
        *ret_names = arena_printf(r->arena, "%.*s %.*s", VIEW_ARG(*ret_names), VIEW_ARG(line));
        count++;
    }
    return count;
}

void siblings_note(struct op_run *r, int64_t message, int64_t list, struct vals named) {
    view address = list_address(r, list), with = VIEW(""), without = VIEW("");
    size_t included = note_included(r, message, list, address, &with);
    size_t excluded = note_excluded(r, message, list, address, named, &without);
    if (included + excluded == 0)
        return;
    db_run(r->db, "UPDATE expansion SET siblings = 1 WHERE message = $1 AND list = $2", DB_I(message),
           DB_I(list));
    view what = arena_printf(r->arena, "%s%.*s%s%s%.*s", included ? "to members of" : "", VIEW_ARG(with),
                             included && excluded ? "; " : "", excluded ? "not to members of" : "",
                             VIEW_ARG(without));
    event_record(r, message, EVENT_EDITED, 0, list, VIEW(""), view_slice(what, 0, LIMIT_EVENT_TEXT));
}

void expansion_end(struct op_run *r, int64_t message, int64_t list) {
    db_run(r->db, "DELETE FROM expansion WHERE message = $1 AND list = $2", DB_I(message), DB_I(list));
    db_run(r->db, "DELETE FROM expansion_skip WHERE message = $1 AND list = $2", DB_I(message), DB_I(list));
    db_run(r->db, "DELETE FROM expansion_list WHERE message = $1 AND list = $2", DB_I(message), DB_I(list));
}
