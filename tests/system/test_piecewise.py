"""Postroad as one part among others, with the servers that are the other parts: the three ways of docs/piecewise.md,
configured as that page says."""

import pytest

from peers_mail import sample, samples, top
from peers_postfix import kept
from peers_tasks import MEMBERS, failures, feed, passed_on, with_list
from postroad import Raw, message, message_id, until


def rcpt(port, address, source=None):
    """The reply to RCPT, of a server that asks nothing else."""
    with Raw(port, source=source) as c:
        assert c.cmd("MAIL FROM:<me@sender.example>") == 250
        return c.cmd(f"RCPT TO:<{address}>")


# ---- behind Postfix by LMTP, and out through it ----

# As docs/piecewise.md has it for main.cf.
BEHIND = {
    "smtpd_recipient_restrictions": "check_recipient_access inline:{{example.org = reject_unverified_recipient}}",
    "unverified_recipient_reject_code": "550",
    "lmtp_destination_recipient_limit": "1000",
}


@pytest.fixture
def behind(make, sink, postfix):
    """(the instance, the Postfix in front of it): the world is `sink`."""
    post = make(lmtp=True, settings={"smtp_listen": "", "relay_networks": ""})
    front = postfix(relay=f"127.0.0.1:{sink.port}", relay_domains=["example.org"], settings=BEHIND,
                    transport={"example.org": f"lmtp:127.0.0.1:{post.lmtp_port}"})
    conf = post.dir / "postroad.conf"
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("relay =")]
    conf.write_text("\n".join([*lines, f"relay = 127.0.0.1:{front.port}"]) + "\n")
    post.start(wait=False)
    until(lambda: " smtpd listening service=lmtp " in post.log, 30, "the LMTP port")
    return with_list(post), front


def test_behind_postfix(behind, sink):
    """Posts come by LMTP, copies leave by SMTP through the same Postfix; it refuses at RCPT whom we do not know."""
    post, front = behind
    posts = samples()
    feed(front, [(["news@example.org"], octets) for octets in posts.values()])
    passed_on(front)
    post.wait(60)
    passed_on(front)
    for member in MEMBERS:
        arrived = {message_id(m.octets): m for m in sink.to(member)}
        assert set(arrived) == {f"{name}@test.example" for name in posts}
        for name, octets in posts.items():
            mail = arrived[f"{name}@test.example"]
            above = top(mail.octets, octets)
            assert " with LMTP " in above.received("mx.example.org")
            assert mail.sender == f"news-bounces+{member.replace('@', '=')}@example.org"
    refused = rcpt(front.port, "nobody@example.org")
    assert refused == 550 and "5.1.1" in refused.text, refused
    assert rcpt(front.port, "news-owner@example.org") == 250
    # A bounce finds its way back through Postfix to the list.
    feed(front, [(["news-bounces+a=x.example@example.org"], message(id="bounce@test.example"))], sender="")
    passed_on(front)
    until(lambda: post.events("a@x.example", "returned"), 20, "the bounce")


def test_behind_postfix_while_we_are_away(behind, sink):
    """Postfix keeps the mail and brings it when we are back; whom it has verified it still takes."""
    post, front = behind
    assert rcpt(front.port, "news@example.org") == 250
    assert post.stop() == 0
    octets = sample("latin1")
    feed(front, [(["news@example.org"], octets)])
    until(lambda: "status=deferred" in front.log(), 30, "a failed try")
    post.start(wait=False)
    until(lambda: post.log.count(" smtpd listening service=lmtp ") == 2, 30, "the LMTP port")
    front.flush()
    passed_on(front)
    post.wait()
    passed_on(front)
    assert sink.recipients() == MEMBERS


# ---- filter and relay in front of another list server ----

def mailman_addresses(address):
    """Every address of a list of Mailman 3."""
    local, domain = address.split("@")
    kinds = ("bounces", "confirm", "join", "leave", "owner", "request", "subscribe", "unsubscribe")
    return [address, *(f"{local}-{kind}@{domain}" for kind in kinds)]


def test_in_front_of_mailman(make, sink, mailman):
    """Mail for its lists goes to Mailman by LMTP and its copies leave through us; a list of ours lives in the same
    domain; what neither knows is refused at RCPT, and Mailman never sees it."""
    post = make(relay=sink, settings={"relay_networks": "127.0.0.1/32"}).start()
    peer = mailman({"talk@lists.example": ["a@x.example", "b@x.example"]}, post.port)
    post.cli("domain", "add", "lists.example", "--relay", f"lmtp:127.0.0.1:{peer.port}", "--recipients", "listed")
    known = [a for line in peer.run("mailman", "lists", "-q").splitlines() for a in mailman_addresses(line.strip())]
    post.cli("recipient", "import", "lists.example", "-", input="".join(f"{a}\n" for a in known))
    post.cli("list", "create", "ours@lists.example")
    post.cli("member", "add", "ours@lists.example", "c@y.example")
    outside = "127.0.0.2"  # not in relay_networks
    for address, code in (("talk@lists.example", 250), ("talk-bounces+x=y.example@lists.example", 250),
                          ("ours@lists.example", 250), ("nobody@lists.example", 550), ("x@far.example", 550)):
        assert rcpt(post.port, address, outside) == code, address
    with Raw(post.port, source=outside) as c:
        c.post("a@x.example", ["talk@lists.example", "ours@lists.example"],
               message(id="both@test.example", sender="a@x.example", to="talk@lists.example"))
    until(lambda: set(sink.recipients()) >= {"a@x.example", "b@x.example", "c@y.example"}, 60, "all copies")
    post.wait()
    assert sink.recipients() == ["a@x.example", "b@x.example", "c@y.example"]
    for mail in sink.mails():
        ours = mail.recipients == ["c@y.example"]
        assert message_id(mail.octets) == "both@test.example"
        assert mail.sender.split("+")[0].split("@")[0] == ("ours-bounces" if ours else "talk-bounces"), mail.sender
        assert (b"List-Id: <talk.lists.example>" in mail.octets) == (not ours)


# ---- as the MX for a domain whose lists live elsewhere ----

def test_mx_for_lists_that_live_elsewhere(make, sink, exim, certificate):
    """Any client may send to the domain's recipients and to nobody else; the list host gets it by SMTP with TLS."""
    home = exim(tls=certificate)
    post = make(relay=sink, settings={"relay_networks": ""}).start()
    post.cli("domain", "add", "there.example", "--relay", f"smtp:127.0.0.1:{home.port}", "--recipients", "listed")
    post.cli("recipient", "import", "there.example", "-",
             input="list@there.example\nnobody@there.example\nother@there.example\n")
    for address, code in (("list@there.example", 250), ("list+tag@there.example", 250), ("unknown@there.example", 550),
                          ("x@far.example", 550)):
        assert rcpt(post.port, address) == code, address
    posts = samples()
    for octets in posts.values():
        post.post("me@sender.example", "list@there.example", octets, ["BODY=8BITMIME"])
    # Known to us and refused there: the map is old. The sender hears of it from us.
    post.post("me@sender.example", "nobody@there.example", message(id="old-map@test.example"))
    post.wait(60)
    home.passed_on()
    arrived = home.kept()
    assert len(arrived) == len(posts)
    for octets in arrived:
        name = next(n for n in posts if f"<{n}@test.example>".encode() in octets)
        assert " with esmtps " in top(octets, posts[name]).received("exim.example")
    assert failures(sink.one("me@sender.example").octets)["nobody@there.example"]["Status"] == "5.1.1"


def test_mx_while_the_list_host_is_away(make, sink, postfix):
    """A day without the list host: everything is taken, waits, and arrives in full when it is back."""
    home = postfix(mailboxes=["list@there.example", "other@there.example"])
    post = make(relay=sink, settings={"relay_networks": ""}).start()
    post.cli("domain", "add", "there.example", "--relay", f"smtp:127.0.0.1:{home.port}", "--recipients", "listed")
    post.cli("recipient", "add", "there.example", "list@there.example", "other@there.example")
    home.stop()
    for i in range(5):
        post.post("me@sender.example", ["list@there.example", "other@there.example"], message(id=f"m{i}@test.example"))
    until(lambda: " site-failed " in post.log, 30, "a failed try")
    site, = post.json("queue", "sites")
    assert "there.example" in str(site) and "refused" in str(site).lower(), site
    home.start()
    post.clock("+1d")
    post.wait()
    passed_on(home)
    for address in ("list@there.example", "other@there.example"):
        assert sorted(message_id(o) for o in kept(home, address)) == [f"m{i}@test.example" for i in range(5)]
