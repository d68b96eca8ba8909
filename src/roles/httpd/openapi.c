/* openapi.c: GET openapi.json: what there is, as an OpenAPI 3.1 document made from the tables of routes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "roles/httpd/resources.h"

static const struct {
    enum method method;
    const char *name;
} methods[] = {{METHOD_GET, "get"},
               {METHOD_POST, "post"},
               {METHOD_PUT, "put"},
               {METHOD_PATCH, "patch"},
               {METHOD_DELETE, "delete"}};

static const char *name_of(enum method method) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "get";
}

/* ---- what may be given ---- */

static json_t *words_json(const struct param_spec *p) {
    json_t *list = json_array();
    view rest = view_of(p->words), word;
    while (view_split(&rest, ' ', &word))
        json_array_append_new(list, json_text(word));
    if (p->blank)
        json_array_append_new(list, json_string(""));
    return json_pack("{ssso}", "type", "string", "enum", list);
}

static json_t *schema_of(const struct param_spec *p) {
    switch (p->type) {
    case PARAM_BOOL:
        return json_pack("{ss}", "type", "boolean");
    case PARAM_NUMBER:
        return json_pack("{sssi}", "type", "integer", "minimum", 0);
    case PARAM_WORD:
        return words_json(p);
    case PARAM_TEXTS:
        return json_pack("{sss{ss}}", "type", "array", "items", "type", "string");
    case PARAM_REGEX:
        return json_pack("{ssss}", "type", "string", "format", "regex");
    case PARAM_TEXT:
        break;
    }
    return json_pack("{ss}", "type", "string");
}

static void add_parameter(json_t *list, const char *name, const char *in, bool required, json_t *schema) {
    json_array_append_new(
        list, json_pack("{sssssbso}", "name", name, "in", in, "required", required, "schema", schema));
}

static void add_path_parameters(struct call *c, json_t *list, const char *path) {
    view rest = view_of(path), word;
    while (view_split(&rest, '/', &word))
        if (word.len > 2 && word.ptr[0] == '{')
            add_parameter(list, arena_str(c->arena, view_slice(word, 1, word.len - 2)), "path", true,
                          json_pack("{ss}", "type", "string"));
}

static json_t *body_of(const struct route *r) {
    json_t *properties = json_object(), *required = json_array(), *schema;
    for (size_t i = 0; i < r->param_count; i++) {
        json_object_set_new(properties, r->params[i].name, schema_of(&r->params[i]));
        if (r->params[i].required)
            json_array_append_new(required, json_string(r->params[i].name));
    }
    bool must = json_array_size(required) > 0;
    schema = json_pack("{ssso}", "type", "object", "properties", properties);
    if (must)
        json_object_set(schema, "required", required);
    json_decref(required);
    return json_pack("{sbs{s{sO}s{so}}}", "required", must, "content", "application/x-www-form-urlencoded",
                     "schema", schema, "application/json", "schema", schema);
}

/* ---- operations ---- */

static json_t *responses_of(const struct route *r) {
    const char *done = r->method == METHOD_GET ? "200" : r->method == METHOD_POST ? "2XX" : "204";
    return json_pack("{s{ss}s{ss}s{ss}s{ss}}", done, "description", "Done", "400", "description",
                     "What is given is refused: why is in \"description\"", "401", "description",
                     "No key, or a wrong one", "404", "description", "There is no such thing");
}

static json_t *operation_of(struct call *c, const struct route *r) {
    json_t *o = json_object(), *parameters = json_array();
    json_object_set_new(o, "summary", json_string(r->summary));
    add_path_parameters(c, parameters, r->path);
    for (size_t i = 0; r->method == METHOD_GET && i < r->param_count; i++)
        add_parameter(parameters, r->params[i].name, "query", r->params[i].required,
                      schema_of(&r->params[i]));
    if (json_array_size(parameters) > 0)
        json_object_set(o, "parameters", parameters);
    json_decref(parameters);
    if (r->method != METHOD_GET && r->param_count > 0)
        json_object_set_new(o, "requestBody", body_of(r));
    json_object_set_new(o, "responses", responses_of(r));
    return o;
}

static json_t *paths_of(struct call *c) {
    json_t *paths = json_object();
    for (size_t t = 0; rest_tables[t]; t++)
        for (size_t i = 0; i < rest_tables[t]->count; i++) {
            const struct route *r = &rest_tables[t]->items[i];
            const char *path = arena_str(c->arena, arena_printf(c->arena, "/%s", r->path));
            json_t *item = json_object_get(paths, path);
            if (!item) {
                item = json_object();
                json_object_set_new(paths, path, item);
            }
            json_object_set_new(item, name_of(r->method), operation_of(c, r));
        }
    return paths;
}

static void document(struct call *c) {
    json_t *o = json_object();
    json_object_set_new(o, "openapi", json_string("3.1.0"));
    json_object_set_new(o, "info",
                        json_pack("{ssssss}", "title", "Postroad", "version", POSTROAD_VERSION, "description",
                                  "The REST interface of Mailman 3 as Postroad answers it"));
    json_object_set_new(o, "servers", json_pack("[{so}]", "url", json_text(c->base)));
    json_object_set_new(o, "security", json_pack("[{s[]}]", "key"));
    json_object_set_new(o, "paths", paths_of(c));
    json_object_set_new(
        o, "components",
        json_pack("{s{s{ssss}}}", "securitySchemes", "key", "type", "http", "scheme", "basic"));
    char *text = json_dumps(o, JSON_ENSURE_ASCII);
    BUG_ON(!text);
    buf_add_str(&c->out, text);
    c->status = 200;
    free(text);
    json_decref(o);
}

static const struct route table[] = {
    {METHOD_GET, "openapi.json", document, "This document"},
};
ROUTES(openapi_routes, table);
