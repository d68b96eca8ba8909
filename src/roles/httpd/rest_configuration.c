/* rest_configuration.c: system/configuration: what clients of Mailman 3.3 look for there
 * (lists/mailman_configuration.h).
 */
#include "lists/mailman_configuration.h"
#include "roles/httpd/resources.h"

static void sections_ls(struct call *c) {
    json_t *list = json_array();
    view rest = view_of(configuration_sections), one;
    while (view_split(&rest, ' ', &one))
        json_array_append_new(list, json_text(one));
    reply_object(c, 200,
                 json_pack("{soso}", "sections", list, "self_link", json_link(c, "system/configuration")));
}

static void section_show(struct call *c) {
    view name = c->variables[0];
    if (!configuration_has(name)) {
        reply_error(c, 404, "404 Not Found");
        return;
    }
    size_t count;
    struct configuration_value *values = configuration_of(c->role->config, name, c->arena, &count);
    json_t *o = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(o, arena_str(c->arena, values[i].key), json_text(values[i].value));
    json_object_set_new(o, "self_link", json_link(c, "system/configuration/%.*s", VIEW_ARG(name)));
    reply_object(c, 200, o);
}

static const struct route table[] = {
    {METHOD_GET, "system/configuration", sections_ls, "The sections of the configuration"},
    {METHOD_GET, "system/configuration/{section}", section_show, "What a section says"},
};
ROUTES(configuration_routes, table);
