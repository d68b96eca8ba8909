"""Messages that were made, by our verifier and by dkimpy."""
import dataclasses
import json
import random
import re
import subprocess
import types

import dkim

import dkim_made
import dkim_rules
from compare import report

dkim.time = types.SimpleNamespace(time=lambda: dkim_made.NOW)


@dataclasses.dataclass
class Difference:
    """A signature of a message, counted from the top."""
    case: dkim_made.Case
    index: int
    ours: str
    why: str
    theirs: str
    said: str  # by dkimpy, when it refuses or fails
    dns: dict

    @property
    def pair(self):
        return self.ours, self.theirs

    @property
    def field(self):
        """The value of the field."""
        header = re.split(rb"\r?\n\r?\n", self.case.octets)[0]
        found = re.findall(rb"(?im)^dkim-signature[ \t]*:(.*(?:\n[ \t].*)*)", header)
        return found[self.index].removesuffix(b"\r") if self.index < len(found) else b""

    @property
    def tags(self):
        """Of the field: name to value as it stands there, trimmed; of two the first."""
        tags = {}
        for part in self.field.split(b";"):
            if b"=" in part:
                name, value = part.split(b"=", 1)
                tags.setdefault(name.strip(b" \t\r\n"), value.strip(b" \t\r\n"))
        return tags

    @property
    def record(self):
        """Of the key: text, or a list of them, or None."""
        name = b"%s._domainkey.%s" % (self.tags.get(b"s", b""), self.tags.get(b"d", b""))
        return self.dns.get(name.decode(errors="replace").lower().rstrip("."))

    def __str__(self):
        return (f"{self.case.file} signature {self.index}: {self.case.fault or 'good'} {self.case.detail}\n    ours   {self.ours} {self.why}\n"
                f"    theirs {self.theirs} {self.said}\n    field  {self.field[:700]!r}\n    record {self.record!r}")


class Log:
    """What dkimpy logs of keys that it cannot use: it answers False then, as for a signature that is wrong."""

    def __init__(self):
        self.errors = []

    def error(self, text):
        self.errors.append(text)

    def debug(self, text):
        pass

    def isEnabledFor(self, level):
        return False


class Dkimpy:
    def __init__(self, dns):
        self.dns = dns

    def txt(self, name, timeout=5):
        record = self.dns.get(name.decode(errors="replace").lower().removesuffix("."))
        if isinstance(record, list):
            record = record[0]
        if record and record.startswith("~"):
            raise dkim.DnsTimeoutError(record)
        return record.encode("latin-1") if record else None

    def __call__(self, octets, index):
        """(result, what it says)"""
        log = Log()
        try:
            verifier = dkim.DKIM(octets, logger=log)
            if index >= [name.lower() for name, _ in verifier.headers].count(b"dkim-signature"):
                return "none", ""
            if verifier.verify(index, dnsfunc=self.txt):
                return "pass", ""
        except dkim.DKIMException as e:
            return "fail" if str(e).startswith("body hash mismatch") else "permerror", f"{type(e).__name__}: {e}".removeprefix("ValidationError: ")
        except Exception as e:  # of Python itself: it has failed to foresee something
            return "crash", f"{type(e).__name__}: {e}"
        if log.errors:
            return "temperror" if log.errors[0].startswith("DnsTimeout") else "permerror", log.errors[0]
        return "fail", ""


def ours(runner, folder):
    got = subprocess.run([runner, "--results", folder], check=True, capture_output=True)
    return {line["file"]: line["signatures"] for line in map(json.loads, got.stdout.splitlines())}


def run(count, seed, folder, build):
    rng = random.Random(seed)
    maker = dkim_made.Maker(rng)
    (folder / "msgs").mkdir(parents=True)
    cases = []
    for number in range(count):
        cases.append(maker.make(number))
        (folder / cases[-1].file).write_bytes(cases[-1].octets)
    (folder / "dns.json").write_text(json.dumps(maker.dns))
    (folder / "manifest.json").write_text(json.dumps([{"file": c.file, "now": dkim_made.NOW, "note": f"{c.fault} {c.detail}"} for c in cases], indent=1))
    results, theirs, differences, compared = ours(build / "src/auth/auth-dkim-suite", folder), Dkimpy(maker.dns), [], 0
    seen = {}
    for case in cases:
        mine = results[case.file]
        for index in range(max(case.signatures, len(mine))):
            result, why = mine[index] if index < len(mine) else ("none", "")
            other, said = theirs(case.octets, index)
            compared += 1
            seen[result] = seen.get(result, 0) + 1
            if result != other:
                differences.append(Difference(case, index, result, why, other, said, maker.dns))
    wrong = sum(bool(c.fault) for c in cases)
    print(f"{count} messages from seed {seed}, {wrong} of them changed or made wrong; {compared} signatures: "
          f"{', '.join(f'{n} {word}' for word, n in sorted(seen.items()))}\n")
    return report(dkim_rules.RULES, differences, compared)
