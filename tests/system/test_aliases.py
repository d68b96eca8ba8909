"""Aliases: nested, several targets, catch-all, lists as targets, loops, and targets that fail."""
import datetime
import email
import json
import os
import subprocess
import threading

from postroad import bound, message, until


def test_several_and_nested(post, sink):
    post.cli("alias", "set", "info@example.org", "one@far.example", "Two@far.example", "help@example.org")
    post.cli("alias", "set", "help@example.org", "desk@example.org", "one@far.example")
    post.cli("alias", "set", "desk@example.org", "three@other.example")
    octets = message()
    post.post("me@sender.example", ["info@example.org", "desk@example.org"], octets)
    post.wait()
    assert sink.recipients() == ["one@far.example", "three@other.example", "two@far.example"]
    for mail in sink.mails():
        assert mail.sender == "me@sender.example"
        assert mail.octets.endswith(octets) and b"List-Id" not in mail.octets


def test_one_message_to_one_site_is_one_transaction(post, sink):
    post.cli("alias", "set", "all@example.org", *[f"u{n}@far.example" for n in range(20)])
    post.post("me@sender.example", "all@example.org", message())
    post.wait()
    assert len(sink.recipients()) == 20
    assert len(sink.mails()) == 1


def test_catch_all(post, sink):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "member@far.example")
    post.cli("alias", "set", "named@example.org", "named@far.example")
    assert post.rcpt("anything@example.org") == 550
    post.cli("alias", "set", "@example.org", "rest@far.example")
    for address in ("anything@example.org", "named@example.org", "news@example.org", "Other+tag@EXAMPLE.org"):
        post.post("me@sender.example", address, message(subject=address))
    post.wait()
    assert sorted(m.recipients[0] for m in sink.mails()) == ["member@far.example", "named@far.example", "rest@far.example",
                                                             "rest@far.example"]
    assert post.rcpt("news-owner@example.org") == 550  # a list's own addresses are not the catch-all's
    post.cli("domain", "add", "other.example.org")
    assert post.rcpt("anything@other.example.org") == 550
    post.cli("alias", "remove", "@example.org")
    assert post.rcpt("anything@example.org") == 550


def test_alias_to_lists_and_people(post, sink):
    for name in ("one", "two"):
        post.cli("list", "create", f"{name}@example.org")
        post.cli("member", "add", f"{name}@example.org", f"{name}@far.example", "both@far.example")
    post.cli("alias", "set", "all@example.org", "one@example.org", "two@example.org", "plain@far.example")
    post.post("me@sender.example", ["all@example.org", "one@example.org"], message())
    post.wait()
    assert sink.recipients() == ["both@far.example", "both@far.example", "one@far.example", "plain@far.example", "two@far.example"]
    assert sink.one("plain@far.example").sender == "me@sender.example"
    assert sink.one("one@far.example").sender == "one-bounces+one=far.example@example.org"


def test_loops_are_refused(post, sink):
    """Where they are made, with the way they go; and at RCPT, where one came about by other means."""
    assert "self@example.org -> self@example.org" in post.fails("alias", "set", "self@example.org", "self@example.org", status=1)
    post.cli("alias", "set", "a@example.org", "b@example.org")
    post.cli("alias", "set", "b@example.org", "c@example.org")
    error = post.fails("alias", "set", "c@example.org", "a@example.org", status=1)
    assert "c@example.org -> a@example.org -> b@example.org -> c@example.org" in error
    assert post.rcpt("c@example.org") == 550
    post.cli("list", "create", "end@example.org")
    post.cli("alias", "set", "@example.org", "end@example.org")
    post.cli("list", "delete", "end@example.org")  # now the catch-all leads to itself
    for address in ("end@example.org", "anybody@example.org", "a@example.org"):
        got = post.rcpt(address)
        assert got == 554 and got.text.startswith("5.4.6 "), (address, got)
    # A loop behind one target does not hurt the other, and the author hears of it.
    post.cli("alias", "set", "half@example.org", "end@example.org", "good@far.example")
    post.post("me@sender.example", "half@example.org", message())
    post.wait()
    assert sink.one("good@far.example")
    report = email.message_from_bytes(sink.one("me@sender.example").octets)
    assert report.get_content_type() == "multipart/report"


def test_detail(post, sink):
    """user+detail leads where user leads, before the catch-all, after an entry of its own."""
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "member@far.example")
    post.cli("alias", "set", "info@example.org", "info@far.example")
    post.cli("alias", "set", "info+own@example.org", "own@far.example")
    assert post.rcpt("nobody+x@example.org") == 550
    post.cli("alias", "set", "@example.org", "rest@far.example")
    for address in ("info+x@example.org", "Info+Own@example.org", "nobody+x@example.org", "news+x@example.org"):
        post.post("me@sender.example", address, message(subject=address))
    post.wait()
    assert sink.recipients() == ["info@far.example", "member@far.example", "own@far.example", "rest@far.example"]


def test_nested_too_deep(post):
    for n in range(15):
        post.cli("alias", "set", f"n{n}@example.org", f"n{n + 1}@example.org")
    post.cli("alias", "set", "n15@example.org", "end@far.example")
    assert post.rcpt("n15@example.org") == 250
    assert post.rcpt("n7@example.org") == 250
    got = post.rcpt("n0@example.org")
    assert got == 554 and "5.4.6" in got.text


def test_dead_targets(post, sink):
    post.cli("alias", "set", "dead@example.org", "nobody@example.org")
    got = post.rcpt("dead@example.org")
    assert got == 550 and "5.1.1" in got.text
    post.cli("alias", "set", "half@example.org", "nobody@example.org", "good@far.example")
    post.post("me@sender.example", "half@example.org", message(id="half@test.example"))
    post.post("", "half@example.org", message(id="null@test.example"))
    post.wait()
    assert len(sink.to("good@far.example")) == 2
    report = sink.one("me@sender.example")  # one for the first, none for the null sender
    assert report.sender == ""
    assert b"half@example.org" in report.octets
    assert len(post.events("half@test.example", "bounced")) == 1


def test_target_that_goes_away_after_rcpt(make, sink):
    """smtpd said yes, and then the alias went: router sends a notice, nothing vanishes."""
    post = make(relay=sink).start("smtpd")
    post.cli("alias", "set", "info@example.org", "one@far.example")
    post.post("me@sender.example", "info@example.org", message(id="late@test.example"))
    post.cli("alias", "remove", "info@example.org")
    post.restart()
    post.wait()
    assert post.events("late@test.example", "bounced")
    assert sink.one("me@sender.example").sender == ""


def test_many_targets(post, sink):
    targets = sorted(f"t{n}@site{n % 5}.example" for n in range(900))
    post.cli("alias", "set", "many@example.org", *targets)
    post.post("me@sender.example", "many@example.org", message())
    post.wait(60)
    assert sink.recipients() == targets


def test_alias_in_a_second_domain_and_unicode(make, pysink):
    server = pysink()
    post = make(relay=server).start()
    post.cli("domain", "add", "m\u00fcller.example")
    post.cli("alias", "set", "b\u00fcro@m\u00fcller.example", "x@far.example")
    for address in ("b\u00fcro@m\u00fcller.example", "B\u00fcro@xn--mller-kva.example"):
        post.post("me@sender.example", address, message(), options=["SMTPUTF8"])
    post.wait()
    assert server.recipients() == ["x@far.example", "x@far.example"]


# ---- sources and imports ----

def targets(instance, address):
    """Where `alias show` says an address leads in its first step."""
    got = instance.run("--json", "alias", "show", address, check=False)
    return sorted(r["target"] for r in json.loads(got.stdout) if r["address"] == address) if got.returncode == 0 else []


def test_import_replaces_one_source(post, sink):
    post.cli("alias", "set", "a@example.org", "hand@far.example")
    got = post.json("alias", "import", "tracker", "-", "--by", "cron", input="""
# made by a machine
a@example.org: one@far.example,
    two@far.example
b@example.org one@far.example
@example.org: rest@far.example
""")
    assert (got["added"], got["removed"], got["changed"], got["version"]) == (4, 0, True, 1)
    assert targets(post, "a@example.org") == ["hand@far.example", "one@far.example", "two@far.example"]
    assert [(r["address"], r["target"]) for r in post.json("alias", "ls", "--source", "manual")] == [("a@example.org", "hand@far.example")]
    assert len(post.json("alias", "ls")) == 5
    text = post.cli("alias", "import", "tracker", "-", "--dry-run", input="a@example.org: two@far.example\nc@example.org: three@far.example\n@example.org: rest@far.example\n")
    assert "+1 -2, 2 stay" in text and "- a@example.org: one@far.example" in text and "+ c@example.org: three@far.example" in text
    assert post.rcpt("b@example.org") == 250
    got = post.json("alias", "import", "tracker", "-", input="a@example.org: two@far.example\nb@example.org: one@far.example\n@example.org: rest@far.example\n")
    assert (got["added"], got["removed"], got["same"], got["version"]) == (0, 1, 3, 2)
    assert post.json("alias", "import", "tracker", "-", input="@example.org rest@far.example\na@example.org two@far.example\nb@example.org one@far.example\n")["changed"] is False
    post.post("me@sender.example", ["a@example.org", "b@example.org", "x@example.org"], message())
    post.wait()
    assert sink.recipients() == ["hand@far.example", "one@far.example", "rest@far.example", "two@far.example"]
    sources = {r["source"]: r for r in post.json("alias", "sources")}
    assert (sources["tracker"]["version"], sources["tracker"]["removed"], sources["manual"]["version"]) == (2, 1, 1)
    assert "import" in post.fails("alias", "remove", "b@example.org", status=1)


def test_import_refuses_and_names_the_line(idle, tmp_path):
    idle.cli("list", "create", "news@example.org")
    file = tmp_path / "aliases"
    for text, status, *words in (
            ("ok@example.org: x@far.example\nbad@example.org: broken\n", 2, "line 2", "broken"),
            ("root: x@far.example\n", 2, "line 1", "@domain"),
            ("ok@example.org: x@far.example\n\nx@elsewhere.example: x@far.example\n", 1, "line 3", "elsewhere.example"),
            ("news@example.org: x@far.example\n", 1, "line 1", "list"),
            ("a@example.org: b@example.org\nb@example.org: a@example.org\n", 1, "a@example.org -> b@example.org -> a@example.org"),
            ("a@example.org: |/bin/rm\n", 2, "line 1", "commands")):
        file.write_text(text)
        error = idle.fails("alias", "import", "tracker", file, status=status)
        assert "nothing was changed" in error and all(w in error for w in words), error
        assert idle.json("alias", "ls") == []
    idle.fails("alias", "import", "manual", file, status=2)
    idle.fails("alias", "import", "no name", file, status=2)
    idle.fails("alias", "import", "tracker", tmp_path / "missing")


def test_import_of_less_than_half_wants_force(idle):
    table = [f"a{n}@example.org: x@far.example\n" for n in range(10)]
    idle.cli("alias", "import", "tracker", "-", input="".join(table))
    assert "6 of the 10" in idle.fails("alias", "import", "tracker", "-", input="".join(table[:4]), status=1)
    assert "--force" in idle.fails("alias", "import", "tracker", "-", input="", status=1)
    assert len(idle.json("alias", "ls")) == 10
    idle.cli("alias", "import", "tracker", "-", input="".join(table[:5]))
    assert len(idle.json("alias", "ls")) == 5
    idle.cli("alias", "import", "tracker", "-", "--force", input="")
    assert idle.json("alias", "ls") == []


MANY = 200_000 if os.environ.get("POSTROAD_SOAK") else 20_000


def many(n, target):
    return "".join(f"draft-{i:06}.authors@example.org: {target}\n" for i in range(n))


def test_import_of_many_is_seen_at_the_next_rcpt(post, sink):
    """RCPTs while imports run see the old set or the new one: a session asks for the first and the last of a set that
    changes as a whole, and what it is told never goes back."""
    assert post.rcpt("draft-000000.authors@example.org") == 550
    post.cli("alias", "import", "tracker", "-", input=many(MANY, "old@far.example"), timeout=300)
    assert post.rcpt(f"draft-{MANY - 1:06}.authors@example.org") == 250
    seen, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            with post.raw() as c:
                for _ in range(100):  # a session may not ask for ever and bring no message
                    c.cmd("MAIL FROM:<me@sender.example>")
                    seen.append(tuple(c.cmd(f"RCPT TO:<{n}@example.org>").code for n in ("new-first", "new-last")))
                    c.cmd("RSET")
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        until(lambda: len(seen) > 3)
        table = "new-first@example.org: x@far.example\n" + many(MANY, "new@far.example") + "new-last@example.org: x@far.example\n"
        post.cli("alias", "import", "tracker", "-", "--force", input=table, timeout=300)
        after = len(seen)
        assert post.rcpt("new-last@example.org") == 250
        until(lambda: len(seen) > after + 3)
    finally:
        stop.set()
        thread.join(30)
    assert set(seen) <= {(550, 550), (250, 250), (550, 250)}, set(seen)  # the last: published between the two
    assert seen[0] == (550, 550) and seen[-1] == (250, 250) and seen == sorted(seen, key=lambda s: s[0] == 250)
    assert seen.count((550, 250)) <= 1
    post.post("me@sender.example", "draft-000007.authors@example.org", message())
    post.wait()
    assert sink.recipients() == ["new@far.example"]


def test_import_that_is_killed_changes_nothing(post):
    """Wherever it is killed: what is seen is one whole set, and the next import takes up what lies about."""
    count, old = 3000, many(3000, "old@far.example")
    post.cli("alias", "import", "tracker", "-", input=old)
    for n in range(6):
        more = "".join(f"more{n}-{i}@example.org: new@far.example\n" for i in range(5000))
        process = subprocess.Popen([*bound(), post.program, "-C", post.dir, "alias", "import", "tracker", "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=post.environment())
        process.stdin.write((old + more).encode())
        process.stdin.close()
        for _ in range(n):
            assert post.rcpt("draft-000000.authors@example.org") == 250
        process.kill()
        process.wait()
        seen = len(post.json("alias", "ls", "--source", "tracker"))
        assert seen in (count, 8000), seen
        count = seen
        assert post.rcpt("draft-000000.authors@example.org") == 250
        assert post.rcpt(f"more{n + 1}-0@example.org") == 550
    got = post.json("alias", "import", "tracker", "-", "--force", input=many(3001, "new@far.example"))
    assert (got["added"], got["removed"]) == (3001, count)
    assert len(post.json("alias", "ls")) == 3001
    assert post.rcpt("more1-0@example.org") == 550


def test_who_received_then(idle):
    idle.start("smtpd")
    start = datetime.datetime.fromisoformat(idle.json("domain", "show", "example.org")["created"].replace("Z", "+00:00"))

    def show(days):
        at = (start + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        got = idle.run("--json", "alias", "show", "chairs@example.org", "--at", at, check=False)
        return [(r["target"], r["source"], r["by"]) for r in json.loads(got.stdout)] if got.returncode == 0 else []
    idle.clock("+10d")
    idle.cli("alias", "set", "chairs@example.org", "ada@far.example", "--by", "secretary")
    idle.clock("+10d")
    idle.cli("alias", "import", "tracker", "-", "--by", "cron", input="chairs@example.org: bo@far.example\n")
    idle.clock("+10d")
    idle.cli("alias", "remove", "chairs@example.org", "--by", "secretary")
    idle.clock("+10d")
    idle.cli("alias", "import", "tracker", "-", "--force", "--by", "cron", input="")
    assert show(5) == []
    assert show(15) == [("ada@far.example", "manual", "secretary")]
    assert show(25) == [("ada@far.example", "manual", "secretary"), ("bo@far.example", "tracker", "cron")]
    assert show(35) == [("bo@far.example", "tracker", "cron")]
    assert show(45) == []
    assert "led nowhere" in idle.fails("alias", "show", "chairs@example.org", "--at", "2020-01-01", status=1)
    idle.fails("alias", "show", "chairs@example.org", "--at", "2020-02-31", status=2)
    rows = [(r["change"], r["target"], r["source"], r["by"]) for r in idle.json("alias", "history", "chairs@example.org")]
    assert rows == [("removed", "bo@far.example", "tracker", "cron"), ("removed", "ada@far.example", "manual", "secretary"),
                    ("added", "bo@far.example", "tracker", "cron"), ("added", "ada@far.example", "manual", "secretary")]
    idle.fails("alias", "history", "never@example.org", status=1)
