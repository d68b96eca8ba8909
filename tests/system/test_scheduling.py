"""What goes next, and where: classes of traffic, sites that want to be left alone, LMTP, warnings of delay."""
import email
import email.policy
import subprocess

import pytest

from postroad import message, until

SLOWLY = {"deliver_site_connections": "2"}


def make_lists(post, announcements, members):
    post.cli("list", "create", "all@example.org", "--class", "announcement", "--archive", "none")
    post.cli("list", "create", "talk@example.org", "--archive", "none")
    post.cli("member", "add", "all@example.org", *[f"a{n}@far.example" for n in range(announcements)])
    post.cli("member", "add", "talk@example.org", *[f"t{n}@far.example" for n in range(members)])


def order(server):
    """The class of every copy in the order in which they came."""
    return ["talk" if m.recipients[0].startswith("t") else "all" for m in server.mails]


def test_a_burst_of_announcements_does_not_hold_up_a_list(make, pysink):
    """By order, not by time: once the post is in, its copies leave 8 to 2 before the announcements that wait."""
    server = pysink()
    post = make(relay=server, settings=SLOWLY).start()
    make_lists(post, 400, 20)
    post.post("me@sender.example", "all@example.org", message(id="all@test.example"))
    until(lambda: len(server.mails) > 20)
    post.post("me@sender.example", "talk@example.org", message(id="talk@test.example"))
    post.wait()
    seen = order(server)
    first, last = seen.index("talk"), len(seen) - 1 - seen[::-1].index("talk")
    between = seen[first:last].count("all")
    assert seen.count("talk") == 20 and seen.count("all") == 400
    assert last < len(seen) - 1, "the announcements were done before: the test showed nothing"
    assert between <= 20, seen  # a share of 2 in 10 is 5; the runs of two threads and the commits blur it
    assert post.json("list", "show", "all@example.org")["class"] == "announcement"


def test_a_class_that_does_not_exist(post):
    assert "announcement" in post.fails("list", "create", "x@example.org", "--class", "direct", status=2)


def test_421_to_mail_is_waited_for_without_a_deferral(make, pysink):
    """The site says "not now" to every second session: what it did not look at is not counted as tried."""
    refusals = iter(["421 4.7.0 too fast, slow down"] * 2)
    server = pysink({"MAIL": lambda *_: next(refusals, "250 2.1.0 ok")})
    post = make(relay=server).start()
    post.post("me@sender.example", "x@far.example", message(id="slow@test.example"))
    post.wait()
    assert server.recipients() == ["x@far.example"]
    assert not post.events("slow@test.example", "deferred")
    assert post.log.count("site-pauses") == 2 and "site-failed" not in post.log


def test_connections_shrink_to_what_the_site_allows(make, pysink):
    """A site that takes two connections and greets the third with 421: nothing fails, everything arrives."""
    open_sessions = set()

    def banner(server, session, _):
        open_sessions.difference_update([n for n in open_sessions if server.sessions[n].get("closed")])
        if len(open_sessions) >= 2:
            return "421 4.7.0 too many connections"
        open_sessions.add(session["number"])
        return "220 two.example ESMTP"
    server = pysink({"banner": banner})
    post = make(relay=server).start()
    make_lists(post, 100, 1)
    post.post("me@sender.example", "all@example.org", message(id="all@test.example"))
    post.wait()
    assert len(server.mails) == 100
    assert not post.events("all@test.example", "deferred") and "site-failed" not in post.log


# ---- LMTP out ----

def lmtp(server, session, _):
    """One reply for each recipient, the last one by the caller."""
    replies = ["452 4.2.2 mailbox full" if "full" in r else "250 2.1.5 saved" for r in session["mail"].recipients]
    for reply in replies[:-1]:
        session["socket"].sendall(f"{reply}\r\n".encode())
    return replies[-1]


@pytest.mark.parametrize("pipelining", [True, False])
def test_lmtp_has_a_result_for_each_recipient(make, pysink, pipelining):
    hello = "250 store.example\n250 8BITMIME" + ("\n250 PIPELINING" if pipelining else "")
    server = pysink({"LHLO": hello, "EHLO": "500 5.5.1 this is LMTP", ".": lmtp, "RCPT":
                     lambda s, session, line: "550 5.1.1 nobody" if "gone" in line else "250 2.1.5 ok"})
    post = make(settings={"relay": f"lmtp:127.0.0.1:{server.port}", "delay_warning": "0"}).start()
    to = ["a@far.example", "full@far.example", "gone@far.example", "b@far.example"]
    post.post("me@sender.example", to, message(id="lmtp@test.example"))
    until(lambda: {row["event"] for row in post.trace("lmtp@test.example")} >= {"delivered", "deferred", "bounced"})
    got = {row["recipient"]: row for row in post.trace("lmtp@test.example") if row["recipient"]
           and row["event"] in ("delivered", "deferred", "bounced")}
    assert {r: row["event"] for r, row in got.items()} == {
        "a@far.example": "delivered", "b@far.example": "delivered", "full@far.example": "deferred",
        "gone@far.example": "bounced"}
    assert "mailbox full" in got["full@far.example"]["detail"] and "saved" in got["b@far.example"]["detail"]
    assert "LHLO mx.example.org" in server.commands() and "EHLO mx.example.org" not in server.commands()


# ---- warnings ----

def test_the_sender_is_warned_once_of_a_delay(make, pysink):
    server = pysink({"RCPT": lambda s, session, line: "250 ok" if "sender.example" in line else "452 4.2.2 full"})
    post = make(relay=server).start()
    post.post("me@sender.example", "x@far.example", message(id="late@test.example"))
    post.post("", "x@far.example", message(id="null@test.example"))
    for n in range(1, 6):
        until(lambda n=n: len(post.events("late@test.example", "deferred")) >= n and
              len(post.events("null@test.example", "deferred")) >= n)
        post.clock("+5h")
    until(lambda: server.to("me@sender.example"))
    until(lambda: len(post.events("late@test.example", "deferred")) >= 6)
    warnings = server.to("me@sender.example")
    assert len(warnings) == 1
    parsed = email.message_from_bytes(warnings[0].octets, policy=email.policy.default)
    assert parsed["Subject"] == "Your message is delayed"
    status = next(p for p in parsed.walk() if p.get_content_type() == "message/delivery-status").as_string()
    assert "Action: delayed" in status and "Will-Retry-Until:" in status and "Status: 4.2.2" in status


def test_a_site_that_is_down_warns_too(make, sink, pysink):
    """Nothing is tried of the single message there, yet its sender hears of it; and hears no second time."""
    post = make(settings={"smtp_port_out": str(pysink().port)})
    post.start()
    post.post("me@[127.0.0.1]", "x@[127.0.0.9]", message(id="down@test.example"))
    until(lambda: "site-failed" in post.log)
    post.clock("+5h")
    until(lambda: post.events("down@test.example", "deferred"))
    post.clock("+5h")
    until(lambda: post.log.count("site-failed") >= 3)
    assert len(post.events("down@test.example", "deferred")) == 1
    assert len([row for row in post.queue() if row["from"] == "me@[127.0.0.1]"]) == 1


def test_a_class_has_its_own_address_and_name(make, pysink):
    server = pysink()
    post = make(relay=server, settings={"deliver_helo": "announcement=news.example.org",
                                        "deliver_bind": "announcement=127.0.0.5"}).start()
    make_lists(post, 1, 1)
    for name in ("all", "talk"):
        post.post("me@sender.example", f"{name}@example.org", message(id=f"{name}@test.example"))
        post.wait()
    seen = {s["commands"][0]: s["from"] for s in server.sessions}
    assert seen == {"EHLO news.example.org": "127.0.0.5", "EHLO mx.example.org": "127.0.0.1"}


@pytest.mark.parametrize("setting, said", [("deliver_bind=news=127.0.0.5", "news is no class of traffic"),
                                           ("deliver_bind=announcement=lo", "not an IP address"),
                                           ("deliver_helo=mx..example.org", "deliver_helo = mx..example.org")])
def test_a_mistake_in_them_is_said_at_the_start(make, build, setting, said):
    name, _, value = setting.partition("=")
    post = make(settings={name: value}).start("smtpd")
    got = subprocess.run([build / "postroad-deliver", "-C", post.dir], capture_output=True, text=True, timeout=30,
                         check=False, env=post.environment())
    assert got.returncode == 2 and said in got.stdout + got.stderr, got
