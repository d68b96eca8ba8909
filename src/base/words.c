/* words.c: see words.h. */
#include "base/words.h"

bool words_find(const char *words, view word, int64_t *ret_value) {
    view rest = view_of(words), piece;
    for (int64_t value = 0; view_split(&rest, ' ', &piece); value++)
        if (view_eq(piece, word)) {
            *ret_value = value;
            return true;
        }
    return false;
}

/* The word of a value; its ptr is NULL when there is none. */
static view at(const char *words, int64_t value) {
    view rest = view_of(words), piece;
    while (value >= 0 && view_split(&rest, ' ', &piece))
        if (value-- == 0)
            return piece;
    return (view){.ptr = NULL};
}

bool words_has(const char *words, int64_t value) {
    return at(words, value).ptr != NULL;
}

view words_at(const char *words, int64_t value) {
    view found = at(words, value);
    return found.ptr ? found : VIEW("?");
}
