"""More programs that send mail (nodemailer, Postfix's smtp-source), and messages of unusual size through real servers."""
import base64
import email
import email.policy
import hashlib
import random

import pytest

from peers_mail import sample, top
from peers_nodemailer import nodemailer
from peers_postfix import kept, tool
from peers_tasks import MEMBERS, feed, passed_on, report, with_list, with_tls
from postroad import message, message_id

# ---- nodemailer ----


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_nodemailer_posts(make, sink, certificate, secure):
    """Fifty over five kept connections, to a list and outside, with an attachment of every octet."""
    post = with_list(with_tls(make, certificate, relay=sink))
    every = bytes(range(256)) * 40
    messages = [{"from": "Jö <me@sender.example>", "to": ["out@there.example", "news@example.org"],
                 "messageId": f"<n{i}@test.example>", "subject": f"Grüße {i}", "text": ".\n..\nGrüße, 你好\n",
                 "attachments": [{"filename": "every.bin", "content": base64.b64encode(every).decode(),
                                  "encoding": "base64"}]} for i in range(50)]
    tls = {"ignoreTLS": False, "requireTLS": True, "tls": {"rejectUnauthorized": False}} if secure else {}
    for got in nodemailer(post.port, messages, pool=True, maxConnections=5, **tls):
        assert got.get("accepted") == ["out@there.example", "news@example.org"], got
        assert got["response"].startswith("250 2.0.0 queued as ")
    post.wait(60)
    for recipient in ("out@there.example", *MEMBERS):
        arrived = sink.to(recipient)
        assert sorted(message_id(m.octets) for m in arrived) == sorted(f"n{i}@test.example" for i in range(50))
    for mail in sink.to("out@there.example"):
        assert f" with {'ESMTPS' if secure else 'ESMTP'} ".encode() in mail.added
        parsed = email.message_from_bytes(mail.octets, policy=email.policy.default)
        body, attached = parsed.iter_parts()
        assert body.get_content().splitlines() == [".", "..", "Grüße, 你好"]
        assert attached.get_payload(decode=True) == every
        assert parsed["From"].addresses[0].display_name == "Jö"


def test_nodemailer_asks_for_much(make, sink):
    """UTF-8 addresses, DSN parameters, and a recipient who does not exist."""
    post = with_list(make(relay=sink).start())
    first, second, third = nodemailer(post.port, [
        {"from": "jürgen@sender.example", "to": "ünï@there.example", "messageId": "<u@test.example>", "text": "hi"},
        {"from": "me@sender.example", "to": "news@example.org", "messageId": "<d@test.example>", "text": "hi",
         "dsn": {"id": "road 7", "return": "headers", "notify": ["success"], "recipient": "all+1@old.example"}},
        {"from": "me@sender.example", "to": ["nobody@example.org", "x@there.example"], "text": "hi"}])
    assert first["accepted"] == ["ünï@there.example"], first
    assert second["accepted"] == ["news@example.org"], second
    assert (third["accepted"], third["rejected"]) == (["x@there.example"], ["nobody@example.org"]), third
    post.wait()
    assert sink.one("ünï@there.example").sender == "jürgen@sender.example"
    about, recipients, returned = report(sink.one("me@sender.example").octets)
    assert (about["Original-Envelope-Id"], returned) == ("road 7", "text/rfc822-headers")
    assert recipients["news@example.org"]["Action"] == "delivered"
    assert recipients["news@example.org"]["Original-Recipient"].replace(" ", "") == "rfc822;all+1@old.example"


# ---- smtp-source ----

def test_smtp_source_3000(make, sink):
    """`smtp-source -s 50 -m 3000`: no error, and every message arrives once."""
    post = make(relay=sink).start()
    got = tool("smtp-source", "-s", 50, "-m", 3000, "-l", 5120, "-N", "-f", "me@sender.example",
               "-t", "out@there.example", f"inet:127.0.0.1:{post.port}")
    assert (got.returncode, got.stderr) == (0, "")
    post.wait(180)
    recipients = sink.recipients()
    assert len(recipients) == len(set(recipients)) == 3000


# ---- unusual sizes ----

def fifty_megabytes(name):
    """A message of 50,000,000 octets and its Message-ID; lines that differ, so that no piece can take another's place."""
    head = message(id=name, body="")
    size = 50_000_000 - len(head)
    text = base64.b64encode(random.Random(name).randbytes(size * 3 // 4))
    lines = b"\r\n".join(text[i:i + 76] for i in range(0, len(text), 76))
    return head + lines[:size - 2] + b"\r\n"


def same(arrived, posted):
    """As top(), but quick about it and short in what it says."""
    tail = arrived[len(arrived) - len(posted):]
    assert hashlib.sha256(tail).digest() == hashlib.sha256(posted).digest(), "the message has changed"
    return top(arrived[:-len(posted)] + posted[:100], posted[:100])


LARGE = {"message_size_limit": 60000000, "virtual_mailbox_limit": 0}


def test_fifty_megabytes_between_postfixes(make, postfix, certificate):
    last = postfix(mailboxes=["@there.example"], tls=certificate, hostname="last.example", settings=LARGE)
    post = make(relay=last).start()
    first = postfix(relay=f"127.0.0.1:{post.port}", hostname="first.example", settings=LARGE)
    octets = fifty_megabytes("large@test.example")
    assert len(octets) == 50_000_000
    feed(first, [(["out@there.example"], octets)])
    passed_on(first)
    post.wait(120)
    passed_on(last)
    arrived, = kept(last, "@there.example")
    same(arrived, octets)


def test_fifty_megabytes_and_nothing_from_exim(make, sink, exim):
    """By BDAT: a large message, and one that is a header only, to a list with one member."""
    post = with_list(make(relay=sink).start(), ["a@x.example"])
    peer = exim(relay=post.port)
    large, empty = fifty_megabytes("large@test.example"), sample("empty")
    feed(peer, [(["news@example.org"], large), (["news@example.org"], empty)])
    peer.passed_on()
    post.wait(120)
    arrived = {message_id(m.octets[-50_000_000:] if len(m.octets) > 1_000_000 else m.octets): m.octets
               for m in sink.to("a@x.example")}
    assert len(arrived) == 2
    same(arrived["large@test.example"], large)
    top(arrived["empty@test.example"], empty)
    assert [p["length"] > 45_000_000 for p in post.posts("news@example.org")] in ([True, False], [False, True])


def test_a_thousand_recipients_between_postfixes(make, postfix):
    """One transaction to us, and each recipient served once; an empty body on the way."""
    settings = {"smtp_destination_recipient_limit": 1000, "smtpd_recipient_limit": 1000}
    last = postfix(mailboxes=[f"@d{n}.example" for n in range(7)], hostname="last.example", settings=settings)
    post = make(relay=last).start()
    first = postfix(relay=f"127.0.0.1:{post.port}", hostname="first.example", settings=settings)
    recipients = sorted(f"r{n}@d{n % 7}.example" for n in range(1000))
    octets = sample("empty")
    feed(first, [(recipients, octets)])
    passed_on(first)
    post.wait(60)
    passed_on(last)
    assert post.metrics()["smtpd_messages_total"] == 1
    arrived = [o for n in range(7) for o in kept(last, f"@d{n}.example")]
    assert sorted(top(o, octets)["X-Original-To"] for o in arrived) == recipients
