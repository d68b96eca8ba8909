"""Members in their roles, people with several addresses, preferences, subscriptions by policy."""
import datetime

import pytest

from postroad import message, until

LIST = "news@example.org"


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", "boss@far.example")
    post.cli("member", "add", LIST, "ada@x.example", "bo@y.example")
    return post


def send(news, sink, to=LIST):
    """Who gets a post that is sent now."""
    before = len(sink.mails())
    news.post("me@sender.example", to, message())
    news.wait()
    return sorted(address for mail in sink.mails()[before:] for address in mail.recipients)


def addresses(news, *options):
    return sorted(row["address"] for row in news.json("member", "ls", LIST, *options))


def test_roles_and_mail_for_the_owners(news, sink):
    news.cli("member", "add", LIST, "mod@far.example", "ada@x.example", "--role", "moderator")
    assert addresses(news) == ["ada@x.example", "bo@y.example"]
    assert addresses(news, "--role", "moderator") == ["ada@x.example", "mod@far.example"]
    assert addresses(news, "--role", "owner") == ["boss@far.example"]
    assert news.json("list", "show", LIST)["owner"] == "boss@far.example"
    assert send(news, sink, "news-owner@example.org") == ["ada@x.example", "boss@far.example", "mod@far.example"]
    assert send(news, sink) == ["ada@x.example", "bo@y.example"]
    news.cli("member", "remove", LIST, "boss@far.example", "mod@far.example", "--role", "owner")
    assert addresses(news, "--role", "owner") == []
    assert "member owner moderator nonmember" in news.fails("member", "ls", LIST, "--role", "boss", status=2)


def test_vacation_on_every_level(news, sink):
    news.cli("member", "set", LIST, "ada@x.example", "delivery_status=by_user")
    assert send(news, sink) == ["bo@y.example"]
    assert addresses(news, "--status", "by_user") == ["ada@x.example"]
    news.cli("user", "set", "bo@y.example", "delivery_status=by_user", "hide_address=true")
    assert send(news, sink) == []
    news.cli("member", "set", LIST, "bo@y.example", "delivery_status=enabled")
    assert send(news, sink) == ["bo@y.example"]
    news.cli("member", "set", LIST, "ada@x.example", "delivery_status=")
    assert send(news, sink) == ["ada@x.example", "bo@y.example"]
    show = news.json("user", "show", "bo@y.example")[0]
    assert show["of_user"] == "delivery_status=by_user, hide_address=true"
    history = news.json("member", "history", "ada@x.example")
    assert [row["event"] for row in history] == ["preferred", "preferred", "subscribed"]
    assert all(row["detail"].startswith("by=") for row in history)


def test_vacation_ends_by_itself(news, sink):
    day = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).date().isoformat()
    news.cli("member", "set", LIST, "ada@x.example", "delivery_status=by_user", "--until", day)
    assert send(news, sink) == ["bo@y.example"]
    assert f"until {day}" in news.json("member", "set", LIST, "ada@x.example", "hide_address=true")["preferred"]
    news.cli("clock", "+3d")
    until(lambda: addresses(news, "--status", "enabled") == ["ada@x.example", "bo@y.example"], 20, "the end")
    assert send(news, sink) == ["ada@x.example", "bo@y.example"]


def test_wrong_preferences_change_nothing(news):
    for words in (["delivery_status=off"], ["colour=red"], ["delivery_status"],
                  ["delivery_status=by_user", "hide_address=perhaps"]):
        news.fails("member", "set", LIST, "ada@x.example", *words, status=2)
    assert news.json("user", "show", "ada@x.example")[0]["of_address"] == ""
    assert addresses(news, "--status", "enabled") == ["ada@x.example", "bo@y.example"]
    news.fails("member", "set", LIST, "no@x.example", "delivery_status=by_user", status=1)


def test_one_person_two_addresses(news, sink):
    news.cli("user", "add", "Ada@X.example", "--name", "Ada L.")
    news.cli("user", "link", "ada@x.example", "ada@work.example")
    news.cli("user", "verify", "ada@work.example")
    rows = news.json("user", "show", "ada@work.example")
    assert [row["address"] for row in rows] == ["ada@work.example", "ada@x.example"]
    assert {row["name"] for row in rows} == {"Ada L."}
    assert [row["list"] for row in news.json("member", "show", "ada@work.example")] == [LIST]
    news.fails("user", "link", "ada@x.example", "ada@work.example", status=1)
    news.cli("user", "unlink", "ada@work.example")
    assert news.json("member", "show", "ada@work.example") == []
    assert news.json("user", "remove", "ada@x.example")["memberships"] == 1
    assert send(news, sink) == ["bo@y.example"]


def test_a_subscription_as_user_follows_the_preferred_address(news, sink):
    news.cli("list", "set", LIST, "subscription_policy=open", "send_welcome_message=false")
    news.cli("user", "add", "cy@one.example")
    news.cli("user", "link", "cy@one.example", "cy@two.example")
    news.fails("member", "subscribe", LIST, "cy@one.example", "--as-user", status=1)
    for address in "cy@one.example", "cy@two.example":
        news.cli("user", "verify", address)
    news.cli("user", "prefer", "cy@one.example")
    assert news.json("member", "subscribe", LIST, "cy@two.example", "--as-user")["done"] is True
    assert send(news, sink) == ["ada@x.example", "bo@y.example", "cy@one.example"]
    news.cli("user", "prefer", "cy@two.example")
    assert send(news, sink) == ["ada@x.example", "bo@y.example", "cy@two.example"]


def test_subscribe_by_every_policy(news):
    news.cli("list", "set", "@example.org", "subscription_policy=confirm_then_moderate")
    asked = news.json("member", "subscribe", LIST, "dee@x.example", "--name", "Dee")
    assert (asked["done"], asked["waits"], len(asked["token"])) == (False, "subscriber", 32)
    news.fails("member", "subscribe", LIST, "dee@x.example", status=1)
    row, = news.json("request", "ls", LIST)
    assert (row["token"], row["address"], row["name"], row["kind"]) == (asked["token"], "dee@x.example", "Dee",
                                                                         "subscription")
    news.fails("request", "accept", asked["token"], status=75)
    assert news.json("request", "confirm", asked["token"])["waits"] == "moderator"
    assert news.json("request", "accept", asked["token"], "--by", "boss")["done"] is True
    assert "dee@x.example" in addresses(news)
    news.fails("request", "confirm", asked["token"], status=1)
    settings = {row["name"]: (row["value"], row["from"]) for row in news.json("list", "settings", LIST)}
    assert settings["subscription_policy"] == ("confirm_then_moderate", "@example.org")
    assert settings["unsubscription_policy"] == ("confirm", "default")
    news.cli("list", "set", LIST, "subscription_policy=moderate", "unsubscription_policy=open")
    token = news.json("member", "subscribe", LIST, "eve@x.example", "--verified")["token"]
    news.cli("request", "reject", token, "--reason", "not here")
    assert news.json("request", "ls") == []
    assert news.json("member", "unsubscribe", LIST, "dee@x.example")["done"] is True
    assert "dee@x.example" not in addresses(news)
    detail = news.json("member", "history", "dee@x.example")
    assert [row["event"] for row in detail] == ["unsubscribed", "subscribed", "requested", "requested"]
    assert detail[1]["detail"] == "by=boss"


def test_wrong_settings_change_nothing(news):
    for words in (["subscription_policy=perhaps"], ["subscripton_policy=open"], ["open"],
                  ["subscription_policy=open", "unsubscription_policy=?"]):
        news.fails("list", "set", LIST, *words, status=2)
    assert "is it subscription_policy" in news.fails("list", "set", LIST, "subscripton_policy=open", status=2)
    news.fails("list", "set", "no@example.org", "subscription_policy=open", status=1)
    news.fails("list", "set", "@elsewhere.example", "subscription_policy=open", status=1)
    assert {row["from"] for row in news.json("list", "settings", LIST)} == {"default", "all"}  # all: open_lists()


def test_unanswered_requests_end(news):
    news.json("member", "subscribe", LIST, "dee@x.example")
    news.cli("clock", "+4d")
    assert news.json("request", "ls") == []
    until(lambda: news.json("member", "history", "dee@x.example")[0]["event"] == "refused", 20, "the end")
    assert news.json("member", "subscribe", LIST, "dee@x.example")["waits"] == "subscriber"
