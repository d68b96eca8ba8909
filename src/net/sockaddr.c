/* sockaddr.c: socket addresses from text and to text.
 *
 * Everything is compared and printed over one form, the 16 bytes of an IPv6 address with IPv4 mapped into it,
 * because a socket that listens on both families reports its IPv4 peers that way. */
#include "net/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
    ADDRESS_BYTES = 16,
    MAPPED_BYTES = 12, /* what stands before an IPv4 address mapped into IPv6, RFC 4291 2.5.5.2 */
    PORT_MAX = 65535,
    SHOWN_BYTES = 80 /* of a wrong text, in its error */
};
static const unsigned char mapped_prefix[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

static bool wrong(struct err *e, const char *what, view text) {
    view shown = view_slice(text, 0, SHOWN_BYTES);
    return err_set(e, ERR_SYNTAX, "'%.*s' is not %s", VIEW_ARG(shown), what);
}

/* Digits only: no sign, no spaces. */
static bool parse_number(view v, int max, int *ret_n) {
    int64_t n;
    if (v.len == 0 || !ascii_is_digit(v.ptr[0]) || !view_to_i64(v, &n) || n > max)
        return false;
    *ret_n = (int)n;
    return true;
}

/* The 16 bytes of "192.0.2.1" or "2001:db8::1". */
static bool parse_ip(view v, unsigned char bytes[ADDRESS_BYTES], bool *ret_ipv4) {
    char text[INET6_ADDRSTRLEN] = {0};
    if (v.len == 0 || v.len >= sizeof text || view_find(v, '\0') >= 0)
        return false;
    memcpy(text, v.ptr, v.len);
    *ret_ipv4 = inet_pton(AF_INET, text, bytes + MAPPED_BYTES) == 1;
    if (!*ret_ipv4)
        return inet_pton(AF_INET6, text, bytes) == 1;
    memcpy(bytes, mapped_prefix, MAPPED_BYTES);
    return true;
}

static void set_address(struct sockaddr_any *a, const unsigned char bytes[ADDRESS_BYTES], bool ipv4,
                        int port) {
    *a = (struct sockaddr_any){0};
    if (ipv4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        memcpy(&in.sin_addr, bytes + MAPPED_BYTES, sizeof in.sin_addr);
        memcpy(&a->storage, &in, a->len = sizeof in);
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        memcpy(&in6.sin6_addr, bytes, sizeof in6.sin6_addr);
        memcpy(&a->storage, &in6, a->len = sizeof in6);
    }
}

/* False when it is neither IPv4 nor IPv6. */
static bool get_address(const struct sockaddr_any *a, unsigned char bytes[ADDRESS_BYTES], int *ret_port) {
    if (a->storage.ss_family == AF_INET && a->len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, &a->storage, sizeof in);
        memcpy(bytes, mapped_prefix, MAPPED_BYTES);
        memcpy(bytes + MAPPED_BYTES, &in.sin_addr, sizeof in.sin_addr);
        *ret_port = ntohs(in.sin_port);
        return true;
    }
    if (a->storage.ss_family == AF_INET6 && a->len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &a->storage, sizeof in6);
        memcpy(bytes, &in6.sin6_addr, sizeof in6.sin6_addr);
        *ret_port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

static bool is_mapped(const unsigned char bytes[ADDRESS_BYTES]) {
    return memcmp(bytes, mapped_prefix, MAPPED_BYTES) == 0;
}

/* The host of "host:port". IPv6 stands in brackets, or its colons could not be told from the port's. */
static bool parse_host(view host, unsigned char bytes[ADDRESS_BYTES], bool *ret_ipv4) {
    bool brackets = view_starts_with(host, VIEW("[")) && view_ends_with(host, VIEW("]"));
    if (view_eq(host, VIEW("*"))) {
        memset(bytes, 0, ADDRESS_BYTES);
        *ret_ipv4 = false;
        return true;
    }
    if (view_eq_nocase(host, VIEW("localhost")))
        host = VIEW("127.0.0.1");
    if (brackets)
        host = view_slice(host, 1, host.len - 2);
    return parse_ip(host, bytes, ret_ipv4) && *ret_ipv4 == !brackets;
}

bool sockaddr_parse(view text, struct sockaddr_any *ret_addr, struct err *e) {
    unsigned char bytes[ADDRESS_BYTES];
    bool ipv4;
    int port;
    ptrdiff_t colon = view_rfind(text, ':');
    if (colon < 0 || !parse_host(view_slice(text, 0, (size_t)colon), bytes, &ipv4) ||
        !parse_number(view_skip(text, (size_t)colon + 1), PORT_MAX, &port))
        return wrong(e, "an address with a port, such as 127.0.0.1:25, [::1]:25 or *:25", text);
    set_address(ret_addr, bytes, ipv4, port);
    return true;
}

bool sockaddr_from_path(view path, struct sockaddr_any *ret_addr, struct err *e) {
    struct sockaddr_un *sun = (struct sockaddr_un *)&ret_addr->storage;
    *ret_addr = (struct sockaddr_any){.len = sizeof *sun};
    if (path.len >= sizeof sun->sun_path)
        return err_set(e, ERR_CONFIG, "the path of the socket %.*s is too long", VIEW_ARG(path));
    sun->sun_family = AF_UNIX;
    memcpy(sun->sun_path, path.ptr, path.len);
    return true;
}

bool sockaddr_from_ip(view ip, int port, struct sockaddr_any *ret_addr, struct err *e) {
    unsigned char bytes[ADDRESS_BYTES];
    bool ipv4;
    BUG_ON(port < 0 || port > PORT_MAX);
    if (!parse_ip(ip, bytes, &ipv4))
        return wrong(e, "an IP address", ip);
    set_address(ret_addr, bytes, ipv4, port);
    return true;
}

struct sockaddr_text sockaddr_ip(const struct sockaddr_any *a) {
    unsigned char bytes[ADDRESS_BYTES];
    struct sockaddr_text text = {"unknown"};
    int port;
    if (!get_address(a, bytes, &port))
        return text;
    if (is_mapped(bytes))
        inet_ntop(AF_INET, bytes + MAPPED_BYTES, text.s, sizeof text.s);
    else
        inet_ntop(AF_INET6, bytes, text.s, sizeof text.s);
    return text;
}

struct sockaddr_text sockaddr_format(const struct sockaddr_any *a) {
    unsigned char bytes[ADDRESS_BYTES];
    struct sockaddr_text ip = sockaddr_ip(a), text;
    int port;
    if (!get_address(a, bytes, &port))
        return ip;
    bool mapped = is_mapped(bytes);
    snprintf(text.s, sizeof text.s, "%s%.*s%s:%d", mapped ? "" : "[", INET6_ADDRSTRLEN, ip.s,
             mapped ? "" : "]", port);
    return text;
}

int sockaddr_port(const struct sockaddr_any *a) {
    unsigned char bytes[ADDRESS_BYTES];
    int port;
    return get_address(a, bytes, &port) ? port : 0;
}

bool cidr_parse(view text, struct cidr *ret_cidr, struct err *e) {
    struct cidr c;
    bool ipv4;
    ptrdiff_t slash = view_find(text, '/');
    if (!parse_ip(slash < 0 ? text : view_slice(text, 0, (size_t)slash), c.bytes, &ipv4))
        return wrong(e, "an address or network, such as 192.0.2.0/24 or 2001:db8::/32", text);
    int width = ipv4 ? 32 : 128;
    c.bits = width;
    if (slash >= 0 && !parse_number(view_skip(text, (size_t)slash + 1), width, &c.bits))
        return wrong(e, ipv4 ? "a network: /0 to /32 is needed" : "a network: /0 to /128 is needed", text);
    c.bits += 128 - width;
    *ret_cidr = c;
    return true;
}

bool cidr_match(const struct cidr *c, const struct sockaddr_any *a) {
    unsigned char bytes[ADDRESS_BYTES];
    int port;
    if (!get_address(a, bytes, &port))
        return false;
    size_t whole = (size_t)c->bits / 8, rest = (size_t)c->bits % 8;
    if (memcmp(bytes, c->bytes, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ c->bytes[whole]) >> (8 - rest)) == 0;
}
