"""What this server says about itself over REST, and messages that programs bring in."""
import json

import pytest

from postroad import until
from rest import refused, serve

LIST = "news@example.org"
ID = "news.example.org"


@pytest.fixture
def served(make, sink):
    return serve(make, relay=sink)


def plain(answer):
    body = dict(answer.body)
    del body["http_etag"]
    return body


def test_versions_preferences_and_names(served):
    rest = served.rest
    assert rest.get("system").headers["Server"].startswith("Postroad/")
    for path in "system", "system/versions":
        got = plain(rest.get(path))
        assert got == {
            "mailman_version": "GNU Mailman 3.3.8 (Tom Sawyer)", "python_version": "3.11", "api_version": "3.1",
            "self_link": rest.base + "system/versions"}
    assert rest("GET", "system", version="3.0").body["api_version"] == "3.0"
    assert plain(rest.get("system/preferences")) == {
        "acknowledge_posts": False, "delivery_mode": "regular", "delivery_status": "enabled", "hide_address": True,
        "receive_list_copy": True, "receive_own_postings": True, "preferred_language": "en",
        "self_link": rest.base + "system/preferences"}
    assert plain(rest.get("system/pipelines")) == {"pipelines": ["default-owner-pipeline", "default-posting-pipeline", "virgin"]}
    assert rest.get("system/chains").body["chains"][::4] == ["accept", "dmarc", "reject"]
    assert plain(rest.get("plugins")) == {"start": 0, "total_size": 0}
    assert rest("GET", "plugins", version="3.0") == 404 and rest.get("system/what") == 404
    assert rest.delete("reserved/uids/orphans") == 204 and rest.get("reserved/reset") == 204


def test_configuration(served):
    rest = served.rest
    got = plain(rest.get("system/configuration"))
    assert got["self_link"] == rest.base + "system/configuration" and got["sections"] == sorted(got["sections"])
    assert len(got["sections"]) == 94
    for name in got["sections"]:
        section = plain(rest.get(f"system/configuration/{name}"))
        assert section.pop("self_link") == f"{rest.base}system/configuration/{name}"
        assert section and all(isinstance(value, str) for value in section.values()), name
    assert rest.get("system/configuration/mailman").body["default_language"] == "en"
    assert rest.get("system/configuration/language.de").body["description"] == "German"
    assert rest.get("system/configuration/digests").body["plain_digest_keep_headers"].startswith("\nMessage Date")
    assert rest.get("system/configuration/webservice").body["port"] == str(rest.port)
    assert rest.get("system/configuration/paths.here").body["etc_dir"] == str(served.dir)
    refused([(rest.get("system/configuration/what"), 404, "404 Not Found")])


TEXT = "From: Guest <guest@y.example>\nTo: news@example.org\nSubject: in\nMessage-ID: <in_01>\n\nsome text\n"


def test_queues(served):
    served.cli("list", "create", LIST, "--owner", "boss@far.example")
    rest = served.rest
    whole = rest.get("queues")
    assert whole.body["self_link"] == rest.base + "queues"
    assert [e["name"] for e in whole.entries] == "archive bad bounces command digest in nntp out pipeline retry shunt virgin".split()
    assert whole.entries[5]["self_link"] == rest.base + "queues/in" and plain(rest.get("queues/in")) == whole.entries[5]
    got = rest.post("queues/in", list_id=ID, text=TEXT)
    queue_id = got.location.removeprefix(rest.base + "queues/in/")
    assert int(got) == 201
    served.wait()
    [accepted] = served.events(queue_id, "accepted")
    assert "rest:rest" in accepted["detail"]
    served.cli("member", "add", LIST, "ada@x.example")
    served.cli("queue", "freeze")
    waits = rest.post("queues/in", list_id=ID, text=TEXT.replace("in_01", "in_00")).location.rsplit("/", 1)[1]
    until(lambda: rest.get("queues/out").body["files"] == [waits] and rest.get("queues/out").body["count"] == 1)
    served.cli("queue", "thaw")
    large = TEXT.replace("in_01", "in_02") + "".join(f"line {i}\r\n" for i in range(60000))
    assert rest.post("queues/in", list_id=LIST, text=large) == 201
    assert rest.post("queues/command", list_id=ID, text=TEXT.replace("in_01", "in_03")) == 201
    until(lambda: len(served.posts(LIST)) == 3)
    refused([
        (rest.post("queues/in", list_id="no.example.org", text=TEXT), 400, "No such list: no.example.org"),
        (rest.post("queues/in", list_id=ID), 400, "Missing Parameter: text"),
        (rest.post("queues/in", list_id=ID, text="no header at all"), 400, "The message has no header"),
        (rest.post("queues/bad", list_id=ID, text=TEXT), 400, "No message is taken for the queue bad"),
        (rest.post("queues/what", list_id=ID, text=TEXT), 404, "404 Not Found"),
        (rest.get("queues/what"), 404, "404 Not Found"),
        (rest.delete("queues/what/x"), 404, "No such queue: what"),
        (rest.delete("queues/in/x"), 404, "No such queue file: x"),
    ])


def parameters_of(path):
    return [word[1:-1] for word in path.split("/") if word.startswith("{")]


def test_openapi(served):
    """Every operation is described by what it takes, and is there."""
    rest = served.rest
    document = rest.get("openapi.json").body
    assert document["openapi"] == "3.1.0" and document["servers"] == [{"url": rest.base[:-1]}]
    assert len(document["paths"]) > 30
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"] and operation["responses"]["401"]
            given = {p["name"]: p for p in operation.get("parameters", [])}
            assert [p for p in given if given[p]["in"] == "path"] == parameters_of(path)
        got = rest("OPTIONS", path[1:].replace("{", "").replace("}", ""))
        assert int(got) == 200, path
    form = document["paths"]["/bans"]["post"]["requestBody"]
    assert form["required"] and form["content"]["application/json"]["schema"] == {
        "type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]}
    assert "self_link" not in json.dumps(document)
