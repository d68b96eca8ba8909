/* list_address.h: the addresses of a list beside its own: LIST-owner, LIST-join and the like, as Mailman has
 * them. */
#ifndef MAIL_LIST_ADDRESS_H
#define MAIL_LIST_ADDRESS_H

#include "mail/address.h"

enum list_part {
    LIST_PART_NONE,
    LIST_PART_OWNER,   /* -owner, -admin: to those who look after it */
    LIST_PART_BOUNCES, /* -bounces: what comes back; behind a plus the member (verp.h) */
    LIST_PART_REQUEST, /* -request: commands in subject and text */
    LIST_PART_JOIN,    /* -join, -subscribe */
    LIST_PART_LEAVE,   /* -leave, -unsubscribe; behind a plus the key of unsubscribe.h */
    LIST_PART_CONFIRM  /* -confirm; behind a plus the token of a request */
};

/* What a normalised address asks of which list. *ret_list: the local part of the list's address; *ret_detail:
 * what stands behind the plus, or empty. Both are set for parts only. Whether there is such a list is the
 * caller's question. */
enum list_part list_part_of(view address, view *ret_list, view *ret_detail);

/* An address of the list beside its own: "owner" is LIST-owner@DOMAIN. */
view list_part_address(view list, const char *part, struct arena *a);
/* Who runs the server that the list is on (routing/postmaster.h). */
view list_site_address(view list, struct arena *a);
/* "ant.example.com" of ant@example.com (RFC 2919). */
view list_id_of(view list, struct arena *a);
/* What a list is called that nobody gave a name: "Test-1" of test-1@example.com. */
view list_name_for_people(view list, struct arena *a);

#endif
