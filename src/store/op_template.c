/* op_template.c: where the texts are that people get from lists: addresses of documents, by scope as settings
 * have it (op_admin.c). */
#include "store/event.h"
#include "store/list_setting.h"

/* in: scope, who does it, count of templates, each: name, URI (empty: none from now on), user name and
 * password for the server it is on, or both empty */
void op_run_TEMPLATE_SET(struct op_run *r) {
    view scope = vals_get_view(&r->in), who = vals_get_view(&r->in);
    if (!need_scope(r, scope))
        return;
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(scope));
    for (size_t count = vals_get_count(&r->in); count > 0; count--) {
        view name = vals_get_view(&r->in), uri = vals_get_view(&r->in);
        view username = vals_get_view(&r->in), password = vals_get_view(&r->in);
        if (uri.len == 0)
            db_run(r->db, "DELETE FROM template WHERE scope = $1 AND name = $2", DB_T(scope), DB_T(name));
        else
            db_run(r->db,
                   "INSERT INTO template(scope, name, uri, username, password) VALUES($1, $2, $3, $4, $5)"
                   " ON CONFLICT(scope, name) DO UPDATE SET uri = excluded.uri, username = excluded.username,"
                   " password = excluded.password",
                   DB_T(scope), DB_T(name), DB_T(uri), DB_T(username), DB_T(password));
        event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, scope,
                     arena_printf(r->arena, "by=%.*s template %.*s=%.*s", VIEW_ARG(who), VIEW_ARG(name),
                                  VIEW_ARG(view_slice(uri, 0, LIMIT_EVENT_TEXT))));
    }
}

/* in: scope. out: name, URI, user name, password, by name */
void op_run_TEMPLATE_LS(struct op_run *r) {
    view scope = vals_get_view(&r->in);
    struct query q;
    if (!need_scope(r, scope))
        return;
    db_query(r->db, &q, "SELECT name, uri, username, password FROM template WHERE scope = $1 ORDER BY name",
             DB_T(scope));
    while (query_row(&q))
        for (int i = 0; i < 4; i++)
            vals_view(r->out, query_text(&q, i));
}
