/* See auth_loop.h. */
#include "auth_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util.h"

enum { BATCH = 16 };

char *auth_loop_read(const char *path, size_t *ret_len) {
    struct buf b = {0};
    FILE *f = fopen(path, "rb");
    if (!f)
        die("cannot open %s", path);
    for (size_t n = 1; n > 0; b.len += n) {
        buf_reserve(&b, 65537);
        n = fread(b.data + b.len, 1, 65536, f);
    }
    fclose(f);
    b.data[b.len] = '\0';
    *ret_len = b.len;
    return b.data;
}

const char *auth_loop_record(const char *name) {
    static char *records;
    size_t len;
    static char found[4096];
    if (!records)
        records = auth_loop_read("records", &len);
    for (const char *line = records; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        len = strlen(name);
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            snprintf(found, sizeof found, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
            return found;
        }
    }
    return NULL;
}

struct auth_loop auth_loop_init(int argc, char **argv) {
    struct auth_loop l = {0};
    if (argc != 4)
        die("usage: %s OPERATION FILE SECONDS", argv[0]);
    l.operation = argv[1];
    l.message = auth_loop_read(argv[2], &l.len);
    l.seconds = strtod(argv[3], NULL);
    return l;
}

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void auth_loop_run(const struct auth_loop *l, void (*once)(void)) {
    unsigned long n = 0;
    once(); /* what is made once in a process's life */
    double begin = cpu_s(), taken;
    do {
        for (int i = 0; i < BATCH; i++, n++)
            once();
        taken = cpu_s() - begin;
    } while (taken < l->seconds);
    printf("%lu %.6f\n", n, taken);
}
