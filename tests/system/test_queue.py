"""What people see of the queue and do to it: show, sites, hold, release, retry, delete, freeze, thaw."""
import os
import pwd
import re

import pytest

from postroad import message, until

ME = "by " + (os.environ.get("SUDO_USER", "") if os.getuid() == 0 else "" or pwd.getpwuid(os.getuid()).pw_name)
ME = ME if ME != "by " else "by " + pwd.getpwuid(os.getuid()).pw_name


def details(post, what, kind):
    return [row["detail"] for row in post.events(what, kind)]


@pytest.fixture
def stuck(make):
    """An instance whose smart host nobody answers at: everything is deferred with the site."""
    post = make(relay=1)
    post.start()
    return post


def waits(post, count=1):
    """Until that many messages wait for their site."""
    return until(lambda: (rows := [r for r in post.queue() if r["reason"]]) and len(rows) == count and rows, 30,
                 "messages that wait")


def test_show_chooses(stuck):
    stuck.cli("list", "create", "news@example.org")
    stuck.cli("member", "add", "news@example.org", "ada@hill.example")
    first = stuck.post("me@sender.example", "x@far.example", message(id="q1@test.example"))
    stuck.post("You@sender.example", "news@example.org", message(id="q2@test.example"))
    waits(stuck, 2)

    def ids(*options):
        return [row["msgid"] for row in stuck.json("queue", "show", *options)]
    assert ids() == ["q1@test.example", "q2@test.example"]
    assert ids("--site", "FAR.example") == ids("--class", "direct") == ids("--sender", "me@sender.example") == ["q1@test.example"]
    assert ids("--list", "news@example.org") == ids("--class", "list") == ids("--sender", "you@SENDER.example") == ["q2@test.example"]
    assert ids("--site", "far.example", "--class", "list") == ids("--held") == ids("--older", "1h") == []
    stuck.clock("+2h")
    assert ids("--older", "1h") == ["q1@test.example", "q2@test.example"]
    text = stuck.cli("queue", "show", first)
    assert "x@far.example" in text and "direct" in text and first in text
    rows = stuck.json("queue", "show", first)
    assert [(r["recipient"], r["list"], r["class"]) for r in rows] == [("x@far.example", "", "direct")]
    # the clock has moved, so it is tried again, and a try under way has no reason yet
    until(lambda: "refused" in stuck.json("queue", "show", first)[0]["reason"], 20, "a reason")
    for bad in (["--class", "fast"], ["--older", "soon"], ["--older", "0"], ["--site", "no site"], ["nonsense"]):
        stuck.fails("queue", "show", *bad, status=2)
    stuck.fails("queue", "show", "0123456789ABC", status=1)


def test_sites(stuck):
    stuck.cli("list", "create", "news@example.org")
    stuck.cli("member", "add", "news@example.org", "-", input="".join(f"m{n}@hill.example\n" for n in range(30)))
    stuck.post("me@sender.example", ["x@far.example", "y@far.example"], message())
    stuck.post("me@sender.example", "news@example.org", message(id="q2@test.example"))
    waits(stuck, 2)
    rows = until(lambda: (r := stuck.json("queue", "sites")) and all(x["error"] for x in r) and r)
    assert [(r["site"], r["class"], r["recipients"]) for r in rows] == [("hill.example", "list", 30), ("far.example", "direct", 2)]
    assert all(r["state"] == "waiting" and r["tries"] >= 1 and r["next"] > r["oldest"] for r in rows)
    text = stuck.cli("queue", "sites", "--site", "far.example")
    assert "far.example" in text and "hill.example" not in text and "refused" in text.lower()
    assert [r["site"] for r in stuck.json("queue", "sites", "--class", "list")] == ["hill.example"]


def test_hold_and_release(make, sink):
    post = make(relay=sink).start("smtpd", "router")
    a = post.post("me@sender.example", "x@far.example", message(id="a@test.example"))
    post.post("me@sender.example", "y@far.example", message(id="b@test.example"))
    until(lambda: all(row["state"] == "delivering" for row in post.queue()) and len(post.queue()) == 2)
    assert "held 1 message" in post.cli("queue", "hold", a, "--reason", "spam?")
    assert [(r["state"], r["reason"]) for r in post.json("queue", "show", "--held")] == [("held", f"deliver: {ME}: spam?")]
    assert details(post, a, "held") == [f"{ME}: spam?"]
    post.restart()
    post.wait()
    assert sink.recipients() == ["y@far.example"]
    assert post.json("queue", "release", "--held") == {"messages": 1}
    post.wait()
    assert sink.recipients() == ["x@far.example", "y@far.example"]
    assert details(post, a, "released") == [ME]
    post.fails("queue", "release", a, status=1)
    post.fails("queue", "hold", a, status=1)
    post.fails("queue", "hold", status=2)
    post.fails("queue", "hold", a, "--all", status=2)
    assert post.json("queue", "hold", "--all") == {"messages": 0}


def test_hold_before_it_is_routed(make, sink):
    post = make(relay=sink).start("smtpd")
    post.post("me@sender.example", "x@far.example", message(id="a@test.example"))
    assert post.json("queue", "hold", "--all") == {"messages": 1}
    post.restart()
    post.wait()
    assert [row["state"] for row in post.queue()] == ["held"]
    post.cli("queue", "release", "--all")
    post.wait()
    assert sink.recipients() == ["x@far.example"] and post.queue() == []


def test_retry_now(make, pysink):
    server = pysink({"RCPT": "450 4.2.0 later"})
    post = make(relay=server).start()
    a = post.post("me@sender.example", "x@far.example", message(id="a@test.example"))
    until(lambda: post.events(a, "deferred"))
    del server.script["RCPT"]
    assert server.mails == []
    post.cli("queue", "retry", a)
    post.wait()
    assert server.recipients() == ["x@far.example"]
    assert details(post, a, "retried") == [ME]
    post.fails("queue", "retry", a, status=1)


def test_retry_a_site_that_was_away(make, make_sink):
    from postroad import free_port
    port = free_port()
    post = make(relay=port).start()
    post.post("me@sender.example", "x@far.example", message())
    waits(post)
    sink = make_sink()
    post.fails("queue", "retry", status=2)
    assert post.json("queue", "retry", "--site", "other.example") == {"messages": 0}
    assert post.json("queue", "retry", "--site", "far.example") == {"messages": 1}
    assert [row["tries"] for row in post.json("queue", "sites")] in ([0], [1])  # tried at once, and refused again
    assert sink.mails() == []


def test_delete(stuck):
    stuck.cli("list", "create", "news@example.org")
    stuck.cli("member", "add", "news@example.org", "-", input="".join(f"m{n}@d{n % 3}.example\n" for n in range(250)))
    a = stuck.post("me@sender.example", ["x@far.example", "y@d1.example"], message(id="a@test.example"))
    b = stuck.post("me@sender.example", "news@example.org", message(id="b@test.example"))
    until(lambda: [row["left"] for row in stuck.queue()] == [2, 250], 30)
    assert "--yes" in stuck.fails("queue", "delete", a, status=2)
    assert stuck.json("queue", "delete", "--site", "d1.example", "--yes") == {"messages": 2, "recipients": 1 + 83}
    assert [row["left"] for row in stuck.queue()] == [1, 250 - 83]
    assert details(stuck, a, "deleted") == [ME]
    assert {row["recipient"] for row in stuck.events(a, "deleted")} == {"y@d1.example"}
    assert stuck.json("queue", "delete", b, "--yes") == {"messages": 1, "recipients": 250 - 83}
    assert len(stuck.events(b, "deleted")) == 250
    assert stuck.json("queue", "delete", "--all", "--yes") == {"messages": 1, "recipients": 1}
    stuck.wait()
    assert stuck.queue() == []
    stuck.fails("queue", "delete", a, "--yes", status=1)


def test_delete_tells_the_sender(make, sink):
    post = make(relay=sink).start("smtpd", "router")
    a = post.post("me@sender.example", ["x@far.example", "y@far.example"], message(id="a@test.example"))
    until(lambda: [row["left"] for row in post.queue()] == [2])
    assert post.stop() == 0
    post.start("smtpd")
    b = post.post("you@sender.example", "z@far.example", message(id="b@test.example"))
    c = post.post("", "z@far.example", message(id="c@test.example"))
    assert post.json("queue", "delete", a, b, c, "--bounce", "--yes") == {"messages": 3, "recipients": 4}
    post.restart()
    post.wait()
    notices = {m.recipients[0]: m for m in sink.mails()}
    assert sorted(notices) == ["me@sender.example", "you@sender.example"] and len(sink.mails()) == 2
    assert all(m.sender == "" for m in notices.values())
    text = notices["me@sender.example"].octets
    assert b"x@far.example" in text and b"y@far.example" in text and b"deleted from the queue" in text
    assert re.search(rb"(?m)^Status: 5\.3\.0", text) and a.encode() in text
    assert len(post.events(a, "bounced")) == 2 and len(post.events(b, "bounced")) == 1
    assert ME in post.events(b, "bounced")[0]["detail"]


def test_frozen_is_said_loudly(stuck):
    stuck.post("me@sender.example", "x@far.example", message())
    waits(stuck)
    got = stuck.cli("queue", "freeze", "--reason", "restored last night")
    assert "frozen" in got
    text = stuck.cli("queue", "show")
    assert text.startswith("SENDING IS FROZEN since ") and f"{ME}: restored last night" in text
    assert "SENDING IS FROZEN" in stuck.run("--json", "queue", "sites").stderr
    stuck.cli("queue", "freeze", "--site", "far.example")
    assert f"FROZEN: far.example since " in stuck.cli("queue", "sites")
    assert [row["state"] for row in stuck.json("queue", "sites")] == ["frozen"]
    assert [row["reason"] for row in stuck.json("queue", "show")] == ["far.example is frozen"]
    assert stuck.json("queue", "thaw")["changed"] and not stuck.json("queue", "thaw")["changed"]
    assert "SENDING" not in stuck.cli("queue", "show")
    stuck.cli("queue", "thaw", "--site", "far.example")
    assert "FROZEN" not in stuck.cli("queue", "sites").upper()
