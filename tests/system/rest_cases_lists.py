"""Steps about the server, domains, lists and their settings."""
from rest_cases_config import ALL, READ_ONLY, VALUES
from rest_steps import ANT, BEE, CAT, ask, both, each, get, make

# ---- who asks, and for what ----

for auth in "", "restadmin:wrong", "nobody:restpass", "restadmin":
    get("system/versions", {"auth": auth})
get("system/versions", {"auth": "", "headers": {"Authorization": "Bearer restpass"}})
get("system/versions", {"auth": "", "headers": {"Authorization": "Basic ???"}})
get("nothing", {"auth": "restadmin:wrong"})
ask("POST", "lists", {"auth": "restadmin:wrong"}, fqdn_listname="ant@example.org")
for path in ("", "nothing", "nothing/at/all", "system/nothing", "system/versions/more", "system/preferences/more",
             "system/configuration/nothing", "system/configuration/mailman/more", "system/pipelines/more",
             "system/chains/more", "domains/example.org/nothing", "domains/nowhere.example", "domains/nowhere.example/lists",
             "domains/nowhere.example/owners", "domains/nowhere.example/uris", "lists/nothing.example.org",
             "lists/nothing.example.org/config", "lists/nothing.example.org/roster/member", "lists/nothing.example.org/held",
             "lists/nothing.example.org/requests", "lists/nothing.example.org/bans", "members/nothing",
             "members/nothing/preferences", "members/00000000000000000000000000000001", "users/nothing",
             "users/nobody@x.example", "users/nothing/addresses", "users/nothing/preferences", "addresses/nobody@x.example",
             "addresses/nobody@x.example/memberships", "addresses/nobody@x.example/preferences",
             "addresses/nobody@x.example/user", "owners/more", "queues/nothing", "queues/in/more/more", "bans/nobody@x.example",
             "uris/nothing", "uris/list:user:notice:welcome/more", "plugins/nothing", "reserved/nothing", "templates/a/b"):
    get(path)
for version in "3.0", "3.2", "2.0", "latest":
    for path in "system/versions", "lists", "uris", "plugins", "templates/a/b", "templates":
        get(path, {"version": version})
for path in ("system/versions", "system/preferences", "system/configuration", "system/pipelines", "system/chains", "domains",
             "domains/example.org", "domains/example.org/lists", "domains/example.org/owners", "domains/example.org/uris",
             "lists", "lists/styles", "lists/find", "members", "members/find", "users", "users/find", "addresses", "owners",
             "queues", "queues/in", "queues/in/file", "bans", "uris", "uris/list:user:notice:welcome", "plugins",
             "reserved/reset", "reserved/uids/orphans"):
    for method in "OPTIONS", "HEAD":
        ask(method, path)
for method, path in (("POST", "system/versions"), ("PUT", "domains"), ("DELETE", "domains"), ("PATCH", "domains"),
                     ("POST", "domains/example.org"), ("POST", "domains/example.org/lists"), ("PUT", "domains/example.org/owners"),
                     ("PUT", "lists"), ("PATCH", "lists"), ("DELETE", "lists"), ("POST", "lists/styles"), ("PUT", "lists/find"),
                     ("PUT", "members"), ("DELETE", "members"), ("PUT", "members/find"), ("PUT", "users"), ("PUT", "users/find"),
                     ("POST", "addresses"), ("PUT", "addresses"), ("POST", "owners"), ("POST", "queues"), ("DELETE", "queues/in"),
                     ("GET", "queues/in/file"), ("PUT", "bans"), ("DELETE", "bans"), ("POST", "uris"), ("POST", "plugins"),
                     ("POST", "system/preferences"), ("BREW", "lists"), ("TRACE", "lists")):
    ask(method, path)

# ---- system ----

get("system")
get("system/versions")
get("system/preferences")
get("system/pipelines")
get("system/chains")
get("system/configuration")
for section in ("mailman", "shell", "database", "webservice", "mta", "dmarc", "bounces", "antispam", "digests", "nntp",
                "passwords", "logging.root", "runner.in", "language.de", "archiver.prototype", "styles", "devmode", "paths.here"):
    get(f"system/configuration/{section}")
get("reserved/reset")
ask("DELETE", "reserved/uids/orphans")
ask("DELETE", "reserved/uids/other")
get("plugins")
get("queues")
for queue in "in", "virgin", "shunt", "bad", "digest":
    get(f"queues/{queue}")

# ---- domains ----

get("domains")
get("domains/example.org")
make("domains", mail_host="one.example")
make("domains", mail_host="two.example", description="Number two", owner=["anne@x.example", "bart@x.example"])
make("domains", as_json=True, mail_host="three.example", description="Drei", alias_domain="alias.example", owner=["anne@x.example"])
both("POST", "domains", mail_host="one.example")
both("POST", "domains")
both("POST", "domains", description="no name")
both("POST", "domains", mail_host="four.example", colour="red")
ask("POST", "domains", mail_host="six.example", owner="")
get("domains")
for name in "one", "two", "three", "six":
    get(f"domains/{name}.example")
    get(f"domains/{name}.example/owners")
    get(f"domains/{name}.example/lists")
get("domains/ONE.example")
each("PATCH", "domains/one.example", {"description": "Eins"}, {"alias_domain": "uno.example"}, {"owner": "cate@x.example"},
     {"mail_host": "other.example"}, {"colour": "red"}, {}, {"alias_domain": ""}, {"description": ""})
get("domains/one.example")
get("domains/one.example/owners")
each("PUT", "domains/one.example", {"description": "all"}, {"description": "all", "alias_domain": "x.example", "owner": "dora@x.example"},
     {"description": "all", "alias_domain": "", "owner": ""})
get("domains/one.example")
get("domains/one.example/owners")
both("PATCH", "domains/nowhere.example", description="x")
both("POST", "domains/two.example/owners", owner="cate@x.example")
ask("POST", "domains/two.example/owners", owner=["dora@x.example", "anne@x.example"])
ask("POST", "domains/two.example/owners")
ask("POST", "domains/two.example/owners", owner="no address")
ask("POST", "domains/two.example/owners", boss="cate@x.example")
get("domains/two.example/owners")
get("domains/two.example/owners", count="2", page="1")
ask("DELETE", "domains/two.example/owners", colour="red")
ask("DELETE", "domains/two.example/owners")
get("domains/two.example/owners")
get("domains", count="2", page="1")
get("domains", count="2", page="2")
get("domains", count="2", page="9")
ask("DELETE", "domains/three.example")
ask("DELETE", "domains/three.example")
get("domains/three.example")
get("users")

# ---- lists ----

get("lists")
get("lists/styles")
make("lists", fqdn_listname="ant@example.org")
make("lists", as_json=True, fqdn_listname="bee@example.org")
make("lists", fqdn_listname="cat@example.org", style_name="legacy-announce")
make("lists", fqdn_listname="dog@one.example", style_name="private-default")
each("POST", "lists", {"fqdn_listname": "ant@example.org"}, {"fqdn_listname": "ANT@example.org"},
     {"fqdn_listname": "ant@nowhere.example"}, {"fqdn_listname": "no-address"}, {"fqdn_listname": ""},
     {"fqdn_listname": "eel@example.org", "colour": "red"},
     {"style_name": "legacy-default"}, {"fqdn_listname": "two words@example.org"}, {"fqdn_listname": "a/b@example.org"},
     {"fqdn_listname": "ä@example.org"})
both("POST", "lists")
get("lists")
for place in (ANT, "ant@example.org", "ANT@example.org", "Ant.Example.Org", CAT, "dog.one.example"):
    get(f"lists/{place}")
get("domains/example.org/lists")
get("domains/one.example/lists")
get("domains/example.org/lists", advertised="true")
get("domains/example.org/lists", advertised="perhaps")
get("lists", advertised="true")
get("lists", advertised="false")
get("lists", advertised="perhaps")
for pages in ({"count": "2", "page": "1"}, {"count": "2", "page": "2"}, {"count": "0", "page": "1"}, {"count": "2", "page": "0"},
              {"count": "-1", "page": "1"}, {"count": "2", "page": "-1"}, {"count": "x", "page": "1"}, {"count": "2", "page": "x"},
              {"count": "2", "page": "99"}, {"count": "2"}, {"page": "1"}, {"count": "", "page": ""}, {"count": "1", "page": "1", "more": "1"}):
    get("lists", **pages)
for method in "GET", "POST":
    each(method, "lists/find", {}, {"subscriber": "nobody@x.example"}, {"subscriber": "anne@x.example"},
         {"subscriber": "anne@x.example", "role": "owner"}, {"subscriber": "anne@x.example", "role": "king"},
         {"role": "owner"}, {"subscriber": "anne@x.example", "colour": "red"}, {"subscriber": "no address"})
for path in ("roster", "roster/member", "roster/owner", "roster/king", "roster/member/more", "archivers", "archivers/more",
             "digest", "digest/more", "header-matches", "held", "held/count", "requests", "requests/count", "bans", "uris",
             "config", "config/nothing", "config/more/more", "member", "member/nobody@x.example", "moderator", "owner",
             "nothing", "find"):
    get(f"lists/{ANT}/{path}")
for path in "", "/config", "/config/description", "/roster/member", "/archivers", "/digest", "/held", "/requests", "/bans", "/uris", \
        "/header-matches", "/held/1", "/requests/x":
    for method in "OPTIONS", "PUT", "POST", "DELETE", "PATCH":
        if (method, path) not in (("DELETE", ""), ("DELETE", "/uris")):
            ask(method, f"lists/{ANT}{path}")
get(f"lists/{ANT}/archivers")
each("PATCH", f"lists/{ANT}/archivers", {"mhonarc": "yes"}, {"prototype": "off"}, {"bogus": "yes"}, {"mhonarc": "maybe"}, {})
each("PUT", f"lists/{ANT}/archivers", {"mhonarc": "yes"}, {"mhonarc": "no", "prototype": "yes", "mail-archive": "no"})
get(f"lists/{ANT}/archivers")
get("lists/nothing.example.org/archivers")
get(f"lists/{ANT}/digest")
each("POST", f"lists/{ANT}/digest", {"send": "yes"}, {"bump": "yes"}, {"send": "perhaps"}, {"colour": "red"}, {})
get(f"lists/{ANT}/config/volume")
get(f"lists/{ANT}/config/next_digest_number")

# ---- config ----

get(f"lists/{ANT}/config")
get(f"lists/{ANT}/config", {"version": "3.0"})
get(f"lists/{CAT}/config")
get("lists/dog.one.example/config")
for name, (good, bad) in VALUES.items():
    for value in [*good, *bad]:
        ask("PATCH", f"lists/{BEE}/config", **{name: value})
    get(f"lists/{BEE}/config/{name}")
    ask("PUT", f"lists/{BEE}/config/{name}", **{name: good[-1]})
    ask("PATCH", f"lists/{BEE}/config/{name}", {"as_json": True}, **{name: good[0]})
    get(f"lists/{BEE}/config/{name}")
for name in ("advertised", "max_message_size", "description", "default_member_action", "accept_these_nonmembers", "digest_size_threshold",
             "acceptable_aliases", "bounce_info_stale_after", "archive_policy", "filter_types"):
    for value in (True, 3, 2.5, None, ["a@x.example"], {"a": "b"}):
        ask("PATCH", f"lists/{BEE}/config", {"as_json": True}, **{name: value})
    ask("PATCH", f"lists/{BEE}/config", **{name: VALUES[name][0][0]})
    get(f"lists/{BEE}/config/{name}")
for name in READ_ONLY:
    both("PATCH", f"lists/{BEE}/config", **{name: "x"})
    ask("PUT", f"lists/{BEE}/config/{name}", **{name: "x"})
    get(f"lists/{BEE}/config/{name}")
both("PATCH", f"lists/{BEE}/config", bogus="x")
both("PATCH", f"lists/{BEE}/config", description="kept out", bogus="x")
both("PATCH", f"lists/{BEE}/config", description="kept out", advertised="maybe")
ask("PATCH", f"lists/{BEE}/config", moderator_password="secret")
ask("PATCH", f"lists/{BEE}/config/description", info="x")
ask("PATCH", f"lists/{BEE}/config/description", info="x", description="x")
ask("PUT", f"lists/{BEE}/config/description", info="x")
ask("PUT", f"lists/{BEE}/config/bogus", bogus="x")
ask("PATCH", f"lists/{BEE}/config/bogus", bogus="x")
ask("PATCH", f"lists/{BEE}/config/description")
get(f"lists/{BEE}/config/description")
both("PUT", f"lists/{BEE}/config", description="alone")
both("PUT", f"lists/{BEE}/config", **ALL)
get(f"lists/{BEE}/config")
both("PUT", f"lists/{BEE}/config", **{**ALL, "bogus": "x"})
both("PUT", f"lists/{BEE}/config", **{**ALL, "post_id": "x"})
ask("PUT", f"lists/{BEE}/config", **{**ALL, "advertised": "maybe", "max_message_size": "x"})
get(f"lists/{BEE}/config/welcome_message_uri", {"version": "3.0"})
get(f"lists/{BEE}/config/welcome_message_uri")
for raw in b"{", b"[]", b"[1]", b"null", b"3", b'"x"', b"{}", b"", b'{"description": "a", "description": "b"}', b"\xff", b'{"description": "\xff"}':
    ask("PATCH", f"lists/{BEE}/config", {"raw": raw, "as_json": True})
for raw in b"", b"description", b"=x", b"description=a&description=b", b"description=%ff", b"description=%zz", b"&&":
    ask("PATCH", f"lists/{BEE}/config", {"raw": raw})
ask("PATCH", f"lists/{BEE}/config", {"raw": b"description=typed", "headers": {"Content-Type": "text/plain"}})
ask("PATCH", f"lists/{BEE}/config", {"raw": b'{"description": "typed"}', "headers": {"Content-Type": "application/json; charset=utf-8"}})
ask("PATCH", f"lists/{BEE}/config", {"raw": b"<a/>", "headers": {"Content-Type": "application/xml"}})
get(f"lists/{BEE}/config/description")
