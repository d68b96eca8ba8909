"""The REST interface: Postroad beside GNU Mailman 3 as Debian has it, on a list of 5,000 members.

Both answer the same requests over one kept connection; each request is made by hand, so that no client library is measured.
"""
import base64
import contextlib
import http.client
import pathlib
import shutil
import statistics
import sys
import time

import compare
import postfix
from sides import BenchError, LIST, SENDER, Postroad

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import peers_mailman  # noqa: E402
import pytest  # noqa: E402

MEMBERS, BULK = 5000, 50000
LIST_ID = LIST.replace("@", ".")
USER, KEY = "restadmin", "restpass-of-the-bench"
WORD = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
WEB = """
[webservice]
port: {port}
admin_user: {user}
admin_pass: {key}
"""
# Name, path, how often in a turn, goal (Mailman's time / ours).
REQUESTS = (
    ("roster of 5,000", f"/3.1/lists/{LIST_ID}/roster/member", 1, 50),
    ("a page of 50 of it", f"/3.1/lists/{LIST_ID}/roster/member?count=50&page=40", 10, 10),
    ("memberships of one address", "/3.1/addresses/member7@d007.example/memberships", 20, None),
    ("a list", f"/3.1/lists/{LIST_ID}", 20, None),
)


class Web:
    """One kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path):
        self.connection.request("GET", path, headers={"Authorization": f"Basic {WORD}"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def milliseconds(self, path, times):
        begin = time.monotonic()
        for _ in range(times):
            self.get(path)
        return (time.monotonic() - begin) * 1000 / times


def measure(options, port):
    web = Web(port)
    deadline = time.monotonic() + 60
    while True:
        try:
            if f'"total_size": {MEMBERS}'.encode() in web.get(REQUESTS[1][1]):
                break
            raise BenchError("the list has not all its members")
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            web = Web(port)
            time.sleep(0.1)
    return {name: [web.milliseconds(path, times) for _ in range(options.rounds)] for name, path, times, _ in REQUESTS}


def by_mailman(options):
    port = postfix.free_port()
    try:
        peer = peers_mailman.Mailman({LIST: [SENDER, *compare.members(MEMBERS - 1)]}, postfix.free_port(), runners=("rest",),
                                     sections=WEB.format(port=port, user=USER, key=KEY))
    except pytest.skip.Exception as reason:
        raise BenchError(f"no Mailman: {reason}") from reason
    with contextlib.closing(peer):
        return measure(options, port)


def by_postroad(options, folder):
    port = postfix.free_port()
    side = Postroad(folder / "server", None, members=[SENDER, *compare.members(MEMBERS - 1)],
                    settings={"http_listen": f"127.0.0.1:{port}"})
    try:
        side.start()
        side._on("key", "set", USER, "--key-from", "-", text=KEY)
        found = measure(options, port)
        many = "".join(f"{m}\n" for m in (f"bulk{i}@d{i % 500:03}.example" for i in range(BULK)))
        bulk = []
        for n in range(options.rounds):
            side._on("list", "create", f"bulk{n}@{LIST.split('@')[1]}")
            begin = time.monotonic()
            side._on("member", "add", f"bulk{n}@{LIST.split('@')[1]}", "-", text=many)
            bulk.append(time.monotonic() - begin)
        return found, bulk
    finally:
        side.stop()


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def scene(options):
    folder = options.disk / "rest"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ours, bulk = by_postroad(options, folder)
    theirs = by_mailman(options)
    shutil.rmtree(folder, ignore_errors=True)
    lines = [f"## REST, on a list of {MEMBERS:,} members, beside Mailman 3", "",
             "Milliseconds a request over a kept connection.", "",
             "| | Postroad | Mailman | Mailman / Postroad | goal |", "|---|---|---|---|---|"]
    for name, _, _, goal in REQUESTS:
        ratio = statistics.median(theirs[name]) / statistics.median(ours[name])
        lines.append(f"| {name} | {spread(ours[name])} | {spread(theirs[name])} | {ratio:.0f} | {goal or ''} |")
        compare.say(f"rest: {name}: Postroad {statistics.median(ours[name]):.1f} ms, Mailman {statistics.median(theirs[name]):.1f} ms")
    lines += ["", f"{BULK:,} new members added by one call of `member add`: {spread(bulk)} s (goal: at most 3)."]
    compare.say(f"rest: {BULK:,} members added in {statistics.median(bulk):.1f} s")
    return lines
