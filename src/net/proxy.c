/* proxy.c: PROXY protocol, the text of version 1 ("PROXY TCP4 source destination port port") and the binary
 * header of version 2. Lengths are checked before anything is read; nothing is guessed. */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum {
    V1_BYTES = 107, /* most of a line with CRLF */
    V2_FIXED = 16,  /* signature, version and command, family, length */
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    TCP4_BYTES = 12, /* two addresses, two ports */
    TCP6_BYTES = 36
};
static const view v2_signature = {"\r\n\r\n\0\r\nQUIT\n", 12};

/* Is `in` the beginning of `whole`, or longer and begins with it? */
static bool fits(view in, view whole) {
    return in.len < whole.len ? view_starts_with(whole, in) : view_starts_with(in, whole);
}

static bool take_port(view v, int *ret_port) {
    int64_t n;
    if (v.len == 0 || v.len > 5 || !ascii_is_digit(v.ptr[0]) || !view_to_i64(v, &n) || n > 65535)
        return false;
    *ret_port = (int)n;
    return true;
}

/* "TCP4 source destination port port" */
static bool parse_v1(view line, struct proxy *p) {
    view word[5];
    size_t n = 0;
    while (n < 5 && view_split(&line, ' ', &word[n]))
        n++;
    if (n < 5 || line.len > 0)
        return false;
    bool v4 = view_eq(word[0], VIEW("TCP4"));
    int source, destination;
    struct sockaddr_any to;
    if ((!v4 && !view_eq(word[0], VIEW("TCP6"))) || !take_port(word[3], &source) ||
        !take_port(word[4], &destination) || !sockaddr_from_ip(word[1], source, &p->source, NULL) ||
        !sockaddr_from_ip(word[2], destination, &to, NULL))
        return false;
    sa_family_t family = v4 ? AF_INET : AF_INET6;
    return p->source.storage.ss_family == family && to.storage.ss_family == family;
}

static enum proxy_state take_v1(view in, struct proxy *p, size_t *ret_len) {
    view head = view_slice(in, 0, V1_BYTES);
    ptrdiff_t end = view_search(head, VIEW("\r\n"));
    if (end < 0)
        return in.len < V1_BYTES ? PROXY_MORE : PROXY_WRONG;
    view rest = view_skip(view_slice(in, 0, (size_t)end), sizeof "PROXY " - 1);
    *ret_len = (size_t)end + 2;
    p->own = view_eq(rest, VIEW("UNKNOWN")) || view_starts_with(rest, VIEW("UNKNOWN "));
    return p->own || (view_ends_with(rest, VIEW(" ")) == false && parse_v1(rest, p)) ? PROXY_WHOLE
                                                                                     : PROXY_WRONG;
}

static uint16_t get_u16(const char *p) {
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void set_v4(const char *block, struct proxy *p) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(get_u16(block + 8))};
    memcpy(&in.sin_addr, block, sizeof in.sin_addr);
    p->source = (struct sockaddr_any){.len = sizeof in};
    memcpy(&p->source.storage, &in, sizeof in);
}

static void set_v6(const char *block, struct proxy *p) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(get_u16(block + 32))};
    memcpy(&in6.sin6_addr, block, sizeof in6.sin6_addr);
    p->source = (struct sockaddr_any){.len = sizeof in6};
    memcpy(&p->source.storage, &in6, sizeof in6);
}

static enum proxy_state take_v2(view in, struct proxy *p, size_t *ret_len) {
    if (in.len < V2_FIXED)
        return PROXY_MORE;
    unsigned command = (unsigned char)in.ptr[12], family = (unsigned char)in.ptr[13];
    size_t len = get_u16(in.ptr + 14);
    if ((command != V2_LOCAL && command != V2_PROXY) || V2_FIXED + len > LIMIT_PROXY_HEADER)
        return PROXY_WRONG;
    if (in.len < V2_FIXED + len)
        return PROXY_MORE;
    const char *block = in.ptr + V2_FIXED;
    *ret_len = V2_FIXED + len;
    p->own = command == V2_LOCAL || family == 0 || family >> 4 == 3;
    if (p->own)
        return PROXY_WHOLE;
    if (family == V2_TCP4 && len >= TCP4_BYTES)
        set_v4(block, p);
    else if (family == V2_TCP6 && len >= TCP6_BYTES)
        set_v6(block, p);
    else
        return PROXY_WRONG;
    return PROXY_WHOLE;
}

enum proxy_state proxy_parse(view in, struct proxy *ret_proxy, size_t *ret_len) {
    struct proxy p = {.own = false};
    size_t len = 0;
    enum proxy_state state = PROXY_WRONG;
    if (in.len == 0)
        return PROXY_MORE;
    if (fits(in, VIEW("PROXY ")))
        state = in.len < sizeof "PROXY " - 1 ? PROXY_MORE : take_v1(in, &p, &len);
    else if (fits(in, v2_signature))
        state = take_v2(in, &p, &len);
    if (state == PROXY_WHOLE) {
        *ret_proxy = p;
        *ret_len = len;
    }
    return state;
}
