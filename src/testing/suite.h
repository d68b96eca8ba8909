/* suite.h: what runners of the public suites (scripts/suites) share: the cases of a JSON file are run one
 * after the other, and counted. Only the suite's own key `contested` excuses a case. */
#ifndef TESTING_SUITE_H
#define TESTING_SUITE_H

#include <jansson.h>

#include "base/arena.h"

struct suite {
    const char *runner;
    const char *file;    /* in the folder: an array of cases, */
    const char *member;  /* or an object that has it under this name */
    const char *name;    /* member of a case that names it when it fails; NULL: the case tells itself */
    struct arena *arena; /* reset behind each case */
    size_t arena_bytes;
    /* all: what the file holds. */
    bool (*passes)(const char *folder, const json_t *all, const json_t *test);
};

/* The exit status: 0 when cases were run, and none failed that is not excused. */
int suite_main(int argc, char **argv, const struct suite *s);

/* A string of a case; empty: there is none. */
view suite_text(const json_t *test, const char *key);

#endif
