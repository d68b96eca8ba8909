/* tls_memory.c: blocks of one size in a region of their own, the last one freed first in use again. When all
 * are taken the heap serves. */
#include "net/tls_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LEAST = 8 << 10, BLOCK = 24 << 10, BLOCKS = 8192 };

static char *region;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint16_t unused[BLOCKS]; /* blocks that were freed */
static unsigned unused_count, touched_count;
static bool dirty[BLOCKS];

static bool is_block(const void *p) {
    return region && (const char *)p >= region && (const char *)p < region + (size_t)BLOCK * BLOCKS;
}

static void *take_block(void) {
    char *p = NULL;
    pthread_mutex_lock(&lock);
    if (unused_count > 0)
        p = region + (size_t)unused[--unused_count] * BLOCK;
    else if (touched_count < BLOCKS)
        p = region + (size_t)touched_count++ * BLOCK;
    pthread_mutex_unlock(&lock);
    return p;
}

static void give_block(char *p) {
    size_t i = (size_t)(p - region) / BLOCK;
    pthread_mutex_lock(&lock);
    dirty[i] = true;
    unused[unused_count++] = (uint16_t)i;
    pthread_mutex_unlock(&lock);
}

static void *allocate(size_t size, const char *file, int line) {
    (void)file, (void)line;
    void *p = size >= LEAST && size <= BLOCK ? take_block() : NULL;
    return p ? p : malloc(size);
}

static void release(void *p, const char *file, int line) {
    (void)file, (void)line;
    if (is_block(p))
        give_block(p);
    else
        free(p);
}

static void *resize(void *p, size_t size, const char *file, int line) {
    bool fits_block = size >= LEAST && size <= BLOCK;
    if (!p)
        return allocate(size, file, line);
    if (is_block(p) && fits_block)
        return p;
    if (!is_block(p) && !fits_block)
        return realloc(p, size);
    size_t old = is_block(p) ? BLOCK : malloc_usable_size(p);
    void *moved = allocate(size, file, line);
    if (moved) {
        memcpy(moved, p, old < size ? old : size);
        release(p, file, line);
    }
    return moved;
}

void tls_memory_install(void) {
    if (region)
        return;
    void *p = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return;
    region = p;
    madvise(region, (size_t)BLOCK * BLOCKS, MADV_NOHUGEPAGE);
    if (CRYPTO_set_mem_functions(allocate, resize, release))
        return;
    munmap(region, (size_t)BLOCK * BLOCKS);
    region = NULL;
}

void tls_memory_trim(void) {
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < unused_count; i++) {
        if (dirty[unused[i]])
            madvise(region + (size_t)unused[i] * BLOCK, BLOCK, MADV_DONTNEED);
        dirty[unused[i]] = false;
    }
    pthread_mutex_unlock(&lock);
}
