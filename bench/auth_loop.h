/*
 * What the programs of the scene "mailauth" share: PROGRAM OPERATION FILE SECONDS, in a folder with the
 * message FILE, the private keys rsa.pem and ed25519.pem, and TXT records in `records`, a line each: "NAME
 * TEXT". They print how often they did it and the CPU seconds that took. A wrong result ends them.
 */
#ifndef BENCH_AUTH_LOOP_H
#define BENCH_AUTH_LOOP_H

#include <stddef.h>

struct auth_loop {
    const char *operation;
    char *message; /* NUL-terminated */
    size_t len;
    double seconds;
};

struct auth_loop auth_loop_init(int argc, char **argv);
/* A whole file, NUL-terminated. */
char *auth_loop_read(const char *path, size_t *ret_len);
/* Text of the record of that name; NULL: none. */
const char *auth_loop_record(const char *name);
void auth_loop_run(const struct auth_loop *l, void (*once)(void));

#endif
