"""Peers nobody here wrote: real Postfix on both sides, swaks, Python's smtplib and OpenSSL's s_client."""
import email
import email.policy
import ssl

import pytest

from peers_clients import SClient, stuffed, swaks
from peers_mail import LIST_FIELDS, sample, samples, top, utf8_sample
from peers_postfix import kept, log_lines
from peers_tasks import MEMBERS, failures, feed, passed_on, unverified, with_list, with_tls
from postroad import message, until

# ---- Postfix sends to us ----

@pytest.mark.parametrize("level", ["none", "encrypt"])
def test_postfix_relays_to_us(make, sink, postfix, certificate, level):
    """Every sample through Postfix to a list and an address outside, in the clear and with TLS insisted on."""
    post = with_list(with_tls(make, certificate, relay=sink))
    peer = postfix(relay=f"127.0.0.1:{post.port}", client_tls=level)
    posts = samples()
    feed(peer, [(["news@example.org", "Out@there.example"], octets) for octets in posts.values()])
    passed_on(peer)
    post.wait(60)
    assert not log_lines(peer, "status=bounced") and not log_lines(peer, "status=deferred")
    protocol = "ESMTPS" if level == "encrypt" else "ESMTP"
    for recipient in ["Out@there.example", *MEMBERS]:
        arrived = sink.to(recipient)
        assert len(arrived) == len(posts)
        for name, octets in posts.items():
            mail, = [m for m in arrived if f"<{name}@test.example>".encode() in m.octets]
            above = top(mail.octets, octets)
            assert f" with {protocol} " in above.received("mx.example.org"), above.fields
            assert above.names == [*(LIST_FIELDS if recipient in MEMBERS else []), "Received", "Received"]


def test_postfix_relays_utf8_addresses(make, sink, postfix):
    """SMTPUTF8 from end to end: envelope and header in UTF-8."""
    post = make(relay=sink).start()
    peer = postfix(relay=f"127.0.0.1:{post.port}")
    octets = utf8_sample()
    feed(peer, [(["ünï@there.example"], octets)], sender="jürgen@sender.example",
         options=("SMTPUTF8", "BODY=8BITMIME"))
    passed_on(peer)
    post.wait()
    mail = sink.one("ünï@there.example")
    assert mail.sender == "jürgen@sender.example"
    assert " with UTF8SMTP " in top(mail.octets, octets).received("mx.example.org")


def test_postfix_relays_many_at_once(make, sink, postfix):
    """Postfix's full concurrency: every message once, to every recipient."""
    post = make(relay=sink).start()
    peer = postfix(relay=f"127.0.0.1:{post.port}", settings={"default_destination_concurrency_limit": 20})
    octets = [message(id=f"m{i}@test.example", to=f"r{i}@there.example") for i in range(100)]
    feed(peer, [([f"r{i}-{k}@there.example" for k in range(5)], text) for i, text in enumerate(octets)])
    passed_on(peer)
    post.wait(60)
    assert sink.recipients() == sorted(f"r{i}-{k}@there.example" for i in range(100) for k in range(5))
    for i, text in enumerate(octets):
        top(sink.one(f"r{i}-0@there.example").octets, text)


def test_postfix_returns_what_we_refuse(make, sink, postfix):
    """Our 550 for an unknown recipient is what Postfix tells the sender; the good recipient is served."""
    post = with_list(make(relay=sink).start())
    peer = postfix(relay=f"127.0.0.1:{post.port}", mailboxes=["me@sender.example"])
    feed(peer, [(["nobody@example.org", "news@example.org"], sample("utf8-body"))])
    passed_on(peer)
    post.wait()
    assert sink.recipients() == MEMBERS
    returned, = kept(peer, "me@sender.example")
    failed = failures(returned)
    assert set(failed) == {"nobody@example.org"}
    assert failed["nobody@example.org"]["Status"] == "5.1.1"
    assert "550 5.1.1" in failed["nobody@example.org"]["Diagnostic-Code"]


# ---- we send to Postfix ----

@pytest.mark.parametrize("level", ["none", "may", "encrypt"])
def test_we_deliver_to_postfix(make, postfix, certificate, level):
    """List copies with VERP and a direct one lie in Postfix's maildirs octet by octet; TLS wherever it is offered."""
    tls = None if level == "none" else certificate
    peer = postfix(mailboxes=["@x.example", "@y.example", "@there.example"], tls=tls, settings={
        "smtpd_tls_security_level": level})
    post = with_list(make(relay=peer).start())
    posts = samples()
    for octets in posts.values():
        post.post("me@sender.example", ["news@example.org", "out@there.example"], octets, ["BODY=8BITMIME"])
    post.wait(60)
    passed_on(peer)
    boxes = {domain: kept(peer, f"@{domain}") for domain in ("x.example", "y.example", "there.example")}
    assert {domain: len(found) for domain, found in boxes.items()} == {
        "x.example": 2 * len(posts), "y.example": len(posts), "there.example": len(posts)}
    seen = []
    for octets in (o for found in boxes.values() for o in found):
        name = next(n for n in posts if f"<{n}@test.example>".encode() in octets)
        above = top(octets, posts[name])
        recipient = above["X-Original-To"]
        verp = f"news-bounces+{recipient.replace('@', '=')}@example.org"
        assert above["Return-Path"] == (f"<{verp}>" if recipient in MEMBERS else "<me@sender.example>")
        # (mx.example.org …) by postfix.example (Postfix) with ESMTPS id …
        assert f" with {'ESMTP' if level == 'none' else 'ESMTPS'} " in above.received("postfix.example")
        seen.append((name, recipient))
    assert sorted(seen) == sorted((n, r) for n in posts for r in ["out@there.example", *MEMBERS])


@pytest.mark.parametrize("lacking", ["pipelining", "8bitmime", "size, dsn, chunking, enhancedstatuscodes, etrn, vrfy"])
def test_we_deliver_to_a_postfix_that_lacks_an_extension(make, postfix, lacking):
    peer = postfix(mailboxes=["@there.example"], settings={"smtpd_discard_ehlo_keywords": lacking})
    post = make(relay=peer).start()
    posts = samples()
    for octets in posts.values():
        post.post("me@sender.example", ["one@there.example", "two@there.example"], octets, ["BODY=8BITMIME"])
    post.wait(60)
    passed_on(peer)
    arrived = kept(peer, "@there.example")
    assert len(arrived) == 2 * len(posts)
    for name, posted in posts.items():
        copies = [o for o in arrived if f"<{name}@test.example>".encode() in o]
        assert sorted(top(o, posted)["X-Original-To"] for o in copies) == ["one@there.example", "two@there.example"]


def test_broken_tls_at_postfix_falls_back_to_clear_text(make, postfix, certificate):
    """STARTTLS is offered but cannot work: opportunistic TLS (RFC 7435) delivers all the same, and says so."""
    peer = postfix(mailboxes=["@there.example"], tls=certificate, settings={"smtpd_tls_protocols": "TLSv1"})
    post = make(relay=peer).start()
    octets = sample("utf8-body")
    post.post("me@sender.example", "out@there.example", octets)
    post.wait()
    passed_on(peer)
    arrived, = kept(peer, "@there.example")
    assert " with ESMTP " in top(arrived, octets).received("postfix.example")
    assert " tls-failed " in post.log


def test_a_recipient_postfix_refuses_makes_a_notification(make, postfix):
    """One of three is unknown there: two have the mail, the sender has one notification that a stranger's parser
    reads, sent with the null sender; a list member who is refused makes none."""
    peer = postfix(mailboxes=["one@there.example", "two@there.example", "me@sender.example"])
    post = with_list(make(relay=peer).start(), ["one@there.example", "gone@there.example"])
    octets = sample("attachment")
    recipients = ["one@there.example", "nobody@there.example", "two@there.example"]
    post.post("me@sender.example", recipients, octets, ["BODY=8BITMIME"])
    post.wait()
    passed_on(peer)
    for recipient in ("one@there.example", "two@there.example"):
        arrived, = kept(peer, recipient)
        top(arrived, octets)
    notice, = kept(peer, "me@sender.example")
    assert notice.startswith(b"Return-Path: <>\r\n")
    failed = failures(notice)
    assert set(failed) == {"nobody@there.example"}
    assert failed["nobody@there.example"]["Status"] == "5.1.1"
    assert "550 5.1.1" in failed["nobody@there.example"]["Diagnostic-Code"]
    assert b"Message-ID: <attachment@test.example>" in notice
    post.post("me@sender.example", "news@example.org", sample("plain"))
    post.wait()
    passed_on(peer)
    assert len(kept(peer, "one@there.example")) == 2
    assert len(kept(peer, "me@sender.example")) == 1
    assert post.events("plain@test.example", "bounced", "gone@there.example")


def test_we_deliver_utf8_addresses_to_postfix(make, postfix):
    peer = postfix(mailboxes=["@there.example"])
    post = make(relay=peer).start()
    octets = utf8_sample()
    post.post("jürgen@sender.example", "ünï@there.example", octets, ["SMTPUTF8", "BODY=8BITMIME"])
    post.wait()
    passed_on(peer)
    arrived, = kept(peer, "@there.example")
    above = top(arrived, octets)
    assert above["Return-Path"] == "<jürgen@sender.example>"
    assert above["X-Original-To"] == "ünï@there.example"
    assert " with UTF8SMTP " in above.received("postfix.example")


def test_utf8_mail_for_a_postfix_without_smtputf8_is_returned(make, postfix):
    """It cannot be sent there (RFC 6531 3.5); the sender is told, and nothing arrives maimed."""
    peer = postfix(mailboxes=["@there.example", "me@sender.example"], settings={"smtputf8_enable": "no"})
    post = make(relay=peer).start()
    post.post("me@sender.example", "out@there.example", utf8_sample(), ["SMTPUTF8", "BODY=8BITMIME"])
    post.wait()
    passed_on(peer)
    assert kept(peer, "@there.example") == []
    assert post.events("utf8@test.example", "bounced", "out@there.example")
    notice, = kept(peer, "me@sender.example")
    assert failures(notice)["out@there.example"]["Status"] == "5.6.7"


def test_postfix_away_then_back(make, postfix):
    """A next hop that cannot be reached keeps the mail; when it is back, all of it arrives once."""
    peer = postfix(mailboxes=["@there.example"])
    post = make(relay=peer).start()
    peer.stop()
    octets = sample("latin1")
    post.post("me@sender.example", "out@there.example", octets, ["BODY=8BITMIME"])
    until(lambda: " site-failed site=there.example " in post.log, 30, "a failed try")
    assert [row["from"] for row in post.queue()] == ["me@sender.example"]
    peer.start()
    post.clock("+1h")
    post.wait()
    passed_on(peer)
    arrived, = kept(peer, "@there.example")
    top(arrived, octets)


def test_between_two_postfixes(make, postfix, certificate):
    """Postfix to us with TLS, and from us to another Postfix with TLS: the whole of an ordinary mail's way."""
    last = postfix(mailboxes=["@x.example", "@y.example"], tls=certificate, hostname="last.example", settings={
        "smtpd_tls_security_level": "encrypt"})
    post = with_list(with_tls(make, certificate, relay=last))
    first = postfix(relay=f"127.0.0.1:{post.port}", client_tls="encrypt", hostname="first.example")
    posts = samples()
    feed(first, [(["news@example.org"], octets) for octets in posts.values()])
    passed_on(first)
    post.wait(60)
    passed_on(last)
    arrived = kept(last, "@x.example") + kept(last, "@y.example")
    assert len(arrived) == len(MEMBERS) * len(posts)
    for name, posted in posts.items():
        copies = [o for o in arrived if f"<{name}@test.example>".encode() in o]
        assert sorted(top(o, posted)["X-Original-To"] for o in copies) == MEMBERS
        for copy in copies:
            for host in ("first.example", "mx.example.org", "last.example"):
                top(copy, posted).received(host)


# ---- Exim ----

@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_we_deliver_to_exim(make, exim, certificate, secure):
    """List copies and direct mail lie in Exim's maildir octet by octet; who it refuses makes a notification."""
    peer = exim(tls=certificate if secure else None)
    post = with_list(make(relay=peer).start())
    posts = samples()
    for octets in posts.values():
        post.post("me@sender.example", ["news@example.org", "out@there.example"], octets, ["BODY=8BITMIME"])
    post.post("me@sender.example", ["nobody@there.example"], message(id="lost@test.example"))
    post.wait(60)
    peer.passed_on()
    seen, notices = [], []
    for octets in peer.kept():
        if octets.startswith(b"Return-path: <>\r\n"):
            notices.append(failures(octets))
            continue
        name = next(n for n in posts if f"<{n}@test.example>".encode() in octets)
        above = top(octets, posts[name])
        recipient = above["Envelope-to"]
        verp = f"news-bounces+{recipient.replace('@', '=')}@example.org"
        assert above["Return-path"] == (f"<{verp}>" if recipient in MEMBERS else "<me@sender.example>")
        assert f" with {'esmtps' if secure else 'esmtp'} " in above.received("exim.example")
        seen.append((name, recipient))
    assert sorted(seen) == sorted((n, r) for n in posts for r in ["out@there.example", *MEMBERS])
    assert [set(n) for n in notices] == [{"nobody@there.example"}]
    assert notices[0]["nobody@there.example"]["Status"] == "5.1.1"


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_exim_relays_to_us(make, sink, exim, certificate, secure):
    post = with_list(with_tls(make, certificate, relay=sink))
    peer = exim(relay=post.port, tls_out=secure)
    posts = samples()
    feed(peer, [(["news@example.org", "out@far.example"], octets) for octets in posts.values()])
    peer.passed_on()
    sent = [line for line in peer.log.splitlines() if " => " in line]
    assert sent and all(" K " in line for line in sent), sent  # by BDAT (RFC 3030), as we offer CHUNKING
    post.wait(60)
    for recipient in ("out@far.example", *MEMBERS):
        arrived = sink.to(recipient)
        assert len(arrived) == len(posts)
        for name, octets in posts.items():
            mail, = [m for m in arrived if f"<{name}@test.example>".encode() in m.octets]
            assert f" with {'ESMTPS' if secure else 'ESMTP'} " in top(mail.octets, octets).received("mx.example.org")


# ---- swaks ----

def test_swaks_posts(post, sink):
    """swaks as everybody calls it: it writes the message itself."""
    transcript = swaks(post.port, "--to", "out@there.example,too@there.example", "--body", "hello from swaks",
                       "--header", "Subject: by hand")
    assert "250 2.0.0 queued as " in transcript
    post.wait()
    octets = sink.one("out@there.example").octets
    assert sink.recipients() == ["out@there.example", "too@there.example"]
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert parsed["Subject"] == "by hand"
    assert parsed.get_content().split() == ["hello", "from", "swaks"]


@pytest.mark.parametrize("how", ["plain", "pipeline", "tls", "tls-pipeline"])
def test_swaks_posts_octets(make, sink, certificate, tmp_path, how):
    """Every sample, sent by swaks without its fixing anything, comes out as it went in."""
    post = with_tls(make, certificate, relay=sink)
    options = [f"--{word}" for word in how.split("-") if word != "plain"]
    posts = {name: octets for name, octets in samples().items() if name != "large"}
    for name, octets in posts.items():
        (tmp_path / name).write_bytes(stuffed(octets))
        transcript = swaks(post.port, "--to", f"{name}@there.example", "--no-data-fixup",
                           "--data", f"@{tmp_path / name}", *options)
        assert ("TLS started" in transcript) == ("tls" in how)
    post.wait()
    for name, octets in posts.items():
        received = top(sink.one(f"{name}@there.example").octets, octets).received("mx.example.org")
        assert received.startswith("from swaks.example ([127.0.0.1]) ")
        assert f" with {'ESMTPS' if 'tls' in how else 'ESMTP'} " in received


def test_swaks_attaches_eight_bits(post, sink, tmp_path):
    """An attachment of every octet, and a body in UTF-8, read back by Python's parser."""
    every = bytes(range(256)) * 40
    (tmp_path / "every.bin").write_bytes(every)
    (tmp_path / "body.txt").write_bytes("Grüße 你好\n".encode())
    swaks(post.port, "--to", "out@there.example", "--attach-type", "text/plain; charset=UTF-8",
          "--attach-body", f"@{tmp_path / 'body.txt'}", "--attach-type", "application/octet-stream",
          "--attach-name", "every.bin", "--attach", f"@{tmp_path / 'every.bin'}")
    post.wait()
    parsed = email.message_from_bytes(sink.one("out@there.example").octets, policy=email.policy.default)
    body, attached = parsed.iter_parts()
    assert body.get_payload(decode=True).decode().split() == ["Grüße", "你好"]
    assert attached.get_filename() == "every.bin"
    assert attached.get_payload(decode=True) == every


# ---- Python's smtplib ----

@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
                         ids=["clear", "TLSv1.2", "TLSv1.3"])
def test_smtplib_posts(make, sink, certificate, version):
    post = with_list(with_tls(make, certificate, relay=sink))
    posts = samples()
    with post.smtp(local_hostname="python.example") as client:
        if version:
            client.starttls(context=unverified(version))
            assert client.sock.version() == version.name.replace("_", ".")
            client.ehlo()
            assert not client.has_extn("starttls")
        for octets in posts.values():
            assert client.sendmail("me@sender.example", ["news@example.org", "out@there.example"], octets,
                                   mail_options=["BODY=8BITMIME"]) == {}
    post.wait(60)
    for recipient in ("out@there.example", *MEMBERS):
        arrived = sink.to(recipient)
        assert len(arrived) == len(posts)
        for name, octets in posts.items():
            mail, = [m for m in arrived if f"<{name}@test.example>".encode() in m.octets]
            received = top(mail.octets, octets).received("mx.example.org")
            assert (f" with ESMTPS ({version.name.replace('_', '.').replace('TLSv', 'TLS')} " if version else
                    " with ESMTP id ") in received


def test_smtplib_sends_utf8(make, sink, certificate):
    """send_message() asks for SMTPUTF8 by itself when an address or a header field needs it."""
    post = with_tls(make, certificate, relay=sink)
    mail = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    mail["From"], mail["To"], mail["Subject"] = "jürgen@sender.example", "ünï@there.example", "Grüße 你好"
    mail.set_content("Ärger mit Ümlauten\n", cte="8bit")
    with post.smtp() as client:
        client.starttls(context=unverified())
        assert client.send_message(mail) == {}
    post.wait()
    arrived = sink.one("ünï@there.example")
    above = top(arrived.octets, mail.as_bytes())
    assert " with UTF8SMTPS " in above.received("mx.example.org")
    assert "Ärger mit Ümlauten".encode() in arrived.octets


def test_smtplib_recipient_refused(post):
    with_list(post)
    with post.smtp() as client:
        refused = client.sendmail("me@sender.example", ["nobody@example.org", "news@example.org"], sample("plain"))
    assert set(refused) == {"nobody@example.org"}
    assert refused["nobody@example.org"][0] == 550
    assert refused["nobody@example.org"][1].startswith(b"5.1.1 ")


# ---- OpenSSL's s_client ----

@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_s_client_posts(make, sink, certificate, version):
    post = with_tls(make, certificate, relay=sink)
    octets = sample("octets")
    with SClient(post.port, f"-{version}") as client:
        client.command("EHLO by-hand.example", 250)
        client.command("MAIL FROM:<me@sender.example> BODY=8BITMIME", 250)
        client.command("RCPT TO:<out@there.example>", 250)
        client.command("DATA", 354)
        client.send(stuffed(octets))
        assert client.reply().startswith("250 2.0.0 ")
        client.command("QUIT", 221)
    post.wait()
    received = top(sink.one("out@there.example").octets, octets).received("mx.example.org")
    assert received.startswith("from by-hand.example ([127.0.0.1]) ")
    assert f" with ESMTPS ({version.upper().replace('_', '.')} " in received


@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_s_client_with_an_old_protocol_is_refused(make, sink, certificate, version):
    """TLS 1.0 and 1.1 are not spoken (RFC 8996), even with a client that lowers its own demands."""
    post = with_tls(make, certificate, relay=sink)
    with pytest.raises(AssertionError):
        with SClient(post.port, f"-{version}", "-cipher", "ALL:@SECLEVEL=0") as client:
            client.command("EHLO by-hand.example", 250)
    with SClient(post.port, "-tls1_2", "-cipher", "ALL:@SECLEVEL=0") as client:
        client.command("EHLO by-hand.example", 250)
