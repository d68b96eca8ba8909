"""BDAT (RFC 3030) and DSN parameters (RFC 3461): what is taken, what is refused, and in which state a refusal leaves
the session."""
import random
import re

import pytest

from postroad import message, until


def envelope(c, *recipients, options=""):
    assert c.cmd(f"MAIL FROM:<a@b.example>{options}") == 250
    for recipient in recipients or ["x@far.example"]:
        assert c.cmd(f"RCPT TO:<{recipient}>") == 250


def chunk(c, octets, last=False):
    c.send(f"BDAT {len(octets)}{' LAST' if last else ''}\r\n".encode() + octets)
    return c.reply()


def taken(c, instance, reply, octets):
    assert reply == 250, reply
    assert instance.cli("queue", "cat", reply.text.rsplit(" ", 1)[-1], text=False) == octets
    assert c.cmd("NOOP") == 250


# ---- what is taken ----

def test_one_chunk_several_and_an_empty_last(inbound):
    octets = message(body="one\r\n.\r\n..two\r\n.\r\nMAIL FROM:<evil@b.example>\r\n")  # a dot is text
    with inbound.raw() as c:
        assert "CHUNKING" in c.extensions
        envelope(c)
        taken(c, inbound, chunk(c, octets, last=True), octets)
        envelope(c)
        for at in range(0, len(octets), 40):
            got = chunk(c, octets[at:at + 40])
            assert got == 250 and got.text == f"2.0.0 {len(octets[at:at + 40])} octets taken"
        taken(c, inbound, chunk(c, b"", last=True), octets)
        envelope(c)
        assert chunk(c, b"") == 250
        taken(c, inbound, chunk(c, octets, last=True), octets)
        envelope(c)
        taken(c, inbound, chunk(c, b"", last=True), b"")
        envelope(c)
        taken(c, inbound, chunk(c, octets + b"no end of line", last=True), octets + b"no end of line")


def test_cut_at_every_octet(inbound):
    octets = b"Subject: x\r\n\r\nab\r\n\r\n.\r\ncd\r\n"
    with inbound.raw() as c:
        for cut in range(len(octets) + 1):
            envelope(c)
            assert chunk(c, octets[:cut]) == 250
            taken(c, inbound, chunk(c, octets[cut:], last=True), octets)
        envelope(c)
        for octet in octets[:-1]:
            assert chunk(c, bytes([octet])) == 250
        taken(c, inbound, chunk(c, octets[-1:], last=True), octets)


def test_pipelined_in_one_segment(inbound):
    octets = message(body="x" * 70 + "\r\n")
    two = f"BDAT 30\r\n{octets[:30].decode()}BDAT {len(octets) - 30} last\r\n{octets[30:].decode()}"
    with inbound.raw() as c:
        c.send(("MAIL FROM:<a@b.example>\r\nRCPT TO:<x@far.example>\r\n" + two) * 2 + "QUIT\r\n")
        assert [c.reply().code for _ in range(9)] == [250] * 8 + [221]
        assert c.closed()
    assert [row["size"] for row in inbound.queue()] == [len(octets)] * 2


def test_large_text_in_odd_chunks(make, sink):
    """Longer than several pieces of the store; the cuts of chunks and of pieces have nothing to do with each other."""
    post = make(relay=sink).start()
    octets = message(body=b"".join(b"%070d\r\n" % n for n in range(20000)))
    sizes = random.Random(3)
    with post.raw() as c:
        envelope(c)
        at = 0
        while at < len(octets):
            size = sizes.choice([600, 5000, 65536, 262143, 262144, 300001])
            got = chunk(c, octets[at:at + size], last=at + size >= len(octets))
            assert got == 250
            at += size
    assert sink.one("x@far.example").octets.endswith(octets)


def test_text_without_a_last_line_end_goes_on_whole(make, sink):
    post = make(relay=sink).start()
    octets = message(body="no end")
    with post.raw() as c:
        envelope(c)
        taken(c, post, chunk(c, octets, last=True), octets)
    assert sink.one("x@far.example").octets.endswith(octets + b"\r\n")


# ---- what is refused ----

BARE = [b"a\rb", b"a\nb", b"\n", b"\r\r\n", b"a\r", b"\n.\n", b"\r\n.\r\r\n"]


@pytest.mark.parametrize("last", [True, False])
def test_bare_cr_and_lf(inbound, last):
    for octets in BARE:
        with inbound.raw() as c:
            envelope(c)
            got = chunk(c, b"Subject: x\r\n\r\n" + octets, last=last)
            if octets == b"a\r" and not last:  # only what follows can tell
                assert got == 250
                got = chunk(c, b"b")
            assert got == 554 and got.text.startswith("5.6.11 "), (octets, got)
            if not last:
                got = chunk(c, b"QUIT\r\n", last=True)
                assert got == 503, got
            assert c.cmd("NOOP") == 250
            envelope(c)
            taken(c, inbound, chunk(c, b"Subject: y\r\n", last=True), b"Subject: y\r\n")
    assert [row["size"] for row in inbound.queue()] == [12] * len(BARE)


def test_cut_between_cr_and_lf(inbound):
    with inbound.raw() as c:
        envelope(c)
        assert chunk(c, b"Subject: x\r") == 250
        taken(c, inbound, chunk(c, b"\n\r\n", last=True), b"Subject: x\r\n\r\n")
        envelope(c)
        assert chunk(c, b"Subject: x\r") == 250
        assert chunk(c, b"", last=True) == 554


def test_octets_of_a_refused_chunk_are_no_commands(inbound):
    evil = b"RSET\r\nMAIL FROM:<evil@b.example>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n"
    with inbound.raw() as c:
        assert chunk(c, evil) == 503  # no MAIL
        assert chunk(c, evil, last=True) == 503
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        assert chunk(c, evil) == 503  # no RCPT
        assert c.cmd("RCPT TO:<nobody@example.org>") == 550
        assert chunk(c, evil, last=True) == 503  # no RCPT that was taken
        assert c.cmd("RCPT TO:<x@far.example>") == 250
        c.send(b"BDAT %d FIRST\r\n" % len(evil) + evil)
        assert c.reply() == 501
        assert chunk(c, evil) == 503
        assert c.cmd("RSET") == 250
        assert c.cmd("DATA") == 503
    with inbound.raw(greet=False) as c:
        assert c.reply() == 220
        assert chunk(c, evil) == 503
        assert c.cmd("NOOP") == 250
    assert inbound.queue() == []


def test_state_after_a_refused_chunk(inbound):
    """RFC 3030 4.2: 503 for all that would go on with the transaction, until RSET or the last chunk."""
    for way_out in ("RSET", "EHLO c.example", "HELO c.example", "BDAT 0 LAST"):
        with inbound.raw() as c:
            envelope(c)
            assert chunk(c, b"a\nb") == 554
            for line in ("DATA", "RCPT TO:<y@far.example>", "MAIL FROM:<c@d.example>", "BDAT 0"):
                assert c.cmd(line) == 503, line
            assert c.cmd(way_out) == (503 if "LAST" in way_out else 250)
            for line in ("DATA", "RCPT TO:<y@far.example>", "BDAT 0 LAST"):
                assert c.cmd(line) == 503, line
            envelope(c)
            taken(c, inbound, chunk(c, b"Subject: x\r\n", last=True), b"Subject: x\r\n")


def test_data_and_bdat_do_not_mix(inbound):
    with inbound.raw() as c:
        envelope(c)
        assert chunk(c, b"Subject: x\r\n") == 250
        assert c.cmd("DATA") == 503
        assert c.cmd("RCPT TO:<y@far.example>") == 503
        taken(c, inbound, chunk(c, b"\r\n", last=True), b"Subject: x\r\n\r\n")
        assert chunk(c, b"x", last=True) == 503  # behind the end there is no transaction
        c.begin("a@b.example", "x@far.example")
        assert c.data(message()) == 250
        assert chunk(c, b"x", last=True) == 503


def test_sizes_that_cannot_be_read_end_the_session(inbound):
    for argument in ("", " ", " x", " -1", " +5", " 5x", " 99999999999999999999", " 0x10", " LAST"):
        with inbound.raw() as c:
            envelope(c)
            got = c.cmd(f"BDAT{argument}")
            assert got == 501, (argument, got)
            assert c.closed()
    assert inbound.queue() == []


def test_too_large(make):
    inbound = make(settings={"message_size_max": "20000"}).start("smtpd")
    with inbound.raw() as c:
        envelope(c)
        assert chunk(c, b"Subject: x\r\n" + b"x" * 20000, last=True) == 552
        envelope(c)
        for _ in range(20):
            assert chunk(c, b"x" * 1000) == 250
        assert chunk(c, b"x") == 552
        assert chunk(c, b"x" * 100_000) == 503
        assert chunk(c, b"x", last=True) == 503
        envelope(c)
        octets = b"x" * 20000
        taken(c, inbound, chunk(c, octets, last=True), octets)
    with inbound.raw() as c:
        envelope(c)
        c.send(b"BDAT 9223372036854775807 LAST\r\n" + b"x" * 1_000_000)
    until(lambda: inbound.metrics()["smtpd_sessions_open", "smtpd"] == 0)
    assert len(inbound.queue()) == 1


def test_tiny_chunks_are_limited(inbound):
    """They cost nothing but their octets, and a client cannot go on with them for ever."""
    with inbound.raw() as c:
        envelope(c)
        c.send(b"BDAT 1\r\nx" * 999 + b"BDAT 1\r\n")
        assert [c.reply().code for _ in range(1000)] == [250] * 999 + [421]
        assert c.closed()
    with inbound.raw() as c:
        envelope(c)
        assert chunk(c, b"\r\n") == 250
        c.send((b"BDAT 600\r\n" + b"x" * 600) * 5000)
        assert {c.reply().code for _ in range(5000)} == {250}
        assert chunk(c, b"", last=True) == 250


def test_client_goes_away_in_every_state(inbound):
    whole = (b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@far.example>\r\nBDAT 20\r\n" + b"x" * 20
             + b"BDAT 20\r\n" + b"y" * 20 + b"BDAT 10 LAST\r\n" + b"z" * 9)
    for cut in range(0, len(whole) + 1, 5):
        with inbound.raw(greet=False) as c:
            c.send(whole[:cut])
    until(lambda: inbound.metrics()["smtpd_sessions_open", "smtpd"] == 0)
    assert inbound.queue() == []


# ---- DSN parameters ----

RIGHT_MAIL = ["RET=FULL", "ret=hdrs", "ENVID=QQ314159", "ENVID=a+2Bb+3Dc", "RET=FULL ENVID=" + "x" * 100 + " SIZE=10"]
WRONG_MAIL = ["RET=", "RET", "RET=ALL", "RET=FULL RET=HDRS", "ENVID=", "ENVID=a+", "ENVID=a+2b", "ENVID=a+0D+0Ab",
              "ENVID=" + "x" * 101, "ENVID=a ENVID=b", "ENVID=a=b"]
RIGHT_RCPT = ["NOTIFY=NEVER", "notify=success,failure", "NOTIFY=DELAY", "NOTIFY=FAILURE,DELAY,SUCCESS",
              "ORCPT=rfc822;x@far.example", "ORCPT=rfc822;a+2Bb@c.example NOTIFY=NEVER", "ORCPT=utf-8;j\\x{FC}@c.example"]
WRONG_RCPT = ["NOTIFY=", "NOTIFY", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,", "NOTIFY=,SUCCESS", "NOTIFY=ALWAYS",
              "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT=", "ORCPT=rfc822", "ORCPT=rfc822;", "ORCPT=;x@y", "ORCPT=rfc822;a+0Ab",
              "ORCPT=rfc822;a=b", "ORCPT=rfc822;" + "a" * 500, "ORCPT=rfc822;a@b ORCPT=rfc822;a@b", "ORCPT=a/b;c@d"]


def test_dsn_parameters(inbound):
    with inbound.raw() as c:
        assert "DSN" in c.extensions
        for words in RIGHT_MAIL:
            assert c.cmd(f"MAIL FROM:<a@b.example> {words}") == 250, words
            c.cmd("RSET")
        for words in WRONG_MAIL:
            got = c.cmd(f"MAIL FROM:<a@b.example> {words}")
            assert got == 501 and got.text.startswith("5.5.4 "), (words, got)
        assert c.cmd("MAIL FROM:<a@b.example> NOTIFY=NEVER") == 555
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        for words in RIGHT_RCPT:
            assert c.cmd(f"RCPT TO:<x@far.example> {words}") == 250, words
        for words in WRONG_RCPT:
            got = c.cmd(f"RCPT TO:<x@far.example> {words}")
            assert got == 501 and got.text.startswith("5.5.4 "), (words, got)
        assert c.cmd("RCPT TO:<x@far.example> RET=FULL") == 555
        assert c.cmd("RCPT TO:<x@far.example> ORCPT=utf-8;jürgen@c.example") == 501
        c.cmd("RSET")
        assert c.cmd("MAIL FROM:<a@b.example> SMTPUTF8") == 250
        assert c.cmd("RCPT TO:<x@far.example> ORCPT=utf-8;jürgen@c.example") == 250


def test_dsn_parameters_are_stored(make, sink):
    """Under which name the client knew the recipient comes back in the notification."""
    post = make(relay=sink).start("smtpd")
    post.cli("alias", "set", "gone@example.org", "x@far.example")
    with post.raw() as c:
        assert c.cmd("MAIL FROM:<me@b.example> RET=HDRS ENVID=road+2B7") == 250
        assert c.cmd("RCPT TO:<gone@example.org> NOTIFY=FAILURE ORCPT=rfc822;first+2Bplace@c.example") == 250
        assert c.cmd("DATA") == 354
        assert c.data(message()) == 250
    post.cli("alias", "remove", "gone@example.org")
    post.restart()
    text = sink.one("me@b.example").octets
    assert re.search(rb"(?mi)^Original-Recipient: rfc822; ?first\+place@c\.example\r$", text)
