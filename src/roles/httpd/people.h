/* people.h: what the resources about memberships, users and addresses share. */
#ifndef ROLES_HTTPD_PEOPLE_H
#define ROLES_HTTPD_PEOPLE_H

#include "roles/httpd/resources.h"

#define ACTION_WORDS   "hold reject discard accept defer" /* as enum moderation, from HOLD on */
#define MEMBER_ROLES   "member owner moderator nonmember" /* as enum member_role, from MEMBER on */
#define DELIVERY_MODES "regular plaintext_digests mime_digests summary_digests"
#define DELIVERY_STATI "enabled by_user by_bounces by_moderator unknown"

/* ---- people.c ---- */

/* One page of a collection that the operation finds; `args` are those in front of where it starts. */
struct found {
    int64_t total, start;
    int64_t *ids;
    size_t count;
};
/* False: answered. */
bool find_ids(struct call *c, enum op op, view args, struct found *ret);
void reply_found(struct call *c, const struct found *f,
                 bool (*entries)(struct call *c, const int64_t *ids, size_t count));
/* An operation on some ids; the caller ends the request. */
bool ask_ids(struct call *c, struct store_request *q, enum op op, const int64_t *ids, size_t count);
/* What was answered is taken back. */
void unanswer(struct call *c);
/* A pattern of LIKE that finds the text anywhere, or (stars) one in which "*" is any text. In lower case. */
view pattern_of(struct call *c, view text, bool stars);
/* The list's address. False without an answer: there is none. */
bool list_of_id(struct call *c, view list_id, view *ret_address);
/* The registration of an address, in whatever case; as a view that the store knows when it is none. */
view address_of_text(struct call *c, view text);

/* ---- users (rest_user.c) ---- */

struct user_row {
    int64_t id, created, server_owner, preferred;
    view name, password; /* the arena's */
};
/* By id, or any of the addresses. False: answered, with 404 when there is none. */
bool find_user(struct call *c, view name, struct user_row *ret);
bool find_user_of_id(struct call *c, int64_t id, struct user_row *ret);
json_t *user_json(struct call *c, const struct user_row *u);
/* What is kept of the password that is given, or of one that nobody knows. False: answered. */
bool password_given(struct call *c, const char *param, view *ret_kept);

/* ---- addresses (rest_address.c) ---- */

struct address_row {
    int64_t id, registered, verified, userid;
    view email, original, name; /* the arena's */
};
/* False: answered, with 404 when there is none. */
bool find_address(struct call *c, view text, struct address_row *ret);
bool find_address_of_id(struct call *c, int64_t id, struct address_row *ret);
json_t *address_json(struct call *c, const struct address_row *a);
bool address_entries(struct call *c, const int64_t *ids, size_t count);

/* ---- memberships (rest_member.c) ---- */

struct member_row {
    int64_t id, role, addr, userid, follows, status, mode, action, score, last, warnings, warned;
    view list, email, name; /* the arena's */
};
bool find_member(struct call *c, int64_t id, struct member_row *ret);
/* list: its address or List-Id, in any case of letters. */
bool find_member_of(struct call *c, view list, int64_t role, view address, struct member_row *ret);
/* With these fields, or (names NULL) all. */
json_t *member_json(struct call *c, const struct member_row *m, const view *names, size_t count);

/* What is looked for; -1 (role: 0) is anything. */
struct member_wish {
    int64_t how; /* enum find_by */
    view text;
    int64_t userid;
    view list;
    int64_t role, action, mode, status;
};
#define ANY_MEMBER                                                                                           \
    { .text = VIEW(""), .list = VIEW(""), .action = -1, .mode = -1, .status = -1 }
void members_reply(struct call *c, const struct member_wish *w);
#define MEMBERS_PARAMS                                                                                       \
    PAGE_PARAMS, {                                                                                           \
        "fields", PARAM_TEXTS                                                                                \
    }
/* The id of the membership. False: answered, with 404 when there is none. */
bool find_membership(struct call *c, view list, int64_t role, view address, int64_t *ret_id);

/* ---- requests (rest_subscribe.c) ---- */

extern const struct param_spec member_create_params[11];
void member_create(struct call *c);

enum { TOKEN_SIZE = 41 };
void make_token(char ret[TOKEN_SIZE]);
/* Somebody has to answer first; the letter that asks is owed by the list (store/owed.h). */
struct waiting {
    view token;
    int64_t waits; /* enum waits */
};
/* 202, with the token. */
void reply_waiting(struct call *c, const struct waiting *w);
/* Letters may be owed now: router looks at once. */
void hurry_letters(struct call *c);

#endif
