"""Roles alone and together: mail waits for what does not run, and nothing is lost when something dies."""
import os
import re
import signal
import subprocess

import pytest

from postroad import ROLES, message, until


@pytest.fixture
def news(make, sink):
    post = make(relay=sink)
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "a@x.example", "b@y.example")
    return post


def post_some(instance, count=5, tag="m"):
    with instance.raw() as c:
        return [c.post("me@sender.example", ["news@example.org", f"{tag}{n}@far.example"], message(id=f"{tag}{n}@test.example"))
                for n in range(count)]


def states(instance):
    return {row["state"] for row in instance.queue()}


def load(instance, acks, seconds, *options):
    """postroad-load in the background, every acknowledged message logged."""
    command = [instance.build / "bench/postroad-load", "-c", f"127.0.0.1:{instance.port}", "-t", str(seconds), "-s", "8", "-l",
               "2000", "-a", acks, "-T", "r%d@far.example", "--retry-connect", "--tolerate", "--timeout", "10", *options]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ids_at(sink):
    return [re.search(rb"(?mi)^message-id: *<([^>]*)>", m.octets)[1].decode() for m in sink.mails()]


# ---- alone ----

def test_one_role_after_the_other(news, sink):
    news.start("smtpd")
    post_some(news)
    assert states(news) == {"accepted"}
    assert news.run("queue", "wait", "--timeout", "1s", check=False).returncode == 75
    news.restart("router")
    until(lambda: states(news) == {"delivering"})
    assert sink.mails() == [] and not news.archive("news@example.org").exists()
    news.restart("archived")
    until(lambda: len(news.posts("news@example.org")) == 5)
    assert states(news) == {"delivering"} and sink.mails() == []
    news.restart("deliver")
    news.wait()
    assert sorted(sink.recipients()) == sorted(["a@x.example", "b@y.example"] * 5 + [f"m{n}@far.example" for n in range(5)])
    assert news.queue() == []


def test_smtpd_alone_refuses_no_mail_without_the_others(news, sink):
    news.start("smtpd", "deliver")  # no router
    post_some(news)
    assert news.run("queue", "wait", "--timeout", "1s", check=False).returncode == 75
    assert sink.mails() == []


def test_run_errors(news):
    assert "frobd" in news.fails("run", "frobd", status=2)
    news.start()
    assert "runs already" in news.fails("run")
    if news.engine == "postgresql":
        assert "PostgreSQL" in news.fails("run", "stored", status=2)


def test_the_command_line_works_without_roles(news):
    assert [row["address"] for row in news.json("list", "ls")] == ["news@example.org"]
    news.start()
    assert len(news.json("member", "ls", "news@example.org")) == 2
    news.stop()
    assert len(news.json("member", "ls", "news@example.org")) == 2


# ---- stopping ----

def test_stop_is_clean_and_quick(news, sink):
    news.start()
    post_some(news)
    with news.raw() as idle:
        assert news.stop() == 0
        assert idle.reply() == 421
        assert idle.closed()
    text = news.log
    for role in ROLES if news.engine == "sqlite" else ROLES[1:]:
        assert re.search(rf"role-stopped role={role} pid=\d+ status=0", text), role
    news.start().wait()
    assert len(sink.recipients()) == 15


def test_stop_in_the_midst_of_a_message(news):
    news.start()
    with news.raw() as c:
        c.begin("me@sender.example", "x@far.example")
        c.send(b"Subject: half\r\n")
        assert news.stop() == 0
    assert news.queue() == []


def test_stop_under_load_loses_nothing(news, sink, tmp_path):
    acks = tmp_path / "acks"
    news.start()
    generator = load(news, acks, 4)
    for _ in range(2):
        until(lambda: acks.exists() and acks.stat().st_size > 3000)
        assert news.stop() == 0
        news.start()
    generator.communicate(timeout=60)
    news.wait(100)
    acked, arrived = acks.read_text().split(), ids_at(sink)
    assert len(acked) > 50
    assert set(acked) <= set(arrived)
    assert len(arrived) == len(set(arrived))  # a graceful stop sends nothing twice


# ---- dying ----

@pytest.mark.parametrize("role", ROLES)
def test_killed_role_comes_back_and_nothing_is_lost(news, sink, tmp_path, role):
    if role == "stored" and news.engine == "postgresql":
        pytest.skip("PostgreSQL needs no stored")
    acks = tmp_path / "acks"
    news.start()
    generator = load(news, acks, 4)
    for n in range(3):
        until(lambda size=(n + 1) * 1000: acks.exists() and acks.stat().st_size > size)
        news.kill(role)
    generator.communicate(timeout=60)
    post_some(news)
    news.wait(100)
    acked, arrived = acks.read_text().split(), ids_at(sink)
    assert len(acked) > 20
    assert set(acked) <= set(arrived)
    if role not in ("deliver", "stored"):
        assert len(arrived) == len(set(arrived)) + 10  # five posts have two members more each
    assert len(news.json("archive", "ls", "news@example.org")) == 5


def test_killed_supervisor(news, sink):
    news.start("smtpd", "router")
    post_some(news)
    pids = [news.pid(role) for role in ("smtpd", "router")]
    news.processes[-1].kill()
    news.processes[-1].wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 60, "the roles' end")
    news.start().wait()
    assert len(sink.recipients()) == 15


def test_hang_up_does_no_harm(news, sink):
    news.start()
    os.kill(news.pid("supervisor"), signal.SIGHUP)
    post_some(news)
    news.wait()
    assert len(sink.recipients()) == 15


@pytest.mark.parametrize("role", ["router", "deliver", "archived"])
def test_poison_stops_only_the_message_that_hits_it(news, sink, role):
    news.allow_reports = True
    news.start()
    poison = message(id="poison@test.example", fields=f"X-Postroad-Crash: {role}\r\n")
    news.expected_deaths = 2
    news.post("me@sender.example", ["news@example.org", "x@far.example"], poison)
    post_some(news, 10)
    until(lambda: [r for r in news.queue() if r["msgid"] == "poison@test.example" and r["state"] == "held"], 40, "held")
    news.wait(60)
    good = sorted(r for r in sink.recipients() if r.startswith("m"))
    assert set(good) == {f"m{n}@far.example" for n in range(10)}
    assert {r["recipient"] for n in range(10) for r in news.events(f"m{n}@test.example", "delivered")} >= set(good)
    assert len(news.json("archive", "ls", "news@example.org")) == (10 if role != "deliver" else 11)
    row = next(r for r in news.queue() if r["msgid"] == "poison@test.example")
    assert role in row["reason"]
    kinds = {r["event"] for r in news.trace("poison@test.example")}
    assert {"crashed", "held"} & kinds
    assert news.metrics()["held_crashed_total"] == 1
    got = news.cli("queue", "cat", row["queue"], text=False)
    assert got == poison


def test_many_deaths_do_not_delay_the_first_three_restarts(news):
    news.start()
    for _ in range(3):
        news.kill("router")
    delays = re.findall(r"role-died role=router .* restart_in_ms=(\d+)", news.log)
    assert delays == ["0", "0", "0"]


def test_stuck_clients_do_not_hold_up_a_healthy_one(news):
    news.start("smtpd")
    stuck = []
    for n in range(60):
        c = news.raw()
        if n % 3 == 0:
            c.begin("me@sender.example", "x@far.example")
            c.send(b"Subject: stuck\r\n")
        elif n % 3 == 1:
            c.send(b"MAIL F")
        stuck.append(c)
    with news.raw() as c:
        for n in range(50):
            c.post("me@sender.example", ["x@far.example"], message())
    assert len(news.queue()) == 50
    for c in stuck:
        c.close()


def test_a_client_that_does_not_read(news):
    """Replies pile up only so far; the others do not notice."""
    news.start("smtpd")
    with news.raw() as greedy, news.raw() as c:
        greedy.socket.setblocking(False)
        sent = 0
        try:
            while sent < 50_000_000:
                sent += greedy.socket.send(b"HELP\r\n" * 10000)
        except (BlockingIOError, ConnectionError):
            pass  # it is not read any more, or was cut off: so many commands bring no mail
        assert c.cmd("NOOP") == 250
        c.post("me@sender.example", ["x@far.example"], message())
        with open(f"/proc/{news.pid('smtpd')}/status", encoding="ascii") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])
        assert sent < 50_000_000 and resident < 400_000
