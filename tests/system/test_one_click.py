"""One click to leave (RFC 8058): the address in a copy's List-Unsubscribe ends the membership by one POST, and by nothing
else."""
import email
import email.policy
import html.parser
import http.client
import re
import urllib.parse

import pytest

import postroad
from postroad import message, until

LIST = "news@example.org"
CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
           "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
           "Content-Type": "text/html; charset=utf-8"}
DONE, ASKED, UNKNOWN = "You have left the list", "Leave a mailing list", "This link is not valid"


class Page(html.parser.HTMLParser):
    """What a page has: elements, visible text, title, fields of its form. It must be well-formed."""

    VOID = {"meta", "input", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.fields, self.text, self.title, self.links = [], [], {}, "", "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append(tag)
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "input":
            self.fields[attrs["name"]] = attrs["value"]
        if tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.title += data if "title" in self.open else ""
        self.text += data if "body" in self.open else ""


class Site:
    def __init__(self, port):
        self.port = port

    def __call__(self, method, path, body=None, type=FORM, title=None):
        """(status, Page or None); its header is what it must be."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": type} if body is not None and type else {}
        c.request(method, path, body, headers)
        got = c.getresponse()
        octets = got.read()
        c.close()
        assert {name: got.getheader(name) for name in HEADERS} == HEADERS
        assert got.getheader("WWW-Authenticate") is None
        page = Page(octets.decode()) if octets else None
        if page:
            assert not {"script", "style", "link", "img", "iframe"} & set(page.elements)
            assert page.elements.count("h1") == 1 and page.title
        if title:
            assert page.title == title, (got.status, page.text)
        return got.status, page

    def get(self, path, **more):
        return self("GET", path, **more)

    def post(self, path, body=CLICK, **more):
        return self("POST", path, body, **more)


@pytest.fixture
def news(make, sink):
    """A running list whose copies offer one click: (instance, site)."""
    port = postroad.free_port()
    p = make(relay=sink, settings={"http_listen": f"127.0.0.1:{port}"})
    p.cli("list", "create", LIST, "--archive", "none")
    p.cli("list", "set", LIST, "unsubscribe_url=https://lists.example.org/unsubscribe", "unsubscription_policy=confirm_then_moderate",
          "display_name=All the news")
    p.start()
    until(lambda: postroad.connects(port), 30, "the HTTP port")
    return p, Site(port)


def send(p, to=LIST):
    with p.raw() as c:
        c.begin("guest@far.example", to)
        assert c.data(message(to=to)) == 250
    p.wait()


def link(sink, member):
    """The path in the last copy a member got."""
    copy = email.message_from_bytes(sink.to(member)[-1].octets, policy=email.policy.compat32)
    assert copy["List-Unsubscribe-Post"] == CLICK
    uri = re.match(r"<(https://[^>]*)>", copy["List-Unsubscribe"])[1]
    parts = urllib.parse.urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", "lists.example.org", "")
    return parts.path


def members(p, of=LIST):
    return sorted(row["address"] for row in p.json("member", "ls", of, "--role", "member"))


def test_a_click_ends_the_membership(news, sink):
    """Whatever the list's policy is; once. The next post has no copy for who left."""
    p, site = news
    p.cli("member", "add", LIST, "ada@x.example", "bo@y.example")
    send(p)
    path = link(sink, "ada@x.example")
    for method in "GET", "HEAD", "GET":
        status, page = site(method, path)
        assert status == 200 and (page is None) == (method == "HEAD")
    assert page.title == ASKED and page.fields == {"List-Unsubscribe": "One-Click"}
    assert "ada@x.example" in page.text and "All the news" in page.text and LIST in page.text
    assert page.elements.count("form") == page.elements.count("button") == 1
    assert members(p) == ["ada@x.example", "bo@y.example"]
    status, page = site.post(path, title=DONE)
    assert status == 200 and page.links == ["mailto:news-join@example.org"]
    assert members(p) == ["bo@y.example"]
    for _ in range(2):
        assert site.post(path, title=DONE)[0] == 200
    assert site.get(path, title=ASKED)[0] == 200
    ended = [row for row in p.json("member", "history", "ada@x.example") if row["event"] == "unsubscribed"]
    assert [row["detail"] for row in ended] == ["by=one-click"]
    send(p)
    copies = [mail for mail in sink.to("ada@x.example") if b"List-Post" in mail.octets]
    assert len(copies) == 1 and len(sink.to("bo@y.example")) == 2
    p.cli("member", "add", LIST, "ada@x.example")
    assert site.post(path, title=DONE)[0] == 200 and members(p) == ["bo@y.example"]


MULTIPART = "\r\n".join(("--b", 'Content-Disposition: form-data; name="List-Unsubscribe"', "", "One-Click", "--b--", ""))


def test_what_counts_as_a_click(news, sink):
    """Both kinds of forms; nothing else, however it is sent."""
    p, site = news
    p.cli("member", "add", LIST, "ada@x.example")
    send(p)
    path = link(sink, "ada@x.example")
    for body, kind in (("", FORM), ("x=y", FORM), ("List-Unsubscribe=no", FORM), ("List-Unsubscribe", FORM),
                       (CLICK, "multipart/form-data; boundary=b"), (MULTIPART, FORM), (MULTIPART.replace("One-", "Two-"), "multipart/form-data; boundary=b"),
                       (MULTIPART, "multipart/form-data; boundary=c"), (MULTIPART, "multipart/form-data"), ("\0\xff" * 100, FORM),
                       ('{"List-Unsubscribe": "One-Click"}', "application/json")):
        assert site.post(path, body.encode("latin-1"), type=kind, title=ASKED)[0] == 400, body
    for method in "PUT", "PATCH", "DELETE":
        assert site(method, path, CLICK)[0] == 405
    assert site.post(path, CLICK + "&" + "x" * 65536, title="This is too much")[0] == 413
    assert site.get(f"{path}?{CLICK}", title=ASKED)[0] == 200
    assert site.post(f"{path}?{CLICK}", "", title=ASKED)[0] == 400
    assert members(p) == ["ada@x.example"]
    for body, kind in ((MULTIPART, "multipart/form-data; boundary=b"), (MULTIPART, 'multipart/form-data; boundary="b"'),
                       (CLICK, None), (CLICK, FORM + "; charset=utf-8"), ("a=b&" + CLICK, FORM), ("List-Unsubscribe=One%2DClick", FORM)):
        assert site.post(path, body.encode(), type=kind, title=DONE)[0] == 200, (body, kind)
        assert members(p) == []
        p.cli("member", "add", LIST, "ada@x.example")


def test_a_wrong_key_tells_nothing(news, sink):
    """Of who is on which list, and of whether there is such a list."""
    p, site = news
    p.cli("member", "add", LIST, "ada@x.example", "bo@y.example")
    p.cli("list", "create", "other@example.org", "--archive", "none")
    p.cli("member", "add", "other@example.org", "ada@x.example")
    send(p)
    path = link(sink, "ada@x.example")
    start, key = path.rsplit("/", 1)
    assert len(key) == 32
    wrong = {f"{start}/{key[:-1]}{'01'[key[-1] == '0']}", f"{start}/{key[:-1]}", f"{start}/{key}0", f"{start}/", start,
             f"{start}/{key}/x", f"/{start}/{key}", f"/unsubscribe/{LIST}/bo@y.example/{key}", f"/unsubscribe/{LIST}/no@y.example/{key}",
             f"/unsubscribe/other@example.org/ada@x.example/{key}", f"/unsubscribe/no@example.org/ada@x.example/{key}",
             f"/unsubscribe//ada@x.example/{key}", f"/unsubscribe/{LIST}//{key}", "/unsubscribe/", "/unsubscribe/%00/%ff/%zz",
             f"/unsubscribe/{LIST}/ada@x.example%00/{key}", f"/unsubscribe/{LIST}/{'a' * 5000}@x.example/{key}",
             "/unsubscribe/" + "/" * 3000, f"/unsubscribe/{LIST}/ada@x.example/{'%30' * 32}"}
    pages = set()
    for path in sorted(wrong - {f"/{start}/{key}"}):
        for method, body in (("GET", None), ("POST", CLICK)):
            status, page = site(method, path, body)
            assert status == 404 and page.title == UNKNOWN, path
            pages.add(page.text)
    assert len(pages) == 1
    assert members(p) == ["ada@x.example", "bo@y.example"] and members(p, "other@example.org") == ["ada@x.example"]
    assert site.post(f"{start}/{key.upper()}", title=DONE)[0] == 200
    assert site.post(start.replace("news@", "NEWS@").replace("ada@", "Ada@") + f"/{key}", title=DONE)[0] == 200
    assert members(p) == ["bo@y.example"]
    p.cli("list", "delete", LIST)
    for method, body in (("POST", CLICK), ("GET", None)):
        status, page = site(method, f"{start}/{key}", body)
        assert status == 200 and LIST in page.text and not page.links


ODD = ["a+b/c@x.example", "o'neil&co@x.example", "100%25@x.example", "jürgen@x.example", "ειρηνη@x.example", "a#b?c=d@x.example",
       '"<b>no</b>"@x.example', "x@bücher.example"]


def test_addresses_of_all_kinds(news, sink):
    """Each member's own link is one path, whatever letters the address has; list and page show them as they are."""
    p, site = news
    p.cli("list", "create", "a+b/c@example.org", "--archive", "none")
    p.cli("list", "set", "a+b/c@example.org", "unsubscribe_url=https://lists.example.org/unsubscribe/")
    p.cli("member", "add", "a+b/c@example.org", *ODD)
    there = members(p, "a+b/c@example.org")
    assert len(there) == len(ODD)
    send(p, "a+b/c@example.org")
    for member in there:
        path = link(sink, member)
        assert path.isascii() and path.count("/") == 4, path
        status, page = site.get(path, title=ASKED)
        assert status == 200 and member in page.text and "a+b/c@example.org" in page.text and "b" not in page.elements
        status, page = site.post(path, title=DONE)
        assert status == 200 and page.links == ["mailto:a%2Bb%2Fc-join@example.org"]
        assert member not in members(p, "a+b/c@example.org")
    assert members(p, "a+b/c@example.org") == []


def test_names_are_text(news, sink):
    """What a list is called is shown, and is never more than text."""
    p, site = news
    hostile = '</title></strong><script>alert(1)</script>"\'&amp;\u202e<form action=//x>'
    p.cli("member", "add", LIST, "ada@x.example")
    p.cli("list", "set", LIST, f"display_name={hostile}", "description=<b>x</b>")
    send(p)
    path = link(sink, "ada@x.example")
    _, page = site.get(path, title=ASKED)
    assert page.elements.count("form") == 1 and "script" not in page.elements
    assert hostile in page.text
    _, page = site.post(path, title=DONE)
    assert hostile in page.text and "form" not in page.elements
