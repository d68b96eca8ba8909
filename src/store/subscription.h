/* subscription.h: what a subscription, or its end, still needs. Pure; decided inside the transaction that
 * acts on it, so that two answers at once are one after the other. */
#ifndef STORE_SUBSCRIPTION_H
#define STORE_SUBSCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

enum request_kind { REQUEST_SUBSCRIBE = 1, REQUEST_UNSUBSCRIBE = 2 };

/* As settings subscription_policy and unsubscription_policy have them. */
enum policy { POLICY_OPEN, POLICY_CONFIRM, POLICY_MODERATE, POLICY_CONFIRM_THEN_MODERATE };

/* What is known. VERIFIED: the address is the subscriber's; CONFIRMED: they want it; APPROVED: a moderator,
 * or who has that right, wants it; INVITED: it was offered, so the subscriber's yes is all that is needed. */
enum proof { PROOF_VERIFIED = 1, PROOF_CONFIRMED = 2, PROOF_APPROVED = 4, PROOF_INVITED = 8 };

/* Kept with the proofs: what the subscriber hears when it is done, if it is not what the list says; and those
 * who look after the list. */
enum { SUBSCRIBE_QUIETLY = 16, SUBSCRIBE_WELCOME = 32, OWNERS_QUIETLY = 64, OWNERS_TOLD = 128 };

/* What becomes of one of many. NOT: it is an address of a list's. */
enum subscribed {
    SUBSCRIBED,
    SUBSCRIBED_WAITS,
    SUBSCRIBED_ALREADY,
    SUBSCRIBED_PENDING,
    SUBSCRIBED_BANNED,
    SUBSCRIBED_NOT
};

/* What is said to a request; REJECT: no, and who asked hears of it. */
enum request_answer { ANSWER_NO, ANSWER_YES, ANSWER_REJECT };

enum waits { WAITS_NOBODY, WAITS_SUBSCRIBER, WAITS_MODERATOR };

enum waits subscription_waits(enum request_kind kind, enum policy policy, unsigned proofs);

#endif
