"""Freezing: mail is taken in and waits, and goes out with the thaw."""
from postroad import message, until


def test_everything_waits_until_the_thaw(post, sink):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "ada@hill.example")
    post.cli("queue", "freeze")
    post.post("me@sender.example", ["news@example.org", "x@far.example"], message(id="f@test.example"))
    until(lambda: post.posts("news@example.org") and [row["left"] for row in post.queue()] == [2])
    post.clock("+1h")
    post.restart()  # frozen is no memory of a process
    post.post("me@sender.example", "y@far.example", message(id="g@test.example"))
    until(lambda: sum(row["left"] for row in post.queue()) == 3)
    post.clock("+1h")
    assert sink.mails() == []
    assert post.cli("trace", "f@test.example").startswith("SENDING IS FROZEN")
    post.cli("queue", "thaw")
    post.wait()
    assert sink.recipients() == ["ada@hill.example", "x@far.example", "y@far.example"]


def test_one_site_waits(post, sink):
    post.cli("queue", "freeze", "--site", "far.example")
    post.post("me@sender.example", ["x@far.example", "ada@hill.example"], message(id="f@test.example"))
    until(lambda: sink.recipients() == ["ada@hill.example"])
    post.clock("+1h")
    post.post("me@sender.example", ["bo@shore.example", "y@far.example"], message(id="g@test.example"))
    until(lambda: len(sink.recipients()) == 2)
    assert sink.recipients() == ["ada@hill.example", "bo@shore.example"]
    assert "its site is frozen" in post.cli("trace", "f@test.example")
    post.cli("queue", "thaw", "--site", "far.example")
    post.wait()
    assert sink.recipients() == ["ada@hill.example", "bo@shore.example", "x@far.example", "y@far.example"]
