"""The dialogue with smtpd: commands, their order, limits, STARTTLS, who may send where, and smuggling."""
import itertools
import random
import shutil
import smtplib
import socket
import ssl

import pytest

from postroad import Raw, message, until


def queued(instance):
    return [(row["from"], row["size"]) for row in instance.queue()]


# ---- commands ----

def test_greeting_and_extensions(inbound):
    with inbound.raw() as c:
        assert c.banner.text.startswith("mx.example.org ESMTP")
        assert set(c.extensions) == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING",
                                     "DSN", "LIMITS"}
        assert c.extensions["LIMITS"] == "RCPTMAX=1000"
        assert int(c.extensions["SIZE"]) == 50 * 1024 * 1024


def test_every_command(inbound):
    with inbound.raw() as c:
        assert c.cmd("noop") == 250
        assert c.cmd("NOOP with words") == 250
        assert c.cmd("VRFY someone@example.org") == 252
        help_text = c.cmd("HELP")
        assert help_text == 214
        for verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "HELP", "STARTTLS"):
            assert verb in help_text.text
        assert c.cmd("HELO old.example") == 250
        assert c.cmd("MAIL FROM:<>") == 250
        assert c.cmd("RSET") == 250
        assert c.cmd("RCPT TO:<x@far.example>") == 503
        assert c.cmd("Mail from:<a@b.example>") == 250
        assert c.cmd("rcpt to:<x@far.example>") == 250
        assert c.cmd("data") == 354
        assert c.data(message()) == 250
        got = c.cmd("QUIT")
        assert got == 221
        assert c.closed()


WRONG = [
    (["MAIL FROM:<a@b.example>"], 503),
    (["EHLO c.example", "RCPT TO:<x@far.example>"], 503),
    (["EHLO c.example", "DATA"], 503),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "DATA"], 503),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], 503),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "RCPT TO:<nobody@example.org>", "DATA"], 503),
    (["EHLO c.example", "MAIL FROM:<a@b.example>", "EHLO c.example", "RCPT TO:<x@far.example>"], 503),
    (["EHLO"], 501), (["HELO"], 501), (["EHLO c.example", "VRFY"], 501), (["EHLO c.example", "MAIL"], 501),
    (["EHLO c.example", "QUIT now"], 501), (["EHLO c.example", "RSET now"], 501),
    (["EHLO c.example", "STARTTLS"], 502), (["EHLO c.example", "FROB"], 500), (["EHLO c.example", ""], 500),
    (["EHLO bad\x01name"], 501),
]


def test_wrong_order_and_syntax(inbound):
    for lines, code in WRONG:
        with inbound.raw(greet=False) as c:
            assert c.reply() == 220
            for line in lines[:-1]:
                c.cmd(line)
            got = c.cmd(lines[-1])
            assert got == code, (lines, got)
            assert c.cmd("NOOP") == 250


def test_addresses(inbound):
    wrong = ["a", "<a", "<a@>", "<@b.example>", "<a b@c.example>", "<a@b..example>", "<a@-b.example>", "<a@b.example",
             "a@b.example", "<a@b.example>x=1 junk", "<a..b@c.example>", "<.a@c.example>", "<a@c.example.>>",
             "<\"a@c.example>", "<a@[300.1.1.1]>", f"<{'a' * 400}@c.example>", f"<a@{'b' * 70}.example>"]
    right = ["<a@b.example>", " <a@b.example>", "<\"a b\"@c.example>", "<a+b=c@d.example>", "<a@[127.0.0.1]>",
             "<@relay.example:a@b.example>", f"<{'a' * 64}@c.example>", "<A.B!#$%&'*/=?^_`{|}~-@c.example>"]
    with inbound.raw() as c:
        for path in wrong:
            got = c.cmd(f"MAIL FROM:{path}")
            assert got.code // 100 == 5, (path, got)
            assert c.cmd("RSET") == 250
        for path in right:
            assert c.cmd(f"MAIL FROM:{path}") == 250, path
            assert c.cmd(f"RCPT TO:{path}") == 250, path
            assert c.cmd("RSET") == 250
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        for path in [*wrong, "<>"]:
            got = c.cmd(f"RCPT TO:{path}")
            assert got.code // 100 == 5, (path, got)
        assert c.cmd("RCPT TO:<x@far.example> FUTURE=x") == 555
        assert c.cmd("RCPT TO:<x@far.example>") == 250


def test_mail_parameters(inbound):
    with inbound.raw() as c:
        for parameters, code in [("SIZE=1000", 250), ("size=0", 250), ("SIZE=", 501), ("SIZE=abc", 501),
                                 ("SIZE=-1", 501), ("SIZE=99999999999999999999", 501), ("SIZE=52428801", 552),
                                 ("BODY=8BITMIME", 250), ("BODY=7BIT", 250), ("body=8bitmime smtputf8 size=9", 250),
                                 ("BODY=BINARYMIME", 501), ("SMTPUTF8=1", 555), ("FUTURE=x", 555), ("AUTH=<>", 555),
                                 ("SIZE=1 SIZE=1", 501), ("BODY=7BIT body=7BIT", 501), ("SMTPUTF8 SMTPUTF8", 501)]:
            got = c.cmd(f"MAIL FROM:<a@b.example> {parameters}")
            assert got == code, (parameters, got)
            assert c.cmd("RSET") == 250


def test_many_bad_commands_end_the_session(inbound):
    with inbound.raw() as c:
        replies = []
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(60):
                replies.append(c.cmd("FROB").code)
        assert len(replies) >= 20
        assert set(replies[:20]) == {500}
    with inbound.raw() as c:
        assert c.cmd("NOOP") == 250


# ---- limits ----

def test_command_line_limit(inbound):
    with inbound.raw() as c:
        assert c.cmd("NOOP " + "x" * 1990) == 250
        got = c.cmd("NOOP " + "x" * 3000)
        assert got == 500 and "5.5.6" in got.text
        got = c.cmd("NOOP " + "x" * 1_000_000)
        assert got == 500 and "5.5.6" in got.text
        assert c.cmd("NOOP") == 250
        assert c.cmd("MAIL FROM:<a@b.example>") == 250


def test_recipient_limit(make, sink):
    post = make(relay=sink, settings={"recipients_max": "100"}).start()
    with post.raw() as c:
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        for n in range(100):
            assert c.cmd(f"RCPT TO:<r{n}@far.example>") == 250
        got = c.cmd("RCPT TO:<r100@far.example>")
        assert got == 452 and "4.5.3" in got.text
        assert c.cmd("DATA") == 354
        assert c.data(message()) == 250
    post.wait()
    assert sink.recipients() == sorted(f"r{n}@far.example" for n in range(100))


def test_a_thousand_recipients(post, sink):
    with post.raw() as c:
        c.send("MAIL FROM:<a@b.example>\r\n" + "".join(f"RCPT TO:<r{n}@far{n % 7}.example>\r\n" for n in range(1000))
               + "DATA\r\n")
        assert [c.reply().code for _ in range(1002)] == [250] * 1001 + [354]
        assert c.data(message()) == 250
    post.wait(60)
    assert sink.recipients() == sorted(f"r{n}@far{n % 7}.example" for n in range(1000))


def test_size_limit(make):
    inbound = make(settings={"message_size_max": "20000"}).start("smtpd")
    with inbound.raw() as c:
        assert c.extensions["SIZE"] == "20000"
        assert c.cmd("MAIL FROM:<a@b.example> SIZE=20001") == 552
        for size, code in ((20000, 250), (20001, 552), (2_000_000, 552)):
            octets = message()
            octets += b"x" * (size - len(octets) - 2) + b"\r\n"
            assert len(octets) == size
            c.begin("a@b.example", "x@far.example")
            assert c.data(octets) == code
            assert c.cmd("NOOP") == 250
    assert queued(inbound) == [("a@b.example", 20000)]


def test_connection_limit_of_one_client(make):
    inbound = make(settings={"smtp_sessions_per_client": "3"}).start("smtpd")
    clients = [inbound.raw() for _ in range(3)]
    with inbound.raw(greet=False) as c:
        assert c.reply() == 421
        assert c.closed()
    with Raw(inbound.port, source="127.0.0.2") as c:
        assert c.cmd("NOOP") == 250
    clients.pop().close()

    def welcome():
        with inbound.raw(greet=False) as c:
            return c.reply() == 220
    until(welcome, 10)
    for c in clients:
        assert c.cmd("NOOP") == 250
        c.close()


@pytest.mark.parametrize("setting", ["smtp_idle_timeout", "smtp_session_timeout"])
def test_timeouts(make, setting):
    inbound = make(settings={setting: "1s"}).start("smtpd")
    with inbound.raw() as c:
        got = c.reply()
        assert got == 421 and "4.4.2" in got.text
        assert c.closed()
    with inbound.raw() as c:  # in the midst of a message
        c.begin("a@b.example", "x@far.example")
        c.send(b"Subject: never ends\r\n")
        assert c.reply() == 421
        assert c.closed()
    assert inbound.queue() == []


def test_header_limit(inbound):
    """What stands behind the limit could not be looked at: hops for instance."""
    with inbound.raw() as c:
        for fields in ("X-Long: " + "x" * 70 + "\r\n", "X: y\r\n"):
            fields *= 300_000 // len(fields) if len(fields) > 20 else 2100
            c.begin("a@b.example", "x@far.example")
            got = c.data(message(fields=fields))
            assert got == 552 and got.text.startswith("5.3.4 "), got
            assert c.cmd("NOOP") == 250
            c.begin("a@b.example", "x@far.example")
            assert c.data(message(fields=fields[:len(fields) // 2 // 78 * 78] if len(fields) > 20000 else "X: y\r\n" * 1900)) == 250


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_a_text_that_trickles_is_cut_off(inbound, how):
    with inbound.raw() as c:
        for octets, fast in ((b"x" * 4000, True), (b"x" * 20, False)):
            c.cmd("MAIL FROM:<a@b.example>")
            c.cmd("RCPT TO:<x@far.example>")
            c.send(b"DATA\r\n" if how == "DATA" else b"BDAT 100000\r\n")
            if how == "DATA":
                assert c.reply() == 354
            c.send(b"Subject: x\r\n")
            until(lambda: inbound.metrics()["smtpd_sessions_open", "smtpd"] == 1)
            inbound.clock("+31s")
            c.send(octets)
            if fast:
                c.send(b"x" * (100000 - len(octets) - 12) if how == "BDAT" else b"\r\n.\r\n")
                assert c.reply() == 250
                c.cmd("RSET")
            else:
                got = c.reply()
                assert got == 421 and got.text.startswith("4.4.2 ")
                assert c.closed()


def test_disk_almost_full(make):
    inbound = make(settings={"min_free": "1024G"}).start("smtpd")
    with inbound.raw() as c:
        got = c.cmd("MAIL FROM:<a@b.example>")
        assert got == 452 and "4.3.1" in got.text
        assert c.cmd("NOOP") == 250


def test_too_many_hops(inbound):
    hop = "Received: from a by b; Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    with inbound.raw() as c:
        c.begin("a@b.example", "x@far.example")
        assert c.data(message(fields=hop * 90)) == 250
        c.begin("a@b.example", "x@far.example")
        got = c.data(message(fields=hop * 110))
        assert got == 554 and "5.4.6" in got.text
        assert c.cmd("NOOP") == 250


# ---- pipelining and segments ----

def test_pipelining_in_one_segment(inbound):
    octets = message()
    with inbound.raw() as c:
        c.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n")
        assert [c.reply().code for _ in range(4)] == [250, 550, 250, 354]
        c.send(octets + b".\r\nMAIL FROM:<>\r\nRCPT TO:<y@far.example>\r\nDATA\r\n")
        assert [c.reply().code for _ in range(4)] == [250, 250, 250, 354]
        c.send(octets + b".\r\nNOOP\r\nQUIT\r\n")
        assert [c.reply().code for _ in range(3)] == [250, 250, 221]
        assert c.closed()
    assert queued(inbound) == [("a@b.example", len(octets)), ("", len(octets))]


def test_a_thousand_commands_in_one_segment(inbound):
    with inbound.raw() as c:
        c.send(b"NOOP\r\n" * 1000)
        assert [c.reply().code for _ in range(1000)] == [250] * 999 + [421]  # one of the thousand was EHLO
        assert c.closed()


def test_commands_without_a_message_are_limited(inbound):
    """A client that brings mail may say what it likes; one that brings none is sent away."""
    with inbound.raw() as c:
        for _ in range(3):
            c.send(b"NOOP\r\nVRFY x\r\n" * 450)
            assert {c.reply().code for _ in range(900)} == {250, 252}
            c.post("a@b.example", ["x@far.example"], message())
    for line in ("RSET", "HELP", "EHLO x", "RCPT TO:<nobody@example.org>"):
        with inbound.raw() as c:
            assert c.cmd("MAIL FROM:<a@b.example>") == 250
            c.send(f"{line}\r\n".encode() * 1000)
            codes = [c.reply().code for _ in range(1000)]
            assert 421 not in codes[:999] and codes[999] == 421, line


def test_octet_by_octet(inbound):
    octets = message(body="one\r\n..two\r\n.\r.\r\n".replace("\r.", "."))
    dialogue = b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n"
    with inbound.raw(greet=False) as c:
        assert c.reply() == 220
        for octet in dialogue:
            c.send(bytes([octet]))
        assert [c.reply().code for _ in range(4)] == [250, 250, 250, 354]
        for octet in octets.replace(b"\r\n.", b"\r\n..") + b".\r\n":
            c.send(bytes([octet]))
        got = c.reply()
        assert got == 250
    queue_id = got.text.split()[-1]
    assert inbound.cli("queue", "cat", queue_id, text=False) == octets


def test_client_goes_away_in_every_state(inbound):
    whole = (b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n"
             + message() + b"\r\n.\r")
    for cut in range(0, len(whole) + 1, 7):
        with inbound.raw(greet=False) as c:
            c.send(whole[:cut])
    with inbound.raw() as c:
        assert c.cmd("NOOP") == 250
    assert inbound.queue() == []
    until(lambda: inbound.metrics()["smtpd_sessions_open", "smtpd"] == 0, 10)


# ---- STARTTLS ----

@pytest.fixture
def secure(make, certificate):
    instance = make(settings={"tls_certificate": "cert.pem", "tls_key": "key.pem"})
    for path in certificate:
        shutil.copy(path, instance.dir)
    return instance.start("smtpd")


def test_absolute_paths_of_tls_files(make, certificate):
    cert, key = certificate
    with make(settings={"tls_certificate": cert, "tls_key": key}).start("smtpd").raw() as c:
        c.starttls()
        assert c.cmd("NOOP") == 250


def test_starttls(secure):
    with secure.raw() as c:
        assert "STARTTLS" in c.extensions
        assert c.cmd("STARTTLS now") == 501
        assert c.cmd("MAIL FROM:<before@tls.example>") == 250
        assert c.cmd("STARTTLS") == 220
        c.wrap()
        assert c.cmd("MAIL FROM:<a@b.example>") == 503  # greeting and transaction are forgotten
        c.ehlo()
        assert "STARTTLS" not in c.extensions
        assert c.cmd("STARTTLS") == 503
        queue_id = c.post("a@b.example", ["x@far.example"], message())
    fields = secure.cli("queue", "cat", queue_id, "--fields")
    assert "with ESMTPS (TLS1." in fields
    assert secure.metrics()["smtpd_tls_total"] == 1


def test_python_over_tls(secure):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    octets = message(body="x" * 70 + "\r\n" + "y\r\n" * 200000)
    with smtplib.SMTP("127.0.0.1", secure.port, timeout=30) as client:
        client.starttls(context=context)
        assert client.sendmail("a@b.example", ["x@far.example"], octets) == {}
    assert queued(secure) == [("a@b.example", len(octets))]


def test_plaintext_injected_behind_starttls_is_discarded(secure):
    for injected in (b"MAIL FROM:<evil@b.example>\r\n", b"NOOP\r\n" * 50, b"EHLO evil.example\r\nMAIL FROM:<e@v.example>\r\n"):
        with secure.raw() as c:
            c.send(b"STARTTLS\r\n" + injected)
            assert c.reply() == 220
            c.wrap()
            got = c.cmd("RCPT TO:<x@far.example>")
            assert got == 503, got  # the first reply after TLS is that of the first command after TLS
            c.ehlo()
            assert c.cmd("RCPT TO:<x@far.example>") == 503


def test_broken_handshakes_hurt_nobody(secure):
    for junk in (b"", b"\x00" * 100, b"GET / HTTP/1.0\r\n\r\n", random.Random(1).randbytes(5000),
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 600):
        with secure.raw() as c:
            assert c.cmd("STARTTLS") == 220
            c.socket.settimeout(20)
            try:
                c.send(junk)
                c.socket.shutdown(socket.SHUT_WR)
                while c.socket.recv(4096):
                    pass
            except TimeoutError:
                raise
            except OSError:
                pass  # smtpd may close as soon as it sees the junk
    with secure.raw() as c:
        c.starttls()
        assert c.cmd("NOOP") == 250
    assert secure.queue() == []


def test_tls_files_that_do_not_fit(make, certificate, tmp_path):
    cert, _ = certificate
    bad = tmp_path / "bad.pem"
    bad.write_text("no key\n")
    instance = make(settings={"tls_certificate": cert, "tls_key": bad})
    instance.start("smtpd", wait=False)
    assert instance.processes[-1].wait(30) == 2
    assert str(bad) in instance.log


# ---- who may send where ----

def test_unknown_recipients_are_refused_at_rcpt(inbound):
    inbound.cli("alias", "set", "known@example.org", "k@far.example")
    with inbound.raw() as c:
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        for address in ("nobody@example.org", "nobody@EXAMPLE.org", "news-owner@example.org", "\"known x\"@example.org"):
            got = c.cmd(f"RCPT TO:<{address}>")
            assert got == 550 and got.text.startswith("5.1.1 "), (address, got)
        for address in ("known@example.org", "KNOWN@Example.ORG", "\"known\"@example.org"):
            assert c.cmd(f"RCPT TO:<{address}>") == 250, address


def test_relaying_only_for_named_networks(make):
    inbound = make(settings={"relay_networks": "127.0.0.2/32 127.0.1.0/24"}).start("smtpd")
    inbound.cli("alias", "set", "known@example.org", "k@far.example")
    for source, allowed in (("127.0.0.1", False), ("127.0.0.2", True), ("127.0.0.3", False), ("127.0.1.77", True)):
        with Raw(inbound.port, source=source) as c:
            assert c.cmd("MAIL FROM:<a@b.example>") == 250
            got = c.cmd("RCPT TO:<x@far.example>")
            if allowed:
                assert got == 250
            else:
                assert got == 550 and got.text.startswith("5.7.1 ")
            assert c.cmd("RCPT TO:<known@example.org>") == 250
    with Raw(inbound.port, source="127.0.0.1") as c:  # no way round by routes, percent signs or nested addresses
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        for path in ("<@example.org:x@far.example>", "<x%far.example@example.org>", "<\"x@far.example\"@example.org>",
                     "<x@far.example@example.org>", "<far.example!x@example.org>"):
            assert c.cmd(f"RCPT TO:{path}").code // 100 == 5, path


def test_postmaster_without_domain(make, sink):
    post = make(relay=sink, settings={"hostname": "example.org", "relay_networks": ""}).start()
    post.cli("alias", "set", "postmaster@example.org", "boss@far.example")
    with post.raw() as c:
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<Postmaster>") == 250
        c.cmd("DATA")
        assert c.data(message()) == 250
    assert sink.one("boss@far.example").sender == "a@b.example"


# ---- 8 bits and UTF-8 ----

def test_utf8_addresses(make, pysink):
    server = pysink()
    post = make(relay=server).start()
    with post.raw() as c:
        got = c.cmd("MAIL FROM:<jürgen@b.example>")
        assert got == 553 and "5.6.7" in got.text
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        assert c.cmd("RCPT TO:<jürgen@far.example>").code == 553
        assert c.cmd("RSET") == 250
        assert c.cmd(b"MAIL FROM:<j\xff\xfergen@b.example> SMTPUTF8").code // 100 == 5
    octets = message(subject="grüße", body="für alle\r\n")
    post.post("jürgen@b.example", "пользователь@пример.example", octets, options=["SMTPUTF8", "BODY=8BITMIME"])
    post.wait()
    mail = server.mails[0]
    assert mail.sender == "jürgen@b.example"
    assert mail.recipients[0] in ("пользователь@xn--e1afmkfd.example", "пользователь@пример.example")
    assert mail.octets.endswith(octets)
    line = next(s for s in server.commands() if s.startswith("MAIL"))
    assert " SMTPUTF8" in line and " BODY=8BITMIME" in line
    assert b"with UTF8SMTP" in mail.octets


def test_utf8_to_a_server_without_it_is_returned(make, pysink):
    server = pysink(extensions=["PIPELINING", "8BITMIME"])
    post = make(relay=server).start()
    post.post("me@b.example", "jürgen@far.example", message(), options=["SMTPUTF8"])
    until(lambda: post.events("jürgen@far.example", "bounced"))
    assert not server.to("jürgen@far.example")


# ---- smuggling ----

SMUGGLED = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@far.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
NO_ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r", "CR.LF": b"\r.\n", "LF.CR": b"\n.\r", "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "LFLF.LF": b"\n\n.\n", "CRLF CR.CRLF": b"\r\n\r.\r\n", "NUL": b"\r\n\0.\n", "CRLF.CR LF.CR": b"\r\n.\r\n.\r"[:4] + b"x\n",
}
TEXT = b"Subject: carrier\r\n\r\nfirst"


@pytest.mark.parametrize("how", ["whole", "split"])
def test_no_other_end_of_data(inbound, how):
    for name, end in NO_ENDS.items():
        octets = TEXT + end + SMUGGLED
        cuts = [None] if how == "whole" else range(len(TEXT), len(TEXT) + len(end) + 1)
        for cut in cuts:
            with inbound.raw() as c:
                c.begin("a@b.example", "x@far.example")
                if cut is None:
                    c.send(octets)
                else:
                    c.send(octets[:cut])
                    c.send(octets[cut:])
                got = c.reply()
                assert got == 554 and "5.6.11" in got.text, (name, cut, got)
                got = c.cmd("FROB")  # exactly one reply came: the next one is that of this command
                assert got == 500, (name, cut, got)
                c.post("good@b.example", ["x@far.example"], message())
        assert all(row["from"] == "good@b.example" for row in inbound.queue()), name


def test_bare_cr_and_lf_anywhere(inbound):
    bare = [b"a\rb\r\n", b"a\nb\r\n", b"a\r\r\n", b"\n", b"\r", b"a\n\r\n", b"\r\n\r\r\n"]
    for octets, at in itertools.product(bare, ("header", "body")):
        text = b"Subject: x\r\n" + (b"X-A: " + octets + b"\r\n\r\nbody" if at == "header" else b"\r\n" + octets)
        with inbound.raw() as c:
            c.begin("a@b.example", "x@far.example")
            c.send(text + b"\r\n.\r\n")
            got = c.reply()
            assert got.code in (550, 554), (octets, at, got)
            assert c.cmd("NOOP") == 250
    assert inbound.queue() == []


def test_bare_line_ends_between_commands(inbound):
    with inbound.raw() as c:
        for line in (b"HELP\nHELP\r\n", b"HE\rLP\r\n", b"HELP\r\r\n", b"\rHELP\r\n"):
            c.send(line)
            assert c.reply().code // 100 == 5, line
            c.send(b"NOOP\r\n")
            while c.reply() != 250:
                pass
        assert c.cmd("MAIL FROM:<a@b.example>") == 250


def test_large_refused_message_keeps_the_session_sane(inbound):
    with inbound.raw() as c:
        c.begin("a@b.example", "x@far.example")
        c.send(b"Subject: x\r\n\r\na\nb\r\n" + b"y" * 70 + b"\r\n" * 10 + b"z\r\n" * 400000 + b".\r\n")
        assert c.reply() == 554
        c.post("a@b.example", ["x@far.example"], message())
    assert len(inbound.queue()) == 1
