/* member.h: what commands about memberships and users have in common. */
#ifndef CLI_MEMBER_H
#define CLI_MEMBER_H

#include "cli/cli.h"
#include "store/preference.h"
#include "store/role.h"

/* --name, the name of a person; empty when it is not given. */
bool cli_person_name(struct cli *c, view *ret_name, struct err *e);

/* --role; ROLE_MEMBER when it is not given. */
bool cli_role(struct cli *c, enum member_role *ret_role, struct err *e);

/* Whose preferences, as the operations PREFER and PREFERENCES read it. */
struct prefers {
    enum preference_level level;
    view address, list; /* list: of a membership, else empty */
    enum member_role role;
};
void prefers_args(const struct prefers *p, struct buf *args);
/* Words from the one with that number on are NAME=VALUE; all are checked before the first is set. */
bool prefers_set(struct cli *c, const struct prefers *p, size_t first, struct err *e);
/* "delivery_status=by_user until 2026-12-01..., hide_address=true", or "". */
bool prefers_text(struct cli *c, const struct prefers *p, view *ret, struct err *e);

#endif
