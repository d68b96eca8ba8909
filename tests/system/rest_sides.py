"""The two sides of test_rest_differences.py: every step of rest_cases.py is done to Mailman, and to Postroad; what each
answers is kept, without what names the place where it runs."""
import base64
import dataclasses
import http.client
import json
import re
import urllib.parse

from peers_mailman import Mailman
from postroad import Lmtp, PySink, connects, free_port, until
import rest_cases  # noqa: F401
from rest_steps import DOMAIN, STEPS, Post

USER, KEY = "restadmin", "restpass"
RUNNERS = ("rest", "virgin")
SECTIONS = """
[devmode]
testing: yes

[webservice]
port: {port}
workers: 1
admin_user: {user}
admin_pass: {key}

[archiver.mail_archive]
enable: yes

[archiver.mhonarc]
enable: yes

[archiver.prototype]
enable: yes
"""
SCRIPT = f"""
from mailman.database.transaction import transaction
from mailman.interfaces.domain import IDomainManager
from zope.component import getUtility

with transaction():
    getUtility(IDomainManager).add({DOMAIN!r})
"""


@dataclasses.dataclass
class Seen:
    """An answer. headers: those of HEADERS that it has; body: parsed if it is JSON, text if it is not, None if empty."""
    status: int
    headers: dict
    body: object


HEADERS = ("content-type", "allow", "location", "www-authenticate")


class Asker:
    """Does the steps one after the other; what an answer named is filled into later paths and values."""

    def __init__(self, port, folder, deliver):
        self.port, self.folder, self.deliver = port, str(folder), deliver
        self.names = {}

    def fill(self, value):
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"<(\w+)>", lambda m: str(self.names.get(m[1], f"no-{m[1]}")), value)

    def plain(self, text):
        """Without host, port and folder."""
        for name in ("localhost", "127.0.0.1"):
            text = text.replace(f"http://{name}:{self.port}/", "http://HERE/")
        # a number within a digest (http_etag) may have the port's digits
        return re.sub(rf"(?<![0-9a-f]){self.port}(?![0-9a-f])", "PORT", text.replace(self.folder, "FOLDER"))

    def ask(self, step):
        path, body, headers = self.fill(f"/{step.version}/{step.path}"), step.raw, dict(step.headers)
        if step.auth:
            word = base64.b64encode(step.auth.encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        data = {name: self.fill(value) for name, value in step.data.items()}
        if data and step.method == "GET":
            path += "?" + urllib.parse.urlencode(data, doseq=True)
        elif data:
            body = json.dumps(data) if step.as_json else urllib.parse.urlencode(data, doseq=True)
        if body is not None:
            headers.setdefault("Content-Type", "application/json" if step.as_json else "application/x-www-form-urlencoded")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(step.method, urllib.parse.quote(path, safe="/%:@?&=+$^*!,;()'"), body, headers)
        got = connection.getresponse()
        text = self.plain(got.read().decode())
        connection.close()
        found = {name: self.plain(got.getheader(name)) for name in HEADERS if got.getheader(name) is not None}
        return Seen(got.status, found, parsed(text))

    def keep(self, step, seen):
        """What the step's answer names, for steps to come."""
        for name, way in step.keeps.items():
            value = seen.headers.get("location", "") if way == "location" else seen.body
            try:
                for word in way if isinstance(way, tuple) else ():
                    value = value[word]
            except (KeyError, IndexError, TypeError):
                continue
            if value not in (None, ""):
                self.names[name] = str(value).rpartition("/")[2]

    def through(self):
        """What is seen in each step; None where there is nothing to see."""
        answers = []
        for step in STEPS:
            if isinstance(step, Post):
                self.deliver(step)
                answers.append(None)
                continue
            answers.append(self.ask(step))
            self.keep(step, answers[-1])
        return answers


def parsed(text):
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def through_mailman():
    """The answers of one Mailman, and its log."""
    port = free_port()
    with PySink() as sink:
        peer = Mailman({}, sink.port, script=SCRIPT, runners=RUNNERS, sections=SECTIONS.format(port=port, user=USER, key=KEY))

        def deliver(step):
            with Lmtp(peer.port) as client:
                client.post(step.sender, [step.to], step.octets)
            until(lambda: not peer.waiting(), 120, "Mailman's queues to be empty")
        try:
            until(lambda: connects(port), 120, "Mailman's REST interface")
            return Asker(port, peer.folder, deliver).through()
        finally:
            peer.close()


def through_postroad(make):
    """The answers of one instance."""
    port = free_port()
    with PySink() as sink:
        post = make(relay=sink.port, settings={"http_listen": f"127.0.0.1:{port}"})
        # what lists come with where the tests do not say otherwise
        post.cli("list", "set", "all", "default_member_action=defer", "default_nonmember_action=hold")
        key = post.dir / "key"
        key.write_text(KEY)
        post.cli("key", "set", USER, "--key-from", key)
        post.start()
        until(lambda: connects(port), 60, "the HTTP port")

        def deliver(step):
            post.post(step.sender, step.to, step.octets)
            post.wait(60)
        return Asker(port, post.dir, deliver).through()
