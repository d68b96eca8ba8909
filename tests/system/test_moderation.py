"""Rules of lists at the final dot and in router, the held queue, bans, header matches."""
import re

import pytest

from postroad import Lmtp, message, until

LIST = "news@example.org"
OTHER = "talk@example.org"


@pytest.fixture
def news(post):
    """A list as it comes, with one member and two moderators."""
    post.cli("list", "set", "all", "default_member_action=", "default_nonmember_action=",
             "admin_immed_notify=false")
    post.cli("list", "create", LIST, "--owner", "boss@far.example")
    post.cli("member", "add", LIST, "ada@x.example")
    return post


def send(news, sender, to=LIST, **options):
    """The queue id of a post that is taken, once nothing is left to do."""
    with news.raw() as c:
        c.begin(sender, *([to] if isinstance(to, str) else to))
        got = c.data(message(sender=sender, **options))
    news.wait()
    return got


def queue_id(reply):
    assert reply == 250, reply
    return reply.text.rsplit(" ", 1)[-1]


def kinds(news, reply):
    return [row["event"] for row in news.trace(queue_id(reply))]


def held(news, *words):
    return news.json("held", "ls", *words)


def test_who_is_no_member_waits_for_a_moderator(news, sink):
    assert "held" not in kinds(news, send(news, "ada@x.example", subject="mine"))
    got = send(news, "guest@y.example", subject="may I", body="please\r\n")
    assert "held" in kinds(news, got)
    assert sink.recipients() == ["ada@x.example"]
    [row] = held(news)
    assert (row["list"], row["sender"], row["subject"], row["rule"], row["reason"]) == (
        LIST, "guest@y.example", "may I", "nonmember-moderation", "The message is not from a list member")
    shown = news.cli("held", "show", str(row["id"]))
    [queued] = news.json("queue", "show")
    assert (queued["state"], queued["reason"]) == ("moderation", f"{LIST}: The message is not from a list member")
    assert "please" in shown and "not from a list member" in shown and queue_id(got) in shown
    news.cli("held", "accept", str(row["id"]), "--by", "mod@far.example")
    news.wait()
    assert sink.recipients() == ["ada@x.example", "ada@x.example"] and held(news) == []
    assert {"held", "approved", "expanded", "archived"} <= set(kinds(news, got))
    assert "was decided about" in news.fails("held", "discard", str(row["id"]), status=1)


def test_refused_at_the_final_dot_or_told_later(news, sink):
    news.cli("list", "set", LIST, "default_nonmember_action=reject", "nonmember_rejection_notice=Members only,\nplease.")
    got = send(news, "guest@y.example")
    assert got == 550 and "5.7.1" in got.text and f"{LIST}: Members only, please." in got.text
    assert news.post("ada@x.example", LIST, message(sender="ada@x.example"))
    news.cli("list", "create", OTHER)
    news.cli("list", "set", OTHER, "default_nonmember_action=accept")
    news.cli("member", "add", OTHER, "bo@x.example")
    mixed = send(news, "guest@y.example", to=[LIST, OTHER], subject="both")
    assert {"rejected", "bounced", "expanded"} <= set(kinds(news, mixed))
    until(lambda: "guest@y.example" in sink.recipients(), 20, "the notification")
    [notice] = [mail for mail in sink.mails() if mail.recipients == ["guest@y.example"]]
    assert b"Members only" in notice.octets and b"5.7.1" in notice.octets
    assert "bo@x.example" in sink.recipients()


def test_a_large_post_is_judged_by_its_first_piece(news):
    large = "x" * 70 + "\r\n"
    news.cli("list", "set", LIST, "default_nonmember_action=reject")
    assert send(news, "guest@y.example", body=large * 9000) == 550
    got = send(news, "ada@x.example", body=large * 9000)
    assert "held" in kinds(news, got)
    assert held(news)[0]["reason"] == "The message is larger than the 40 KB maximum size"


def test_rejected_and_forwarded_with_letters(news, sink):
    one = queue_id(send(news, "guest@y.example", subject="first"))
    two = queue_id(send(news, "guest@z.example", subject="Gr\u00fc\u00dfe".encode().decode("latin-1")))
    first, second = (row["id"] for row in held(news))
    news.cli("held", "forward", str(first), "--to", "expert@far.example", "--by", "boss")
    news.wait()
    [mail] = [m for m in sink.mails() if m.recipients == ["expert@far.example"]]
    assert b"message/rfc822" in mail.octets and b"hello" in mail.octets and mail.sender == ""
    assert len(held(news)) == 2
    assert "no post 999" in news.fails("held", "reject", str(first), str(second), "999", status=1)
    assert len(held(news)) == 2 and not [m for m in sink.mails() if "guest" in m.recipients[0]]
    news.cli("held", "reject", str(first), str(second), "--reason", "Wrong list.")
    news.wait()
    letters = [m for m in sink.mails() if "guest" in m.recipients[0]]
    assert sorted(m.recipients[0] for m in letters) == ["guest@y.example", "guest@z.example"]
    assert all(b"Wrong list." in m.octets and b"From: news-owner@example.org" in m.octets and
               b"Auto-Submitted: auto-generated" in m.octets and m.sender == "" for m in letters)
    assert "rejected" in [row["event"] for row in news.trace(one)]
    assert "rejected" in [row["event"] for row in news.trace(two)]


def test_moderators_hear_of_what_is_held(news, sink):
    news.cli("list", "set", "all", "admin_immed_notify=")
    news.cli("list", "create", OTHER)  # nobody is there to be told
    got = send(news, "guest@y.example", to=[LIST, OTHER], subject="may I", body="please\r\n")
    assert len(held(news)) == 2
    [letter] = sink.mails()
    assert letter.recipients == ["boss@far.example"] and letter.sender == ""
    for part in (b"To: news-owner@example.org", b"From:    guest@y.example", b"Subject: may I", b"please",
                 b"not from a list member", queue_id(got).encode()):
        assert part in letter.octets
    with news.raw() as c:
        c.begin("", LIST)
        assert c.data(message(sender="robot@y.example")) == 250
    news.wait()
    assert len(held(news)) == 3 and len(sink.mails()) == 1, "a letter about a letter could go round for ever"
    news.cli("list", "set", "all", "default_nonmember_action=accept")
    send(news, "guest@y.example", subject="")
    assert len(sink.mails()) == 2, "a post that passes makes no letter"


def confirm_address(letter):
    """Which mail decides about the post, as the letter to the moderators has it."""
    return re.search(rb"news-confirm\+h[0-9a-f]{32}@example\.org", letter.octets)[0].decode()


def decide(news, sink, to, **mail):
    """The answer to a moderator's mail."""
    before = len(sink.mails())
    news.post("boss@far.example", to, message(sender="boss@far.example", **mail))
    news.wait()
    [answer] = [m for m in sink.mails()[before:] if m.recipients == ["boss@far.example"]]
    return answer.octets.decode()


def test_moderators_decide_by_mail(news, sink):
    news.cli("list", "set", LIST, "admin_immed_notify=true", "moderator_password=open sesame")
    first = send(news, "guest@y.example", subject="first")
    second = send(news, "guest@y.example", subject="second")
    third = send(news, "guest@y.example", subject="third")
    ids = [row["id"] for row in held(news)]
    one, two, three = (confirm_address(letter) for letter in sink.mails())
    assert "Invalid Approved: password" in decide(news, sink, one, fields="Approved: open sesam\r\n")
    assert [row["id"] for row in held(news)] == ids and sink.to("ada@x.example") == []
    answer = decide(news, sink, one, fields="Approved: open sesame\r\n")
    assert "Message accepted" in answer and "sesam" not in answer
    [copy] = sink.to("ada@x.example")
    assert b"Subject: first" in copy.octets
    [row] = [row for row in news.trace(queue_id(first)) if row["event"] == "approved"]
    assert row["detail"] == "by=boss@far.example by mail"
    assert "Message discarded" in decide(news, sink, two.upper(), body="> no\r\nthank you\r\n")
    assert "discarded" in kinds(news, second)
    assert "was decided about" in decide(news, sink, two)
    token = three.partition("+")[2].partition("@")[0]
    answer = decide(news, sink, "news-request@example.org", subject=f"Re: confirm {token}",
                    body="Approved: open sesame\r\n> whatever was said\r\n")
    assert "Message accepted" in answer and "sesam" not in answer and "whatever" not in answer
    assert held(news) == [] and "expanded" in kinds(news, third)


def test_no_program_and_no_other_list_decides(news, sink):
    news.cli("list", "set", LIST, "admin_immed_notify=true")
    send(news, "guest@y.example")
    [letter] = sink.mails()
    address = confirm_address(letter)
    news.post("boss@far.example", address, message(sender="boss@far.example", fields="Auto-Submitted: auto-replied\r\n"))
    news.wait()
    news.cli("list", "create", OTHER)
    assert "was decided about" in decide(news, sink, address.replace("news", "talk"))
    assert "Invalid Approved: password" in decide(news, sink, address, body="Approved: \r\nx\r\nApproved: y\r\n", fields="Approved: x\r\n")
    assert len(held(news)) == 1, "a list without a password has none that could be right"


def test_bans_and_header_matches(news):
    news.cli("ban", "add", "all", "^.*@bad\\.example$", "--by", "boss")
    news.cli("ban", "add", LIST, "Ada@X.example")
    assert [row["pattern"] for row in news.json("ban", "ls", LIST)] == ["ada@x.example"]
    assert "discarded" in kinds(news, send(news, "a@bad.example"))
    assert "discarded" in kinds(news, send(news, "ada@x.example"))
    assert "banned" in news.fails("member", "subscribe", LIST, "b@bad.example", status=1)
    assert "no regular expression" in news.fails("ban", "add", LIST, "^(", status=2)
    news.cli("ban", "remove", LIST, "ada@x.example")
    news.cli("header-match", "add", "@example.org", "X-Spam", "yes", "--action", "discard", "--tag", "spam")
    assert "discarded" in kinds(news, send(news, "ada@x.example", fields="X-Spam: Yes, sir\r\n"))
    assert "expanded" in kinds(news, send(news, "ada@x.example", fields="X-Spam: no\r\n"))
    assert [row["action"] for row in news.json("header-match", "ls", "@example.org")] == ["discard"]
    news.cli("header-match", "remove", "@example.org", "0")
    assert news.json("header-match", "ls", "@example.org") == []


def test_moderation_of_one_member_ends(news, sink):
    news.cli("member", "set", LIST, "ada@x.example", "moderation_action=hold", "--until", "2060-01-01")
    assert "held" in kinds(news, send(news, "ada@x.example"))
    news.cli("clock", "+15000d")  # ids end in 2089 (base/id.h)
    until(lambda: news.json("member", "ls", LIST)[0]["moderation"] == "list_default", 20, "the end")
    news.cli("member", "add", LIST, "guest@y.example", "--role", "nonmember")
    news.cli("member", "set", LIST, "guest@y.example", "moderation_action=accept", "--role", "nonmember")
    assert "expanded" in kinds(news, send(news, "guest@y.example"))


def test_emergency_thread_lock_and_the_end_of_waiting(news):
    news.cli("list", "set", LIST, "locked_subjects+=flames", "max_days_to_hold=2")
    got = send(news, "ada@x.example", subject="Re: [News] Flames")
    assert got == 550 and "This thread is closed" in got.text
    news.cli("list", "set", LIST, "emergency=true")
    got = send(news, "ada@x.example")
    assert held(news, LIST)[0]["rule"] == "emergency"
    news.cli("clock", "+3d")
    until(lambda: held(news) == [], 20, "the end")
    assert "discarded" in kinds(news, got)


def test_a_loop_ends(news):
    assert "discarded" in kinds(news, send(news, "ada@x.example", fields="List-Id: News <news.example.org>\r\n"))
    assert "discarded" in kinds(news, send(news, "ada@x.example", fields=f"List-Post: <mailto:{LIST}>\r\n"))


def test_lmtp_takes_part(make, sink):
    post = make(relay=sink, lmtp=True).start()
    post.cli("list", "set", "all", "default_member_action=", "default_nonmember_action=reject")
    post.cli("list", "create", LIST)
    with Lmtp(post.lmtp_port) as c:
        c.begin("guest@y.example", LIST)
        assert c.data(message(sender="guest@y.example")) == 550


def test_a_member_is_told_that_a_post_waits(news, sink):
    """A stranger is not: nobody knows who that is. Nor is a program."""
    news.cli("member", "set", LIST, "ada@x.example", "moderation_action=hold")
    send(news, "ada@x.example", subject="may I")
    [told] = sink.to("ada@x.example")
    assert b"Subject: Your message to news@example.org awaits moderator approval" in told.octets
    assert b"    may I\r\n" in told.octets and b"From: news-owner@example.org" in told.octets
    send(news, "guest@y.example")
    send(news, "ada@x.example", fields="Auto-Submitted: auto-generated\r\n")
    assert sink.recipients() == ["ada@x.example"]
    news.cli("list", "set", LIST, "respond_to_post_requests=false")
    send(news, "ada@x.example")
    assert len(sink.mails()) == 1 and len(held(news)) == 4
