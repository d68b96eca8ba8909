/* spf_private.h: what the files of SPF share. */
#ifndef AUTH_SPF_PRIVATE_H
#define AUTH_SPF_PRIVATE_H

#include "auth/spf.h"

/* RFC 7208 4.6.4. */
enum { SPF_LOOKUPS = 10, SPF_VOID_LOOKUPS = 2, SPF_NAMES = 10 };

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_directive {
    enum spf_result qualifier; /* PASS, FAIL, SOFTFAIL or NEUTRAL */
    enum spf_mechanism mechanism;
    view text; /* as written */
    view spec; /* domain-spec, unexpanded; empty: the domain itself */
    int ip4_prefix, ip6_prefix;
    unsigned char network[16]; /* of ip4 and ip6 */
};

/* Directives are not kept: a record of 64 kB has tens of thousands. */
struct spf_record {
    view terms;
    view redirect, exp; /* domain-specs; ptr NULL: not given */
};

/* spf_record.c. False: a syntax error, named in *ret_why. */
bool spf_parse(view record, struct spf_record *ret, const char **ret_why);
/* The next directive of what spf_parse() has let pass; begin with *rest = its terms. False: no more. */
bool spf_next(view *rest, struct spf_directive *ret);

/* One check_host() (RFC 7208 4). */
struct spf_run {
    const struct spf_query *query;
    struct answers *answers;
    struct spf_verdict *verdict;
    view client; /* 4 or 16 octets */
    view sender; /* with a local part */
    view helo;
    int lookups, voids, depth;
};

/* spf_macro.c: a macro-string is well-formed (RFC 7208 7.1). `exp`: with the letters of explanations. A
 * domain-spec also ends as a domain name does. */
bool spf_macros_are_valid(view text, bool exp);
bool spf_domain_spec_is_valid(view text);
/* Expand it for that domain. WAITS: for %{p}. NONE: there is no such text, or no such name: the local part of
 * a domain-spec is no ASCII (RFC 8616 4), or it is far too long. Else PASS. A domain-spec (not exp) that
 * becomes too long loses labels from its left. */
enum spf_result spf_expand(struct spf_run *r, view text, view domain, bool exp, view *ret);

/* spf.c: the client's names that lead back to it (RFC 7208 5.5), those first that are `domain` or below.
 * False: answers are wanted. *ret_name: the best one, or empty. `below`: only such. */
bool spf_validated_name(struct spf_run *r, view domain, bool below, view *ret_name);

#endif
