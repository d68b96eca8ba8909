"""People over REST: members, rosters, users, addresses, preferences and requests answer as Mailman's do, and every change
leaves an event."""
import base64
import email
import email.policy
import http.client
import json
import re
import urllib.parse

import pytest

import postroad

KEY = ("restadmin", "restpass")
LIST, LIST_ID = "ant@example.org", "ant.example.org"
DONE = {"pre_verified": True, "pre_confirmed": True, "pre_approved": True}


class Client:
    """One request after the other; `get`, `post` and the like give (status, object or None)."""

    def __init__(self, port, version="3.1"):
        self.port, self.version = port, version
        self.base = f"http://127.0.0.1:{port}/{version}/"
        self.authorization = "Basic " + base64.b64encode(":".join(KEY).encode()).decode()
        self.location = None

    def __call__(self, method, path, as_json=False, **data):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": self.authorization}
        body = None
        if data and method == "GET":
            path += "?" + urllib.parse.urlencode(data, doseq=True)
        elif data:
            body = json.dumps(data) if as_json else urllib.parse.urlencode(data, doseq=True)
            headers["Content-Type"] = "application/json" if as_json else "application/x-www-form-urlencoded"
        connection.request(method, f"/{self.version}/{path}", body, headers)
        answer = connection.getresponse()
        self.location = answer.getheader("location")
        octets = answer.read()
        connection.close()
        return answer.status, json.loads(octets) if octets else None

    def get(self, path, **data):
        return self("GET", path, **data)

    def good(self, path, **data):
        """What is there; without etags, which say no more."""
        status, got = self("GET", path, **data)
        assert status == 200, (path, status, got)
        return strip(got)

    def post(self, path, **data):
        return self("POST", path, **data)

    def made(self, path, **data):
        """POST that answers 201; the last word of where it is."""
        status, got = self("POST", path, **data)
        assert status == 201 and got is None and self.location.startswith(self.base), (status, got, self.location)
        return self.location.rpartition("/")[2]

    def done(self, method, path, **data):
        assert self(method, path, **data) == (204, None), (method, path)

    def error(self, method, path, **data):
        status, got = self(method, path, **data)
        return status, got.get("description") if got else None


def strip(got):
    if isinstance(got, list):
        return [strip(one) for one in got]
    if isinstance(got, dict):
        return {name: strip(value) for name, value in got.items() if name != "http_etag"}
    return got


@pytest.fixture
def world(make, sink, tmp_path):
    """An instance with one list, that answers REST: (instance, client)."""
    port = postroad.free_port()
    p = make(relay=sink, settings={"http_listen": f"127.0.0.1:{port}"})
    key = tmp_path / "key"
    key.write_text(KEY[1])
    p.cli("list", "create", LIST, "--archive", "none")
    p.start()
    p.cli("key", "set", KEY[0], "--key-from", key)
    postroad.until(lambda: postroad.connects(port), 30, "the HTTP port")
    return p, Client(port)


def letters(p, sink, to):
    p.wait()
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def history(p, address):
    return [(row["event"], row["detail"]) for row in p.json("member", "history", address)]


# ---- members ----

def test_a_member(world):
    p, c = world
    member = c.made("members", list_id=LIST_ID, subscriber="Ada@x.example", display_name="Ada L.",
                    delivery_mode="mime_digests", delivery_status="by_user", send_welcome_message=False, **DONE)
    assert re.fullmatch("[0-9a-f]{32}", member)
    got = c.good(f"members/{member}")
    user = got["user"].rpartition("/")[2]
    assert list(got.items()) == list({
        "address": c.base + "addresses/ada@x.example", "bounce_score": 0, "last_warning_sent": "0001-01-01T00:00:00",
        "total_warnings_sent": 0, "delivery_mode": "mime_digests", "email": "ada@x.example", "list_id": LIST_ID,
        "subscription_mode": "as_address", "role": "member", "user": f"{c.base}users/{user}", "display_name": "Ada L.",
        "self_link": f"{c.base}members/{member}", "member_id": member}.items())
    assert c.good(f"members/{member}/preferences") == {
        "delivery_mode": "mime_digests", "delivery_status": "by_user", "self_link": f"{c.base}members/{member}/preferences"}
    assert c.good(f"users/{user}")["display_name"] == "Ada L."
    assert c.good("addresses/ADA@x.example")["original_email"] == "Ada@x.example"
    assert p.json("member", "ls", LIST)[0]["status"] == "by_user"
    for path in (f"lists/{LIST_ID}/member/ada@x.example", f"lists/{LIST}/member/ADA@x.example"):
        assert c.good(path) == got
    c.done("PATCH", f"members/{member}", delivery_mode="regular", moderation_action="hold")
    assert c.good(f"members/{member}")["moderation_action"] == "hold"
    assert c.good("members/find", moderation_action="hold")["total_size"] == 1
    c.done("PATCH", f"lists/{LIST_ID}/member/ada@x.example", moderation_action="")
    assert "moderation_action" not in c.good(f"members/{member}")
    assert c.good("members/find", list_id=LIST_ID, moderation_action="")["total_size"] == 1
    p.cli("list", "create", "bee@example.org", "--archive", "none")
    assert "belongs to a list" in c.error("POST", "members", list_id=LIST_ID, subscriber="bee@example.org")[1]
    for other in "bee@example.org", "a+b@x.example", "o'neil@x.example":
        c.made("members", list_id=LIST_ID, subscriber=other, **DONE)
        path = f"lists/{LIST_ID}/member/" + urllib.parse.quote_plus(other)
        assert c.good(path)["address"] == c.base + "addresses/" + other
        c.done("DELETE", path)
    c.done("DELETE", f"members/{member}")
    assert c.error("DELETE", f"members/{member}") == (404, "404 Not Found")
    events = history(p, "ada@x.example")
    assert [e for e, _ in events][0] == "unsubscribed" and ("subscribed", "by=rest:restadmin") in events
    assert ("preferred", "by=rest:restadmin delivery_mode=regular moderation_action=hold") in events
    old = Client(c.port, "3.0")
    old.made("members", list_id=LIST_ID, subscriber="ada@x.example", **DONE)
    [entry] = old.good("members")["entries"]
    assert isinstance(entry["member_id"], int) and old.good(f"members/{entry['member_id']}") == entry


def test_subscriptions_that_are_refused(world):
    p, c = world
    user = c.made("users", email="bo@x.example")
    c.made("members", list_id=LIST_ID, subscriber="ada@x.example", **DONE)
    c.made("members", list_id=LIST_ID, subscriber="ada@x.example", role="owner")
    p.cli("ban", "add", LIST, "eve@x.example")
    modes = "regular, plaintext_digests, mime_digests, summary_digests"
    for status, text, data in (
            (400, "Missing Parameter: list_id, subscriber", {}),
            (400, "Unexpected parameters: powers", {"powers": "super"}),
            (400, "No such list", {"list_id": "no.example.org", "subscriber": "x@x.example"}),
            (400, "No such list", {"list_id": LIST, "subscriber": "x@x.example"}),
            (400, 'Invalid Parameter "subscriber": .', {"list_id": LIST_ID, "subscriber": "nobody"}),
            (400, "No such user", {"list_id": LIST_ID, "subscriber": f"{4711:032x}"}),
            (400, "User has no preferred address", {"list_id": LIST_ID, "subscriber": user}),
            (400, "User without preferred address", {"list_id": LIST_ID, "subscriber": user, "role": "owner"}),
            (400, f'Invalid Parameter "delivery_mode": Accepted Values are: {modes}.',
             {"list_id": LIST_ID, "subscriber": "x@x.example", "delivery_mode": "bogus"}),
            (400, 'Invalid Parameter "role": Accepted Values are: member, owner, moderator, nonmember.',
             {"list_id": LIST_ID, "subscriber": "x@x.example", "role": "king"}),
            (400, "Membership is banned", {"list_id": LIST_ID, "subscriber": "eve@x.example", **DONE}),
            (400, "Membership is banned", {"list_id": LIST_ID, "subscriber": "eve@x.example", "role": "owner"}),
            (400, "List posting address cannot subscribe", {"list_id": LIST_ID, "subscriber": LIST, **DONE}),
            (400, "List posting address cannot be added", {"list_id": LIST_ID, "subscriber": LIST, "role": "owner"}),
            (409, "Member already subscribed", {"list_id": LIST_ID, "subscriber": "ADA@x.example", **DONE}),
            (409, "Member already subscribed", {"list_id": LIST_ID, "subscriber": "ada@x.example", "invitation": True}),
            (400, f"ada@x.example is already an owner of {LIST}",
             {"list_id": LIST_ID, "subscriber": "ada@x.example", "role": "owner"})):
        assert c.error("POST", "members", **data) == (status, text)
    for method in "GET", "PATCH", "DELETE":
        for path in "members/bogus", f"members/{4711:032x}", "lists/no.example.org/member/a@x.example", \
                f"lists/{LIST_ID}/member/no@x.example", f"lists/{LIST_ID}/king/ada@x.example":
            assert c(method, path)[0] == 404, (method, path)


def token_of(letter):
    return re.fullmatch(r"ant-confirm\+([0-9a-f]{40})@example\.org", letter["From"])[1]


def test_subscriptions_that_wait(world, sink):
    """For the subscriber, who gets a letter that can be answered; for the moderators; by an invitation."""
    p, c = world
    p.cli("list", "set", LIST, "subscription_policy=confirm_then_moderate")
    p.cli("member", "add", LIST, "boss@x.example", "--role", "owner")
    status, got = c.post("members", list_id=LIST_ID, subscriber="ada@x.example", display_name="Ada", delivery_mode="mime_digests")
    assert status == 202 and strip(got) == {"token": got["token"], "token_owner": "subscriber"}
    assert c.error("POST", "members", list_id=LIST_ID, subscriber="ada@x.example") == (409, "Subscription request already pending")
    [asked] = letters(p, sink, "ada@x.example")
    assert token_of(asked) == got["token"] and asked["Subject"] == f"Your confirmation is needed to join the {LIST} mailing list."
    [request] = c.good(f"lists/{LIST_ID}/requests")["entries"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", request["when"])
    assert list(request.items()) == list({
        "token": got["token"], "type": "subscription", "list_id": LIST_ID, "email": "ada@x.example", "display_name": "Ada",
        "when": request["when"], "token_owner": "subscriber"}.items())
    with p.raw() as smtp:
        smtp.begin("ada@x.example", asked["From"])
        assert smtp.data(postroad.message(sender="ada@x.example", to=asked["From"], subject="Re: it")) == 250
    p.wait()
    counts = [c.good(f"lists/{LIST_ID}/requests/count", **q)["count"]
              for q in ({}, {"token_owner": "subscriber"}, {"token_owner": "moderator"}, {"request_type": "unsubscription"})]
    assert counts == [1, 0, 1, 0]
    assert c.good(f"lists/{LIST_ID}/requests", token_owner="subscriber") == {"start": 0, "total_size": 0}
    path = f"lists/{LIST_ID}/requests/{got['token']}"
    p.cli("list", "create", "bee@example.org", "--archive", "none")
    elsewhere = path.replace(LIST_ID, "bee.example.org")
    assert c.get(elsewhere)[0] == 404 and c.post(elsewhere, action="accept")[0] == 404     # whoever may ask of that list alone
    assert c.good(path)["token_owner"] == "moderator"
    c.done("POST", path, action="defer")
    c.done("POST", path, action="hold")
    assert c.error("POST", path, action="king") == (
        400, 'Invalid Parameter "action": Accepted Values are: hold, reject, discard, accept, defer.')
    c.done("POST", path, action="accept")
    assert c.get(path)[0] == 404 and c.post(path, action="accept")[0] == 404 and c.post(path, action="hold")[0] == 404
    assert c.good(f"lists/{LIST_ID}/member/ada@x.example")["delivery_mode"] == "mime_digests"
    assert history(p, "ada@x.example")[0] == ("subscribed", "by=rest:restadmin")

    status, got = c.post("members", list_id=LIST_ID, subscriber="bo@x.example", invitation=True)
    assert status == 202 and got["token_owner"] == "subscriber"
    [asked] = letters(p, sink, "bo@x.example")
    assert asked["Subject"] == f"You have been invited to join the {LIST} mailing list."
    c.done("POST", f"lists/{LIST_ID}/requests/{got['token']}", action="accept")
    assert c.good(f"lists/{LIST_ID}/roster/member")["total_size"] == 2
    token = c.post("members", list_id=LIST_ID, subscriber="di@x.example")[1]["token"]
    p.cli("member", "add", LIST, "di@x.example")
    c.done("POST", f"lists/{LIST_ID}/requests/{token}", action="accept")    # for the subscriber, then for a moderator
    assert c.error("POST", f"lists/{LIST_ID}/requests/{token}", action="accept") == (409, "Already subscribed")

    for action, reason in (("reject", "not here"), ("discard", None)):
        status, got = c.post("members", list_id=LIST_ID, subscriber="cy@x.example", pre_verified=True, pre_confirmed=True)
        assert (status, got["token_owner"]) == (202, "moderator")
        c.done("POST", f"lists/{LIST_ID}/requests/{got['token']}", action=action, **({"reason": reason} if reason else {}))
    [refusal] = letters(p, sink, "cy@x.example")
    assert refusal["Subject"] == 'Request to mailing list "Ant" rejected' and "not here" in refusal.get_content()
    assert len([mail for mail in letters(p, sink, "boss@x.example") if "New subscription request" in mail["Subject"]]) == 4


def test_ends_that_wait(world, sink):
    p, c = world
    p.cli("member", "add", LIST, "ada@x.example", "bo@x.example", "cy@x.example")
    member = c.good(f"lists/{LIST_ID}/member/ada@x.example")["member_id"]
    status, got = c("DELETE", f"members/{member}", pre_confirmed=False)
    assert (status, got["token_owner"]) == (202, "subscriber")
    assert letters(p, sink, "ada@x.example")[0]["Subject"] == f"Your confirmation is needed to leave the {LIST} mailing list."
    assert c.good(f"lists/{LIST_ID}/requests", request_type="unsubscription")["entries"][0]["type"] == "unsubscription"
    c.done("POST", f"lists/{LIST_ID}/requests/{got['token']}", action="accept")
    assert c.get(f"members/{member}")[0] == 404
    p.cli("list", "set", LIST, "unsubscription_policy=moderate")
    status, got = c("DELETE", f"lists/{LIST_ID}/member/bo@x.example")
    assert (status, got["token_owner"]) == (202, "moderator")
    assert c("DELETE", f"lists/{LIST_ID}/member/bo@x.example", pre_approved=True)[0] == 204
    c.done("DELETE", f"lists/{LIST_ID}/member/cy@x.example", pre_approved=True)
    assert c.error("DELETE", f"lists/{LIST_ID}/member/bo@x.example", pre="x")[0] == 404


def test_collections_of_members(world):
    p, c = world
    p.cli("list", "create", "bee@example.org", "--archive", "none")
    names = [f"m{i:02d}@x.example" for i in range(12)]
    p.cli("member", "add", LIST, *reversed(names))
    p.cli("member", "add", "bee@example.org", names[3], "di_x@y.example")
    p.cli("member", "add", LIST, "z@x.example", "--role", "owner")
    p.cli("member", "set", LIST, names[1], "moderation_action=hold", "--role", "member")
    p.cli("user", "set", names[2], "delivery_status=by_user")
    p.cli("member", "add", LIST, "n@x.example", "--role", "nonmember")

    def emails(path, **q):
        got = c.good(path, **q)
        return got["start"], got["total_size"], [e["email"] for e in got.get("entries", ())]
    assert emails(f"lists/{LIST_ID}/roster/member") == (0, 12, names)
    assert emails(f"lists/{LIST_ID}/roster/member", count=5, page=3) == (10, 12, names[10:])
    assert emails(f"lists/{LIST_ID}/roster/member", count=5, page=4) == (15, 12, [])
    assert emails(f"lists/{LIST_ID}/roster/owner") == (0, 1, ["z@x.example"])
    assert c.good(f"lists/{LIST_ID}/roster/owner")["entries"][0]["moderation_action"] == "accept"
    assert emails(f"lists/{LIST_ID}/roster/nonmember") == (0, 1, ["n@x.example"])
    assert emails(f"lists/{LIST_ID}/roster/moderator") == (0, 0, [])
    assert c.get(f"lists/{LIST_ID}/roster/king")[0] == c.get("lists/no.example.org/roster/member")[0] == 404
    assert emails("members") == (0, 15, ["z@x.example", *names, "di_x@y.example", names[3]])
    assert emails("members", count=2, page=1) == (0, 15, ["z@x.example", names[0]])
    assert emails("addresses/m03@x.example/memberships")[1] == 2
    for query, found in (
            ({}, []), ({"subscriber": "M03@x.example"}, [names[3]] * 2), ({"subscriber": "di_*"}, ["di_x@y.example"]),
            ({"subscriber": "m0?@*"}, []), ({"subscriber": "*@y.example", "role": "member"}, ["di_x@y.example"]),
            ({"list_id": "no.example.org"}, []), ({"list_id": "bee.example.org"}, ["di_x@y.example", names[3]]),
            ({"role": "nonmember"}, ["n@x.example"]), ({"delivery_status": "by_user"}, [names[2]]),
            ({"delivery_mode": "mime_digests"}, []), ({"moderation_action": "hold"}, [names[1]]),
            ({"moderation_action": "accept"}, ["z@x.example"]), ({"list_id": LIST_ID, "count": 2, "page": 2}, names[2:4])):
        assert emails("members/find", **query)[2] == found, query
        assert strip(c("POST", "members/find", **query)[1]) == c.good("members/find", **query)
    assert c.good(f"lists/{LIST_ID}/roster/member", fields=["email", "role"], count=1, page=1)["entries"] == [
        {"email": names[0], "role": "member"}]
    status, text = c.error("GET", f"lists/{LIST_ID}/roster/member", fields="powers")
    assert status == 400 and text.startswith('Unknown field "powers" for Member resource. Allowed fields are: address, bounce_sc')
    assert c.get("members", page=1, count="x")[0] == 400
    assert strip(c("DELETE", f"lists/{LIST_ID}/roster/member", emails=[names[0], "no@x.example", names[5]])[1]) == {
        names[0]: True, "no@x.example": False, names[5]: True}
    assert emails(f"lists/{LIST_ID}/roster/member")[1] == 10
    assert c.error("DELETE", f"lists/{LIST_ID}/roster/member") == (400, "Missing Parameter: emails")
    assert history(p, names[0])[0] == ("unsubscribed", "by=rest:restadmin")


# ---- users and addresses ----

def test_users(world):
    p, c = world
    user = c.made("users", email="Ada@x.example", display_name="Ada L.", password="secret", is_server_owner="yes")
    got = c.good(f"users/{user}")
    assert list(got) == ["created_on", "is_server_owner", "self_link", "user_id", "password", "display_name"]
    assert got["is_server_owner"] is True and got["user_id"] == user and got["display_name"] == "Ada L."
    assert got["password"].startswith("$argon2id$") and got["self_link"] == f"{c.base}users/{user}"
    other = c.made("users", email="bo@x.example")
    assert "password" in c.good("users/bo@x.example") and "display_name" not in c.good("users/bo@x.example")
    assert c.good("users")["total_size"] == 2 and [e["user_id"] for e in c.good("users", count=1, page=2)["entries"]] == [other]
    assert [e["user_id"] for e in c.good("owners")["entries"]] == [user]
    for q, found in (("da l", [user]), ("X.EXAMPLE", [user, other]), ("nobody", []), ("%", [])):
        assert [e["user_id"] for e in c.good("users/find", q=q).get("entries", ())] == found
    assert c.error("GET", "users/find") == (400, "Missing Parameter: q")
    for text, data in (("User already exists: ada@x.example", {"email": "ada@x.example"}),
                       ("Invalid email address ada@invalid", {"email": "ada@invalid"}),
                       ('Invalid Parameter "is_server_owner": Invalid boolean value: bogus.',
                        {"email": "cy@x.example", "is_server_owner": "bogus"})):
        assert c.error("POST", "users", **data) == (400, text)
    c.done("POST", f"users/{user}/login", cleartext_password="secret")
    assert c.error("POST", f"users/{user}/login", cleartext_password="wrong") == (403, "403 Forbidden")
    assert c.error("POST", f"users/{user}/login", hashed="x") == (400, "Unexpected parameters: hashed")
    assert c.error("POST", f"users/{user}/login") == (400, "Missing Parameter: cleartext_password")
    c.done("PATCH", "users/ada@x.example", cleartext_password="new", display_name="Ada")
    c.done("POST", f"users/{user}/login", cleartext_password="new")
    assert c.error("PATCH", f"users/{user}", powers="x") == (400, "Unknown attribute: powers")
    assert c.error("PUT", f"users/{user}", display_name="x") == (400, "Missing Parameter: cleartext_password, is_server_owner")
    c.done("PUT", f"users/{user}", display_name="A", cleartext_password="x", is_server_owner=False)
    assert c.good("owners") == {"start": 0, "total_size": 0}
    for path in "users/99", "users/no@x.example", f"users/{4711:032x}":
        for method in "GET", "PATCH", "PUT", "DELETE":
            assert c(method, path)[0] == 404
        for more in "/addresses", "/preferred_address", "/preferences":
            assert c.get(path + more)[0] == 404
    p.cli("member", "add", LIST, "ada@x.example")
    c.done("DELETE", f"users/{user}")
    assert c.get(f"users/{user}")[0] == c.get("addresses/ada@x.example")[0] == 404
    assert c.good(f"lists/{LIST_ID}/roster/member")["total_size"] == 0
    assert p.cli("member", "history", "ada@x.example").count("by=rest:restadmin") >= 7
    c.done("DELETE", "reserved/uids/orphans")
    assert c.get("users/x/y/z")[0] == 404 and c("POST", f"users/{other}")[0] == 405


def test_addresses(world):
    p, c = world
    user = c.made("users", email="Ada@x.example", display_name="Ada")
    got = c.good("addresses/ada@x.example")
    assert list(got) == ["email", "original_email", "registered_on", "self_link", "display_name", "user"]
    assert got["original_email"] == "Ada@x.example" and got["display_name"] == "Ada"
    assert c.error("GET", f"users/{user}/preferred_address")[0] == 404
    assert c.error("POST", f"users/{user}/preferred_address", email="ada@x.example") == (
        400, "Ada <Ada@x.example> must be verified before setting as primary")
    assert c.error("POST", f"users/{user}/preferred_address", email="no@x.example") == (
        400, "Address does not exist: no@x.example")
    assert c.error("POST", f"users/{user}/preferred_address", email="no") == (
        400, 'Invalid Parameter "email": Expected a valid email address, got no.')
    c.done("POST", "addresses/ada@x.example/verify")
    first = c.good("addresses/ada@x.example")["verified_on"]
    c.done("POST", "addresses/ada@x.example/verify", whatever="x")
    assert c.good("addresses/ada@x.example")["verified_on"] == first
    assert c.made(f"users/{user}/preferred_address", email="ada@x.example") == "ada@x.example"
    assert c.good(f"users/{user}/preferred_address")["email"] == "ada@x.example"
    member = c.made("members", list_id=LIST_ID, subscriber=user, **DONE)
    assert c.good(f"members/{member}")["subscription_mode"] == "as_user"
    assert c.error("PATCH", f"members/{member}", address="no@x.example") == (400, "Address not registered")
    assert c.made(f"users/{user}/addresses", email="Ada@work.example", display_name="At work") == "ada@work.example"
    assert c.error("PATCH", f"members/{member}", address="ada@work.example") == (400, "Membership is via preferred address")
    c.done("POST", "addresses/ada@work.example/verify")
    c.made(f"users/{user}/preferred_address", email="ada@work.example")
    assert c.good(f"members/{member}")["email"] == "ada@work.example"
    c.done("DELETE", f"users/{user}/preferred_address")
    assert c.get(f"users/{user}/preferred_address")[0] == c("DELETE", f"users/{user}/preferred_address")[0] == 404
    assert [e["original_email"] for e in c.good(f"users/{user}/addresses")["entries"]] == ["Ada@work.example", "Ada@x.example"]
    other = c.made("members", list_id=LIST_ID, subscriber="ada@x.example", **DONE)
    c.done("POST", "addresses/ada@work.example/unverify")
    assert c.error("PATCH", f"members/{other}", address="ada@work.example") == (400, "Unverified address")
    c.made("users", email="bo@x.example", display_name="Bo")
    c.done("POST", "addresses/bo@x.example/verify")
    assert c.error("PATCH", f"members/{other}", address="bo@x.example") == (400, "Address is not controlled by user")
    assert c.error("POST", f"users/{user}/preferred_address", email="bo@x.example") == (400, "Bo <bo@x.example>")
    for text, data in (("Address belongs to other user", {"email": "bo@x.example"}), ("Invalid email address", {"email": "bo"}),
                       ("Missing Parameter: email", {})):
        assert c.error("POST", f"users/{user}/addresses", **data) == (400, text)
    c.made(f"users/{user}/addresses", email="bo@x.example", absorb_existing=True)
    assert c.good("users")["total_size"] == 1
    c.done("PATCH", f"members/{other}", address="bo@x.example")
    assert c.good(f"members/{other}")["email"] == "bo@x.example"
    c.done("PATCH", "addresses/bo@x.example", display_name="B.")
    assert c.good("addresses/bo@x.example")["display_name"] == "B."
    assert c.error("PATCH", "addresses/bo@x.example") == (400, "Missing Parameter: display_name")
    assert c.good("addresses", count=1, page=1)["total_size"] == 3
    c.done("DELETE", "addresses/bo@x.example")
    for path in "", "/memberships", "/preferences", "/user":
        assert c.get("addresses/bo@x.example" + path)[0] == 404
    assert c.get(f"members/{other}")[0] == 404 and c.post("addresses/bo@x.example/verify")[0] == 404
    assert [e for e, _ in history(p, "bo@x.example")][0] == "forgotten"


def test_whose_an_address_is(world):
    p, c = world
    user = c.made("users", email="ada@x.example", display_name="Ada")
    p.cli("member", "add", LIST, "bo@x.example", "--role", "nonmember")
    assert c.good("addresses/ada@x.example/user")["user_id"] == user
    assert c.error("POST", "addresses/ada@x.example/user", display_name="x") == (409, "409 Conflict")
    assert c.error("POST", "addresses/bo@x.example/user", auto_create=0) == (403, "403 Forbidden")
    assert c.error("POST", "addresses/bo@x.example/user", user_id=f"{4711:032x}") == (400, f"No user with ID {4711:032x}")
    assert c.error("POST", "addresses/bo@x.example/user", user_id="x")[0] == 400
    assert c.post("addresses/bo@x.example/user", user_id=user) == (200, None)
    assert c.good(f"users/{user}/addresses")["total_size"] == 2
    c.done("DELETE", "addresses/bo@x.example/user")
    assert c.good("addresses/bo@x.example/user")["user_id"] != user
    bo = c.made("addresses/bo@x.example/user", display_name="Bo", password="x")
    assert c.good("users/bo@x.example")["display_name"] == "Bo"
    c.done("POST", f"users/{bo}/login", cleartext_password="x")
    assert c("PUT", "addresses/bo@x.example/user", user_id=user) == (200, None)
    assert c.get(f"users/{bo}")[0] == 404
    assert c("PUT", "addresses/bo@x.example/user", email="cy@x.example")[0] == 201
    assert c.good("users/cy@x.example/addresses")["total_size"] == 2
    assert c.error("PUT", "addresses/bo@x.example/user", user_id=f"{4711:032x}")[0] == 404
    assert history(p, "bo@x.example")[0][1].startswith("by=rest:restadmin user=")


# ---- preferences ----

def test_preferences(world):
    p, c = world
    user = c.made("users", email="ada@x.example")
    member = c.made("members", list_id=LIST_ID, subscriber="ada@x.example", **DONE)
    some = {"acknowledge_posts": True, "delivery_mode": "plaintext_digests", "delivery_status": "by_moderator",
            "hide_address": True, "receive_list_copy": False, "receive_own_postings": False, "preferred_language": "de"}
    for path in f"members/{member}", "addresses/ada@x.example", f"users/{user}":
        link = {"self_link": f"{c.base}{path}/preferences"}
        assert c.good(f"{path}/preferences") == link
        c.done("PATCH", f"{path}/preferences", delivery_mode="mime_digests", receive_list_copy="yes")
        assert c.good(f"{path}/preferences") == {"delivery_mode": "mime_digests", "receive_list_copy": True, **link}
        c.done("PUT", f"{path}/preferences", **some)
        assert list(c.good(f"{path}/preferences").items()) == [*some.items(), *link.items()]
        assert c.error("PUT", f"{path}/preferences", delivery_mode="regular") == (
            400, "Missing Parameter: acknowledge_posts, delivery_status, hide_address, preferred_language,"
                 " receive_list_copy, receive_own_postings")
        assert c.error("PATCH", f"{path}/preferences", powers="x") == (400, "Unexpected parameters: powers")
        assert c.error("PATCH", f"{path}/preferences", preferred_language="xx") == (400, "Unexpected parameters: preferred_language")
        assert c.error("PATCH", f"{path}/preferences", delivery_status="no") == (
            400, 'Invalid Parameter "delivery_status": Accepted Values are: enabled, by_user, by_bounces, by_moderator, unknown.')
        c.done("DELETE", f"{path}/preferences")
        assert c.good(f"{path}/preferences") == link
    c.done("PATCH", f"users/{user}/preferences", delivery_status="by_user", acknowledge_posts=1)
    c.done("PATCH", "addresses/ada@x.example/preferences", acknowledge_posts=0)
    assert c.good(f"members/{member}/all/preferences") == {
        "acknowledge_posts": False, "delivery_mode": "regular", "delivery_status": "by_user", "receive_list_copy": True,
        "receive_own_postings": True, "preferred_language": "en", "self_link": f"{c.base}members/{member}/all/preferences"}
    assert p.json("member", "ls", LIST)[0]["status"] == "by_user"
    for path in "members/bogus", f"members/{4711:032x}", "members/bogus/all":
        assert c.get(f"{path}/preferences")[0] == 404
    assert c.get(f"members/{member}/all")[0] == c.get(f"members/{member}/preferences/x")[0] == 404
    assert ("preferred", "by=rest:restadmin acknowledge_posts=true") in history(p, "ada@x.example")
