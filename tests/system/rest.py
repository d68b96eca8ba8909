"""A program that manages an instance over its REST interface."""
import base64
import http.client
import json
import urllib.parse

from postroad import free_port, until


class Answer(int):
    """The status, with what came with it."""

    def __new__(cls, status, headers, body):
        self = super().__new__(cls, status)
        self.headers, self.location = headers, headers["location"]
        self.body = json.loads(body) if body else None
        return self

    @property
    def said(self):
        return self.body["description"]

    @property
    def entries(self):
        """Of a collection, without what names a version of them."""
        return [{k: v for k, v in entry.items() if k != "http_etag"} for entry in self.body.get("entries", [])]


class Rest:
    """A program with a key."""

    def __init__(self, port, key):
        self.base = f"http://127.0.0.1:{port}/3.1/"
        self.port, self.key = port, base64.b64encode(key.encode()).decode()
        self.name, _, self.secret = key.partition(":")

    def __call__(self, method, path, version="3.1", **given):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Basic {self.key}", "Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(given, doseq=True)
        if method == "GET" and body:
            path, body = f"{path}?{body}", ""
        connection.request(method, f"/{version}/{path}", body, headers)
        got = connection.getresponse()
        answer = Answer(got.status, got.headers, got.read())
        connection.close()
        return answer

    def get(self, path, **given):
        return self("GET", path, **given)

    def post(self, path, **given):
        return self("POST", path, **given)

    def patch(self, path, **given):
        return self("PATCH", path, **given)

    def put(self, path, **given):
        return self("PUT", path, **given)

    def delete(self, path, **given):
        return self("DELETE", path, **given)


def refused(answers):
    """Rows of (answer, status, text)."""
    for got, status, text in answers:
        assert (int(got), got.said) == (status, text), got.body


def serve(make, name="rest", key="rest-password", **options):
    """A running instance (options as of `make`) whose `rest` is a program with a key to it."""
    port = free_port()
    post = make(**{**options, "settings": {"http_listen": f"127.0.0.1:{port}", **options.get("settings", {})}})
    post.start()
    file = post.dir / "key"
    file.write_text(key)
    post.cli("key", "set", name, "--key-from", str(file))
    until(lambda: " httpd listening " in post.log, 30, "the HTTP port")
    post.rest = Rest(port, f"{name}:{key}")
    return post
