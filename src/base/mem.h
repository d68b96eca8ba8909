/* mem.h: heap allocation that cannot fail (running out of memory aborts) and cleanup attributes. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/view.h"

void *mem_alloc(size_t size);                     /* zeroed */
void *mem_resize(void *p, size_t n, size_t size); /* n elements; new ones are not zeroed; checks overflow */
char *mem_str(const char *s);                     /* copy; NULL stays NULL */
char *mem_view(view v);                           /* NUL-terminated copy */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void mem_free_ptr(void *pp); /* frees *(void **)pp */
void mem_close_fd(int *fd);

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#define FREE_AUTO  __attribute__((cleanup(mem_free_ptr)))
#define CLOSE_AUTO __attribute__((cleanup(mem_close_fd)))

#endif
