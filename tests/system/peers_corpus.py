"""Real mail from the corpora beside the repository; tests that need it are skipped where it is absent."""
import gzip
import hashlib
import os
import pathlib
import random
import re
import tarfile

import pytest

from postroad import ROOT

NO_MAIL = re.compile(r"INDEX|COPYING|LICENSE|NOTICE|README|Makefile|\.(json|xml|out|bin|py|sh|md|gitignore)$", re.I)


def shared(*parts):
    """A folder or file of the shared material: in the first folder of POSTROAD_SHARED (separated by colons, else
    ../shared) that has it; skips when there is none."""
    roots = (os.environ.get("POSTROAD_SHARED") or str(ROOT.parent / "shared")).split(":")
    for path in (pathlib.Path(root).joinpath(*parts) for root in roots):
        if path.exists():
            return path
    return pytest.skip(f"{'/'.join(parts)} is absent: set POSTROAD_SHARED")


def with_crlf(octets):
    """Every kind of line end as CRLF, and one at the very end: what SMTP can carry."""
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def split_mbox(octets):
    """The messages of a file; all of it is one unless it starts with a From line."""
    octets = octets.replace(b"\r\n", b"\n")
    if not octets.startswith(b"From "):
        return [octets]
    return re.split(rb"(?:\A|(?<=\n)\n)From [^\n]*\n", octets)[1:]


def _files(folder):
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.endswith(".tar.xz"):
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile() and not NO_MAIL.search(member.name):
                        yield tar.extractfile(member).read()
        elif path.suffix == ".gz":
            yield gzip.decompress(path.read_bytes())
        elif not NO_MAIL.search(path.name):
            yield path.read_bytes()


def corpus():
    """{folder: its messages}, with CRLF line ends, each different from all others."""
    seen = set()
    found = {}
    for folder in sorted(p for p in shared("corpus").iterdir() if p.is_dir()):
        kept = found.setdefault(folder.name, [])
        for octets in (with_crlf(text) for file in _files(folder) for text in split_mbox(file)):
            digest = hashlib.sha256(octets).digest()
            if digest not in seen:
                seen.add(digest)
                kept.append(octets)
    return found


def sample_of(messages, count, seed):
    """count messages: the same for the same seed, as many from each folder as it has, in turn."""
    order = random.Random(seed)
    stacks = [order.sample(m, len(m)) for m in messages.values()]
    taken = []
    while len(taken) < count and any(stacks):
        taken += [stack.pop() for stack in stacks if stack]
    return taken[:count]
