"""Mail from outside is checked as it comes in: SPF, DKIM and DMARC over a real name server. What is found stands above the
message and in its trace; what is refused, and when."""
import re

import pytest

import peers_knot
from peers_dkim import Keys
from postroad import message
from test_auth_check import txt

SENDER = "ada@sender.example"
LIST = "list@example.org"


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture(scope="module")
def names(keys):
    records = "".join(txt(name.removesuffix(".example"), text) for name, text in keys.dns.items())
    records += txt("sender", "v=spf1 ip4:192.0.2.0/24 -all exp=why.sender.example") + txt("why.sender", "%{i} is none of %{d}'s hosts")
    records += txt("_dmarc.sender", "v=DMARC1; p=reject") + txt("_dmarc.soft", "v=DMARC1; p=quarantine") + txt("soft", "v=spf1 ~all")
    records += txt("broken", "v=spf1 include:loop1.example -all") + txt("_dmarc.testing", "v=DMARC1; p=reject; t=y")
    with peers_knot.running(records) as port:
        yield port


@pytest.fixture
def outside(make, names):
    """An instance for which 127.0.0.1 is a stranger that may say with XCLIENT who it is."""
    def made(**settings):
        post = make(settings={"dns_servers": f"127.0.0.1@{names}", "relay_networks": "198.51.100.7/32", "xclient_networks": "127.0.0.0/8",
                              **settings})
        post.cli("list", "create", LIST)
        return post.start("smtpd")
    return made


def send(post, octets, client="192.0.2.1", sender=SENDER, recipient=LIST, helo="mx.sender.example"):
    """What the final dot is answered."""
    with post.raw() as c:
        assert c.cmd(f"XCLIENT ADDR={client}") == 220
        c.cmd(f"EHLO {helo}")
        c.cmd(f"MAIL FROM:<{sender}>")
        assert c.cmd(f"RCPT TO:<{recipient}>") == 250
        assert c.cmd("DATA") == 354
        return c.data(octets)


def found(post, reply):
    """{method: result} of the field above the message, and the field itself."""
    assert reply == 250, reply.text
    fields = post.cli("queue", "cat", reply.text.split()[-1], "--fields")
    field = re.match(r"Authentication-Results: ((?:.|\n\s)*)", fields)[1]
    assert field.startswith("mx.example.org;"), field
    return dict(re.findall(r"(?:;|^)\s+(spf|dkim|dmarc)=(\w+)", field)), " ".join(field.split())


@pytest.mark.parametrize("client, sender, author, said", [
    ("192.0.2.1", SENDER, SENDER, {"spf": "pass", "dkim": "none", "dmarc": "pass"}),
    ("203.0.113.1", SENDER, SENDER, {"spf": "fail", "dkim": "none", "dmarc": "fail"}),
    ("203.0.113.1", "x@soft.example", SENDER, {"spf": "softfail", "dkim": "none", "dmarc": "fail"}),
    ("203.0.113.1", "", "bo@plain.example", {"spf": "none", "dkim": "none", "dmarc": "none"}),
    ("2001:db8::1", "x@broken.example", "x@soft.example", {"spf": "temperror", "dkim": "none", "dmarc": "fail"}),
    ("192.0.2.1", SENDER, f"{SENDER}, bo@plain.example", {"spf": "pass", "dkim": "none", "dmarc": "permerror"})])
def test_what_is_found_is_told(outside, client, sender, author, said):
    post = outside()
    reply = send(post, message(sender=author), client, sender)
    got, field = found(post, reply)
    assert got == said, field
    accepted = post.events(reply.text.split()[-1], "accepted")[0]
    assert all(f" {method}={result}" in accepted["detail"] for method, result in said.items()), accepted
    assert (f"smtp.mailfrom={sender}" if sender else "smtp.helo=mx.sender.example") in field


@pytest.mark.parametrize("size", [100, 200_000, 600_000, 1_200_000])
@pytest.mark.parametrize("canonicalization", ["simple/simple", "relaxed/relaxed"])
def test_signatures_of_texts_in_pieces(outside, keys, size, canonicalization):
    """A long text is hashed while it comes; blanks and empty lines stand where pieces may be cut."""
    post = outside()
    body = ("ab  c \t\r\n\r\n" * (size // 10) + "\r\n\r\n")
    octets = keys.sign(keys.sign(message(sender=SENDER, body=body), "rsa", canonicalization), "ed25519", "relaxed/simple")
    got, field = found(post, send(post, octets, "203.0.113.1"))
    assert got == {"spf": "fail", "dkim": "pass", "dmarc": "pass"} and field.count("dkim=pass") == 2, field
    changed = octets[:-10] + b"x" + octets[-9:]
    got, field = found(post, send(post, changed, "203.0.113.1"))
    assert got == {"spf": "fail", "dkim": "fail", "dmarc": "fail"} and "the body was changed" in field, field


def test_what_is_refused(outside):
    post = outside(auth_reject="spf dmarc")
    reply = send(post, message(sender=SENDER), "203.0.113.1")
    assert reply == 550 and "5.7.23" in reply.text and "203.0.113.1 is none of sender.example's hosts" in reply.text
    reply = send(post, message(sender=SENDER), "203.0.113.1", "x@plain.example")
    assert reply == 550 and "5.7.26" in reply.text and "sender.example" in reply.text
    for author in "x@soft.example", "x@testing.example":  # quarantine is not reject, and t=y asks for nothing
        assert send(post, message(sender=author), "203.0.113.1", "x@plain.example") == 250
    reply = send(post, message(sender="bo@plain.example"), "192.0.2.1", "x@broken.example")
    assert reply == 451 and "4.4.3" in reply.text
    assert send(post, message(sender=SENDER), "192.0.2.1") == 250
    assert post.metrics()["smtpd_dmarc_failed_total"] == 4 and post.metrics()["smtpd_checked_total"] == 6


def test_one_listener_refuses(outside):
    post = outside()
    assert send(post, message(sender=SENDER), "203.0.113.1") == 250
    post.stop()
    path = post.dir / "postroad.conf"
    text = path.read_text()
    path.write_text(text + f"\nauth_reject = 127.0.0.1:{post.port}=dmarc\n")
    post.start("smtpd")
    assert send(post, message(sender=SENDER), "203.0.113.1") == 550


def test_who_may_relay_is_no_stranger(outside):
    post = outside(auth_reject="spf dmarc")
    reply = send(post, message(sender=SENDER), "198.51.100.7")
    assert reply == 250 and "Authentication-Results" not in post.cli("queue", "cat", reply.text.split()[-1], "--fields")


def test_name_servers_that_do_not_answer(make):
    """DNS decides nothing then; where something depends on it the client is put off."""
    settings = {"relay_networks": "192.0.2.0/24", "xclient_networks": "127.0.0.0/8", "auth_timeout": "300ms"}
    post = make(settings=settings)
    post.cli("list", "create", LIST)
    post.start("smtpd")
    got, field = found(post, send(post, message(sender=SENDER), "203.0.113.1"))
    assert got == {"spf": "temperror", "dkim": "none", "dmarc": "temperror"}, field


FORGED = ["mx.example.org; dkim=pass header.d=sender.example", "MX.Example.org (ours) 1; spf=pass", "\r\n mx.example.org\r\n\t; none", "mx.example.org"]
OTHERS = ["mx.sender.example; dkim=pass", "notmx.example.org; spf=pass", "mx.example.org.sender.example; spf=pass"]


def test_forged_fields(outside, sink):
    """Whoever speaks in our name of mail from outside is not passed on (RFC 8601 5); all others are, octet for octet."""
    post = outside(relay=f"127.0.0.1:{sink.port}")
    post.cli("member", "add", LIST, "bo@far.example")
    post.cli("alias", "set", "chair@example.org", "cy@far.example")
    post.stop()
    post.start()
    octets = message(sender=SENDER)
    fields = "".join(f"Authentication-Results: {value}\r\n" for pair in zip(FORGED, OTHERS + ["x.example; none"]) for value in pair)
    for recipient, copy in (LIST, "bo@far.example"), ("chair@example.org", "cy@far.example"):
        assert send(post, fields.encode() + octets, recipient=recipient) == 250
        post.wait()
        said = re.findall(rb"^Authentication-Results: ((?:[^\r]|\r\n[ \t])*)\r\n", sink.one(copy).octets, re.M)
        assert [s.decode() for s in said[1:]] == OTHERS + ["x.example; none"], said
        assert said[0].startswith(b"mx.example.org;\r\n\tspf=pass")
        assert sink.one(copy).octets.endswith(octets[octets.index(b"From:"):]) or recipient == LIST
