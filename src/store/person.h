/* person.h: addresses, the users they belong to and memberships; for operations only. */
#ifndef STORE_PERSON_H
#define STORE_PERSON_H

#include "store/event.h"
#include "store/op.h"
#include "store/preference.h"
#include "store/role.h"

/* The list's number; 0: refused, it is not here. */
int64_t need_list(struct op_run *r, view address);
/* By its address, or its List-Id without brackets; 0: there is none. */
int64_t list_by_name(struct op_run *r, view name);
/* The first of `count` new ids of users and memberships. */
int64_t person_ids(struct op_run *r, int64_t count);

/* A known address and whose it is; addr 0: it is not registered. */
struct mailbox {
    int64_t addr, site, userid, verified;
};
struct mailbox mailbox_find(struct op_run *r, view address);
/* As above, or the operation is refused. */
bool need_mailbox(struct op_run *r, view address, struct mailbox *ret);
/* Register an address, with a user of its own that gets the id, unless it is registered. `original`: as its
 * owner writes it, or empty. */
void mailbox_make(struct op_run *r, view address, view original, view name, int64_t userid);

/* It goes, with all its memberships, and its user with the last one. Returns how many memberships ended. */
int64_t mailbox_forget(struct op_run *r, const struct mailbox *b, view who);
/* A user without any address is nobody. */
void user_forget_if_empty(struct op_run *r, int64_t userid);
/* An event about that address: "by=WHO WHAT". */
void person_record(struct op_run *r, enum event_kind kind, int64_t addr, view who, view what);
/* Prefer it, or (PREFERENCE_UNSET) nothing any more. */
void preference_put(struct op_run *r, enum preference_level level, int64_t owner, int64_t kind, int64_t value,
                    int64_t until);

/* By the list, its domain or the site (op_rules.c). An expression that fails counts as a ban. */
bool address_is_banned(struct op_run *r, view list, view address);

struct membership {
    int64_t list;
    enum member_role role;
    int64_t follows; /* 1: the user's preferred address, whichever that is */
};
/* Unless the registered address is one already. `id`: its own. What it prefers is for memberships_refresh. */
void membership_make(struct op_run *r, const struct membership *m, view address, int64_t id);
/* 0: there is none. */
int64_t membership_find(struct op_run *r, int64_t list, enum member_role role, int64_t addr);
/* SQL: of a row of `member`, the nearest level that says something about the preference; $1 is the time.
 * ("+ 0": SQLite compiles a statement anew for each value of a parameter that an index with a condition on
 * that column could be of use for.) */
#define MEMBER_PREFERS(kind)                                                                                 \
    "coalesce((SELECT value FROM preference WHERE level = 1 AND owner = member.id AND kind = " kind          \
    " AND (until = 0 OR until > $1 + 0)),"                                                                   \
    " (SELECT value FROM preference WHERE level = 2 AND owner = member.addr AND kind = " kind                \
    " AND (until = 0 OR until > $1 + 0)),"                                                                   \
    " (SELECT p.value FROM mailbox b JOIN preference p ON p.level = 3 AND p.owner = b.userid AND p.kind "    \
    "= " kind " WHERE b.addr = member.addr AND (p.until = 0 OR p.until > $1 + 0)), 0)"
/* What the rows of memberships say follows what is preferred now, by that membership, address or user. */
void memberships_refresh(struct op_run *r, enum preference_level level, int64_t owner);
/* What a program says of a membership: -1 nothing. */
void membership_prefers(struct op_run *r, int64_t id, int64_t mode, int64_t status);
/* "by=me role=owner": of what is no plain membership the role is told. */
view membership_done_by(struct op_run *r, view who, enum member_role role);
/* It ends, with what was preferred for it. */
void membership_end(struct op_run *r, int64_t id);
/* A nonmember for whom nothing is preferred any more is forgotten; others stay. */
void nonmember_end(struct op_run *r, int64_t id);

#endif
