"""Clients that are stuck: 900 of them leave room for healthy sessions, and time ends each. bench/stall.py measures."""
import contextlib
import functools
import resource
import ssl

import pytest

from postroad import message, until

STUCK = 300  # of each kind
TEXT = message(id="stuck@test.example", body="half of it is all that comes\r\n" * 40)


@pytest.fixture(autouse=True)
def descriptors():
    """900 clients need more descriptors than a login has by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@functools.cache
def client_hello():
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="mx.example.org").do_handshake()
    return out.read()


def stick_idle(_c):
    """Silent after the banner, which has come: post.raw() waits for it."""


def stick_in_handshake(c):
    c.ehlo()
    assert c.cmd("STARTTLS") == 220
    hello = client_hello()
    c.send(hello[:len(hello) // 2])


def stick_in_data(c):
    c.ehlo()
    c.begin("me@sender.example", "stuck@there.example")
    c.send(TEXT[:len(TEXT) // 2])


KINDS = {"idle": stick_idle, "handshake": stick_in_handshake, "data": stick_in_data}


@contextlib.contextmanager
def stuck_clients(post, count):
    """{kind: [client]}: each is at the place where it stays when this returns."""
    with contextlib.ExitStack() as stack:
        clients = {kind: [] for kind in KINDS}
        for kind, stick in KINDS.items():
            for _ in range(count):
                c = stack.enter_context(post.raw(greet=False))
                assert c.reply() == 220
                stick(c)
                clients[kind].append(c)
        yield clients


def make_post(make, sink, certificate, **settings):
    return make(relay=sink, settings={"tls_certificate": certificate[0], "tls_key": certificate[1],
                                      "smtp_sessions_per_client": 3 * STUCK + 50, **settings}).start()


def post_some(post, name, count):
    """Messages over one session, over a TLS one, and over fresh ones; their ids. Each must be answered with 250."""
    ids = [f"{name}-{n}@test.example" for n in range(count)]
    with post.raw() as plain, post.raw() as tls:
        tls.starttls()
        for n, id in enumerate(ids):
            if n % 3 == 2:
                post.post("me@sender.example", "well@there.example", message(id=id))
            else:
                (plain, tls)[n % 3].post("me@sender.example", ["well@there.example"], message(id=id))
    return ids


def test_900_stuck_clients(make, sink, certificate):
    post = make_post(make, sink, certificate, smtp_idle_timeout="1h")
    ids = post_some(post, "quiet", 6)
    with stuck_clients(post, STUCK) as clients:
        assert post.metrics()["smtpd_sessions_open"] == 3 * STUCK
        ids += post_some(post, "among-stuck", 60)
        assert post.metrics()["smtpd_sessions_open"] >= 3 * STUCK, "the stuck ones are stuck, not gone"
        post.clock("+30m")
        ids += post_some(post, "later", 6)
        assert post.metrics()["smtpd_sessions_open"] >= 3 * STUCK
        post.clock("+31m")
        until(lambda: post.metrics()["smtpd_sessions_open"] == 0, 30, "the end of the stuck sessions")
        for kind in ("idle", "data"):
            for c in clients[kind]:
                got = c.reply()
                assert got == 421 and got.text.startswith("4.4.2 "), (kind, got)
        for kind in KINDS:
            assert all(c.closed() for c in clients[kind]), kind
        ids += post_some(post, "after", 6)
    post.wait()
    assert sorted(m.octets.split(b"Message-ID: <")[1].split(b">")[0].decode() for m in sink.mails()) == sorted(ids)
    assert post.queue() == []  # nothing of the halves
    print(f"{3 * STUCK} stuck, {len(ids)} healthy messages answered with 250 and delivered")


def test_more_than_the_limit_are_told_so(make, sink, certificate):
    """One address cannot take every session there is: the next one from it gets 421, and others are not hurt."""
    post = make_post(make, sink, certificate, smtp_sessions_per_client=30)
    with stuck_clients(post, 10):
        with post.raw(greet=False) as c:
            got = c.reply()
            assert got == 421 and got.text.startswith("4.7.0 "), got
            assert c.closed()
        with post.raw(source="127.0.0.2") as other:
            other.post("me@sender.example", ["well@there.example"], message())
    until(lambda: post.metrics()["smtpd_sessions_open"] == 0, 20, "the end of the sessions")
    post_some(post, "after", 3)


def test_a_client_that_drips_is_ended_too(make, sink, certificate):
    """Something within every idle timeout keeps a session for smtp_session_timeout, two hours, and no longer."""
    # One worker takes what comes in order: when NOOP is answered, the byte sent before it has been seen.
    post = make_post(make, sink, certificate, smtp_idle_timeout="30m", smtp_body_rate_min="0", smtpd_workers=1)
    with stuck_clients(post, 1) as clients:
        [idle], [handshake], [data] = clients.values()
        for minutes in range(20, 120, 20):
            post.clock("+20m")
            data.send("x")
            assert idle.cmd("NOOP") == 250, minutes
            if minutes == 40:
                assert handshake.closed()  # it had sent nothing
        assert post.metrics()["smtpd_sessions_open"] == 2
        post.clock("+20m")
        for c in (idle, data):
            assert c.reply() == 421
            assert c.closed()
    until(lambda: post.metrics()["smtpd_sessions_open"] == 0, 20, "the end of the sessions")
    post.wait()
    assert sink.mails() == []
