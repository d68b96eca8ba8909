"""Bad days: the disk is full or read-only, PostgreSQL is away, no name server answers, the next hop talks nonsense.

Senders get 4xx or are served, what was acknowledged arrives, log and listings say what is wrong, and when it is over the
queue drains by itself. (Next hops that drop, hang or refuse at each stage: test_delivery.py. Killed roles: test_kill.py.)
"""
import contextlib
import re
import select
import socket
import threading

import pytest

import postroad
from load import LIST, MEMBERS, SOAK, Load, arrivals, make_list, missing, read_archive, wait_for_more
from mounts import small_disk
from postroad import PySink, message, message_id, until


@contextlib.contextmanager
def instance_at(folder, logs, build, store, server, **options):
    """An instance in a folder of the caller's, its log in another."""
    instance = postroad.Instance(folder, build, store=store, postgresql=server, **options)
    instance.log_folder = logs
    try:
        with instance:
            yield instance
    except BaseException:
        print(f"---- log\n{instance.log[-15000:]}")
        raise
    finally:
        if instance.database:
            server.drop(instance.database)


def attempt(instance, octets, recipients=(LIST,)):
    """A transaction that may be refused for now, and only so. True when it was acknowledged."""
    with instance.raw() as c:
        got = c.cmd("MAIL FROM:<me@sender.example>")
        for recipient in recipients:
            got = c.cmd(f"RCPT TO:<{recipient}>") if got.code == 250 else got
        got = c.cmd("DATA") if got.code == 250 else got
        got = c.data(octets) if got.code == 354 else got
        assert got.code == 250 or 400 <= got.code < 500, got
        return got.code == 250


# ---- the disk ----

@pytest.fixture
def disk():
    with small_disk(192) as made:
        yield made


@pytest.fixture
def on_disk(disk, build, store, request, sink, tmp_path):
    """A running instance with a list on the small disk, its PostgreSQL elsewhere."""
    server = request.getfixturevalue("postgresql_server") if store == "postgresql" else None
    with instance_at(disk.place / "i", tmp_path, build, store, server, relay=sink,
                     settings={"min_free": "0", "disk_reserve": "0"}) as post:
        make_list(post)
        yield post.start()


def delivered_and_archived(post, sink, acked):
    """All that was acknowledged has reached every member and lies in the archive once."""
    wanted = [(i, MEMBERS) for i in acked]
    until(lambda: not missing(arrivals(sink.mails()), wanted), 90, "everything acknowledged")
    post.wait(90)
    until(lambda: {i for _, i in read_archive(post)} >= set(acked), 60, "the archive")


def test_full_disk(on_disk, disk, sink, store):
    """While not an octet is free senders are told to come again; when there is room the rest goes on by itself."""
    post, acked = on_disk, []

    def send(count, size):
        ids = [f"m{n}-{size}@test.example" for n in range(count)]
        taken = [i for i in ids if attempt(post, message(id=i, body=(b"x" * 76 + b"\r\n") * (size // 78)))]
        acked.extend(taken)
        return count - len(taken)

    assert send(5, 100) == 0
    disk.fill()
    refused = sum(send(10, 200_000 + i) for i in range(3))
    with post.raw() as c:
        assert c.cmd("NOOP") == 250
    if store == "sqlite":
        assert refused > 0, "the disk was not full"
        assert re.search(r"(?i)disk is full|no space", post.log), post.log[-2000:]
    disk.free()
    assert send(3, 110) == 0
    delivered_and_archived(post, sink, acked)
    post.cli("archive", "verify")


def test_the_reserve_lets_the_queue_empty(disk, build, sink, tmp_path):
    """Not an octet is free: nothing more is taken in, what is queued goes out, and the reserve is taken anew afterwards."""
    with instance_at(disk.place / "i", tmp_path, build, "sqlite", None, relay=sink,
                     settings={"min_free": "30M", "disk_reserve": "8M"}) as post:
        make_list(post)
        reserve, ids = post.dir / "data/reserve", [f"m{n}@test.example" for n in range(60)]
        post.start()
        post.cli("queue", "freeze")
        assert reserve.stat().st_size == 8 << 20
        assert all(attempt(post, message(id=i)) for i in ids)
        until(lambda: len(post.json("archive", "ls", LIST)) == len(ids), 60, "the archive")
        disk.fill()
        until(lambda: post.run("queue", "thaw", check=False).returncode == 0, 20, "a thaw")
        delivered_and_archived(post, sink, ids)
        assert " stored reserve-released " in post.log
        assert reserve.stat().st_size == 0
        until(lambda: not attempt(post, message()), 10, "452")  # it is looked at once a second
        disk.free()
        post.cli("clock", "+20s")
        until(lambda: reserve.stat().st_size == 8 << 20, 20, "the reserve")
        until(lambda: attempt(post, message(id="after@test.example")), 10, "room")


def test_min_free(disk, build, store, request, sink, tmp_path):
    """Below min_free smtpd answers 452, `check` says so, and what is queued still goes out."""
    server = request.getfixturevalue("postgresql_server") if store == "postgresql" else None
    with instance_at(disk.place / "i", tmp_path, build, store, server, relay=sink, settings={"min_free": "20M"}) as post:
        make_list(post)
        post.start("stored", "smtpd") if store == "sqlite" else post.start("smtpd")
        assert attempt(post, message(id="before@test.example"))
        disk.fill(leave=10 << 20)
        with post.raw() as c:
            until(lambda: c.cmd("RSET") == 250 and c.cmd("MAIL FROM:<me@sender.example>").text.startswith("4.3.1 "), 10, "452")
        assert " smtpd disk-full " in post.log
        found = post.run("check", check=False)
        assert found.returncode == 1 and "min_free" in found.stdout, found
        post.restart()  # with all roles
        delivered_and_archived(post, sink, ["before@test.example"])
        disk.free()
        until(lambda: attempt(post, message(id="after@test.example")), 10, "room")
        delivered_and_archived(post, sink, ["after@test.example"])


def test_disk_error_makes_the_store_read_only(disk, build, sink, tmp_path):
    """The kernel's answer to a disk error: senders get 4xx, the log says why; repaired, everything is there."""
    with instance_at(disk.place / "i", tmp_path, build, "sqlite", None, relay=sink, settings={"min_free": "0"}) as post:
        make_list(post)
        post.allow_deaths = True  # a role may not find it worth while to go on
        post.start("smtpd")
        acked = [f"m{n}@test.example" for n in range(5)]
        assert all(attempt(post, message(id=i)) for i in acked)
        disk.fail()
        assert not attempt(post, message(id="lost@test.example"))
        assert re.search(r"(?i) temporary-failure .*(read-?only|i/o error|input/output error)", post.log), post.log[-3000:]
        post.stop()
        disk.repair()
        post.start()
        delivered_and_archived(post, sink, acked)
        assert not post.events("lost@test.example", "accepted")


# ---- PostgreSQL ----

@pytest.fixture
def own_postgresql():
    """A PostgreSQL that the test may stop."""
    try:
        server = postroad.PostgreSQL()
    except postroad.Unavailable as e:
        pytest.skip(f"no PostgreSQL: {e}")
    yield server
    server.close()


@pytest.mark.parametrize("how", ["restarted", "away"])
def test_postgresql_goes_under_load(own_postgresql, build, sink, tmp_path, how):
    """Senders get 4xx while it is away; all that was acknowledged arrives and is archived once, nothing needs a hand."""
    with instance_at(tmp_path / "i", tmp_path, build, "postgresql", own_postgresql, relay=sink) as post:
        make_list(post)
        post.start()
        with Load(tmp_path, post, LIST, rate=60) as load:
            wait_for_more([load], 60)
            for _ in range(2):
                own_postgresql.stop()
                if how == "away":
                    until(lambda: not attempt(post, message(id="away@test.example")), 30, "a refusal")
                own_postgresql.start()
                wait_for_more([load], 60)
            load.stop()
        acked = load.acked()
        delivered_and_archived(post, sink, acked)
        assert how == "restarted" or re.search(r" (temporary-failure|route-failed|lease-failed) .*reason=", post.log)
        assert [r for r in post.queue() if r.get("held")] == []
        assert " deferred " not in post.log  # that the store was away is no reason to try a message minutes later


def test_read_only_postgresql(own_postgresql, build, sink, tmp_path):
    """As after a failover to a standby: it answers and takes nothing."""
    with instance_at(tmp_path / "i", tmp_path, build, "postgresql", own_postgresql, relay=sink) as post:
        make_list(post)
        post.start()
        assert attempt(post, message(id="before@test.example"))
        name = post.database.rsplit("/", 1)[1]
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        own_postgresql.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        own_postgresql.sql(end)
        until(lambda: not attempt(post, message(id="ro@test.example")), 30, "a refusal")
        until(lambda: "read-only" in post.log, 30, "the reason in the log")
        own_postgresql.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        own_postgresql.sql(end)
        until(lambda: attempt(post, message(id="after@test.example")), 30, "a message taken")
        delivered_and_archived(post, sink, ["before@test.example", "after@test.example"])


# ---- names ----

class Resolver:
    """A UDP port in front of a name server: it answers nothing until `passes` is set."""

    def __init__(self, behind):
        self.behind, self.passes, self.asked = behind, False, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                question, client = self.socket.recvfrom(4096)
                self.asked += 1
                if self.passes and question:
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                        s.settimeout(5)
                        s.sendto(question, ("127.0.0.1", self.behind))
                        self.socket.sendto(s.recv(4096), client)

    def close(self):
        self.passes = False
        self.socket.close()


def test_resolver_dead_then_back(make, knot):
    """Mail is taken meanwhile; it waits for the names, says so, and goes when they are there again."""
    resolver = Resolver(knot)
    with contextlib.closing(resolver), PySink(host="127.0.0.22") as server:
        post = make(settings={"dns_servers": f"127.0.0.1@{resolver.port}", "smtp_port_out": str(server.port),
                              "deliver_connect_timeout": "5s"}).start()
        ids = [f"m{n}@test.example" for n in range(20)]
        for i in ids:
            assert attempt(post, message(id=i), ["x@plain.example"])
        until(lambda: " site-failed " in post.log, 60, "a failed try")
        assert resolver.asked and not server.mails
        told = post.cli("trace", ids[0])
        assert told.splitlines()[1].startswith("Waiting: "), told
        assert re.search(r"(?i)name server|dns", str(post.json("queue", "sites"))), post.json("queue", "sites")
        resolver.passes = True

        def tried_again():  # the first try may still get the failure of a question that was asked before
            post.clock("+1h")
            return post.run("queue", "wait", "--timeout", "5s", check=False).returncode == 0
        until(tried_again, 60)
        assert sorted(message_id(m.octets) for m in server.mails) == sorted(ids)


# ---- the next hop ----

NONSENSE = {"octets": bytes(range(256)).replace(b"\n", b"") + b"\r\n", "http": b"HTTP/1.1 200 OK\r\n\r\n", "zeros": bytes(4000) + b"\r\n",
            "number": b"999 what\r\n", "short": b"25\r\n", "unended": b"250 " + b"x" * 100_000}


def talk(octets):
    def reply(server, session, line):
        session["socket"].sendall(octets)
        return postroad.DROP if not octets.endswith(b"\r\n") else postroad.HANG
    return reply


def trickle(server, session, line):
    """A reply that never ends, an octet at a time; and always in time for the next."""
    with contextlib.suppress(OSError):
        while not server.stopping.wait(0.2):
            session["socket"].sendall(b"2")
    return postroad.DROP


@pytest.mark.parametrize("what", [*NONSENSE, "trickle"])
def test_a_next_hop_that_talks_nonsense(make, pysink, what):
    """Whatever it says at whatever stage: tried again later, nothing lost, nothing returned, other sites not held up."""
    bad, good = pysink(), pysink()
    post = make(relay=good, settings={"deliver_connect_timeout": "2s", "deliver_reply_timeout": "2s"}).start()
    post.cli("transport", "set", "bad.example", f"smtp:127.0.0.1:{bad.port}")
    # What is said at a stage is no matter of the engine; what becomes of the message is.
    for stage in ("banner", "EHLO", "MAIL", "RCPT", ".") if post.engine == "sqlite" or SOAK else ("RCPT",):
        bad.script = {stage: trickle if what == "trickle" else talk(NONSENSE[what])}
        name = f"{stage.strip('.')}x@test.example"
        failures = post.log.count("site-failed")
        assert attempt(post, message(id=name), ["x@bad.example", "x@good.example"])
        until(lambda n=name, f=failures: post.events(n, "deferred", "x@bad.example") or post.log.count("site-failed") > f,
              40, stage)
        until(lambda n=name: post.events(n, "delivered", "x@good.example"), 20, "the healthy site")
        assert post.cli("trace", name).splitlines()[1].startswith("Waiting: x@bad.example")
        assert not post.events(name, "bounced") and not bad.mails
        bad.script = {}
        post.clock("+6h")
        post.wait()
        assert [m.recipients for m in bad.mails] == [["x@bad.example"]], stage
        bad.mails.clear()
        for connection in bad.connections:  # the next begins with a greeting
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def test_sites_that_hang_leave_room_for_others(make, pysink):
    """More hung sites than threads: mail for a healthy one goes out all the same, and that for the hung ones when
    they can be had again."""
    good = pysink()
    post = make(relay=good, settings={"deliver_threads": "8", "deliver_connect_timeout": "3s",
                                      "deliver_reply_timeout": "3s"}).start()
    domains = [f"hung{n}.example" for n in range(24)]
    sites = []
    with contextlib.ExitStack() as stack:
        for n, domain in enumerate(domains):
            hung = stack.enter_context(socket.socket())  # connects, and never says a word
            hung.bind((f"127.0.0.{30 + n}", 0))
            hung.listen(64)
            sites.append(hung)
            post.cli("transport", "set", domain, f"smtp:127.0.0.{30 + n}:{hung.getsockname()[1]}")
        assert attempt(post, message(id="hung@test.example"), [f"x@{d}" for d in domains])
        until(lambda: len(select.select(sites, [], [], 0)[0]) >= 8, 30, "a hung site for each thread")
        for n in range(10):
            assert attempt(post, message(id=f"well{n}@test.example"), ["x@good.example"])
        until(lambda: len(good.mails) == 10, 40, "mail for the healthy site")
        assert {row["recipient"] for row in post.events("hung@test.example", "delivered")} == set()
        for domain in domains:
            post.cli("transport", "set", domain, "default")
    until(lambda: post.clock("+1h") is not None and len(good.mails) == 10 + len(domains), 60, "the mail of all others")
    post.wait()


def test_intake_slows_down_while_the_router_is_behind(make, sink):
    """Nobody is refused; answers wait a little, and no longer once the router has caught up."""
    post = make(relay=sink).start("smtpd")
    sent = iter(range(1000))

    def slowed():
        before = post.metrics().get("smtpd_slowed_total", 0)
        n = next(sent)
        post.post("me@sender.example", f"r{n}@far.example", message(id=f"flow{n}@test.example"))
        return post.metrics()["smtpd_slowed_total"] > before
    assert not slowed()
    post.clock("+1h")
    until(slowed, 30, "a pause")
    assert post.stop() == 0
    post.start()
    until(lambda: not slowed(), 30, "the end of pauses")
    post.wait()
    total = next(sent)
    assert sorted(sink.recipients()) == sorted(f"r{n}@far.example" for n in range(total))
