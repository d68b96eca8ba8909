/* auth_speed.c: how often this library does what the bench asks (bench/mailauth.py), in CPU time of one
 * thread. auth-speed OPERATION FILE SECONDS, in a folder with a message FILE, the private keys rsa.pem and
 * ed25519.pem and the TXT records `records`, a line each: "NAME TEXT". Prints how often, in how many seconds,
 * and then, where something was signed, the last field, for others to verify. A wrong result ends it. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/check.h"
#include "auth/dkim2.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

enum { NOW = 1760000600, FILE_MOST = 4 << 20, RECORDS_MOST = 16, BATCH = 16 };

static struct {
    struct buf file, records, out, header;
    struct record_line {
        view name, text;
    } lines[RECORDS_MOST];
    size_t line_count;
    struct arena arena;
    struct signing_key rsa, ed25519;
    const struct signing_key *key; /* of the operation */
    unsigned char body_sha256[32];
    struct dkim2_prepared prepared;
    unsigned long number;
    bool new_keys; /* each record is one that was not seen before */
} b;

/* ---- DNS ---- */

/* The same key in other words, not seen for a while: two blanks are somewhere in its base64. */
static view in_other_words(view text, struct arena *a) {
    size_t start = (size_t)view_search(text, VIEW("p=")) + 2, len = text.len - start;
    size_t one = start + b.number % len, other = start + b.number / len % len;
    if (one > other) {
        size_t before = one;
        one = other;
        other = before;
    }
    return arena_printf(a, "%.*s %.*s %.*s", VIEW_ARG(view_slice(text, 0, one)),
                        VIEW_ARG(view_slice(text, one, other - one)), VIEW_ARG(view_skip(text, other)));
}

static void answer(struct answers *a) {
    size_t at = 0;
    for (struct answer *one; (one = answers_next(a, &at));) {
        struct record *r = arena_new(a->arena, struct record);
        size_t i = 0;
        while (i < b.line_count && !view_eq(b.lines[i].name, one->name))
            i++;
        bool found = r && one->type == RECORD_TXT && i < b.line_count;
        if (found)
            r->data = b.new_keys ? in_other_words(b.lines[i].text, a->arena) : b.lines[i].text;
        answers_set(a, one, ANSWER_NO_NAME, r, found);
    }
}

static void read_records(void) {
    view rest = buf_view(&b.records), line;
    while (view_split(&rest, '\n', &line) && b.line_count < RECORDS_MOST) {
        struct record_line *l = &b.lines[b.line_count++];
        view_split(&line, ' ', &l->name);
        l->text = line;
    }
}

/* ---- what is done once ---- */

static void verify(void) {
    struct answers a;
    struct dkim_verdict v;
    answers_init(&a, &b.arena);
    for (;;) {
        dkim_verify(buf_view(&b.file), NULL, NOW, &a, &v);
        if (v.result != DKIM_WAITS)
            break;
        answer(&a);
    }
    BUG_ON(v.result != DKIM_PASS);
}

static void verify_new(void) {
    b.new_keys = true;
    verify();
}

static void check(void) {
    struct answers a;
    struct auth_verdict v;
    struct auth_query q = {.spf = {.client = VIEW("\300\0\2\001"),
                                   .helo = VIEW("mx.bench.example"),
                                   .sender = VIEW("author@bench.example"),
                                   .receiver = VIEW("mx.example"),
                                   .now_s = NOW},
                           .message = buf_view(&b.file),
                           .now_s = NOW};
    answers_init(&a, &b.arena);
    while (!auth_check(&q, &a, &v))
        answer(&a);
    BUG_ON(v.spf.result != SPF_PASS || v.dkim.result != DKIM_PASS || v.dmarc.result != DMARC_PASS);
}

/* All of a message, as it is when there is one copy. */
static void sign(void) {
    struct dkim_signing s = {.keys = {b.key}, .key_count = 1, .now_s = NOW};
    unsigned char digest[32];
    view message = buf_view(&b.file);
    size_t header = (size_t)view_search(message, VIEW("\r\n\r\n")) + 2;
    canon_body_digest(CANON_RELAXED, view_skip(message, header + 2), -1, digest);
    dkim_sign(&s, view_slice(message, 0, header), digest, &b.out);
}

/* One of a list's copies, whose body is hashed and whose header has a field of its own. */
static void make_header(void) {
    view message = buf_view(&b.file);
    buf_reset(&b.header);
    buf_printf(&b.header, "List-Unsubscribe: <https://lists.bench.example/u/%lu>\r\n", b.number);
    buf_add(&b.header, view_slice(message, 0, (size_t)view_search(message, VIEW("\r\n\r\n")) + 2));
}

static void copy(void) {
    struct dkim_signing s = {.keys = {b.key}, .key_count = 1, .now_s = NOW};
    make_header();
    dkim_sign(&s, buf_view(&b.header), b.body_sha256, &b.out);
}

static void copy_both(void) {
    struct dkim_signing s = {.keys = {&b.ed25519, &b.rsa}, .key_count = 2, .now_s = NOW};
    make_header();
    dkim_sign(&s, buf_view(&b.header), b.body_sha256, &b.out);
}

static void copy_dkim2(void) {
    struct dkim2_signing s = {.keys = {b.key}, .now_s = NOW, .next_domain = VIEW("")};
    view to = arena_printf(&b.arena, "member%lu@example.net", b.number);
    struct dkim2_envelope e = {
        .sender = arena_printf(&b.arena, "list-bounces+member%lu=example.net@lists.bench.example", b.number),
        .recipients = &to,
        .recipient_count = 1};
    dkim2_sign(&b.prepared, &s, &e, &b.out);
}

static const struct operation {
    const char *name;
    const struct signing_key *key;
    void (*once)(void);
} operations[] = {
    {"verify", NULL, verify},
    {"verify-new", NULL, verify_new},
    {"check", NULL, check},
    {"sign-rsa", &b.rsa, sign},
    {"sign-ed25519", &b.ed25519, sign},
    {"copy-rsa", &b.rsa, copy},
    {"copy-ed25519", &b.ed25519, copy},
    {"copy-both", NULL, copy_both},
    {"dkim2-rsa", &b.rsa, copy_dkim2},
    {"dkim2-ed25519", &b.ed25519, copy_dkim2},
};

/* ---- the loop ---- */

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const struct operation *o, double seconds) {
    b.key = o->key;
    o->once(); /* what is made once in a process's life */
    double begin = cpu_s(), taken = 0;
    do {
        for (int i = 0; i < BATCH; i++, b.number++) {
            buf_reset(&b.out);
            arena_reset(&b.arena);
            o->once();
        }
        taken = cpu_s() - begin;
    } while (taken < seconds);
    printf("%lu %.6f\n", b.number, taken);
}

static void read_key(struct signing_key *k, const char *path, const char *selector, bool ed25519) {
    FILE *f = fopen(path, "r");
    k->domain = VIEW("bench.example");
    k->selector = view_of(selector);
    k->ed25519 = ed25519;
    k->key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    BUG_ON(!k->key);
    fclose(f);
}

static void prepare(void) {
    static struct arena kept;
    struct buf made = BUF_INIT(FILE_MOST);
    view message = buf_view(&b.file);
    arena_init(&kept, LIMIT_STEP_ARENA);
    canon_body_digest(CANON_RELAXED, view_skip(message, (size_t)view_search(message, VIEW("\r\n\r\n")) + 4),
                      -1, b.body_sha256);
    BUG_ON(dkim2_add_instance(VIEW(""), message, &kept, &made) != DKIM2_INSTANCE_ADDED);
    buf_add(&made, message);
    BUG_ON(!dkim2_prepare(buf_view(&made), &kept, &b.prepared));
    buf_done(&made);
}

int main(int argc, char **argv) {
    struct err e;
    size_t i = 0;
    while (argc == 4 && i < COUNT_OF(operations) && strcmp(operations[i].name, argv[1]) != 0)
        i++;
    if (argc != 4 || i == COUNT_OF(operations)) {
        fputs("usage: auth-speed OPERATION FILE SECONDS\n", stderr);
        return 2;
    }
    b.file = b.records = b.out = b.header = BUF_INIT(FILE_MOST);
    arena_init(&b.arena, LIMIT_STEP_ARENA);
    if (!file_read(argv[2], &b.file, &e) || !file_read("records", &b.records, &e)) {
        fprintf(stderr, "auth-speed: %s\n", e.text);
        return 2;
    }
    read_records();
    read_key(&b.rsa, "rsa.pem", "r", false);
    read_key(&b.ed25519, "ed25519.pem", "e", true);
    prepare();
    measure(&operations[i], strtod(argv[3], NULL));
    fwrite(b.out.data, 1, b.out.len, stdout);
    return 0;
}
