/* edition.h: what the archive keeps of a post a list has made an edition of. */
#ifndef STORE_EDITION_H
#define STORE_EDITION_H

enum edition_kept {
    KEPT_POST = 0,     /* the post as it came */
    KEPT_EDITION = 1,  /* the edition: the list took something out */
    KEPT_ANONYMOUS = 2 /* the edition, and the list in place of the sender */
};

/* What else holds for its copies. */
enum edition_flags {
    EDITION_DKIM2 = 1,     /* they are signed with DKIM2 */
    EDITION_NEW_CHAIN = 2, /* of which nobody may learn what the post was before */
    EDITION_OWN_FROM = 4   /* From is the list's making, also where nothing forbids the author's */
};

#endif
