/* role.h: what somebody is on a list. */
#ifndef STORE_ROLE_H
#define STORE_ROLE_H

enum role { ROLE_ANY = 0, ROLE_MEMBER = 1, ROLE_OWNER = 2, ROLE_MODERATOR = 3 };
#define ROLE_WORDS "any member owner moderator" /* as base/words.h reads it */

#endif
