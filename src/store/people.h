/* people.h: how operations on memberships and users are told what is meant. */
#ifndef STORE_PEOPLE_H
#define STORE_PEOPLE_H

/* By what memberships are looked for, beside what filters them. */
enum find_by { FIND_BY_NOTHING, FIND_BY_ADDRESS, FIND_BY_PATTERN, FIND_BY_USER };

enum find_user { FIND_USER_ANY, FIND_USER_OWNER, FIND_USER_TEXT };

/* What is said of a user. */
enum user_what { USER_NAME = 1, USER_PASSWORD = 2, USER_SERVER_OWNER = 4 };

#endif
