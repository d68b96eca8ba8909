"""Sets of senders that lists share, and lists that share their members: made by commands, seen in what is sent."""
import pytest

from postroad import message, until

NEWS, STAFF = "news@example.org", "staff@example.org"


@pytest.fixture
def lists(post):
    post.cli("list", "set", "all", "default_nonmember_action=reject", "require_explicit_destination=false")
    for name, member in ((NEWS, "ada@x.example"), (STAFF, "bo@y.example")):
        post.cli("list", "create", name, "--owner", "boss@far.example", "--archive", "none")
        post.cli("member", "add", name, member)
    return post


def answer(post, sender, to=NEWS, header_to=None):
    with post.raw() as c:
        c.begin(sender, *([to] if isinstance(to, str) else to))
        got = c.data(message(sender=sender, to=header_to or to))
    post.wait()
    return got


def test_a_set_serves_many_lists(lists):
    lists.cli("senders", "create", "trusted", "--about", "who may post everywhere")
    assert "no set of senders other" in lists.fails("list", "set", NEWS, "accept_these_nonmembers=@other", status=1)
    lists.cli("list", "set", "all", "accept_these_nonmembers=@trusted")
    assert answer(lists, "eve@z.example") == 550
    assert "2 of 2 senders added" in lists.cli("senders", "add", "trusted", "Eve@Z.example", "@w.example", "eve@z.example")
    assert {row["sender"] for row in lists.json("senders", "show", "trusted")} == {"eve@z.example", "@w.example"}
    assert answer(lists, "eve@z.example") == 250 and answer(lists, "who@w.example", STAFF) == 250
    assert [row["set"] for row in lists.json("senders", "find", "who@w.example")] == ["trusted"]
    assert "accept_these_nonmembers of all lists" in lists.fails("senders", "delete", "trusted", status=1)
    lists.cli("senders", "remove", "trusted", "@w.example")
    assert answer(lists, "who@w.example", STAFF) == 550
    lists.cli("senders", "add", "trusted", "^.*@w[.]example$")
    assert answer(lists, "who@w.example", STAFF) == 250


def test_a_set_is_imported(lists, tmp_path):
    lists.cli("senders", "create", "trusted")
    file = tmp_path / "senders"
    file.write_text("a@x.example\nb@x.example\n@y.example\n")
    assert "+3 -0, 0 stay" in lists.cli("senders", "import", "trusted", file, "--dry-run")
    assert lists.json("senders", "show", "trusted") == []
    lists.cli("senders", "import", "trusted", file, "--yes")
    file.write_text("a@x.example\n")
    assert "more than half" in lists.fails("senders", "import", "trusted", file, status=1)
    file.write_text("a@x.example\nb@x.example\nno address\n")
    assert "line 3" in lists.fails("senders", "import", "trusted", file, status=2)
    file.write_text("a@x.example\nb@x.example\nc@x.example\n")
    assert "+1 -1, 2 stay" in lists.cli("senders", "import", "trusted", file, "--yes")
    assert [row["sender"] for row in lists.json("senders", "show", "trusted")] == ["a@x.example", "b@x.example", "c@x.example"]
    expressions = [f"^{letter * 60}@z[.]example$" for letter in "abcdefghijklmnopqrst"]
    file.write_text("\n".join(["a@x.example", "b@x.example", "c@x.example", *expressions, ""]))
    lists.cli("senders", "import", "trusted", file, "--yes")
    assert sorted(row["sender"] for row in lists.json("senders", "show", "trusted"))[:20] == expressions


def test_an_umbrella_sends_each_member_one_copy(lists, sink):
    lists.cli("list", "create", "all@example.org", "--owner", "boss@far.example", "--archive", "none")
    lists.cli("member", "add", NEWS, "bo@y.example")
    lists.cli("list", "set", "all@example.org", f"regular_include_lists={NEWS}", f"accept_these_nonmembers=@{NEWS}")
    lists.cli("list", "set", "all@example.org", f"regular_include_lists+={STAFF}")
    qid = answer(lists, "ada@x.example", "all@example.org").text.rsplit(" ", 1)[-1]
    until(lambda: len(sink.recipients()) == 2)
    assert sorted(sink.recipients()) == ["ada@x.example", "bo@y.example"]
    assert b"List-Id: <all.example.org>" in sink.to("bo@y.example")[0].octets
    assert f"to members of {NEWS} {STAFF}" in [row["detail"] for row in lists.trace(qid)]
    assert "no list" in lists.fails("list", "set", NEWS, "regular_include_lists=other@example.org", status=1)


def test_a_domain_by_its_other_name(lists, sink):
    lists.cli("list", "set", "all", "require_explicit_destination=true")
    lists.cli("domain", "set", "example.org", "--alias", "old.example", "--description", "ours")
    assert answer(lists, "ada@x.example", "news@old.example") == 250
    until(lambda: sink.recipients() == ["ada@x.example"])
    assert b"List-Id: <news.example.org>" in sink.to("ada@x.example")[0].octets
    with lists.raw() as c:
        assert c.cmd("MAIL FROM:<ada@x.example>") == 250 and c.cmd("RCPT TO:<nobody@old.example>") == 550
    row = lists.json("domain", "show", "example.org")
    assert (row["alias"], row["description"]) == ("old.example", "ours")
    lists.cli("domain", "set", "example.org", "--alias", "none")
    assert not lists.json("domain", "show", "example.org")["alias"]


def test_a_post_to_two_lists_comes_once(lists, sink):
    """Who is on both lists gets it from one of them, where the other is told to leave them out."""
    lists.cli("list", "set", "all", "default_nonmember_action=accept")
    lists.cli("member", "add", STAFF, "ada@x.example")
    lists.cli("list", "set", NEWS, f"regular_exclude_lists={STAFF}")
    answer(lists, "eve@z.example", [NEWS, STAFF], f"{NEWS}, {STAFF}")
    until(lambda: len(sink.recipients()) == 2)
    assert sorted(sink.recipients()) == ["ada@x.example", "bo@y.example"]
    answer(lists, "eve@z.example", NEWS)
    until(lambda: len(sink.recipients()) == 3)
    assert sorted(sink.recipients()) == ["ada@x.example", "ada@x.example", "bo@y.example"]
