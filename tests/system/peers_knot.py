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


@contextlib.contextmanager
def running(extra="", domain="example", others=None):
    """The port of a name server that knows the zone example. (or another), with these lines too, and others ({name: lines}), and
    no other; skips where there is none."""
    got = subprocess.run([ROOT / "scripts/peers", "knot"], capture_output=True, text=True, check=False, timeout=300)
    if got.returncode != 0:
        pytest.skip(f"no knot: scripts/peers knot: {got.stderr.strip()[-200:]}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-knot-"))
    port = free_port()
    (folder / "example.zone").write_text(f"$ORIGIN {domain}.\n" + ZONE + extra)
    start = ZONE.splitlines(keepends=True)[:2]
    for name, lines in (others or {}).items():
        (folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n" + "".join(start).replace(" NS ns", " NS ns.example.") + lines)
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
database:
    storage: {folder}/db
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: {folder}
zone:
  - domain: {domain}.
    file: example.zone
""" + "".join(f"  - domain: {name}.\n    file: {name}.zone\n" for name in others or {}))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*bound(), got.stdout.strip().splitlines()[-1], "-c", folder / "knot.conf"], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env={**os.environ, "LC_ALL": "C"})
    try:
        until(lambda: connects(port), 20, "knot's start")
        yield port
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)
