/* web.h: what all requests of this role by HTTP have in common: nothing is learnt from the environment, no
 * signals, a time limit, and an end when the process stops. */
#ifndef ROLES_DELIVER_WEB_H
#define ROLES_DELIVER_WEB_H

#include <curl/curl.h>

#include "base/buf.h"

struct web {
    const char *protocols; /* "https" */
    long most_ms;
    bool (*stopping)(void); /* asked now and then; true ends the request */
    struct buf *answer;     /* what is answered is appended, up to its limit; NULL: passed over */
};
void web_prepare(CURL *curl, const char *uri, const struct web *w);

#endif
