/* subscription.c: see subscription.h. */
#include "store/subscription.h"

enum waits subscription_waits(enum request_kind kind, enum policy policy, unsigned proofs) {
    bool confirms = policy == POLICY_CONFIRM || policy == POLICY_CONFIRM_THEN_MODERATE;
    bool moderates = policy == POLICY_MODERATE || policy == POLICY_CONFIRM_THEN_MODERATE;
    if (proofs & PROOF_INVITED)
        return proofs & PROOF_CONFIRMED ? WAITS_NOBODY : WAITS_SUBSCRIBER;
    if (kind == REQUEST_SUBSCRIBE && !(proofs & PROOF_VERIFIED))
        return WAITS_SUBSCRIBER; /* whoever may ask: the address is not proven to be theirs */
    if (confirms && !(proofs & PROOF_CONFIRMED))
        return WAITS_SUBSCRIBER;
    return moderates && !(proofs & PROOF_APPROVED) ? WAITS_MODERATOR : WAITS_NOBODY;
}
