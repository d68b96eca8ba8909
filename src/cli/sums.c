/* sums.c: SHA256SUMS: "<hex>  <name>", a name with a backslash or an end of line escaped as sha256sum does
 * it. */
#include "cli/bundle.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { SUMS_BYTES_MAX = 1 << 30, CHUNK = 256 * 1024, HEX = 64 };

void sums_add(struct sums *s, view name, const char sha256[65]) {
    if (s->count == s->room)
        s->rows = mem_resize(s->rows, s->room = s->room ? 2 * s->room : 64, sizeof *s->rows);
    struct sum *row = &s->rows[s->count++];
    row->name = mem_view(name);
    memcpy(row->sha256, sha256, sizeof row->sha256);
}

void sums_format(const struct sums *s, struct buf *out) {
    for (size_t i = 0; i < s->count; i++) {
        const char *name = s->rows[i].name;
        bool escaped = strpbrk(name, "\\\n\r") != NULL;
        buf_printf(out, "%s%s  ", escaped ? "\\" : "", s->rows[i].sha256);
        for (; *name; name++) {
            if (*name == '\\' || *name == '\n' || *name == '\r')
                buf_add_char(out, '\\');
            buf_add_char(out, *name == '\n' ? 'n' : *name == '\r' ? 'r' : *name);
        }
        buf_add_char(out, '\n');
    }
}

static bool is_hex(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_digit(v.ptr[i]) && !(v.ptr[i] >= 'a' && v.ptr[i] <= 'f'))
            return false;
    return v.len == HEX;
}

static bool read_line(struct sums *s, view line) {
    char hex[HEX + 1] = "";
    bool escaped = view_starts_with(line, VIEW("\\"));
    view sum = view_slice(view_skip(line, escaped), 0, HEX), name = view_skip(line, escaped + HEX + 2);
    if (!is_hex(sum) || !view_starts_with(view_skip(line, escaped + HEX), VIEW("  ")) || !name.len ||
        name.ptr[0] == '/' || memchr(name.ptr, '\0', name.len))
        return false;
    memcpy(hex, sum.ptr, HEX);
    struct buf plain = BUF_INIT(name.len);
    for (; name.len; name = view_skip(name, 1)) {
        char c = name.ptr[0];
        if (escaped && c == '\\' && name.len > 1) {
            name = view_skip(name, 1);
            c = name.ptr[0] == 'n' ? '\n' : name.ptr[0] == 'r' ? '\r' : name.ptr[0];
        }
        buf_add_char(&plain, c);
    }
    sums_add(s, buf_view(&plain), hex);
    buf_done(&plain);
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sum *)a)->name, ((const struct sum *)b)->name);
}

bool sums_read(const char *dir, struct sums *ret, struct err *e) {
    FREE_AUTO char *path = mem_printf("%s/" BUNDLE_SUMS, dir);
    struct buf text = BUF_INIT(SUMS_BYTES_MAX);
    *ret = (struct sums){0};
    bool ok = file_read(path, &text, e);
    if (!ok && e->code == ERR_NOT_FOUND)
        err_set(e, ERR_NOT_FOUND, "%s is no backup: it has no " BUNDLE_SUMS, dir);
    view rest = buf_view(&text), line;
    if (ok && !view_ends_with(rest, VIEW("\n")))
        ok = err_set(e, ERR_DAMAGED, "%s: its end is missing", path);
    for (size_t number = 1; ok && view_split(&rest, '\n', &line); number++)
        ok = read_line(ret, line) ||
             err_set(e, ERR_DAMAGED, "%s, line %zu: not the SHA-256 of a file", path, number);
    if (ok)
        qsort(ret->rows, ret->count, sizeof *ret->rows, by_name);
    buf_done(&text);
    return ok;
}

const struct sum *sums_find(const struct sums *s, const char *name) {
    struct sum key = {.name = mem_str(name)};
    const struct sum *found = s->count ? bsearch(&key, s->rows, s->count, sizeof key, by_name) : NULL;
    free(key.name);
    return found;
}

void sums_done(struct sums *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->rows[i].name);
    free(s->rows);
    *s = (struct sums){0};
}

bool sum_file(int fd, int64_t length, char ret_sha256[65], struct err *e) {
    unsigned char digest[HEX / 2];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    FREE_AUTO char *piece = mem_alloc(CHUNK);
    BUG_ON(!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1);
    bool ok = true;
    for (int64_t done = 0; ok && done < length;) {
        ssize_t n = pread(fd, piece, (size_t)(length - done < CHUNK ? length - done : CHUNK), done);
        if (n < 0 && errno == EINTR)
            continue;
        ok = n > 0 ||
             (n < 0 ? err_errno(e, ERR_IO, "cannot read") : err_set(e, ERR_DAMAGED, "it is too short"));
        BUG_ON(n > 0 && EVP_DigestUpdate(md, piece, (size_t)n) != 1);
        done += n;
    }
    BUG_ON(EVP_DigestFinal_ex(md, digest, NULL) != 1);
    EVP_MD_CTX_free(md);
    for (int i = 0; i < HEX / 2; i++) {
        ret_sha256[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_sha256[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret_sha256[HEX] = '\0';
    return ok;
}
