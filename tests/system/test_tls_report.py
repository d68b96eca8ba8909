"""Reports about TLS from end to end: sessions with real servers, counted for those who ask, told a day later, and read by another."""
import email
import email.policy
import gzip
import json
import re

import pytest

import peers_knot
from postroad import until
from test_tls_policy import Web, World, authority, policy, send, server  # noqa: F401 (fixtures)

RUA = "reports.open.example"


class Told(World):
    """A world whose domains want reports, all but one."""
    SIGNED = ["good", "wrong", "unusable"]
    OPEN = ["enforce", "testing", "many", "plain", "silent", "reports"]

    def __init__(self, authority):
        super().__init__(authority)
        self.open = "".join(line for line in self.open.splitlines(True) if not line.startswith("_smtp._tls"))
        record = '_smtp._tls.{0} 60 IN TXT "v=TLSRPTv1; rua=mailto:{0}@' + RUA + '"\n'
        self.zone += "".join(record.format(name) for name in self.SIGNED)
        self.open += "".join(record.format(name) for name in self.OPEN if name not in ("silent", "reports"))

    def domain(self, name):
        return f"{name}.secure.example" if name in self.SIGNED else f"{name}.open.example"

    def records(self, name):
        """TLSA records as reports have them."""
        line, = (line for line in self.zone.splitlines() if line.startswith(f"_{self.port}._tcp.mx.{name} "))
        *numbers, octets = line.split(" TLSA ")[1].split()
        return [" ".join([*numbers, octets.upper()])]


@pytest.fixture(scope="module")
def world(authority):  # noqa: F811
    told = Told(authority)
    with peers_knot.signed(told.zone, "secure.example", **{"open.example": told.open}) as (told.dns, told.anchor):
        yield told


@pytest.fixture
def web(authority):  # noqa: F811
    web = Web(authority.issue(*(f"mta-sts.{name}.open.example" for name in Told.OPEN)))
    yield web
    web.close()


@pytest.fixture
def post(make, world, authority):  # noqa: F811
    def made(web):
        post = make(settings={"dns_servers": f"127.0.0.1@{world.dns}", "smtp_port_out": str(world.port), "deliver_connect_timeout": "5s",
                              "tls_ca_file": authority.file, "dnssec_anchors": world.anchor, "retry_first": "10h",
                              "mta_sts_port": web.port, "report_from": "tls@example.org"})
        post.cli("dkim", "key", "create", "example.org")
        post.cli("dkim", "key", "rotate", "example.org", "--now")
        return post.start()
    return made


def read(octets):
    """The mail and the JSON in it."""
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/report" and mail["Content-Type"].params["report-type"] == "tlsrpt"
    text, file = mail.iter_parts()
    assert text.get_content_type() == "text/plain" and file.get_content_type() == "application/tlsrpt+gzip"
    domain = mail["TLS-Report-Domain"]
    assert re.fullmatch(rf"mx\.example\.org!{re.escape(domain)}!\d+!\d+!\d{{8}}\.\w+\.json\.gz", file.get_filename())
    return mail, json.loads(gzip.decompress(file.get_content()))


def mails_of_a_day(post, world, authority, web):  # noqa: F811
    web.policies["enforce.open.example"] = policy("enforce", "mx.enforce.open.example")
    web.policies["testing.open.example"] = policy("testing", "*.testing.open.example", "mx.elsewhere.example")
    web.policies["many.open.example"] = policy("enforce", "mx.many.open.example", *(f"{'a' * 60}.{'b' * 60}.m{i}.example" for i in range(60)))
    wrong_name = authority.issue("mx.other.example")
    for pair, names in ((world.good, ["good", "wrong", "unusable", "plain", "silent"]),
                        (authority.issue("mx.enforce.open.example"), ["enforce"]),
                        (wrong_name, ["testing", "many"])):
        for name in names:
            with server(world, name, pair):
                got = send(post, name)
                assert got["event"] == ("deferred" if name in ("wrong", "many") else "delivered"), got
    post.clock("+1m")  # kept connections are forgotten
    with server(world, "good", world.other), server(world, "testing"), server(world, "plain"):
        assert send(post, "good")["event"] == "deferred"
        assert send(post, "testing")["event"] == "delivered"
        assert send(post, "plain")["event"] == "delivered"
    post.clock("+1m")
    with server(world, "testing", wrong_name):
        assert send(post, "testing")["event"] == "delivered"


def counts(report):
    """[(kind, domain, successes, failures, {kind of failure: (count, host, address)})]"""
    assert all(p["summary"]["total-failure-session-count"] == sum(f["failed-session-count"] for f in p.get("failure-details", []))
               for p in report["policies"])
    return sorted((p["policy"]["policy-type"], p["policy"]["policy-domain"], p["summary"]["total-successful-session-count"],
                   p["summary"]["total-failure-session-count"],
                   {f["result-type"]: (f["failed-session-count"], f["receiving-mx-hostname"], f["receiving-ip"])
                    for f in p.get("failure-details", [])}) for p in report["policies"])


def test_a_day_from_end_to_end(make, post, world, authority, web, tmp_path):  # noqa: F811
    post = post(web)
    mails_of_a_day(post, world, authority, web)
    names = ["good", "wrong", "unusable", "enforce", "testing", "many", "plain"]
    post.stop()  # what is counted goes to the store: later, a day that had been told of already would be told of again
    assert post.sql("SELECT sum(n) FROM report_row") == ["12"]
    post.start()
    with server(world, "reports") as sink:  # without TLS: reports go there all the same
        post.clock("+26h")
        until(lambda: len(sink.mails) >= len(names), 60, "reports")
        until(lambda: " report kind=tls domain=silent.open.example rows=1 mails=0" in post.log, 30, "that it wants none")
        assert sorted(r for m in sink.mails for r in m.recipients) == sorted(f"{name}@{RUA}" for name in names)
        octets = {name: sink.to(f"{name}@{RUA}")[0].octets for name in names}
    got = {}
    for name in names:
        mail, got[name] = read(octets[name])
        assert mail["TLS-Report-Domain"] == world.domain(name) and mail["TLS-Report-Submitter"] == "mx.example.org"
        assert mail["TLS-Required"] == "No" and "d=example.org" in mail["DKIM-Signature"]
        day = got[name]["date-range"]
        assert day["start-datetime"].endswith("T00:00:00Z") and day["end-datetime"].endswith("T23:59:59Z")
        assert got[name]["contact-info"] == "tls@example.org"

    def of(name, kind, success, failure, *failures):
        domain = f"mx.{world.domain(name)}" if kind == "tlsa" else world.domain(name)
        return kind, domain, success, failure, {f: (n, f"mx.{world.domain(name)}", world.address(name)) for f, n in failures}
    assert counts(got["good"]) == [of("good", "tlsa", 1, 1, ("validation-failure", 1))]
    assert counts(got["wrong"]) == [of("wrong", "tlsa", 0, 1, ("validation-failure", 1))]
    assert counts(got["unusable"]) == [of("unusable", "tlsa", 0, 1, ("tlsa-invalid", 1))]
    assert counts(got["enforce"]) == [of("enforce", "sts", 1, 0)]
    assert counts(got["testing"]) == [of("testing", "sts", 0, 3, ("certificate-host-mismatch", 2), ("starttls-not-supported", 1))]
    assert counts(got["many"]) == [of("many", "sts", 0, 1, ("certificate-host-mismatch", 1))]
    assert counts(got["plain"]) == [of("plain", "no-policy-found", 1, 1, ("starttls-not-supported", 1))]
    said = {name: got[name]["policies"][0]["policy"] for name in names}
    assert said["wrong"]["policy-string"] == world.records("wrong") and "mx-host" not in said["wrong"]
    assert said["testing"]["policy-string"] == web.policies["testing.open.example"].splitlines()
    assert said["testing"]["mx-host"] == ["*.testing.open.example", "mx.elsewhere.example"]
    assert said["many"]["policy-string"][-1] == "max_age: 86400" and said["many"]["mx-host"][0] == "mx.many.open.example"
    failure = got["wrong"]["policies"][0]["failure-details"][0]
    assert failure["failure-reason-code"] and "additional-information" not in failure and failure["sending-mta-ip"] == "127.0.0.1"
    assert post.metrics()["tally_dropped_total"] == 0
    read_by_another(make, octets, tmp_path)


def read_by_another(make, octets, tmp_path):
    other = make(settings={"reports_to": "tls@example.org"}).start()
    for name, mail in octets.items():
        path = tmp_path / f"{name}.eml"
        path.write_bytes(mail)
        if name == "testing":  # as it comes by mail
            id = other.post("", "tls@example.org", mail)
            until(lambda: other.events(id, "reported"))
            assert "about testing.open.example, 3 sessions: kept" in other.events(id, "reported")[0]["detail"]
            continue
        said = other.json("dmarc", "import", path)
        assert said["kind"] == "tls" and said["new"] and said["domain"].startswith(f"{name}."), said
        assert not other.json("dmarc", "import", path)["new"]

    def summary(*words):
        return {tuple(row.values())[0]: tuple(row.values())[1:] for row in other.json("tls", "report", *words)}
    assert summary("good.secure.example") == {"success": (1, 1, 0), "validation-failure": (1, 0, 1)}
    assert summary("wrong.secure.example", "--by", "host") == {"mx.wrong.secure.example": (1, 0, 1)}
    assert summary("testing.open.example") == {"certificate-host-mismatch": (2, 0, 2), "starttls-not-supported": (1, 0, 1)}
    assert summary() == {"success": (3, 3, 0), "certificate-host-mismatch": (3, 0, 3), "validation-failure": (2, 0, 2),
                         "starttls-not-supported": (2, 0, 2), "tlsa-invalid": (1, 0, 1)}
