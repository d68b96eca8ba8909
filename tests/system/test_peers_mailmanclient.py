"""Debian's mailmanclient, unmodified, manages an instance; and the examples of its documentation, which are its tests."""
import doctest
import gzip
import itertools
import time
import urllib.error

import pytest

import peers_postorius
from postroad import message, until
from rest import serve

LIST, ID = "news@example.org", "news.example.org"
WELCOME = "list:user:notice:welcome"


@pytest.fixture
def served(make, sink):
    """A server whose lists are as they come."""
    post = serve(make, name="restadmin", key="restpass", relay=sink)
    post.cli("list", "set", "all", "default_member_action=", "default_nonmember_action=")
    return post


@pytest.fixture
def client(served):
    return peers_postorius.client_module().Client(f"http://127.0.0.1:{served.rest.port}/3.1", "restadmin", "restpass")


def test_a_list_from_its_domain_to_its_end(client, served, sink):
    domain = client.create_domain("lists.example.org", description="What we talk about")
    news = domain.create_list("news")
    assert [m.list_id for m in client.lists] == ["news.lists.example.org"] and news.fqdn_listname == "news@lists.example.org"
    settings = news.settings
    settings["description"] = "All of it"
    settings["subscription_policy"] = "open"
    settings["default_nonmember_action"] = "hold"
    settings.save()
    assert client.get_list("news@lists.example.org").settings["description"] == "All of it"
    member = news.subscribe("ada@x.example", display_name="Ada", pre_verified=True, pre_confirmed=True)
    assert (member.email, [m.email for m in news.members]) == ("ada@x.example", ["ada@x.example"])
    news.add_owner("boss@x.example")
    news.add_moderator("mod@x.example")
    assert news.is_owner("boss@x.example") and news.is_moderator("mod@x.example")
    served.post("ada@x.example", "news@lists.example.org", message(sender="ada@x.example", to="news@lists.example.org"))
    assert "ada@x.example" in sink.one("ada@x.example").recipients
    member.preferences["delivery_status"] = "by_user"
    member.preferences.save()
    assert news.get_member("ada@x.example").preferences["delivery_status"] == "by_user"
    news.unsubscribe("ada@x.example")
    assert not news.is_member("ada@x.example")
    news.delete()
    domain.delete()
    assert "lists.example.org" not in [d.mail_host for d in client.domains]


def test_moderation(client, served):
    news = client.get_domain("example.org").create_list("news")
    news.settings["default_nonmember_action"] = "hold"
    news.settings.save()
    client.queues["in"].inject(ID, message(sender="guest@y.example", subject="may I").decode())
    until(lambda: news.get_held_count() == 1)
    [held] = news.held
    assert (held.subject, held.sender) == ("may I", "guest@y.example")
    held.defer()
    assert news.get_held_message(held.request_id).reason == "The message is not from a list member"
    held.accept()
    until(lambda: len(served.posts(LIST)) == 1)
    assert news.get_held_count() == 0
    news.bans.add("eve@x.example")
    client.bans.add("^.*@spam\\.example$")
    assert [b.email for b in news.bans] == ["eve@x.example"] and "any@spam.example" in news.bans and "ada@x.example" not in client.bans
    news.bans.remove("eve@x.example")
    assert len(news.bans) == 0
    matches = news.header_matches
    matches.add("X-Spam", "yes", "discard")
    matches.add("X-Spam", "maybe", "hold", "mine")
    maybe = matches[1]
    maybe.position = 0
    maybe.save()
    assert [(m.header, m.pattern, m.action) for m in news.header_matches] == [("x-spam", "maybe", "hold"), ("x-spam", "yes", "discard")]
    assert [m.pattern for m in news.header_matches.find(tag="mine")] == ["maybe"]
    news.header_matches[0].delete()
    assert len(news.header_matches) == 1
    for place in client, client.get_domain("example.org"), news:
        place.set_template(WELCOME, "http://x.example/welcome")
        assert [(t.name, t.uri) for t in place.templates] == [(WELCOME, "http://x.example/welcome")]
        place.set_template(WELCOME, "")
        assert len(place.templates) == 0
    with pytest.raises(urllib.error.HTTPError):
        client.get_list("no.example.org")


# Examples whose output is another here: by their line in the documentation, with the reason.
DIFFERENT = {}  # {first line of an example: why it comes out otherwise}


class Found(doctest.DocTestRunner):
    """Keeps what came out otherwise instead of printing it."""

    def __init__(self):
        super().__init__(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
        self.found = {}

    def report_failure(self, out, test, example, got):
        self.found[example.source.splitlines()[0]] = f"line {example.lineno + 1}: {example.want}\nis {got}"

    def report_unexpected_exception(self, out, test, example, exc_info):
        self.report_failure(out, test, example, f"{exc_info[0].__name__}: {exc_info[1]}")


def test_the_examples_of_its_documentation(client, served, monkeypatch):
    """They know a server on port 9001 with nothing in it, and wait in loops without an end."""
    from mailmanclient.testing.documentation import dump
    served.cli("domain", "remove", "example.org")
    sleep, naps = time.sleep, itertools.count()

    def nap(seconds):
        assert next(naps) < 300, "it waits for what does not come"
        sleep(min(seconds, 0.2))
    monkeypatch.setattr(time, "sleep", nap)
    file = peers_postorius.client_docs() / "using.rst.gz"
    with gzip.open(file, "rt") as f:
        text = f.read().replace("localhost:9001", f"127.0.0.1:{served.rest.port}")
    examples = doctest.DocTestParser().get_doctest(text, {"dump": dump}, file.name, str(file), 0)
    runner = Found()
    assert runner.run(examples).attempted > 300
    assert set(runner.found) == set(DIFFERENT), "\n".join(runner.found.values())
