/* rest_user.c: users. */
#include "roles/httpd/resources.h"

bool user_entries(struct call *c, const int64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        view id = text_of_id(c, ids[i]);
        entry_add(c, json_pack("{soso}", "self_link", json_link(c, "users/%.*s", VIEW_ARG(id)), "user_id",
                               json_id(c, ids[i])));
    }
    return true;
}
