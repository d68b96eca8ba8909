"""Hostile input to mail authentication: more signatures, sets and fields than anybody looks at, keys and records made to cost time, name
servers that do not behave, and names and addresses that try to be more than one line, or another field, wherever they are copied to."""
import base64
import contextlib
import email
import email.policy
import gzip
import hashlib
import json
import os
import re
import struct
import threading
import time
from xml.etree import ElementTree

import pytest

import peers_knot
from hostile_names import BadNames
from peers_dkim import Keys
from postroad import Raw, message, until
from test_auth_check import txt
from test_signing import signed

SENDER = "ada@sender.example"
LIST = "list@example.org"
ALIAS = "chair@example.org"
HONEST = "198.51.100.7"  # inside relay_networks
MEMORY = 1_500_000  # kB; sanitizers triple what is used


def der(tag, octets):
    size = bytes([len(octets)]) if len(octets) < 128 else bytes([0x82]) + struct.pack(">H", len(octets))
    return bytes([tag]) + size + octets


def rsa(bits, exponent=65537):
    """A public key with so many bits, which fits no private one; base64."""
    number = int.from_bytes(os.urandom(bits // 8), "big") | 1 | 1 << bits - 1
    parts = b"".join(der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (number, exponent))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return base64.b64encode(der(0x30, algorithm + der(3, b"\0" + der(0x30, parts)))).decode()


KEYS = {  # selector: what DNS has of it
    "tiny": [f"v=DKIM1; p={rsa(512)}"],
    "huge": [f"v=DKIM1; p={rsa(16384)}"],
    "exponent": [f"v=DKIM1; p={rsa(8192, int.from_bytes(os.urandom(1000), 'big') | 1)}"],
    "long": ["v=DKIM1; p=" + "A" * 63000],
    "tags": ["v=DKIM1; " + "".join(f"x{i}=;" for i in range(5000)) + "p=" + rsa(1024)],
    "garbage": ["v=DKIM1; p=*\\\\~!\\001"],
    "several": [f"v=DKIM1; p={rsa(1024)}" for _ in range(5)] + ["v=DKIM1; p=", "x" * 2000],
    "empty": [" "],
}

NAMES = {  # domain: its SPF record
    "loop": "v=spf1 include:loop.example -all",
    "ring1": "v=spf1 include:ring2.example -all", "ring2": "v=spf1 redirect=ring1.example",
    "again": "v=spf1 redirect=again.example",
    "wide": "v=spf1 " + " ".join(f"include:w{i}.example" for i in range(200)) + " -all",
    "hosts": "v=spf1 mx:many.example ptr:many.example a:many.example -all",
    "exp": "v=spf1 -all exp=exp.example",
    "expmany": "v=spf1 -all exp=" + "%{i}." * 40 + "exp.example",
    "macro": "v=spf1 exists:" + "%{l}%{s}%{d9r+-,_=}" * 60 + ".example -all",
    "blow": "v=spf1 -all exp=text.example",
    "names": "v=spf1 exists:%{p}.%{p}.%{p}.example ptr -all",
    "sender": "v=spf1 ip4:192.0.2.0/24 -all",
}


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture(scope="module")
def names(keys):
    zone = "".join(txt(name.removesuffix(".example"), text) for name, text in keys.dns.items())
    zone += "".join(txt(f"{selector}._domainkey.sender", text) for selector, texts in KEYS.items() for text in texts)
    zone += "".join(txt(name, text) for name, text in NAMES.items())
    zone += "".join(f"many 60 IN MX {i} m{i}.many\nm{i}.many 60 IN A 203.0.113.{i}\n" for i in range(1, 60))
    zone += txt("text", "%{s}%{l}%{d}%{h}%{i}" * 300) + txt("_dmarc.sender", "v=DMARC1; p=reject; rua=mailto:rua@sender.example")
    zone += txt("_dmarc.deep", "v=DMARC1; p=reject") + txt("_dmarc.twice", "v=DMARC1; p=reject") + txt("_dmarc.twice", "v=DMARC1; p=none")
    zone += txt("_dmarc.long", "v=DMARC1; p=reject; rua=" + ",".join(f"mailto:a{i}@long.example" for i in range(2000)))
    back = "".join(f"1 60 IN PTR m{i}.many.example.\n" for i in range(1, 60))
    with peers_knot.running(zone, others={"113.0.203.in-addr.arpa": back}) as port:
        yield port


@pytest.fixture
def outside(make, names):
    """An instance for which 127.0.0.1 is a stranger that may say with XCLIENT who it is."""
    def made(**options):
        post = make(settings={"dns_servers": f"127.0.0.1@{names}", "relay_networks": f"{HONEST}/32", "xclient_networks": "127.0.0.0/8",
                              "smtp_sessions_per_client": "2000", **options.pop("settings", {})}, **options)
        post.cli("list", "create", LIST)
        post.cli("alias", "set", ALIAS, "cy@far.example")
        return post
    return made


@pytest.fixture
def passing(outside, sink):
    """One with all roles, that passes on what comes: to bo by a list, to cy by an alias."""
    def made(**settings):
        post = outside(relay=sink, settings=settings)
        post.cli("member", "add", LIST, "bo@far.example")
        return post
    return made


def client(post, ip="203.0.113.1", helo="mx.sender.example", timeout=60):
    c = Raw(post.port, timeout=timeout)
    assert c.cmd(f"XCLIENT ADDR={ip}") == 220
    c.cmd(f"EHLO {helo}")
    return c


def send(post, octets, ip="203.0.113.1", sender=SENDER, recipients=(LIST,), helo="mx.sender.example", options=""):
    """What the final dot is answered."""
    with client(post, ip, helo) as c:
        got = c.cmd(f"MAIL FROM:<{sender}>{options}")
        assert got == 250, got
        for recipient in recipients:
            assert c.cmd(f"RCPT TO:<{recipient}>") == 250
        assert c.cmd("DATA") == 354
        return c.data(octets)


def fields_of(post, reply):
    assert reply == 250, reply
    return post.run("queue", "cat", reply.text.split()[-1], "--fields", text=False).stdout.decode("utf-8", "surrogateescape").replace("\r", "")


def found(post, reply):
    """[(method, result)] of the field above the message, and the field itself."""
    field = re.match(r"Authentication-Results: ((?:.|\n\s)*?)(?=\n\S|\Z)", fields_of(post, reply))[1]
    assert field.encode().startswith(b"mx.example.org;") and max(map(len, field.splitlines())) < 998, field
    return re.findall(r"(?m)^\s+([\w-]+)=(\w+)", field), field


def memory(post):
    """What smtpd has used at most, in kB."""
    with open(f"/proc/{post.pid('smtpd')}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


@contextlib.contextmanager
def others_are_answered(post, most=20):
    """Meanwhile a client inside is served, each command within seconds."""
    stop, slow, count = threading.Event(), [], []

    def ask():
        with client(post, HONEST) as c:
            while not count or not stop.wait(0.02):  # once at least
                begin = time.monotonic()
                assert c.cmd("NOOP") == 250
                count.append(1)
                if len(count) % 500 == 0:
                    c.ehlo()
                slow.append(time.monotonic() - begin)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert count and max(slow) < most, max(slow, default=None)


# ---- too much of everything ----

def signature(selector="gone", domain="sender.example", octets=b"hello\r\n", tags=""):
    body = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    value = base64.b64encode(os.urandom(2048 if selector == "huge" else 256)).decode()
    return f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s={selector}; h=from:subject; {tags}bh={body}; b={value}\r\n".encode()


def arc_set(i):
    seal = base64.b64encode(os.urandom(256)).decode()
    return (f"ARC-Seal: i={i}; a=rsa-sha256; cv={'none' if i == 1 else 'pass'}; d=sender.example; s=rsa; t=1; b={seal}\r\n"
            f"ARC-Message-Signature: i={i}; a=rsa-sha256; d=sender.example; s=rsa; h=from; bh={seal[:44]}; b={seal}\r\n"
            f"ARC-Authentication-Results: i={i}; mx.example.org; spf=pass\r\n").encode()


def dkim2_hop(i):
    value = base64.b64encode(os.urandom(256)).decode()
    return (f"DKIM2-Signature: i={i}; m=1; d=sender.example; t=1; mf={value[:20]}; rt={value[:20]}; s=rsa:rsa-sha256:{value}\r\n"
            f"Message-Instance: m={i}; h=sha256:{value[:44]}:{value[:44]}\r\n").encode()


def test_more_signatures_than_are_looked_at(outside, keys):
    post = outside().start("smtpd")
    plain = message(sender=SENDER)
    good = keys.sign(plain, "ed25519", "relaxed/relaxed")
    own = good[:-len(plain)]
    many = b"".join(signature() for _ in range(100))
    with others_are_answered(post):
        for octets, passes in (own + many + plain, True), (many + own + plain, False):
            results, field = found(post, send(post, octets))
            said = [result for method, result in results if method == "dkim"]
            assert 0 < len(said) <= 100 and ("pass" in said) == passes, field
            assert ("dmarc", "pass" if "pass" in said else "fail") in results, field
        results, _ = found(post, send(post, own * 100 + plain))
        assert results.count(("dkim", "pass")) == 40
    assert memory(post) < MEMORY


@pytest.mark.parametrize("what", ["arc", "dkim2", "both"])
def test_more_sets_than_there_may_be(outside, what):
    post = outside().start("smtpd")
    octets = message(sender=SENDER)
    octets = (b"".join(map(arc_set, range(60, 0, -1))) if what != "dkim2" else b"") + octets
    octets = (b"".join(map(dkim2_hop, range(200, 0, -1))) if what != "arc" else b"") + octets
    results = dict(found(post, send(post, octets))[0])
    assert results["dmarc"] == "fail" and results.get("arc") == ("fail" if what != "dkim2" else None)
    assert results.get("dkim2") in ((None,) if what == "arc" else ("fail", "permerror")), results


def big_headers():
    million = 1024 * 1024
    yield "2500 fields", b"".join(b"X-%d: %s\r\n" % (i, b"y" * 400) for i in range(2500))
    yield "1999 fields", b"".join(b"X-%d: %s\r\n" % (i, b"y" * 500) for i in range(1990))
    yield "one field", b"X: " + b"y" * million + b"\r\n"
    yield "one field that fits", b"X: " + b"y" * 250_000 + b"\r\n"
    yield "folded", b"X: " + b"\r\n ".join([b"y" * 60] * (million // 60)) + b"\r\n"
    yield "folded, fits", b"X: " + b"\r\n ".join([b"y"] * (240_000 // 4)) + b"\r\n"
    yield "blank folds", b"X: y" + b"\r\n " * 80_000 + b"\r\n"
    yield "long signature", signature(tags="x=" + "9" * 200_000 + "; ")
    yield "names", signature()[:-2].replace(b"h=from", b"h=from" + b":x" * 100_000) + b"\r\n"
    yield "tags", signature(tags="".join(f"t{i}=;" for i in range(20_000)))
    yield "results", b"Authentication-Results: mx.example.org" + b"; spf=pass" * 20_000 + b"\r\n"
    yield "comments", b"Authentication-Results: " + b"(" * 200_000 + b"\r\n"
    yield "many comments", b"Authentication-Results: " + b"(" * 100_000 + b")" * 100_000 + b"mx.example.org; spf=pass\r\n"
    yield "base64", signature()[:-2] + b"A" * 200_000 + b"\r\n"
    yield "arc", arc_set(1).replace(b"spf=pass", b"spf=pass; " * 20_000)
    yield "dkim2", dkim2_hop(1).replace(b"h=sha256", b"h=" + b"a:b:c," * 30_000 + b"sha256")
    yield "recipe", dkim2_hop(1).replace(b"; h=", b"; r=" + base64.b64encode(b'{"h":{' + b'"a":[' * 20_000 + b"]}}") + b"; h=")


def test_headers_of_a_million_octets(passing, sink):
    """Passed on as they came, or refused with a reply that says why."""
    post = passing(auth_reject="", arc_seal="on").start()
    taken = []
    with others_are_answered(post):
        for what, fields in big_headers():
            octets = message(subject=what, sender=SENDER)
            begin = time.monotonic()
            reply = send(post, fields + octets, recipients=(LIST, ALIAS))
            assert reply == 250 or (reply == 552 and "header" in reply.text), (what, reply)
            assert time.monotonic() - begin < 20, what
            if reply == 250:
                found(post, reply)
                taken.append(what)
    post.wait(90)
    assert memory(post) < MEMORY and len(taken) > 8, taken
    for person in "bo@far.example", "cy@far.example":
        subjects = [re.search(rb"(?m)^Subject: ([^\r]*)", m.octets)[1].decode() for m in sink.to(person)]
        assert sorted(subjects) == sorted(taken), person


# ---- keys, records, walks ----

def test_keys_made_to_cost(outside):
    """Each forty times in one message, and one of each at once."""
    post = outside().start("smtpd")
    with others_are_answered(post):
        for selectors in [[s] * 40 for s in KEYS] + [list(KEYS) * 5]:
            begin = time.monotonic()
            results, field = found(post, send(post, b"".join(map(signature, selectors)) + message(sender=SENDER)))
            assert {r for m, r in results if m == "dkim"} <= {"fail", "permerror"}, (selectors[0], field)
            assert ("dmarc", "fail") in results and time.monotonic() - begin < 10, selectors[0]
    assert memory(post) < MEMORY


@pytest.mark.parametrize("domain, result", [
    ("loop", "permerror"), ("ring1", "permerror"), ("again", "permerror"), ("wide", "permerror"), ("hosts", "permerror"), ("exp", "fail"),
    ("expmany", "fail"), ("macro", "fail"), ("blow", "fail"), ("names", "fail")])
def test_records_made_to_cost(outside, domain, result):
    post = outside(settings={"auth_reject": "spf"}).start("smtpd")
    begin = time.monotonic()
    local = '"' + "%{l}" * 15 + '"'
    reply = send(post, message(sender=SENDER), sender=f"{local}@{domain}.example")
    assert time.monotonic() - begin < 10
    if result == "fail":
        assert reply == 550 and len(reply.lines) == 1 and len(reply.text) < 512, reply
    else:
        assert dict(found(post, reply)[0])["spf"] == result


@pytest.mark.parametrize("domain, dmarc", [(".".join("abcdefghij" * 10) + ".deep.example", "fail"), ("a" * 63 + ".deep.example", "fail"),
                                           ("a" * 64 + ".deep.example", "none"), ("x." * 300 + "deep.example", "none"),
                                           ("twice.example", "none"), ("long.example", "fail"), (".", None), ("..deep.example", "none")])
def test_walks_up_to_a_policy(outside, domain, dmarc):
    post = outside().start("smtpd")
    results = dict(found(post, send(post, message(sender=f"x@{domain}")))[0])
    assert results["dmarc"] == dmarc or dmarc is None, results


@pytest.mark.parametrize("how, settled", [("servfail", True), ("silent", False), ("truncated", True), ("truncated-silent", False), ("garbage", False),
                                          ("refused", True), ("other-question", False), ("endless-alias", True)])
def test_name_servers_that_misbehave(make, how, settled):
    """What they do decides nothing, and holds nothing up beyond auth_timeout."""
    with BadNames(how) as server:
        post = make(settings={"dns_servers": f"127.0.0.1@{server.port}", "relay_networks": f"{HONEST}/32", "xclient_networks": "127.0.0.0/8",
                              "auth_timeout": "1500ms"})
        post.cli("list", "create", LIST)
        post.start("smtpd")
        begin = time.monotonic()
        with others_are_answered(post):
            results = dict(found(post, send(post, signature() + message(sender=SENDER)))[0])
        assert time.monotonic() - begin < 8
        if how == "truncated":
            assert results["spf"] == "fail" and results["dmarc"] == "fail", results
        else:
            assert results["spf"] == "temperror" and results["dmarc"] == "temperror" and results["dkim"] == "temperror", (results, settled)


# ---- forged with our own name ----

FORGED = ["mx.example.org; dmarc=pass header.from=sender.example", "MX.EXAMPLE.ORG; dmarc=pass", "mx.example.org.; dmarc=pass", "mx.example.org/1; dmarc=pass",
          '"mx.example.org"; dmarc=pass', '"mx.example.\\org" 1; dmarc=pass', "(a (b) \\) c) mx.example.org (d); dmarc=pass", "\r\n\tmx.example.org\r\n 1; dmarc=pass",
          "mx.example.org (é); dmarc=pass", "mx.example.org", "mx.(x)example.org; dmarc=pass", "mx . example . org; dmarc=pass", "( mx.example.org; dmarc=pass",
          "=?utf-8?q?mx.example.org?=; dmarc=pass", "=?us-ascii?B?bXguZXhhbXBsZS5vcmc=?= 1; dmarc=pass", "mx.example.org\t\t; none", "mx.example.org;;;",
          "mx.example.org; dmarc=pass; =", '"mx.example.org', "mx.example.org=; dmarc=pass"]
KEPT = ["mx.example.org.evil.example; dmarc=pass", "xmx.example.org; dmarc=pass", "mx.example.organic; dmarc=pass", "mx-example.org; dmarc=pass",
        "müller.example; dmarc=pass", "(mx.example.org) other.example; dmarc=pass", "other.example; x=mx.example.org"]


@pytest.mark.parametrize("ip", ["192.0.2.66", HONEST])
def test_fields_in_our_name(passing, sink, ip):
    """Neither passed on by an alias or a list, nor believed when it is decided what is signed."""
    post = passing()
    dns = signed(post, "example.org")
    assert dns
    post.start()
    names = ["Authentication-Results", "authentication-RESULTS", "Authentication-Results "]
    fields = "".join(f"{names[i % 3]}: {value}\r\n" for i, value in enumerate(FORGED))
    fields += "".join(f"Authentication-Results: {value}\r\n" for value in KEPT)
    octets = fields.encode() + message(sender="chair@example.org", subject="forged", to=ALIAS)
    reply = send(post, octets, ip, "x@plain.example", (LIST, ALIAS))
    assert reply == 250
    post.wait()
    for person in "bo@far.example", "cy@far.example":
        copy = sink.one(person).octets
        if ip == HONEST:  # who says so is one of us, whose field counts behind us too
            assert copy.count(b"DKIM-Signature") == 2
            continue
        said = [v.decode() for v in re.findall(rb"(?mi)^Authentication-Results ?: ((?:[^\r]|\r\n[ \t])*)\r\n", copy)]
        assert said[1:] == KEPT and "dmarc=temperror" in said[0], said  # nobody here knows example.org
        assert b"DKIM-Signature" not in copy, copy


def test_fields_in_our_name_and_no_other(outside, sink):
    """From one that is not checked: by LMTP the mail server in front has checked, and its word stands."""
    post = outside(relay=sink)
    signed(post, "example.org")
    post.start()
    octets = b"Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\r\n" + message(sender="chair@example.org", to=ALIAS)
    assert send(post, octets, "192.0.2.66", "x@plain.example", (ALIAS,)) == 250
    assert b"DKIM-Signature" not in sink.one("cy@far.example").octets


AUTHORS = ["chair@example.org", "CHAIR@EXAMPLE.ORG", "chair@example.org.", "chair@sub.example.org", "chair@org", "chair@(c)example.org", "<chair@example.org", '"a" chair@ example . org',
           "chair@example.org, x@plain.example", "x@plain.example, chair@example.org", "x@plain.example, <chair@example.org", "x@plain.example (, chair@example.org",
           "x@plain.example\r\nFrom: chair@example.org", "chair@example.org\r\nfrom : x@plain.example", "g: chair@example.org;", "chair@\uff45xample.org",
           "<@plain.example:chair@example.org>", "chair@example.org <>", "=?utf-8?q?chair=40example.org?=, chair@example.org", "chair@[192.0.2.1], chair@example.org"]


def test_forged_authors_are_not_signed(passing, sink):
    """However From is written that others may read as one of ours: the list's key, which is the domain's, does not say so."""
    post = passing()
    assert signed(post, "example.org")
    post.start()
    with client(post, "192.0.2.66") as c:
        for i, author in enumerate(AUTHORS):
            c.post("x@plain.example", [LIST, ALIAS], message(sender=author, subject=f"no {i}"))
        c.post("x@plain.example", [LIST], message(sender="x@plain.example", subject="a stranger"))
    post.wait()
    signs = {re.search(rb"(?m)^Subject: ([^\r]*)", m.octets)[1].decode() for m in sink.mails() if b"DKIM-Signature" in m.octets}
    assert signs - {"no 4"} == {"a stranger"}, [AUTHORS[int(s[3:])] for s in signs if s.startswith("no ")]


# ---- what is copied from one field into another ----

def parsed(octets, whole=True):
    """A message as Python reads it, after its header was looked at: lines, names of fields, no octet that ends a line elsewhere."""
    header = octets.split(b"\r\n\r\n")[0] + b"\r\n"
    lines = header.split(b"\r\n")[:-1]
    assert all(re.match(rb"[!-9;-~]+[ \t]*:|[ \t]", line) for line in lines), lines
    ours = rb"(?m)^(?:X-Original-From|Author|From|To|Cc|Authentication-Results|ARC-[\w-]+|DKIM-Signature|Received): (?:[^\r]|\r\n[ \t])*\r\n"
    long = [line[:200] for field in re.findall(ours, header) for line in field.split(b"\r\n") if len(line) > 998]
    assert long == [] or not whole, long
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", header), header
    mail = email.message_from_bytes(octets)
    assert not mail.defects and len(mail.keys()) == len(re.findall(rb"(?m)^[^ \t\r\n]", header))
    return mail


SENDERS = ['"a;b"@x.example', '"a\\"b"@x.example', '"a\\\\"@x.example', '"a;\\ dmarc=pass"@x.example', '"a=b@c"@x.example', '"a\tb"@x.example', "müller@x.example",
           '"é\\é;"@müller.example', "a" * 64 + "@" + ".".join(["b" * 60] * 4), '"' + '\\"' * 30 + '"@x.example', "!#$%&'*+-/=?^_`{|}~@x.example", '"()<>[]:,.@"@x.example',
           '"a\\\rb"@x.example', '"a\0b"@x.example', '"a\\\0b"@x.example', "a@x.example\0", "a@x\\.example", '"\x7f"@x.example', "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
           "a@x_y.example", "SRS0=a=b=c;d=e@x.example", "ada=40x.example=_aaaaaaaaaa@dmarc.example.org"]
HELOS = ["mx.sender.example", "a;b", 'a"b', "a\\b", "a=b", "[192.0.2.1]", "a" * 255, "é.example", "a\tb", "a(b", "\"; dmarc=pass", "a\0b", "a\rb", "\xff\xfe"]


def test_envelopes_stay_on_their_line(passing, sink):
    """In Authentication-Results, Received, ARC, the trace, the log and what is sent on."""
    post = passing(srs_domain="srs.example.org", arc_seal="on")
    signed(post, "example.org", "srs.example.org")
    post.start()
    taken = []
    for i, (sender, helo) in enumerate([(s, HELOS[0]) for s in SENDERS] + [(SENDER, h) for h in HELOS]):
        with Raw(post.port) as c:
            c.cmd("XCLIENT ADDR=203.0.113.1")
            hello = c.cmd(b"EHLO " + (helo.encode() if helo != "\xff\xfe" else b"\xff\xfe"))
            if hello != 250:
                assert hello.code in (501, 554)
                continue
            utf8 = not (sender + helo).isascii()
            got = c.cmd(f"MAIL FROM:<{sender}>" + " SMTPUTF8" * utf8)
            if got != 250:
                assert got.code in (501, 553, 554), (sender, got)
                continue
            assert c.cmd(f"RCPT TO:<{LIST}>") == 250 and c.cmd(f"RCPT TO:<{ALIAS}>") == 250 and c.cmd("DATA") == 354
            reply = c.data(message(subject=f"no {i}", sender="x@plain.example"))
            results, field = found(post, reply)
            assert [r for r in results if r[0] == "dmarc"] == [("dmarc", "none")] and [m for m, _ in results] == ["spf", "dkim", "dmarc"], field
            taken.append(f"no {i}")
    post.wait()
    assert len(taken) > 20, taken
    for person in "bo@far.example", "cy@far.example":
        copies = {re.search(rb"(?m)^Subject: ([^\r]*)", m.octets)[1].decode(): m for m in sink.to(person)}
        assert sorted(copies) == sorted(taken)
        for subject, copy in copies.items():
            mail = parsed(copy.octets)
            assert len(mail.get_all("Authentication-Results")) == 1 and mail["ARC-Authentication-Results"], (subject, copy.octets)
            assert not re.search(r"[\r\n<> \0]", re.sub(r'"(\\.|[^"\\])*"', "", copy.sender)), copy.sender
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ \w+ \S+ ", line) for line in post.log.splitlines()), [
        line for line in post.log.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT\S+ \w+ \S+ ", line)]


TAGS = ['x.example"; dmarc=pass', "x.example\\", "x.example dmarc=pass", "é.example", "x" * 300, "x.example\r\n dmarc=pass", "x\0.example", "x.example(c)", "", "<x>", "\xff"]


def test_tags_stay_in_their_field(passing, sink):
    post = passing(arc_seal="on")
    signed(post, "example.org")
    post.start()
    for i, tag in enumerate(TAGS):
        value = tag.encode() if tag != "\xff" else b"\xff"
        fields = b""
        for name in b"d", b"s", b"a", b"i", b"b", b"c", b"q", b"h", b"bh", b"t":
            tags = {b"v": b"1", b"a": b"rsa-sha256", b"d": b"sender.example", b"s": b"rsa", b"h": b"from", b"bh": b"YQ==", b"b": b"YQ==", name: value}
            fields += b"DKIM-Signature: " + b"; ".join(b"%s=%s" % pair for pair in tags.items()) + b"\r\n"
            fields += b"DKIM2-Signature: i=1; m=1; " + b"; ".join(b"%s=%s" % pair for pair in tags.items()) + b"\r\n"
        fields += b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=" + value + b"; s=" + value + b"; b=YQ==\r\n"
        fields += b"ARC-Message-Signature: i=1; a=rsa-sha256; h=from; bh=YQ==; d=" + value + b"; s=" + value + b"; b=YQ==\r\n"
        fields += b"ARC-Authentication-Results: i=1; " + value + b"; none\r\n"
        results, field = found(post, send(post, fields + message(subject=f"no {i}", sender="x@plain.example"), recipients=(LIST, ALIAS)))
        assert [r for r in results if r[0] == "dmarc"] == [("dmarc", "none")], field
    post.wait()
    for person in "bo@far.example", "cy@far.example":
        assert len(sink.to(person)) == len(TAGS)
    for mail in sink.to("bo@far.example"):
        ours = re.search(rb"(?m)^Authentication-Results: mx.example.org;(?:[^\r]|\r\n[ \t])*\r\n", mail.octets)[0]
        assert b"\0" not in ours
        ours.decode()


# ---- authors inside of addresses of ours ----

REWRITING = {"hostname": "mx.lists.example", "rewrite_domains": "dmarc.lists.example", "srs_domain": "srs.lists.example", "arc_seal": "on",
             "auth_timeout": "3s"}
NEWS = "news@lists.example"


@pytest.fixture
def rewriting(make, sink, names):
    """A list host that rewrites From wherever a domain forbids what it does."""
    post = make(domain="lists.example", relay=sink, settings={"dns_servers": f"127.0.0.1@{names}", "relay_networks": f"{HONEST}/32",
                                                              "xclient_networks": "127.0.0.0/8", **REWRITING})
    post.cli("list", "create", NEWS)
    post.cli("list", "set", NEWS, "dmarc_mitigate_action=rewrite", "msg_footer=-- the list")
    post.cli("member", "add", NEWS, "bo@far.example")
    post.cli("alias", "set", "chair@lists.example", "cy@far.example")
    signed(post, "lists.example", "dmarc.lists.example", "srs.lists.example")
    return post.start()


AUTHOR_FIELDS = [
    SENDER, f"Ada <{SENDER}>", f'"L, Ada <x@y>" <{SENDER}>', f"{SENDER}, bo@sender.example", f"A <{SENDER}>, B <bo@sender.example>", f"g: A <{SENDER}>, bo@sender.example;",
    f"g:;, {SENDER}", f"< ada @ sender.example >, bo@sender.example", f"bo@sender.example, A < ada @sender.example>, Cy <cy@sender.example>", f"g: a b@sender.example, {SENDER};",
    f"ada(c)@sender.example", f"(a\\) b) {SENDER} (c, d)", f"=?utf-8?q?A=0D=0ABcc:_x=40y.example?= <{SENDER}>", f"=?utf-8?b?DQpGcm9tOiB4QHkuZXhhbXBsZQ==?= <{SENDER}>",
    f'"=?utf-8?q?A=0D=0A?=" <{SENDER}>', f"é\x00 <{SENDER}>", f"{'A' * 2000} <{SENDER}>", f"{'Ada ' * 25_000} <{SENDER}>", f'"{"A" * 100_000}" <{SENDER}>', "a" * 100_000,
    f"{SENDER},,, ,bo@sender.example,", f"<@a.example,@b.example:{SENDER}>", f'"a\\"b"@sender.example', '"a b"@sender.example', "a=40b@sender.example",
    f"A\r\n <{SENDER}>\r\n (c)", f"\r\n {SENDER}", "é@sender.example", f"{'a' * 300}@sender.example", ", ".join(f"a{i}@sender.example" for i in range(3000)), f'"\\\\" <{SENDER}>', f'A "B" C <{SENDER}>',
    f"{'é' * 60_000} <{SENDER}>", f"{'A ' * 40_000} <{SENDER}>", f"=?utf-8?q?{'=41' * 30_000}?= <{SENDER}>", f"{SENDER} <{SENDER}>", f"ada@sender.example@sender.example"]
UNREADABLE = ["", "<>", "(nobody)", f"x@sender.example, <{SENDER}", f"{'(' * 60}{')' * 60} {SENDER}"]
AUTHOR_FIELDS += UNREADABLE


def test_from_is_rewritten_whole(rewriting, sink):
    """Or left as it is, or the list stands there: never cut, never another field, never lost."""
    post = rewriting
    for i, author in enumerate(AUTHOR_FIELDS):
        reply = send(post, message(sender=author, subject=f"no {i}", to=NEWS).decode().encode("utf-8"), recipients=(NEWS, "chair@lists.example"), ip="192.0.2.1",
                     sender="x@plain.example")
        assert reply == 250, (author[:80], reply)
    post.wait(90)
    for person in "bo@far.example", "cy@far.example":
        copies = {re.search(rb"(?m)^Subject: ([^\r]*)", m.octets)[1].decode(): m for m in sink.to(person)}
        assert len(copies) == len(sink.to(person)) == len(AUTHOR_FIELDS)
        for i, author in enumerate(AUTHOR_FIELDS):
            octets = copies[f"no {i}"].octets
            assert len(re.findall(rb"(?mi)^From:", octets.split(b"\r\n\r\n")[0])) == 1, (author[:80], octets[:3000])
            ours = octets if b"\r\nX-Original-From:" in octets else b""
            if not ours and person == "bo@far.example" and (len(author) > 30_000 or author in UNREADABLE):
                continue  # too large to be kept, or nobody's: it goes as it came
            if not ours and person == "cy@far.example":
                assert octets.endswith(message(sender=author, subject=f"no {i}", to=NEWS, id=re.search(rb"Message-ID: <([^>]*)", octets)[1].decode())), author[:80]
                continue
            mail = parsed(octets, bool(ours)) if "\0" not in author else email.message_from_bytes(octets)
            assert "Bcc" not in mail and mail["Subject"] == f"no {i}"
            said = mail["From"]
            assert SENDER not in re.sub(r"\([^)]*\)", "", str(said)) or "<" in str(said), (author[:80], str(said)[:300])
            there = email.utils.getaddresses([re.sub(r"\s+", " ", str(said))])
            assert all(a.endswith("@dmarc.lists.example") or a == NEWS or not a for _, a in there) or "\0" in author or "\\" in author, (author[:80], str(said)[:300])


def test_odd_froms_keep_their_commas(rewriting, sink):
    post = rewriting
    for i, (author, count) in enumerate([(f"A < ada @ sender.example>, bo@sender.example", 2), (f"g: bo@sender.example, A < ada @sender.example>, Cy <cy@sender.example>;", 3)]):
        assert send(post, message(sender=author, subject=f"no {i}", to=NEWS), sender="x@plain.example", recipients=(NEWS,)) == 250
        post.wait()
        said = email.message_from_bytes(sink.to("bo@far.example")[-1].octets)["From"]
        got = [a for _, a in email.utils.getaddresses([said])]
        assert len(got) == count and all(a.endswith("@dmarc.lists.example") for a in got), said


def wrapped(post, sink, author=SENDER):
    """An address of ours that reaches the author."""
    before = len(sink.to("bo@far.example"))
    assert send(post, message(sender=author, to=NEWS), recipients=(NEWS,), sender="x@plain.example") == 250
    post.wait()
    return re.search(r"[^<\s]+@dmarc\.lists\.example", str(email.message_from_bytes(sink.to("bo@far.example")[before].octets)["From"]))[0]


def test_answers_to_odd_headers(rewriting, sink):
    """Wrapped addresses in To and Cc, wherever they stand."""
    post = rewriting
    there = wrapped(post, sink)
    values = [there, f"<{there}>", f'"a, <b>" <{there}>', f"g: {there}, x@y.example;", f"{there}, " * 200 + "x@y.example", f"=?utf-8?q?A=0D=0ABcc:_x?= <{there}>", f"{'A ' * 50_000} <{there}>",
              f"(<{there}>) x@y.example", f'"{there}" <x@y.example>', f"< {there} >, Bo <bo@far.example>", f"<{there}", f"{there}\r\n , {there}", "é <" + there + ">",
              f"< {there.replace('@', ' @ ')} >, Bo <bo@far.example>", f"a@y.example, g: < {there.replace('@', ' @ ')} >, Bo <bo@far.example>;"]
    for i, value in enumerate(values):
        assert send(post, message(sender="x@plain.example", to=value, subject=f"no {i}", fields=f"Cc: {value}\r\n"), recipients=(there,), sender="x@plain.example") == 250
    post.wait(60)
    copies = {re.search(rb"(?m)^Subject: ([^\r]*)", m.octets)[1].decode(): m for m in sink.to(SENDER)}
    assert len(copies) == len(values)
    for i, value in enumerate(values):
        mail = parsed(copies[f"no {i}"].octets)
        assert "Bcc" not in mail and len(mail.get_all("To")) == len(mail.get_all("Cc")) == 1 and str(mail["To"]) == str(mail["Cc"])
        got = email.utils.getaddresses([re.sub(r"\s+", " ", str(mail["To"]))])
        if i in (0, 1, 2, 3, 5, 6, 9, 11, 12, 13, 14):
            assert all(a in (SENDER, "x@y.example", "bo@far.example", "a@y.example") for _, a in got) and SENDER in [a for _, a in got], (value[:100], got)
            assert [a for _, a in got][-1] == ("x@y.example" if i == 3 else "bo@far.example" if i in (9, 13, 14) else SENDER), (value[:100], got)


# ---- guessed, nested, and in a circle ----

def rcpt(post, address, utf8=False):
    with client(post) as c:
        c.cmd("MAIL FROM:<x@plain.example>" + " SMTPUTF8" * utf8)
        return c.cmd(f"RCPT TO:<{address}>")


def test_guessed_addresses(rewriting, sink):
    post = rewriting
    there = wrapped(post, sink)
    local = there.split("@")[0]
    stem, tag = local.rsplit("=_", 1)
    wrong = [f"{stem}=_{tag[:-1]}", f"{stem}=_{tag}a", f"{stem}=_", f"{stem}=__{tag}", f"{stem}=_{tag}=_{tag}", f"x{local}", f"{stem.replace('sender', 'other')}=_{tag}", f"{stem}=40x.example=_{tag}",
             "=40sender.example=_" + tag, "=40=_" + tag, "a=40" * 20 + "=_" + tag, "a" * 280 + "=40sender.example=_" + tag, f'"{stem} "=_{tag}', f"{stem}=_{'1' * 10}", "ada=40=40=40sender.example=_" + tag]
    for address in wrong:
        reply = rcpt(post, f"{address}@dmarc.lists.example")
        assert reply.code in (501, 550, 553), (address, reply)
    assert rcpt(post, there) == 250 and rcpt(post, there.upper()) == 250
    send(post, message(sender="x@plain.example"), recipients=("chair@lists.example",), sender="x@plain.example")
    post.wait()
    srs = sink.one("cy@far.example").sender
    assert rcpt(post, srs) == 250
    parts = re.fullmatch(r"SRS0=(.{4})=(..)=plain\.example=x@srs\.lists\.example", srs)
    digest, day = parts[1], parts[2]
    for local in (f"SRS0={digest}=AA=plain.example=x", f"SRS0={digest[:3]}={day}=plain.example=x", f"SRS0=={day}=plain.example=x", f"SRS0={digest}={day}=plain.example=y", f"SRS0={digest}={day}=x.example=x", "SRS0=",
                  "SRS0====", "SRS1=" + srs.split("@")[0], f"SRS1={digest}=plain.example=={digest}={day}=x.example=x", "SRS0" + "=" * 200, "SRS0=" + "a" * 290, f"SRS0={digest}={day}={'x' * 64}.example=x"):
        reply = rcpt(post, f"{local}@srs.lists.example")
        assert reply.code in (501, 550, 553), (local, reply)
    post.clock("+30d")
    assert rcpt(post, srs) == 550


def test_nested_addresses(rewriting, sink):
    """An address of ours inside of one of ours: each that was made here leads on, once."""
    post = rewriting
    address, seen = SENDER, []
    for level in range(3):
        address = wrapped(post, sink, address)
        seen.append(address)
        if not address.count("=40") > level or level == 2:
            break
        assert len(address) < 320
    for address in seen:
        reply = rcpt(post, address)
        assert reply.code in (250, 550), reply
        if reply == 250:
            assert send(post, message(sender="x@plain.example", subject="an answer"), recipients=(address,), sender="x@plain.example") == 250
    post.wait(60)
    srs = "SRS0=AAAA=AA=plain.example=x@srs.lists.example"
    send(post, message(sender="x@plain.example", subject="on"), recipients=("chair@lists.example",), sender=srs)
    send(post, message(sender="x@plain.example", subject="on"), recipients=("chair@lists.example",), sender="SRS0=AAAA=AA=plain.example=x@other.example")
    send(post, message(sender="x@plain.example", subject="on"), recipients=("chair@lists.example",), sender="SRS1=AAAA=other.example==AAAA=AA=plain.example=x@third.example")
    post.wait()
    senders = [m.sender for m in sink.to("cy@far.example")]
    assert len(senders) == 3 and all(s.endswith("@srs.lists.example") and s.count("SRS") == 1 and len(s) < 320 for s in senders), senders


def test_a_circle_ends(make, sink, names):
    """A list whose member is an address that leads back to it: each round is a hop, and hops are counted."""
    post = make(domain="lists.example", settings={"dns_servers": f"127.0.0.1@{names}", "relay_networks": f"{HONEST}/32", "xclient_networks": "127.0.0.0/8", **REWRITING,
                                                  "hostname": "mx.lists.example"}, relay=sink)
    post.cli("list", "create", NEWS)
    post.cli("member", "add", NEWS, "bo@far.example")
    post.cli("list", "set", NEWS, "dmarc_mitigate_action=rewrite", "dmarc_mitigate_unconditionally=true")
    post.start()
    assert send(post, message(sender=NEWS, to=NEWS), recipients=(NEWS,), sender="x@plain.example") == 250
    post.wait()
    said = str(email.message_from_bytes(sink.one("bo@far.example").octets)["From"])
    post.cli("alias", "set", "round@lists.example", said.strip("<>"))
    for address in said.strip("<>"), "round@lists.example":
        reply = send(post, message(sender="x@plain.example", to=address), recipients=(address,), sender="x@plain.example") if rcpt(post, address) == 250 else None
        assert reply is None or reply.code in (250, 554), reply
    post.wait(60)
    assert len(sink.mails()) < 12 and not post.queue(), sink.mails()
    hops = b"".join(b"Received: from a by b; Mon, 02 Nov 2026 10:00:00 +0000\r\n" for _ in range(120))
    reply = send(post, hops + message(sender="x@plain.example", to=NEWS), recipients=(NEWS,), sender="x@plain.example")
    assert reply == 554 and "loop" in reply.text


# ---- many at once, and no name server ----

def test_more_than_can_be_checked_at_once(make):
    """What finds no room is put off, none of what was promised is lost, those inside are answered; and the end comes at once."""
    with BadNames("silent") as server:
        post = make(settings={"dns_servers": f"127.0.0.1@{server.port}", "relay_networks": f"{HONEST}/32", "xclient_networks": "127.0.0.0/8", "auth_timeout": "2s",
                              "smtpd_checks": "8", "smtp_sessions_per_client": "2000"})
        post.cli("list", "create", LIST)
        post.start("smtpd")
        begun, replies, lock = [], [], threading.Lock()

        def one(i):
            with contextlib.closing(client(post)) as c:
                c.cmd(f"MAIL FROM:<{SENDER}>")
                c.cmd(f"RCPT TO:<{LIST}>")
                assert c.cmd("DATA") == 354
                begun.append(i)
                reply = c.data(signature(f"s{i}") + message(sender=SENDER))
                with lock:
                    replies.append(reply)

        def crowd(count):
            threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(count)]
            for thread in threads:
                thread.start()
            return threads
        with others_are_answered(post):
            for thread in crowd(300):
                thread.join(60)
        taken = [r for r in replies if r == 250]
        assert len(replies) == 300 and {r.code for r in replies} == {250, 452} and len(taken) >= 8 * 5, {r.code: r.text for r in replies}
        assert all("later" in r.text for r in replies if r == 452)
        for reply in taken[:3]:
            assert dict(found(post, reply)[0])["dmarc"] == "temperror"
        assert len(post.queue()) == len(taken)
        assert send(post, message(sender=SENDER), ip=HONEST) == 250
        # It is asked to stop while checks are under way.
        begun.clear()
        stuck = crowd(30)
        until(lambda: len(begun) == 30)
        begin = time.monotonic()
        assert post.stop() == 0 and time.monotonic() - begin < 20
        for thread in stuck:
            thread.join(30)


def test_stopped_at_once(make):
    """Again and again, with a drain_timeout that is over before the checks are."""
    with BadNames("silent") as server:
        post = make(settings={"dns_servers": f"127.0.0.1@{server.port}", "relay_networks": f"{HONEST}/32", "xclient_networks": "127.0.0.0/8", "auth_timeout": "10s",
                              "drain_timeout": "1s"})
        post.cli("list", "create", LIST)
        for _ in range(3):
            post.start("smtpd")
            waiting = [client(post) for _ in range(20)]
            for c in waiting:
                c.begin(SENDER, LIST)
                c.send(signature() + message(sender=SENDER) + b".\r\n")
            waiting[0].close()
            begin = time.monotonic()
            assert post.stop() == 0 and time.monotonic() - begin < 15
            for c in waiting:
                c.close()


# ---- reports ----

def test_reports_of_odd_names(outside, sink):
    """XML and its mail are whole whatever the domains and hosts of the mail were called."""
    post = outside(relay=sink, settings={"auth_reject": ""})
    post.start()
    for sender, author, fields in [('"<a>&\\""@x.example', SENDER, b""), ("müller@münchen.example", "ada@sub.sender.example", b""), ("x@x.example", "ada@<b>.sender.example", b""),
                                   ("x@x.example", "ada@é.sender.example", signature(domain="é.example")), ("x@x.example", "ada@]]>.sender.example", signature(domain='"&<')),
                                   ("", SENDER, signature("a'b<c>&amp;", "x" * 60 + ".example")), ("x@x.example", "ada@a\0b.sender.example", b"")]:
        assert send(post, fields + message(sender=author), sender=sender, options="" if sender.isascii() else " SMTPUTF8", helo="a<b>&c") == 250
    post.clock("+26h")
    mail = email.message_from_bytes(sink.one("rua@sender.example").octets, policy=email.policy.default)
    file = next(p for p in mail.walk() if p.get_filename())
    xml = gzip.decompress(file.get_content())
    root = ElementTree.fromstring(xml)
    assert len(root.findall("{*}record")) >= 2 and "\n" not in file.get_filename()
    parsed(sink.one("rua@sender.example").octets)


def test_signatures_that_name_many_fields(outside, keys):
    """Forty signatures over a thousand names each, in a header with as many fields as there may be."""
    post = outside().start("smtpd")
    names = ":".join(["from"] + ["x"] * 999)
    octets = b"".join(b"Y-%d: z\r\n" % i for i in range(1900)) + message(sender=SENDER)
    fields = signature("rsa").replace(b"h=from:subject", f"h={names}".encode()) * 40
    with others_are_answered(post):
        begin = time.monotonic()
        results, field = found(post, send(post, fields + octets))
        assert results.count(("dkim", "fail")) == 40, field
        assert time.monotonic() - begin < 20


@pytest.mark.parametrize("how", ["munge_from", "wrap_message"])
def test_a_list_in_the_author_s_place(rewriting, sink, how):
    """Whatever the author and the list are called."""
    post = rewriting
    post.cli("list", "set", NEWS, f"dmarc_mitigate_action={how}", 'display_name=N, "ews" <x@y.example> \\', "dmarc_mitigate_unconditionally=true", "subject_prefix=[<\\;] ")
    for text in "a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\x01":
        assert post.fails("list", "set", NEWS, f"display_name={text}")
    for i, author in enumerate(AUTHOR_FIELDS):
        fields = f"Cc: {author}\r\nReply-To: {author}\r\n" if 0 < len(author) < 900 else ""
        assert send(post, message(sender=author, subject=f"no {i}", to=NEWS, fields=fields), recipients=(NEWS,), sender="x@plain.example") == 250
    post.wait(60)
    copies = {int(re.search(rb"(?s)\r\nSubject: .*?no (\d+)\r", m.octets)[1]): m.octets for m in sink.to("bo@far.example")}
    assert sorted(copies) == list(range(len(AUTHOR_FIELDS)))
    for i, author in enumerate(AUTHOR_FIELDS):
        if len(author) > 30_000 or "\0" in author:
            continue
        mail = parsed(copies[i])
        assert len(mail.get_all("From")) == 1 and "Bcc" not in mail
        said = email.utils.getaddresses([re.sub(r"\s+", " ", str(mail["From"]))])
        assert [a for _, a in said] == [NEWS], (author, mail["From"])


@pytest.mark.parametrize("name", ["a+b", "a=b", "a'b", "!#$%&*-/?^_`{|}~", '"a b"', '"a\\"b"', "m\u00fcller", "a" * 60, "srs0=aaaa=aa=x.example=y", "a=40x.example"])
def test_odd_names_of_lists(make, sink, name):
    post = make(relay=sink)
    got = post.run("list", "create", f"{name}@example.org", check=False)
    if got.returncode != 0:
        assert got.stderr
        return
    post.cli("member", "add", f"{name}@example.org", "bo@far.example")
    signed(post, "example.org")
    post.start()
    with post.raw() as c:
        c.begin("x@plain.example", f"{name}@example.org", options=[] if name.isascii() else ["SMTPUTF8"])
        assert c.data(message(sender=SENDER)) == 250
    post.wait()
    mail = parsed(sink.one("bo@far.example").octets)
    assert mail["List-Id"] and len(mail.get_all("DKIM-Signature")) == 2


@pytest.mark.parametrize("count", [1, 48, 49, 50, 51])
def test_sealed_on_top_of_many(passing, sink, count):
    """A chain that is broken, or full, stays so."""
    post = passing(arc_seal="on", srs_domain="example.org")
    signed(post, "example.org")
    post.start()
    octets = b"".join(map(arc_set, range(count, 0, -1))) + message(sender="x@plain.example")
    assert send(post, octets, recipients=(LIST, ALIAS)) == 250
    post.wait()
    for person in "bo@far.example", "cy@far.example":
        got = re.findall(rb"(?m)^ARC-Seal:(?:[^\r]|\r\n[ \t])*", sink.one(person).octets)
        assert len(got) in (count, count + 1) and len(got) <= 51, len(got)
        parsed(sink.one(person).octets)
        if len(got) == count + 1:
            assert b"cv=fail" in got[0] and f"i={count + 1};".encode() in got[0], got[0]


@pytest.mark.parametrize("tag", ['"' * 480, "é" * 300, ".".join(["x" * 60] * 4), ".".join(['"' * 60] * 4)], ids=["quotes", "UTF-8", "names", "names of quotes"])
def test_many_long_names(passing, sink, tag):
    """However much there is to tell, the fields on top are whole: what was found, and the hop."""
    post = passing(arc_seal="on")
    signed(post, "example.org")
    post.start()
    fields = b"".join(f"DKIM-Signature: v=1; a={tag};\r\n d={tag};\r\n s={tag}; h=from; bh=YQ==; b=YQ==\r\n".encode() for _ in range(40))
    reply = send(post, fields + message(sender="x@plain.example"), recipients=(LIST, ALIAS), helo="h" * 255, sender=f'"{chr(92) + chr(34)}"@x.example')
    results, _ = found(post, reply)
    assert ("dmarc", "none") in results and results.count(("dkim", "permerror")) == 40
    post.wait()
    for person in "bo@far.example", "cy@far.example":
        mail = parsed(sink.one(person).octets)
        assert len(mail.get_all("Received")) == 1 and len(mail.get_all("DKIM-Signature")) >= 40 and mail["From"] == "x@plain.example"
        assert len(mail.get_all("Authentication-Results")) == 1
        sealed = person == "bo@far.example"
        assert [len(mail.get_all(f"ARC-{name}") or []) for name in ("Seal", "Message-Signature", "Authentication-Results")] == [int(sealed)] * 3
        assert len(re.findall(rb"(?m)^DKIM-Signature: (?:[^\r]|\r\n[ \t])*?\bd=example\.org;", sink.one(person).octets)) == 2 * sealed


def test_what_commands_say(outside):
    """Octets of strangers in JSON: it stays JSON."""
    post = outside().start("smtpd")
    for tag in TAGS + ["\x1b[31m", "\x85"]:
        octets = f"DKIM-Signature: v=1; a=rsa-sha256; d={tag}; s={tag}; h=from; bh=YQ==; b=YQ==\r\n".encode("latin-1") + message(sender=f"x@{tag}.example").decode().encode("latin-1")
        got = post.run("--json", "auth", "check", "-", "--client", "192.0.2.1", "--sender", SENDER, "--helo", "h", input=octets, text=False, check=False)
        assert got.returncode in (0, 1), got
        assert isinstance(json.loads(got.stdout.decode()), list)
        plain = post.run("auth", "check", "-", input=octets, text=False, check=False)
        assert b"\x1b" not in plain.stdout and b"\0" not in plain.stdout, plain
    with client(post, helo='h"\\;') as c:
        queue_id = c.post('"a\\"b;c"@x.example', [LIST], message(sender="x@plain.example"))
    assert post.events(queue_id, "accepted")[0]["detail"].count("\n") == 0


@pytest.mark.parametrize("name", ["To", "List-Unsubscribe-Post", "Resent-Message-ID", "Content-Description"])
def test_as_many_fields_as_may_be_signed(passing, sink, name):
    """Our signatures name each of them, and nothing is cut."""
    post = passing(arc_seal="on", srs_domain="example.org")
    signed(post, "example.org")
    post.start()
    octets = f"{name}: x\r\n".encode() * 1900 + message(sender="ada@example.org")
    assert send(post, octets, recipients=(LIST, ALIAS), ip=HONEST) == 250
    assert send(post, octets.replace(b"ada@example.org", b"x@plain.example"), recipients=(LIST, ALIAS)) == 250
    post.wait()
    for person, count in ("bo@far.example", 2), ("cy@far.example", 2):
        for mail in sink.to(person):
            parsed(mail.octets)
            ours = len(re.findall(rb"(?m)^DKIM-Signature:", mail.octets))
            assert mail.octets.endswith(b"\r\nhello\r\n") and mail.octets.count(b"Received: ") == 1 and ours in (0, count)
            assert ours == count or (person == "cy@far.example" and b"x@plain" in mail.octets), mail.octets[:300]
