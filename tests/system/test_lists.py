"""Lists: expansion, VERP, the list's own fields, redelivery, loops, owner and bounce addresses."""
import email

import pytest

from postroad import message, until


@pytest.fixture
def news(post):
    post.cli("list", "create", "news@example.org", "--title", "News", "--owner", "boss@far.example")
    post.cli("member", "add", "news@example.org", "-", input="a@x.example\nb@x.example\nc@y.example\n")
    return post


def test_copies_of_a_post(news, sink):
    octets = message(id="p1@test.example")
    news.post("me@sender.example", "news@example.org", octets)
    news.wait()
    assert sink.recipients() == ["a@x.example", "b@x.example", "c@y.example"]
    for mail in sink.mails():
        local, domain = mail.recipients[0].split("@")
        assert mail.sender == f"news-bounces+{local}={domain}@example.org"
        assert mail.octets.endswith(octets)
        parsed = email.message_from_bytes(mail.octets)
        assert parsed.get_all("List-Id") == ['"News" <news.example.org>']
        assert parsed.get_all("List-Post") == ["<mailto:news@example.org>"]
        assert parsed.get_all("List-Owner") == ["<mailto:news-owner@example.org>"]
        assert parsed.get_all("Precedence") == ["list"]
        assert len(parsed.get_all("Received")) == 1
    rows = news.trace("p1@test.example")
    kinds = [r["event"] for r in rows]
    assert kinds[0] == "accepted"
    assert sorted(kinds) == ["accepted", "archived", "delivered", "delivered", "delivered", "expanded", "routed"]
    assert {r["list"] for r in rows if r["event"] in ("delivered", "expanded", "archived")} == {"news@example.org"}
    assert all("250" in r["detail"] for r in rows if r["event"] == "delivered")


def test_list_address_in_any_case(news, sink):
    news.post("me@sender.example", "NEWS@Example.ORG", message())
    news.wait()
    assert len(sink.mails()) == 3


def test_same_bytes_twice_are_sent_once(news, sink):
    octets = message(id="twice@test.example")
    news.post("me@sender.example", "news@example.org", octets)
    news.post("me@sender.example", "news@example.org", octets)
    news.post("other@sender.example", ["news@example.org", "news@example.org"], octets)
    news.wait()
    assert sink.recipients() == ["a@x.example", "b@x.example", "c@y.example"]
    assert len(news.events("twice@test.example", "duplicate")) == 2
    assert len(news.json("archive", "ls", "news@example.org")) == 1
    news.post("me@sender.example", "news@example.org", octets + b"one byte more\r\n")
    news.wait()
    assert len(sink.mails()) == 6


def test_own_list_id_is_a_loop(news, sink):
    news.post("me@sender.example", "news@example.org",
              message(id="loop@test.example", fields="List-Id: The news <news.example.org>\r\n"))
    news.post("me@sender.example", "news@example.org",
              message(id="other@test.example", fields="List-Id: <other.example.org>\r\n"))
    news.wait()
    assert len(sink.mails()) == 3
    dropped = news.events("loop@test.example", "discarded")
    assert len(dropped) == 1 and "loop" in dropped[0]["detail"]
    assert len(news.json("archive", "ls", "news@example.org")) == 1


def test_two_lists_in_one_transaction(news, sink):
    news.cli("list", "create", "talk@example.org", "--archive", "private")
    news.cli("list", "create", "quiet@example.org", "--archive", "none")
    for name in ("talk", "quiet"):
        news.cli("member", "add", f"{name}@example.org", "a@x.example", f"{name}-only@z.example")
    octets = message(id="cross@test.example")
    news.post("me@sender.example", ["news@example.org", "talk@example.org", "quiet@example.org"], octets)
    news.wait()
    assert sorted(m.sender.split("+")[0] for m in sink.to("a@x.example")) == ["news-bounces", "quiet-bounces", "talk-bounces"]
    assert len(sink.mails()) == 7
    assert list(news.archive("talk@example.org", "private").glob("*.mbox"))
    assert not news.archive("talk@example.org").exists()
    assert not news.archive("quiet@example.org").exists() and not news.archive("quiet@example.org", "private").exists()


def test_list_without_members_is_archived(post):
    post.cli("list", "create", "empty@example.org")
    post.post("me@sender.example", "empty@example.org", message())
    post.wait()
    assert len(post.json("archive", "ls", "empty@example.org")) == 1


def test_owner_and_bounces(news, sink):
    octets = message(id="owner@test.example")
    news.cli("list", "set", "news@example.org", "forward_unrecognized_bounces_to=discard")
    news.post("me@sender.example", "news-owner@example.org", octets)
    news.post("", "news-bounces+a=x.example@example.org", message(id="b1@test.example"))
    news.post("", "news-bounces@example.org", message(id="b2@test.example"))
    news.wait()
    assert sink.recipients() == ["boss@far.example"]
    assert sink.one("boss@far.example").sender == "me@sender.example"
    returned = news.events("b1@test.example", "returned")
    assert len(returned) == 1 and returned[0]["recipient"] == "a@x.example" and "news@example.org" in returned[0]["detail"]
    assert len(news.events("b2@test.example", "returned")) == 1
    news.cli("list", "create", "lonely@example.org")
    with news.raw() as c:
        c.cmd("MAIL FROM:<me@sender.example>")
        assert c.cmd("RCPT TO:<lonely-owner@example.org>") == 550
        assert c.cmd("RCPT TO:<nolist-bounces+x=y.example@example.org>") == 550
        assert c.cmd("RCPT TO:<lonely-bounces+x=y.example@example.org>") == 250


def test_a_list_named_like_an_owner_address(post, sink):
    post.cli("list", "create", "home-owner@example.org")
    post.cli("member", "add", "home-owner@example.org", "a@x.example")
    post.post("me@sender.example", "home-owner@example.org", message())
    post.wait()
    assert sink.recipients() == ["a@x.example"]


def test_odd_member_addresses_come_back_from_verp(make, pysink):
    server = pysink()
    post = make(relay=server).start()
    post.cli("list", "create", "news@example.org")
    members = ["a+tag@x.example", "b=c@x.example", '"quoted one"@x.example', "o'hara@x.example", "j\u00fcrgen@m\u00fcller.example",
               f"{'l' * 64}@long.example"]
    post.cli("member", "add", "news@example.org", "-", input="\n".join(members) + "\n")
    post.post("me@sender.example", "news@example.org", message())
    post.wait()
    assert len(server.mails) == len(members)
    stored = {row["address"] for row in post.json("member", "ls", "news@example.org")}
    assert {m.recipients[0] for m in server.mails} == stored
    for mail in list(server.mails):
        queue_id = post.post("", mail.sender, message(), options=["SMTPUTF8"])
        post.wait()
        returned = post.events(queue_id, "returned")
        assert [r["recipient"] for r in returned] == mail.recipients, mail.sender


def test_failing_member_makes_no_notice(make, make_sink):
    """A list copy that fails is an event; the author never hears of it."""
    sink = make_sink("--fail-rcpt", "gone@=550 5.1.1 no such user")
    post = make(relay=sink).start()
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "gone@x.example", "here@x.example")
    post.post("me@sender.example", "news@example.org", message(id="m@test.example"))
    post.wait()
    assert sink.recipients() == ["here@x.example"]
    bounced = post.events("m@test.example", "bounced", "gone@x.example")
    assert len(bounced) == 1 and "no such user" in bounced[0]["detail"]


def test_members_change_between_posts(news, sink):
    news.post("me@sender.example", "news@example.org", message())
    news.wait()
    news.cli("member", "remove", "news@example.org", "a@x.example", "b@x.example")
    news.cli("member", "add", "news@example.org", "d@z.example")
    news.post("me@sender.example", "news@example.org", message())
    news.wait()
    assert [len(sink.to(r)) for r in ("a@x.example", "b@x.example", "c@y.example", "d@z.example")] == [1, 1, 2, 1]


def test_deleted_list_refuses_and_can_come_back(news, sink):
    news.post("me@sender.example", "news@example.org", message())
    news.wait()
    news.cli("list", "delete", "news@example.org")
    with news.raw() as c:
        c.cmd("MAIL FROM:<me@sender.example>")
        assert c.cmd("RCPT TO:<news@example.org>") == 550
    news.cli("list", "create", "news@example.org")
    assert news.json("member", "ls", "news@example.org") == []
    news.cli("member", "add", "news@example.org", "new@z.example")
    octets = message(id="again@test.example")
    news.post("me@sender.example", "news@example.org", octets)
    news.wait()
    assert len(sink.to("new@z.example")) == 1
    # The archive files of the first life stay, and the new post goes behind them.
    until(lambda: len(news.posts("news@example.org")) == 2)
    assert len(news.events("again@test.example", "archived")) == 1


def test_fan_out_over_slices(make, sink):
    """More members than one expansion transaction takes (2,000), at several sites: everybody once."""
    post = make(relay=sink).start()
    post.cli("list", "create", "big@example.org")
    members = sorted(f"m{n}@site{n % 13}.example" for n in range(4500))
    post.cli("member", "add", "big@example.org", "-", input="\n".join(members) + "\n")
    post.post("me@sender.example", "big@example.org", message())
    post.wait(200)
    assert sink.recipients() == members
    for mail in sink.mails():
        local, domain = mail.recipients[0].split("@")
        assert mail.sender == f"big-bounces+{local}={domain}@example.org"
