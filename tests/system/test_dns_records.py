"""What a domain should publish, and whether it does, over a real name server."""
import json
import re

import pytest

import peers_knot

IPS = ["--ip", "192.0.2.5", "--ip", "2001:db8::5"]
REVERSE = ["2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"]


@pytest.fixture
def instance(make, certificate):
    def made(port=1):
        return make(domain="lists.example", settings={
            "hostname": "mx.example", "dns_servers": f"127.0.0.1@{port}", "reports_to": "reports@lists.example",
            "tls_certificate": certificate[0], "tls_key": certificate[1], "deliver_helo": "bounce=bounces.example"})
    return made


def point_at(post, port):
    path = post.dir / "postroad.conf"
    path.write_text(re.sub(r"(?m)^dns_servers = .*$", f"dns_servers = 127.0.0.1@{port}", path.read_text()))


def names(lines):
    """The name server with these lines of a zone file, each in the zone it belongs to."""
    reverse = {zone: "".join(line + "\n" for line in lines if f".{zone}. " in line) for zone in REVERSE}
    rest = "".join(line + "\n" for line in lines if not any(f".{zone}. " in line for zone in REVERSE))
    return peers_knot.running(rest, others=reverse)


def checked(post, *words):
    got = post.run("--json", "dns", "check", "lists.example", *(words or IPS), check=False)
    assert got.returncode in (0, 1) and not got.stderr, got
    rows = json.loads(got.stdout)
    assert got.returncode == int(any(r["status"] != "ok" for r in rows)), rows
    return rows


def test_what_is_shown_is_what_is_wanted(instance):
    post = instance()
    post.cli("dkim", "key", "create", "lists.example")
    shown = post.cli("dns", "show", "lists.example", *IPS)
    lines = [line for line in shown.splitlines() if not line.startswith(";")]
    assert "mx: mx.example" in shown and "mta-sts.lists.example/.well-known/mta-sts.txt" in shown
    kinds = [(line.split()[0], line.split()[3]) for line in lines]
    assert {("lists.example.", "MX"), ("lists.example.", "TXT"), ("mx.example.", "TXT"), ("bounces.example.", "TXT"),
            ("_dmarc.lists.example.", "TXT"), ("_mta-sts.lists.example.", "TXT"), ("_smtp._tls.lists.example.", "TXT"),
            ("_25._tcp.mx.example.", "TLSA"), ("5.2.0.192.in-addr.arpa.", "PTR")} < set(kinds), kinds
    assert len([name for name, _ in kinds if "_domainkey" in name]) == 2
    assert len(post.json("dns", "show", "lists.example", *IPS)["records"]) == len(lines)
    with names(lines) as port:
        point_at(post, port)
        assert {r["status"] for r in checked(post)} == {"ok"}
    for left in lines[::2], lines[1::2]:  # each that is missing is noticed, and no other
        with names([line for line in lines if line not in left]) as port:
            point_at(post, port)
            wrong = sorted((r["name"] + ".", r["type"], r["status"]) for r in checked(post) if r["status"] != "ok")
            assert wrong == sorted((line.split()[0], line.split()[3], "missing") for line in left)


def test_what_differs_is_shown(instance):
    post = instance()
    lines = post.cli("dns", "show", "lists.example", *IPS).splitlines()
    changes = {"MX 10 mx.example.": "MX 10 other.example.", "v=spf1 ip4:192.0.2.5": "v=spf1 ip4:192.0.2.6",
               "p=none": "p=reject", "v=STSv1; id=": "v=STSv1; what=", "mailto:reports@": "mailto:others@", "TLSA 3 1 1 ": "TLSA 3 1 1 00",
               "PTR mx.example.": "PTR other.example."}
    changed = "\n".join(line for line in lines if not line.startswith(";"))
    for old, new in changes.items():
        assert old in changed
        changed = changed.replace(old, new)
    with names(changed.splitlines()) as port:
        point_at(post, port)
        assert {(r["status"], bool(r["found"])) for r in checked(post)} == {("different", True)}
    same = {"v=spf1 ip4:192.0.2.5 ip6:2001:db8::5 -all": "v=spf1 ip6:2001:db8::/32 ip4:192.0.2.0/24 ~all", "p=none;": "p=quarantine;"}
    for old, new in same.items():
        lines = [line.replace(old, new) for line in lines]
    with names([line for line in lines if not line.startswith(";")]) as port:
        point_at(post, port)
        assert {r["status"] for r in checked(post)} == {"ok"}


def test_what_is_not_known(instance):
    post = instance()
    assert "--ip" in post.cli("dns", "show", "lists.example")
    assert {r["status"] for r in checked(post)} == {"unknown"}
    assert "IP address" in post.fails("dns", "show", "lists.example", "--ip", "x")
