/* domain.h: what LOOKUP says about the domain of an address. */
#ifndef STORE_DOMAIN_H
#define STORE_DOMAIN_H

enum domain_state {
    DOMAIN_ELSEWHERE,     /* mail for it is not taken from everybody */
    DOMAIN_HERE,          /* its addresses are the lists and aliases of this instance */
    DOMAIN_RELAY,         /* passed on to the domain's transport, and so is this address */
    DOMAIN_RELAY_UNKNOWN, /* passed on, but this address is not on the list of its recipients */
};

#endif
