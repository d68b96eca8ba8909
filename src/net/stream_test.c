/* stream_test.c: lines in, text out, over plain sockets. tls_test.c does the same over TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/stream.h"

enum { FOREVER_MS = 60 * 1000, LIMIT = 64 * 1024 };

static int64_t later(void) {
    return clock_mono_ms() + FOREVER_MS;
}

/* A stream and the bare socket of its peer. */
static int open_pair(struct stream *s, size_t in_limit, size_t out_limit) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    stream_init(s, fds[0], in_limit, out_limit);
    return fds[1];
}

static void feed(int fd, view v) {
    assert_int_equal(send(fd, v.ptr, v.len, MSG_NOSIGNAL), v.len);
}

static void assert_view(view v, const char *text) {
    FREE_AUTO char *copy = mem_view(v);
    assert_string_equal(copy, text);
    assert_int_equal(v.len, strlen(text));
}

/* Every line as "[line]", too long as "L", a bare CR or LF as "B". */
static void note_lines(struct stream *s, size_t max, bool *skipping, struct buf *out) {
    view line;
    for (;;) {
        if (*skipping && !stream_skip_line(s))
            return;
        *skipping = false;
        struct err e = {0};
        int taken = stream_take_line(s, max, &line, &e);
        if (taken == 0)
            return;
        if (taken > 0) {
            buf_add_char(out, '[');
            buf_add(out, line);
            buf_add_char(out, ']');
        } else if (e.code == ERR_BARE_CR_LF) {
            buf_add_char(out, 'B');
        } else {
            assert_int_equal(e.code, ERR_LIMIT_LINE);
            buf_add_char(out, 'L');
            *skipping = true;
        }
    }
}

static void lines(void **state) {
    (void)state;
    static const struct {
        view input;
        const char *seen;
    } rows[] = {
        {VIEW("QUIT\r\n"), "[QUIT]"},
        {VIEW("\r\n"), "[]"},
        {VIEW("a\r\nb\r\n\r\nc"), "[a][b][]"},
        {VIEW("\n"), "B"},
        {VIEW("a\nb\r\n"), "B[b]"},
        {VIEW("\na\r\n"), "B[a]"},
        {VIEW("a\rb\r\nc\r\n"), "B[c]"},
        {VIEW("\ra\r\nc\r\n"), "B[c]"},
        {VIEW("a\r\r\nb\r\n"), "B[b]"},
        {VIEW("a\rb\nc\r\n"), "B[c]"},
        {VIEW("a\n\r\n"), "B[]"},
        {VIEW(".\n.\r\n"), "B[.]"},
        {VIEW("a\r"), ""},
        {VIEW("123456\r\n"), "[123456]"},
        {VIEW("1234567\r\nx\r\n"), "L[x]"},
        {VIEW("12345678\r\nx\r\n"), "L[x]"},
        {VIEW("12345678901234567890123456789\r\nx\r\n"), "L[x]"},
        {VIEW("123456789\rabc\r\nx\r\n"), "L[x]"},
        {VIEW("123456789\nx\r\n"), "L[x]"},
        {VIEW("12345678"), "L"},
        {VIEW("1234567"), ""},
        {VIEW("1234567\n"), "B"},
        {VIEW("\r\r\r\r\r\r\r\r\r\nx\r\n"), "L[x]"},
        {VIEW("\xff\xfe\r\n"), "[\xff\xfe]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        /* All at once, then octet by octet: no difference. */
        for (size_t step = SIZE_MAX; step; step = step == SIZE_MAX ? 1 : 0) {
            struct stream s;
            struct buf seen = BUF_INIT(1000);
            bool skipping = false;
            int peer = open_pair(&s, 64, 64);
            for (view rest = rows[i].input; rest.len > 0; rest = view_skip(rest, step)) {
                feed(peer, view_slice(rest, 0, step));
                assert_int_equal(stream_fill(&s, 64), STREAM_READY);
                note_lines(&s, 8, &skipping, &seen);
            }
            assert_string_equal(seen.data, rows[i].seen);
            assert_true(stream_ok(&s));
            stream_done(&s);
            close(peer);
            buf_done(&seen);
        }
    }
}

static void nul_octets(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 64, 64);
    view line;
    feed(peer, VIEW("a\0b\r\n"));
    assert_int_equal(stream_fill(&s, 64), STREAM_READY);
    assert_int_equal(stream_take_line(&s, 10, &line, NULL), 1);
    assert_true(view_eq(line, VIEW("a\0b")));
    stream_done(&s);
    close(peer);
}

static void peek_take_discard(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 64, 64);
    view line;
    feed(peer, VIEW("12345abc\r\nrest"));
    assert_int_equal(stream_fill(&s, 64), STREAM_READY);
    assert_view(stream_peek(&s), "12345abc\r\nrest");
    stream_take(&s, 5);
    assert_int_equal(stream_take_line(&s, 20, &line, NULL), 1);
    assert_view(line, "abc");
    assert_int_equal(stream_take_line(&s, 20, &line, NULL), 0);
    assert_view(stream_peek(&s), "rest");
    stream_take(&s, 1);
    feed(peer, VIEW("\r\nmore"));
    assert_int_equal(stream_fill(&s, 64), STREAM_READY);
    assert_int_equal(stream_take_line(&s, 20, &line, NULL), 1);
    assert_view(line, "est");
    stream_discard_input(&s);
    assert_int_equal(stream_peek(&s).len, 0);
    feed(peer, VIEW("\r\n"));
    assert_int_equal(stream_fill(&s, 64), STREAM_READY);
    assert_int_equal(stream_take_line(&s, 20, &line, NULL), 1);
    assert_view(line, "");
    stream_done(&s);
    close(peer);
}

/* `max` bounds a read, the limit bounds what piles up; a full buffer goes on when something is taken. */
static void bounded(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 8, 8);
    feed(peer, VIEW("0123456789abcdef"));
    assert_int_equal(stream_fill(&s, 3), STREAM_READY);
    assert_view(stream_peek(&s), "012");
    assert_int_equal(stream_fill(&s, 100), STREAM_READY);
    assert_int_equal(stream_fill(&s, 100), STREAM_READY);
    assert_view(stream_peek(&s), "01234567");
    /* A line that cannot fit is too long, whatever `max` allows. */
    view line;
    struct err e = {0};
    assert_int_equal(stream_take_line(&s, 1000, &line, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT_LINE);
    stream_take(&s, 1);
    assert_int_equal(stream_fill(&s, 100), STREAM_READY);
    assert_view(stream_peek(&s), "12345678");
    stream_take(&s, 8);
    assert_int_equal(stream_fill(&s, 100), STREAM_READY);
    assert_view(stream_peek(&s), "9abcdef");
    stream_done(&s);
    close(peer);
}

/* What was searched for a line end is not searched again. */
static void searched_once(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, LIMIT, 64);
    view line;
    for (size_t i = 1; i <= 1000; i++) {
        feed(peer, VIEW("x"));
        assert_int_equal(stream_fill(&s, LIMIT), STREAM_READY);
        assert_int_equal(stream_take_line(&s, LIMIT, &line, NULL), 0);
        assert_int_equal(s.in_scanned, i);
    }
    feed(peer, VIEW("\r\ny"));
    assert_int_equal(stream_fill(&s, LIMIT), STREAM_READY);
    assert_int_equal(stream_take_line(&s, LIMIT, &line, NULL), 1);
    assert_int_equal(line.len, 1000);
    assert_int_equal(s.in_scanned, 0);
    stream_done(&s);
    close(peer);
}

static void ends(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 64, 64);
    view line;
    assert_int_equal(stream_fill(&s, 64), STREAM_READ);
    feed(peer, VIEW("whole\r\nhalf"));
    close(peer);
    assert_int_equal(stream_fill(&s, 64), STREAM_READY);
    assert_int_equal(stream_take_line(&s, 64, &line, NULL), 1);
    assert_int_equal(stream_take_line(&s, 64, &line, NULL), 0);
    assert_int_equal(stream_fill(&s, 64), STREAM_CLOSED);
    assert_int_equal(stream_fill(&s, 64), STREAM_CLOSED);
    assert_view(stream_peek(&s), "half");
    assert_true(stream_ok(&s));
    /* Writing to nobody is an error that stays, not a signal. */
    stream_write(&s, VIEW("221 bye\r\n"));
    assert_int_equal(stream_flush(&s), STREAM_FAILED);
    assert_int_equal(s.error.code, ERR_CONNECTION_LOST);
    assert_int_equal(stream_flush(&s), STREAM_FAILED);
    assert_int_equal(stream_fill(&s, 64), STREAM_FAILED);
    stream_done(&s);
    stream_done(&s); /* once more does no harm */
}

static void parked_holds_little(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, LIMIT, LIMIT);
    static char block[16000];
    memset(block, 'x', sizeof block);
    assert_int_equal(stream_fill(&s, LIMIT), STREAM_READ);
    assert_int_equal(s.in.cap, 0);
    feed(peer, (view){block, sizeof block});
    assert_int_equal(stream_fill(&s, LIMIT), STREAM_READY);
    stream_take(&s, sizeof block - 3);
    assert_int_equal(stream_fill(&s, LIMIT), STREAM_READ);
    assert_view(stream_peek(&s), "xxx");
    assert_true(s.in.cap < 1024);
    stream_take(&s, 3);
    assert_int_equal(stream_fill(&s, LIMIT), STREAM_READ);
    assert_int_equal(s.in.cap, 0);
    stream_write(&s, (view){block, sizeof block});
    assert_int_equal(stream_flush(&s), STREAM_READY);
    assert_int_equal(s.out.cap, 0);
    stream_done(&s);
    close(peer);
}

static char pattern_at(size_t i) {
    return (char)('a' + i % 23);
}

/* Take `len` octets of the pattern off a blocking socket. */
static bool read_pattern(int fd, size_t len) {
    size_t seen = 0;
    while (seen < len) {
        char block[5000];
        ssize_t n = read(fd, block, sizeof block < len - seen ? sizeof block : len - seen);
        for (ssize_t i = 0; i < n; i++, seen++)
            if (block[i] != pattern_at(seen))
                return false;
        if (n <= 0)
            return false;
    }
    return true;
}

static void write_pattern(struct stream *s, size_t len) {
    for (size_t i = 0; i < len; i += 10) {
        char piece[10];
        for (size_t j = 0; j < sizeof piece; j++)
            piece[j] = pattern_at(i + j);
        stream_write(s, (view){piece, sizeof piece});
    }
}

enum { BIG = 4 * 1000 * 1000 };

static void output_larger_than_the_socket(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 64, BIG);
    write_pattern(&s, BIG);
    assert_int_equal(stream_unsent(&s), BIG);
    size_t sent = 0;
    int rounds = 0;
    FREE_AUTO char *block = mem_alloc(BIG);
    for (enum stream_io io = STREAM_WRITE; io != STREAM_READY; rounds++) {
        io = stream_flush(&s);
        assert_true(io == STREAM_READY || io == STREAM_WRITE);
        ssize_t n = recv(peer, block + sent, BIG - sent, MSG_DONTWAIT);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    assert_true(rounds > 1);
    while (sent < BIG) {
        ssize_t n = recv(peer, block + sent, BIG - sent, MSG_DONTWAIT);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    for (size_t i = 0; i < BIG; i++)
        if (block[i] != pattern_at(i))
            fail_msg("octet %zu differs", i);
    assert_int_equal(stream_unsent(&s), 0);
    stream_done(&s);
    close(peer);
}

static void output_limit(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, 64, 16);
    char got[64] = {0};
    stream_printf(&s, "%d %s\r\n", 250, "ok");
    stream_printf(&s, "%s", "");
    stream_write(&s, VIEW_NULL);
    stream_write(&s, VIEW("12345678"));
    assert_int_equal(stream_unsent(&s), 16);
    assert_int_equal(stream_flush(&s), STREAM_READY);
    assert_int_equal(read(peer, got, sizeof got), 16);
    assert_string_equal(got, "250 ok\r\n12345678");
    stream_printf(&s, "%017d", 1);
    assert_int_equal(s.error.code, ERR_LIMIT);
    stream_write(&s, VIEW("x"));
    assert_int_equal(stream_unsent(&s), 0);
    assert_int_equal(stream_flush(&s), STREAM_FAILED);
    stream_done(&s);
    close(peer);
}

/* The waiting forms. The peer is a thread with a blocking socket. */

struct peer {
    int fd;
    view say;
    size_t expect;
    bool fine;
};

static void *trickle(void *arg) {
    struct peer *p = arg;
    p->fine = true;
    for (size_t i = 0; i < p->say.len; i++)
        p->fine = p->fine && send(p->fd, p->say.ptr + i, 1, MSG_NOSIGNAL) == 1;
    p->fine = p->fine && read_pattern(p->fd, p->expect);
    shutdown(p->fd, SHUT_WR);
    return NULL;
}

static void waits_for_lines(void **state) {
    (void)state;
    struct stream s;
    struct peer p = {.say = VIEW("220 hello\r\n250-one\r\n250 two\r\nhalf a li"), .expect = BIG};
    p.fd = open_pair(&s, 64, BIG);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, trickle, &p), 0);
    view line;
    assert_true(stream_line_wait(&s, 64, &line, later()));
    assert_view(line, "220 hello");
    assert_true(stream_line_wait(&s, 64, &line, later()));
    assert_view(line, "250-one");
    assert_true(stream_line_wait(&s, 64, &line, later()));
    assert_view(line, "250 two");
    write_pattern(&s, BIG);
    assert_true(stream_flush_wait(&s, later()));
    assert_false(stream_line_wait(&s, 64, &line, later()));
    assert_int_equal(s.error.code, ERR_CONNECTION_LOST);
    assert_false(stream_line_wait(&s, 64, &line, later()));
    assert_false(stream_flush_wait(&s, later()));
    pthread_join(thread, NULL);
    assert_true(p.fine);
    stream_done(&s);
    close(p.fd);
}

static void wait_refuses_bad_lines(void **state) {
    (void)state;
    static const struct {
        view input;
        enum err_code code;
    } rows[] = {{VIEW("220 hello\n"), ERR_BARE_CR_LF}, {VIEW("220 123456789"), ERR_LIMIT_LINE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stream s;
        int peer = open_pair(&s, 64, 64);
        view line;
        feed(peer, rows[i].input);
        assert_false(stream_line_wait(&s, 11, &line, later()));
        assert_int_equal(s.error.code, rows[i].code);
        assert_false(stream_ok(&s));
        stream_done(&s);
        close(peer);
    }
}

static void waits_end_in_time(void **state) {
    (void)state;
    struct stream s;
    int peer = open_pair(&s, LIMIT, BIG);
    view line;
    int64_t start = clock_real_us();
    assert_false(stream_line_wait(&s, 64, &line, clock_mono_ms() + 20));
    assert_int_equal(s.error.code, ERR_TIMEOUT);
    stream_done(&s);
    close(peer);
    /* Past its deadline a wait still takes what is there, if that is a line. */
    peer = open_pair(&s, LIMIT, BIG);
    feed(peer, VIEW("a line\r\nno line"));
    assert_true(stream_line_wait(&s, 64, &line, clock_mono_ms() - 1));
    assert_view(line, "a line");
    assert_false(stream_line_wait(&s, 64, &line, clock_mono_ms() - 1));
    assert_int_equal(s.error.code, ERR_TIMEOUT);
    stream_done(&s);
    close(peer);
    peer = open_pair(&s, LIMIT, BIG);
    write_pattern(&s, BIG);
    assert_false(stream_flush_wait(&s, clock_mono_ms() + 20));
    assert_int_equal(s.error.code, ERR_TIMEOUT);
    assert_true(stream_unsent(&s) > 0);
    stream_done(&s);
    close(peer);
    assert_true(clock_real_us() - start < FOREVER_MS * (int64_t)1000);
}

static struct sockaddr_any own_address(int fd) {
    struct sockaddr_any a = {.len = sizeof a.storage};
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a.storage, &a.len), 0);
    return a;
}

static bool connect_to(struct stream *s, const struct sockaddr_any *to, const struct sockaddr_any *from,
                       int64_t deadline_ms) {
    return stream_connect_wait(s, &to->storage, to->len, from ? &from->storage : NULL, from ? from->len : 0,
                               1024, 1024, deadline_ms);
}

static void connects(void **state) {
    (void)state;
    struct stream s;
    struct sockaddr_any a, from, seen = {.len = sizeof seen.storage};
    view line;
    assert_true(sockaddr_parse(VIEW("127.0.0.1:0"), &a, NULL));
    assert_true(sockaddr_parse(VIEW("127.0.0.2:0"), &from, NULL));
    int listener = listen_open(&a, NULL);
    assert_true(listener >= 0);
    a = own_address(listener);
    assert_true(connect_to(&s, &a, &from, later()));
    int peer = accept(listener, (struct sockaddr *)&seen.storage, &seen.len);
    assert_true(peer >= 0);
    assert_string_equal(sockaddr_ip(&seen).s, "127.0.0.2");
    feed(peer, VIEW("220 hello\r\n"));
    assert_true(stream_line_wait(&s, 64, &line, later()));
    assert_view(line, "220 hello");
    stream_done(&s);
    close(peer);
    close(listener);
    /* Nobody listens there any more. */
    assert_false(connect_to(&s, &a, NULL, later()));
    assert_int_equal(s.error.code, ERR_CONNECT);
    assert_int_equal(s.fd, -1);
    stream_done(&s);
    /* Not an address of this machine (RFC 5737). */
    assert_true(sockaddr_parse(VIEW("192.0.2.1:0"), &from, NULL));
    assert_false(connect_to(&s, &a, &from, later()));
    assert_int_equal(s.error.code, ERR_CONNECT);
    stream_done(&s);
}

/* A listener whose queue is full does not answer: neither yes nor no. */
static void connect_ends_in_time(void **state) {
    (void)state;
    struct sockaddr_any a;
    assert_true(sockaddr_parse(VIEW("127.0.0.1:0"), &a, NULL));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[8];
    assert_int_equal(bind(listener, (struct sockaddr *)&a.storage, a.len), 0);
    assert_int_equal(listen(listener, 0), 0);
    a = own_address(listener);
    for (size_t i = 0; i < 8; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(connect(waiting[i], (struct sockaddr *)&a.storage, a.len) <= 0);
    }
    struct stream s;
    assert_false(connect_to(&s, &a, NULL, clock_mono_ms() + 50));
    assert_int_equal(s.error.code, ERR_TIMEOUT);
    stream_done(&s);
    for (size_t i = 0; i < 8; i++)
        close(waiting[i]);
    close(listener);
}

/* A reset, as a peer makes that closes with our octets unread. */
static void reset(void **state) {
    (void)state;
    struct stream s;
    struct sockaddr_any a;
    assert_true(sockaddr_parse(VIEW("127.0.0.1:0"), &a, NULL));
    int listener = listen_open(&a, NULL);
    a = own_address(listener);
    assert_true(connect_to(&s, &a, NULL, later()));
    int peer = accept(listener, NULL, NULL);
    struct linger at_once = {.l_onoff = 1};
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(peer);
    view line;
    assert_false(stream_line_wait(&s, 64, &line, later()));
    assert_int_equal(s.error.code, ERR_CONNECTION_LOST);
    stream_done(&s);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(nul_octets),
        cmocka_unit_test(peek_take_discard),
        cmocka_unit_test(bounded),
        cmocka_unit_test(searched_once),
        cmocka_unit_test(ends),
        cmocka_unit_test(parked_holds_little),
        cmocka_unit_test(output_larger_than_the_socket),
        cmocka_unit_test(output_limit),
        cmocka_unit_test(waits_for_lines),
        cmocka_unit_test(wait_refuses_bad_lines),
        cmocka_unit_test(waits_end_in_time),
        cmocka_unit_test(connects),
        cmocka_unit_test(connect_ends_in_time),
        cmocka_unit_test(reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
