"""Aliases: nested, several targets, catch-all, lists as targets, loops, and targets that fail."""
import email

from postroad import message


def rcpt(instance, address):
    with instance.raw() as c:
        c.cmd("MAIL FROM:<me@sender.example>")
        return c.cmd(f"RCPT TO:<{address}>")


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
    assert rcpt(post, "anything@example.org") == 550
    post.cli("alias", "set", "@example.org", "rest@far.example")
    for address in ("anything@example.org", "named@example.org", "news@example.org", "Other+tag@EXAMPLE.org"):
        post.post("me@sender.example", address, message(subject=address))
    post.wait()
    assert sorted(m.recipients[0] for m in sink.mails()) == ["member@far.example", "named@far.example", "rest@far.example",
                                                             "rest@far.example"]
    assert rcpt(post, "news-owner@example.org") == 550  # a list's own addresses are not the catch-all's
    post.cli("domain", "add", "other.example.org")
    assert rcpt(post, "anything@other.example.org") == 550
    post.cli("alias", "remove", "@example.org")
    assert rcpt(post, "anything@example.org") == 550


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


def test_loops_are_refused_at_rcpt(post, sink):
    post.cli("alias", "set", "self@example.org", "self@example.org")
    post.cli("alias", "set", "a@example.org", "b@example.org")
    post.cli("alias", "set", "b@example.org", "c@example.org")
    post.cli("alias", "set", "c@example.org", "a@example.org")
    for address in ("self@example.org", "a@example.org", "b@example.org"):
        got = rcpt(post, address)
        assert got == 554 and got.text.startswith("5.4.6 "), (address, got)
    # A loop behind one target does not hurt the other, and the author hears of it.
    post.cli("alias", "set", "half@example.org", "a@example.org", "good@far.example")
    post.post("me@sender.example", "half@example.org", message())
    post.wait()
    assert sink.one("good@far.example")
    report = email.message_from_bytes(sink.one("me@sender.example").octets)
    assert report.get_content_type() == "multipart/report"


def test_nested_too_deep(post):
    for n in range(15):
        post.cli("alias", "set", f"n{n}@example.org", f"n{n + 1}@example.org")
    post.cli("alias", "set", "n15@example.org", "end@far.example")
    assert rcpt(post, "n15@example.org") == 250
    assert rcpt(post, "n7@example.org") == 250
    got = rcpt(post, "n0@example.org")
    assert got == 554 and "5.4.6" in got.text


def test_dead_targets(post, sink):
    post.cli("alias", "set", "dead@example.org", "nobody@example.org")
    got = rcpt(post, "dead@example.org")
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
