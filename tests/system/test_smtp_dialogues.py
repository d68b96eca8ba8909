"""Dialogues that have broken other servers: each is sent as it is, the replies are the expected ones, and the same
process goes on. And the matrix of smuggled ends of data, from strangers and from own networks, by DATA and by BDAT."""
import itertools
import smtplib
import subprocess

import pytest

from postroad import Raw, message, until

OWN, STRANGER = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def inbound(make):
    """127.0.0.1 may relay, 127.0.0.2 is a stranger; known@example.org is there for both."""
    instance = make(lmtp=True, settings={"relay_networks": "127.0.0.1/32"}).start("smtpd")
    instance.cli("alias", "set", "known@example.org", "k@far.example")
    return instance


M, R = b"MAIL FROM:<a@b.example>", b"RCPT TO:<known@example.org>"

# name: [(what is sent, the replies that come)]; an octet string without CRLF at its end is sent as it is.
DIALOGUES = {
    # Postfix 2026: a BDAT error left the RCPT state; DATA without MAIL ended the process
    "BDAT error, then DATA": [
        (M, 250), (R, 250), (b"BDAT 3\r\na\nb", 554), (b"DATA", 503), (b"RSET", 250), (b"DATA", 503), (R, 503)],
    "BDAT LAST error, then DATA without MAIL": [
        (M, 250), (R, 250), (b"BDAT 3 LAST\r\na\nb", 554), (b"DATA", 503), (b"BDAT 0 LAST\r\n", 503), (R, 503), (M, 250)],
    "BDAT too large, then its LAST": [
        (M, 250), (R, 250), (b"BDAT 60000000\r\n" + b"x" * 60_000_000, 552), (b"BDAT 1 LAST\r\nx", 503), (b"DATA", 503)],
    "BDAT without MAIL, then DATA": [(b"BDAT 4 LAST\r\nabcd", 503), (b"DATA", 503), (M, 250), (b"DATA", 503)],
    # Exim CVE-2017-16944: a lone dot in BDAT
    "a lone dot in BDAT": [
        (M, 250), (R, 250), (b"BDAT 5\r\n\r\n.\r\n", 250), (b"BDAT 3 LAST\r\n.\r\n", 250), (R, 503)],
    "a lone dot as BDAT": [(M, 250), (R, 250), (b"BDAT 1\r\n.", 250), (b"BDAT 2 LAST\r\n\r\n", 250), (b".", 500)],
    # Exim CVE-2020-28019: a function pointer was left behind by a BDAT error
    "BDAT error, then a new greeting and DATA": [
        (M, 250), (R, 250), (b"BDAT 2\r\n\nb", 554), (b"EHLO x", 250), (M, 250), (R, 250), (b"DATA", 354),
        (b"Subject: x\r\n\r\n.", 250)],
    # Postfix 2026: MAIL and RCPT not reset after a rejection at the end of data
    "refused text, then the next without RCPT": [
        (M, 250), (R, 250), (b"DATA", 354), (b"a\nb\r\n.\r\n", 554), (b"DATA", 503), (R, 503), (M, 250), (b"DATA", 503),
        (b"RCPT TO:<nobody@example.org>", 550), (b"DATA", 503), (R, 250), (b"DATA", 354), (b"Subject: x\r\n.", 250)],
    # Postfix 2026: VRFY with UTF-8 and without SMTPUTF8 reset half of the state
    "VRFY with UTF-8 in a transaction": [
        (M, 250), (R, 250), ("VRFY jürgen@example.org".encode(), 252), (b"VRFY \xff\xfe", 252), (b"EXPN x", 500), (b"DATA", 354),
        (b"Subject: x\r\n.", 250)],
    "a wrong RCPT does not touch the others": [
        (M, 250), (R, 250), (b"RCPT TO:<", 501), ("RCPT TO:<jürgen@example.org>".encode(), 553),
        (b"RCPT TO:<known@example.org> NOTIFY=x", 501), (b"DATA", 354), (b"Subject: x\r\n.", 250)],
    "a wrong MAIL leaves nothing": [
        (b"MAIL FROM:<a@b.example> RET=FULL SIZE=x", 501), (R, 503), (b"DATA", 503), (b"BDAT 1 LAST\r\nx", 503), (M, 250), (R, 250),
        (b"DATA", 354), (b"Subject: x\r\n.", 250)],
    # NUL and line ends in what is written into records, fields and logs
    "NUL in commands": [
        (b"MAIL FROM:<a\0b@b.example>", 501), (M, 250), (b"RCPT TO:<known\0@example.org>", 501), (b"NOOP\0", 500), (b"\0", 500),
        (b"RCPT TO:<known@example.org> ORCPT=rfc822;a\0b", 501), (R, 250)],
    "line ends in parameters": [
        (b"MAIL FROM:<a@b.example> ENVID=a+0D+0AX", 501), (b"MAIL FROM:<a@b.example> ENVID=a\nRSET", (554, 250)), (M, 250),
        (b"RCPT TO:<known@example.org> ORCPT=rfc822;a+0A@b", 501), (b"RCPT TO:<known@example.org>\nDATA", (554, 503)), (b"DATA", 503)],
    "controls in the greeting": [(b"EHLO a\x1b[2J", 501), (b"EHLO a\x00b", 501), (b"HELO \x7f", 501), (M, 250)],
    # OpenSMTPD CVE-2020-7247: a shell command as sender
    "a shell command as sender": [
        (b"MAIL FROM:<;for i in 0 1;do read r;done;sh;exit 0;>", 501), (b"MAIL FROM:<|sh@b.example>", 250), (R, 250)],
    "SQL as sender": [(b"MAIL FROM:<\"';drop table message;--\"@b.example>", 250), (R, 250), (b"DATA", 354), (b"x\r\n.", 250)],
    "BINARYMIME is not taken": [(b"MAIL FROM:<a@b.example> BODY=BINARYMIME", 501), (R, 503), (b"BDAT 2 LAST\r\n\n\n", 503)],
    "PROXY and XCLIENT of a stranger": [
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25", 500), (b"XCLIENT ADDR=127.0.0.1", 500), (b"XFORWARD ADDR=127.0.0.1", 500),
        (M, 250), (R, 250)],
    "HTTP": [(b"GET / HTTP/1.1", 500), (b"Host: x", 500), (b"", 500), (M, 250)],
    "a pipeline over an error": [
        (M + b"\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\nRSET", (250, 550, 503, 250)),
        (M + b"\r\n" + R + b"\r\nBDAT 2\r\n\n\nBDAT 14 LAST\r\nSubject: x\r\n\r\nRSET\r\nNOOP", (250, 250, 554, 503, 250, 250))],
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(make, name):
    instance = make(settings={"relay_networks": "", "message_size_max": "50M"}).start("smtpd")
    instance.cli("alias", "set", "known@example.org", "k@far.example")
    pid = instance.pid("smtpd")
    with instance.raw() as c:
        for octets, codes in DIALOGUES[name]:
            whole = octets.startswith(b"BDAT ") and b"\r\n" in octets or octets.endswith(b"\r\n.\r\n")
            c.send(octets if whole else octets + b"\r\n")
            for code in codes if isinstance(codes, tuple) else (codes,):
                got = c.reply()
                assert got == code, (octets[:80], got)
        assert c.cmd("NOOP") == 250  # not one reply more than was expected
        assert c.cmd("RSET") == 250
        c.post("a@b.example", ["known@example.org"], message())
    assert instance.pid("smtpd") == pid


# ---- smuggling ----

SMUGGLED = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<known@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
REFUSED = {  # every one holds a bare CR or LF
    "LF.CRLF": b"\n.\r\n", "LF.LF": b"\n.\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r", "CR.LF": b"\r.\n", "LF.CR": b"\n.\r", "CRLF.CRCRLF": b"\r\n.\r\r\n", "CRCRLF.LF": b"\r\r\n.\n",
    "LF.LFCR": b"\n.\n\r", "CRLFCR.CRLF": b"\r\n\r.\r\n", "LFCRLF.CRLF": b"\n\r\n.\n", "CRLF.LFCR": b"\r\n.\n\r",
}
TEXT_ONLY = {  # well-formed lines that are no end
    "CRLF NUL.CRLF": b"\r\n\0.\r\n", "CRLF.NUL CRLF": b"\r\n.\0\r\n", "CRLF. CRLF": b"\r\n. \r\n", "CRLF ..CRLF": b"\r\n..\r\n",
    "CRLF.TAB CRLF": b"\r\n.\t\r\n",
}
TEXT = b"Subject: carrier\r\n\r\nfirst"


def carrier(c, octets, how):
    c.cmd("MAIL FROM:<a@b.example>")
    assert c.cmd("RCPT TO:<known@example.org>") == 250
    if how == "DATA":
        assert c.cmd("DATA") == 354
        c.send(octets)
    else:
        c.send(b"BDAT %d LAST\r\n" % len(octets) + octets)


def test_guessing_recipients_ends_the_session(inbound):
    """A stranger who asks for addresses that are not here is sent away; a relay of our own may err."""
    for source, more in (STRANGER, 421), (OWN, 250):
        with inbound.raw(source=source) as c:
            assert c.cmd(M.decode()) == 250
            c.send(b"".join(b"RCPT TO:<guess%d@example.org>\r\n" % n for n in range(101)))
            assert {c.reply().code for _ in range(101)} == {550}
            assert c.cmd(R.decode()) == more
            assert c.closed() if more == 421 else c.cmd("NOOP") == 250


@pytest.mark.parametrize("source", [OWN, STRANGER])
@pytest.mark.parametrize("how", ["DATA", "BDAT", "LMTP"])
def test_smuggling(inbound, source, how):
    port = inbound.lmtp_port if how == "LMTP" else inbound.port
    for name, end in REFUSED.items():
        with Raw(port, greet=False, source=source) as c:
            c.reply()
            assert c.cmd("LHLO x" if how == "LMTP" else "EHLO x") == 250
            carrier(c, TEXT + end + SMUGGLED, "BDAT" if how == "BDAT" else "DATA")
            got = c.reply()
            assert got == 554 and got.text.startswith("5.6.11 "), (name, got)
            assert c.cmd("FROB") == 500, name  # one reply, for one message
    for name, end in TEXT_ONLY.items():
        with Raw(port, greet=False, source=source) as c:
            c.reply()
            assert c.cmd("LHLO x" if how == "LMTP" else "EHLO x") == 250
            carrier(c, TEXT + end + b"MAIL FROM:<evil@b.example>\r\n" + (b"" if how == "BDAT" else b".\r\n"),
                    "BDAT" if how == "BDAT" else "DATA")
            got = c.reply()
            assert got == 250, (name, got)
            assert c.cmd("FROB") == 500, name
            stored = inbound.cli("queue", "cat", got.text.rsplit(" ", 1)[-1], text=False)
            kept = end if how == "BDAT" else end.replace(b"\r\n.", b"\r\n")
            assert stored == TEXT + kept + b"MAIL FROM:<evil@b.example>\r\n", name
    assert {row["from"] for row in inbound.queue()} == {"a@b.example"}
    assert len(inbound.queue()) == len(TEXT_ONLY)


def test_unsynchronised_pipelining_is_one_message_each(inbound):
    """RFC 2920 3.1 lets a client go on behind the final dot; it gets what it asked for, as itself."""
    with inbound.raw(source=STRANGER) as c:
        carrier(c, TEXT + b"\r\n.\r\n" + SMUGGLED + b"NOOP\r\n", "DATA")
        assert [c.reply().code for _ in range(6)] == [250, 250, 250, 354, 250, 250]
    assert sorted(row["from"] for row in inbound.queue()) == ["a@b.example", "evil@b.example"]


def test_the_end_behind_a_bare_cr_is_an_end(inbound):
    """CR CRLF . CRLF: refused for its first CR; the rest is CRLF.CRLF, and what follows are commands."""
    with inbound.raw(source=STRANGER) as c:
        carrier(c, TEXT + b"\r\r\n.\r\nNOOP\r\n", "DATA")
        assert c.reply() == 554
        assert c.reply() == 250
        assert c.cmd("FROB") == 500
    assert inbound.queue() == []


def test_every_cut_of_every_end(inbound):
    for (name, end), at in itertools.product(REFUSED.items(), range(1, 5)):
        with inbound.raw() as c:
            carrier(c, (TEXT + end)[:len(TEXT) + at], "DATA")
            c.send((TEXT + end)[len(TEXT) + at:] + b"\r\n.\r\n")
            got = c.reply()
            assert got == 554, (name, at, got)
            assert c.cmd("FROB") == 500, (name, at)
    assert inbound.queue() == []


# ---- independent clients ----

def swaks(port, *words, code=0):
    got = subprocess.run(["swaks", "--server", f"127.0.0.1:{port}", "--from", "a@b.example", "--to", "known@example.org", *words],
                         capture_output=True, text=True, timeout=60, check=False)
    assert got.returncode == code, got.stdout + got.stderr
    return got.stdout


def test_swaks(make, sink):
    post = make(relay=sink, lmtp=True, tls=True, settings={"xclient_networks": "127.0.0.1/32"}).start()
    post.cli("alias", "set", "known@example.org", "k@far.example")
    assert "250-CHUNKING" in swaks(post.port, "--pipeline")
    swaks(post.port, "--tls")
    swaks(post.lmtp_port, "--protocol", "LMTP", "--to", "known@example.org,x@far.example")
    swaks(post.port, "--protocol", "LMTP", code=22)  # no LMTP there
    assert "XCLIENT" in swaks(post.port, "--xclient", "ADDR=192.0.2.7 NAME=far.example HELO=far.example")
    post.wait()
    assert len(sink.to("k@far.example")) == 4
    assert any(b"([192.0.2.7])" in m.octets for m in sink.mails())
    assert any(b"with ESMTPS" in m.octets for m in sink.mails())


@pytest.mark.parametrize("version", ["1", "2"])
def test_swaks_behind_a_proxy(make, sink, version):
    post = make(relay=sink, settings={"proxy_networks": "127.0.0.1/32", "relay_networks": ""}).start()
    post.cli("alias", "set", "known@example.org", "k@far.example")
    words = ["--proxy-version", version, "--proxy-family", "TCP4" if version == "1" else "AF_INET", "--proxy-source", "192.0.2.7",
             "--proxy-source-port", "5000", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25"]
    swaks(post.port, *words, *([] if version == "1" else ["--proxy-protocol", "STREAM", "--proxy-command", "PROXY"]))
    assert b"([192.0.2.7])" in sink.one("k@far.example").octets


def test_python_with_smtputf8_dsn_and_lmtp(make, pysink):
    server = pysink()
    post = make(relay=server, lmtp=True).start()
    with smtplib.SMTP("127.0.0.1", post.port, timeout=30) as c:
        c.ehlo()
        assert c.sendmail("jürgen@b.example", ["ünal@far.example"], message(), mail_options=["SMTPUTF8", "BODY=8BITMIME", "RET=HDRS"],
                          rcpt_options=["NOTIFY=NEVER", "ORCPT=utf-8;ünal@far.example"]) == {}
    with smtplib.LMTP("127.0.0.1", post.lmtp_port) as c:
        assert c.sendmail("a@b.example", ["x@far.example"], message()) == {}
    post.wait()
    until(lambda: len(server.mails) == 2)
