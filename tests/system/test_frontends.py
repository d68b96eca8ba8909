"""What stands in front: LMTP clients, PROXY front ends, XCLIENT, certificates by name; reload; postmaster."""
import os
import re
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from postroad import Lmtp, Raw, message, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def hangup(instance, text):
    """SIGHUP to smtpd; waits for the line that says what came of it."""
    before = instance.log.count(text)
    os.kill(instance.pid("smtpd"), signal.SIGHUP)
    until(lambda: instance.log.count(text) > before, 20, text)


def change(instance, **settings):
    """New values at the end of postroad.conf, in place of the old."""
    path = instance.dir / "postroad.conf"
    lines = [s for s in path.read_text().splitlines() if not re.match(rf"({'|'.join(settings)}) *=", s)]
    path.write_text("\n".join([*lines, *(f"{n} = {v}" for n, v in settings.items())]) + "\n")


# ---- LMTP ----

def test_lmtp(make, sink):
    post = make(relay=sink, lmtp=True).start()
    with Lmtp(post.lmtp_port) as c:
        assert c.banner.text.startswith("mx.example.org LMTP")
        assert {"PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"} <= set(c.extensions)
        assert c.cmd("EHLO c.example") == 500
        assert c.cmd("HELO c.example") == 500
        assert c.cmd("MAIL FROM:<a@b.example>") == 250
        assert c.cmd("DATA") == 503
        assert c.cmd("RCPT TO:<one@far.example>") == 250
        assert c.cmd("RCPT TO:<nobody@example.org>") == 550
        assert c.cmd("RCPT TO:<two@far.example>") == 250
        assert c.cmd("DATA") == 354
        first, second = c.data(message()), c.reply()  # one for each recipient that was taken
        assert first == second == 250
        c.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<one@far.example>\r\nRCPT TO:<two@far.example>\r\n"
               b"BDAT 12\r\nSubject: x\r\nBDAT 2 LAST\r\n\r\n")
        assert [c.reply().code for _ in range(6)] == [250] * 6
        c.begin("a@b.example", "one@far.example", "two@far.example")
        c.send(b"Subject: x\r\n\r\na\nb\r\n.\r\n")
        assert [c.reply().code for _ in range(2)] == [554, 554]
        assert c.cmd("NOOP") == 250
    with post.raw() as c:
        assert c.cmd("LHLO c.example") == 500
    post.wait()
    assert sink.recipients() == ["one@far.example"] * 2 + ["two@far.example"] * 2
    assert all(b"with LMTP id" in m.octets for m in sink.mails())


def test_lmtp_many_recipients_and_a_restart(make):
    inbound = make(lmtp=True).start("smtpd")
    inbound.kill("smtpd")  # the supervisor kept both ports
    with Lmtp(inbound.lmtp_port) as c, inbound.raw() as other:
        assert other.cmd("NOOP") == 250
        names = [f"r{n}@{'x' * 60}.far.example" for n in range(1000)]
        c.send("MAIL FROM:<a@b.example>\r\n" + "".join(f"RCPT TO:<{n}>\r\n" for n in names) + "DATA\r\n")
        assert [c.reply().code for _ in range(1002)] == [250] * 1001 + [354]
        c.send(message() + b".\r\n")
        assert {c.reply().text for _ in range(1000)} == {"2.0.0 queued as " + inbound.queue()[0]["queue"]}


def test_lmtp_relays_only_for_named_networks(make):
    inbound = make(lmtp=True, settings={"relay_networks": "127.0.0.2/32"}).start("smtpd")
    for source, code in (("127.0.0.1", 550), ("127.0.0.2", 250)):
        with Lmtp(inbound.lmtp_port, source=source) as c:
            c.cmd("MAIL FROM:<a@b.example>")
            assert c.cmd("RCPT TO:<x@far.example>") == code


# ---- PROXY ----

def proxied(instance, header, source="127.0.0.1"):
    c = Raw(instance.port, greet=False, source=source)
    c.send(header)
    return c


def v2(source, port, command=0x21, extra=b""):
    if ":" in source:
        block = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "::1")
    else:
        block = socket.inet_aton(source) + socket.inet_aton("198.51.100.1")
    block += struct.pack("!HH", port, 25) + extra
    return SIGNATURE + bytes([command, 0x21 if ":" in source else 0x11]) + struct.pack("!H", len(block)) + block


@pytest.fixture
def behind(make):
    return make(settings={"proxy_networks": "127.0.0.1/32", "relay_networks": "192.0.2.0/24 2001:db8::/32",
                          "smtp_sessions_per_client": "3"}).start("smtpd")


def test_proxy_names_the_client(behind):
    rows = [(b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 25\r\n", "192.0.2.7", 250),
            (b"PROXY TCP4 203.0.113.7 198.51.100.1 5000 25\r\n", "203.0.113.7", 550),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 25\r\n", "IPv6:2001:db8::7", 250),
            (v2("192.0.2.8", 5000), "192.0.2.8", 250), (v2("2001:db8::8", 5000), "IPv6:2001:db8::8", 250),
            (v2("203.0.113.8", 5000, extra=b"\x04\x00\x02ab\x20\x00\x01x"), "203.0.113.8", 550),
            (b"PROXY UNKNOWN\r\n", "127.0.0.1", 550), (v2("192.0.2.9", 5000, command=0x20), "127.0.0.1", 550)]
    behind.cli("alias", "set", "known@example.org", "k@far.example")
    for header, address, code in rows:
        for cut in (len(header), 1, len(header) - 1):
            with proxied(behind, header[:cut]) as c:
                c.send(header[cut:] + b"EHLO c.example\r\n")
                assert c.reply() == 220
                assert c.reply() == 250
                c.cmd("MAIL FROM:<a@b.example>")
                assert c.cmd("RCPT TO:<x@far.example>") == code, header
                assert c.cmd("RCPT TO:<known@example.org>") == 250
                assert c.cmd("DATA") == 354
                queue_id = c.data(message()).text.split()[-1]
        assert f"([{address}])" in behind.cli("queue", "cat", queue_id, "--fields")


def test_no_proxy_header(behind):
    for octets in (b"EHLO c.example\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY " + b"x" * 200, SIGNATURE + b"\x31\x11\0\0",
                   SIGNATURE[:5] + b"x", b"\x16\x03\x01"):
        with proxied(behind, octets) as c:
            assert c.closed()
    with proxied(behind, b"PROX") as c:  # no greeting before the header; not for ever
        until(lambda: behind.metrics()["smtpd_sessions_open", "smtpd"] == 1)
        behind.clock("+6s")
        assert c.closed()


def test_proxy_header_of_a_stranger_is_a_bad_command(behind):
    with Raw(behind.port, source="127.0.0.2") as c:
        assert c.cmd("PROXY TCP4 192.0.2.7 198.51.100.1 5000 25") == 500
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<x@far.example>") == 550
        c.send(v2("192.0.2.7", 5000) + b"\r\n")
        while (got := c.reply()).code // 100 == 5 and "5.7.1" not in got.text:
            c.send(b"RCPT TO:<x@far.example>\r\n")


def test_sessions_are_counted_for_the_client_behind_the_proxy(behind):
    clients = []
    for address in ("203.0.113.1", "203.0.113.2"):
        for n in range(4):
            c = proxied(behind, f"PROXY TCP4 {address} 198.51.100.1 {5000 + n} 25\r\n".encode())
            clients.append(c)
            assert c.reply() == (220 if n < 3 else 421)
    for c in clients:
        c.close()
    until(lambda: behind.metrics()["smtpd_sessions_open", "smtpd"] == 0)
    with proxied(behind, b"PROXY TCP4 203.0.113.1 198.51.100.1 1 25\r\n") as c:
        assert c.reply() == 220


def test_proxy_and_starttls(make, sink):
    post = make(relay=sink, tls=True, settings={"proxy_networks": "127.0.0.1/32", "relay_networks": "192.0.2.0/24"}).start()
    with proxied(post, v2("192.0.2.7", 5000)) as c:
        assert c.reply() == 220
        c.ehlo()
        c.starttls()
        c.post("a@b.example", ["x@far.example"], message())
    assert re.search(rb"\(\[192\.0\.2\.7\]\)\r\n\tby mx\.example\.org with ESMTPS", sink.one("x@far.example").octets)


# ---- XCLIENT ----

def test_xclient(make):
    inbound = make(settings={"xclient_networks": "127.0.0.1/32", "relay_networks": "192.0.2.0/24"}).start("smtpd")
    with inbound.raw() as c:
        assert c.extensions["XCLIENT"] == "NAME ADDR PORT PROTO HELO LOGIN"
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("XCLIENT ADDR=192.0.2.7") == 503
        assert c.cmd("RCPT TO:<x@far.example>") == 550
        c.cmd("RSET")
        for words in ("ADDR", "ADDR=1.2.3", "ADDR=IPV6:x", "COLOUR=red", "PORT=70000", "PROTO=HTTP", "HELO=a+0Ab", "ADDR=+"):
            assert c.cmd(f"XCLIENT {words}") == 501, words
        got = c.cmd("XCLIENT NAME=far.example ADDR=192.0.2.7 PORT=77 LOGIN=me")
        assert got == 220
        assert c.cmd("MAIL FROM:<a@b.example>") == 503  # as a new connection
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<x@far.example>") == 250
        assert c.cmd("DATA") == 354
        queue_id = c.data(message()).text.split()[-1]
        assert "([192.0.2.7])" in inbound.cli("queue", "cat", queue_id, "--fields")
        assert c.cmd("XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE] HELO=[TEMPUNAVAIL] PROTO=SMTP") == 220
        c.ehlo()
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<x@far.example>") == 550
    with Raw(inbound.port, source="127.0.0.2") as c:
        assert "XCLIENT" not in c.extensions
        assert c.cmd("XCLIENT ADDR=192.0.2.7") == 500
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<x@far.example>") == 550


# ---- certificates and reload ----

def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", "2", "-subj", f"/CN={name}"],
                   check=True, capture_output=True)


def served(port, name=None, session=None, lmtp=False):
    """(the certificate's text, the TLS socket) of a session that asked for this name."""
    c = (Lmtp if lmtp else Raw)(port)
    assert c.cmd("STARTTLS") == 220
    context = session.context if session else ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wrapped = context.wrap_socket(c.socket, server_hostname=name, session=session)
    wrapped.context = context
    wrapped.sendall(b"NOOP\r\n")
    assert wrapped.recv(100).startswith(b"250")  # a ticket of TLS 1.3 has come by then
    shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-ext", "subjectAltName"],
                           input=wrapped.getpeercert(True), capture_output=True, check=True).stdout.decode()
    c.file.close()
    return shown, wrapped


def test_starttls_out_of_the_box(make):
    inbound = make(tls=True).start("smtpd")
    path = inbound.dir / "data/tls/self.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    text, s = served(inbound.port)
    s.close()
    assert "CN = mx.example.org" in text and "DNS:mx.example.org" in text
    with inbound.raw() as c:
        c.starttls()
        assert c.cmd("NOOP") == 250


def test_certificates_by_name(make, tmp_path):
    for name in ("one.example", "two.example", "main.example"):
        certificate(tmp_path, name)
    pairs = [f"{n}={tmp_path}/{n}.pem:{tmp_path}/{n}.key" for n in ("one.example", "two.example")]
    inbound = make(settings={"tls_certificate": tmp_path / "main.example.pem", "tls_key": tmp_path / "main.example.key",
                             "tls_certificates": " ".join(pairs)}).start("smtpd")
    for asked, got in ((None, "main"), ("one.example", "one"), ("TWO.example", "two"), ("three.example", "main")):
        text, s = served(inbound.port, asked)
        s.close()
        assert f"CN = {got}.example" in text, asked


def test_tickets_are_for_one_service(make):
    inbound = make(tls=True, lmtp=True).start("smtpd")
    _, first = served(inbound.port, "x.example")
    session, context = first.session, first.context
    assert session.has_ticket

    def resumed(port, lmtp):
        c = (Lmtp if lmtp else Raw)(port)
        assert c.cmd("STARTTLS") == 220
        with context.wrap_socket(c.socket, server_hostname="x.example", session=session) as s:
            s.sendall(b"NOOP\r\n")
            assert s.recv(100).startswith(b"250")
            return s.session_reused
    assert resumed(inbound.port, False)
    assert not resumed(inbound.lmtp_port, True)
    first.close()


def test_reload(make, tmp_path):
    for name in ("old.example", "new.example"):
        certificate(tmp_path, name)
    inbound = make(settings={"tls_certificate": tmp_path / "old.example.pem", "tls_key": tmp_path / "old.example.key",
                             "relay_networks": "192.0.2.0/24"}).start("smtpd")
    pid = inbound.pid("smtpd")
    with inbound.raw() as old:
        assert old.cmd("MAIL FROM:<a@b.example>") == 250
        change(inbound, relay_networks="127.0.0.0/8", message_size_max="20000",
               tls_certificate=tmp_path / "new.example.pem", tls_key=tmp_path / "new.example.key")
        hangup(inbound, " smtpd reloaded")
        assert old.cmd("RCPT TO:<x@far.example>") == 550  # begun under the old settings
        with inbound.raw() as new:
            assert new.extensions["SIZE"] == "20000"
            assert new.cmd("MAIL FROM:<a@b.example>") == 250
            assert new.cmd("RCPT TO:<x@far.example>") == 250
        text, s = served(inbound.port)
        s.close()
        assert "CN = new.example" in text
        for wrong in ({"relay_networks": "127.0.0.1/99"}, {"tls_key": "/nowhere"}, {"message_size_max": "many"},
                      {"tls_certificates": "x"}, {"postmaster": "nobody"}):
            good = (inbound.dir / "postroad.conf").read_text()
            change(inbound, **wrong)
            hangup(inbound, " smtpd not-reloaded")
            (inbound.dir / "postroad.conf").write_text(good)
            with inbound.raw() as new:
                assert new.extensions["SIZE"] == "20000"
        assert old.cmd("RCPT TO:<x@far.example>") == 550
    assert inbound.pid("smtpd") == pid


# ---- postmaster ----

def test_postmaster_and_abuse_of_every_domain(make, sink):
    post = make(relay=sink, settings={"postmaster": "Boss@far.example", "relay_networks": ""}).start()
    post.cli("domain", "add", "second.example")
    post.cli("alias", "set", "abuse@second.example", "police@far.example")
    with post.raw() as c:
        c.cmd("MAIL FROM:<a@b.example>")
        for address, code in (("postmaster@example.org", 250), ("ABUSE@Example.ORG", 250), ("postmaster@second.example", 250),
                              ("abuse@second.example", 250), ("Postmaster", 250), ("hostmaster@example.org", 550),
                              ("postmaster@far.example", 550), ("postmaster@mx.example.org", 550), ("x@far.example", 550)):
            assert c.cmd(f"RCPT TO:<{address}>") == code, address
        c.cmd("DATA")
        assert c.data(message()) == 250
    post.wait()
    assert sorted(set(sink.recipients())) == ["Boss@far.example", "police@far.example"]


def test_postmaster_that_leads_nowhere_or_is_not_set(make):
    inbound = make(settings={"postmaster": "nobody@example.org", "relay_networks": ""}).start("smtpd")
    with inbound.raw() as c:
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<postmaster@example.org>") == 550
        assert c.cmd("NOOP") == 250
    inbound.cli("alias", "set", "nobody@example.org", "somebody@far.example")
    with inbound.raw() as c:
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<postmaster@example.org>") == 250
    change(inbound, postmaster="")
    hangup(inbound, " smtpd reloaded")
    with inbound.raw() as c:
        c.cmd("MAIL FROM:<a@b.example>")
        assert c.cmd("RCPT TO:<postmaster@example.org>") == 550
