"""Zones that were made, asked by our check and by pyspf."""
import collections
import dataclasses
import json
import random
import subprocess
import sys
import types

import spf

import spf_made
import spf_rules
from compare import report

Question = collections.namedtuple("Question", "name kind purpose void")
spf.time = types.SimpleNamespace(time=lambda: spf_made.NOW)
NO_EXPLANATION = spf.EXPLANATIONS["fail"]


@dataclasses.dataclass
class Difference:
    """what: result, or explanation when both say fail."""
    case: spf_made.Case
    what: str
    ours: str
    why: str
    theirs: str
    said: str  # by pyspf, when it is an error
    asked: list  # by pyspf: Questions
    counted: int  # look-ups of terms that it has come to

    @property
    def pair(self):
        return self.ours, self.theirs

    @property
    def records(self):
        """Policies that pyspf has read."""
        found = []
        for name in [q.name.lower() for q in self.asked if q.purpose == "policy"]:
            for item in self.case.zone.names.get(name, []):
                text = "".join(item.get("TXT", "")) if isinstance(item, dict) else ""
                if text.lower().startswith("v=spf1") and text not in found:
                    found.append(text)
        return found

    @property
    def terms(self):
        return [term for text in self.records for term in text.split(" ")[1:] if term]

    def __str__(self):
        c = self.case
        zone = json.dumps({name: c.zone.names.get(name) for name in dict.fromkeys(q.name for q in self.asked)})[:900]
        return (f"case {c.name} ({c.zone.fault or 'good'}): {self.what}: client {c.client} helo {c.helo} sender {c.sender!r}\n    ours   {self.ours!r} {self.why}\n"
                f"    theirs {self.theirs!r} {self.said}\n    {self.records}\n    {zone}")


class Resolver:
    """What a resolver would answer from a zone: aliases followed."""

    def __init__(self):
        self.zone = {}

    def __call__(self, name, kind, strict=True, timeout=0):
        at = name.lower()
        for _ in range(8):
            items = self.zone.get(at, [])
            if "TIMEOUT" in items:
                raise spf.TempError("DNS time-out")
            found = [item[kind] for item in items if kind in item]
            alias = [item["CNAME"] for item in items if "CNAME" in item]
            if found or not alias:
                return [((name, kind), self.value(kind, one)) for one in found]
            at = alias[0].lower()
        return []

    @staticmethod
    def value(kind, one):
        if kind == "TXT":
            return [part.encode("latin-1") for part in (one if isinstance(one, list) else [one])]
        return tuple(one) if kind == "MX" else one


class Query(spf.query):
    """Remembers what it asked for, and what for: a policy, an explanation, a term itself, or a host that a term names."""
    asked = ()
    purpose = "term"
    hosts = False
    counted = 0  # mechanisms that look something up, and redirects that are followed

    def dns(self, name, qtype, cnames=None, ignore_void=False):
        self.asked = self.asked or []
        at = len(self.asked)
        self.asked.append(Question(str(name), qtype, self.purpose, False))
        before = self.void_lookups
        try:
            return super().dns(name, qtype, cnames, ignore_void)
        finally:
            self.asked[at] = self.asked[at]._replace(void=self.void_lookups > before)

    def check_lookups(self):
        if not sys._getframe(1).f_locals["mech"].startswith("redirect="):  # else the record is being read
            self.counted += 1
        super().check_lookups()

    def during(self, purpose, does, *arguments):
        before, self.purpose = self.purpose, purpose
        try:
            return does(*arguments)
        finally:
            self.purpose = before

    def dns_spf(self, domain):
        self.counted += sys._getframe(1).f_locals.get("redirect") == domain and sys._getframe(1).f_locals.get("m") != "include"
        return self.during("policy", super().dns_spf, domain)

    def get_explanation(self, spec):
        return self.during("explanation", super().get_explanation, spec)

    def getp(self):
        return self.during("macro", super().getp)

    def dns_a(self, domainname, A="A"):
        return self.during("host" if self.hosts and self.purpose == "term" else self.purpose, super().dns_a, domainname, A)

    def with_hosts(self, does, *arguments):
        self.hosts = True
        try:
            return does(*arguments)
        finally:
            self.hosts = False

    def dns_mx(self, domainname):
        return self.with_hosts(super().dns_mx, domainname)

    def validated_ptrs(self):
        return self.with_hosts(super().validated_ptrs)


def theirs(case):
    """(result, explanation, what is wrong, the query)"""
    query = Query(case.client, case.sender, case.helo, receiver=spf_made.RECEIVER)
    try:
        result, _, text = query.check()
    except Exception as e:  # it has failed to foresee something
        return "crash", "", f"{type(e).__name__}: {e}", query
    wrong = text if result.endswith("error") else ""
    return result, text if result == "fail" and text != NO_EXPLANATION else "", wrong, query


def compare(case, line, resolver):
    resolver.zone = case.zone.names
    result, explanation, said, query = theirs(case)
    what = "result" if result != line["result"] else "explanation"
    if result == line["result"] and explanation == line["explanation"]:
        return None
    return Difference(case, what, line[what], line["why"], result if what == "result" else explanation, said, list(query.asked), query.counted)


def run(count, seed, folder, build):
    scenarios = spf_made.make(random.Random(seed), count)
    folder.mkdir(parents=True)
    (folder / "cases.json").write_text(json.dumps([
        {"description": cases[0].zone.fault, "zonedata": cases[0].zone.names,
         "tests": {c.name: {"host": c.client, "helo": c.helo, "mailfrom": c.sender} for c in cases}} for cases in scenarios], indent=1))
    got = subprocess.run([build / "src/auth/auth-spf-suite", "--results", folder], check=True, capture_output=True)
    lines = {line["case"]: line for line in map(json.loads, got.stdout.splitlines())}
    spf.DNSLookup = resolver = Resolver()
    cases = [case for scenario in scenarios for case in scenario]
    differences = [found for case in cases if (found := compare(case, lines[case.name], resolver))]
    seen = {}
    for line in lines.values():
        seen[line["result"]] = seen.get(line["result"], 0) + 1
    wrong = sum(bool(case.zone.fault) for case in cases)
    print(f"{len(cases)} checks of {len(scenarios)} zones from seed {seed}, {wrong} of them where something is wrong: "
          f"{', '.join(f'{n} {word}' for word, n in sorted(seen.items()))}\n")
    return report(spf_rules.RULES, differences, len(cases))
