/* lookup.h: what the tables say about one address; for operations only. */
#ifndef STORE_LOOKUP_H
#define STORE_LOOKUP_H

#include "store/domain.h"
#include "store/op.h"

/* Which version of each alias source counts: read once, so that one answer is of one state even while an
 * import becomes visible. */
struct alias_versions {
    struct {
        view name;
        int64_t version;
    } of[LIMIT_ALIAS_SOURCES];
    size_t count;
};

/* What is seen now; what was seen at a time (ms). Names live in the run's arena. */
void alias_versions_live(struct op_run *r, struct alias_versions *ret);
void alias_versions_at(struct op_run *r, int64_t at_ms, struct alias_versions *ret);
/* 0: before the first version, in which nothing is. */
int64_t alias_version_of(const struct alias_versions *v, view source);
/* The entry is there in the version of its source that counts. */
bool alias_counts(const struct alias_versions *v, view source, int64_t first, int64_t ended);

enum lead_how {
    LEAD_NOWHERE,
    LEAD_ALIAS,  /* targets of the alias `key`: the address itself, its domain's catch-all, or the same in
                    the domain whose alias_domain it is */
    LEAD_OWNER,  /* LIST-owner to owners and moderators */
    LEAD_DETAIL, /* user+detail to user */
};

/* Where one address leads in one step. */
struct lead {
    enum domain_state domain;
    int64_t list; /* it is this list, or LIST-owner or the like of it; 0: none */
    view list_address;
    enum lead_how how;
    view key;
    struct buf targets; /* views; lead_done() frees */
    int64_t count;
};

/* By rank: a list or alias of just that name, LIST-owner and the like, the address without its
 * "+detail", a known recipient of a relay domain, the catch-all "@domain". */
void lead_find(struct op_run *r, const struct alias_versions *v, view address, struct lead *ret);
void lead_done(struct lead *l);

/* The addresses a walk has still to look at, each once. */
struct lead_walk {
    view *addresses;
    size_t *from; /* which one led there */
    size_t count;
};

bool lead_walk_init(struct op_run *r, view address, struct lead_walk *ret);
/* Add the targets of address number `from` that are new. */
void lead_walk_add(struct op_run *r, struct lead_walk *w, size_t from, view targets);

/* The domain of an address is one whose mail is taken, or the operation is refused. */
bool domain_is_here(struct op_run *r, view address);
bool alias_is_live(struct op_run *r, view address);

#endif
