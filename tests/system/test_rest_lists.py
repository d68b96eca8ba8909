"""Lists over REST: collections, one list, its settings, archivers and digests, and what goes wrong."""
import base64
import http.client
import json
import urllib.parse

import pytest

import postroad
from postroad import until

LIST = "lists/ant.example.org"


class Rest:
    """One program that has a key."""

    def __init__(self, port):
        self.port = port

    def __call__(self, method, path, data=None, as_json=False, version="3.1"):
        headers = {"Authorization": "Basic " + base64.b64encode(b"web:secretkey").decode()}
        body = None
        if as_json:
            headers["Content-Type"] = "application/json"
            body = json.dumps(data)
        elif data is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(data, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, f"/{version}/{path}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.location = answer.headers.get("location")
        return answer.status, json.loads(text) if text else None

    def get(self, path, **options):
        status, got = self("GET", path, **options)
        assert status == 200, (path, status, got)
        return got

    def done(self, method, path, data=None, status=204, **options):
        assert self(method, path, data, **options) == (status, None), path

    def fails(self, status, text, method, path, data=None, **options):
        got = self(method, path, data, **options)
        assert got[0] == status and got[1].get("description") == text, (path, got)


    def details(self):
        """What the trail of changes says; ends the server, whose file the store is."""
        self.server.stop()
        return self.server.sql("SELECT detail FROM event WHERE message = -1")


@pytest.fixture
def rest(make):
    port = postroad.free_port()
    server = make(settings={"http_listen": f"127.0.0.1:{port}"})
    server.cli("list", "set", "all", "default_member_action=", "default_nonmember_action=")
    (server.dir / "key").write_text("secretkey")
    server.cli("key", "set", "web", "--key-from", server.dir / "key")
    server.start("httpd")
    until(lambda: postroad.connects(port), 20, "the HTTP port")
    rest = Rest(port)
    rest.server = server
    return rest


def create(rest, *names, **more):
    for name in names:
        rest.done("POST", "lists", {"fqdn_listname": name, **more}, status=201)


def names(got):
    return [entry["fqdn_listname"] for entry in got.get("entries", [])]


def test_a_list_is_made_shown_and_removed(rest):
    create(rest, "ant@example.org")
    assert rest.location.endswith("/3.1/lists/ant.example.org")
    got = rest.get(LIST)
    assert list(got) == ["advertised", "display_name", "fqdn_listname", "list_id", "list_name", "mail_host",
                         "member_count", "volume", "description", "self_link", "http_etag"]
    assert (got["advertised"], got["display_name"], got["list_id"], got["member_count"], got["volume"]) == (
        True, "Ant", "ant.example.org", 0, 1)
    assert rest.get("lists/ant@example.org") == got == {k: v for k, v in rest.get("lists")["entries"][0].items()}
    rest.fails(400, "Mailing list exists", "POST", "lists", {"fqdn_listname": "Ant@example.org"})
    for name, text in (("ant@no.example", "Domain does not exist: no.example"), ("@example.org", "Invalid list posting address: @example.org"),
                       ("ant", "Invalid list posting address: ant"), ("a/list@example.org", "Invalid list name: a/list")):
        rest.fails(400, text, "POST", "lists", {"fqdn_listname": name})
    rest.fails(400, "Missing Parameter: fqdn_listname", "POST", "lists", {})
    rest.fails(400, "Unexpected parameters: colour", "POST", "lists", {"fqdn_listname": "bee@example.org", "colour": "red"})
    rest.fails(400, "No such style: fancy", "POST", "lists", {"fqdn_listname": "bee@example.org", "style_name": "fancy"})
    rest.done("DELETE", LIST)
    for method in "GET", "DELETE":
        rest.fails(404, "404 Not Found", method, LIST)
        rest.fails(404, None, "GET", LIST + "/config")
    got = rest.get("lists")
    assert (got["start"], got["total_size"]) == (0, 0) and "entries" not in got


def test_a_domain_that_stays_keeps_its_lists(rest):
    """An alias is in the way, which is said before a list goes; and a change of which half is wrong is none."""
    rest.server.cli("domain", "add", "two.example")
    create(rest, "bee@two.example")
    rest.server.cli("alias", "set", "all@two.example", "x@there.example")
    status, got = rest("DELETE", "domains/two.example")
    assert status == 400 and "1 aliases" in got["description"]
    assert rest.get("domains/two.example/lists")["total_size"] == 1
    rest.fails(400, 'Invalid Parameter "owner": Invalid email address: nobody.', "PATCH", "domains/two.example",
               {"description": "new", "owner": "nobody"})
    assert rest.get("domains/two.example")["description"] is None
    rest.done("PATCH", "domains/two.example", {"description": "new", "owner": "ada@there.example"})
    assert rest.get("domains/two.example")["description"] == "new"
    assert rest.get("domains/two.example/owners")["total_size"] == 1
    rest.server.cli("alias", "remove", "all@two.example")
    rest.done("DELETE", "domains/two.example")
    rest.fails(404, "404 Not Found", "GET", "lists/bee.two.example")
    assert any(line.startswith("by=rest:web removed") for line in rest.details())


def test_styles(rest):
    assert {k: v for k, v in rest.get("lists/styles").items() if k != "http_etag"} == {
        "style_names": ["legacy-announce", "legacy-default", "private-default"],
        "styles": [{"name": "legacy-announce", "description": "Announce only mailing list style."},
                   {"name": "legacy-default", "description": "Ordinary discussion mailing list style."},
                   {"name": "private-default", "description": "Discussion mailing list style with private archives."}],
        "default": "legacy-default"}
    for style, want in (("legacy-default", (True, True, "public", "confirm")), ("legacy-announce", (False, True, "public", "confirm")),
                        ("private-default", (True, False, "private", "confirm_then_moderate"))):
        create(rest, f"{style}@example.org", style_name=style)
        got = rest.get(f"lists/{style}.example.org/config")
        assert (got["allow_list_posts"], got["advertised"], got["archive_policy"], got["subscription_policy"]) == want
        assert got["subject_prefix"] == f"[{style.capitalize()}] " and got["send_welcome_message"] and got["send_goodbye_message"]


def test_collections_in_pages(rest):
    rest.server.cli("domain", "add", "two.example")
    create(rest, "ant1@example.org", "ant@example.org", "bee@two.example", "bee@example.org")
    all_lists = ["ant@example.org", "ant1@example.org", "bee@example.org", "bee@two.example"]
    got = rest.get("lists")
    assert names(got) == all_lists and (got["start"], got["total_size"]) == (0, 4)
    got = rest.get("lists?count=3&page=2")
    assert names(got) == all_lists[3:] and (got["start"], got["total_size"]) == (3, 4)
    assert names(rest.get("lists?count=3&page=9")) == [] == names(rest.get("lists?count=0&page=1"))
    got = rest.get("domains/example.org/lists?count=1&page=2")
    assert names(got) == ["ant1@example.org"] and (got["start"], got["total_size"]) == (1, 3)
    rest.fails(404, None, "GET", "domains/no.example/lists")
    rest.done("PATCH", "lists/bee.two.example/config", {"advertised": "false"})
    assert names(rest.get("lists?advertised=true")) == all_lists[:3]
    assert names(rest.get("lists?advertised=false")) == all_lists
    assert rest.get("domains/two.example/lists?advertised=true")["total_size"] == 0
    for query, text in (("count=-1&page=1", 'The "count should be a positive integer." parameter is invalid. -1'),
                        ("count=1&page=0", 'The "page should be greater than 0." parameter is invalid. 0'),
                        ("count=x&page=1", 'The "count" parameter is invalid. The value must be an integer.')):
        rest.fails(400, text, "GET", f"lists?{query}")
    for path in "lists/%ff.example.org", "lists/%ff/config", "domains/%ff/lists":
        assert rest("GET", path)[0] == 404
    rest.fails(400, 'The "advertised" parameter is invalid. The value of the parameter must be "true" or "false".',
               "GET", "lists?advertised=sure")


def test_lists_somebody_is_on(rest):
    create(rest, "ant@example.org", "bee@example.org", "cat@example.org")
    rest.server.cli("member", "add", "bee@example.org", "ada@x.example")
    rest.server.cli("member", "add", "ant@example.org", "ada@x.example", "--role", "owner")
    ada = {"subscriber": "Ada@X.example"}
    for method in "GET", "POST":
        assert names(rest(method, "lists/find", ada)[1]) == ["ant@example.org", "bee@example.org"]
    assert names(rest("POST", "lists/find", {**ada, "role": "owner"})[1]) == ["ant@example.org"]
    got = rest("POST", "lists/find", {**ada, "count": 1, "page": 2})[1]
    assert names(got) == ["bee@example.org"] and (got["start"], got["total_size"]) == (1, 2)
    rest.fails(404, "404 Not Found", "POST", "lists/find", {**ada, "role": "moderator"})
    rest.fails(400, 'Invalid Parameter "role": Accepted Values are: member, owner, moderator, nonmember.',
               "POST", "lists/find", {**ada, "role": "boss"})
    rest.fails(400, 'Invalid Parameter "subscriber": .', "POST", "lists/find", {"subscriber": "ada.example"})
    rest.fails(400, "Missing Parameter: subscriber", "POST", "lists/find", {})


# ---- settings ----

READ_ONLY = {"bounces_address": "ant-bounces@example.org", "fqdn_listname": "ant@example.org", "join_address": "ant-join@example.org",
             "last_post_at": None, "leave_address": "ant-leave@example.org", "list_name": "ant", "mail_host": "example.org",
             "next_digest_number": 1, "no_reply_address": "noreply@example.org", "owner_address": "ant-owner@example.org", "post_id": 1,
             "posting_address": "ant@example.org", "request_address": "ant-request@example.org", "usenet_watermark": None, "volume": 1,
             "digest_last_sent_at": None}
FRESH = {"acceptable_aliases": [], "accept_these_nonmembers": [], "archive_policy": "public", "autoresponse_grace_period": "90d",
         "bounce_info_stale_after": "7d", "bounce_score_threshold": 5, "default_member_action": "defer", "default_nonmember_action": "hold",
         "description": "", "digest_size_threshold": 30.0, "display_name": "Ant", "filter_action": "discard", "info": "",
         "max_message_size": 40, "moderator_password": None, "posting_pipeline": "default-posting-pipeline", "preferred_language": "en",
         "subject_prefix": "[Ant] ", "send_welcome_message": True, "emergency": False, "advertised": True, "personalize": "none"}
WHOLE = {
    "acceptable_aliases": ["Bee@example.com", "^cat.*@example.com"], "accept_these_nonmembers": ["ant_*@example.com"],
    "admin_immed_notify": False, "admin_notify_mchanges": True, "administrivia": False, "advertised": False, "allow_list_posts": False,
    "anonymous_list": True, "archive_policy": "never", "archive_rendering_mode": "markdown", "autorespond_owner": "respond_and_discard",
    "autorespond_postings": "respond_and_continue", "autorespond_requests": "respond_and_discard", "autoresponse_grace_period": "45d",
    "autoresponse_owner_text": "the owner", "autoresponse_postings_text": "two\nlines", "autoresponse_request_text": "the robot",
    "bounce_info_stale_after": "7d", "bounce_notify_owner_on_bounce_increment": True, "bounce_notify_owner_on_disable": False,
    "bounce_notify_owner_on_removal": True, "bounce_score_threshold": 6, "bounce_you_are_disabled_warnings": 4,
    "bounce_you_are_disabled_warnings_interval": "2d", "collapse_alternatives": False, "convert_html_to_plaintext": True,
    "default_member_action": "hold", "default_nonmember_action": "discard", "description": "About ants", "digest_send_periodic": True,
    "digest_size_threshold": 10.5, "digest_volume_frequency": "weekly", "digests_enabled": True,
    "discard_these_nonmembers": ["aperson@example.com"], "display_name": "Fnords", "dmarc_mitigate_action": "munge_from",
    "dmarc_mitigate_unconditionally": False, "dmarc_moderation_notice": "notice", "dmarc_wrapped_message_text": "text", "emergency": False,
    "filter_action": "reject", "filter_content": True, "filter_extensions": ["exe"], "filter_types": ["application/zip"],
    "first_strip_reply_to": True, "forward_unrecognized_bounces_to": "site_owner", "gateway_to_mail": False, "gateway_to_news": False,
    "hold_these_nonmembers": ["*@example.com"], "include_rfc2369_headers": False, "info": "long", "linked_newsgroup": "",
    "max_days_to_hold": 20, "max_message_size": 150, "max_num_recipients": 150, "member_roster_visibility": "public",
    "moderator_password": "password", "newsgroup_moderation": "none", "nntp_prefix_subject_too": False, "pass_extensions": ["pdf"],
    "pass_types": ["image/jpeg"], "personalize": "none", "posting_pipeline": "virgin", "preferred_language": "fr", "process_bounces": True,
    "reject_these_nonmembers": ["bperson@example.com", "^bad"], "reply_goes_to_list": "point_to_list",
    "reply_to_address": "bee@example.com", "require_explicit_destination": True, "respond_to_post_requests": True,
    "send_goodbye_message": False, "send_welcome_message": False, "subject_prefix": "[ant]", "subscription_policy": "confirm_then_moderate",
    "unsubscription_policy": "open"}


def test_settings_of_a_new_list(rest):
    create(rest, "ant@example.org")
    got = rest.get(LIST + "/config")
    assert {k: got[k] for k in {**READ_ONLY, **FRESH}} == {**READ_ONLY, **FRESH}
    assert len(got) == 93 and list(got)[:3] == ["acceptable_aliases", "accept_these_nonmembers", "admin_immed_notify"]
    assert list(got)[-2:] == ["volume", "http_etag"] and set(got) == {*READ_ONLY, *WHOLE, "created_at", "http_etag"}
    assert rest.get(LIST + "/config/info") == {"info": "", "http_etag": rest.get(LIST + "/config/info")["http_etag"]}
    for path in "lists/no.example.org/config", "lists/no.example.org/config/info", LIST + "/config/volume/more":
        assert rest("GET", path)[0] == 404
    for method in "GET", "PUT", "PATCH":
        rest.fails(404, "Unknown attribute: bogus", method, LIST + "/config/bogus", None if method == "GET" else {"bogus": 1})


@pytest.mark.parametrize("as_json", [False, True])
def test_everything_at_once(rest, as_json):
    create(rest, "ant@example.org")
    rest.done("PUT", LIST + "/config", WHOLE, as_json=as_json)
    got = rest.get(LIST + "/config")
    assert got.pop("moderator_password").startswith("$argon2id$")
    want = {**WHOLE, "acceptable_aliases": ["^cat.*@example.com", "bee@example.com"]}
    del want["moderator_password"]
    assert {k: got[k] for k in want} == want
    for name in WHOLE:
        rest.fails(400, f"Missing Parameter: {name}", "PUT", LIST + "/config", {k: v for k, v in WHOLE.items() if k != name})
        if name > "archive":
            break
    rest.fails(400, "Unexpected parameters: bogus, mail_host", "PUT", LIST + "/config", {**WHOLE, "mail_host": "x", "bogus": 1})
    rest.done("PUT", LIST + "/config/acceptable_aliases", {"acceptable_aliases": ["x@example.com"]})
    rest.done("DELETE", LIST + "/config/acceptable_aliases")
    assert rest.get(LIST + "/config")["acceptable_aliases"] == []


WRONG = [
    ("administrivia", "sure", "Invalid boolean value: sure"),
    ("archive_policy", "hidden", "Accepted Values are: never, private, public"),
    ("digest_volume_frequency", "now", "Accepted Values are: yearly, monthly, quarterly, weekly, daily"),
    ("filter_action", "x", "Accepted Values are: hold, reject, discard, accept, defer, forward, preserve"),
    ("filter_action", "accept", "one of these is wanted: discard reject forward preserve"),
    ("max_message_size", "big", "invalid literal for int() with base 10: 'big'"),
    ("max_message_size", "-1", "Expected a non-negative integer: -1"),
    ("max_message_size", "10000001", "a number from 0 to 10000000 is wanted"),
    ("digest_size_threshold", "big", "could not convert string to float: 'big'"),
    ("bounce_info_stale_after", "7", ""), ("bounce_info_stale_after", "1h2d", ""), ("bounce_info_stale_after", "", ""),
    ("description", "two\nlines", "This value must be a single line: two\nlines"),
    ("subject_prefix", "two\nlines", "one line of text is wanted"),
    ("posting_pipeline", "slow", "Unknown pipeline: slow"),
    ("hold_these_nonmembers", "ant", "Expected a valid email address or regular expression, got ant"),
    ("hold_these_nonmembers", "^(", "Expected a valid email address or regular expression, got ^("),
    ("reply_to_address", "nobody", None),
    ("accept_these_nonmembers", [f"member{n:05}@far.example" for n in range(3000)], "lines of more than 32768 octets"),
]


def test_values_that_do_not_fit(rest):
    create(rest, "ant@example.org")
    before = rest.get(LIST + "/config")
    for name, value, why in WRONG:
        for path in "/config", f"/config/{name}":
            if why is None:
                assert rest("PATCH", LIST + path, {name: value})[0] == 400
            else:
                rest.fails(400, f'Invalid Parameter "{name}": {why}.', "PATCH", LIST + path, {name: value})
    rest.fails(400, 'Invalid Parameter "administrivia": Invalid boolean value: x. Invalid Parameter "max_message_size":'
               " Expected a non-negative integer: -5.", "PATCH", LIST + "/config",
               {"max_message_size": -5, "description": "new", "administrivia": "x"})
    rest.fails(400, "nobody", "PATCH", LIST + "/config", {"acceptable_aliases": "nobody", "description": "new"})
    rest.fails(400, "Unexpected parameters: preferred_language", "PATCH", LIST + "/config", {"preferred_language": "xx"})
    rest.fails(400, "Unknown attribute: bogus", "PATCH", LIST + "/config", {"description": "x", "bogus": 1})
    rest.fails(400, "Unknown attribute: info", "PATCH", LIST + "/config/description", {"info": "x"})
    for method in "PUT", "PATCH":
        rest.fails(400, "Read-only attribute: mail_host", method, LIST + "/config/mail_host", {"mail_host": "x"})
    rest.fails(400, "Read-only attribute: volume", "PATCH", LIST + "/config", {"volume": 2})
    rest.fails(400, "Expected 1 attribute, got 2", "PATCH", LIST + "/config/info", {"info": "x", "description": "y"})
    rest.fails(400, "Unexpected parameters: description", "PUT", LIST + "/config/info", {"info": "x", "description": "y"})
    rest.fails(400, "Missing Parameter: info", "PUT", LIST + "/config/info", {})
    rest.fails(400, "Cannot delete the list configuration itself", "DELETE", LIST + "/config")
    rest.fails(400, "Read-only attribute: volume", "DELETE", LIST + "/config/volume")
    rest.fails(400, "Attribute cannot be DELETEd: info", "DELETE", LIST + "/config/info")
    assert rest.get(LIST + "/config") == before


def test_values_are_read_and_shown_alike(rest):
    create(rest, "ant@example.org")
    for name, given, shown in (("bounce_info_stale_after", "1d1h", "1d3600.0s"), ("bounce_info_stale_after", "2w", "14d"),
                               ("bounce_info_stale_after", "0.5s", "0d0.5s"), ("emergency", "Enabled", True), ("emergency", "off", False),
                               ("digest_size_threshold", "1e2", 100.0), ("digest_size_threshold", "10.1", 10.1),
                               ("accept_these_nonmembers", ["@bee@example.org", "^x"], ["@bee@example.org", "^x"]),
                               ("accept_these_nonmembers", "", []), ("info", "naïve ☃\n", "naïve ☃\n"),
                               ("display_name", "", "Ant"), ("moderator_password", "", None)):
        rest.done("PATCH", LIST + "/config", {name: given})
        assert rest.get(f"{LIST}/config/{name}")[name] == shown


def test_settings_of_the_command_line(rest):
    """What counts is shown, wherever it stands; what is sent back unchanged stays where it stands."""
    server = rest.server
    server.cli("list", "create", "ant@example.org", "--archive", "private")
    server.cli("list", "set", "@example.org", "subscription_policy=moderate", "max_message_size=7")
    got = rest.get(LIST + "/config")
    assert (got["subscription_policy"], got["max_message_size"], got["archive_policy"]) == ("moderate", 7, "private")
    assert (got["subject_prefix"], got["display_name"], got["preferred_language"]) == ("", "Ant", "en")
    rest.done("PATCH", LIST + "/config", {k: "" if v == [] else v for k, v in got.items() if k in WHOLE and v is not None} | {"max_message_size": 8})
    rows = {row["name"]: row for row in server.json("list", "settings", "ant@example.org")}
    assert [rows["max_message_size"][k] for k in ("value", "from")] == ["8", "ant@example.org"]
    assert rows["subscription_policy"]["from"] == "@example.org" and rows["info"]["from"] == "default"


def test_changes_leave_events(rest):
    create(rest, "ant@example.org")
    rest.done("PATCH", LIST + "/config", {"archive_policy": "private", "moderator_password": "sesame", "info": "x"})
    rest.done("PATCH", LIST + "/archivers", {"mhonarc": "no"})
    rest.done("POST", LIST + "/digest", {"bump": True}, status=202)
    rest.done("DELETE", LIST)
    assert {"by=rest:web created", "by=rest:web archive=private", "by=rest:web info=x", "by=rest:web moderator_password=(a password)",
            "by=rest:web archivers_off=mhonarc", "by=rest:web digest volume=1 issue=2", "by=rest:web deleted"} <= set(rest.details())


# ---- archivers, digests ----

def test_archivers(rest):
    create(rest, "ant@example.org")
    path = LIST + "/archivers"

    def shown():
        return {k: v for k, v in rest.get(path).items() if k != "http_etag"}
    assert shown() == {"mail-archive": True, "mhonarc": True, "prototype": True}
    rest.done("PATCH", path, {"mail-archive": "false", "mhonarc": False})
    assert shown() == {"mail-archive": False, "mhonarc": False, "prototype": True}
    rest.done("PUT", path, {"mail-archive": True, "mhonarc": True, "prototype": False})
    assert shown() == {"mail-archive": True, "mhonarc": True, "prototype": False}
    for method in "PUT", "PATCH":
        rest.fails(400, "Unexpected parameters: bogus", method, path, {"bogus": True})
    rest.fails(400, "Missing Parameter: mhonarc, prototype", "PUT", path, {"mail-archive": True})
    rest.fails(400, "Invalid boolean value: sure", "PATCH", path, {"mail-archive": "sure", "mhonarc": "no"})
    assert rest("GET", "lists/bee.example.org/archivers")[0] == 404


def test_digests(rest):
    create(rest, "ant@example.org")
    path = LIST + "/digest"

    def shown():
        got = rest.get(path)
        assert list(got) == ["next_digest_number", "volume", "http_etag"]
        return got["volume"], got["next_digest_number"]
    assert shown() == (1, 1)
    rest.done("POST", path, {}, status=200)
    rest.done("POST", path, {"send": True}, status=202)
    rest.done("POST", path, {"periodic": True}, status=202)
    assert shown() == (1, 1)
    rest.done("POST", path, {"bump": True, "send": False}, status=202)
    assert shown() == (1, 2) and rest.get(LIST + "/config")["digest_last_sent_at"]
    rest.fails(400, "send and periodic options are mutually exclusive", "POST", path, {"send": True, "periodic": True})
    rest.fails(400, 'Invalid Parameter "bump": Invalid boolean value: x.', "POST", path, {"bump": "x"})
    assert rest("POST", "lists/no.example.org/digest", {"bump": True})[0] == 404
