"""What domains and messages demand of TLS: DANE over a signed zone, MTA-STS over a web server, REQUIRETLS and TLS-Required. The
servers are real TLS servers, and the name server and its signatures are knot's."""
import contextlib
import hashlib
import http.server
import json
import pathlib
import ssl
import subprocess
import threading

import pytest

import peers_knot
from postroad import PySink, free_port, message, message_id, until

REQUIRETLS = [*PySink.EXTENSIONS, "REQUIRETLS"]


class Authority:
    """An authority of our own, and certificates by it or by themselves: (certificate, key) each."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.file, self.key = self._make("ca", "-x509", "-days", "2", "-subj", "/CN=A test authority")

    def _make(self, name, *words):
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, *words)
        return certificate, key

    @staticmethod
    def _run(*words, octets=None):
        return subprocess.run(["openssl", *map(str, words)], input=octets, check=True, capture_output=True).stdout

    def itself(self, name):
        return self._make(name, "-x509", "-days", "2", "-subj", f"/CN={name}")

    def issue(self, *names, days=2):
        request, key = self._make(names[0], "-subj", f"/CN={names[0]}")
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
        pair = self._run("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                         "-extfile", extensions)
        request.write_bytes(pair + self.file.read_bytes())
        return request, key

    def tlsa(self, usage, selector, certificate):
        """A TLSA record's data of a certificate by SHA-256."""
        der = self._run("x509", "-in", certificate, "-outform", "der")
        if selector:
            public = self._run("x509", "-in", certificate, "-noout", "-pubkey")
            der = self._run("pkey", "-pubin", "-outform", "der", octets=public)
        return f"{usage} {selector} 1 {hashlib.sha256(der).hexdigest()}"


class Web:
    """A web server for policies: {host: text or (status, type, text)}."""

    def __init__(self, pair):
        self.policies, self.asked = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
                web.asked.append(host + self.path)
                known = web.policies.get(host, (404, "text/plain", "no"))
                status, kind, text = known if isinstance(known, tuple) else (200, "text/plain", known)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, pair))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        if self.thread:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
        self.thread = None


class World:
    """A signed zone secure.example and a plain one, open.example, whose hosts are at 127.0.0.41 and on, all at one port."""
    SIGNED = ["good", "wrong", "ta", "unusable", "none", "alias", "tampered", "strict", "own"]
    OPEN = ["enforce", "testing", "nothing", "plain", "invalid", "reports"]

    def __init__(self, authority):
        self.authority, self.port = authority, free_port()
        self.good = authority.itself("good")
        self.other = authority.itself("other")
        records = {"good": authority.tlsa(3, 1, self.good[0]), "wrong": authority.tlsa(3, 1, self.other[0]),
                   "ta": authority.tlsa(2, 0, authority.file), "unusable": authority.tlsa(1, 1, self.good[0]),
                   "tampered": authority.tlsa(3, 1, self.good[0]), "own": authority.tlsa(3, 0, self.good[0])}
        self.zone, self.open = "", ""
        for i, name in enumerate(self.SIGNED):
            host = name if name == "own" else f"mx.{name}"
            if name == "alias":
                self.zone += "alias 60 IN MX 10 mx.alias\nmx.alias 60 IN CNAME mx.good\n"
                continue
            if name != "own":
                self.zone += f"{name} 60 IN MX 10 {host}\n"
            self.zone += f"{host} 60 IN A 127.0.0.{41 + i}\n"
            if name in records:
                self.zone += f"_{self.port}._tcp.{host} 60 IN TLSA {records[name]}\n"
        for i, name in enumerate(self.OPEN):
            self.open += f"{name} 60 IN MX 10 mx.{name}\nmx.{name} 60 IN A 127.0.0.{61 + i}\nmta-sts.{name} 60 IN A 127.0.0.1\n"
            self.open += f'_mta-sts.{name} 60 IN TXT "v=STSv1; id=1"\n' if name not in ("plain", "reports") else ""
        self.open += "shared 60 IN MX 10 mx.enforce\n"  # the same exchanger, and nothing is demanded
        self.open += '_smtp._tls.reports 60 IN TXT "v=TLSRPTv1; rua=mailto:x@reports.example"\n'

    def address(self, name):
        return f"127.0.0.{41 + self.SIGNED.index(name)}" if name in self.SIGNED else f"127.0.0.{61 + self.OPEN.index(name)}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def world(authority):
    world = World(authority)
    old = world.address("tampered")

    def tamper(text):
        assert text.count(old) == 1
        return text.replace(old, "127.0.0.99")
    with peers_knot.signed(world.zone, "secure.example", tamper, **{"open.example": world.open}) as (world.dns, world.anchor):
        yield world


@pytest.fixture
def web(authority):
    web = Web(authority.issue(*(f"mta-sts.{name}.open.example" for name in World.OPEN if name != "invalid")))
    yield web
    web.close()


@pytest.fixture
def mailer(make, world, authority):
    def made(**settings):
        post = make(settings={"dns_servers": f"127.0.0.1@{world.dns}", "smtp_port_out": str(world.port), "deliver_connect_timeout": "5s",
                              "tls_ca_file": authority.file, "dnssec_anchors": world.anchor, "retry_first": "1h", **settings})
        return post.start()
    return made


@contextlib.contextmanager
def server(world, name, tls=None, **options):
    with PySink(host=world.address(name), port=world.port, tls=tls, **options) as sink:
        yield sink


def send(post, name, fields="", **options):
    """The one event of a mail to the domain: delivered, deferred or bounced."""
    domain = f"{name}.secure.example" if name in World.SIGNED else f"{name}.open.example"
    octets = message(fields=fields)
    post.post("me@example.org", f"x@{domain}", octets, **options)
    return outcome(post, octets, f"x@{domain}")


def outcome(post, octets, recipient, kinds=("delivered", "deferred", "bounced")):
    found = []

    def is_there():
        found[:] = [e for kind in kinds for e in post.events(message_id(octets), kind, recipient)]
        return found
    until(is_there, 30, "what becomes of the mail")
    return found[0]


# ---- DANE ----

def test_dane(mailer, world):
    """The certificate of the record is taken, whatever its name and age; another one, and none at all, are not."""
    post = mailer()
    with server(world, "good", world.good) as sink:
        got = send(post, "good")
        assert got["event"] == "delivered" and got["host"].endswith(" TLS1.3 dane"), got
        assert send(post, "alias")["host"].endswith(" dane")
        assert len(sink.mails) == 2 and all(s["tls"] for s in sink.sessions)
    with server(world, "own", world.good):
        assert send(post, "own")["host"].endswith(" dane")
    with server(world, "wrong", world.good) as sink:
        got = send(post, "wrong")
        assert got["event"] == "deferred" and "certificate of mx.wrong.secure.example" in got["detail"], got
        assert not sink.mails and all("MAIL" not in c for c in sink.commands())
    with server(world, "none", world.other) as sink:
        got = send(post, "none")
        assert got["event"] == "delivered" and got["host"].endswith("TLS1.3"), got
    metrics = post.metrics()
    assert metrics["deliver_tls_proved_total"] >= 2 and metrics["deliver_tls_failed_total"] == 1


def test_dane_never_falls_back(mailer, world):
    post = mailer()
    with server(world, "good") as sink:
        got = send(post, "good")
        assert got["event"] == "deferred" and "does not offer STARTTLS, and dane demands it" in got["detail"], got
    with server(world, "unusable", world.good) as sink:
        got = send(post, "unusable")
        assert got["event"] == "delivered" and got["host"].endswith(" TLS1.3"), got
    post.post("me@example.org", "x@wrong.secure.example", message())
    with server(world, "good", world.good, script={"STARTTLS": "454 4.7.0 not now"}) as sink:
        sink.tls = None
        sink.extensions.append("STARTTLS")
        got = send(post, "good")
        assert got["event"] == "deferred" and not sink.mails, got


def test_dane_by_an_authority(mailer, world, authority):
    """DANE-TA(2): the chain must lead to the anchor, and the name be the host's or the domain's."""
    post = mailer()
    for name, event in (("mx.ta.secure.example", "delivered"), ("ta.secure.example", "delivered"), ("mx.good.secure.example", "deferred")):
        with server(world, "ta", authority.issue(name)):
            got = send(post, "ta")
            assert got["event"] == event, got
        post.clock("+1m")  # kept connections, and what was missing, are forgotten


def test_forged_answers(mailer, make, world, authority):
    """A record changed behind the signer; a signer that is not the anchor's. Mail waits, and nobody is called."""
    post = mailer()
    with server(world, "tampered", world.good) as sink, PySink(host="127.0.0.99", port=world.port) as thief:
        post.post("me@example.org", "x@tampered.secure.example", octets := message())
        wait_for_deferral(post, octets, "mail exchanger of the domain has an address")
        assert not sink.sessions and not thief.sessions
    post.stop()
    other = world.anchor.parent / "other.key"
    key = "KnYVdsDbbu0JxOhgi0DRWpI4SRVcj+m7D6LKTc3VHdpPuXTEcT4ETvBF15doM/phXfEgHqR6NUsQsQzNiQbhig=="
    other.write_text(f"secure.example. 60 IN DNSKEY 257 3 13 {key}\n")
    post = mailer(dnssec_anchors=other)
    with server(world, "good", world.good) as sink:
        post.post("me@example.org", "x@good.secure.example", octets := message())
        wait_for_deferral(post, octets, "forged (DNSSEC)")
        assert not sink.sessions
    with server(world, "plain"):
        assert send(post, "plain")["event"] == "delivered"  # what has no signatures is not forged


def wait_for_deferral(post, octets, text):
    until(lambda: text in post.cli("trace", message_id(octets)), 30, f"a deferral: {text}")


def test_without_anchors(mailer, world):
    """The default: nothing is validated, and the same names are found."""
    post = mailer(dnssec_anchors="")
    with server(world, "wrong", world.good):
        got = send(post, "wrong")
        assert got["event"] == "delivered" and got["host"].endswith("TLS1.3"), got


# ---- MTA-STS ----

def policy(mode, *hosts, age=86400):
    return "version: STSv1\r\nmode: " + mode + "\r\n" + "".join(f"mx: {h}\r\n" for h in hosts) + f"max_age: {age}\r\n"


def test_sts_enforced(mailer, world, web, authority):
    post = mailer(mta_sts_port=web.port)
    web.policies["enforce.open.example"] = policy("enforce", "*.enforce.open.example")
    right = authority.issue("mx.enforce.open.example")
    with server(world, "enforce", right):
        got = send(post, "enforce")
        assert got["event"] == "delivered" and got["host"].endswith(" TLS1.3 sts"), got
    post.clock("+1m")
    with server(world, "enforce", authority.issue("mx.other.open.example")) as sink:
        got = send(post, "enforce")
        assert got["event"] == "deferred" and "hostname mismatch" in got["detail"], got
        assert not sink.mails
    post.clock("+1m")
    with server(world, "enforce") as sink:
        got = send(post, "enforce")
        assert got["event"] == "deferred" and "does not offer STARTTLS, and sts demands it" in got["detail"], got
        assert send(post, "shared")["event"] == "delivered"  # its connection is kept, and not for all
        assert send(post, "enforce")["event"] == "deferred" and len(sink.mails) == 1
    post.clock("+1m")
    with server(world, "enforce", world.good):
        assert "self-signed" in send(post, "enforce")["detail"]
    assert web.asked == ["enforce.open.example/.well-known/mta-sts.txt"]


def test_sts_is_kept(mailer, world, web, authority):
    """Without its web server, and over a restart."""
    post = mailer(mta_sts_port=web.port)
    web.policies["enforce.open.example"] = policy("enforce", "mx.enforce.open.example", age=100000)
    with server(world, "enforce", authority.issue("mx.enforce.open.example")):
        assert send(post, "enforce")["host"].endswith(" sts")
    web.close()
    post.stop()
    post.start()
    post.clock("+20h")
    with server(world, "enforce", world.good) as sink:
        assert send(post, "enforce")["event"] == "deferred" and not sink.mails
        post.clock("+10h")  # now it has expired
        got = send(post, "enforce")
        assert got["event"] == "delivered" and got["host"].endswith("TLS1.3"), got


def test_sts_changes(mailer, world, web, authority):
    """Another id in DNS than the one that is kept: the policy is fetched anew."""
    post = mailer(mta_sts_port=web.port)
    web.policies["enforce.open.example"] = policy("enforce", "mx.enforce.open.example")
    with server(world, "enforce", authority.issue("mx.enforce.open.example")):
        for _ in range(2):
            assert send(post, "enforce")["host"].endswith(" sts")
    post.stop()
    post.sql("UPDATE sts_policy SET id = 'old'")
    web.policies["enforce.open.example"] = policy("testing", "mx.enforce.open.example")
    post.start()
    with server(world, "enforce") as sink:
        assert send(post, "enforce")["event"] == "delivered" and len(sink.mails) == 1
    assert len(web.asked) == 2


def test_sts_says_less(mailer, world, web):
    """testing and none; an exchanger that is not named; policies that are none."""
    post = mailer(mta_sts_port=web.port)
    web.policies["testing.open.example"] = policy("testing", "mx.elsewhere.example")
    web.policies["nothing.open.example"] = policy("none")
    with server(world, "testing") as sink:
        assert send(post, "testing")["event"] == "delivered" and len(sink.mails) == 1
    assert post.metrics()["deliver_tls_failed_total"] == 1
    with server(world, "nothing") as sink:
        assert send(post, "nothing")["event"] == "delivered" and len(sink.mails) == 1
    web.policies["enforce.open.example"] = policy("enforce", "mx.elsewhere.example")
    with server(world, "enforce") as sink:
        got = send(post, "enforce")
        assert got["event"] == "deferred" and "no mail exchanger that the MTA-STS policy" in got["detail"], got
        assert not sink.sessions
    web.policies["invalid.open.example"] = policy("enforce", "mx.elsewhere.example")  # its certificate has another name
    with server(world, "invalid") as sink:
        assert send(post, "invalid")["event"] == "delivered"
    assert not [a for a in web.asked if a.startswith("invalid")]


@pytest.mark.parametrize("answer", [(404, "text/plain", ""), (200, "text/html", policy("enforce", "x.example")), (200, "text/plain", "enforce"),
                                    (301, "text/plain", policy("enforce", "x.example")), (200, "text/plain", "x" * 70000)])
def test_sts_that_is_none(mailer, world, web, answer):
    post = mailer(mta_sts_port=web.port)
    web.policies["enforce.open.example"] = answer
    with server(world, "enforce") as sink:
        assert send(post, "enforce")["event"] == "delivered" and len(sink.mails) == 1
        assert send(post, "enforce")["event"] == "delivered" and len(web.asked) == 1


# ---- what the message says ----

@pytest.fixture
def strict(mailer, certificate):
    return mailer(tls_certificate=certificate[0], tls_key=certificate[1])


def post_strictly(post, recipient, octets, *options, sender="me@example.org"):
    with post.raw() as c:
        assert "REQUIRETLS" not in c.extensions
        assert c.cmd("MAIL FROM:<me@example.org> REQUIRETLS") == 555
        c.starttls()
        assert "REQUIRETLS" in c.extensions
        assert c.cmd("MAIL FROM:<me@example.org> REQUIRETLS=1") == 555
        c.post(sender, [recipient], octets, options=["REQUIRETLS", *options])
    return octets


def test_requiretls(strict, world, authority):
    post = strict
    with server(world, "good", world.good, extensions=REQUIRETLS) as sink:
        octets = post_strictly(post, "x@good.secure.example", message())
        assert outcome(post, octets, "x@good.secure.example")["event"] == "delivered"
        assert [c for c in sink.commands() if c.startswith("MAIL") and "REQUIRETLS" in c]
    with server(world, "none", authority.issue("mx.none.secure.example"), extensions=REQUIRETLS):
        octets = post_strictly(post, "x@none.secure.example", message())
        got = outcome(post, octets, "x@none.secure.example")
        assert got["event"] == "delivered" and got["host"].endswith(" certificate"), got


@pytest.mark.parametrize("name, itself, extensions, status", [
    ("good", True, PySink.EXTENSIONS, "5.7.30"), ("good", None, REQUIRETLS, "5.7.10"),
    ("none", True, REQUIRETLS, "5.7.10"), ("plain", True, REQUIRETLS, "5.7.10")])
def test_requiretls_that_cannot_be(strict, world, name, itself, extensions, status):
    """The sender gets a notification that holds nothing of the text, even if it asked for it."""
    post = strict
    recipient = f"x@{name}.secure.example" if name in World.SIGNED else f"x@{name}.open.example"
    with server(world, name, world.good if itself else None, extensions=extensions) as sink, PySink(host="127.0.0.48", port=world.port) as home:
        octets = post_strictly(post, recipient, message(body="secret words\r\n"), "RET=FULL", sender="me@strict.secure.example")
        assert outcome(post, octets, recipient)["event"] == "bounced"
        post.wait()
        assert not sink.mails
        notice = home.to("me@strict.secure.example")[0].octets
        assert status.encode() in notice and b"secret words" not in notice and b"text/rfc822-headers" in notice


def test_requiretls_of_a_list(strict, world):
    """Its copies inherit it."""
    post = strict
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "x@good.secure.example", "x@plain.open.example")
    with server(world, "good", world.good, extensions=REQUIRETLS) as sink, server(world, "plain") as plain:
        octets = post_strictly(post, "news@example.org", message())
        assert outcome(post, octets, "x@good.secure.example")["event"] == "delivered"
        assert outcome(post, octets, "x@plain.open.example")["event"] == "bounced"
        assert [c for c in sink.commands() if c.startswith("MAIL") and c.endswith("REQUIRETLS")] and not plain.mails


def test_tls_required_no(mailer, world, web):
    """Such a message goes where others wait; and they wait on."""
    post = mailer(mta_sts_port=web.port)
    web.policies["enforce.open.example"] = policy("enforce", "mx.elsewhere.example")
    with server(world, "wrong", world.good) as sink, server(world, "enforce") as plain:
        for name in "wrong", "enforce":
            assert send(post, name)["event"] == "deferred"
            assert send(post, name, fields="TLS-Required: No\r\n")["event"] == "delivered"
            assert send(post, name, fields="TLS-Required: No\r\nTLS-Required: No\r\n")["event"] == "deferred"
        assert len(sink.mails) == 1 and len(plain.mails) == 1 and sink.sessions[-1]["tls"]


# ---- the check ----

def test_the_check_tries_dnssec(mailer, make, world, knot):
    """A resolver without signatures is found before it stops all mail."""
    for dns, anchors, state, text in ((world.dns, world.anchor, "OK", "mail follows DANE"), (knot, world.anchor, "FAIL", "all names look forged"),
                                      (knot, "", "OK", "is not followed"), (knot, "/does/not/exist", "FAIL", "cannot read the trust anchors")):
        post = make(settings={"dns_servers": f"127.0.0.1@{dns}", "dnssec_anchors": anchors})
        rows = json.loads(post.run("--json", "check", check=False).stdout)
        said = [(r["state"], r["text"]) for r in rows if r["check"] == "dnssec"]
        assert said[0][0] == state and text in said[0][1], said
