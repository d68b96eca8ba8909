"""Digests: what each kind of member gets, when, and in what form."""
import email
import email.policy

import pytest

from postroad import message, until

LIST = "news@example.org"


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", "boss@far.example", "--archive", "public")
    post.cli("list", "set", LIST, "default_nonmember_action=accept", "display_name=The News")
    for address, mode in (("reg@x.example", None), ("mime@x.example", "mime_digests"), ("plain@y.example", "plaintext_digests"),
                          ("sum@y.example", "summary_digests")):
        post.cli("member", "add", LIST, address)
        if mode:
            post.cli("member", "set", LIST, address, f"delivery_mode={mode}")
    return post


def send(news, subject, body="hello\r\n", fields="", sender="Ada Lovelace <ada@far.example>"):
    with news.raw() as c:
        c.begin("ada@far.example", LIST)
        assert c.data(message(sender=sender, to=LIST, subject=subject, body=body, fields=fields)) == 250
    news.wait()


def letters(sink, to):
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def send_digest(news, sink, who="mime@x.example", count=1):
    news.cli("digest", "send", LIST)
    until(lambda: len(sink.to(who)) == count)
    news.wait()


def test_each_kind_of_member_gets_its_own(news, sink):
    send(news, "First things", "Dear all,\r\n\r\nthis is the first.\r\n" + "-" * 30 + "\r\nbye\r\n")
    send(news, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "<p>Some <b>bold</b> words</p>\r\n",
         fields="Content-Type: text/html; charset=utf-8\r\nApproved: secret\r\n")
    assert len(sink.to("reg@x.example")) == 2 and sink.recipients().count("mime@x.example") == 0
    assert [row["posts"] for row in news.json("digest", "ls")] == [2]
    send_digest(news, sink)

    [mime] = letters(sink, "mime@x.example")
    assert mime["Subject"] == "The News Digest, Vol 1, Issue 1" and mime["From"] == "news-request@example.org"
    assert (mime["To"], mime["Reply-To"], mime["List-Id"]) == (LIST, LIST, "<news.example.org>")
    assert "news-leave+" in mime["List-Unsubscribe"]
    masthead, topics, posts = mime.iter_parts()
    assert "news-request@example.org" in masthead.get_content()
    assert topics.get_content().replace("\r\n", "\n") == (
        "Today's Topics:\n\n   1. First things (Ada Lovelace)\n   2. Gr\u00fc\u00dfe (Ada Lovelace)\n")
    assert posts.get_content_type() == "multipart/digest"
    first, second = (part.get_payload(0) for part in posts.iter_parts())
    assert first["Subject"] == "First things" and first["Message"] == "1" and "the first" in first.get_content()
    assert second["Approved"] is None and second["Received"] is None and second.get_content_type() == "text/html"

    [plain] = letters(sink, "plain@y.example")
    text = plain.get_content().replace("\r\n", "\n")
    assert plain.get_content_type() == "text/plain" and "\n" + "-" * 70 + "\n\nMessage: 1\nDate: " in text
    assert "\n " + "-" * 30 + "\nbye\n" in text and text.count("\n" + "-" * 30 + "\n\n") == 2
    assert "Some bold words" in text and "<p>" not in text and "secret" not in text
    assert text.endswith("\nEnd of The News Digest, Vol 1, Issue 1\n" + "*" * 38 + "\n")

    [summary] = letters(sink, "sum@y.example")
    assert "1. First things" in summary.get_content() and "the first" not in summary.get_content()
    assert len(sink.to("reg@x.example")) == 2 and news.json("digest", "ls") == []


def test_issues_count_and_bounce_to_their_member(news, sink):
    for issue in (1, 2):
        send(news, f"Thing {issue}")
        send_digest(news, sink, count=issue)
    assert [x["Subject"] for x in letters(sink, "mime@x.example")] == [f"The News Digest, Vol 1, Issue {n}" for n in (1, 2)]
    assert {mail.sender for mail in sink.to("mime@x.example")} == {"news-bounces+mime=x.example@example.org"}


def test_a_day_is_enough(news, sink):
    send(news, "Old news")
    news.clock("25h")
    until(lambda: sink.to("mime@x.example"))


def test_a_large_one_is_sent_at_once(news, sink):
    news.cli("list", "set", LIST, "digest_size_threshold=1", "digest_send_periodic=false")
    send(news, "Long", "x" * 60 + "\r\n" + ("words " * 10 + "\r\n") * 30)
    until(lambda: sink.to("plain@y.example"))


def test_who_turns_to_single_posts_gets_one_last_digest(news, sink):
    send(news, "Before")
    news.cli("member", "set", LIST, "mime@x.example", "delivery_mode=regular")
    send(news, "After")
    assert [x["Subject"] for x in letters(sink, "mime@x.example")] == ["After"]
    send_digest(news, sink, count=2)
    assert letters(sink, "mime@x.example")[1]["Subject"].startswith("The News Digest")
    send(news, "Later")
    send_digest(news, sink, who="plain@y.example", count=2)
    assert len(sink.to("mime@x.example")) == 3


def test_a_list_without_digests_sends_posts_to_all(news, sink):
    news.cli("list", "set", LIST, "digests_enabled=false")
    send(news, "To all")
    assert sorted(sink.recipients()) == ["mime@x.example", "plain@y.example", "reg@x.example", "sum@y.example"]
    assert "nothing waits" in news.cli("digest", "send", LIST)
