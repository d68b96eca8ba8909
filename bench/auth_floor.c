/*
 * The least that mail authentication costs: OpenSSL alone (raw-*: a hash, a signature), and a bare loop that
 * takes a DKIM signature apart once and then only finds the fields, makes header and body canonical, hashes
 * and verifies, with a key that is parsed. It checks nothing else that a verifier must.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth_loop.h"
#include "util.h"

enum { NAMES_MOST = 64, FIELDS_MOST = 64, DATA_MOST = 1 << 20 };

struct piece {
    const char *at;
    size_t len, name; /* name: before the colon */
};

static struct auth_loop loop;
static EVP_PKEY *key;
static EVP_MD *sha256;
static EVP_MD_CTX *context;
static bool ed25519;
static char names[NAMES_MOST][64]; /* of h= */
static size_t name_count;
static unsigned char signature[1024], body_hash[64], digest[32];
static size_t signature_len;
static char data[DATA_MOST]; /* canonical */
static struct piece own;     /* without b= */
static char own_text[8192];

/* ---- once ---- */

static EVP_PKEY *read_key(const char *path) {
    FILE *f = fopen(path, "r");
    EVP_PKEY *found = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    if (!found)
        die("no key in %s", path);
    fclose(f);
    return found;
}

static size_t decode(const char *from, const char *end, unsigned char *to, size_t cap) {
    char text[2048];
    size_t n = 0, padding = 0;
    for (; from < end && *from != ';' && n < sizeof text; from++)
        if (!strchr(" \t\r\n", *from))
            text[n++] = *from;
    while (padding < n && text[n - 1 - padding] == '=')
        padding++;
    if (n / 4 * 3 > cap || EVP_DecodeBlock(to, (unsigned char *)text, (int)n) < 0)
        die("no base64");
    return n / 4 * 3 - padding;
}

static struct piece field_at(const char *p) {
    const char *end = p;
    do {
        end = strstr(end, "\r\n");
        end = end ? end + 2 : p + strlen(p);
    } while (*end == ' ' || *end == '\t');
    return (struct piece){p, (size_t)(end - p), strcspn(p, ":")};
}

static void read_names(const char *h) {
    for (size_t n; *h && *h != ';' && name_count < NAMES_MOST; h += *h == ':') {
        h += strspn(h, " \t\r\n");
        n = strcspn(h, ": \t\r\n;");
        snprintf(names[name_count++], sizeof names[0], "%.*s", (int)n, h);
        h += n + strspn(h + n, " \t\r\n");
    }
}

/* The signature is on top, as dkimpy writes it: "; h=", "; bh=", "; b=" with a fold or a space before each.
 */
static const char *tag_at(struct piece f, const char *tag) {
    for (const char *p = f.at; (p = strstr(p, tag)) && p < f.at + f.len; p++)
        if (strchr(" \t\n;", p[-1]))
            return p + strlen(tag);
    die("no %s", tag);
}

static void read_signature(void) {
    struct piece f = field_at(loop.message);
    const char *b = tag_at(f, "b="), *end = f.at + f.len;
    read_names(tag_at(f, "h="));
    decode(tag_at(f, "bh="), end, body_hash, sizeof body_hash);
    signature_len = decode(b, end, signature, sizeof signature);
    snprintf(own_text, sizeof own_text, "%.*s\r\n", (int)(b - f.at), f.at);
    own = field_at(own_text);
}

/* ---- often ---- */

static size_t canonical_field(struct piece f, char *to) {
    const char *p = f.at, *end = f.at + f.len - 2;
    char *out = to;
    for (; p < f.at + f.name; p++)
        *out++ = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    *out++ = *p++;
    bool blank = false, begun = false;
    for (; p < end; p++) {
        if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n') {
            blank = true;
            continue;
        }
        if (blank && begun)
            *out++ = ' ';
        blank = false;
        begun = true;
        *out++ = *p;
    }
    *out++ = '\r';
    *out++ = '\n';
    return (size_t)(out - to);
}

static size_t canonical_body(const char *p, const char *end, char *to) {
    char *out = to, *last = to; /* behind the last line that is not empty */
    bool blank = false;
    for (; p < end; p++) {
        if (*p == ' ' || *p == '\t') {
            blank = true;
        } else if (*p == '\r') {
            blank = false;
            *out++ = '\r';
            *out++ = '\n';
            p++;
        } else {
            if (blank)
                *out++ = ' ';
            blank = false;
            *out++ = *p;
            last = out;
        }
    }
    if (last > to) {
        *last++ = '\r';
        *last++ = '\n';
    }
    return (size_t)(last - to);
}

static size_t canonical_header(const char *p, const char **ret_body) {
    struct piece fields[FIELDS_MOST];
    bool taken[FIELDS_MOST] = {false};
    size_t count = 0, n = 0;
    for (; strncmp(p, "\r\n", 2) != 0 && count < FIELDS_MOST; count++) {
        fields[count] = field_at(p);
        p += fields[count].len;
    }
    *ret_body = p + 2;
    for (size_t k = 0; k < name_count; k++)
        for (size_t i = count; i-- > 1;) /* 0: the signature itself */
            if (!taken[i] && fields[i].name == strlen(names[k]) &&
                strncasecmp(fields[i].at, names[k], fields[i].name) == 0) {
                taken[i] = true;
                n += canonical_field(fields[i], data + n);
                break;
            }
    return n + canonical_field(own, data + n) - 2;
}

static void verify(void) {
    const char *body;
    size_t header = canonical_header(loop.message, &body);
    size_t len = canonical_body(body, loop.message + loop.len, data + header);
    EVP_Digest(data + header, len, digest, NULL, sha256, NULL);
    if (memcmp(digest, body_hash, sizeof digest) != 0)
        die("another body");
    EVP_MD_CTX_reset(context);
    bool good;
    if (ed25519) {
        EVP_Digest(data, header, digest, NULL, sha256, NULL);
        good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestVerify(context, signature, signature_len, digest, sizeof digest) == 1;
    } else {
        good = EVP_DigestVerifyInit(context, NULL, sha256, NULL, key) == 1 &&
               EVP_DigestVerify(context, signature, signature_len, (unsigned char *)data, header) == 1;
    }
    if (!good)
        die("another signature");
}

/* Of 32 octets: for RSA what EVP_DigestSign() does behind the hash. */
static void raw_sign(void) {
    size_t len = sizeof signature;
    EVP_MD_CTX_reset(context);
    if (EVP_DigestSignInit(context, NULL, ed25519 ? NULL : sha256, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &len, digest, sizeof digest) != 1)
        die("cannot sign");
}

static void raw_hash(void) {
    EVP_Digest(loop.message, loop.len, digest, NULL, sha256, NULL);
}

int main(int argc, char **argv) {
    loop = auth_loop_init(argc, argv);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    context = EVP_MD_CTX_new();
    ed25519 = strstr(loop.operation, "ed25519") != NULL;
    key = read_key(ed25519 ? "ed25519.pem" : "rsa.pem");
    if (strncmp(loop.operation, "raw-sign", 8) == 0) {
        auth_loop_run(&loop, raw_sign);
    } else if (strcmp(loop.operation, "raw-hash") == 0) {
        auth_loop_run(&loop, raw_hash);
    } else {
        read_signature();
        auth_loop_run(&loop, verify);
    }
    return 0;
}
