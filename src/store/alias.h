/* alias.h: what the operations on aliases share, and what an import tells the store to do. */
#ifndef STORE_ALIAS_H
#define STORE_ALIAS_H

#include "store/op.h"

/* The source of what people set one by one. */
#define ALIAS_MANUAL "manual"
/* alias.ended of an entry that has no end. */
#define ALIAS_NEVER INT64_C(1000000000000)

/* What ALIAS_STAGE does to an entry of the version behind the live one. */
enum alias_action {
    ALIAS_ADD = 1, /* it begins */
    ALIAS_END,     /* it is in the live version and ends */
    ALIAS_GO_ON,   /* an import that stopped before had ended it: it does not end */
    ALIAS_FORGET,  /* an import that stopped before had begun it: it does not begin */
};

/* What ALIAS_LS shows. */
enum alias_view {
    ALIAS_SEEN = 0,   /* the entries that are seen */
    ALIAS_IMPORT = 1, /* for who imports a source: its entries, staged ones too, and what is seen of others */
};

#endif
