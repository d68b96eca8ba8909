/* arena.c: blocks that allocations are cut from one after the other.
 *
 * Blocks double in size, so a small session stays small and a big one makes few calls. One block survives
 * arena_reset(), which makes a step that allocates little free of malloc(). Arenas hide overruns and stale
 * pointers from AddressSanitizer; so in its builds everything not handed out is poisoned, and a red zone
 * follows each allocation. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, len)   ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = 16, FIRST_BLOCK = 256, LARGEST_BLOCK = 64 * 1024 };

struct arena_block {
    struct arena_block *next; /* older */
    size_t size;              /* of data */
    size_t used;
    size_t reserved; /* makes the header a multiple of ALIGN */
    char data[];
};
_Static_assert(sizeof(struct arena_block) % ALIGN == 0, "data[] must be aligned");

static char empty[1];

void arena_init(struct arena *a, size_t limit_bytes) {
    *a = (struct arena){.limit = limit_bytes};
}

static void block_free(struct arena_block *block) {
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
    free(block);
}

void arena_reset(struct arena *a) {
    struct arena_block *kept = NULL;
    for (struct arena_block *block = a->blocks, *next; block; block = next) {
        next = block->next;
        if (kept || block->size > LARGEST_BLOCK) {
            block_free(block);
        } else {
            kept = block;
            kept->next = NULL;
            kept->used = 0;
            ASAN_POISON_MEMORY_REGION(kept->data, kept->size);
        }
    }
    *a = (struct arena){.blocks = kept, .limit = a->limit};
}

void arena_done(struct arena *a) {
    arena_reset(a);
    if (a->blocks)
        block_free(a->blocks);
    a->blocks = NULL;
}

static void block_add(struct arena *a, size_t needed) {
    size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < needed)
        size = needed;
    struct arena_block *block = mem_resize(NULL, 1, sizeof *block + size);
    *block = (struct arena_block){.next = a->blocks, .size = size};
    ASAN_POISON_MEMORY_REGION(block->data, size);
    a->blocks = block;
}

void *arena_alloc(struct arena *a, size_t size) {
    size_t needed = size > 0 ? size : 1; /* an empty piece takes room too, so it counts */
    if (a->failed || needed > a->limit - a->used || needed > PTRDIFF_MAX - ALIGN - RED_ZONE) {
        a->failed = true;
        return NULL;
    }
    size_t step = (needed + ALIGN - 1) / ALIGN * ALIGN;
    /* Padding counts too, or a million single bytes would cost sixteen times the limit; but the last
     * allocation may reach the limit exactly. */
    a->used = step < a->limit - a->used ? a->used + step : a->limit;
    if (!a->blocks || step + RED_ZONE > a->blocks->size - a->blocks->used)
        block_add(a, step + RED_ZONE);
    void *p = a->blocks->data + a->blocks->used;
    a->blocks->used += step + RED_ZONE;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    memset(p, 0, size);
    return p;
}

void *arena_alloc_n(struct arena *a, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        bytes = SIZE_MAX; /* beyond any limit */
    return arena_alloc(a, bytes);
}

char *arena_str(struct arena *a, view v) {
    char *copy = v.len < SIZE_MAX ? arena_alloc(a, v.len + 1) : NULL;
    if (!copy)
        return empty;
    if (v.len > 0)
        memcpy(copy, v.ptr, v.len);
    return copy;
}

view arena_view(struct arena *a, view v) {
    const char *copy = arena_str(a, v);
    return a->failed ? (view){empty, 0} : (view){copy, v.len};
}

view arena_lower(struct arena *a, view v) {
    char *copy = arena_alloc_n(a, v.len, 1);
    for (size_t i = 0; copy && i < v.len; i++)
        copy[i] = ascii_lower(v.ptr[i]);
    return copy ? (view){copy, v.len} : (view){empty, 0};
}

view arena_printf(struct arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return text ? (view){text, (size_t)len} : (view){empty, 0};
}
