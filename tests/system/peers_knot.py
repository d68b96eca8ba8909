"""Debian's name server knot on a loopback port, with a zone for the tests of delivery by MX."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from postroad import ROOT, bound, connects, end, free_port, until

ZONE = """\
@ 60 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60
@ 60 IN NS ns
ns 60 IN A 127.0.0.1
two 60 IN MX 20 mx2.two
two 60 IN MX 10 mx1.two
mx1.two 60 IN A 127.0.0.21
mx2.two 60 IN A 127.0.0.22
twin 60 IN MX 20 mx2.two
twin 60 IN MX 10 mx1.two
self 60 IN MX 10 mx.example.org.
self 60 IN MX 20 mx2.two
backup 60 IN MX 10 mx2.two
backup 60 IN MX 20 mx.example.org.
same 60 IN MX 10 mx.same
mx.same 60 IN A 127.0.0.29
mx.same 60 IN A 127.0.0.22
plain 60 IN A 127.0.0.22
null 60 IN MX 0 .
nowhere 60 IN MX 10 missing.nowhere
empty 60 IN TXT "no mail here"
alias 60 IN CNAME plain
xn--mller-kva 60 IN MX 10 mx2.two
loop1 60 IN CNAME loop2
loop2 60 IN CNAME loop1
"""


def found():
    """Debian's knot; skips where there is none."""
    got = subprocess.run([ROOT / "scripts/peers", "knot"], capture_output=True, text=True, check=False, timeout=300)
    if got.returncode != 0:
        pytest.skip(f"no knot: scripts/peers knot: {got.stderr.strip()[-200:]}")
    return got.stdout.strip().splitlines()[-1]


@contextlib.contextmanager
def folder_of_zones(domains):
    """A folder with knot.conf for zones in DOMAIN.zone, and the port it will listen on."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-knot-"))
    port = free_port()
    (folder / "db/keys").mkdir(parents=True)
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
database:
    storage: {folder}/db
log:
  - target: stderr
    any: warning
policy:
  - id: own
    algorithm: ecdsap256sha256
    single-type-signing: on
    cds-cdnskey-publish: none
template:
  - id: default
    storage: {folder}
    zonefile-sync: SYNC
    journal-content: none
    dnssec-signing: SIGNING
    dnssec-policy: own
zone:
""" + "".join(f"  - domain: {domain}.\n    file: {domain}.zone\n" for domain in domains))
    try:
        yield folder, port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(program, folder, port, signing):
    config = (folder / "knot.conf").read_text().replace("SIGNING", "on" if signing else "off").replace("SYNC", "0" if signing else "-1")
    (folder / "now.conf").write_text(config)
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen([*bound(), program, "-c", folder / "now.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, "LC_ALL": "C"})
    try:
        until(lambda: connects(port), 20, "knot's start")
        yield
    finally:
        end(process)


@contextlib.contextmanager
def signed(zone, domain, tamper=lambda text: text, **plain):
    """The port of a name server for a signed zone (its lines without SOA and NS), whose dump `tamper` may change behind the signer,
    and for plain ones (name=lines); and a file with the key that signed, a trust anchor."""
    program = found()
    apex = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n"
    with folder_of_zones([domain, *plain]) as (folder, port):
        file, anchor = folder / f"{domain}.zone", folder / "anchor.key"
        for name, text in {**plain, domain: zone}.items():
            (folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n{apex}{text}")
        with serving(program, folder, port, signing=True):
            until(lambda: "RRSIG" in file.read_text() and "Written" in file.read_text(), 20, "the signed zone")
        text = file.read_text()
        anchor.write_text("".join(line + "\n" for line in text.splitlines() if "\tDNSKEY\t" in line))
        file.write_text(tamper(text))
        for name, plain_text in plain.items():
            (folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n{apex}{plain_text}")
        with serving(program, folder, port, signing=False):
            yield port, anchor


@contextlib.contextmanager
def running(extra="", domain="example", others=None):
    """The port of a name server that knows the zone example. (or another), with these lines too, and others ({name: lines}), and
    no other; skips where there is none."""
    start = "".join(ZONE.splitlines(keepends=True)[:2]).replace(" NS ns", " NS ns.example.")
    texts = {domain: ZONE + extra, **{name: start + lines for name, lines in (others or {}).items()}}
    with folder_of_zones(texts) as (folder, port):
        for name, text in texts.items():
            (folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n{text}")
        with serving(found(), folder, port, signing=False):
            yield port
