"""What two servers answered to one request, compared. `compare` names the differences; RULES say which of them are meant,
and why. A difference that no rule explains is a failure, and so is one that two do."""
import dataclasses
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?")
# What a server names as it likes: where it is (in a link or under a key), and how it is called, in old links by a number.
NAME = re.compile(r"\b(members|users|requests|held)/([0-9a-f]{40}|[0-9a-f]{32}|\d+)\b")
NAMED = {"member_id": "members", "user_id": "users", "token": "requests", "request_id": "held"}
ETAG = re.compile(r'"[0-9a-f]{40}"')
MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()


@dataclasses.dataclass
class Difference:
    """where: status, a header's name, keys (their order), length, missing, more or value; what: the way to it in the body."""
    step: object
    where: str
    what: tuple
    mailman: object
    postroad: object
    answers: tuple = (None, None)

    def __str__(self):
        way = "/".join(map(str, self.what))
        return (f"{self.step}\n  {self.where} {way}\n    mailman  {shown(self.mailman)}\n    postroad {shown(self.postroad)}")


def shown(value):
    return repr(value)[:400]


class Pairs:
    """Which name of Postroad's stands where one of Mailman's does: each for one other, from when they are first seen."""

    def __init__(self):
        self.ours, self.theirs = {}, {}

    def same(self, kind, theirs, ours):
        """For names as text in hexadecimal, or numbers."""
        theirs, ours = ((kind, one if isinstance(one, int) else int(one, 10 if len(one) < 32 else 16)) for one in (theirs, ours))
        if theirs not in self.ours and ours not in self.theirs:
            self.ours[theirs], self.theirs[ours] = ours, theirs
        return self.ours.get(theirs) == ours

    def same_text(self, theirs, ours):
        """But for names and times."""
        def without(text):
            return TIME.sub("TIME", NAME.sub(r"\1/NAME", text))
        return without(theirs) == without(ours) and all(
            self.same(kind, one, other) for (kind, one), (_, other) in zip(NAME.findall(theirs), NAME.findall(ours)))


def leaf(pairs, what, theirs, ours):
    if what and what[-1] == "http_etag":
        return all(isinstance(one, str) and ETAG.fullmatch(one) for one in (theirs, ours))
    if what and what[-1] in NAMED and theirs is not None and type(theirs) is type(ours):
        return pairs.same(NAMED[what[-1]], theirs, ours)
    if isinstance(theirs, str) and isinstance(ours, str):
        return pairs.same_text(theirs, ours)
    return type(theirs) is type(ours) and theirs == ours


def differing(pairs, what, theirs, ours):
    """(where, what, mailman's, postroad's) of each difference."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs:
            if key not in ours:
                yield "missing", (*what, key), theirs[key], MISSING
        for key in ours:
            if key not in theirs:
                yield "more", (*what, key), MISSING, ours[key]
        common = [k for k in theirs if k in ours], [k for k in ours if k in theirs]
        if common[0] != common[1]:
            yield "keys", what, *common
        for key in common[0]:
            yield from differing(pairs, (*what, key), theirs[key], ours[key])
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            yield "length", what, theirs, ours
        else:
            for number, both in enumerate(zip(theirs, ours)):
                yield from differing(pairs, (*what, number), *both)
    elif not leaf(pairs, what, theirs, ours):
        yield "value", what, theirs, ours


def compare(pairs, step, theirs, ours):
    """The differences of two answers; when they do not agree whether it went well, that only."""
    answers = theirs, ours
    if theirs.status != ours.status:
        return [Difference(step, "status", (), (theirs.status, theirs.body), (ours.status, ours.body), answers)]
    found = []
    for name in sorted({*theirs.headers, *ours.headers}):
        both = [one.headers.get(name) for one in answers]
        if both[0] != both[1] and not (None not in both and pairs.same_text(*both)):
            found.append(Difference(step, name, (), *both, answers))
    return found + [Difference(step, *rest, answers) for rest in differing(pairs, (), theirs.body, ours.body)]


RULES = []


def rule(name, reason):
    def add(function):
        RULES.append((name, reason, function))
        return function
    return add


def explain(difference):
    """The names of the rules that explain it."""
    return [name for name, _, function in RULES if function(difference)]
