"""Mail that comes back: what counts against a member, what does not, and how far it goes."""
import email
import email.policy
import re
import threading

import pytest

from load import SOAK
from postroad import message, until

LIST = "news@example.org"
ADA = "ada@x.example"
BOSS = "boss@far.example"
STORM = 100_000 if SOAK else 1200  # notifications


def make_list(post):
    post.cli("list", "create", LIST, "--owner", BOSS, "--archive", "none")
    post.cli("list", "set", LIST, "default_nonmember_action=accept", "require_explicit_destination=false", "bounce_probes=false")
    post.cli("member", "add", LIST, ADA, "bo@y.example")
    return post


@pytest.fixture
def news(post):
    return make_list(post)


def dsn(recipient, status="5.1.1", action="failed", diagnostic="550 5.1.1 no such user", original="one@far.example"):
    return (f"From: MAILER-DAEMON@mx.x.example\r\nTo: news-bounces@example.org\r\nSubject: Undelivered Mail\r\n"
            f"Message-ID: <b1@mx.x.example>\r\nMIME-Version: 1.0\r\n"
            f'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
            f"--b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n\r\n"
            f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.example\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
            f"Diagnostic-Code: smtp; {diagnostic}\r\n\r\n"
            f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{original}>\r\nSubject: hi\r\n\r\nhello\r\n"
            f"--b--\r\n").encode()


def come_back(news, octets, part="bounces+ada=x.example", sender=""):
    with news.raw() as c:
        c.begin(sender, f"news-{part}@example.org")
        got = c.data(octets)
    assert got == 250, got
    news.wait()
    qid = got.text.rsplit(" ", 1)[-1]
    return [row["detail"] for row in news.trace(qid) if row["event"] == "counted"][0].split("> ", 1)[1]


def post_to_list(news, wait=True):
    with news.raw() as c:
        c.begin("guest@far.example", LIST)
        assert c.data(message(sender="guest@far.example")) == 250
    if wait:
        news.wait()


def counted(news, who=ADA):
    return [row["detail"] for row in news.json("member", "history", who) if row["event"] == "counted"]


def letters(sink, to):
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def status(news, who=ADA):
    return [row["status"] for row in news.json("member", "ls", LIST) if row["address"] == who]


def look_for_what_is_due(news, seen):
    """Router looks when it starts, and every ten seconds."""
    news.restart()
    until(seen)


@pytest.mark.parametrize("part, recipient", [("bounces+ada=x.example", "someone.else@x.example"), ("bounces", ADA)])
def test_a_notification_counts_once_a_day(news, part, recipient):
    assert come_back(news, dsn(recipient), part) == f"{ADA}: counted score=1"
    assert come_back(news, dsn(recipient), part) == f"{ADA}: today score=1"
    assert len(counted(news)) == 1 and counted(news)[0].startswith("counted score=1 5.1.1")
    news.clock("1d")
    assert come_back(news, dsn(recipient), part) == f"{ADA}: counted score=2"


@pytest.mark.parametrize("status, action, diagnostic, why", [
    ("5.7.1", "failed", "550 5.7.1 message rejected due to DMARC policy of example.com", "the message was refused"),
    ("5.7.26", "failed", "550-5.7.26 unauthenticated email", "the message was refused"),
    ("5.3.4", "failed", "552 5.3.4 message too big", "the message was refused"),
    ("4.2.2", "delayed", "452 4.2.2 mailbox full", "not for good"),
])
def test_what_does_not_count(news, status, action, diagnostic, why):
    said = come_back(news, dsn(ADA, status, action, diagnostic))
    assert said.startswith(why), said
    assert counted(news) == []


def test_a_storm_of_bounces(news, sink):
    """Very many at once, several for each member: each counts once, posts go on, nobody is flooded with letters."""
    members = [f"m{n}@z.example" for n in range(200)]
    news.cli("member", "add", LIST, "-", input="".join(f"{m}\n" for m in members))
    news.cli("list", "set", LIST, "bounce_notify_owner_on_bounce_increment=false")
    share, sessions = STORM // 4, []

    def send(first):
        with news.raw() as c:
            for n in range(first, first + share):
                who = members[n % len(members)]
                c.begin("", f"news-bounces+{who.replace('@', '=')}@example.org")
                assert c.data(dsn(who, original=f"{n}@far.example")) == 250
    for k in range(4):
        sessions.append(threading.Thread(target=send, args=(k * share,)))
        sessions[-1].start()
    post_to_list(news, wait=False)
    for session in sessions:
        session.join()
    news.wait(timeout=1200)
    assert len([m for m in sink.recipients() if m.endswith("@z.example")]) == len(members), "the post has not reached all"
    assert {(row["status"], row["address"]) for row in news.json("member", "ls", LIST)} >= {("enabled", m) for m in members}
    for who in members[::50]:
        assert len(counted(news, who)) == 1, counted(news, who)
    assert letters(sink, BOSS) == []


def test_people_who_are_no_members(news):
    assert come_back(news, dsn("x@x.example"), "bounces+x=x.example") == "x@x.example: no-member score=0"


def test_what_nobody_can_read_goes_to_the_owners(news, sink):
    vacation = message(sender=ADA, to="news-bounces@example.org", subject="I am away", body="until Monday\r\n")
    assert come_back(news, vacation).startswith("no bounce that can be read: passed on to news-owner@example.org")
    [letter] = letters(sink, BOSS)
    assert letter["Subject"] == "Uncaught bounce notification" and "until Monday" in letter.as_string()
    news.cli("list", "set", LIST, "forward_unrecognized_bounces_to=discard")
    assert come_back(news, vacation) == "no bounce that can be read: dropped"
    assert len(letters(sink, BOSS)) == 1 and counted(news) == []


def test_a_refusal_counts_at_once(make, make_sink):
    """What the member's server says in the dialogue needs no mail that comes back."""
    sink = make_sink("--fail-rcpt", f"{ADA}=550 5.1.1 no such user", "--fail-rcpt",
                     "bo@y.example=550 5.7.1 rejected by DMARC policy")
    news = make_list(make(relay=sink).start())
    post_to_list(news)
    assert counted(news)[0].startswith("counted score=1 550 5.1.1 no such user")
    assert counted(news, "bo@y.example") == []


def test_from_the_first_bounce_to_the_end(news, sink):
    news.cli("list", "set", LIST, "bounce_score_threshold=2", "bounce_you_are_disabled_warnings=1")
    come_back(news, dsn(ADA))
    news.clock("1d")
    assert come_back(news, dsn(ADA)) == f"{ADA}: disabled score=2"
    look_for_what_is_due(news, lambda: letters(sink, ADA))
    assert status(news) == ["by_bounces"]
    assert [letter["Subject"] for letter in letters(sink, BOSS)] == [f"{ADA}'s subscription disabled on News"]
    post_to_list(news)
    [warning] = letters(sink, ADA)
    assert warning["Subject"] == "Your subscription for News mailing list has been disabled"
    news.clock("7d")
    look_for_what_is_due(news, lambda: len(letters(sink, BOSS)) == 2)
    assert status(news) == []
    assert "due to bounces" in letters(sink, BOSS)[-1]["Subject"]
    assert news.json("member", "history", ADA)[0]["detail"].startswith("by=bounces")


def test_an_answer_to_the_warning_switches_delivery_on(news, sink):
    news.cli("list", "set", LIST, "bounce_score_threshold=1")
    come_back(news, dsn(ADA))
    look_for_what_is_due(news, lambda: letters(sink, ADA))
    [warning] = letters(sink, ADA)
    for sender, expected in (("eve@x.example", ["by_bounces"]), (ADA, ["enabled"])):
        with news.raw() as c:
            c.begin(sender, warning["From"])
            assert c.data(message(sender=sender, to=warning["From"], subject="Re: " + warning["Subject"])) == 250
        news.wait()
        assert status(news) == expected
    assert f"Posts of {LIST} are sent to {ADA} again" in letters(sink, ADA)[-1].get_content()
    assert come_back(news, dsn(ADA)) == f"{ADA}: disabled score=1"


def test_a_probe_tries_the_address(news, sink):
    news.cli("list", "set", LIST, "bounce_score_threshold=1", "bounce_probes=")
    assert come_back(news, dsn(ADA)) == f"{ADA}: probed score=0"
    [probe] = sink.to(ADA)
    assert status(news) == ["enabled"]
    part = re.fullmatch(r"news-(bounces\+[0-9a-f]{32}\+ada=x\.example)@example\.org", probe.sender)[1]
    assert come_back(news, message(subject="I am away"), part).startswith("no bounce that can be read")
    assert status(news) == ["enabled"]
    assert come_back(news, dsn(ADA), part) == f"{ADA}: disabled score=0"
    assert status(news) == ["by_bounces"]
