"""Programs that are broken or hostile: whatever is sent to the HTTP port, it is answered or refused, nothing is half done,
and others are served meanwhile."""
import base64
import concurrent.futures
import http.client
import json
import socket

import pytest

from postroad import message
from rest import serve

LIST = "news@example.org"
ID = "news.example.org"
CONFIG = f"lists/{ID}/config"
REFUSED = (400, 413)
DONE = {"pre_verified": True, "pre_confirmed": True, "pre_approved": True}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture
def served(make, sink):
    post = serve(make, relay=sink)
    post.cli("list", "create", LIST, "--owner", "boss@far.example", "--archive", "none")
    return post


def send(rest, method, path, body, kind=FORM, key=True, **headers):
    """(status, body as text); any octets as the body, which the server may refuse to read to its end."""
    c = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=60)
    headers["Content-Type"] = kind
    if key:
        headers["Authorization"] = f"Basic {rest.key}"
    c.request(method, "/3.1/" + path, body, headers)
    got = c.getresponse()
    answer = got.status, got.read().decode()
    c.close()
    return answer


def serves(rest):
    """It is there, and it is the process that it was."""
    return rest.get("system").body["api_version"] == "3.1"


ABSURD = ["", " ", "@", "a@", "@b.example", "a@b", "a b@x.example", "a@x..example", "a@.x.example", "a@[1.2.3.4]", "a@x.example@y.example",
          "a" * 300 + "@x.example", "a@" + "x." * 200 + "example", "a@" + "x" * 64 + ".example", "<a@x.example>", "a,b@x.example",
          '"a b"@x.example', "a@x.example\r\nBcc: z@x.example", "a@x.example\0", "\0", "a\n@x.example", "%00@x.example%", "a@x.ex\u202eample",
          "A <a@x.example>", "../../etc/passwd", "'; DROP TABLE member; --@x.example", "a" * 1000000, "\ud7ff" * 1000 + "@x.example",
          "a@" + "\u00fc" * 100 + ".example", "-@-.-"]


def test_absurd_addresses(served):
    """They are refused in words, wherever an address is wanted; what is taken is what was given."""
    rest = served.rest
    for address in ABSURD:
        for path, given in (("members", {"list_id": ID, "subscriber": address, **DONE}), ("users", {"email": address}),
                            ("domains/example.org/owners", {"owner": address}), ("bans", {"email": address}),
                            (f"lists/{ID}/bans", {"email": address}), ("lists", {"fqdn_listname": address})):
            got = rest.post(path, **given)
            assert 400 <= got < 500 or (got in (201, 204) and address.isprintable()), (path, address, got.body)
    assert serves(rest)
    known = {entry["original_email"] for entry in rest.get("addresses").body["entries"]}
    assert known <= {address.strip() for address in ABSURD} | {"boss@far.example"}, known
    for name in ABSURD:
        quoted = "".join(f"%{octet:02x}" for octet in name.encode("utf-8", "surrogatepass")[:8000])
        for path in (f"users/{quoted}", f"addresses/{quoted}/memberships", f"lists/{quoted}", f"lists/{ID}/member/{quoted}", f"domains/{quoted}",
                     f"lists/{ID}/held/{quoted}", f"lists/{ID}/bans/{quoted}", f"lists/{ID}/requests/{quoted}", f"members/{quoted}"):
            assert rest.get(path) in (200, 400, 404), (path[:80])
    for octets in b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"a@\xff.example":
        quoted = "".join(f"%{octet:02x}" for octet in octets)
        for path in (f"users/{quoted}", f"lists/{quoted}", f"lists/{ID}/member/{quoted}", f"lists/{ID}/bans/{quoted}", f"domains/{quoted}"):
            assert rest.get(path) in (400, 404), path
        status, _ = send(rest, "POST", "users", f"email={quoted}")
        assert status == 400
        status, _ = send(rest, "POST", "users", f"email=ok@x.example&display_name={quoted}")
        assert status in (201, 400)
    assert serves(rest)


def test_what_is_too_large_is_refused(served):
    """In settings, names, templates and fields of HTTP itself; nothing of it stays."""
    rest = served.rest
    before = rest.get(CONFIG).body
    large = "x" * 10_000_000
    for given in ({"description": large}, {"display_name": large}, {"info": large}, {"subject_prefix": large}, {"moderator_password": large},
                  {"acceptable_aliases": [f"^{large}"]}, {"accept_these_nonmembers": [f"n{i}@x.example" for i in range(400_000)]},
                  {"description": "fine", "info": large}):
        assert rest.patch(CONFIG, **given) in REFUSED, list(given)
    assert rest.post("users", email="big@x.example", display_name=large) in REFUSED
    assert rest.post(f"lists/{ID}/header-matches", header=large, pattern="x") in REFUSED
    assert rest.post(f"lists/{ID}/header-matches", header="x", pattern=large) in REFUSED
    assert rest.post("bans", email=f"^{large}") in REFUSED
    assert rest.patch(f"lists/{ID}/uris", **{"list:user:notice:welcome": large}) in REFUSED
    assert rest.get(CONFIG).body == before and rest.get("bans").entries == []
    for line in f"GET /3.1/{large} HTTP/1.1", f"GET /3.1/system HTTP/1.1\r\nX-Large: {large}", f"GET /3.1/system HTTP/1.1\r\nAuthorization: Basic {large}":
        assert raw(rest, f"{line}\r\nHost: x\r\n\r\n".encode())[:12] in (b"HTTP/1.1 414", b"HTTP/1.1 431", b"HTTP/1.1 413", b"")
    assert send(rest, "PATCH", CONFIG, b"description=" + b"y" * (65 << 20))[0] == 413
    assert serves(rest)


def test_a_stranger_cannot_send_much(served):
    """Without a key a body is not even looked at: 401, and 413 where it is large."""
    rest = served.rest
    for body, kind in ((b"[" * 60000, JSON), (b"{", JSON), (b"a=b&" * 16000, FORM), (b"", FORM)):
        assert send(rest, "POST", "bans", body, kind, key=False)[0] == 401
        assert send(rest, "POST", "nowhere", body, kind, key=False)[0] == 404
    assert send(rest, "POST", "bans", b"x" * (1 << 20), JSON, key=False)[0] == 413
    assert send(rest, "POST", "bans", b"x" * (1 << 20), JSON, key=False, Authorization="Basic eDp5")[0] == 413
    assert rest.get("bans").entries == [] and serves(rest)


def test_json_of_every_kind(served):
    rest = served.rest
    deep = 200_000
    for body in ("[" * deep, "[" * deep + "]" * deep, '{"a":' * deep + "1" + "}" * deep, '{"email": ' + "[" * deep + "]" * deep + "}",
                 '{"email": [["x@x.example"]]}', "", "null", "1", '"email"', "[]", "{", '{"email": }', '{"email": "a@x.example", "email": "b@x.example"}',
                 '{"email": "\\u0000"}', '{"email": "\\ud800"}', '{"email": 1e999}', '{"email": {"a": "b@x.example"}}', '{"email": null}',
                 '{"email": 99999999999999999999999}', "{'email': 'a@x.example'}", '{"email": "a@x.example"} trailing', "\ufeff{}", '{"email": true}',
                 '{"email": []}', '{"email": "%s"}' % ("x" * 3_000_000), '{"%s": 1}' % ("k" * 3_000_000),
                 json.dumps({"email": ["a@x.example"] * 300_000 + ["no"]}), json.dumps({f"k{i}": i for i in range(200_000)})):
        status, said = send(rest, "POST", "bans", body.encode(), JSON)
        assert status == 400 and len(said) < 5000, (status, body[:80], said[:200])
        assert json.loads(said)["title"] in ("400 Bad Request", "Invalid JSON")
    assert send(rest, "POST", "bans", b'{"email": "\xff\xfe"}', JSON)[0] == 400
    assert rest.get("bans").entries == [] and serves(rest)


def test_a_hundred_thousand_parameters(served):
    rest = served.rest
    many = "&".join(f"name{i}=v" for i in range(100_000))
    same = "&".join("email=a@x.example" for _ in range(100_000))
    assert send(rest, "POST", "bans", many)[0] == 400
    assert send(rest, "POST", "bans", "&" * 1_000_000)[0] == 400
    assert send(rest, "POST", "bans", "=" * 1_000_000)[0] == 400
    assert send(rest, "POST", "bans", "%" * 1_000_000)[0] == 400
    assert send(rest, "POST", "bans", "a&" * 1_100_000)[0] in (400, 413)
    assert send(rest, "POST", "bans", same)[0] in (201, 400)
    assert send(rest, "PATCH", CONFIG, many + "&description=changed")[0] == 400
    assert rest.get(CONFIG).body["description"] == "" and serves(rest)
    assert send(rest, "DELETE", f"lists/{ID}/roster/member", "&".join(f"emails=n{i}@x.example" for i in range(100_000)))[0] in (200, 400, 413)
    assert serves(rest)


EXPLODE = ["(a+)+$", "(a|aa)+$", "(.*a){20}x", ".{0,300}.{0,300}X", "[a-z]+\\d", "(?:a?){1000}a{1000}", "(a*)*b", "(\\w+\\s?)+:", "(?=(a+))a*b\\1", "(a)(?1)*$"]


def test_expressions_that_explode(served):
    """In bans and header matches; a post on which they cost too much is held, and mail goes on meanwhile."""
    rest = served.rest
    served.cli("member", "add", LIST, "ada@x.example")
    for pattern in EXPLODE:
        assert rest.post(f"lists/{ID}/header-matches", header="X-Long", pattern=pattern, action="discard") == 201
        assert rest.post(f"lists/{ID}/bans", email=f"^{pattern}") == 201
    for pattern in "((((a{1,200}){1,200}){1,200}){1,200}){1,200}", "(" * 400 + ")" * 400, "(?R)*", "a" * 1001, "(?<n>a)(?<n>b)" * 50, "\\":
        assert rest.post("bans", email=f"^{pattern}") in (201, 400)
        assert rest.post(f"lists/{ID}/header-matches", header="y", pattern=pattern) in (201, 400)
    long = "a" * 60 + "".join("\r\n " + "a" * 900 for _ in range(100)) + "\r\n X"
    queued = [served.post(who, LIST, message(sender=who, fields=f"X-Long: {long}\r\n")) for who in ("ada@x.example", "a" * 60 + "!@x.example")]
    got = rest.post("members", list_id=ID, subscriber="a" * 64 + "@" + "a" * 60 + ".example", **DONE)
    assert got in (201, 400), got.body
    assert serves(rest)
    served.wait()
    for queue_id in queued:
        assert served.events(queue_id, "held") or served.events(queue_id, "discarded")


def raw(rest, octets, waits=True):
    """What is answered to these octets until the server closes; or nobody waits for that."""
    with socket.create_connection(("127.0.0.1", rest.port), timeout=90) as s:
        got = b""
        try:
            s.sendall(octets)
            if waits:
                s.shutdown(socket.SHUT_WR)
            while waits and (piece := s.recv(65536)):
                got += piece
        except OSError:
            pass
        return got


def test_broken_http(served):
    """What is no request changes nothing; nor does what two servers would read in two ways."""
    rest = served.rest
    key = f"Authorization: Basic {rest.key}\r\nContent-Type: {FORM}\r\n"
    body = "email=a@x.example"
    for request in ("\0" * 1000, "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /3.1/system\r\n\r\n", "X" * 100_000, "POST /3.1/bans HTTP/1.1\r\n" + "A: b\r\n" * 20_000 + "\r\n",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Content-Length: -1\r\n\r\n{body}",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 99999999999999999999\r\n\r\n{body}",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 100\r\n\r\n{body}",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Content-Length: x\r\n\r\n{body}",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n",
                    f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{body}\r\n0\r\n\r\n",
                    f"BREW /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"):
        raw(rest, request.encode(), waits="Content-Length: 100" not in request)
        assert rest.get("bans").entries == [], request[:100]
    hosts = 'evil.example/"><script>', "a b", "x\x01", "", "[::1]:80", "y" * 4000
    for host in hosts:
        got = raw(rest, f"GET /3.1/lists/{ID} HTTP/1.1\r\nHost: {host}\r\n{key}Connection: close\r\n\r\n".encode())
        assert b"<script" not in got and b"\x01" not in got and b"yyyy" not in got
    assert serves(rest)


def test_half_requests_block_nobody(served):
    """Three hundred clients that say half of something, and nothing more: others are answered, and they can still be."""
    rest = served.rest
    key = f"Authorization: Basic {rest.key}\r\n"
    begun = ["", "G", "GET /3.1/sys", f"POST /3.1/bans HTTP/1.1\r\n{key}", f"POST /3.1/bans HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 1000\r\n\r\nemail=",
             f"GET /3.1/system HTTP/1.1\r\nHost: x\r\n{key}Connection: close\r\n"]
    slow = []
    for i in range(300):
        s = socket.create_connection(("127.0.0.1", rest.port), timeout=60)
        s.sendall(begun[i % len(begun)].encode())
        slow.append(s)
    assert serves(rest)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda i: int(rest.post("bans", email=f"b{i}@x.example")), range(60))) == [201] * 60
    for s in slow[5::len(begun)]:
        s.sendall(b"\r\n")
        got = b""
        while piece := s.recv(65536):
            got += piece
        assert got.startswith(b"HTTP/1.1 200") and b"mailman_version" in got
    for s in slow:
        s.close()
    assert rest.get("bans").body["total_size"] == 60


def test_many_clients_at_once(served):
    """Three hundred connections, each of which wants an answer."""
    rest = served.rest
    request = f"GET /3.1/{CONFIG} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {rest.key}\r\nConnection: close\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", rest.port), timeout=120) for _ in range(300)]
    for s in clients:
        s.sendall(request)
    for s in clients:
        got = b""
        while piece := s.recv(65536):
            got += piece
        s.close()
        assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"}")
    assert serves(rest)


def test_two_moderators_and_one_post(served, sink):
    """They decide at the same time, each otherwise: one wins, the other is told that there is nothing; it is done once."""
    rest = served.rest
    served.cli("member", "add", LIST, "ada@x.example")
    served.cli("list", "set", LIST, "default_nonmember_action=hold", "admin_immed_notify=false")
    queued = [served.post("guest@y.example", LIST, message(sender="guest@y.example", subject=f"n{i}")) for i in range(6)]
    served.wait()
    held = rest.get(f"lists/{ID}/held").entries
    assert [e["subject"] for e in held] == [f"n{i}" for i in range(6)]
    accepted = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for entry, queue_id in zip(held, queued):
            path = f"lists/{ID}/held/{entry['request_id']}"
            actions = ["accept", "discard"]
            got = list(pool.map(lambda action: int(rest.post(path, action=action)), actions))
            assert sorted(got) == [204, 404], got
            winner = actions[got.index(204)]
            assert bool(served.events(queue_id, "approved")) == (winner == "accept")
            assert bool(served.events(queue_id, "discarded")) == (winner == "discard")
            if winner == "accept":
                accepted.append(entry["subject"])
    served.wait()
    copies = sorted(mail.octets.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for mail in sink.to("ada@x.example"))
    assert copies == sorted(accepted)
    assert rest.get(f"lists/{ID}/held").entries == []


def test_half_of_a_change_is_wrong(served):
    """Then nothing of it is done, in whatever order it was given."""
    rest = served.rest
    base = rest.get(CONFIG).body
    good = {"description": "new", "subject_prefix": "[new] ", "max_message_size": 7, "acceptable_aliases": ["alias@x.example"]}
    bad = [("reply_goes_to_list", "king"), ("max_num_recipients", -1), ("max_num_recipients", "x"), ("default_member_action", "sing"),
           ("acceptable_aliases", "nobody"), ("bogus", 1), ("volume", 9), ("preferred_language", "xx"), ("allow_list_posts", "perhaps")]
    for name, value in bad:
        for given in ({**good, name: value}, {name: value, **{k: v for k, v in good.items() if k != name}}):
            assert rest.patch(CONFIG, **given) == 400, name
            status, _ = send(rest, "PATCH", CONFIG, json.dumps(given), JSON)
            assert status == 400, name
        assert rest.get(CONFIG).body == base
    welcome = "list:user:notice:welcome"
    assert rest.patch(f"lists/{ID}/uris", **{welcome: "http://x/1", "what": "http://x/2"}) == 400
    assert rest.get(f"lists/{ID}/uris").entries == []
    assert rest.post("members", list_id=ID, subscriber="a@x.example", delivery_mode="king", **DONE) == 400
    assert rest.post("lists", fqdn_listname="more@example.org", style_name="none") == 400
    assert rest.get("lists").body["total_size"] == 1 and rest.get(f"lists/{ID}/roster/member").body["total_size"] == 0
    assert rest.patch(CONFIG, **good) == 204
    assert rest.get(CONFIG).body["description"] == "new"


def test_guesses_of_keys(served):
    """A wrong key takes a while, by intent; whoever has a right one is answered all the same."""
    rest = served.rest

    def guess(i):
        wrong = base64.b64encode(f"{rest.name if i % 2 else 'nobody'}:guess-{i}".encode()).decode()
        return send(rest, "GET", "system", "", key=False, Authorization=f"Basic {wrong}")[0]

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        guesses = [pool.submit(guess, i) for i in range(60)]
        right = [pool.submit(lambda: int(rest.get("system"))) for _ in range(10)]
        assert [one.result() for one in right] == [200] * 10
        assert {one.result() for one in guesses} == {401}
    for authorization in ("", "Basic", "Basic ", "Basic =", "Basic ====", "Basic " + "A" * 8000, "Bearer x", f"Basic {rest.key}x", f"basic  {rest.key}",
                          "Basic " + base64.b64encode(b":" + rest.secret.encode()).decode(), "Basic " + base64.b64encode(b"rest").decode(),
                          "Basic " + base64.b64encode(b"\xff\x00:\xff").decode(), "Basic " + base64.b64encode(f"{rest.name}:{rest.secret}\0".encode()).decode(),
                          "Basic " + base64.b64encode(f"{rest.name}:".encode()).decode()):
        status, _ = send(rest, "GET", "system", "", key=False, Authorization=authorization)
        assert status == (200 if authorization == f"basic  {rest.key}" else 401), authorization[:80]
    assert serves(rest)
