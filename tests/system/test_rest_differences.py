"""The REST interface beside Mailman's: the same requests, one after the other, to Mailman 3 and to Postroad, and what each
answers, compared by the rules of rest_rules.py. The table of docs/mailman-compatibility.md is checked here, and rewritten by

    /usr/bin/python3 -m pytest tests/system/test_rest_differences.py --store sqlite --rewrite-docs
"""
import collections
import concurrent.futures

import pytest

import rest_rules
from postroad import ROOT
from rest_compare import RULES, Pairs, compare, explain
from rest_sides import through_mailman, through_postroad
from rest_steps import STEPS, Ask

PAGE = ROOT / "docs/mailman-compatibility.md"
BEGIN, END = "<!-- rest: begin -->\n", "<!-- rest: end -->\n"


@pytest.fixture(scope="session")
def mailman_side():
    """What through_mailman will return: the other side goes its way meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(through_mailman)


def table(counts):
    asked = sum(isinstance(step, Ask) for step in STEPS)
    rows = "".join(f"| `{name}` | {reason} | {'varies' if name in rest_rules.VARIES else counts[name]} |\n" for name, reason, _ in RULES)
    return (f"{asked} requests; a difference is a status, a header, or a value, key or order of keys in a body.\n\n"
            f"| rule | why | differences |\n|---|---|---|\n{rows}")


def test_the_same_requests_to_both(make, mailman_side, pytestconfig):
    """Every difference has one rule, every rule is needed, and the page says so."""
    ours = through_postroad(make)
    pairs, counts, wrong = Pairs(), collections.Counter(), []
    for step, one, other in zip(STEPS, mailman_side.result(), ours):
        for difference in compare(pairs, step, one, other) if isinstance(step, Ask) else ():
            names = explain(difference)
            counts.update(names)
            if len(names) != 1:
                wrong.append(f"{difference}\n    rules    {', '.join(names) or 'none'}")
    assert not wrong, f"{len(wrong)} differences have no rule, or several:\n" + "\n".join(wrong[:100])
    unused = [name for name, _, _ in RULES if not counts[name] and name not in rest_rules.VARIES]
    assert not unused, f"rules that explain nothing: {unused}"
    before, _, rest = PAGE.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    made = table(counts)
    if pytestconfig.getoption("rewrite_docs"):
        PAGE.write_text(before + BEGIN + made + END + after)
    else:
        assert shown == made, "the table of docs/mailman-compatibility.md is another one; --rewrite-docs writes it"
