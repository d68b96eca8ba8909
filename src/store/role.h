/* role.h: what somebody is on a list. A nonmember has a row only where something is preferred for it, and
 * while it is. */
#ifndef STORE_ROLE_H
#define STORE_ROLE_H

enum member_role { ROLE_ANY = 0, ROLE_MEMBER = 1, ROLE_OWNER = 2, ROLE_MODERATOR = 3, ROLE_NONMEMBER = 4 };
#define ROLE_WORDS "any member owner moderator nonmember" /* as base/words.h reads it */

#endif
