"""What two programs say about one case, compared. A rule says why they may differ, by which section of an RFC and who is
right. Several may meet in one case: the first that fits explains it. A difference that none explains is a failure."""
import collections
import dataclasses

RIGHT = {"ours": "we are", "theirs": "they are", "either": "both are"}


@dataclasses.dataclass
class Rule:
    name: str
    section: str
    right: str
    why: str
    explains: object


class Rules(list):
    """rule(NAME, SECTION, WHO IS RIGHT, WHY) in front of a predicate over a difference."""

    def __call__(self, name, section, right, why):
        assert right in RIGHT and name not in [rule.name for rule in self]

        def add(explains):
            self.append(Rule(name, section, right, why, explains))
            return explains
        return add


def report(rules, differences, compared, show=20):
    """Print the table and what is not explained; True when there is none of that."""
    counts, unexplained = collections.Counter(), []
    for difference in differences:
        found = next((rule for rule in rules if rule.explains(difference)), None)
        if found:
            counts[found.name] += 1
        else:
            unexplained.append(difference)
    print("| rule | RFC | right | count | why |\n|---|---|---|---:|---|")
    for rule in rules:
        if counts[rule.name]:
            print(f"| {rule.name} | {rule.section} | {RIGHT[rule.right]} | {counts[rule.name]} | {rule.why} |")
    for difference in unexplained[:show]:
        print(f"\nnot explained: {difference}")
    print(f"\n{compared} compared, {compared - len(differences)} equal, {len(differences)} different by {len(counts)} rules")
    print(f"unexplained: {len(unexplained)}")
    return not unexplained
