/* op_template.c: texts that people get from lists, or where those are: what was said, what is to be fetched,
 * and which counts for whom. */
#include "store/template.h"

#include "base/words.h"
#include "mail/address.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/person.h"
#include "store/preference.h"

static const struct {
    const char *name, *variables;
} table[] = {
#define TEMPLATE(name, variables) {name, variables},
#include "store/template.def"
#undef TEMPLATE
};
enum { NAMES = sizeof table / sizeof table[0] };

const char *template_name_at(size_t i) {
    return i < NAMES ? table[i].name : NULL;
}

static size_t row_of(view name) {
    size_t i = 0;
    while (i < NAMES && !view_eq(name, view_of(table[i].name)))
        i++;
    return i;
}

bool template_name_is_valid(view name) {
    return row_of(name) < NAMES;
}

const char *template_variables(view name) {
    BUG_ON(!template_name_is_valid(name));
    return table[row_of(name)].variables;
}

bool template_language_is_valid(view language) {
    int64_t value;
    return language.len == 0 || words_find(LANGUAGE_WORDS, language, &value);
}

/* ---- what is said ---- */

struct said {
    view name, language, what, username, password;
    enum template_how how;
};

static struct said read_said(struct op_run *r) {
    struct said s = {.name = vals_get_view(&r->in)};
    s.language = vals_get_view(&r->in);
    s.how = (enum template_how)vals_get_int(&r->in);
    s.what = vals_get_view(&r->in);
    s.username = vals_get_view(&r->in);
    s.password = vals_get_view(&r->in);
    return s;
}

static bool check_said(struct op_run *r, const struct said *s) {
    if (!template_name_is_valid(s->name))
        op_refuse(r, ERR_SYNTAX, "no template is called %.*s", VIEW_ARG(view_slice(s->name, 0, 80)));
    else if (!template_language_is_valid(s->language))
        op_refuse(r, ERR_SYNTAX, "no language is called %.*s", VIEW_ARG(view_slice(s->language, 0, 40)));
    else if (!view_is_utf8(s->what) || view_find(s->what, '\0') >= 0)
        op_refuse(r, ERR_SYNTAX, "%.*s: a text in UTF-8 is wanted", VIEW_ARG(s->name));
    else if (s->what.len > LIMIT_TEMPLATE_TEXT)
        op_refuse(r, ERR_SYNTAX, "%.*s: a text of more than %d octets", VIEW_ARG(s->name),
                  LIMIT_TEMPLATE_TEXT);
    return r->err.code == ERR_OK;
}

static void put_text(struct op_run *r, view scope, const struct said *s) {
    db_run(r->db,
           "INSERT INTO template(scope, name, language, uri, username, password, text, fetched, due)"
           " VALUES($1, $2, $3, '', '', '', $4, $5, 0) ON CONFLICT(scope, name, language) DO UPDATE SET"
           " uri = '', username = '', password = '', text = excluded.text, fetched = excluded.fetched,"
           " due = 0",
           DB_T(scope), DB_T(s->name), DB_T(s->language), DB_T(s->what), DB_I(r->now_ms));
}

/* What can be fetched is, at once; the text that is there counts until then. Mailman's own places are the
 * shipped texts: an empty one, which is there. */
static void put_uri(struct op_run *r, view scope, const struct said *s) {
    bool fetched = view_starts_with(s->what, VIEW("http://")) || view_starts_with(s->what, VIEW("https://"));
    int64_t shipped = view_starts_with(s->what, VIEW("mailman:")) ? r->now_ms : 0;
    db_run(r->db,
           "INSERT INTO template(scope, name, language, uri, username, password, text, fetched, due)"
           " VALUES($1, $2, $3, $4, $5, $6, '', $7, $8) ON CONFLICT(scope, name, language) DO UPDATE SET"
           " uri = excluded.uri, username = excluded.username, password = excluded.password,"
           " due = excluded.due",
           DB_T(scope), DB_T(s->name), DB_T(s->language), DB_T(s->what), DB_T(s->username), DB_T(s->password),
           DB_I(shipped), DB_I(fetched ? r->now_ms : 0));
    if (!fetched)
        db_run(r->db,
               "UPDATE template SET text = '', fetched = $4 WHERE scope = $1 AND name = $2 AND language = $3",
               DB_T(scope), DB_T(s->name), DB_T(s->language), DB_I(shipped));
}

static view told(struct op_run *r, const struct said *s) {
    view language = s->language.len ? arena_printf(r->arena, " (%.*s)", VIEW_ARG(s->language)) : VIEW("");
    if (s->how == TEMPLATE_BY_TEXT)
        return arena_printf(r->arena, "template %.*s%.*s: %zu octets", VIEW_ARG(s->name), VIEW_ARG(language),
                            s->what.len);
    return arena_printf(r->arena, "template %.*s%.*s=%.*s", VIEW_ARG(s->name), VIEW_ARG(language),
                        VIEW_ARG(view_slice(s->what, 0, LIMIT_EVENT_TEXT)));
}

static void record(struct op_run *r, view scope, view who, view what) {
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(scope));
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, scope,
                 arena_printf(r->arena, "by=%.*s %.*s", VIEW_ARG(who), VIEW_ARG(what)));
}

/* in: scope, who does it, count of templates, each: name, language (empty: for all people), enum
 * template_how, URI or text (REMOVE: empty), user name and password for the server the URI is on, or both
 * empty */
void op_run_TEMPLATE_SET(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in);
    if (!need_scope(r, scope))
        return;
    for (size_t count = vals_get_count(&r->in); count > 0; count--) {
        struct said s = read_said(r);
        if (!check_said(r, &s))
            return;
        if (s.how == TEMPLATE_BY_TEXT)
            put_text(r, scope, &s);
        else if (s.how == TEMPLATE_BY_URI)
            put_uri(r, scope, &s);
        else
            db_run(r->db, "DELETE FROM template WHERE scope = $1 AND name = $2 AND language = $3",
                   DB_T(scope), DB_T(s.name), DB_T(s.language));
        record(r, scope, who, told(r, &s));
    }
}

/* in: scope. out: name, language, URI (empty: the text was given), user name, password, characters of the
 * text, when it came (ms; 0: there is none yet), by name and language */
void op_run_TEMPLATE_LS(struct op_run *r) {
    view scope = vals_get_view(&r->in);
    struct query q;
    if (!need_scope(r, scope))
        return;
    db_query(r->db, &q,
             "SELECT name, language, uri, username, password, length(text), fetched FROM template WHERE"
             " scope = $1 ORDER BY name, language",
             DB_T(scope));
    while (query_row(&q)) {
        for (int i = 0; i < 5; i++)
            vals_view(r->out, query_text(&q, i));
        vals_int(r->out, query_int(&q, 5));
        vals_int(r->out, query_int(&q, 6));
    }
}

/* in: scope, name, language. out: the text, and whether there is one: else nothing */
void op_run_TEMPLATE_SHOW(struct op_run *r) {
    view scope = vals_get_view(&r->in), name = vals_get_view(&r->in), language = vals_get_view(&r->in);
    struct query q;
    if (!need_scope(r, scope))
        return;
    db_query(r->db, &q,
             "SELECT text FROM template WHERE scope = $1 AND name = $2 AND language = $3 AND fetched > 0",
             DB_T(scope), DB_T(name), DB_T(language));
    if (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
    query_done(&q);
}

/* ---- what is fetched ---- */

/* in: most. out: scope, name, language, URI, user name, password of those to be fetched now, the longest due
 * first */
void op_run_TEMPLATES_DUE(struct op_run *r) {
    struct query q;
    int64_t most = vals_get_int(&r->in);
    db_query(r->db, &q,
             "SELECT scope, name, language, uri, username, password FROM template WHERE due > 0 AND due <= $1"
             " ORDER BY due LIMIT $2",
             DB_I(r->now_ms), DB_I(most));
    while (query_row(&q))
        for (int i = 0; i < 6; i++)
            vals_view(r->out, query_text(&q, i));
}

/* in: scope, name, language, URI, whether it could be fetched (0/1), the text. What was said anew meanwhile
 * stays. */
void op_run_TEMPLATE_FETCHED(struct op_run *r) {
    view scope = vals_get_view(&r->in), name = vals_get_view(&r->in), language = vals_get_view(&r->in);
    view uri = vals_get_view(&r->in);
    bool ok = vals_get_int(&r->in) != 0;
    view text = vals_get_view(&r->in);
    if (text.len > LIMIT_TEMPLATE_TEXT || !view_is_utf8(text)) {
        op_refuse(r, ERR_SYNTAX, "no text of at most %d octets in UTF-8", LIMIT_TEMPLATE_TEXT);
        return;
    }
    db_run(r->db,
           "UPDATE template SET due = $5 WHERE scope = $1 AND name = $2 AND language = $3 AND uri = $4",
           DB_T(scope), DB_T(name), DB_T(language), DB_T(uri),
           DB_I(r->now_ms + (ok ? TEMPLATE_FRESH_MS : TEMPLATE_RETRY_MS)));
    if (!ok)
        return;
    int64_t changed = db_number(r->db, 0,
                                "SELECT 1 FROM template WHERE scope = $1 AND name = $2 AND language = $3 AND"
                                " uri = $4 AND (text <> $5 OR fetched = 0)",
                                DB_T(scope), DB_T(name), DB_T(language), DB_T(uri), DB_T(text));
    db_run(r->db,
           "UPDATE template SET text = $5, fetched = $6 WHERE scope = $1 AND name = $2 AND language = $3 AND"
           " uri = $4",
           DB_T(scope), DB_T(name), DB_T(language), DB_T(uri), DB_T(text), DB_I(r->now_ms));
    if (changed)
        record(r, scope, VIEW("deliver"),
               arena_printf(r->arena, "template %.*s: %zu octets came", VIEW_ARG(name), text.len));
}

/* ---- which counts ---- */

/* The first of the words. */
static view first_of(view words) {
    view first = VIEW("");
    view_split(&words, ' ', &first);
    return first;
}

/* A shipped text in the person's language is nearer than the site's in the list's. */
view template_text_of(struct op_run *r, view list, const char *name, view language) {
    view of_list = list_setting_text_of(r, list, LIST_SETTING_PREFERRED_LANGUAGE), text = VIEW("");
    ptrdiff_t at = view_rfind(list, '@');
    view domain = view_skip(list, (size_t)(at < 0 ? 0 : at));
    int64_t shipped;
    if (of_list.len == 0)
        of_list = VIEW("en");
    if (language.len == 0)
        language = of_list;
    view of_site = words_find(SHIPPED_LANGUAGES, language, &shipped) ? language : of_list;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT text FROM template WHERE name = $1 AND fetched > 0 AND ((scope IN ($2, $3) AND language IN"
        " ($4, $5, '')) OR (scope = '' AND language IN ($4, $6, ''))) ORDER BY length(scope) DESC,"
        " CASE WHEN language = $4 THEN 0 WHEN language = $5 THEN 1 ELSE 2 END LIMIT 1",
        DB_T(view_of(name)), DB_T(list), DB_T(domain), DB_T(language), DB_T(of_list), DB_T(of_site));
    if (query_row(&q))
        text = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    return text;
}

/* The nearest level that says something: the membership, the address, the user. */
static view preferred_language(struct op_run *r, int64_t list, int64_t addr) {
    int64_t member = membership_find(r, list, ROLE_MEMBER, addr);
    int64_t user = db_number(r->db, 0, "SELECT userid FROM mailbox WHERE addr = $1", DB_I(addr));
    int64_t value =
        db_number(r->db, PREFERENCE_UNSET,
                  "SELECT value FROM preference WHERE kind = $1 AND (until = 0 OR until > $2 + 0)"
                  " AND ((level = 1 AND owner = $3) OR (level = 2 AND owner = $4) OR (level = 3"
                  " AND owner = $5)) ORDER BY level LIMIT 1",
                  DB_I(PREFERENCE_PREFERRED_LANGUAGE), DB_I(r->now_ms), DB_I(member), DB_I(addr), DB_I(user));
    return preference_text(PREFERENCE_PREFERRED_LANGUAGE, value);
}
_Static_assert(LEVEL_MEMBER == 1 && LEVEL_ADDRESS == 2 && LEVEL_USER == 3, "the SQL above");

view languages_of(struct op_run *r, int64_t list, view list_address, int64_t addr) {
    view of_list = list_setting_text_of(r, list_address, LIST_SETTING_PREFERRED_LANGUAGE);
    view own = addr ? preferred_language(r, list, addr) : VIEW("");
    if (of_list.len == 0)
        of_list = VIEW("en");
    return own.len ? arena_printf(r->arena, "%.*s %.*s", VIEW_ARG(own), VIEW_ARG(of_list)) : of_list;
}

/* in: list, name of a template, a person's address (empty: those who look after the list). out: the
 * languages that person wants it in, the best first; the text that counts (empty: the shipped one), the
 * person's name, the list's display_name, description and info */
void op_run_LETTER_TEXT(struct op_run *r) {
    static const enum list_setting settings[] = {LIST_SETTING_DISPLAY_NAME, LIST_SETTING_DESCRIPTION,
                                                 LIST_SETTING_INFO};
    view list = vals_get_view(&r->in), name = vals_get_view(&r->in), person = vals_get_view(&r->in);
    if (!template_name_is_valid(name)) {
        op_refuse(r, ERR_SYNTAX, "no template is called %.*s", VIEW_ARG(view_slice(name, 0, 80)));
        return;
    }
    int64_t id = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(list));
    int64_t addr = db_number(r->db, 0, "SELECT id FROM address WHERE text = $1", DB_T(person));
    view languages = languages_of(r, id, list, addr), called = VIEW("");
    struct query q;
    vals_view(r->out, languages);
    vals_view(r->out, template_text_of(r, list, table[row_of(name)].name, first_of(languages)));
    db_query(r->db, &q,
             "SELECT CASE WHEN b.name = '' THEN u.name ELSE b.name END FROM mailbox b JOIN users u ON"
             " u.id = b.userid WHERE b.addr = $1",
             DB_I(addr));
    if (query_row(&q))
        called = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    vals_view(r->out, called);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        vals_view(r->out, list_setting_text_of(r, list, settings[i]));
}
