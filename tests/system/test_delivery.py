"""Delivery: retries, notifications, sites that are down, and servers that behave badly."""
import email
import email.policy
import re

import pytest

from load import SOAK
from postroad import DROP, HANG, PySink, message, until

QUICK = {"deliver_connect_timeout": "2s", "deliver_reply_timeout": "2s"}


def report_of(octets):
    """The parts of a DSN, read by Python's own parser."""
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert parsed["Auto-Submitted"].startswith("auto-replied")
    assert parsed["Message-ID"] and parsed["Date"] and "MAILER-DAEMON" in parsed["From"].upper()
    parts = parsed.get_payload()
    assert [p.get_content_type() for p in parts[:2]] == ["text/plain", "message/delivery-status"]
    assert parts[2].get_content_type() in ("text/rfc822-headers", "message/rfc822")
    assert not any(p.defects for p in parsed.walk())
    blocks = parts[1].get_payload()
    return parsed, parts[0].get_content(), blocks[0], blocks[1:], parts[2]


def deferred(instance, what, recipient=None, times=1):
    """Wait until a delivery was put off."""
    until(lambda: len(instance.events(what, "deferred", recipient)) >= times, 20, "deferred")
    return instance.events(what, "deferred", recipient)


# ---- answers of a server ----

def test_deferred_recipient_is_tried_again(make, pysink):
    answers = iter(["450 4.2.1 mailbox busy", "451 4.3.0 still busy", "250 2.1.5 ok"])
    server = pysink({"RCPT": lambda *_: next(answers)})
    post = make(relay=server).start()
    octets = message(id="later@test.example")
    post.post("me@sender.example", "x@far.example", octets)
    got = deferred(post, "later@test.example")
    assert "mailbox busy" in got[0]["detail"] and "450" in got[0]["detail"]
    assert post.run("queue", "wait", "--timeout", "1s", check=False).returncode == 75
    pending = post.events("later@test.example", "pending")
    assert len(pending) == 1 and "1 try" in pending[0]["detail"]
    post.clock("+3m")  # not yet: retry_first is 5 minutes, a tenth more or less
    assert post.run("queue", "wait", "--timeout", "3s", check=False).returncode == 75
    assert len(post.events("later@test.example", "deferred")) == 1
    post.clock("+3m")
    deferred(post, "later@test.example", times=2)
    post.clock("+12m")
    post.wait()
    assert [m.octets.endswith(octets) for m in server.mails] == [True]
    assert not post.events("later@test.example", "bounced")


@pytest.mark.parametrize("extensions", ["CHUNKING", "none"])
def test_a_queue_of_many_texts(make, make_sink, pysink, extensions):
    """Whatever their lengths, and whether dots are to be doubled, none is taken for another."""
    sizes = [100, 70_000, 3_000, 300_000, 20_000, 65_536 - 400, 1, 600_000]
    sink = make_sink() if extensions == "CHUNKING" else pysink(extensions=("8BITMIME",))
    post = make(relay=sink).start()
    post.cli("queue", "freeze")
    sent = {}
    for i in range(40):
        body = (f".dotted line {i}\r\n" * (sizes[i % len(sizes)] // 16 + 1))
        octets = message(id=f"text-{i}@test.example", body=body)
        recipient = f"r{i}@{'abcd'[i % 4]}.example"
        post.post("me@sender.example", [recipient, f"also-{recipient}"], octets)
        sent[recipient] = octets
    post.cli("queue", "thaw")
    post.wait(60)
    for recipient, octets in sent.items():
        for to in (recipient, f"also-{recipient}"):
            assert [m.octets.endswith(octets) for m in sink.to(to)] == [True], to


def test_permanent_failure_comes_back_as_a_report(make, make_sink):
    sink = make_sink("--fail-rcpt", "gone@=550 5.1.1 No such user here")
    post = make(relay=sink).start()
    octets = message(id="gone@test.example", subject="about nothing", body="secret body\r\n")
    queue_id = post.post("me@sender.example", ["gone@far.example", "here@far.example", "gone@other.example"], octets)
    post.wait()
    assert sink.to("here@far.example")[0].octets.endswith(octets)
    reports = [report_of(m.octets) for m in sink.to("me@sender.example")]
    assert all(m.sender == "" for m in sink.to("me@sender.example"))
    found = set()
    for parsed, text, per_message, per_recipient, returned in reports:
        assert parsed["To"] == "me@sender.example"
        assert per_message["Reporting-MTA"].replace(" ", "") == "dns;mx.example.org"
        assert queue_id in str(per_message)
        for block in per_recipient:
            address = block["Final-Recipient"].split(";")[1].strip()
            assert block["Action"] == "failed" and block["Status"] == "5.1.1"
            assert "550 5.1.1 No such user here" in block["Diagnostic-Code"]
            assert address in text
            found.add(address)
        assert "about nothing" in returned.as_string() and "gone@test.example" in returned.as_string()
        assert "secret body" not in returned.as_string()
    assert found == {"gone@far.example", "gone@other.example"}
    assert len(post.events("gone@test.example", "bounced")) == 2
    assert post.metrics()["deliver_bounced_total"] == 2


@pytest.mark.parametrize("reply", ["554 5.7.1 go away", "421 4.3.2 not now", "550 no enhanced code", "552-two\n552 5.3.4 lines"])
def test_end_of_data_refused(make, pysink, reply):
    def answer(server, session, line):
        return reply if session["mail"].sender else "250 2.0.0 taken"  # the report may pass
    server = pysink({".": answer})
    post = make(relay=server).start()
    post.post("me@sender.example", "x@far.example", message(id="eod@test.example"))
    if reply.startswith("4"):
        deferred(post, "eod@test.example")
        assert not server.mails
        return
    post.wait()
    assert server.recipients() == ["me@sender.example"]
    block = report_of(server.mails[0].octets)[3][0]
    assert re.fullmatch(r"5\.\d+\.\d+", block["Status"])
    assert block["Action"] == "failed"


def test_null_sender_gets_no_report(make, make_sink):
    sink = make_sink("--fail-rcpt", "gone@=550 5.1.1 No such user")
    post = make(relay=sink).start()
    post.post("", "gone@far.example", message(id="null@test.example"))
    post.wait()
    assert post.events("null@test.example", "bounced")
    assert sink.mails() == [] and post.queue() == []


def test_report_that_bounces_ends_there(make, make_sink):
    sink = make_sink("--fail-rcpt", "@=550 5.1.1 nobody at all")
    post = make(relay=sink).start()
    post.post("me@sender.example", "gone@far.example", message(id="double@test.example"))
    post.wait()
    assert sink.mails() == [] and post.queue() == []
    assert post.metrics()["deliver_bounced_total"] == 2


def test_mixed_answers_in_one_transaction(make, pysink):
    def rcpt(server, session, line):
        return {"ok": "250 2.1.5 ok", "te": "450 4.2.1 later", "pe": "550 5.1.1 never"}[re.search("<(..)", line)[1]]
    server = pysink({"RCPT": lambda s, session, line: "250 2.1.5 ok" if "sender.example" in line or server.calm
                     else rcpt(s, session, line)})
    server.calm = False
    post = make(relay=server).start()
    recipients = [f"{kind}{n}@far.example" for n in range(5) for kind in ("ok", "te", "pe")]
    octets = message(id="mixed@test.example")
    post.post("me@sender.example", recipients, octets)
    until(lambda: len(post.events("mixed@test.example", "deferred")) == 5)
    until(lambda: server.to("me@sender.example"))
    assert len(post.events("mixed@test.example", "delivered")) == 5
    assert len(post.events("mixed@test.example", "bounced")) == 5
    assert server.mails[0].recipients == [r for r in recipients if r.startswith("ok")]
    blocks = report_of(server.to("me@sender.example")[0].octets)[3]
    assert sorted(b["Final-Recipient"].split(";")[1].strip() for b in blocks) == sorted(r for r in recipients if r.startswith("pe"))
    server.calm = True
    post.clock("+10m")
    post.wait()
    assert sorted(r for m in server.mails for r in m.recipients if r.startswith("te")) == [f"te{n}@far.example" for n in range(5)]


def test_all_recipients_refused_and_server_still_says_354(make, pysink):
    """RFC 2920 3.1: a pipelining client may meet a 354 although nobody was accepted; it sends nothing."""
    server = pysink({"RCPT": lambda s, session, line: "250 ok" if "sender.example" in line else "550 5.1.1 no",
                     "DATA": "354 go on"})
    post = make(relay=server).start()
    post.post("me@sender.example", ["a@far.example", "b@far.example"], message(id="354@test.example"))
    post.wait()
    assert len(post.events("354@test.example", "bounced")) == 2
    assert [m.recipients for m in server.mails if m.octets] == [["me@sender.example"]]


def test_odd_octets_in_replies(make, pysink):
    server = pysink({"RCPT": lambda s, session, line: "250 ok" if "sender.example" in line else "550 5.1.1 \u00fcbel"})
    raw = b"450 4.2.1 caf\xe9 \xff\xfe\x00 odd\x1b[31m\r\n"

    def banner_less(s, session, line):
        session["socket"].sendall(raw)
        return "250 2.1.5 ok"
    server2 = pysink({"MAIL": banner_less})
    for n, relay in enumerate((server, server2)):
        post = make(relay=relay).start()
        post.post("me@sender.example", "x@far.example", message(id=f"odd{n}@test.example"))
        until(lambda p=post, i=n: p.events(f"odd{i}@test.example", "bounced") or p.events(f"odd{i}@test.example", "deferred"))
        assert "results-not-committed" not in post.log


def test_reply_of_many_lines_and_endless_reply(make, pysink):
    def flood(server, session, line):
        for _ in range(100):
            session["socket"].sendall(b"250-more\r\n" * 1000)
        return "250 end"
    server = pysink({"EHLO": flood})
    post = make(relay=server, settings=QUICK).start()
    post.post("me@sender.example", "x@far.example", message(id="flood@test.example"))
    until(lambda: any("site-failed" in line for line in post.log.splitlines()))
    assert not server.mails


# ---- sites that cannot be reached ----

def test_site_down_waits_then_delivers(make, sink):
    post = make(relay=sink).start()
    sink.stop()
    for n in range(10):
        post.post("me@sender.example", f"r{n}@far.example", message(id=f"down{n}@test.example"))
    until(lambda: "site-failed" in post.log)
    until(lambda: any("refused" in row["reason"] for row in post.queue()))
    assert not post.events("down0@test.example", "deferred")  # one row on the destination, not one a message
    sink.start()
    post.clock("+1h")
    post.wait()
    assert sink.recipients() == sorted(f"r{n}@far.example" for n in range(10))


def test_expiry_after_queue_lifetime(make, sink):
    post = make(relay=sink, settings={"delay_warning": "0"}).start()
    sink.stop()
    post.post("me@sender.example", "x@far.example", message(id="old@test.example"))
    post.post("", "y@far.example", message(id="null@test.example"))
    until(lambda: post.log.count("site-failed") >= 2)  # once in each class
    until(lambda: post.clock("+1h") is not None and post.log.count("site-failed") >= 4)
    post.clock("+4d")
    assert not post.events("old@test.example", "bounced")
    post.post("me@sender.example", "z@far.example", message(id="young@test.example"))
    post.clock("+12h")

    def both_returned():
        post.clock("+1h")  # by the hour, since a queue that failed just then waits from then on
        return post.events("old@test.example", "bounced") and post.events("null@test.example", "bounced")
    until(both_returned)
    assert not post.events("young@test.example", "bounced")
    sink.start()
    post.clock("+5h")
    post.wait()
    assert sink.recipients() == ["me@sender.example", "z@far.example"]
    _, _, _, blocks, _ = report_of(sink.one("me@sender.example").octets)
    assert blocks[0]["Final-Recipient"].endswith("x@far.example")
    assert blocks[0]["Status"] == "5.4.7" and blocks[0]["Action"] == "failed"


def test_expiry_of_a_recipient_that_is_always_deferred(make, pysink):
    server = pysink({"RCPT": lambda s, session, line: "250 ok" if "sender.example" in line else "452 4.2.2 full"})
    post = make(relay=server, settings={"delay_warning": "0"}).start()
    post.post("me@sender.example", "x@far.example", message(id="full@test.example"))
    deferred(post, "full@test.example")
    for n in range(2, 6):
        post.clock("+5h")
        deferred(post, "full@test.example", times=n)
    post.clock("+5d")
    post.wait()
    _, _, _, blocks, _ = report_of(server.to("me@sender.example")[0].octets)
    assert blocks[0]["Status"] in ("5.4.7", "5.2.2", "4.4.7")
    assert "452 4.2.2 full" in blocks[0]["Diagnostic-Code"]


def test_one_bad_site_does_not_hold_up_others(make, pysink):
    """Without a smart host every site has a hop of its own: an address literal is one."""
    good = pysink()
    post = make(settings={"smtp_port_out": str(good.port), **QUICK}).start()
    for n in range(5):
        post.post("me@sender.example", [f"b{n}@[127.0.0.9]", f"g{n}@[127.0.0.1]"], message())
    until(lambda: len(good.mails) == 5)
    assert good.recipients() == [f"g{n}@[127.0.0.1]" for n in range(5)]


@pytest.mark.parametrize("banner", ["554 5.3.2 no mail here", "421 4.3.2 busy", "220-two\n220 lines ESMTP", DROP, HANG])
def test_greetings(make, pysink, banner):
    server = pysink({"banner": banner})
    post = make(relay=server, settings=QUICK).start()
    post.post("me@sender.example", "x@far.example", message(id="banner@test.example"))
    if isinstance(banner, str) and banner.startswith("220"):
        post.wait()
        assert server.recipients() == ["x@far.example"]
        return
    until(lambda: "site-failed" in post.log, 40)
    assert not post.events("banner@test.example", "bounced")
    server.script = {}
    post.clock("+1h")
    post.wait()
    assert server.recipients() == ["x@far.example"]


# ---- servers that go away ----

STAGES = ["EHLO", "MAIL", "RCPT", "DATA", "."]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("what", [DROP, HANG, "421 4.3.2 closing"], ids=["drop", "hang", "421"])
def test_server_goes_away_at_every_stage(make, pysink, pipelining, what):
    server = pysink(extensions=PySink.EXTENSIONS if pipelining else ["8BITMIME"])
    post = make(relay=server, settings=QUICK).start()
    # How the dialogue ends is no matter of the engine; what becomes of the rows is.
    for stage in STAGES if post.engine == "sqlite" or SOAK else ["RCPT", "."]:
        server.script = {stage: what}
        name = f"{stage.strip('.')}x@test.example"
        octets = message(id=name)
        failures = post.log.count("site-failed")
        post.post("me@sender.example", ["a@far.example", "b@far.example"], octets)
        until(lambda n=name, f=failures: post.events(n, "deferred") or post.log.count("site-failed") > f, 40, stage)
        server.script = {}
        assert not server.mails
        post.clock("+6h")
        post.wait()
        assert [sorted(m.recipients) for m in server.mails] == [["a@far.example", "b@far.example"]], stage
        assert server.mails[0].octets.endswith(octets)
        server.mails.clear()


def test_server_without_ehlo(make, pysink):
    server = pysink({"EHLO": "502 5.5.1 what?"})
    post = make(relay=server).start()
    octets = message(body="na\u00efve\r\n")
    post.post("me@sender.example", "x@far.example", octets)
    post.wait()
    assert server.mails[0].octets.endswith(octets)
    assert "HELO mx.example.org" in server.commands()


def test_server_without_pipelining_gets_one_command_at_a_time(make, pysink):
    waiting = []

    def answer(server, session, line):
        session["socket"].settimeout(0.1)
        try:  # nothing may be there before we answer
            waiting.append(session["socket"].recv(1, 2))
        except TimeoutError:
            pass
        session["socket"].settimeout(None)
        return "354 go" if line == "DATA" else "250 ok"
    server = pysink({"MAIL": answer, "RCPT": answer, "DATA": answer}, extensions=["8BITMIME"])
    post = make(relay=server).start()
    post.post("me@sender.example", ["a@far.example", "b@far.example"], message())
    post.wait()
    assert server.recipients() == ["a@far.example", "b@far.example"]
    assert waiting == []


def test_nothing_follows_an_unanswered_end_of_data(make, pysink):
    early = []

    def answer(server, session, line):
        session["socket"].settimeout(0.1)
        try:
            early.append(session["socket"].recv(1, 2))
        except TimeoutError:
            pass
        session["socket"].settimeout(None)
        return "250 2.0.0 taken"
    server = pysink({".": answer})
    post = make(relay=server, settings={"deliver_threads": "2"}).start("smtpd")
    for n in range(10):
        post.post("me@sender.example", "x@far.example", message(id=f"eod{n}@test.example"))
    post.restart()
    post.wait()
    assert len(server.mails) == 10
    assert early == []


# ---- connections ----

def test_connections_are_kept_and_used_again(make, pysink):
    server = pysink()
    post = make(relay=server).start()
    for n in range(20):
        post.post("me@sender.example", f"r{n}@far{n}.example", message())
        post.wait()
    assert len(server.mails) == 20
    assert len(server.sessions) <= 3


@pytest.mark.parametrize("farewell", [None, b"421 4.4.2 idle too long\r\n"], ids=["silent", "421"])
def test_kept_connection_that_the_other_side_closed(make, pysink, farewell):
    """The next message must not wait for a retry because of it."""
    server = pysink()
    post = make(relay=server).start()
    for n in range(3):
        post.post("me@sender.example", f"r{n}@far.example", message(id=f"kept{n}@test.example"))
        post.wait()  # without the clock moving
        assert not post.events(f"kept{n}@test.example", "deferred")
        for session in list(server.sessions):
            if not session.get("closed"):
                if farewell:
                    session["socket"].sendall(farewell)
                session["socket"].shutdown(2)
    assert server.recipients() == ["r0@far.example", "r1@far.example", "r2@far.example"]


# ---- CHUNKING ----

CHUNKING = [*PySink.EXTENSIONS, "CHUNKING"]
DOTS = ".\r\n..two\r\n.\r\n"


def send_some(post, n, **options):
    """Messages s0@… to sN@…, one after another, so that they share a connection."""
    for i in range(n):
        post.post("me@sender.example", f"r{i}@far.example", message(id=f"s{i}@test.example", **options))
        post.wait()


def bdats(server):
    return [c for c in server.commands() if c.startswith("BDAT")]


def test_small_mail_leaves_in_one_write(make, pysink):
    """Once a connection has shown that it answers: MAIL, RCPT and the text together, no dot doubled."""
    server = pysink(extensions=CHUNKING)
    post = make(relay=server).start()
    octets = message(body=DOTS)
    send_some(post, 3, body=DOTS)
    assert [m.octets.split(b"\r\n\r\n", 1)[1] for m in server.mails] == [octets.split(b"\r\n\r\n", 1)[1]] * 3
    assert len(server.sessions) == 1
    assert [c.split()[0] for c in server.sessions[0]["commands"]] == ["EHLO", "MAIL", "RCPT", "DATA"] + ["MAIL", "RCPT", "BDAT"] * 2
    assert [int(c.split()[1]) for c in bdats(server)] == [len(m.octets) for m in server.mails[1:]]
    large = message(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 1000)
    post.post("me@sender.example", "big@far.example", large)
    post.wait()
    assert len(bdats(server)) == 2  # 70 KB are not sent in vain
    assert server.mails[-1].octets.endswith(large)


def test_recipients_refused_before_the_chunk(make, pysink):
    """The chunk is answered 503; what counts is what RCPT was answered, and the connection goes on."""
    server = pysink({"RCPT": lambda s, session, line: "550 5.1.1 no such user" if "<r1@" in line else "250 2.1.5 ok"}, extensions=CHUNKING)
    post = make(relay=server).start()
    send_some(post, 3)
    assert [r for r in server.recipients() if r[0] == "r"] == ["r0@far.example", "r2@far.example"]
    bounced = post.events("s1@test.example", "bounced")
    assert len(bounced) == 1 and "550 5.1.1 no such user" in str(bounced[0])
    assert server.to("me@sender.example")
    assert len(server.sessions) == 1
    assert "RSET" in server.commands()


@pytest.mark.parametrize("reply", ["451 4.3.0 later", "554 5.7.1 go away", "421 4.3.2 closing"])
def test_chunk_refused(make, pysink, reply):
    server = pysink(extensions=CHUNKING)
    post = make(relay=server).start()
    send_some(post, 1)
    server.script = {"BDAT": lambda s, session, line: reply if session["mail"].sender else "250 ok"}  # the report passes
    post.post("me@sender.example", "x@far.example", message(id="chunk@test.example"))
    what = "bounced" if reply.startswith("5") else "deferred"
    until(lambda: post.events("chunk@test.example", what), 20, what)
    assert reply in str(post.events("chunk@test.example", what)[0])
    server.script = {}
    post.clock("+6h")
    post.wait()
    assert len(server.to("x@far.example")) == (0 if reply.startswith("5") else 1)
    assert len(server.to("me@sender.example")) == (1 if reply.startswith("5") else 0)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "BDAT"])
@pytest.mark.parametrize("what", [DROP, HANG], ids=["drop", "hang"])
def test_server_goes_away_around_a_chunk(make, pysink, stage, what):
    """Nothing is lost; only behind a hang, which may mean that the mail was taken, is the next try a retry."""
    server = pysink(extensions=CHUNKING)
    post = make(relay=server, settings=QUICK).start()
    send_some(post, 1)
    server.script = {stage: what}
    failures = post.log.count("site-failed")
    post.post("me@sender.example", "x@far.example", message(id="chunk@test.example"))
    until(lambda: post.events("chunk@test.example", "deferred") or post.log.count("site-failed") > failures, 40, stage)
    server.script = {}
    post.clock("+6h")
    post.wait()
    assert len(server.to("x@far.example")) == 1


def test_never_more_connections_than_allowed(make, pysink):
    peak = []

    def slow(server, session, line):
        peak.append(sum(1 for s in server.sessions if not s.get("closed")))
        return "250 2.0.0 taken"
    server = pysink({".": slow})
    post = make(relay=server, settings={"deliver_site_connections": "3"}).start("smtpd")
    with post.raw() as c:
        for n in range(100):
            c.post("me@sender.example", [f"r{n}@far{n % 9}.example"], message())
    post.restart()
    post.wait(60)
    assert len(server.mails) == 100
    assert max(peak) <= 3


# ---- extensions of the server ----

def test_size_limit_of_the_server(make, pysink):
    server = pysink(extensions=["PIPELINING", "SIZE 5000"])
    post = make(relay=server).start()
    post.post("me@sender.example", "big@far.example", message(body="x" * 70 + "\r\n" * 5000))
    post.post("me@sender.example", "small@far.example", message())
    post.wait()
    assert server.recipients() == ["me@sender.example", "small@far.example"]
    mail = next(c for c in server.commands() if c.startswith("MAIL FROM:<me"))
    size = int(re.search(r" SIZE=(\d+)", mail)[1])
    assert size == len(server.to("small@far.example")[0].octets)
    assert report_of(server.to("me@sender.example")[0].octets)[3][0]["Status"] == "5.3.4"
    assert "big@far.example" not in " ".join(server.commands())


def test_tls_to_a_server_that_offers_it(make, pysink, certificate):
    server = pysink(tls=certificate)
    post = make(relay=server).start()
    octets = message(body="y" * 900 + "\r\n" + "x\r\n" * 100000)
    post.post("me@sender.example", "x@far.example", octets)
    post.wait()
    assert server.mails[0].octets.endswith(octets)
    assert all(s["tls"] for s in server.sessions if s["mail"])
    assert [c.split()[0] for c in server.sessions[0]["commands"]].count("EHLO") == 2


def test_tls_switched_off(make, pysink, certificate):
    server = pysink(tls=certificate)
    post = make(relay=server, settings={"tls_out": "off"}).start()
    post.post("me@sender.example", "x@far.example", message())
    post.wait()
    assert not server.sessions[0]["tls"] and server.mails


def test_broken_tls_falls_back_to_plain(make, pysink):
    """Opportunistic: a handshake that fails must not keep mail back."""
    server = pysink({"STARTTLS": "220 2.0.0 go"}, extensions=["STARTTLS"])
    post = make(relay=server, settings=QUICK).start()
    post.post("me@sender.example", "x@far.example", message())
    post.wait()
    assert server.recipients() == ["x@far.example"]


class Injecting(PySink):
    """Appends a reply to the 220 of STARTTLS, as a man in the middle would."""

    def _go_ahead(self, session):
        session["socket"].sendall(b"220 2.0.0 go\r\n250-evil.example\r\n250 XEVIL\r\n")


def test_plaintext_injected_before_tls_is_discarded(make, certificate):
    with Injecting(tls=certificate) as server:
        post = make(relay=server).start()
        post.post("me@sender.example", "x@far.example", message())
        post.wait()
        assert server.recipients() == ["x@far.example"]
        assert server.sessions[0]["tls"]
        post.stop()


def test_eightbit_is_declared(make, pysink):
    server = pysink()
    post = make(relay=server).start()
    post.post("me@sender.example", "x@far.example", message(body="caf\u00e9\r\n"), options=["BODY=8BITMIME"])
    post.wait()
    assert any(c.startswith("MAIL") and "BODY=8BITMIME" in c for c in server.commands())


def test_size_of_a_list_copy_counts_the_added_fields(make, pysink):
    server = pysink(extensions=["PIPELINING", "SIZE 1000000"])
    post = make(relay=server).start()
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "a@far.example")
    post.post("me@sender.example", "news@example.org", message())
    post.wait()
    mail = next(c for c in server.commands() if c.startswith("MAIL"))
    assert int(re.search(r" SIZE=(\d+)", mail)[1]) == len(server.mails[0].octets)
