"""What leaves is signed: keys from their first day to their last, and signatures that others verify over a real name server."""
import re

import pytest

import peers_knot
from peers_dkim import by_dkimpy
from postroad import message, until

LIST = "list@example.org"


def records(post, domain):
    """{name: value} of the domain's keys."""
    return {key["name"]: key["record"] for key in post.json("dkim", "key", "ls") if key["domain"] == domain}


def signed(post, *domains):
    """Keys for these domains, in use; what verifiers find in DNS."""
    dns = {}
    for domain in domains:
        post.cli("dkim", "key", "create", domain)
        post.cli("dkim", "key", "rotate", domain, "--now")
        dns |= records(post, domain)
    return dns


def results(octets, dns):
    """What dkimpy says of each signature, with what it names."""
    fields = re.findall(rb"^DKIM-Signature: ((?:[^\r]|\r\n[ \t])*)\r\n", octets.split(b"\r\n\r\n")[0] + b"\r\n", re.M)
    tags = [dict(re.findall(r"(\w+)=([^;]*)", re.sub(rb"\s", b"", f).decode())) for f in fields]
    return [(t["d"], t["a"], result) for t, result in zip(tags, by_dkimpy(octets, dns))]


BOTH = [("example.org", "rsa-sha256", "pass"), ("example.org", "ed25519-sha256", "pass")]


@pytest.mark.parametrize("settings", [[], ["personalize=individual", "msg_footer=To $user_email"], ["unsubscribe_url=https://lists.example.org/u"],
                                      ["personalize=full"], ["subject_prefix=[x] ", "msg_footer=below"]])
def test_copies_of_a_list(make, sink, settings):
    """Whatever differs from copy to copy, each is signed with both kinds of keys, and says so in few octets."""
    post = make(relay=sink)
    post.cli("list", "create", LIST)
    if settings:
        post.cli("list", "set", LIST, *settings)
    post.cli("member", "add", LIST, "bo@far.example", "cy@far.example")
    dns = signed(post, "example.org")
    post.start()
    post.post("ada@sender.example", LIST, message(body="Hello  \r\n.\r\n.. dots\r\n\r\n\r\n"))
    post.wait()
    copies = [sink.one(f"{name}@far.example").octets for name in ("bo", "cy")]
    for copy in copies:
        assert results(copy, dns) == BOTH
        names = re.search(rb"h=([\w:\s-]+);", copy)[1]
        assert all(name in names for name in (b"List-Unsubscribe", b"From", b"Subject", b"To"))
        for other in b"From: x@y.example\r\n", b"Subject: other\r\n", b"Reply-To: x@y.example\r\n", b"List-Id: <x>\r\n":
            assert {r for *_, r in results(other + copy, dns)} != {"pass"}, other
        assert "pass" not in {r for *_, r in results(copy.replace(b"Hello", b"hello"), dns)}


@pytest.mark.parametrize("client, author, signs", [
    ("198.51.100.7", "ada@example.org", "example.org"), ("198.51.100.7", "ada@sub.example.org", "example.org"),
    ("198.51.100.7", "ada@other.example", "other.example"), ("198.51.100.7", "ada@sender.example", None),
    ("192.0.2.1", "ada@example.org", None), ("192.0.2.1", "ada@sender.example", None)])
def test_whose_mail_is_signed(make, sink, client, author, signs):
    """Of direct mail what is ours, with keys of its author's domain; never what a stranger says is ours."""
    post = make(relay=sink, settings={"relay_networks": "198.51.100.7/32", "xclient_networks": "127.0.0.0/8", "auth_timeout": "200ms"})
    post.cli("alias", "set", "chair@example.org", "cy@far.example")
    dns = signed(post, "example.org", "other.example")
    post.start()
    with post.raw() as c:
        assert c.cmd(f"XCLIENT ADDR={client}") == 220
        c.ehlo()
        c.post("x@sender.example", ["chair@example.org"], message(sender=author))
    post.wait()
    got = results(sink.one("cy@far.example").octets, dns)
    assert {d for d, *_ in got} == ({signs} if signs else set()) and {r for *_, r in got} <= {"pass"}


def test_a_forged_author_of_the_list_s_own_domain(make, sink):
    """The list's key would make it pass DMARC for everybody: such a post goes out as unproven as it came."""
    post = make(relay=sink, settings={"relay_networks": "198.51.100.7/32", "xclient_networks": "127.0.0.0/8", "auth_timeout": "200ms"})
    post.cli("list", "create", LIST)
    post.cli("member", "add", LIST, "bo@far.example")
    dns = signed(post, "example.org")
    post.start()
    for author, signs in ("chair@example.org", []), ("ada@sender.example", BOTH):
        with post.raw() as c:
            assert c.cmd("XCLIENT ADDR=192.0.2.1") == 220
            c.ehlo()
            c.post("x@sender.example", [LIST], message(sender=author, subject=author))
        post.wait()
        copy = next(m.octets for m in sink.mails() if f"Subject: {author}".encode() in m.octets)
        assert results(copy, dns) == signs


@pytest.mark.parametrize("author, signs", [("chair@staff.our.example", False), ("chair@our.example", False), ("x@plain.example", True)])
def test_a_forged_author_of_a_sibling(make, sink, author, signs):
    """DMARC's relaxed alignment takes domains below one organization for each other."""
    post = make(domain="lists.our.example", relay=sink, settings={"relay_networks": "198.51.100.7/32", "xclient_networks": "127.0.0.0/8", "auth_timeout": "200ms"})
    post.cli("list", "create", "news@lists.our.example")
    post.cli("member", "add", "news@lists.our.example", "bo@far.example")
    signed(post, "lists.our.example")
    post.start()
    with post.raw() as c:
        assert c.cmd("XCLIENT ADDR=192.0.2.1") == 220
        c.ehlo()
        c.post("x@sender.example", ["news@lists.our.example"], message(sender=author))
    post.wait()
    assert (b"DKIM-Signature" in sink.one("bo@far.example").octets) == signs


def zone(post):
    """Lines of a zone file for example.org: as dkim key show prints them."""
    return "".join(line.rpartition(";")[0] + "\n" for line in post.cli("dkim", "key", "show", "example.org").splitlines())


def test_keys_have_a_life(make, sink):
    """New, published, active, retired, gone: a step at a time, never before DNS has the key."""
    post = make(relay=sink)
    first = post.json("dkim", "key", "create", "example.org")
    assert [k["state"] for k in first] == ["new", "new"] and len({k["name"] for k in first}) == 2
    states = lambda: [k["state"] for k in post.json("dkim", "key", "ls")]
    assert "is not published yet" in post.cli("dkim", "key", "rotate", "example.org") and states() == ["new", "new"]
    path = post.dir / "postroad.conf"

    def name_server(port):
        path.write_text(re.sub(r"dns_servers = .*", f"dns_servers = 127.0.0.1@{port}", path.read_text()))
    with peers_knot.running(zone(post), domain="example.org") as port:
        name_server(port)
        assert "signs from now on" in post.cli("dkim", "key", "rotate", "example.org")  # nobody can have asked before
        assert states() == ["active", "active"]
        assert "nothing is due" in post.cli("dkim", "key", "rotate", "example.org", "--after", "90d")
        shown = post.cli("dkim", "key", "rotate", "example.org")
        assert "IN TXT" in shown and states() == ["active", "active", "new", "new"]
    with peers_knot.running(zone(post), domain="example.org") as port:
        name_server(port)
        assert "run this again in an hour" in post.cli("dkim", "key", "rotate", "example.org")
        assert states() == ["active", "active", "published", "published"]
        assert "waits until it has been published" in post.cli("dkim", "key", "rotate", "example.org")
        post.clock("+61m")
        assert "no longer signs" in post.cli("dkim", "key", "rotate", "example.org")
        assert states() == ["retired", "retired", "active", "active"]
        post.clock("+20d")
        assert "nothing is due" in post.cli("dkim", "key", "rotate", "example.org", "--after", "90d") and len(states()) == 4
        post.clock("+2d")
        assert "can be taken out of DNS" in post.cli("dkim", "key", "rotate", "example.org", "--after", "90d")
        assert states() == ["active", "active"] and len(list((post.dir / "data/dkim").glob("*.pem"))) == 2


def test_mistakes(make):
    post = make()
    assert "key create" in post.fails("dkim", "key", "rotate", "example.org", status=1)
    assert "2048" in post.fails("dkim", "key", "create", "example.org", "--bits", "512", status=2)
    assert "ed25519" in post.fails("dkim", "key", "create", "example.org", "--algorithm", "dsa", status=2)
    post.cli("dkim", "key", "create", "example.org", "--algorithm", "ed25519")
    assert "no key with selector" in post.fails("dkim", "key", "remove", "example.org", "x", status=1)
    (post.dir / "data/dkim/keys").write_text("example.org a rsa\n")
    assert "line 1" in post.fails("dkim", "key", "ls", status=2)


def test_new_keys_are_used_without_a_restart(make, sink):
    post = make(relay=sink)
    post.cli("list", "create", LIST)
    post.cli("member", "add", LIST, "bo@far.example")
    post.start()
    post.post("ada@sender.example", LIST, message())
    post.wait()
    assert results(sink.one("bo@far.example").octets, {}) == []
    dns = signed(post, "example.org")
    until(lambda: " deliver keys-read keys=2" in post.log, 30)
    post.post("ada@sender.example", LIST, message(subject="second"))
    post.wait()
    copies = [m.octets for m in sink.mails() if b"Subject: second" in m.octets]
    assert len(copies) == 1 and results(copies[0], dns) == BOTH
