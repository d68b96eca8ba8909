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


def test_texts_are_those_of_the_list(news, sink):
    news.cli("list", "set", LIST, "preferred_language=de", "description=what is new")
    send(news, "One")
    send_digest(news, sink)
    masthead, topics, _ = letters(sink, "mime@x.example")[0].iter_parts()
    assert "Zum Abmelden" in masthead.get_content() and topics.get_content().startswith("Themen:")
    for place, text in (("masthead", "Subject: $display_name\n\nask $owner_email\n"), ("header", "$description\n"), ("footer", "bye\n")):
        news.cli("template", "set", LIST, f"list:member:digest:{place}", "-", input=text)
    send(news, "Two")
    send_digest(news, sink, count=2)
    masthead, header, topics, _, footer = letters(sink, "mime@x.example")[1].iter_parts()
    assert masthead.get_content().replace("\r\n", "\n") == "Subject: The News\n\nask news-owner@example.org\n" and "what is new" in header.get_content() and "bye" in footer.get_content()
    plain = letters(sink, "plain@y.example")[1].get_content()
    assert "what is new" in plain and "Digest Footer" in plain


def test_a_very_large_post_is_in_a_digest(news, sink):
    """Larger than what is taken for one digest: it is one alone, in each kind."""
    news.cli("list", "set", LIST, "max_message_size=0")
    send(news, "Small")
    send(news, "Large", ("words " * 12 + "\r\n") * 230_000)
    send_digest(news, sink)
    until(lambda: len(sink.to("plain@y.example")) == 1)
    send_digest(news, sink, count=2)
    until(lambda: len(sink.to("plain@y.example")) == 2)
    assert len(sink.to("mime@x.example")[1].octets) > 17_000_000
    assert b"\r\n[text/plain, " in sink.to("plain@y.example")[1].octets and b" octets, the rest is not shown]" in sink.to("plain@y.example")[1].octets


def test_a_damaged_post_is_left_out(news, sink):
    send(news, "Good")
    send(news, "Damaged")
    news.stop()
    news.sql("UPDATE body SET bytes = 'x' WHERE id = (SELECT max(message) FROM digest)")
    news.start()
    send_digest(news, sink)
    _, topics, _ = letters(sink, "mime@x.example")[0].iter_parts()
    assert "Good" in topics.get_content() and "Damaged" not in topics.get_content()


def test_a_list_without_digests_sends_posts_to_all(news, sink):
    news.cli("list", "set", LIST, "digests_enabled=false")
    send(news, "To all")
    assert sorted(sink.recipients()) == ["mime@x.example", "plain@y.example", "reg@x.example", "sum@y.example"]
    assert "nothing waits" in news.cli("digest", "send", LIST)
