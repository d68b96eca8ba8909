"""Signatures survive: what a DKIM signer signed verifies behind a list, by two verifiers nobody here wrote."""
import itertools
import json

import pytest

from peers_corpus import shared
from peers_dkim import Keys, OpenDKIM, by_dkimpy, by_perl
from peers_mail import as_sent, list_fields, sample, top

MEMBERS = ["a@x.example", "b@x.example", "c@y.example"]
SAMPLES = ("plain", "dots", "empty", "blank-end", "latin1", "utf8-body", "folded", "attachment")
# Its author signed that it has no List-Id: whoever does so forbids every list that names itself (RFC 2919).
FORBID_LISTS = ("msgs/oversign-list-headers.eml",)
CANONICAL_FORMS = ("relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed")


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture
def news(post):
    post.cli("list", "create", "news@example.org", "--owner", "boss@example.net")
    post.cli("member", "add", "news@example.org", "-", input="".join(f"{m}\n" for m in MEMBERS))
    return post


def through_the_list(news, sink, posts, refused=lambda octets: False):
    """Post all; {octets as posted: the copies of the members}."""
    ids = {}
    with news.raw() as client:
        for octets in posts:
            client.begin("me@sender.example", "news@example.org", options=["BODY=8BITMIME"])
            got = client.data(octets)
            assert got == (554 if refused(octets) else 250), (got, octets[:500])
            if got == 250:
                ids[got.text.rsplit(" ", 1)[-1].encode()] = octets
    news.wait(120)
    copies = {octets: [] for octets in ids.values()}
    recipients = []
    for mail in sink.mails():
        head = mail.octets[:2000]
        octets = ids[head[head.index(b"\r\n\tby mx.example.org"):].split(b" id ")[1].split(b"\r\n")[0].rstrip(b";")]
        above = top(mail.octets, octets)
        assert above.names == [*list_fields(octets), "Received"]
        copies[octets].append(mail.octets)
        recipients += mail.recipients
    assert sorted(recipients) == sorted(MEMBERS * len(ids))
    return copies


def test_signed_posts_verify_at_every_member(news, sink, keys, tmp_path):
    """RSA and Ed25519, every canonicalization, every kind of body; and both verifiers see a change."""
    posts = [keys.sign(sample(name), algorithm, how)
             for algorithm, how, name in itertools.product(("rsa", "ed25519"), CANONICAL_FORMS, SAMPLES)]
    assert len(posts) == 64
    copies = [copy for found in through_the_list(news, sink, posts).values() for copy in found]
    assert len(copies) == len(posts) * len(MEMBERS)
    opendkim = OpenDKIM(tmp_path / "opendkim", keys.dns)
    for verify in (lambda copy: by_dkimpy(copy, keys.dns), opendkim):
        assert [verify(copy) for copy in copies] == [["pass"]] * len(copies)
    rsa = [copy for copy in copies if b"a=rsa-sha256" in copy]
    assert len(rsa) == len(copies) / 2
    assert by_perl(rsa, keys.dns, tmp_path / "perl") == [["pass"]] * len(rsa)


def test_two_signatures_and_another_list(news, sink, keys, tmp_path):
    """Both algorithms on one message; and a post that came through another list. Its List-Id goes (there is one of each,
    RFC 2369 and 2919), and with it a signature that had it in."""
    twice = keys.sign(keys.sign(sample("utf8-body"), "rsa", "relaxed/simple"), "ed25519", "simple/simple")
    other = keys.sign(b"List-Id: <other.example.net>\r\nPrecedence: list\r\nReceived: from a.example by b.example;\r\n"
                      b"\tMon, 02 Nov 2026 10:00:00 +0000\r\n" + sample("plain"), "rsa", "relaxed/relaxed")
    assert b"list-id" in other.split(b"\r\n\r\n")[0].split(b"bh=")[0]
    copies = through_the_list(news, sink, [twice, other])
    for octets, expected in ((twice, ["pass", "pass"]), (other, ["fail"])):
        assert [by_dkimpy(copy, keys.dns) for copy in copies[octets]] == [expected] * len(MEMBERS)
        opendkim = OpenDKIM(tmp_path / str(len(expected)), keys.dns)
        assert [opendkim(copy) for copy in copies[octets]] == [expected] * len(MEMBERS)
    assert by_perl(copies[other], keys.dns, tmp_path / "perl") != [["pass"]] * len(MEMBERS)


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_the_verifiers_see_a_changed_octet(news, sink, keys, tmp_path, algorithm):
    """The control: one octet of a copy changed, in the body or in a signed field, and no verifier passes it."""
    octets = keys.sign(sample("attachment"), algorithm, "relaxed/relaxed")
    copy = through_the_list(news, sink, [octets])[octets][0]
    body = copy.index(b"\r\n\r\n") + 4
    subject = copy.index(b"Subject: ") + 9
    changed = [copy[:at] + bytes([copy[at] ^ 1]) + copy[at + 1:] for at in (body + 3, len(copy) - 5, subject)]
    others = Keys()
    opendkim = OpenDKIM(tmp_path / "opendkim", keys.dns)
    assert by_dkimpy(copy, keys.dns) == opendkim(copy) == ["pass"]
    for octets in changed:
        assert "pass" not in by_dkimpy(octets, keys.dns) + opendkim(octets)
    for dns in (others.dns, {}):
        assert "pass" not in by_dkimpy(copy, dns) + OpenDKIM(tmp_path / f"other{len(dns)}", dns)(copy)
    if algorithm == "ed25519":
        return
    found = by_perl([copy, *changed], keys.dns, tmp_path / "right")
    assert found[0] == ["pass"]
    assert all(results != ["pass"] for results in found[1:])
    assert by_perl([copy], others.dns, tmp_path / "wrong") != [["pass"]]


@pytest.mark.parametrize("suite, passing", [("auth-dkim-messages", 13), ("auth-dkim-maildkim", 5),
                                            ("auth-dkim-vectors", 60)])
def test_signed_messages_of_others(news, sink, tmp_path, suite, passing):
    """Real and constructed signed messages: behind the list each signature has the result it had before, whatever
    that was. Messages with bare CR or LF cannot travel and are refused."""
    folder = shared("suites", suite)
    dns = {name.lower(): records for name, records in json.loads((folder / "dns.json").read_text()).items()}
    posts = {}
    for case in json.loads((folder / "manifest.json").read_text()):
        octets = (folder / case["file"]).read_bytes()
        posts[octets if octets.endswith(b"\r\n") else octets + b"\r\n"] = case["file"]
    copies = through_the_list(news, sink, posts, refused=bare_line_end)
    assert len(copies) >= len(posts) * 0.9
    forbidden = [octets for octets in copies if posts[octets] in FORBID_LISTS]
    for octets in forbidden:
        assert (by_dkimpy(octets, dns), by_dkimpy(copies.pop(octets)[0], dns)) == (["pass"], ["fail"])
    for octets in [octets for octets in copies if as_sent(octets) != octets]:
        del copies[octets]  # came through a list: what that has signed may be gone
    assert len(copies) >= len(posts) * 0.8
    before = list(copies)
    after = [found[0] for found in copies.values()]
    results = [by_dkimpy(octets, dns) for octets in before]
    assert sum("pass" in r for r in results) >= passing
    differ(posts, before, results, [by_dkimpy(octets, dns) for octets in after])
    results = by_perl(before, dns, tmp_path / "before")
    assert sum("pass" in r for r in results) >= passing
    differ(posts, before, results, by_perl(after, dns, tmp_path / "after"))


def bare_line_end(octets):
    rest = octets.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def differ(posts, before, results, later):
    wrong = [(posts[o], was, now) for o, was, now in zip(before, results, later) if was != now]
    assert not wrong, wrong
