"""What `postroad trace` says to people: the sentence at the top, the timeline of a recipient, the summary of many."""
import re

from postroad import message, until


def test_a_delivered_list_post(post):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "ada@hill.example", "bo@shore.example")
    queue_id = post.post("me@sender.example", "news@example.org", message(id="post@test.example"))
    post.wait()
    lines = post.cli("trace", "<post@test.example>").splitlines()
    assert lines[0].startswith(f"{queue_id}  post@test.example  from <me@sender.example>")
    assert lines[1] == "Delivered to all 2 recipients."
    text = "\n".join(lines)
    assert re.search(r"expanded .* news@example\.org .* recipients=2", text)
    assert re.search(r"delivered +ada@hill\.example +news@example\.org +\S+ +250", text)
    assert re.search(r"archived .*news@example\.org .*\.mbox:0", text)
    assert post.cli("trace", "ada@hill.example").splitlines()[1] == "Delivered to ada@hill.example."
    assert "Delivered to all 2" in post.cli("trace", "news@example.org")  # the list's newest posts


def test_a_deferred_recipient(make, pysink):
    server = pysink({"RCPT": lambda server, session, line: "450 4.2.1 mailbox busy" if b"busy" in line.encode() else "250 ok"})
    post = make(relay=server).start()
    queue_id = post.post("me@sender.example", ["busy@far.example", "fine@far.example"], message(id="d@test.example"))
    until(lambda: post.events(queue_id, "deferred") and post.events(queue_id, "delivered"))
    until(lambda: "next try" in post.cli("trace", queue_id))
    lines = post.cli("trace", queue_id).splitlines()
    assert re.match(r"Waiting: busy@far\.example \(.*450 4\.2\.1 mailbox busy\); next try at 2\d{3}-\S+Z, since 2\S+Z; "
                    r"1 delivered\.$", lines[1]), lines[1]
    text = "\n".join(lines)
    assert re.search(r"deferred +busy@far\.example .*450 4\.2\.1 mailbox busy", text)
    assert re.search(r"pending +busy@far\.example .*1 try; .*mailbox busy", text)
    order = [line.split()[1:3] for line in lines if "@far.example" in line and line.startswith("2")]
    assert order == [["deferred", "busy@far.example"], ["pending", "busy@far.example"], ["delivered", "fine@far.example"]]
    for _ in range(3):
        post.clock("+5h")
        post.cli("queue", "retry", queue_id)
        until(lambda: post.cli("trace", queue_id).count(" deferred ") > 1)
    assert len(post.events(queue_id, "deferred")) > 1  # every attempt is there


def test_a_bounced_recipient(make, pysink):
    server = pysink({"RCPT": lambda server, session, line: "550 5.1.1 nobody here" if b"gone" in line.encode() else "250 ok"})
    post = make(relay=server).start()
    queue_id = post.post("me@sender.example", "gone@far.example", message(id="b@test.example"))
    post.wait()
    lines = post.cli("trace", queue_id).splitlines()
    found = re.match(r"Returned to <me@sender\.example> by notice (\w{13}): gone@far\.example could not be reached "
                     r"\(.*550 5\.1\.1 nobody here\)\.$", lines[1])
    assert found, lines[1]
    assert "Delivered to me@sender.example." in post.cli("trace", found[1])
    text = "\n".join(lines)
    assert re.search(r"bounced +gone@far\.example .*550 5\.1\.1 nobody here", text)
    assert re.search(rf"notice .*{found[1]} to <me@sender\.example>", text)
    # A list copy is not returned: its event is the record.
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "gone@far.example", "ada@far.example")
    queue_id = post.post("me@sender.example", "news@example.org", message(id="l@test.example"))
    post.wait()
    verdict = post.cli("trace", queue_id).splitlines()[1]
    assert re.match(r"Not delivered to gone@far\.example \(.*550 5\.1\.1 nobody here\), and no notice was due; 1 delivered\.$", verdict), verdict


def test_an_unknown_message(post):
    post.post("me@sender.example", "x@far.example", message(id="known@test.example"))
    post.wait()
    for key in ("unknown@test.example", "<unknown@test.example>", "0123456789ABC", "ada@hill.example"):
        said = post.fails("trace", key, status=1)
        assert "nothing known of" in said and "90 days" in said
    said = post.fails("trace", "known@test.example", "--until", "1h", status=1)
    assert "in that time" in said
    assert post.cli("trace", "known@test.example", "--since", "1h")
    assert post.cli("trace", "known@test.example", "--since", "2020-01-01", "--until", "2099-12-31T23:59:59Z")
    post.fails("trace", "known@test.example", "--since", "yesterday", status=2)
    post.fails("trace", "known@test.example", "--since", "2020-13-01", status=2)


def test_very_many_recipients_are_summed_up(make, pysink):
    def answer(server, session, line):
        number = int(re.search(r"m(\d+)@", line)[1])
        return ("550 5.1.1 no m%d" % number if number < 3 else
                "451 4.7.1 too fast, m%d" % number if number < 7 else "250 ok")
    server = pysink({"RCPT": answer})
    post = make(relay=server).start()
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "-", input="".join(f"m{n}@far.example\n" for n in range(40)))
    queue_id = post.post("me@sender.example", "news@example.org", message(id="many@test.example"))
    until(lambda: len(post.events(queue_id, "delivered")) == 33 and len(post.events(queue_id, "deferred")) == 4 and
          len(post.events(queue_id, "bounced")) == 3, 60)
    text = post.cli("trace", queue_id)
    assert re.search(r"^33 +delivered +news@example\.org", text, re.M)
    assert re.search(r"^4 +deferred +news@example\.org .*451 4\.7\.1 too fast", text, re.M)
    assert re.search(r"^3 +bounced +news@example\.org .*550 5\.1\.1 no m", text, re.M)
    assert text.count("@far.example") < 12 and re.search(r"^Waiting: 4 recipients .*33 delivered, 3 bounced\.$", text, re.M)
    assert post.cli("trace", queue_id, "--all").count("@far.example") >= 44
    assert "Delivered to m20@far.example" in post.cli("trace", "m20@far.example")


def test_what_waits_says_why(make, sink):
    post = make(relay=sink).start("smtpd")
    queue_id = post.post("me@sender.example", "x@far.example", message(id="w@test.example"))
    assert post.cli("trace", queue_id).splitlines()[1].startswith("Waiting to be routed, since 2")
    assert "not routed yet" in post.cli("trace", "x@far.example")  # found before it is routed
    post.cli("queue", "hold", queue_id, "--reason", "who is this?")
    verdict = post.cli("trace", queue_id).splitlines()[1]
    assert verdict.startswith("Held (router: by ") and f"queue release {queue_id}" in verdict and "who is this?" in verdict
    post.cli("queue", "delete", queue_id, "--yes")
    assert post.cli("trace", queue_id).splitlines()[1].startswith("Deleted for ")
