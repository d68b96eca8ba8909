"""What a list answers to everybody, and the field that lets a post pass."""
import email
import email.policy

import pytest

from postroad import message

LIST = "news@example.org"
ADA = "ada@x.example"
BOSS = "boss@far.example"


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", BOSS, "--archive", "public")
    post.cli("list", "set", LIST, "default_nonmember_action=accept", "display_name=The News")
    post.cli("member", "add", LIST, "bo@y.example")
    return post


def send(news, to, sender=ADA, subject="a question", fields=""):
    with news.raw() as c:
        c.begin(sender, to)
        got = c.data(message(sender=sender, to=to, subject=subject, fields=fields))
    assert got == 250, got
    news.wait()


def letters(sink, to=ADA):
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


@pytest.mark.parametrize("to, setting, text, reached", [
    (LIST, "autorespond_postings", "autoresponse_postings_text", "bo@y.example"),
    ("news-owner@example.org", "autorespond_owner", "autoresponse_owner_text", BOSS),
    ("news-request@example.org", "autorespond_requests", "autoresponse_request_text", ADA),
])
def test_everybody_is_answered_once(news, sink, to, setting, text, reached):
    news.cli("list", "set", LIST, f"{setting}=respond_and_continue", f"{text}=We read $listname once a week.\n$owner_email",
             "autoresponse_grace_period=2d")
    send(news, to, subject="help")
    answer = [x for x in letters(sink) if x["Subject"].startswith("Auto-response")]
    assert [x["Subject"] for x in answer] == ['Auto-response for your message to the "The News" mailing list']
    assert answer[0].get_content().replace("\r\n", "\n") == f"We read {LIST} once a week.\nnews-owner@example.org\n"
    assert answer[0]["Auto-Submitted"] == "auto-generated" and answer[0]["In-Reply-To"]
    went_on = len(sink.to(reached))
    assert went_on == (2 if reached == ADA else 1)
    send(news, to, subject="help")
    news.cli("list", "set", LIST, f"{setting}=respond_and_discard")
    send(news, to, subject="help")
    assert len([x for x in letters(sink) if x["Subject"].startswith("Auto-response")]) == 1
    assert len(sink.to(reached)) == went_on + 1
    news.clock("2d")
    send(news, to, subject="help", fields="X-Ack: no\r\n")
    send(news, to, subject="help", fields="Precedence: bulk\r\n")
    assert len([x for x in letters(sink) if x["Subject"].startswith("Auto-response")]) == 1
    send(news, to, subject="help")
    assert len([x for x in letters(sink) if x["Subject"].startswith("Auto-response")]) == 2


def test_a_list_that_is_not_there_answers_nothing(news, sink):
    news.cli("list", "set", "all", "autorespond_owner=respond_and_discard", "autoresponse_owner_text=Hello")
    news.cli("alias", "set", "other-owner@example.org", "cy@z.example")
    send(news, "other-owner@example.org")
    assert letters(sink) == [] and len(sink.to("cy@z.example")) == 1


def test_the_moderators_password_lets_a_post_pass(news, sink):
    news.cli("list", "set", LIST, "emergency=true", "moderator_password=open sesame")
    send(news, LIST, fields="Approved: open sesam\r\n")
    assert sink.to("bo@y.example") == [] and len(news.json("held", "ls", LIST)) == 1
    send(news, LIST, subject="let me in", fields="Approved: open sesame\r\n")
    [copy] = sink.to("bo@y.example")
    assert b"sesam" not in copy.octets
    kept = b"".join(path.read_bytes() for path in news.archive(LIST).rglob("*.mbox"))
    assert b"let me in" in kept and b"sesam" not in kept


def test_the_password_may_be_the_first_line_of_the_text(news, sink):
    news.cli("list", "set", LIST, "emergency=true", "moderator_password=open sesame")
    html = ('Content-Type: multipart/alternative; boundary="b"\r\nMIME-Version: 1.0\r\n', "--b\r\nContent-Type: text/plain\r\n\r\n"
            "Approved: {0}\r\nlet me in\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Approved: {0}</p>let me in\r\n--b--\r\n")
    news.post("me@sender.example", LIST, message(fields=html[0], body=html[1].format("open sesam")))
    news.wait()
    assert sink.to("bo@y.example") == [] and len(news.json("held", "ls", LIST)) == 1
    news.post("me@sender.example", LIST, message(fields=html[0], body=html[1].format("open sesame")))
    news.wait()
    [copy] = sink.to("bo@y.example")
    assert copy.octets.count(b"let me in") == 2 and b"sesam" not in copy.octets
    kept = b"".join(path.read_bytes() for path in news.archive(LIST).rglob("*.mbox"))
    assert b"let me in" in kept and b"sesame" not in kept


def test_the_password_of_one_list_is_nothing_for_another(news, sink):
    news.cli("list", "set", LIST, "moderator_password=open sesame")
    news.cli("list", "create", "talk@example.org")
    news.cli("member", "add", "talk@example.org", "cy@z.example")
    news.post("me@sender.example", [LIST, "talk@example.org"], message(body="Approved: open sesame\r\nlet me in\r\n"))
    news.wait()
    for copy in sink.to("bo@y.example") + sink.to("cy@z.example"):
        assert b"let me in" in copy.octets and b"sesam" not in copy.octets
    kept = b"".join(path.read_bytes() for path in news.archive("talk@example.org").rglob("*.mbox"))
    assert b"let me in" in kept and b"sesam" not in kept
