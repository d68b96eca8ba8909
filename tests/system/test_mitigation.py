"""Lists and aliases that survive p=reject: end to end over a real name server, judged by authheaders, which nobody here wrote."""
import email
import re

import pytest

import peers_knot
from peers_dkim import Keys
from postroad import message, until
from test_auth_check import txt
from test_signing import records

authheaders = pytest.importorskip("authheaders", reason="python3-authheaders is not installed")
dns_query = pytest.importorskip("dns.query", reason="python3-dnspython is not installed")
import dns.message  # noqa: E402

ADA = "ada@sender.example"
LIST = "news@lists.example"
BO = "bo@far.example"


class Names:
    """A name server that knows authors with p=reject, and a list host, whose keys are published once they are made."""

    def __init__(self, port):
        self.port = port

    def txt(self, name, timeout=5):  # as dkimpy and authheaders ask
        name = name.decode() if isinstance(name, bytes) else name
        answer = dns_query.udp(dns.message.make_query(name, "TXT"), "127.0.0.1", port=self.port, timeout=timeout)
        texts = [b"".join(item.strings) for rrset in answer.answer for item in rrset if rrset.rdtype == dns.rdatatype.TXT]
        return texts[0] if texts else None

    def dmarc(self, octets):
        """What a receiver finds of the topmost signature: "pass", "fail", or "none" where there is no policy."""
        signed = authheaders.check_dkim(octets, dnsfunc=self.txt)
        return authheaders.check_dmarc(octets, dkim_result=signed, dnsfunc=lambda name: (self.txt(name) or b"").decode()).result


@pytest.fixture
def here(make, sink):
    """(the list host, its name server, the keys of sender.example)"""
    keys = Keys()
    post = make(domain="lists.example", relay=sink,
                settings={"relay_networks": "198.51.100.7/32", "xclient_networks": "127.0.0.0/8", "hostname": "mx.lists.example",
                          "rewrite_domains": "dmarc.lists.example", "srs_domain": "srs.lists.example"})
    zone = "".join(txt(name.removesuffix(".example"), text) for name, text in keys.dns.items())
    for domain in "lists.example", "dmarc.lists.example":
        post.cli("dkim", "key", "create", domain)
        post.cli("dkim", "key", "rotate", domain, "--now")
        zone += "".join(txt(name.removesuffix(".example"), text) for name, text in records(post, domain).items())
    for domain in "sender", "other", "lists", "dmarc.lists":
        zone += txt(f"_dmarc.{domain}", "v=DMARC1; p=reject")
    zone += txt("srs.lists", "v=spf1 ip4:127.0.0.1 -all") + txt("lists", "v=spf1 ip4:127.0.0.1 -all") + txt("sender", "v=spf1 ip4:192.0.2.0/24 -all")
    zone += txt("_dmarc.testing", "v=DMARC1; p=quarantine; t=y")
    post.cli("list", "create", LIST)
    post.cli("member", "add", LIST, BO)
    with peers_knot.signed(zone, "example") as (port, anchor):
        path = post.dir / "postroad.conf"
        text = re.sub(r"dns_servers = .*", f"dns_servers = 127.0.0.1@{port}", path.read_text())
        path.write_text(f"{text}\ndnssec_anchors = {anchor}\n")
        yield post, Names(port), keys


def send(post, octets, sender=ADA, recipient=LIST, client="192.0.2.1"):
    with post.raw() as c:
        assert c.cmd(f"XCLIENT ADDR={client}") == 220
        c.ehlo()
        return c.post(sender, [recipient], octets)


def copy_of(post, sink, octets, recipient=BO, **options):
    """What arrives of it: the mail with its envelope."""
    before = len(sink.to(recipient))
    send(post, octets, **options)
    post.wait()
    return sink.to(recipient)[before]


def field(octets, name):
    return email.message_from_bytes(octets)[name]


def test_a_list_that_changes_nothing_keeps_the_author_s_signature(here, sink):
    post, names, keys = here
    post.cli("list", "set", LIST, "dmarc_mitigate_action=rewrite")
    post.start()
    octets = keys.sign(message(sender=f"Ada <{ADA}>", to=LIST), "rsa", "relaxed/simple")
    copy = copy_of(post, sink, octets).octets
    assert field(copy, "From") == f"Ada <{ADA}>" and copy.endswith(octets)
    theirs = copy[copy.index(octets):]
    assert authheaders.check_dkim(theirs, dnsfunc=names.txt).result == "pass" and names.dmarc(theirs) == "pass"


@pytest.mark.parametrize("signs", [True, False])
def test_a_footer_and_an_answer_to_the_author(here, sink, signs):
    """The copy passes DMARC under an address of ours; an answer to that address reaches the author, unwrapped and SPF-clean."""
    post, names, keys = here
    post.cli("list", "set", LIST, "dmarc_mitigate_action=rewrite", "msg_footer=-- the list" if signs else "msg_footer=")
    post.start()
    octets = message(sender=f'"Ada, of L." <{ADA}>', to=LIST)
    octets = keys.sign(octets, "rsa", "relaxed/relaxed") if signs else octets  # who does not sign fails behind any list
    mail = copy_of(post, sink, octets)
    author = field(mail.octets, "From")
    wrapped = re.fullmatch(r'"Ada, of L." <(ada=40sender\.example=_[a-z2-7]{10}@dmarc\.lists\.example)>', author)[1]
    assert names.dmarc(mail.octets) == "pass"
    assert field(mail.octets, "X-Original-From") == field(mail.octets, "Author") == f'"Ada, of L." <{ADA}>'
    assert " rewritten" in post.events(field(octets, "Message-ID"), "delivered")[0]["host"]

    answer = message(sender=f"Bo <{BO}>", to=f"Ada <{wrapped}>", fields=f"Cc: News <{LIST}>, {wrapped.upper()}\r\n")
    send(post, answer, sender=BO, recipient=wrapped, client="203.0.113.9")
    post.wait()
    got = sink.one(ADA)
    assert field(got.octets, "To") == f"Ada <{ADA}>" and field(got.octets, "Cc").startswith(f"News <{LIST}>, ADA@sender.example")
    assert field(got.octets, "From") == f"Bo <{BO}>"  # whose domain has no policy
    assert post.json("spf", "check", "127.0.0.1", got.sender)["result"] == "pass" and got.sender.endswith("@srs.lists.example")
    with post.raw() as c:  # and what it bounces to finds its way
        c.post("", [got.sender], message(sender="mailer-daemon@sender.example"))
    post.wait()
    assert len(sink.to(BO)) == 2 and sink.to(BO)[1].sender == ""


def test_both_sides_forbid_it(here, sink):
    """The answer's own author is wrapped in turn, since To was changed."""
    post, names, keys = here
    post.cli("list", "set", LIST, "dmarc_mitigate_action=rewrite", "msg_footer=-- the list")
    post.start()
    wrapped = re.search(r"[^<]+@dmarc\.lists\.example", field(copy_of(post, sink, keys.sign(message(sender=ADA, to=LIST), "rsa", "relaxed/relaxed")).octets, "From"))[0]
    send(post, message(sender="Cy <cy@other.example>", to=wrapped), sender="cy@other.example", recipient=wrapped, client="203.0.113.9")
    post.wait()
    got = sink.one(ADA).octets
    assert re.fullmatch(r"Cy <cy=40other\.example=_\w{10}@dmarc\.lists\.example>", field(got, "From")) and field(got, "To") == ADA
    assert names.dmarc(got) == "pass"


def test_an_alias(here, sink):
    """What is signed goes as it came; what only SPF had shown gets an author of ours. A list copy of the same message gets what it needs."""
    post, names, keys = here
    post.cli("alias", "set", "chair@lists.example", "cy@far.example")
    post.start()
    octets = keys.sign(message(sender=ADA, to="chair@lists.example"), "rsa", "relaxed/relaxed")
    send(post, octets, recipient="chair@lists.example")
    post.wait()
    got = sink.one("cy@far.example")
    assert got.octets.endswith(octets) and names.dmarc(got.octets) == "pass"
    assert post.json("spf", "check", "127.0.0.1", got.sender)["result"] == "pass"
    with post.raw() as c:
        assert c.cmd("XCLIENT ADDR=192.0.2.1") == 220
        c.ehlo()
        c.post(ADA, ["chair@lists.example", LIST], message(sender=ADA, subject="both"))
    post.wait()
    alias, copy = sink.to("cy@far.example")[1].octets, sink.one(BO).octets
    assert field(alias, "From").endswith("@dmarc.lists.example") and names.dmarc(alias) == "pass"
    assert field(copy, "From") == ADA and field(copy, "Subject") == "both"  # the list says: no_mitigation


def test_who_can_send_to_a_wrapped_address(here):
    post, _, _ = here
    post.start("smtpd")
    post.cli("member", "add", LIST, "old+time@sender.example")
    for address, code in (("ada=40sender.example@dmarc.lists.example", 550), ("ada=40sender.example=_aaaaaaaaaa@dmarc.lists.example", 550),
                          ("nobody@dmarc.lists.example", 550), ("old=2Btime=40sender.example@dmarc.lists.example", 250),
                          ("bo=40far.example@dmarc.lists.example", 250), ("SRS0=aaaa=aa=sender.example=ada@srs.lists.example", 550),
                          ("SRS0=x@srs.lists.example", 550)):
        with post.raw() as c:
            assert c.cmd("XCLIENT ADDR=203.0.113.9") == 220
            c.ehlo()
            c.cmd("MAIL FROM:<x@far.example>")
            reply = c.cmd(f"RCPT TO:<{address}>")
            assert reply == code and (code == 250 or "5.1.1" in reply.text or "5.7.1" in reply.text), (address, reply.text)


@pytest.mark.parametrize("settings, author, shown", [
    (["dmarc_mitigate_action=no_mitigation"], ADA, ADA),
    (["dmarc_mitigate_action=rewrite"], "x@free.example", "x@free.example"),
    (["dmarc_mitigate_action=rewrite"], "x@testing.example", "x@testing.example"),
    (["dmarc_mitigate_action=rewrite"], "x@sub.sender.example", "x=40sub.sender.example=_"),
    (["dmarc_mitigate_action=rewrite", "dmarc_mitigate_unconditionally=true"], "x@free.example", "x=40free.example=_"),
    (["dmarc_mitigate_action=rewrite", "dmarc_addresses=^.*@free.example"], "x@free.example", "x=40free.example=_"),
    (["dmarc_mitigate_action=munge_from"], ADA, f'"ada via News" <{LIST}>')])
def test_when_and_how(here, sink, settings, author, shown):
    post, names, _ = here
    post.cli("list", "set", LIST, *settings, "msg_footer=-- the list")
    post.start()
    copy = copy_of(post, sink, message(sender=author, to=LIST), sender=author).octets
    assert field(copy, "From").startswith(shown), field(copy, "From")
    if "via" in shown:
        assert field(copy, "Reply-To") == ADA and names.dmarc(copy) == "pass"


def test_wrapped_in_a_message(here, sink):
    post, names, keys = here
    post.cli("list", "set", LIST, "dmarc_mitigate_action=wrap_message", "msg_footer=-- the list", "dmarc_wrapped_message_text=Ada's domain forbids this:")
    post.start()
    octets = keys.sign(message(sender=f"Ada <{ADA}>", to=LIST), "rsa", "relaxed/relaxed")
    copy = copy_of(post, sink, octets).octets
    assert names.dmarc(copy) == "pass" and field(copy, "From") == f'"Ada via News" <{LIST}>'
    parts = email.message_from_bytes(copy).get_payload()
    assert parts[0].get_payload().startswith("Ada's domain forbids this:") and parts[1].get_content_type() == "message/rfc822"
    inner = copy[copy.index(b"DKIM-Signature", copy.index(b"message/rfc822")):]
    assert inner.startswith(octets)


@pytest.mark.parametrize("action, event", [("reject", "rejected"), ("discard", "discarded")])
def test_a_list_may_take_no_such_posts(here, sink, action, event):
    post, _, _ = here
    post.cli("list", "set", LIST, f"dmarc_mitigate_action={action}")
    post.start()
    octets = message(sender=ADA, to=LIST)
    send(post, octets)
    post.wait()
    assert post.events(field(octets, "Message-ID"), event) and not sink.to(BO)
    assert len(sink.to(ADA)) == (action == "reject")
    send(post, message(sender="x@free.example", to=LIST), sender="x@free.example")
    post.wait()
    assert len(sink.to(BO)) == 1


FORGED = ["<chair@lists.example> (<chair@lists.example>)", "chair@lists.example (<chair@lists.example>)", "chair@lists.example, x@plain.example",
          "<chair@lists.example>\r\nFrom: x@plain.example", 'x@plain.example, "x <chair@lists.example>']


@pytest.mark.parametrize("author", FORGED)
@pytest.mark.parametrize("action", ["rewrite", "no_mitigation"])
def test_no_signature_for_a_forged_author(here, sink, author, action):
    """However From is written, what strangers say is from our domain gets no key of ours under that name: not by a list, not by an alias."""
    post, _, _ = here
    post.cli("alias", "set", "chair@lists.example", "cy@far.example")
    post.cli("list", "set", LIST, f"dmarc_mitigate_action={action}", "msg_footer=-- the list")
    post.start()
    with post.raw() as c:
        assert c.cmd("XCLIENT ADDR=203.0.113.9") == 220
        c.ehlo()
        c.post("x@plain.example", ["chair@lists.example", LIST], message(sender=author, to=LIST))
    post.wait()
    for copy in sink.one("cy@far.example").octets, sink.one(BO).octets:
        authors = re.findall(r"(?m)^From: (?:[^\r]|\r\n[ \t])*", copy.decode())
        assert b"DKIM-Signature" not in copy or all("=_" in a and "chair@lists.example" not in a for a in authors), authors


@pytest.mark.parametrize("settings", [["anonymous_list=true"], *([f"dmarc_mitigate_action={how}", "dmarc_mitigate_unconditionally=true"]
                                                                 for how in ("rewrite", "munge_from", "wrap_message"))])
def test_a_from_of_the_list_s_own_is_signed(here, sink, settings):
    """Whoever wrote it, and whatever was shown of that: receivers see the list's name, and its domain forbids what is not signed."""
    post, names, _ = here
    post.cli("list", "set", LIST, *settings)
    post.start()
    assert names.dmarc(copy_of(post, sink, message(sender="x@plain.example", to=LIST), sender="x@plain.example").octets) == "pass"


def test_refused_for_dmarc_all_the_same(here, pysink):
    """A receiver that knows more refuses: the copy goes again with an author of ours, and nobody's bounces are counted."""
    post, _, keys = here

    def strict(server, session, line):
        del server, line
        if b"\r\nFrom: ada@sender.example\r\n" in session["mail"].octets:
            return "550 5.7.26 unauthenticated email from sender.example is not accepted due to its DMARC policy"
        return "250 2.0.0 ok"
    server = pysink({".": strict})
    path = post.dir / "postroad.conf"
    path.write_text(re.sub(r"(?m)^relay = .*", f"relay = 127.0.0.1:{server.port}", path.read_text()))
    post.cli("list", "set", LIST, "dmarc_mitigate_action=rewrite")
    post.start()
    octets = keys.sign(message(sender=ADA, to=LIST), "rsa", "relaxed/simple")
    send(post, octets)
    until(lambda: server.mails, 30)
    post.wait()
    assert field(server.mails[0].octets, "From").startswith("ada=40sender.example=_")
    assert [e["event"] for e in post.trace(field(octets, "Message-ID")) if e["event"] in ("deferred", "bounced", "delivered")] == ["deferred", "delivered"]


def test_our_own_mail_is_refused_for_dmarc(here, pysink):
    """What is wrong with our keys or records its author hears of; nobody sends it in another name."""
    post, _, _ = here
    server = pysink({".": lambda server, session, line: "550 5.7.26 unauthenticated email is not accepted due to the domain's DMARC policy"
                     if session["mail"].sender else "250 2.0.0 ok"})
    path = post.dir / "postroad.conf"
    path.write_text(re.sub(r"(?m)^relay = .*", f"relay = 127.0.0.1:{server.port}", path.read_text()))
    post.start()
    octets = message(sender="chair@lists.example", to=BO, subject="a friend")
    send(post, octets, sender=ADA, recipient=BO, client="198.51.100.7")
    post.wait()
    assert [e["event"] for e in post.trace(field(octets, "Message-ID")) if e["event"] in ("deferred", "bounced", "delivered")] == ["bounced"]
