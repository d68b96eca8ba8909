"""Texts of letters: of a list, a domain, the site, in the language of whom they go to, and from behind a URI."""
import base64
import email
import email.policy
import http.server
import threading

import pytest

import postroad
from postroad import message
from test_rest_people import KEY, Client

LIST = "news@example.org"
WELCOME, HOLD, REFUSE = "list:user:notice:welcome", "list:user:notice:hold", "list:user:notice:refuse"
HEADER, FOOTER = "list:member:regular:header", "list:member:regular:footer"


class Pages(http.server.ThreadingHTTPServer):
    """Texts by path: (status, octets, fields). Who asked with which authorization is noted."""

    def __init__(self):
        self.pages, self.asked = {}, []
        super().__init__(("127.0.0.1", 0), PageHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def uri(self, path):
        return f"http://localhost:{self.server_address[1]}{path}"


class PageHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        status, octets, fields = self.server.pages.get(self.path, (404, b"gone", {}))
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *args):
        pass


@pytest.fixture
def pages():
    server = Pages()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", "boss@far.example", "--archive", "none")
    post.cli("list", "set", LIST, "display_name=The News")
    return post


def give(news, scope, name, text, *options):
    news.cli("template", "set", scope, name, "-", *options, input=text)


def letters(news, sink, to):
    news.wait()
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def text_of(letter):
    return letter.get_content().replace("\r\n", "\n")


def join(news, sink, person, language=None):
    """The welcome letter: (subject, text)."""
    if language:
        news.cli("user", "add", person)
        news.cli("user", "set", person, f"preferred_language={language}")
    news.cli("member", "subscribe", LIST, person, "--verified", "--confirmed", "--approved")
    letter = letters(news, sink, person)[-1]
    return letter["Subject"], text_of(letter)


# ---- whose text ----

def test_the_nearest_scope_counts(news, sink):
    assert join(news, sink, "a@x.example")[0] == 'Welcome to the "The News" mailing list'
    give(news, "all", WELCOME, "Welcome $user_email, says the site, $unknown\n")
    assert join(news, sink, "b@x.example") == (
        'Welcome to the "The News" mailing list', "Welcome b@x.example, says the site, $unknown\n")
    give(news, "@example.org", WELCOME, "Subject: Hello $user_email\n\n$domain welcomes you.\n")
    assert join(news, sink, "c@x.example") == ("Hello c@x.example", "example.org welcomes you.\n")
    give(news, LIST, WELCOME, "Subject: Grüße\n\nTo $short_listname: ${list_id} -- $owner_email\n")
    assert join(news, sink, "d@x.example") == ("Grüße", "To news: news.example.org -- news-owner@example.org\n")
    assert news.cli("template", "show", LIST, WELCOME).startswith("Subject: Grüße\n\nTo $short")
    assert [(t["template"], t["language"], t["uri"]) for t in news.json("template", "ls", LIST)] == [(WELCOME, "", "")]
    news.cli("template", "remove", LIST, WELCOME)
    assert join(news, sink, "e@x.example")[0] == "Hello e@x.example"
    assert "no such text" in news.fails("template", "show", LIST, WELCOME, status=1)


def test_what_cannot_be_is_refused(news, tmp_path):
    assert f"is it {WELCOME}" in news.fails("template", "set", LIST, "list:user:notice:welcom", "-", status=2, input="x")
    assert "no language is called xx" in news.fails("template", "set", LIST, WELCOME, "-", "--language", "xx", status=2, input="x")
    news.fails("template", "set", LIST, WELCOME, "-", input="x" * 40000)
    news.fails("template", "set", "no@example.org", WELCOME, "-", status=1, input="x")
    path = tmp_path / "latin"
    path.write_bytes(b"\xfc")
    assert "UTF-8" in news.fails("template", "set", LIST, WELCOME, path, status=2)
    got = news.run("template", "set", LIST, WELCOME, "-", input="$listname $held_message_url")
    assert got.returncode == 0 and "no variable is called $held_message_url" in got.stderr and "listname" not in got.stderr


# ---- in whose language ----

def test_letters_are_in_the_language_of_whom_they_go_to(news, sink):
    subject, text = join(news, sink, "de@x.example", "de")
    assert subject == "Willkommen bei der Mailingliste »The News«" and "Zum Abmelden schreiben" in text
    assert join(news, sink, "en@x.example")[0].startswith("Welcome")
    news.cli("list", "set", LIST, "preferred_language=de")
    assert join(news, sink, "two@x.example")[0].startswith("Willkommen")
    assert join(news, sink, "three@x.example", "en")[0].startswith("Welcome")
    give(news, LIST, WELCOME, "Salut\n", "--language", "fr")
    assert join(news, sink, "fr@x.example", "fr")[1] == "Salut\n"
    assert join(news, sink, "four@x.example")[0].startswith("Willkommen")
    give(news, LIST, WELCOME, "Anybody\n")
    assert join(news, sink, "five@x.example")[1] == "Anybody\n"


def test_a_translation_is_imported(news, sink, tmp_path):
    exported = news.cli("template", "export", "fr")
    assert f"[{WELCOME}]\nSubject: Welcome to" in exported and "refuse post" not in exported and "words:" not in exported
    path = tmp_path / "fr"
    path.write_text(exported.replace("Welcome to the", "Bienvenue dans la").replace("Subject: Your message", "Subject: Votre message"))
    assert "fr: 22 letters" in news.cli("template", "import", "fr", path)
    assert news.cli("template", "export", "fr") == path.read_text()
    assert join(news, sink, "fr@x.example", "fr")[0].startswith("Bienvenue dans la")
    assert join(news, sink, "en@x.example")[0].startswith("Welcome")
    assert join(news, sink, "de@x.example", "de")[0].startswith("Willkommen")
    for text, why in (("[list:user:notice:x]\nx\n", "line 1"), (f"[{WELCOME}]\n", "no text"), ("x\n", "line 1"),
                      (f"[{WELCOME}]\na\n[{WELCOME}]\nb\n", "twice"), ("# nothing\n", "no section")):
        assert why in news.fails("template", "import", "fr", "-", status=2, input=text)


# ---- letters about held posts, headers and footers ----

def test_letters_about_held_posts(news, sink):
    news.cli("list", "set", LIST, "default_member_action=hold")
    join(news, sink, "de@x.example", "de")
    give(news, LIST, "list:admin:action:post", "Subject: look at $subject\n\n$sender_email: $reasons\n")
    news.post("de@x.example", LIST, message(sender="de@x.example", subject="hello"))
    held = letters(news, sink, "de@x.example")[-1]
    assert held["Subject"] == f"Ihre Nachricht an {LIST} wartet auf die Moderation" and "    hello\n" in text_of(held)
    told = letters(news, sink, "boss@far.example")[-1]
    assert told["Subject"] == "look at hello"
    assert told.get_body().get_content().startswith("de@x.example: ")
    number, = [row["id"] for row in news.json("held", "ls")]
    news.cli("held", "reject", number)
    refused = letters(news, sink, "de@x.example")[-1]
    assert refused["Subject"] == "Von der Mailingliste abgelehnt: »hello«"
    assert "Es wurde kein Grund genannt." in refused.get_body().get_content()
    give(news, LIST, REFUSE, "$request: $reason\n", "--language", "de")
    news.post("de@x.example", LIST, message(sender="de@x.example", subject="again"))
    news.wait()
    number, = [row["id"] for row in news.json("held", "ls")]
    news.cli("held", "reject", number, "--reason", "not here")
    assert letters(news, sink, "de@x.example")[-1].get_body().get_content().replace("\r\n", "\n") == "again: not here\n"


def test_header_and_footer_are_templates(news, sink):
    news.cli("member", "add", LIST, "a@x.example")
    news.cli("list", "set", LIST, "default_nonmember_action=accept")
    give(news, "all", HEADER, "above $listname\n")
    give(news, "@example.org", FOOTER, "-- \nbelow $display_name\n")

    def body():
        news.post("me@sender.example", LIST, message(id=None, body=f"text {len(sink.mails())}\r\n"))
        return text_of(letters(news, sink, "a@x.example")[-1])
    assert body() == f"above {LIST}\ntext 0\n-- \nbelow The News\n"
    news.cli("list", "set", LIST, "msg_footer=-")
    assert body() == f"above {LIST}\ntext 1\n"
    news.cli("list", "set", LIST, "msg_footer=set\n")
    assert body() == f"above {LIST}\ntext 2\nset\n"


# ---- by URI ----

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


def shown(p, scope=LIST, name=WELCOME):
    got = p.run("template", "show", scope, name, check=False)
    return got.stdout if got.returncode == 0 else None


def test_a_text_behind_a_uri(world, sink, pages):
    p, c = world
    pages.pages["/moved"] = (302, b"", {"Location": "/welcome"})
    pages.pages["/welcome"] = (200, "Subject: Grüße\r\n\r\nHello $user_email\r\n".encode(), {"Content-Type": "text/plain"})
    c.done("PATCH", f"lists/news.example.org/uris/{WELCOME}", **{WELCOME: pages.uri("/moved"), "username": "ada", "password": "s3:cret"})
    postroad.until(lambda: shown(p), 60, "the text")
    authorization = "Basic " + base64.b64encode(b"ada:s3:cret").decode()
    assert pages.asked == [("/moved", authorization), ("/welcome", authorization)]
    assert join(p, sink, "a@x.example") == ("Grüße", "Hello a@x.example\n")
    assert c.good(f"lists/news.example.org/uris/{WELCOME}")["uri"] == pages.uri("/moved")
    assert "ada" not in p.log and "s3:cret" not in p.log

    del pages.pages["/welcome"]  # the text that came stays, and is asked for again after a week, then each hour
    asked = len(pages.asked)
    p.clock("8d")
    postroad.until(lambda: "status 404" in p.log, 60, "the failure")
    assert len(pages.asked) == asked + 2
    assert join(p, sink, "b@x.example") == ("Grüße", "Hello b@x.example\n")
    pages.pages["/welcome"] = (200, "Grüße von Ada\n".encode("latin1"), {"Content-Type": "text/plain; charset=ISO-8859-1"})
    p.clock("61m")
    postroad.until(lambda: shown(p) == "Grüße von Ada\n", 60, "the new text")
    assert join(p, sink, "c@x.example")[1] == "Grüße von Ada\n"

    c.done("DELETE", f"lists/news.example.org/uris/{WELCOME}")
    assert shown(p) is None


def test_what_is_not_taken_from_a_uri(world, sink, pages, tmp_path):
    p, c = world
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    pages.pages["/file"] = (302, b"", {"Location": secret.as_uri()})
    pages.pages["/long"] = (200, b"x" * 100000, {})
    pages.pages["/nul"] = (200, b"a\0b", {})
    pages.pages["/loop"] = (302, b"", {"Location": "/loop"})
    places = {WELCOME: "/file", HOLD: "/long", REFUSE: "/nul", HEADER: "/loop"}
    for name, path in places.items():
        p.cli("template", "set", "all", name, pages.uri(path))
    c.done("PATCH", "uris", **{FOOTER: secret.as_uri()})
    postroad.until(lambda: p.log.count("template-not-fetched") == len(places), 60, "the failures")
    assert all(shown(p, "all", name) is None for name in (*places, FOOTER))
    assert join(p, sink, "a@x.example")[0].startswith("Welcome to")
    p.cli("template", "set", LIST, WELCOME, "mailman:///welcome.txt")
    p.cli("template", "set", "@example.org", WELCOME, "-", input="of the domain\n")
    assert join(p, sink, "b@x.example")[0].startswith("Welcome to")
