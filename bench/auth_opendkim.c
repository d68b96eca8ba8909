/* Signatures verified and made by libopendkim, the library of OpenDKIM, with one handle of the library for
 * all and the keys' records from memory. See auth_loop.h. */
#include <dkim.h>
#include <stdio.h>
#include <string.h>

#include "auth_loop.h"
#include "util.h"

static struct auth_loop loop;
static DKIM_LIB *library;
static char *private_key;

static DKIM_CBSTAT find_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *to, size_t cap) {
    (void)dkim;
    char name[512];
    snprintf(name, sizeof name, "%s._domainkey.%s", (char *)dkim_sig_getselector(sig),
             (char *)dkim_sig_getdomain(sig));
    const char *text = auth_loop_record(name);
    snprintf((char *)to, cap, "%s", text ? text : "");
    return text ? DKIM_CBSTAT_CONTINUE : DKIM_CBSTAT_NOTFOUND;
}

/* Field by field and the body in one go: dkim_chunk() copies it all first. */
static void feed(DKIM *dkim) {
    char *p = loop.message;
    while (strncmp(p, "\r\n", 2) != 0) {
        char *end = p;
        do
            end = strstr(end, "\r\n") + 2;
        while (*end == ' ' || *end == '\t');
        if (dkim_header(dkim, (u_char *)p, (size_t)(end - p) - 2) != DKIM_STAT_OK)
            die("a field was refused");
        p = end;
    }
    p += 2;
    if (dkim_eoh(dkim) != DKIM_STAT_OK ||
        dkim_body(dkim, (u_char *)p, loop.len - (size_t)(p - loop.message)) != DKIM_STAT_OK)
        die("the message was refused");
}

static void verify(void) {
    DKIM_STAT stat;
    DKIM *dkim = dkim_verify(library, (const u_char *)"bench", NULL, &stat);
    if (!dkim)
        die("no handle");
    feed(dkim);
    if (dkim_eom(dkim, NULL) != DKIM_STAT_OK)
        die("not verified: %s", dkim_geterror(dkim) ? dkim_geterror(dkim) : "");
    dkim_free(dkim);
}

static void sign(void) {
    DKIM_STAT stat;
    u_char field[4096];
    DKIM *dkim = dkim_sign(library, (const u_char *)"bench", NULL, (dkim_sigkey_t)private_key,
                           (const u_char *)"r", (const u_char *)"bench.example", DKIM_CANON_RELAXED,
                           DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256, -1, &stat);
    if (!dkim)
        die("no handle");
    feed(dkim);
    if (dkim_eom(dkim, NULL) != DKIM_STAT_OK || dkim_getsighdr(dkim, field, sizeof field, 0) != DKIM_STAT_OK)
        die("not signed");
    dkim_free(dkim);
}

int main(int argc, char **argv) {
    size_t len;
    loop = auth_loop_init(argc, argv);
    library = dkim_init(NULL, NULL);
    private_key = auth_loop_read("rsa.pem", &len);
    dkim_set_key_lookup(library, find_key);
    auth_loop_run(&loop, strncmp(loop.operation, "verify", 6) == 0 ? verify : sign);
    return 0;
}
