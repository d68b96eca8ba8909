"""Messages that are hard on a mail system, and what may have been put on top of one when it arrives."""
import dataclasses
import re

HEAD = ("From: me@sender.example\r\nTo: news@example.org\r\nSubject: {subject}\r\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}@test.example>\r\n")
# The Message-ID as the names below; every one has its own, so that a mix-up shows.
EIGHT_BIT = "MIME-Version: 1.0\r\nContent-Type: {}\r\nContent-Transfer-Encoding: 8bit\r\n"
ALL_BUT_LINE_ENDS = bytes(set(range(1, 256)) - {10, 13})
TEXTS = {
    "plain": ("", b"hello\r\nworld\r\n"),
    "dots": ("", b".\r\n..\r\n.hidden\r\n \r\n.\r\n\r\n...\r\n"),
    "empty": ("", b""),
    "blank-end": ("", b"text with trailing blanks \t \r\n\r\n\r\n\r\n"),
    "from-lines": ("", b"From me to you\r\n>From quoted\r\n"),
    "latin1": (EIGHT_BIT.format("text/plain; charset=ISO-8859-1"), "Grüße aus Köln: äöüß\r\n".encode("latin-1")),
    "utf8-body": (EIGHT_BIT.format("text/plain; charset=UTF-8"), "Grüße, 你好, привет, 🐓\r\n.Grüße\r\n".encode()),
    "octets": (EIGHT_BIT.format("application/octet-stream"),
               ALL_BUT_LINE_ENDS + b"\r\n" + ALL_BUT_LINE_ENDS[::-1] + b"\r\n"),
    "long-lines": ("", b"x" * 998 + b"\r\n." + b"y" * 996 + b"\r\nshort\r\n"),
    "folded": ("X-Folded: one\r\n\ttwo \t\r\n   three\r\nX-Empty:\r\nX-No-Space:value\r\nx-CASE: Kept  as\tit is\r\n",
               b"folded\r\n"),
    "attachment": ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n",
                   b"preamble\r\n--=_b\r\nContent-Type: text/plain; charset=windows-1252\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\n\x80 100 \x96 ok\r\n--=_b\r\nContent-Type: text/x-patch\r\n"
                   b"Content-Disposition: attachment; filename=fix.patch\r\n\r\n-- \r\n\xff\xfe\x01\r\n--=_b--\r\n"
                   b"epilogue\r\n"),
    "large": ("", b"".join(b"%07d %s\r\n" % (i, b"-" * (i % 67)) for i in range(24000))),
}


def sample(name):
    """The message of that name; its Message-ID is <name@test.example>."""
    fields, body = TEXTS[name]
    return (HEAD.format(subject=name, id=name) + fields + "\r\n").encode() + body


def samples():
    """{name: octets} of all. One has 1 MB, so that it is staged in the store."""
    return {name: sample(name) for name in TEXTS}


def utf8_sample():
    """A message with UTF-8 in its header, which needs SMTPUTF8 (RFC 6532)."""
    return ("From: Jürgen <jürgen@sender.example>\r\nTo: Ünï <ünï@there.example>\r\nSubject: Grüße 你好\r\n"
            "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <utf8@test.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n"
            "\r\nÄrger mit Ümlauten\r\n").encode()


@dataclasses.dataclass
class Top:
    """The header fields that came on top of a message on its way."""
    octets: bytes

    @property
    def fields(self):
        """(name, value with single blanks) of each, in order."""
        lines = re.split(r"\r\n(?![ \t])", self.octets.decode())[:-1]
        return [(name, " ".join(value.split())) for name, value in (line.split(":", 1) for line in lines)]

    @property
    def names(self):
        return [name for name, _ in self.fields]

    def __getitem__(self, name):
        """The first value of a field; fails when there is none."""
        return next(value for n, value in self.fields if n.lower() == name.lower())

    def received(self, by):
        """The Received field that this host wrote."""
        found = [value for name, value in self.fields if name == "Received" and f" by {by} " in value]
        assert len(found) == 1, (by, self.fields)
        return found[0]


LIST_FIELDS = ["List-Id", "List-Help", "List-Owner", "List-Post", "List-Subscribe", "List-Unsubscribe", "Precedence"]
PEER_FIELDS = ["Return-Path", "Return-path", "Envelope-to", "Delivery-date", "X-Original-To", "Delivered-To",
               "Received", "Authentication-Results"]


# What a list never passes on: fields of other lists (RFC 2369: there is one of each), and what is not for members.
ENDS_HERE = re.compile(
    rb"(?i)(List-(Id|Help|Owner|Post|Subscribe|Unsubscribe|Unsubscribe-Post|Archive)|Archived-At|(Resent-)?Bcc|Urgent"
    rb"|(X-)?Approved?|Return-Receipt-To|Disposition-Notification-To|X-Confirm-Reading-To|X-PMRQC)[ \t]*:")


def raw_fields(posted):
    """(fields with their folds and line ends, what is behind them): a line that is no field ends them."""
    fields, rest = [], posted
    while True:
        line, found, behind = rest.partition(b"\n")
        if found and fields and line[:1] in (b" ", b"\t"):
            fields[-1] += line + found
        elif found and re.match(rb"[!-9;-~]+[ \t]*:", line):
            fields.append(line + found)
        else:
            return fields, rest
        rest = behind


def as_sent(posted):
    """A post as a list sends it that is told nothing."""
    fields, rest = raw_fields(posted)
    return b"".join(field for field in fields if not ENDS_HERE.match(field)) + rest


def list_fields(posted):
    """Names of the fields a list puts on top of it."""
    there = any(re.match(rb"(?i)Precedence[ \t]*:", field) for field in raw_fields(posted)[0])
    return [name for name in LIST_FIELDS if name != "Precedence" or not there]


def top(arrived, posted):
    """What is on top of `posted` in `arrived`; fails unless all of `posted` is there, octet by octet, and last; but for what
    ends at a list."""
    posted = posted if arrived.endswith(posted) else as_sent(posted)
    assert arrived.endswith(posted), (arrived[-len(posted) - 200:][:2000], "instead of", posted[:2000])
    got = Top(arrived[:len(arrived) - len(posted)])
    assert got.octets.endswith(b"\r\n"), got
    unknown = [name for name in got.names if name not in LIST_FIELDS + PEER_FIELDS]
    assert not unknown, got.fields
    return got


def crlf(octets):
    """A message kept with LF line ends, as it was on the wire."""
    assert b"\r\n" not in octets
    return octets.replace(b"\n", b"\r\n")
