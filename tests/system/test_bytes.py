"""Bytes are sacred: what was posted is what the store keeps, what recipients and members get, what the archive
has. Only fields on top are added."""
import hashlib
import itertools
import random
import re

import pytest

from postroad import message, until

CHUNK = 256 * 1024  # the store keeps longer messages in pieces of about this size


def every_octet(leave_out=b"\r\n"):
    return bytes(o for o in range(256) if o not in leave_out)


def small_bodies():
    yield "plain", message()
    yield "no header", b"just text\r\n"
    yield "header only", b"Subject: x\r\n"
    yield "header and empty line", b"Subject: x\r\n\r\n"
    yield "one empty line", b"\r\n"
    yield "empty lines", b"\r\n" * 50
    yield "dots", message(body=".\r\n..\r\n...\r\n.x\r\nx.\r\n \r\n.\r\n")
    yield "dot first", b".Subject: x\r\n\r\n.\r\n"
    yield "latin 1", message(subject="caf\u00e9").replace("caf\u00e9".encode(), b"caf\xe9") + b"na\xefve\r\n"
    yield "utf-8", message(subject="Gr\u00fc\u00dfe \U0001f4ee", body="\u043f\u0440\u0438\u0432\u0435\u0442 \u4e2d\u6587\r\n")
    yield "every octet", message(body=every_octet() + b"\r\n")
    yield "every octet in the header", message(fields="X-Odd: @\r\n").replace(b"@", every_octet(b"\r\n\0@")) + b"x\r\n"
    yield "invalid in the id", message(id="@@").replace(b"@@", b"a\xff\xfe\x80@b.example")
    yield "quotes in the id", message(id="a'b\"c\\d;--@b.example")
    yield "white space", message(body=" \t \r\nx \t\r\n\t\r\n", fields="X-Folded: a\r\n\tb\r\n  c \r\n")
    yield "From lines", message(body="From me\r\n>From you\r\n>>From us\r\nFrom\r\nFrom: x\r\n")
    yield "long lines", message(body="x" * 100_000 + "\r\n" + "y" * 998 + "\r\n")
    yield "long field", message(fields="X-Long: " + "z" * 50_000 + "\r\n")
    yield "many fields", message(fields="X-Many: 1\r\n" * 1500)
    yield "no id", b"From: a@b.example\r\nSubject: x\r\n\r\nx\r\n"
    yield "two ids", b"Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\nx\r\n"
    yield "long id", message(id="i" * 2000 + "@x.example")
    yield "odd header", b": x\r\nNo colon here\r\nX-A : b\r\n \r\n\r\nx\r\n"


def edges_of_pieces():
    """Messages whose piece boundaries fall on dots and line ends."""
    r = random.Random(7)
    for shift in range(-3, 4):
        head = message(id=f"edge{shift}@x.example")
        pad = CHUNK - len(head) + shift
        yield f"dots at {shift}", head + b"x" * (pad - 2) + b"\r\n" + b".\r\n" * 300 + b"..end\r\n"
        yield f"ends at {shift}", head + b"x" * (pad - 1) + b"\r\n\r\n" * 200
    for n in range(3):
        lines = [r.choice([b".", b"", b"..", b"x" * r.randrange(200), r.randbytes(60).translate(None, b"\r\n")])
                 for _ in range(12000)]
        yield f"random {n}", message(id=f"random{n}@x.example") + b"\r\n".join(lines) + b"\r\n"


def large(size):
    text = random.Random(size).randbytes(1000).translate(None, b"\r\n")[:898]
    octets = message(id=f"large{size}@x.example")
    return octets + (text + b"\r\n") * ((size - len(octets)) // 900)


def check_stored(instance, queue_id, octets, name):
    got = instance.cli("queue", "cat", queue_id, text=False)
    assert hashlib.sha256(got).digest() == hashlib.sha256(octets).digest(), (name, len(got), len(octets))


def check_sent(octets, got, name):
    """got is fields of ours, then octets."""
    assert got.endswith(octets), (name, len(got), len(octets))
    fields = got[:len(got) - len(octets)]
    assert re.fullmatch(rb"((List-[A-Z][a-z]+|Precedence|Received): [^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)+",
                        fields), (name, fields)
    assert fields.count(b"Received: ") == 1, (name, fields)


def test_small_messages_everywhere(post, sink):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "member@far.example")
    cases = list(small_bodies())
    with post.raw() as c:
        for n, (name, octets) in enumerate(cases):
            c.begin("me@sender.example", f"direct{n}@far.example", "news@example.org", options=["BODY=8BITMIME"])
            got = c.data(octets)
            assert got == 250, (name, got)
    post.wait(60)
    for n, (name, octets) in enumerate(cases):
        check_sent(octets, sink.one(f"direct{n}@far.example").octets, name)
    copies = sink.to("member@far.example")
    assert len(copies) == len(cases)
    for name, octets in cases:
        found = [m for m in copies if m.octets.endswith(octets) and b"Received" in m.octets[:-len(octets)]]
        assert found, name
    posts = post.json("archive", "ls", "news@example.org")
    assert len(posts) == len(cases)
    archived = {post.cli("archive", "cat", "news@example.org", str(p["uid"]), text=False) for p in posts}
    assert archived == {octets for _, octets in cases}


def test_empty_message(post, sink):
    queue_id = post.post("me@sender.example", "x@far.example", b"")
    post.wait()
    check_sent(b"", sink.one("x@far.example").octets, "empty")
    assert post.events(queue_id, "delivered")


def test_stored_bytes(make):
    inbound = make().start("smtpd")
    with inbound.raw() as c:
        for name, octets in itertools.chain(small_bodies(), edges_of_pieces()):
            c.begin("me@sender.example", "x@far.example")
            got = c.data(octets)
            assert got == 250, (name, got)
            check_stored(inbound, got.text.split()[-1], octets, name)


def test_edges_of_pieces_are_delivered(post, sink):
    cases = list(edges_of_pieces())
    with post.raw() as c:
        for n, (_, octets) in enumerate(cases):
            c.post("me@sender.example", [f"r{n}@far.example"], octets)
    post.wait(60)
    for n, (name, octets) in enumerate(cases):
        check_sent(octets, sink.one(f"r{n}@far.example").octets, name)


@pytest.mark.parametrize("size", [1_000_000, 20_000_000])
def test_large_messages(post, sink, size):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "member@far.example")
    octets = large(size)
    queue_id = post.post("me@sender.example", ["x@far.example", "news@example.org"], octets)
    post.wait(120)
    check_sent(octets, sink.one("x@far.example").octets, size)
    check_sent(octets, sink.one("member@far.example").octets, size)
    assert post.cli("archive", "cat", "news@example.org", "1", text=False) == octets
    # The body goes when nothing needs it any more; the events stay.
    until(lambda: post.run("queue", "cat", queue_id, check=False, text=False).returncode == 1, 20, "the reaper")
    assert post.events(queue_id, "delivered")


def test_two_large_messages_at_once(post, sink):
    """Pieces of one never get into the other."""
    one, two = large(3_000_001), large(2_900_777)
    with post.raw() as a, post.raw() as b:
        for c in (a, b):
            c.begin("me@sender.example", f"r{'a' if c is a else 'b'}@far.example")
        stuffed = {a: one.replace(b"\r\n.", b"\r\n.."), b: two.replace(b"\r\n.", b"\r\n..")}
        pieces = [(c, i) for i in range(0, max(map(len, stuffed.values())), 100_000) for c in (a, b)]
        for c, i in pieces:
            c.send(stuffed[c][i:i + 100_000])
        for c in (a, b):
            c.send(b".\r\n")
            assert c.reply() == 250
    post.wait(60)
    check_sent(one, sink.one("ra@far.example").octets, "a")
    check_sent(two, sink.one("rb@far.example").octets, "b")
