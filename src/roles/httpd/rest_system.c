/* rest_system.c: what this server is. */
#include "base/words.h"
#include "lists/mailman_configuration.h"
#include "roles/httpd/resources.h"

static void versions(struct call *c) {
    json_t *o = json_object();
    json_object_set_new(o, "mailman_version", json_string(MAILMAN_VERSION));
    json_object_set_new(o, "python_version", json_string("3.11"));
    json_object_set_new(o, "api_version", json_string(c->old ? "3.0" : "3.1"));
    json_object_set_new(o, "self_link", json_link(c, "system/versions"));
    reply_object(c, 200, o);
}

/* What counts where nobody prefers anything (store/preference.h). */
static void preferences(struct call *c) {
    json_t *o = json_object();
    json_object_set_new(o, "acknowledge_posts", json_false());
    json_object_set_new(o, "delivery_mode", json_string("regular"));
    json_object_set_new(o, "delivery_status", json_string("enabled"));
    json_object_set_new(o, "hide_address", json_true());
    json_object_set_new(o, "receive_list_copy", json_true());
    json_object_set_new(o, "receive_own_postings", json_true());
    json_object_set_new(o, "preferred_language", json_string("en"));
    json_object_set_new(o, "self_link", json_link(c, "system/preferences"));
    reply_object(c, 200, o);
}

static void reply_words(struct call *c, const char *name, const char *words) {
    json_t *list = json_array(), *o = json_object();
    view rest = view_of(words), word;
    while (view_split(&rest, ' ', &word))
        json_array_append_new(list, json_text(word));
    json_object_set_new(o, name, list);
    reply_object(c, 200, o);
}

static void pipelines(struct call *c) {
    reply_words(c, "pipelines", "default-owner-pipeline default-posting-pipeline virgin");
}

static void chains(struct call *c) {
    reply_words(c, "chains",
                "accept default-owner-chain default-posting-chain discard dmarc header-match hold moderation "
                "reject");
}

static void plugins(struct call *c) {
    if (c->old)
        reply_title(c, 404);
    else if (params_check(c))
        reply_array(c, json_array());
}

/* Numbers of users end with them: there is nothing to cull. */
static void nothing_to_do(struct call *c) {
    reply_empty(c);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "system", versions, "The versions of this server"},
    {METHOD_GET, "system/versions", versions, "The versions of this server"},
    {METHOD_GET, "system/preferences", preferences, "What counts where nobody prefers anything"},
    {METHOD_GET, "system/pipelines", pipelines, "Names of what edits posts"},
    {METHOD_GET, "system/chains", chains, "Names of what judges posts"},
    {METHOD_GET, "plugins", plugins, "Plugins: none", PARAMS(page_params)},
    {METHOD_DELETE, "reserved/uids/orphans", nothing_to_do, "Forget numbers of nobody"},
#ifdef POSTROAD_TEST_HOOKS
    {METHOD_GET, "reserved/reset", nothing_to_do, "For tests of clients"},
#endif
};
ROUTES(system_routes, table);
