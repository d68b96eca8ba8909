"""What the crash tests share: a load with a log of what was acknowledged, and what must be true when all is over."""
import collections
import hashlib
import itertools
import json
import mailbox
import os
import pathlib
import re
import signal
import subprocess

import postroad

SOAK = bool(os.environ.get("POSTROAD_SOAK"))  # full size, `make soak`
LIST = "news@example.org"
MEMBERS = ("a@x.example", "b@x.example", "c@y.example")

# Every message of a load is this text under a Message-ID of its own, so its octets are known from its id alone.
TEXT = b"".join([
    b"From: Load <load@load.example>\r\nTo: news@example.org\r\nSubject: under load\r\n",
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\n",
    b"From here on every form that a road may spoil:\r\n.a dot\r\n..two\r\n>From quoted\r\n\r\n",
    *(b"line %d of a body of some kilobytes, to fill more than a page of the disk\r\n" % n for n in range(60))])


def octets_of(message_id):
    return b"Message-ID: <%s>\r\n" % message_id.encode() + TEXT


def sha256_of(message_id):
    return hashlib.sha256(octets_of(message_id)).hexdigest()


class Load:
    """A running postroad-load to one recipient. `acked` is the truth about what the server has promised."""
    numbers = itertools.count(1)

    def __init__(self, folder, instance, recipient, sessions=4, rate=100, reconnect=False, seconds=900):
        number = next(self.numbers)
        self.log = pathlib.Path(folder) / f"acked{number}"
        self.log.touch()
        text = self.log.with_name(f"text{number}")
        text.write_bytes(TEXT.replace(b"\r\n", b"\n"))
        command = [instance.build / "bench/postroad-load", "-c", f"127.0.0.1:{instance.port}", "-s", sessions,
                   "-t", seconds, "--rate", rate, "-T", recipient, "-a", self.log, "-p", f"{os.getpid()}-{number}",
                   "--file", text, "--retry-connect", "--tolerate", "--json", *(["-R"] if reconnect else [])]
        self.recipient = recipient
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=instance.environment())

    def position(self):
        """How far the log is now; everything up to there was acknowledged before this call."""
        return self.log.stat().st_size

    def acked(self, position=None):
        """The Message-IDs acknowledged, up to a position."""
        return self.log.read_bytes()[:position].decode().splitlines()

    def stop(self):
        """End it; its report."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, (self.process.returncode, out, err)
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def wait_for_more(loads, count):
    """Until `count` more messages have been acknowledged: the unit of time of these tests."""
    def number():
        return sum(len(load.acked()) for load in loads)
    wanted = number() + count
    postroad.until(lambda: number() >= wanted, 60, f"{count} more acknowledged messages")


def make_list(instance, members=MEMBERS):
    instance.cli("list", "create", LIST, "--owner", "boss@example.net")
    instance.cli("member", "add", LIST, "-", input="".join(f"{m}\n" for m in members))


def arrivals(mails):
    """{(Message-ID, recipient): how often it came}. Every one must be the octets that were posted."""
    found = collections.Counter()
    for mail in mails:
        message_id = postroad.message_id(mail.octets)
        if message_id.startswith("load-"):
            assert mail.octets.endswith(b"\r\n" + octets_of(message_id)), f"{message_id} has changed"
        for recipient in mail.recipients:
            found[message_id, recipient] += 1
    return found


def missing(found, wanted):
    """Those of `wanted` [(Message-ID, recipients)] that did not arrive."""
    return [(i, r) for i, recipients in wanted for r in recipients if not found[i, r]]


def _decode(entry):
    """An mboxrd entry as the octets with CRLF line ends it came from."""
    head, rest = entry.split(b"\n", 1)
    assert head.startswith(b"From ") and rest.endswith(b"\n\n"), entry[:200]
    return re.sub(rb"(?m)^>(>*From )", rb"\1", rest[:-1]).replace(b"\n", b"\r\n")


def read_archive(instance, mailing_list=LIST):
    """[(UID, Message-ID)] of a list's archive. Asserts that journal and mbox files agree to the last octet."""
    folder = instance.archive(mailing_list)
    if not folder.exists():
        return []
    posts = []
    ends = collections.Counter()
    files = {path.stem: path.read_bytes() for path in folder.glob("*.mbox")}
    for line in instance.json("archive", "ls", mailing_list):
        month, offset, length = line["month"], line["offset"], line["length"]
        assert offset == ends[month], (line, ends)
        ends[month] = offset + length
        octets = _decode(files[month][offset:offset + length])
        assert hashlib.sha256(octets).hexdigest() == line["sha256"], line
        posts.append((line["uid"], postroad.message_id(octets)))
    assert {month: len(data) for month, data in files.items()} == dict(ends), "octets behind the journal's last line"
    boxes = [mailbox.mbox(path, create=False) for path in sorted(folder.glob("*.mbox"))]
    assert [m["Message-ID"] for box in boxes for m in box] == [f"<{i}>" for _, i in posts]
    assert [uid for uid, _ in posts] == sorted({uid for uid, _ in posts}), "a UID twice, or out of order"
    assert len({i for _, i in posts}) == len(posts), "a post twice in the archive"
    return posts
