"""Domains whose mail is passed on, their recipients, and transports: as the MX for a domain whose lists live elsewhere."""
from postroad import message


def test_a_relay_domain_is_taken_from_anybody_and_passed_on(make, sink):
    post = make(relay=sink, settings={"relay_networks": ""}).start()
    assert post.rcpt("list@elsewhere.example").text.startswith("5.7.1")
    post.cli("domain", "add", "elsewhere.example", "--relay", f"smtp:127.0.0.1:{sink.port}")
    assert post.rcpt("list@elsewhere.example") == 250
    assert post.rcpt("x@other.example").text.startswith("5.7.1")
    post.post("me@sender.example", ["List@elsewhere.example", "list+detail@elsewhere.example"], message())
    post.wait()
    assert sink.recipients() == ["List@elsewhere.example", "list+detail@elsewhere.example"]  # as it was given
    post.cli("domain", "remove", "elsewhere.example")
    assert post.rcpt("list@elsewhere.example").text.startswith("5.7.1")


def test_only_known_recipients(make, sink):
    post = make(relay=sink, settings={"relay_networks": ""}).start()
    post.cli("domain", "add", "elsewhere.example", "--relay", f"smtp:127.0.0.1:{sink.port}", "--recipients", "listed")
    assert post.rcpt("known@elsewhere.example").text.startswith("5.1.1")
    post.cli("recipient", "add", "elsewhere.example", "Known@elsewhere.example")
    for address, code in (("known@elsewhere.example", 250), ("KNOWN+x@elsewhere.example", 250), ("nobody@elsewhere.example", 550)):
        assert post.rcpt(address) == code
    # A list and an alias of this instance may live in it.
    post.cli("list", "create", "news@elsewhere.example")
    post.cli("member", "add", "news@elsewhere.example", "member@far.example")
    post.cli("alias", "set", "here@elsewhere.example", "known@elsewhere.example", "x@far.example")
    assert post.rcpt("news-owner@elsewhere.example") == 550
    post.post("me@sender.example", ["news@elsewhere.example", "here@elsewhere.example"], message())
    post.wait()
    assert sink.recipients() == ["known@elsewhere.example", "member@far.example", "x@far.example"]


def test_recipient_commands(idle):
    idle.cli("domain", "add", "relay.example", "--relay", "mx", "--recipients", "listed")
    shown = idle.json("domain", "show", "relay.example")
    assert (shown["relay"], shown["recipients"], shown["listed"]) == ("mx", "listed", 0)
    assert idle.json("recipient", "add", "relay.example", "-", input="b@relay.example OK\n# x\na@relay.example\n")["added"] == 2
    assert [r["address"] for r in idle.json("recipient", "ls", "relay.example")] == ["a@relay.example", "b@relay.example"]
    assert "line 2" in idle.fails("recipient", "add", "relay.example", "-", input="c@relay.example\nx@else.example\n", status=2)
    names = sorted(f"u{n:04}@relay.example" for n in range(2500))
    assert "more than half" in idle.fails("recipient", "import", "relay.example", "-", input="\n".join(names), status=1)
    got = idle.json("recipient", "import", "relay.example", "-", "--dry-run", "--force", input="\n".join(names))
    assert (got["added"], got["removed"], got["changed"]) == (2500, 2, False)
    got = idle.json("recipient", "import", "relay.example", "-", "--force", input="\n".join(reversed(names)))
    assert (got["added"], got["removed"], got["changed"]) == (2500, 2, True)
    assert [r["address"] for r in idle.json("recipient", "ls", "relay.example")] == names
    assert idle.json("recipient", "remove", "relay.example", names[0], "x@relay.example")["removed"] == 1
    assert "recipients" in idle.fails("domain", "remove", "relay.example", status=1)
    idle.cli("recipient", "import", "relay.example", "/dev/null", "--force")
    idle.cli("domain", "remove", "relay.example")
    idle.fails("recipient", "ls", "example.org", status=1)
    idle.fails("domain", "add", "x.example", "--recipients", "any", status=2)
    idle.fails("domain", "add", "x.example", "--relay", "mx", "--recipients", "some", status=2)
    idle.fails("domain", "add", "x.example", "--relay", "smtp:host", status=2)
    assert "already" in idle.fails("domain", "add", "example.org", "--relay", "mx", status=1)


def test_transport_commands(idle):
    idle.cli("transport", "set", "Far.example", "smtp:127.0.0.1:25")
    idle.cli("transport", "set", "b\u00fc.example", "lmtp:unix:/run/lmtp")
    rows = [(r["domain"], r["transport"]) for r in idle.json("transport", "ls")]
    assert rows == [("far.example", "smtp:127.0.0.1:25"), ("xn--b-eha.example", "lmtp:unix:/run/lmtp")]
    idle.cli("transport", "set", "far.example", "default")
    assert [r["domain"] for r in idle.json("transport", "ls")] == ["xn--b-eha.example"]
    for bad in ("smtp:host", "lmtp:unix:run", "http:x:1", "25"):
        idle.fails("transport", "set", "far.example", bad, status=2)
