"""Lists by mail: LIST-join, -leave, -confirm and -request, their answers, and who gets none."""
import base64
import email
import email.policy
import re

import pytest

from postroad import message

LIST = "news@example.org"
ADA = "ada@x.example"


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", "boss@far.example", "--archive", "none")
    post.cli("list", "set", LIST, "send_welcome_message=false", "send_goodbye_message=false")
    return post


def send(news, part, sender=ADA, envelope=None, subject="", body="", fields=""):
    with news.raw() as c:
        c.begin(sender if envelope is None else envelope, f"news-{part}@example.org")
        got = c.data(message(sender=sender, to=f"news-{part}@example.org", subject=subject, body=body, fields=fields))
    assert got == 250, got
    news.wait()
    return got.text.rsplit(" ", 1)[-1]


def letters(sink, to=ADA):
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def text(letter):
    return letter.get_content().replace("\r\n", "\n")


def members(news):
    return [row["address"] for row in news.json("member", "ls", LIST)]


def token(letter):
    return re.fullmatch(r"news-confirm\+([0-9a-f]{32})@example\.org", letter["From"])[1]


@pytest.mark.parametrize("join, leave", [("join", "leave"), ("subscribe", "unsubscribe")])
def test_a_subscription_and_its_end_by_mail(news, sink, join, leave):
    for part, subject, there in ((join, "join", [ADA]), (leave, "leave", [])):
        before = members(news)
        qid = send(news, part)
        asked = letters(sink)[-1]
        assert asked["Subject"] == f"Your confirmation is needed to {subject} the {LIST} mailing list."
        assert asked["Auto-Submitted"] == "auto-generated" and asked["Precedence"] == "bulk"
        assert members(news) == before
        assert [row["detail"] for row in news.trace(qid) if row["event"] == "commanded"] == [
            f"<news-{part}@example.org> Confirmation email sent to {ADA}"]
        send(news, f"confirm+{token(asked)}", subject=f"Re: {asked['Subject']}")
        assert members(news) == there
        answer = letters(sink)[-1]
        assert answer["Subject"] == "The results of your email commands" and answer["From"] == "news-request@example.org"
        assert "\nConfirmed\n" in text(answer) and f"{ADA} is " in text(answer)
        send(news, f"confirm+{token(asked)}")
        assert "nothing waits under that token" in text(letters(sink)[-1])
    assert len(letters(sink)) == 6


def test_policies(news, sink):
    news.cli("list", "set", LIST, "subscription_policy=confirm_then_moderate")
    send(news, "join")
    send(news, f"confirm+{token(letters(sink)[-1])}")
    assert members(news) == [] and "waits for the moderators" in text(letters(sink)[-1])
    [to_owner] = letters(sink, "boss@far.example")
    accept = re.search(r'"postroad request accept ([0-9a-f]+)"', text(to_owner))[1]
    news.cli("request", "accept", accept)
    assert members(news) == [ADA]
    news.cli("list", "set", LIST, "subscription_policy=open")
    send(news, "join", sender="bo@y.example")   # nobody has shown yet that the address is bo's
    assert members(news) == [ADA]
    send(news, f"confirm+{token(letters(sink, 'bo@y.example')[-1])}", sender="bo@y.example")
    assert members(news) == [ADA, "bo@y.example"]


def test_what_is_refused_is_said(news, sink):
    news.cli("member", "add", LIST, ADA)
    send(news, "join")
    assert f"{ADA} is a member already" in text(letters(sink)[-1])
    news.cli("ban", "add", LIST, "eve@x.example")
    send(news, "join", sender="eve@x.example")
    assert "eve@x.example is banned" in text(letters(sink, "eve@x.example")[-1])
    send(news, "leave", sender="bo@y.example")
    assert "bo@y.example is no member" in text(letters(sink, "bo@y.example")[-1])
    send(news, "join", sender="bo@y.example")
    send(news, "join", sender="bo@y.example")
    assert "waits already" in text(letters(sink, "bo@y.example")[-1])
    with news.raw() as c:
        c.ehlo()
        c.cmd("MAIL FROM:<a@x.example>")
        assert c.cmd("RCPT TO:<other-join@example.org>") == 550


def test_one_click_by_mail(news, sink):
    """The key in a copy ends its own member's membership at once, and nobody else's."""
    news.cli("member", "add", LIST, ADA, "bo@y.example")
    with news.raw() as c:
        c.begin("guest@far.example", LIST)
        assert c.data(message()) == 250
    news.wait()
    link = letters(sink)[-1]["List-Unsubscribe"]
    part = re.fullmatch(r"<mailto:news-(leave\+[0-9a-f]{32})@example\.org>", link)[1]
    send(news, part, sender="bo@y.example")
    assert letters(sink, "bo@y.example")[-1]["Subject"].startswith("Your confirmation is needed to leave")
    assert members(news) == [ADA, "bo@y.example"]
    send(news, part.upper(), subject="unsubscribe")
    assert members(news) == ["bo@y.example"]
    assert f"{ADA} is no longer a member of {LIST}" in text(letters(sink)[-1])


def test_commands_in_subject_and_text(news, sink):
    body = base64.b64encode("echo Grüße\r\n\r\nfrobnicate now\r\nhelp\r\nend\r\njoin\r\n".encode()).decode()
    send(news, "request", subject="join", body=body + "\r\n",
         fields="Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n")
    asked, answer = sorted(letters(sink), key=lambda letter: "results" in letter["Subject"])
    assert token(asked)
    said = text(answer)
    assert f"Confirmation email sent to {ADA}\necho Grüße\nNo such command: frobnicate now\n" in said
    assert "show these commands" in said and said.count("Confirmation") == 1
    send(news, "request", body=f"confirm {token(asked)}\r\n", subject="Re: whatever")
    assert members(news) == [ADA]
    send(news, "request", subject="hello", body="\r\n")
    assert "There was no command in it" in text(letters(sink)[-1])


def test_programs_get_no_answer(news, sink):
    for fields in ("Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n"):
        send(news, "join", fields=fields)
        send(news, "request", fields=fields, subject="help")
    qid = send(news, "join", envelope="")
    assert sink.recipients() == []
    assert "nothing was done" in [row["detail"] for row in news.trace(qid) if row["event"] == "commanded"][0]
    send(news, "request", fields="Precedence: bulk\r\nX-Ack: yes\r\nAuto-Submitted: no\r\n", subject="help")
    assert len(letters(sink)) == 1


def test_nobody_gets_more_than_ten_letters_a_day(news, sink):
    for _ in range(13):
        send(news, "request", subject="help")
    assert len(letters(sink)) == 10
    news.clock("1d")
    send(news, "request", subject="help")
    assert len(letters(sink)) == 11


def test_admin_is_owner(news, sink):
    send(news, "admin", subject="a question", body="please\r\n")
    assert letters(sink, "boss@far.example")[-1]["Subject"] == "a question"


def test_each_address_of_a_list_is_asked_once(news, sink):
    with news.raw() as c:
        c.begin(ADA, "news-join@example.org", "news-subscribe@example.org", "NEWS-join@example.org")
        assert c.data(message(sender=ADA, subject="join")) == 250
    news.wait()
    assert len(letters(sink)) == 1
    send(news, "request", sender="bo@y.example", body="join\r\njoin\r\n-- \r\nleave the rest\r\n")
    assert len(letters(sink, "bo@y.example")) == 1


def test_who_cannot_be_asked_is_not_made_to_wait(news, sink):
    """Once the letters of a day are used up, a request would block the person's own for days."""
    for _ in range(10):
        send(news, "request", subject="help")
    send(news, "join")
    assert news.json("request", "ls") == [] and len(letters(sink)) == 10


def test_a_key_is_enough_under_every_policy(news, sink):
    news.cli("list", "set", LIST, "unsubscription_policy=moderate")
    news.cli("member", "add", LIST, ADA)
    with news.raw() as c:
        c.begin("guest@far.example", LIST)
        assert c.data(message()) == 250
    news.wait()
    part = re.fullmatch(r"<mailto:news-(leave\+[0-9a-f]{32})@example\.org>", letters(sink)[-1]["List-Unsubscribe"])[1]
    send(news, "leave")
    assert members(news) == [ADA]
    send(news, part)
    assert members(news) == []


def test_who_comes_and_goes_is_told_so(news, sink):
    news.cli("list", "set", LIST, "send_welcome_message=true", "send_goodbye_message=true", "admin_notify_mchanges=true",
             "display_name=The News")
    send(news, "join")
    send(news, f"confirm+{token(letters(sink)[-1])}")
    [welcome] = [letter for letter in letters(sink) if letter["Subject"].startswith("Welcome")]
    assert welcome["Subject"] == 'Welcome to the "The News" mailing list' and welcome["From"] == "news-request@example.org"
    assert "news-leave@example.org" in text(welcome) and ADA in text(welcome)
    send(news, "leave")
    send(news, f"confirm+{token([x for x in letters(sink) if 'to leave' in x['Subject']][-1])}")
    assert len([letter for letter in letters(sink) if letter["Subject"].startswith("You have been unsubscribed")]) == 1
    assert sorted(letter["Subject"] for letter in letters(sink, "boss@far.example")) == [
        "The News subscription notification", "The News unsubscription notification"]


def test_an_invitation(news, sink):
    news.cli("member", "subscribe", LIST, ADA, "--invite")
    news.wait()
    [invitation] = letters(sink)
    assert "invited to join" in invitation["Subject"]
    send(news, f"confirm+{token(invitation)}")
    assert members(news) == [ADA]


def test_who_is_on_the_list(news, sink):
    news.cli("member", "add", LIST, ADA, "bo@y.example", "cy@z.example")
    news.cli("member", "set", LIST, "cy@z.example", "hide_address=true")
    news.cli("member", "set", LIST, "bo@y.example", "delivery_mode=mime_digests")

    def who(visibility, sender=ADA, words=""):
        news.cli("list", "set", LIST, f"member_roster_visibility={visibility}")
        send(news, "request", sender=sender, body=f"who {words}\r\n")
        said = text(letters(sink, sender)[-1])
        return [line.strip() for line in said[said.index("- Results:") + 10:said.index("- Done.")].strip().split("\n")]
    refused = ["You are not authorized to see the membership list."]
    assert who("moderators") == refused
    assert who("members", "eve@x.example") == refused
    assert who("members")[1:] == [ADA, "bo@y.example"]
    assert who("public", "eve@x.example", "mode=digest delivery=enabled")[1:] == ["bo@y.example"]
    assert who("moderators", "boss@far.example")[1:] == [ADA, "bo@y.example", "cy@z.example"]
    assert who("public", words="everything") == ["Unrecognized or invalid argument(s): everything"]
