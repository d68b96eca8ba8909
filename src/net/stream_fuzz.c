/* stream_fuzz.c: the lines a stream takes do not depend on how the octets arrive.
 *
 * The first octet of an input chooses the longest line, the second the size of the pieces; the rest is sent
 * twice through a socket, in one piece and in small ones. */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4 * 1024, IN_LIMIT = 300 };

static void check_line(view line, size_t max) {
    BUG_ON(line.len + 2 > max || view_find(line, '\r') >= 0 || view_find(line, '\n') >= 0);
}

/* Every line, and what was wrong with the others. */
static void take_lines(struct stream *s, size_t max, bool *skipping, struct buf *seen) {
    view line;
    for (;;) {
        if (*skipping && !stream_skip_line(s))
            return;
        *skipping = false;
        struct err e = {0};
        int taken = stream_take_line(s, max, &line, &e);
        if (taken == 0)
            return;
        *skipping = taken < 0 && e.code == ERR_LIMIT_LINE;
        BUG_ON(taken < 0 && !*skipping && e.code != ERR_BARE_CR_LF);
        if (taken > 0) {
            check_line(line, max);
            buf_add(seen, line);
        }
        buf_add(seen, taken > 0 ? VIEW("\n") : *skipping ? VIEW("\rL") : VIEW("\rB"));
    }
}

static void run(view input, size_t max, size_t piece, struct buf *seen) {
    int fds[2];
    struct stream s;
    bool skipping = false;
    BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0);
    stream_init(&s, fds[0], IN_LIMIT, 1);
    while (input.len > 0) {
        view part = view_slice(input, 0, piece);
        BUG_ON(send(fds[1], part.ptr, part.len, MSG_NOSIGNAL) != (ssize_t)part.len);
        input = view_skip(input, part.len);
        while (stream_fill(&s, 200) == STREAM_READY)
            take_lines(&s, max, &skipping, seen);
        BUG_ON(stream_peek(&s).len >= max);
    }
    close(fds[1]);
    BUG_ON(stream_fill(&s, 200) != STREAM_CLOSED || !stream_ok(&s));
    stream_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > INPUT_MAX)
        return 0;
    struct buf whole = BUF_INIT(8 * INPUT_MAX), pieces = BUF_INIT(8 * INPUT_MAX);
    view input = view_from(data + 2, size - 2);
    size_t max = 2 + data[0];
    run(input, max, SIZE_MAX, &whole);
    run(input, max, 1 + (size_t)data[1], &pieces);
    BUG_ON(whole.failed || !view_eq(buf_view(&whole), buf_view(&pieces)));
    buf_done(&whole);
    buf_done(&pieces);
    return 0;
}
