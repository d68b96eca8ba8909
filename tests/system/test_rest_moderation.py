"""What programs do about moderation over REST: bans, header matches, held posts, where texts are."""
import concurrent.futures

import pytest

from postroad import message, until
from rest import refused, serve

LIST = "news@example.org"
ID = "news.example.org"


@pytest.fixture
def served(make, sink):
    post = serve(make, relay=sink)
    post.cli("list", "create", LIST, "--owner", "boss@far.example")
    return post


@pytest.mark.parametrize("base, more", [("bans", {}), (f"lists/{ID}/bans", {"list_id": ID})])
def test_bans(served, base, more):
    rest = served.rest
    assert rest.get(base).body == {"start": 0, "total_size": 0, "http_etag": rest.get(base).body["http_etag"]}
    got = rest.post(base, email="bad@x.example")
    assert (int(got), got.location, got.body) == (201, rest.base + base + "/bad@x.example", None)
    got = rest.post(base, email="^evil/.*@y.example")
    assert (int(got), got.location) == (201, rest.base + base + "/%5Eevil%2F.%2A%40y.example")
    pattern, address = rest.get(base).entries
    assert (pattern, address) == (
        {"email": "^evil/.*@y.example", "self_link": got.location, **more},
        {"email": "bad@x.example", "self_link": rest.base + base + "/bad@x.example", **more})
    assert rest.get(f"{base}/Bad@X.example").body["email"] == "bad@x.example"
    assert rest.get(f"{base}/evil%2Fone@y.example") == 404  # a slash ends the name, as ever
    assert rest.get(base, count=1, page=2).body["start"] == 1
    assert rest.get(base, count=1, page=2).entries == [address]
    assert rest.get(base, count=5, page=9).entries == []
    expected = 'Invalid Parameter "email": Expected a valid email address or regular expression, got '
    refused([
        (rest.post(base, email="bad@x.example"), 400, "Address is already banned"),
        (rest.post(base, email="nobody"), 400, expected + "nobody."),
        (rest.post(base, email="^(x"), 400, expected + "^(x."),
        (rest.post(base, email=""), 400, expected + "empty."),
        (rest.post(base), 400, "Missing Parameter: email"),
        (rest.post(base, email="a@b.c", what=1), 400, "Unexpected parameters: what"),
        (rest.get(f"{base}/good@x.example"), 404, "Email is not banned: good@x.example"),
        (rest.delete(f"{base}/good@x.example"), 404, "Email is not banned: good@x.example"),
    ])
    assert rest.delete(f"{base}/bad@x.example") == 204
    assert [e["email"] for e in rest.get(base).entries] == ["^evil/.*@y.example"]
    assert rest.get("lists/no.example.org/bans").body == {"title": "404 Not Found"}


def test_a_ban_of_all_lists_is_one_of_each(served):
    rest = served.rest
    assert rest.post("bans", email="^.*@spam.example") == 201
    for base in "bans", f"lists/{ID}/bans":
        assert rest.get(f"{base}/any@spam.example") == 200
        refused([(rest.post(base, email="any@spam.example"), 400, "Address is already banned")])
        assert rest.delete(f"{base}/any@spam.example") == 204  # nothing to do there
        assert rest.get(f"{base}/any@spam.example") == 200
    queue_id = served.post("any@spam.example", LIST, message(sender="any@spam.example"))
    assert "banned" in until(lambda: served.events(queue_id, "discarded"))[0]["detail"]


def test_a_thousand_bans_in_pages(served):
    for i in range(600):
        assert served.rest.post("bans", email=f"n{i:03}@x.example") == 201
    whole = served.rest.get("bans")
    assert whole.body["total_size"] == 600 and [e["email"] for e in whole.entries] == [f"n{i:03}@x.example" for i in range(600)]
    assert [e["email"] for e in served.rest.get("bans", count=300, page=2).entries][::299] == ["n300@x.example", "n599@x.example"]


MATCHES = f"lists/{ID}/header-matches"


def order(rest):
    got = rest.get(MATCHES).entries
    assert [e["position"] for e in got] == list(range(len(got)))
    return "".join(e["pattern"] for e in got)


def test_header_matches(served):
    rest = served.rest
    got = rest.post(MATCHES, header="X-Spam", pattern="^Yes", action="discard", tag="Mine")
    assert (int(got), got.location) == (201, f"{rest.base}{MATCHES}/0")
    assert rest.post(MATCHES, header="X-Other", pattern="b", action="").location.endswith("/1")
    first = {"position": 0, "header": "x-spam", "pattern": "^Yes", "self_link": f"{rest.base}{MATCHES}/0",
             "action": "discard", "tag": "Mine"}
    second = {"position": 1, "header": "x-other", "pattern": "b", "self_link": f"{rest.base}{MATCHES}/1"}
    assert rest.get(MATCHES).entries == [first, second]
    assert rest.get(f"{MATCHES}/1").body.items() >= second.items()
    assert rest.get(f"{MATCHES}/find", tag="Mine").entries == [first]
    assert rest.post(f"{MATCHES}/find", action="discard", header="x-spam").entries == [first]
    assert rest.get(f"{MATCHES}/find").entries == [first, second]
    assert rest.patch(f"{MATCHES}/0", action="", pattern="no") == 204
    assert rest.get(f"{MATCHES}/0").body.items() >= {"pattern": "no", "tag": "Mine", "header": "x-spam"}.items()
    assert "action" not in rest.get(f"{MATCHES}/0").body
    assert rest.put(f"{MATCHES}/0", header="X-New", pattern="c", tag="Other") == 204
    assert rest.get(f"{MATCHES}/0").body.items() >= {"pattern": "c", "tag": "other", "header": "x-new"}.items()
    words = "Accepted Values are: hold, reject, discard, accept, defer."
    refused([
        (rest.post(MATCHES, header="x-other", pattern="b"), 400, "This header match already exists"),
        (rest.post(MATCHES, header="x", pattern="(b"), 400, 'Invalid Parameter "pattern": Expected a valid regexp, got (b.'),
        (rest.post(MATCHES, pattern="b", action="keep"), 400, f'Invalid Parameter "action": {words}'),
        (rest.post(MATCHES, pattern="b"), 400, "Missing Parameter: header"),
        (rest.put(f"{MATCHES}/0", header="x"), 400, "Missing Parameter: pattern"),
        (rest.patch(f"{MATCHES}/0", position=2), 400,
         "There are 2 header matches for this list, the new position cannot be 2 or higher"),
        (rest.patch(f"{MATCHES}/7", header="x"), 404, "No header match at this position: 7"),
        (rest.get(f"{MATCHES}/7"), 404, "No header match at this position: 7"),
        (rest.delete(f"{MATCHES}/7"), 404, "No header match at this position: 7"),
        (rest.get(f"{MATCHES}/find", tag="none"), 404, "Cound not find any HeaderMatch for provided search options."),
    ])
    assert rest.get(f"{MATCHES}/x").body == {"title": "404 Not Found"}
    assert rest.delete(f"{MATCHES}/0") == 204
    assert rest.get(f"{MATCHES}/0").body["pattern"] == "b"


def test_header_matches_move(served):
    rest = served.rest
    for pattern in "abcd":
        rest.post(MATCHES, header="x", pattern=pattern)
    for position, to, after in [(0, 2, "bcad"), (3, 0, "dbca"), (1, 1, "dbca"), (0, 3, "bcad")]:
        assert rest.patch(f"{MATCHES}/{position}", position=to) == 204
        assert order(rest) == after
    assert rest.delete(f"{MATCHES}/1") == 204 and order(rest) == "bad"
    assert rest.delete(MATCHES) == 204 and order(rest) == ""


HELD = f"lists/{ID}/held"


@pytest.fixture
def held(served):
    """Three posts wait."""
    served.cli("list", "set", LIST, "default_nonmember_action=hold", "admin_immed_notify=false")
    served.queued = [served.post("guest@y.example", LIST, message(sender="guest@y.example", subject=subject, body="please\r\n"))
                     for subject in ("one", "=?utf-8?q?zw=C3=B6lf?=", "three")]
    served.wait()
    return served


def test_held_posts_are_shown(held):
    rest = held.rest
    assert rest.get(f"{HELD}/count").body["count"] == 3
    shown = rest.get(HELD).entries
    assert [e["subject"] for e in shown] == ["one", "zwölf", "three"]
    one = shown[1]
    assert one["sender"] == "guest@y.example" and one["message_id"].startswith("<") and "\r" not in one["msg"]
    assert one["reason"] == "The message is not from a list member" == one["moderation_reasons"][0]
    assert one["self_link"] == f"{rest.base}{HELD}/{one['request_id']}" and one["msg"].endswith("\n\nplease\n")
    got = rest.get(f"{HELD}/{one['request_id']}").body
    assert got.pop("http_etag") and got == one
    assert [e["subject"] for e in rest.get(HELD, count=2, page=2).entries] == ["three"]
    assert rest.get(HELD, count=2, page=3).body["total_size"] == 3
    held.cli("list", "create", "other@example.org", "--owner", "boss@far.example")
    assert rest.get("lists/other.example.org/held").entries == []
    refused([(rest.get(f"lists/other.example.org/held/{one['request_id']}"), 404, "404 Not Found"),
             (rest.get(f"{HELD}/999"), 404, "404 Not Found"), (rest.get(f"{HELD}/x"), 404, "404 Not Found")])
    assert rest.get("lists/no.example.org/held").body == {"title": "404 Not Found"}


def test_held_posts_are_decided_about(held, sink):
    rest = held.rest
    one, two, three = (f"{HELD}/{e['request_id']}" for e in rest.get(HELD).entries)
    words = "Accepted Values are: hold, reject, discard, accept, defer."
    refused([(rest.post(one, action="keep"), 400, f'Invalid Parameter "action": {words}'),
             (rest.post(one), 400, "Missing Parameter: action"),
             (rest.post(f"{HELD}/999", action="accept"), 404, "404 Not Found"),
             (rest.post(one, action="hold", forward="nobody"), 400,
              'Invalid Parameter "forward": Invalid email address: nobody.'),
             (rest.post(one, action="accept", forward=[f"a{i}@z.example" for i in range(51)]), 400,
              'Invalid Parameter "forward": At most 50 addresses at once.')])
    assert rest.post(one, action="defer") == 204 and rest.post(one, action="hold") == 204
    assert rest.get(f"{HELD}/count").body["count"] == 3
    assert rest.post(one, action="accept") == 204
    assert rest.post(two, action="reject", comment="Not here, please.", forward=["a@z.example", "b@z.example"]) == 204
    assert rest.post(three, action="hold", forward="c@z.example") == 204
    assert rest.get(f"{HELD}/count").body["count"] == 1
    assert rest.post(three, action="discard", comment="spam") == 204
    refused([(rest.post(one, action="discard"), 404, "404 Not Found"), (rest.get(one), 404, "404 Not Found")])
    held.wait()
    assert b"Not here, please." in sink.one("guest@y.example").octets
    for who in "a", "b", "c":
        letter = sink.one(f"{who}@z.example").octets
        assert b"message/rfc822" in letter and b"please" in letter
    assert len(held.posts(LIST)) == 1
    for queue_id, event, detail in zip(held.queued, ("approved", "rejected", "discarded"),
                                       ("by=rest:rest", "by=rest:rest b@z.example", "by=rest:rest spam")):
        assert [row["detail"] for row in held.events(queue_id, event)] == [detail]
    assert [row["detail"] for row in held.events(held.queued[2], "held")][1:] == ["by=rest:rest c@z.example"]


def test_uris(served):
    rest = served.rest
    welcome, goodbye = "list:user:notice:welcome", "list:user:notice:goodbye"
    for base in "uris", "domains/example.org/uris", f"lists/{ID}/uris":
        assert rest.get(base).body.items() >= {"start": 0, "total_size": 0, "self_link": rest.base + base}.items()
        assert rest.get(f"{base}/{welcome}") == 404
        assert rest.patch(base, **{welcome: "http://x/1", goodbye: "http://x/2", "username": "me", "password": "pw"}) == 204
        assert rest.get(base).entries == [
            {"uri": "http://x/2", "name": goodbye, "self_link": f"{rest.base}{base}/{goodbye}", "username": "me", "password": "pw"},
            {"uri": "http://x/1", "name": welcome, "self_link": f"{rest.base}{base}/{welcome}", "username": "me", "password": "pw"}]
        assert rest.put(f"{base}/{welcome}", **{welcome: "http://x/3"}) == 204
        got = rest.get(f"{base}/{welcome}").body
        assert got.pop("http_etag") and got == {"uri": "http://x/3", "self_link": f"{rest.base}{base}/{welcome}"}
        assert rest.patch(base, **{goodbye: ""}) == 204
        assert [e["name"] for e in rest.get(base, count=1, page=1).entries] == [welcome]
        refused([
            (rest.patch(base, **{welcome: "x", "username": "me"}), 400, "Specify both username and password, or neither"),
            (rest.patch(base, what="x"), 400, "Unexpected parameters: what"),
            (rest.patch(f"{base}/{welcome}", **{goodbye: "x"}), 400, f"Unexpected parameters: {goodbye}"),
            (rest.put(f"{base}/{welcome}"), 400, f"Missing Parameter: {welcome}"),
            (rest.get(f"{base}/{goodbye}"), 404, "404 Not Found"),
        ])
        assert rest.put(base).said.startswith("Missing Parameter: ")
        assert rest.get(f"{base}/what").body == {"title": "404 Not Found"}
        assert rest("GET", base, version="3.0").body == {"title": "404 Not Found"}
        assert rest.delete(f"{base}/{welcome}") == 204 and rest.get(base).entries == []
    assert "domain:admin:notice:new-list" in rest.put("domains/example.org/uris").said
    assert "domain:admin:notice:new-list" not in rest.put(f"lists/{ID}/uris").said
    assert rest.get(f"lists/{ID}/uris/domain:admin:notice:new-list").body == {"title": "404 Not Found"}
    assert rest.patch(f"lists/{ID}/uris", **{welcome: "u1", goodbye: "u2"}) == 204
    assert rest.delete(f"lists/{ID}/uris") == 204 and rest.get(f"lists/{ID}/uris").entries == []


def test_programs_at_the_same_time(held):
    """Each gets its place, and of two who decide the second is told so."""
    rest = held.rest
    one = f"{HELD}/{rest.get(HELD).entries[0]['request_id']}"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda i: rest.post(MATCHES, header="x", pattern=f"p{i}"), range(24)))
        moved = list(pool.map(lambda i: rest.patch(f"{MATCHES}/{i % 24}", position=(7 * i) % 24), range(24)))
        decided = sorted(pool.map(lambda _: int(rest.post(one, action="accept")), range(8)))
    assert sorted(a.location.rsplit("/", 1)[1] for a in added) == sorted(str(i) for i in range(24))
    assert {int(m) for m in moved} == {204} and len({e["pattern"] for e in rest.get(MATCHES).entries}) == 24
    assert decided == [204] + [404] * 7
    held.wait()
    assert len(held.posts(LIST)) == 1
