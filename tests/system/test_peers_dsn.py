"""DSN parameters (RFC 3461) from one real server through us to another, and the notifications that come of them: read
by Python's parser, and taken by the servers they are sent to."""
import email
import quopri
import re
import smtplib

import pytest

from peers_mail import sample, top, utf8_sample
from peers_postfix import kept, log_lines
from peers_tasks import MEMBERS, feed, passed_on, report, with_list, with_tls
from postroad import until

ME = "me@sender.example"


def send(port, recipients, octets, *options, sender=ME):
    """A transaction with parameters: {address: those of its RCPT}."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo()
        assert client.mail(sender, options)[0] == 250
        for address, parameters in recipients.items():
            code, text = client.rcpt(address, parameters.split())
            assert code == 250, (address, text)
        code, text = client.data(octets)
        assert code == 250, text


ASKED = {"ok@there.example": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bok@old.example",
         "quiet@there.example": "NOTIFY=NEVER",
         "gone@there.example": "NOTIFY=FAILURE ORCPT=rfc822;first+2Bgone@old.example",
         "gone-unheard@there.example": "NOTIFY=NEVER",
         "gone-success@there.example": "NOTIFY=SUCCESS"}
THERE = ["ok@there.example", "quiet@there.example", ME]


@pytest.mark.parametrize("level", ["none", "encrypt"])
def test_from_one_postfix_to_another(make, postfix, certificate, level):
    """RET, ENVID, NOTIFY and ORCPT arrive where they are acted on: the last server tells of success, we of the failure
    it gave us, both under the names and for the envelope that the first client gave; nobody else tells anything."""
    last = postfix(mailboxes=THERE, tls=certificate, hostname="last.example")
    post = with_tls(make, certificate, relay=last)
    first = postfix(relay=f"127.0.0.1:{post.port}", client_tls=level, hostname="first.example")
    octets = sample("plain")
    send(first.port, ASKED, octets, "RET=HDRS", "ENVID=road+2B7")
    for peer in (first, post, last):
        peer.wait() if peer is post else passed_on(peer)
    for address in THERE[:2]:
        arrived, = kept(last, address)
        top(arrived, octets)
    notices = {}
    for notice in kept(last, ME):
        message, recipients, returned = report(notice)
        assert message["Original-Envelope-Id"].replace(" ", "") == "road+7"
        assert returned == "text/rfc822-headers" and b"world" not in notice.split(b"road+7")[1]
        notices[message["Reporting-MTA"].replace(" ", "")] = recipients
    assert set(notices) == {"dns;last.example", "dns;mx.example.org"}
    success, failure = notices["dns;last.example"], notices["dns;mx.example.org"]
    assert {r: b["Action"] for r, b in success.items()} == {"ok@there.example": "delivered"}
    assert {r: b["Action"] for r, b in failure.items()} == {"gone@there.example": "failed"}
    assert success["ok@there.example"]["Original-Recipient"].replace(" ", "") == "rfc822;first+ok@old.example"
    assert failure["gone@there.example"]["Original-Recipient"].replace(" ", "") == "rfc822;first+gone@old.example"
    assert failure["gone@there.example"]["Status"] == "5.1.1"
    assert not post.events("plain@test.example", "held")


@pytest.fixture
def without_dsn(request, postfix, exim):
    """A server that does not speak DSN: (its port, a function that gives what lies in the sender's mailbox)."""
    if request.param == "exim":
        peer = exim()

        def notices():
            peer.passed_on()
            found = [o.split(b"\r\n", 1) for o in peer.kept()]
            return [rest for first, rest in found if first == b"Return-path: <>"]
    else:
        peer = postfix(mailboxes=["@there.example", ME], settings={"smtpd_discard_ehlo_keywords": "dsn"})

        def notices():
            passed_on(peer)
            return kept(peer, ME)
    return peer, notices


@pytest.mark.parametrize("without_dsn", ["postfix", "exim"], indirect=True)
def test_success_where_the_next_server_cannot_tell(make, without_dsn):
    """RFC 3461 5.2.2: we say "relayed". Who asked for nothing, or for silence, hears nothing."""
    peer, notices = without_dsn
    post = make(relay=peer).start()
    octets = sample("utf8-body")
    send(post.port, {"ok@there.example": "NOTIFY=SUCCESS ORCPT=rfc822;ok@old.example", "plain@there.example": "",
                     "quiet@there.example": "NOTIFY=NEVER"}, octets, "RET=HDRS", "ENVID=e1", "BODY=8BITMIME")
    post.wait()
    notice, = notices()
    message, recipients, returned = report(notice)
    assert message["Original-Envelope-Id"] == "e1" and returned == "text/rfc822-headers"
    assert {r: (b["Action"], b["Status"][0]) for r, b in recipients.items()} == {"ok@there.example": ("relayed", "2")}
    assert recipients["ok@there.example"]["Original-Recipient"].replace(" ", "") == "rfc822;ok@old.example"


def test_a_utf8_recipient_of_postfix_that_is_refused(make, postfix):
    """Postfix gives the octets of UTF-8 in ORCPT as xtext; the notification has the address as it is (RFC 6533)."""
    last = postfix(mailboxes=["jürgen@sender.example", "x@there.example"], hostname="last.example")
    post = make(relay=last).start()
    first = postfix(relay=f"127.0.0.1:{post.port}", hostname="first.example")
    feed(first, [(["ünï@there.example"], utf8_sample())], sender="jürgen@sender.example",
         options=("SMTPUTF8", "BODY=8BITMIME"))
    passed_on(first)
    post.wait()
    notice, = until(lambda: kept(last, "jürgen@sender.example"), 30, "the notification")
    boundary = email.message_from_bytes(notice).get_boundary().encode()
    status, = [part for part in notice.split(b"--" + boundary) if b"global-delivery-status" in part]
    text = quopri.decodestring(status).decode()
    assert "Final-Recipient: utf-8; ünï@there.example" in text
    assert "Original-Recipient: utf-8; ünï@there.example" in text
    assert "Reporting-MTA: dns; mx.example.org" in text


@pytest.mark.parametrize("ret", ["FULL", "HDRS"])
def test_what_is_returned(make, exim, ret):
    """RET of a message that Exim refuses: the whole of it comes back octet by octet, or its header only."""
    peer = exim()
    post = make(relay=peer).start()
    octets = sample("attachment")
    send(post.port, {"nobody@there.example": "NOTIFY=FAILURE"}, octets, f"RET={ret}", "BODY=8BITMIME")
    post.wait()
    peer.passed_on()
    notice, = peer.kept()
    _, recipients, returned = report(notice)
    assert recipients["nobody@there.example"]["Action"] == "failed"
    boundary = email.message_from_bytes(notice).get_boundary().encode()
    part = notice.split(b"\r\n--" + boundary)[-2].split(b"\r\n\r\n", 1)[1]
    if ret == "FULL":  # it has eight-bit octets, so it goes encoded, which message/rfc822 must not be (RFC 6533 3)
        assert returned == "message/global"
        top(re.sub(rb"\r?\n", b"\r\n", quopri.decodestring(part)), octets)
    else:
        assert returned == "text/rfc822-headers"
        assert part.endswith(octets.split(b"\r\n\r\n")[0] + b"\r\n")


def test_a_list_ends_the_sender_s_wish(make, postfix):
    """RFC 3461 5.2.7.3: the list is where the mail was delivered to; of the members' copies the sender hears nothing."""
    last = postfix(mailboxes=["@x.example", "@y.example", ME])
    post = with_list(make(relay=last).start())
    send(post.port, {"news@example.org": "NOTIFY=SUCCESS ORCPT=rfc822;all@old.example"}, sample("plain"), "ENVID=e2")
    post.wait()
    passed_on(last)
    assert sorted(top(o, sample("plain"))["X-Original-To"]
                  for o in kept(last, "@x.example") + kept(last, "@y.example")) == MEMBERS
    notice, = kept(last, ME)
    message, recipients, _ = report(notice)
    assert message["Original-Envelope-Id"] == "e2"
    assert {r: b["Action"] for r, b in recipients.items()} == {"news@example.org": "delivered"}
    assert not log_lines(last, "delivery status notification")


def test_dovecot_by_lmtp_delivers_for_good(make, postfix, dovecot):
    """LMTP ends at the mailbox, so success is "delivered", said by us."""
    mailboxes = dovecot({"ok@there.example": None})
    world = postfix(mailboxes=[ME])
    post = make(relay=world).start()
    post.cli("transport", "set", "there.example", f"lmtp:127.0.0.1:{mailboxes.port}")
    send(post.port, {"ok@there.example": "NOTIFY=SUCCESS"}, sample("plain"))
    post.wait()
    passed_on(world)
    _, recipients, _ = report(kept(world, ME)[0])
    assert {r: b["Action"] for r, b in recipients.items()} == {"ok@there.example": "delivered"}


def test_a_bounce_made_by_exim_comes_home(make, sink, exim):
    """Exim takes a list copy, cannot deliver it, and returns it to us: to the list's bounces, for that member."""
    post = make(relay=sink).start()
    peer = exim(relay=post.port)
    post.cli("transport", "set", "there.example", f"smtp:127.0.0.1:{peer.port}")
    with_list(post, ["late-gone@there.example", "fine@there.example"])
    post.post(ME, "news@example.org", sample("plain"))
    post.wait()
    peer.passed_on()
    assert len([o for o in peer.kept() if o.endswith(sample("plain"))]) == 1
    until(lambda: post.events("late-gone@there.example", "returned"), 20, "the bounce")
    assert not post.events("fine@there.example", "returned")
