"""Steps about posts that wait, bans, header matches, places of texts and queues; and the end of a domain."""
from rest_steps import ANT, BEE, CAT, STEPS, Post, ask, both, each, get, make

HELD = f"lists/{CAT}/held"


def post(number, sender="stranger@y.example", subject="Hello", to="cat@example.org", body="Some text.\r\n"):
    STEPS.append(Post(sender, to, (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
                                   f"Message-ID: <{number}@test.example>\r\n\r\n{body}").encode()))


# ---- held posts ----

ask("PATCH", f"lists/{CAT}/config", default_nonmember_action="hold", allow_list_posts="yes")
for number in range(7):
    post(f"held-{number}", f"stranger-{number}@y.example", f"Subject {number}")
post("held-7", "stranger-7@y.example", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
get(HELD, {"keeps": {f"post_{i}": ("entries", i, "request_id") for i in range(8)}})
get(f"{HELD}/count")
get(HELD, count="2", page="2")
get(HELD, count="2", page="9")
get(f"{HELD}/<post_0>")
get(f"{HELD}/<post_7>")
get(f"lists/{BEE}/held/<post_0>")
for number in "999999", "x", "-1", "0", "1.5", "99999999999999999999":
    get(f"{HELD}/{number}")
    ask("POST", f"{HELD}/{number}", action="accept")
both("POST", f"{HELD}/<post_0>")
both("POST", f"{HELD}/<post_0>", action="bogus")
both("POST", f"{HELD}/<post_0>", action="discard", colour="red")
each("POST", f"{HELD}/<post_0>", {"action": "hold"}, {"action": "defer"}, {"action": "discard"}, {"action": "discard"})
each("POST", f"{HELD}/<post_1>", {"action": "accept"}, {"action": "accept"})
each("POST", f"{HELD}/<post_2>", {"action": "reject", "comment": "not here"}, {"action": "reject"})
each("POST", f"{HELD}/<post_3>", {"action": "discard", "comment": "noted"})
ask("POST", f"{HELD}/<post_4>", {"as_json": True}, action="accept")
get(f"{HELD}/<post_1>")
get(f"{HELD}/count")
get(HELD)
for method in "PUT", "DELETE", "PATCH", "OPTIONS":
    ask(method, f"{HELD}/<post_5>")
    ask(method, f"{HELD}/count")
get(f"{HELD}/<post_5>/more")
get("lists/nothing.example.org/held/count")
ask("PATCH", f"lists/{CAT}/config", default_nonmember_action="defer", emergency="yes")
post("emergency")
get(HELD)
ask("PATCH", f"lists/{CAT}/config", emergency="no", max_message_size="1")
post("big", body="0123456789abcdef\r\n" * 100)
get(f"{HELD}/count")
ask("PATCH", f"lists/{CAT}/config", max_message_size="40")
get(f"lists/{CAT}/config/post_id")

# ---- bans ----

for base in "bans", f"lists/{ANT}/bans":
    get(base)
    make(base, email="bad@x.example")
    make(base, as_json=True, email="^.*@worse.example$")
    each("POST", base, {"email": "bad@x.example"}, {"email": "no address"}, {"email": "^(unclosed"}, {"email": ""}, {}, {"colour": "red"},
         {"email": "a@x.example", "colour": "red"}, {"email": "b%c@x.example"})
    both("POST", base)
    get(base)
    get(base, count="1", page="2")
    for email in "bad@x.example", "BAD@x.example", "^.*@worse.example$", "%5E.*@worse.example%24", "any@worse.example", "nobody@x.example":
        get(f"{base}/{email}")
    ask("POST", f"{base}/bad@x.example")
    ask("PUT", f"{base}/bad@x.example")
    ask("OPTIONS", f"{base}/bad@x.example")
    ask("DELETE", f"{base}/nobody@x.example")
    ask("DELETE", f"{base}/%5E.*@worse.example%24")
    ask("POST", "members", list_id=ANT, subscriber="bad@x.example", pre_verified="1", pre_confirmed="1", pre_approved="1")
    ask("POST", "members", list_id=ANT, subscriber="bad@x.example", role="owner")
    ask("DELETE", f"{base}/bad@x.example")
    ask("DELETE", f"{base}/bad@x.example")
    get(base)

# ---- header matches ----

MATCHES = f"lists/{ANT}/header-matches"
get(MATCHES)
make(MATCHES, header="X-Spam", pattern="yes")
make(MATCHES, as_json=True, header="X-Spam", pattern="^maybe", action="hold", tag="guess")
make(MATCHES, header="Subject", pattern="buy.*now", action="discard", tag="trade")
make(MATCHES, header="x-other", pattern="a", action="")
each("POST", MATCHES, {}, {"header": "X-Spam"}, {"pattern": "x"}, {"header": "X-Spam", "pattern": "yes"}, {"header": "X-Spam", "pattern": "(unclosed"},
     {"header": "X-Spam", "pattern": "p", "action": "bogus"}, {"header": "X-Spam", "pattern": "p", "colour": "red"}, {"header": "", "pattern": "p"})
both("POST", MATCHES)
get(MATCHES)
for position in "0", "1", "3", "99", "x", "-1":
    get(f"{MATCHES}/{position}")
get(MATCHES, count="2", page="2")
for method in "GET", "POST":
    each(method, f"{MATCHES}/find", {}, {"tag": "guess"}, {"header": "X-Spam"}, {"header": "x-spam"}, {"action": "discard"}, {"action": "bogus"},
         {"tag": "nothing"}, {"colour": "red"}, {"header": "x-spam", "action": "hold"})
each("PATCH", f"{MATCHES}/1", {"pattern": "^perhaps"}, {"action": "reject"}, {"tag": "thought"}, {"header": "X-Thought"}, {"position": "0"},
     {"position": "99"}, {"position": "-1"}, {"position": "x"}, {"pattern": "(unclosed"}, {"action": "bogus"}, {"colour": "red"}, {})
get(MATCHES)
each("PUT", f"{MATCHES}/0", {"header": "X-New", "pattern": "new"}, {"header": "X-New"}, {"pattern": "new"},
     {"header": "X-New", "pattern": "new", "action": "accept", "position": "2", "tag": "t"}, {"header": "X-New", "pattern": "(unclosed"}, {})
get(MATCHES)
ask("PATCH", f"{MATCHES}/99", pattern="x")
ask("POST", f"{MATCHES}/1", pattern="x")
ask("OPTIONS", f"{MATCHES}/1")
ask("DELETE", f"{MATCHES}/0")
ask("DELETE", f"{MATCHES}/99")
ask("DELETE", f"{MATCHES}/x")
get(MATCHES)
ask("DELETE", MATCHES)
get(MATCHES)

# ---- places of texts ----

WELCOME, SITE = "list:user:notice:welcome", "site:admin:notice:new-list"
for base in "uris", "domains/example.org/uris", f"lists/{ANT}/uris":
    get(base)
    both("PATCH", base, **{WELCOME: "http://texts.example/welcome.txt"})
    ask("PATCH", base, **{"list:member:regular:footer": "mailman:///$listname/footer.txt", "list:member:digest:footer": "x"})
    ask("PATCH", base, **{"domain:admin:notice:new-list": "http://texts.example/new.txt"})
    ask("PATCH", base, bogus="x")
    ask("PATCH", base)
    ask("PATCH", base, username="anne", password="secret", **{WELCOME: "http://texts.example/other.txt"})
    get(base)
    get(f"{base}/{WELCOME}")
    get(f"{base}/bogus")
    get(f"{base}/list:user:notice:goodbye")
    both("PUT", f"{base}/{WELCOME}", **{WELCOME: "http://texts.example/put.txt"})
    ask("PATCH", f"{base}/{WELCOME}", **{WELCOME: "http://texts.example/patch.txt"})
    ask("PUT", f"{base}/{WELCOME}", uri="x")
    ask("PUT", base, **{WELCOME: "http://texts.example/all.txt"})
    get(f"{base}/{WELCOME}")
    ask("POST", base, **{WELCOME: "x"})
    ask("OPTIONS", f"{base}/{WELCOME}")
    ask("DELETE", f"{base}/{WELCOME}")
    get(f"{base}/{WELCOME}")
    ask("PATCH", base, **{"list:member:regular:footer": ""})
    get(base)
    ask("DELETE", base)
    get(base)
get("uris", {"version": "3.0"})

# ---- queues ----

TEXT = "From: Guest <guest@y.example>\nTo: ant@example.org\nSubject: in\nMessage-ID: <in@test.example>\n\nsome text\n"
for queue in "in", "bad", "virgin", "nothing":
    both("POST", f"queues/{queue}")
    ask("POST", f"queues/{queue}", list_id="nothing.example.org", text=TEXT)
    ask("POST", f"queues/{queue}", list_id=ANT)
    ask("POST", f"queues/{queue}", list_id=ANT, text=TEXT, colour="red")
ask("POST", "queues/in", {"keeps": {"file": "location"}}, list_id=ANT, text=TEXT)
get("queues/bad")
ask("DELETE", "queues/bad/nothing")
ask("DELETE", "queues/nothing/nothing")
get("queues", count="2", page="1")

# ---- what one of the servers does not take: here, where it makes no difference to what follows ----

for host in "", "not a domain", "UPPER.example":
    ask("POST", "domains", mail_host=host)
get("domains/upper.example")
ask("POST", "domains", mail_host="five.example", owner="not an address")
ask("POST", "lists", fqdn_listname="eel@example.org", style_name="bogus")
for address in "Ünï@x.example", "x@ümlaut.example", '"quoted"@x.example', "x@[127.0.0.1]", "x@y.example ", "x..y@z.example":
    ask("POST", "members", list_id=ANT, subscriber=address, pre_verified="1", pre_confirmed="1", pre_approved="1")
for address in "ant@example.org", "<udo>":
    ask("POST", "members", list_id=ANT, subscriber=address, pre_verified="1", pre_confirmed="1", pre_approved="1")
ask("POST", "members", list_id=ANT, subscriber="ant@example.org", role="owner")
ask("POST", "users", email="")
ask("PATCH", f"lists/{BEE}/config", {"version": "3.0"}, welcome_message_uri="mailman:///welcome.txt")
for attribute, value in (("acceptable_aliases", "^(unclosed"), ("bounce_you_are_disabled_warnings", "100000"), ("max_days_to_hold", "100000"),
                         ("filter_action", "hold"), ("filter_action", "accept"), ("filter_action", "defer"), ("display_name", ""),
                         ("display_name", "line\nline")):
    ask("PATCH", f"lists/{BEE}/config", **{attribute: value})
ask("POST", "bans", email="Evil@x.example")
ask("POST", "bans", email="evil@x.example")
ask("POST", MATCHES, header="X-All", pattern="")
ask("POST", "queues/bad", {"keeps": {"bad": "location"}}, list_id=ANT, text=TEXT)
ask("DELETE", "queues/bad/<bad>")

# ---- the end ----

ask("DELETE", f"lists/{CAT}")
get(HELD)
ask("DELETE", "domains/one.example")
get("lists/dog.one.example")
