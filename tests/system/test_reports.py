"""Reports about mail: what is seen of others' domains is told to those who ask, once a day, and what others tell is read."""
import email
import email.policy
import gzip
import hashlib
import json
import re
import struct
import time
import zipfile

import pytest

import peers_knot
from postroad import message, until
from test_auth_check import txt

LIST = "list@example.org"
REPORTS = "reports@example.org"

POLICIES = {  # domain: what its record says
    "sender": "p=reject; sp=quarantine; adkim=s; rua=mailto:rua@sender.example, mailto:in@taker.example, mailto:no@stranger.example,"
              " mailto:tiny@sender.example!10, https://sender.example/x, mailto:b%40d@sender.example!9g",
    "silent": "p=none",
    "wild": "p=none; t=y; rua=mailto:any@star.example"}


@pytest.fixture(scope="module")
def names():
    records = "".join(txt(f"_dmarc.{name}", f"v=DMARC1; {policy}") + txt(name, "v=spf1 ip4:192.0.2.0/24 -all")
                      for name, policy in POLICIES.items())
    records += txt("sender.example._report._dmarc.taker", "v=DMARC1;") + txt("*._report._dmarc.star", "v=DMARC1")
    records += txt("_smtp._tls.sender", "v=TLSRPTv1; rua=mailto:tls@sender.example,mailto:more@sender.example,https://127.0.0.1:1/tls")
    records += txt("stranger", "nothing about reports")
    with peers_knot.running(records) as port:
        yield port


def outside(make, names, relay, **settings):
    """An instance for which 127.0.0.1 is a stranger that may say with XCLIENT who it is."""
    post = make(relay=relay, settings={"dns_servers": f"127.0.0.1@{names}", "relay_networks": "198.51.100.7/32",
                                       "xclient_networks": "127.0.0.0/8", **settings})
    post.cli("list", "create", LIST)
    return post.start()


def send(post, client, sender, author, times=1, reply=250):
    with post.raw() as c:
        assert c.cmd(f"XCLIENT ADDR={client}") == 220
        c.cmd("EHLO mx.sender.example")
        for _ in range(times):
            c.cmd(f"MAIL FROM:<{sender}>")
            assert c.cmd(f"RCPT TO:<{LIST}>") == 250
            assert c.cmd("DATA") == 354
            assert c.data(message(sender=author)) == reply


def parts(octets):
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    return mail, next(p for p in mail.walk() if p.get_filename())


def summary(post, *words):
    return {tuple(row.values())[0]: tuple(row.values())[1:] for row in post.json("dmarc", "report", *words)}


def test_a_day_is_reported(make, names, sink, tmp_path):
    post = outside(make, names, sink, auth_reject="dmarc", report_organization="Example & Co")
    send(post, "192.0.2.1", "x@sender.example", "ada@sender.example", 3)
    send(post, "203.0.113.1", "x@silent.example", "ada@sender.example", 2, reply=550)
    send(post, "192.0.2.2", "", "bo@sub.wild.example")
    send(post, "192.0.2.2", "x@silent.example", "bo@silent.example")
    assert not sink.mails()
    post.clock("+26h")
    mail, file = parts(sink.one("rua@sender.example").octets)
    sink.one("any@star.example")
    post.wait()
    assert sink.recipients() == ["any@star.example", "in@taker.example", "rua@sender.example"]
    assert sink.one("rua@sender.example").sender == "" and mail["From"] == "postmaster@mx.example.org"
    assert re.fullmatch(r"Report Domain: sender.example Submitter: mx.example.org Report-ID: <\d{8}\.\w+>", mail["Subject"])
    assert re.fullmatch(r"mx.example.org!sender.example!\d+!\d+!\d{8}\.\w+\.xml\.gz", file.get_filename())
    assert file.get_content_type() == "application/gzip"
    xml = gzip.decompress(file.get_content()).decode()
    assert "<org_name>Example &amp; Co</org_name>" in xml and "<sp>quarantine</sp>" in xml and "<adkim>s</adkim>" in xml
    assert xml.count("<record>") == 2 and "<count>3</count>" in xml and "<disposition>reject</disposition>" in xml
    # Another server reads it: by hand, and as it comes by mail.
    other = make(settings={"reports_to": REPORTS}).start()
    path = tmp_path / "report.eml"
    path.write_bytes(sink.one("rua@sender.example").octets)
    said = other.json("dmarc", "import", path)
    assert said["new"] and said["messages"] == 5 and said["organization"] == "Example & Co" and said["domain"] == "sender.example"
    assert not other.json("dmarc", "import", path)["new"]
    assert summary(other) == {"203.0.113.1": (2, 0, 2, 0, 2), "192.0.2.1": (3, 3, 0, 0, 0)}
    assert summary(other, "sender.example", "--by", "from") == {"sender.example": (5, 3, 2, 0, 2)}
    assert summary(other, "--since", "7d") and not summary(other, "--since", "2099-01-01") and not summary(other, "far.example")
    id = other.post("", REPORTS, sink.one("any@star.example").octets)
    until(lambda: other.events(id, "reported"))
    assert "about wild.example, 1 messages: kept" in other.events(id, "reported")[0]["detail"]
    assert summary(other, "wild.example") == {"192.0.2.2": (1, 0, 1, 0, 0)}
    # Nothing is told twice.
    post.restart()
    post.clock("+26h")
    post.wait()
    assert len(sink.mails()) == 3


def vals(*values):
    """As src/store/vals.c writes them."""
    return b"".join(b"i" + struct.pack("=q", v) if isinstance(v, int) else b"v" + struct.pack("=I", len(v)) + v for v in values)


def count(post, kind, day, domain, what, n):
    """What a role has counted of a day that is over."""
    def octets(b):
        return f"x'{b.hex()}'" if post.engine == "sqlite" else f"'\\x{b.hex()}'"
    post.sql(f"INSERT INTO report_row(kind, day, domain, digest, what, n) VALUES({kind}, {day}, '{domain}', "
             f"{octets(hashlib.sha256(what).digest())}, {octets(what)}, {n})")
    post.sql(f"INSERT INTO report_day(kind, day, domain, due, owner) VALUES({kind}, {day}, '{domain}', 0, 0) ON CONFLICT DO NOTHING")


def test_a_day_of_tls_is_reported(make, names, sink):
    post = make(relay=sink, settings={"dns_servers": f"127.0.0.1@{names}", "report_from": "tls@example.org"})
    day = int(time.time()) // 86400 - 1
    policy = 1, 2, b"version: STSv1", b"mode: enforce", 1, b"mx.sender.example"
    for type, n in (b"", 40), (b"certificate-expired", 2):
        what = vals(*policy, b"", type, b"192.0.2.1", b"mx.sender.example", b"198.51.100.2", b"")
        for domain in "sender.example", "silent.example":
            count(post, 2, day, domain, what, n)
    count(post, 2, day, "sender.example", b"no row", 9)
    count(post, 2, day, "a.example\r\nBcc: x@y.example", what, 9)
    post.start()
    copy = sink.one("tls@sender.example")
    mail, file = parts(copy.octets)
    assert mail["From"] == "tls@example.org" and mail["To"] == "tls@sender.example, more@sender.example"
    assert mail.get_content_type() == "multipart/report" and mail["Content-Type"].params["report-type"] == "tlsrpt"
    assert mail["TLS-Report-Domain"] == "sender.example" and mail["TLS-Report-Submitter"] == "mx.example.org" and mail["TLS-Required"] == "No"
    assert file.get_content_type() == "application/tlsrpt+gzip"
    report = json.loads(gzip.decompress(file.get_content()))
    summary = report["policies"][0]["summary"]
    assert (summary["total-successful-session-count"], summary["total-failure-session-count"]) == (40, 2)
    assert report["policies"][0]["failure-details"][0]["result-type"] == "certificate-expired"
    until(lambda: " report-not-posted domain=sender.example uri=https://127.0.0.1:1/tls " in post.log)
    until(lambda: " report kind=tls domain=silent.example rows=2 mails=0" in post.log)
    post.stop()
    assert post.sql("SELECT count(*) FROM report_row") == ["0"] and len(sink.mails()) == 1


def test_name_servers_that_do_not_answer(make, sink):
    """What they have not said is asked for again; it is neither sent nor lost meanwhile."""
    post = make(relay=sink)
    published = vals(b"mailto:x@other.example", b"none", b"", b"", b"r", b"r", b"n")
    what = vals(published, b"192.0.2.1", b"none", b"fail", b"fail", b"a.example", b"", 0, b"a.example", b"mfrom", b"fail")
    count(post, 1, int(time.time()) // 86400 - 1, "a.example", what, 1)
    post.start()
    until(lambda: " report-not-sent domain=a.example " in post.log)
    post.stop()
    assert post.sql("SELECT count(*) FROM report_row") == ["1"] and not sink.mails()


def test_nobody_is_told_where_that_is_switched_off(make, names, sink):
    post = outside(make, names, sink, reports_out="off")
    send(post, "192.0.2.1", "x@sender.example", "ada@sender.example")
    post.clock("+26h")
    post.stop()
    assert post.sql("SELECT count(*) FROM report_row") == ["0"]


def xml(rows, id="1", domain="example.org", org="Far", begin=1000):
    """A report in the form of RFC 7489; each row: source, count, dkim, spf, disposition, From."""
    records = "".join(
        f"<record><row><source_ip>{ip}</source_ip><count>{n}</count><policy_evaluated><disposition>{what}</disposition><dkim>{dkim}</dkim>"
        f"<spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{author}</header_from></identifiers></record>"
        for ip, n, dkim, spf, what, author in rows)
    return (f"<?xml version='1.0'?><feedback><report_metadata><org_name>{org}</org_name><email>a@far.example</email><report_id>{id}</report_id>"
            f"<date_range><begin>{begin}</begin><end>{begin + 86400}</end></date_range></report_metadata><policy_published><domain>{domain}"
            f"</domain><p>none</p></policy_published>{records}</feedback>").encode()


ROW = ("192.0.2.9", 7, "pass", "fail", "none", "example.org")


def mail_with(octets, type="application/gzip", name="a!b!1!2.xml.gz"):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"], m["To"], m["Subject"] = "a@far.example", REPORTS, "Report Domain: example.org"
    m.set_content("a report")
    m.add_attachment(octets, *type.split("/"), filename=name)
    return m.as_bytes()


def test_what_comes_is_read_and_goes_no_further(make, sink):
    post = make(relay=sink, settings={"reports_to": "Reports@example.org", "postmaster": "pm@far.example"}).start()
    assert post.rcpt(REPORTS) == 250 and post.rcpt("reports2@example.org") == 550
    many = [(f"192.0.2.{i % 200}", 1, "fail", "fail", "none", f"d{i % 300}.example") for i in range(5000)]
    ids = [post.post("a@far.example", REPORTS, mail_with(gzip.compress(octets))) for octets in (
        xml([ROW, ROW]), xml([ROW, ROW]), xml([ROW], id="1", org="Far"), xml(many, id="2"))]
    post.wait()
    said = [post.events(id, "reported") or post.events(id, "dropped") for id in ids]
    assert [s[0]["event"] for s in said] == ["reported", "reported", "reported", "reported"], said
    assert "14 messages: kept" in said[0][0]["detail"] and "was here already" in said[1][0]["detail"]
    assert summary(post, "--by", "from")["example.org"] == (14, 14, 0, 0, 0)
    assert len(post.json("dmarc", "report", "--by", "source")) == 200
    tls = {"organization-name": "Far", "date-range": {"start-datetime": "2026-01-01T00:00:00Z", "end-datetime": "2026-01-01T23:59:59Z"},
           "contact-info": "x@far.example", "report-id": "t1", "policies": [{
               "policy": {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": "example.org", "mx-host": ["mx.example.org"]},
               "summary": {"total-successful-session-count": 40, "total-failure-session-count": 3},
               "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "198.51.100.2", "failed-session-count": 2,
                                    "receiving-mx-hostname": "mx.example.org"}]}]}
    id = post.post("a@far.example", REPORTS, mail_with(gzip.compress(json.dumps(tls).encode()), "application/tlsrpt+gzip", "a.json.gz"))
    post.wait()
    assert "TLS report of Far about example.org, 43 sessions: kept" in post.events(id, "reported")[0]["detail"]
    assert [tuple(r.values()) for r in post.json("tls", "report", "example.org")] == [
        ("certificate-expired", 2, 0, 2), ("failure", 1, 0, 1), ("success", 40, 40, 0)]
    assert "certificate-expired" in post.cli("tls", "report")
    assert sink.mails() == []


def failure(fields, original=b"From: ada@author.example\r\n\r\ntext", type="message/rfc822"):
    """A report about one message (RFC 6591)."""
    return (b"From: a@far.example\r\nTo: reports@example.org\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
            b"--b\r\n\r\na report\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" + fields.encode() +
            b"\r\n\r\n--b\r\nContent-Type: " + type.encode() + b"\r\n\r\n" + original + b"\r\n--b--\r\n")


def test_reports_about_one_message(make, sink, tmp_path):
    """They are told as events, and neither kept nor mistaken for what is attached to the message in them."""
    post = make(relay=sink, settings={"reports_to": REPORTS, "postmaster": "pm@far.example"}).start()
    dmarc = failure("Feedback-Type: auth-failure\r\nUser-Agent: Far/1.0\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nSource-IP: 192.0.2.9\r\n"
                    "Original-Mail-From: <x@bulk.example>\r\nOriginal-Rcpt-To: <secret@far.example>\r\nDelivery-Result: reject\r\n"
                    "Reported-Domain: Example.ORG", mail_with(gzip.compress(xml([ROW]))))
    cases = {"dmarc": dmarc, "author": failure("Feedback-Type: abuse"),
             "header": failure("Feedback-Type: fraud\r\nOriginal-Mail-From: y@bulk.example", b"Subject: x\r\n", "text/rfc822-headers"),
             "nobody": failure("Feedback-Type: abuse", b"Subject: x\r\n"), "no type": failure("Version: 1"),
             "odd": failure("Feedback-Type: abuse\x1b[2J\r\nUser-Agent: \x00\x7f " + "x" * 5000 + "\r\nReported-Domain: \x1bevil.example")}
    ids = {name: post.post("", REPORTS, octets) for name, octets in cases.items()}
    post.wait()
    said = {name: (post.events(id, "reported") or post.events(id, "dropped"))[0] for name, id in ids.items()}
    assert said["dmarc"]["event"] == "reported" and said["dmarc"]["detail"] == (
        f"<{REPORTS}> failure report of Far/1.0 about example.org: type=auth-failure failure=dmarc source=192.0.2.9 mailfrom=x@bulk.example result=reject")
    assert "report of unknown about author.example: type=abuse" in said["author"]["detail"] and "about bulk.example: type=fraud" in said["header"]["detail"]
    assert said["nobody"]["event"] == "dropped" and "names no domain" in said["nobody"]["detail"] and said["no type"]["event"] == "dropped"
    assert said["odd"]["event"] == "reported" and "about ?evil.example" in said["odd"]["detail"] and said["odd"]["detail"].isprintable()
    (tmp_path / "file").write_bytes(dmarc)
    assert "example.org" in post.fails("dmarc", "import", tmp_path / "file")
    assert not summary(post) and sink.mails() == []


def zipped(octets, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("report.xml", octets)
    return path.read_bytes()


def test_hostile_reports(make, sink, tmp_path):
    """What is no report, or is made to harm, is dropped with a reason; whatever it says stays text."""
    post = make(relay=sink, settings={"reports_to": REPORTS, "postmaster": "pm@far.example"}).start()
    bomb = xml([ROW]) + b" " * (60 << 20)
    dtd = xml([ROW], id="dtd").replace(b"<feedback>", b'<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>').replace(b"<org_name>Far", b"<org_name>&x;")
    wrong = {"zip bomb": mail_with(zipped(bomb, tmp_path / "bomb.zip"), "application/zip", "x.zip"), "gzip bomb": mail_with(gzip.compress(bomb)),
             "dtd": mail_with(gzip.compress(dtd)), "no report": message(to=REPORTS), "cut": mail_with(gzip.compress(xml([ROW]))[:-20]),
             "no xml": mail_with(gzip.compress(b"<feedback")), "no domain": mail_with(gzip.compress(xml([ROW], domain="")))}
    ids = {name: post.post("", REPORTS, octets) for name, octets in wrong.items()}
    evil = xml([("a\r\nBcc: x@y.example\r\n\r\n", 3, "pass", "pass", "reject\r\nx", "b\r\nb.example&lt;")], id="e\r\nvil", domain="ex\r\nample.org", org="o\r\nrg")
    odd = post.post("", REPORTS, mail_with(gzip.compress(evil)))
    post.wait(60)
    for name, id in ids.items():
        assert post.events(id, "dropped"), (name, post.trace(id))
        assert "no report that can be read" in post.events(id, "dropped")[0]["detail"], name
    kept = post.events(odd, "reported") or post.events(odd, "dropped")
    assert len(kept) == 1 and "\n" not in kept[0]["detail"]
    for row in post.json("dmarc", "report") + post.json("dmarc", "report", "--by", "from"):
        assert not any(c in str(v) for v in row.values() for c in "\r\n"), row
    for octets in bomb, dtd, b"x":
        (tmp_path / "file").write_bytes(octets)
        post.fails("dmarc", "import", tmp_path / "file")
    assert post.fails("dmarc", "import", "-", input="") and sink.mails() == []


def test_old_reports_go(make):
    post = make(settings={"keep_reports": "30d"})
    post.run("dmarc", "import", "-", input=xml([ROW]).decode())
    assert summary(post)
    post.start("router")
    post.clock("+31d")
    until(lambda: not summary(post))
