"""DKIM2 and ARC end to end: a list's copy, its alias's copy and a notification are verified from the receiver's side, changes on
the way are caught, and what the list did can be undone to the author's own octets."""
import base64
import re

import pytest

import peers_knot
from postroad import message
from test_auth_check import txt
from test_signing import records

LIST = "news@lists.example"
BO = "bo@far.example"
ADA = "ada@author.example"


@pytest.fixture
def pair(make, sink, make_sink):
    """(author's host, list host, where the list's copies arrive, where the author's mail arrives): each signs for its domains."""
    mine = make_sink()
    settings = {"xclient_networks": "127.0.0.0/8", "relay_networks": "198.51.100.7/32"}
    lists = make(domain="lists.example", relay=sink, settings={**settings, "hostname": "mx.lists.example", "srs_domain": "srs.lists.example",
                                                               "dkim2": "on", "arc_seal": "on"})
    author = make(domain="author.example", relay=mine, settings={**settings, "hostname": "mx.author.example", "dkim2": "on"})
    zone = txt("_dmarc.author", "v=DMARC1; p=reject")
    for post, domain in (lists, "lists.example"), (author, "author.example"):
        post.cli("dkim", "key", "create", domain)
        post.cli("dkim", "key", "rotate", domain, "--now")
        zone += "".join(txt(name.removesuffix(".example"), text) for name, text in records(post, domain).items())
    lists.cli("list", "create", LIST)
    lists.cli("list", "set", LIST, "dkim2=true", "subject_prefix=[news] ", "msg_footer=-- the list")
    lists.cli("member", "add", LIST, BO)
    lists.cli("alias", "set", "chair@lists.example", "cy@far.example")
    with peers_knot.running(zone) as port:
        for post in lists, author:
            path = post.dir / "postroad.conf"
            path.write_text(re.sub(r"dns_servers = .*", f"dns_servers = 127.0.0.1@{port}", path.read_text()))
            post.start()
        yield author, lists, sink, mine


def submit(author, mine, octets, recipient):
    """The author's host signs and sends it: what it sends."""
    with author.raw() as c:
        assert c.cmd("XCLIENT ADDR=198.51.100.7") == 220
        c.ehlo()
        c.post(ADA, [recipient], octets)
    author.wait()
    return mine.to(recipient)[-1].octets


def forward(lists, octets, recipient):
    with lists.raw() as c:
        assert c.cmd("XCLIENT ADDR=192.0.2.1") == 220
        c.ehlo()
        queue_id = c.post(ADA, [recipient], octets)
    lists.wait()
    return queue_id


def verdict(post, mail, octets=None, sender=None, recipient=None):
    """{method: (result, detail)} as the receiver finds it."""
    rows = post.json("auth", "check", "-", "--sender", f"<{mail.sender if sender is None else sender}>", "--recipient",
                     recipient or mail.recipients[0], input=(octets or mail.octets).decode("latin-1"))
    return {row["method"]: (row["result"], row["detail"]) for row in reversed(rows)}  # of several signatures the topmost


@pytest.mark.parametrize("settings", [[], ["unsubscribe_url=https://lists.example/u"], ["personalize=individual", "msg_footer=For $user_email"]])
def test_a_list_s_copy(pair, settings):
    """Whether copies are alike, differ in their header or in their body."""
    author, lists, sink, mine = pair
    if settings:
        lists.cli("list", "set", LIST, *settings)
    sent = submit(author, mine, message(sender=ADA, to=LIST, subject="a post", body="one\r\n.two\r\n\r\n"), LIST)
    assert re.findall(rb"(?m)^DKIM2-Signature: .*?i=(\d)", sent) == [b"1"]
    queue_id = forward(lists, sent, LIST)
    fields = lists.cli("queue", "cat", queue_id, "--fields")
    assert "dkim2=pass header.d=author.example" in " ".join(fields.split()), fields
    mail = sink.one(BO)
    assert b"Subject: [news] a post" in mail.octets
    found = verdict(lists, mail)
    assert found["dkim2"] == ("pass", "") and found["arc"][0] == "pass" and found["dkim"][0] == "pass", found
    # tampering on the way
    for old, new in ((b"one\r\n", b"0ne\r\n"), (b"[news] a post", b"[news] A post!"), (b"From: ada@", b"From: eve@")):
        changed = mail.octets.replace(old, new, 1)
        assert changed != mail.octets and verdict(lists, mail, changed)["dkim2"][0] == "fail", old
    # another envelope
    assert verdict(lists, mail, recipient="eve@far.example")["dkim2"][0] != "pass"
    assert verdict(lists, mail, sender="x@lists.example")["dkim2"][0] != "pass"


def test_an_alias_s_copy(pair):
    author, lists, sink, mine = pair
    sent = submit(author, mine, message(sender=ADA, to="chair@lists.example"), "chair@lists.example")
    forward(lists, sent, "chair@lists.example")
    mail = sink.one("cy@far.example")
    assert mail.sender.endswith("@srs.lists.example") and mail.octets.endswith(sent)
    assert verdict(lists, mail)["dkim2"] == ("pass", "")


def test_a_post_nobody_has_signed(pair):
    """The list describes the form it came in, so that its own changes can be undone."""
    _, lists, sink, _ = pair
    forward(lists, message(sender="x@plain.example", to=LIST, subject="plain"), LIST)
    mail = sink.one(BO)
    assert sorted(re.findall(rb"(?m)^Message-Instance: .*?m=(\d)", mail.octets)) == [b"1", b"2"]
    assert verdict(lists, mail)["dkim2"] == ("pass", "")


def test_hidden_recipients_stay_hidden(pair):
    """The list takes Bcc out: what others could undo must not bring it back."""
    author, lists, sink, mine = pair
    hidden = {"fields": "Bcc: Secret <secret@hidden.example>\r\n"}
    forward(lists, message(sender="x@plain.example", to=LIST, **hidden), LIST)
    forward(lists, submit(author, mine, message(sender=ADA, to=LIST, **hidden), LIST), LIST)
    plain, chained = sink.to(BO)
    assert verdict(lists, plain)["dkim2"] == ("pass", "")
    for mail in plain, chained:
        recipes = re.findall(rb"(?m)^Message-Instance: ((?:[^\r]|\r\n[ \t])*)", mail.octets)
        texts = [base64.b64decode(text + b"==") for one in recipes for text in re.findall(rb"r=([^;]*)", re.sub(rb"\s", b"", one))]
        assert b"hidden.example" not in mail.octets and not any(b"hidden.example" in text for text in texts)


@pytest.mark.parametrize("sender", ["", "chair@lists.example", "x@plain.example"])
def test_a_forged_author(pair, sender):
    """DKIM2's signatures are no more to be had than DKIM's."""
    _, lists, sink, _ = pair
    with lists.raw() as c:
        assert c.cmd("XCLIENT ADDR=203.0.113.2") == 220
        c.ehlo()
        c.post(sender, [LIST, "chair@lists.example"], message(sender="chair@lists.example"))
    lists.wait()
    assert sink.mails() and not any(b"DKIM2-Signature" in m.octets or b"DKIM-Signature" in m.octets for m in sink.mails())


def test_an_anonymous_list_tells_nothing(pair):
    author, lists, sink, mine = pair
    lists.cli("list", "set", LIST, "anonymous_list=true")
    sent = submit(author, mine, message(sender=ADA, to=LIST, subject="a secret post"), LIST)
    forward(lists, sent, LIST)
    mail = sink.one(BO)
    assert b"ada@" not in mail.octets.lower() and b"author.example" not in mail.octets and b"ARC-" not in mail.octets
    assert re.findall(rb"(?m)^Message-Instance: .*?m=(\d)", mail.octets) == [b"1"] and verdict(lists, mail)["dkim2"] == ("pass", "")
