/* encoded_word_fuzz.c: any value is decoded to at most three octets for each of its own. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mail/encoded_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf out = BUF_INIT(3 * size + 1);
    encoded_words_decode(view_from(data, size), &out);
    BUG_ON(out.failed);
    buf_done(&out);
    return 0;
}
