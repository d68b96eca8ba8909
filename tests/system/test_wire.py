"""The list's edition of a post on the wire: the same posts to the same lists of Mailman 3 and of Postroad, and what
each sends, compared by the rules of wire_compare.py. The table of docs/mailman-compatibility.md is checked here, and
rewritten by

    /usr/bin/python3 -m pytest tests/system/test_wire.py --store sqlite --rewrite-docs
"""
import collections
import concurrent.futures
import re

import pytest

from postroad import ROOT, message_id
from wire_cases import CASES
from wire_compare import RULES, Outcome, Seen, compare, explain, unkept
from wire_sides import posts, through_mailman, through_postroad

PAGE = ROOT / "docs/mailman-compatibility.md"
BEGIN, END = "<!-- wire: begin -->\n", "<!-- wire: end -->\n"


@pytest.fixture(scope="session")
def mailman_side():
    """What through_mailman will return: the other side goes its way meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(through_mailman)


def list_of(mail):
    """The name of the list whose copy this is, or about whose post the letter is; None for what is neither."""
    names = {case.name for case in CASES}
    found = [mail.sender, *re.findall(r"[\w.+-]+@example\.org", mail.octets.decode("latin-1"))]
    locals_ = [re.sub(r"-(bounces|owner|request)$", "", a.split("@")[0].split("+")[0]) for a in found]
    return next((name for name in locals_ if name in names), None)


def sorted_out(side):
    """({(case, post): {recipient: copy}}, {case: {recipients of letters}})."""
    copies, letters = collections.defaultdict(dict), collections.defaultdict(set)
    by_id = {message_id(octets): key for key, octets in posts().items()}
    cases = {case.name: case for case in CASES}
    for mail in side.mails:
        name = list_of(mail)
        case = cases[name]
        key = by_id.get(message_id(mail.octets))
        if not key and case.settings.get("anonymous_list"):
            key = name, next(iter(case.posts))
        is_letter = not key or not set(mail.recipients) <= set(case.members)
        for recipient in mail.recipients:
            if is_letter:
                letters[name].add(recipient)
            else:
                assert recipient not in copies[key], f"{key}: {recipient} got two copies"
                copies[key][recipient] = Seen(mail.octets, mail.sender)
    return copies, letters


def outcomes(mailman, postroad):
    (theirs, their_letters), (ours, our_letters) = sorted_out(mailman), sorted_out(postroad)
    for case in CASES:
        for name, octets in case.posts.items():
            key = case.name, name
            # what has no last line end gets one on its way
            post = Seen(octets if octets.endswith(b"\r\n") else octets + b"\r\n")
            yield Outcome(case, post, (theirs.get(key, {}), ours.get(key, {})),
                          (their_letters.get(case.name, set()), our_letters.get(case.name, set())),
                          (mailman.replies[key], postroad.replies[key]), key in mailman.lost)


def table(counts, number):
    rows = "".join(f"| `{name}` | {reason} | {counts[name]} |\n" for name, reason, _ in RULES if counts[name])
    return (f"{number} posts to {len(CASES)} lists; a difference is one field, part, envelope or set of recipients.\n\n"
            f"| rule | why | differences |\n|---|---|---|\n{rows}")


def told(differences):
    """Of each kind some, and how many there are."""
    kinds = collections.defaultdict(list)
    for d in differences:
        kinds[f"{d.where} {d.what}" if d.where == "field" else d.where].append(d)
    return "\n".join(f"== {kind}: {len(found)}\n" + "\n".join(map(str, found[:8])) for kind, found in kinds.items())


def test_the_same_posts_through_both(make, mailman_side, pytestconfig):
    """Every difference has a rule, every rule is needed, and the page says so."""
    ours = through_postroad(make)
    seen = list(outcomes(mailman_side.result(), ours))
    counts, unexplained, broken = collections.Counter(), [], []
    for outcome in seen:
        for difference in compare(outcome):
            name = explain(difference)
            counts[name] += 1
            if not name:
                unexplained.append(difference)
        for copy in outcome.copies[1].values():
            broken += unkept(outcome, copy)
    assert not unexplained, f"{len(unexplained)} differences have no rule:\n" + told(unexplained)
    assert not broken, "\n".join(broken)
    unused = [name for name, _, _ in RULES if not counts[name]]
    assert not unused, f"rules that explain nothing: {unused}"
    before, _, rest = PAGE.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    made = table(counts, len(seen))
    if pytestconfig.getoption("rewrite_docs"):
        PAGE.write_text(before + BEGIN + made + END + after)
    else:
        assert shown == made, "the table of docs/mailman-compatibility.md is another one; --rewrite-docs writes it"
