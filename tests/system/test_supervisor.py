"""The supervisor: what it tells systemd, the sockets it is given, reload and upgrade without refusing anybody."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from postroad import ROLES, Raw, bound, connects, free_port, message, until


@pytest.fixture
def news(make, sink):
    post = make(relay=sink)
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "a@x.example", "b@y.example")
    return post


def roles_of(instance):
    return [r for r in ROLES if r != "stored" or instance.engine == "sqlite"]


def pids(instance):
    return {r: instance.pid(r) for r in roles_of(instance)}


def change(instance, **settings):
    """Write settings into postroad.conf; the old text."""
    path = instance.dir / "postroad.conf"
    before = text = path.read_text()
    for name, value in settings.items():
        text = re.sub(rf"(?m)^#?\s*{name} =.*\n", "", text) + f"{name} = {value}\n"
    path.write_text(text)
    return before


# ---- sd_notify ----

class Notified:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path.replace("@", "\0", 1))
        self.socket.settimeout(30)
        self.path = path
        self.seen = []

    def take(self, word):
        """Datagrams until one has this line; that one."""
        while True:
            text = self.socket.recv(4096).decode()
            self.seen.append(text)
            if any(line.startswith(word) for line in text.split("\n")):
                return text

    def close(self):
        self.socket.close()


@pytest.mark.parametrize("where", ["path", "abstract"])
def test_systemd_is_told(news, tmp_path, where):
    heard = Notified(str(tmp_path / "n") if where == "path" else f"@postroad-test-{os.getpid()}-{news.port}")
    news.start(wait=False, environment={"NOTIFY_SOCKET": heard.path, "WATCHDOG_USEC": "200000"})
    heard.take("READY=1")
    for role in roles_of(news):
        assert f" {role} started " in news.log
    assert connects(news.port)
    for _ in range(3):
        heard.take("WATCHDOG=1")
    change(news, message_size_max="2M")
    os.kill(news.pid("supervisor"), signal.SIGHUP)
    assert re.search(r"MONOTONIC_USEC=\d+", heard.take("RELOADING=1"))
    heard.take("READY=1")
    assert " done what=reload" in news.log
    assert news.stop() == 0
    heard.take("STOPPING=1")
    heard.close()


def test_a_role_alone_tells_systemd(news, tmp_path):
    news.start("archived")
    heard = Notified(str(tmp_path / "n"))
    log = tmp_path / "log"
    with open(log, "wb") as out:
        smtpd = subprocess.Popen([*bound(), news.build / "postroad-smtpd", "-C", news.dir], stdout=out, stderr=out,
                                 env={**news.environment(), "NOTIFY_SOCKET": heard.path})
    heard.take("READY=1")
    assert connects(news.port)
    smtpd.terminate()
    heard.take("STOPPING=1")
    assert smtpd.wait(30) == 0, log.read_text()


# ---- sockets from above ----

def with_sockets(command, sockets, names, **options):
    """Start a command as systemd does: descriptors from 3 on, LISTEN_PID its own process."""
    script = f'export LISTEN_PID=$$ LISTEN_FDS={len(sockets)} {names}; exec "$@"'
    for n, s in enumerate(sockets):
        os.set_inheritable(s.fileno(), True)
        script = f"exec {n + 3}<&{s.fileno()}; " + script
    return subprocess.Popen(["bash", "-c", script, "bash", *map(str, command)], stdin=subprocess.DEVNULL,
                            pass_fds=[s.fileno() for s in sockets], **options)


def listeners(count):
    made = []
    for _ in range(count):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", free_port()))
        s.listen(64)
        os.dup2(s.fileno(), 50 + len(made))  # away from the numbers they will get
        made.append(socket.socket(fileno=50 + len(made)))
        s.close()
    return made


@pytest.mark.parametrize("names", ["export LISTEN_FDNAMES=smtp:smtp", "unset LISTEN_FDNAMES",
                                   "export LISTEN_FDNAMES=postroad.socket:postroad.socket"])
@pytest.mark.parametrize("who", ["supervisor", "smtpd"])
def test_sockets_of_systemd(news, tmp_path, names, who):
    """A port below 1024 could be had no other way: only the sockets given are listened on, both of them."""
    given = listeners(2)
    ports = [s.getsockname()[1] for s in given]
    change(news, smtp_listen=", ".join(f"127.0.0.1:{p}" for p in reversed(ports)))
    if who == "smtpd":
        news.start("archived")
    command = [news.program, "-C", news.dir, "run"] if who == "supervisor" else [news.build / "postroad-smtpd", "-C", news.dir]
    log = tmp_path / "log"
    with open(log, "wb") as out:
        process = with_sockets(command, given, names, stdout=out, stderr=out, env=news.environment())
    for s in given:
        s.close()
    try:
        until(lambda: " smtpd listening " in log.read_text(), 30)
        for port in ports * 2:
            with Raw(port) as c:
                c.post("me@sender.example", ["news@example.org"], message())
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    assert not any(connects(port) for port in ports)


# ---- reload ----

def test_a_wrong_configuration_changes_nothing(news):
    news.start()
    before = pids(news)
    old = change(news, smtp_sessions_max="many")
    assert "smtp_sessions_max" in news.fails("reload")
    os.kill(news.pid("supervisor"), signal.SIGHUP)  # not through the command, which looks first
    until(lambda: re.search(r"not-done what=reload reason=.*smtp_sessions_max", news.log))
    (news.dir / "postroad.conf").write_text(old)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        old = change(news, smtp_listen=f"127.0.0.1:{news.port}, 127.0.0.1:{taken.getsockname()[1]}")
        assert "smtp_listen" in news.fails("reload")
    (news.dir / "postroad.conf").write_text(old)
    change(news, store="postgresql://a@b/c" if news.engine == "sqlite" else "sqlite")
    assert "stop and start" in news.fails("reload")
    assert pids(news) == before
    (news.dir / "postroad.conf").write_text(old)
    news.post("me@sender.example", "news@example.org", message())
    news.wait()


def test_what_smtpd_cannot_take_leaves_the_old_one(news):
    news.start()
    before = pids(news)
    change(news, relay_networks="no-network")
    news.fails("reload", status=2)
    assert pids(news) == before
    assert re.search(r"role-not-renewed role=smtpd|reload-refused", news.log)
    with news.raw() as c:
        assert c.cmd("NOOP") == 250


def test_reload_takes_new_settings_and_refuses_nobody(news, sink):
    news.start()
    before = pids(news)
    with news.raw() as kept, Hammer(news.port, 3) as hammer:
        assert kept.extensions["SIZE"] == str(50 << 20)
        kept.begin("me@sender.example", "x@far.example")
        change(news, message_size_max="3M", retry_first="7m")
        assert "done" in news.cli("reload")
        assert kept.data(message()) == 250
        kept.post("me@sender.example", ["news@example.org"], message())
        with news.raw() as c:
            assert c.extensions["SIZE"] == str(3 << 20)
    assert hammer.failures == [] and hammer.done > 0
    after = pids(news)
    assert all(after[r] != before[r] for r in ("router", "deliver", "archived"))
    news.wait(120)
    assert sorted(sink.recipients())[:2] == ["a@x.example", "b@y.example"]
    # Nothing changed: nobody who cannot take it alive is bothered.
    news.cli("reload")
    assert {r: p for r, p in pids(news).items() if r != "smtpd"} == {r: p for r, p in after.items() if r != "smtpd"}


def test_listening_addresses_come_and_go(news):
    news.start("smtpd")
    new = free_port()
    change(news, smtp_listen=f"127.0.0.1:{news.port}, 127.0.0.1:{new}")
    news.cli("reload")
    with news.raw() as kept, Raw(new) as c:
        c.post("me@sender.example", ["news@example.org"], message())
        change(news, smtp_listen=f"127.0.0.1:{new}")
        news.cli("reload")
        kept.post("me@sender.example", ["news@example.org"], message())
        c.post("me@sender.example", ["news@example.org"], message())
    assert connects(new)
    until(lambda: not connects(news.port), what="the end of the old address")
    assert len(news.queue()) == 3


def test_old_sessions_are_ended_after_their_time(make, sink):
    post = make(relay=sink, settings={"handover_timeout": "1s"}).start()
    old = post.pid("smtpd")
    with post.raw() as idle:
        change(post, message_size_max="3M", smtpd_workers="1")
        post.cli("reload")
        if post.pid("smtpd") != old:
            assert idle.reply() == 421
            assert idle.closed()
            until(lambda: f"role-stopped role=smtpd pid={old}" in post.log)


def test_reload_and_upgrade_want_an_instance_that_runs(news):
    assert "does not run" in news.fails("reload")
    assert "does not run" in news.fails("upgrade")


# ---- upgrade ----

class Hammer:
    """Clients that post without a pause, some on connections they keep. A failure is whatever a real client would
    see as one: a refused or broken connection, a reply that is not the expected one. Being sent away with 421
    between two transactions is none, it comes again; such moves are counted."""

    def __init__(self, port, count=10):
        self.port = port
        self.failures = []
        self.moved = self.done = 0
        self.ids = []
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(count)]

    def _client(self, number):
        n = 0
        while not self.stop.is_set():
            try:
                with Raw(self.port, timeout=60) as c:
                    n = self._session(c, number, n)
            except (OSError, EOFError, AssertionError) as e:
                self.failures.append(f"{number}: {e!r}")

    def _session(self, c, number, n):
        for _ in range(1 + number * 5):
            if self.stop.is_set():
                break
            n += 1
            name = f"h{number}.{n}"
            got = c.cmd("MAIL FROM:<me@sender.example>")
            if got == 421:
                self.moved += 1
                return n
            assert got == 250, got
            for verb, code in ((f"RCPT TO:<{name}@far.example>", 250), ("DATA", 354)):
                got = c.cmd(verb)
                assert got == code, (verb, got)
            got = c.data(message(id=f"{name}@test.example"))
            assert got == 250, got
            with self.lock:
                self.done += 1
                self.ids.append(f"{name}@far.example")
        assert c.cmd("QUIT") == 221
        return n

    def __enter__(self):
        for t in self.threads:
            t.start()
        until(lambda: self.done > 20 or self.failures, 60)
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for t in self.threads:
            t.join(90)


def install(build, folder):
    """A copy of the programs, as a package would put it."""
    folder.mkdir(parents=True)
    for name in ("postroad", *(f"postroad-{r}" for r in ROLES)):
        shutil.copy2(build / name, folder / name)
    return folder


def test_upgrade_under_load_fails_no_transaction(news, sink, build, tmp_path):
    versions = [install(build, tmp_path / f"v{n}") for n in range(4)]
    news.start(program=versions[0] / "postroad")
    supervisor = news.pid("supervisor")
    with Hammer(news.port) as hammer:
        for version in versions[1:]:
            before, sent = pids(news), hammer.done
            news._run([version / "postroad", "-C", news.dir, "upgrade"], timeout=300)
            for role, pid in pids(news).items():
                assert pid != before[role]
                assert os.readlink(f"/proc/{pid}/exe") == str(version / f"postroad-{role}")
            assert os.readlink(f"/proc/{supervisor}/exe") == str(version / "postroad")
            until(lambda sent=sent: hammer.done > sent + 10 or hammer.failures, 60)
    assert hammer.failures == []
    assert hammer.moved == 0
    news.wait(300)
    arrived = sink.recipients()
    assert len(hammer.ids) == hammer.done and set(hammer.ids) == set(arrived)
    assert len(arrived) == len(set(arrived))
    assert news.stop() == 0


def test_upgrade_by_link_and_signal(news, build, tmp_path):
    """What a package does: the path stays, the program behind it is another."""
    link = tmp_path / "current"
    link.symlink_to(install(build, tmp_path / "v1"))
    news.start(program=link / "postroad")
    install(build, tmp_path / "v2")
    link.unlink()
    link.symlink_to(tmp_path / "v2")
    os.kill(news.pid("supervisor"), signal.SIGUSR2)
    until(lambda: " done what=upgrade" in news.log, 60)
    for role, pid in pids(news).items():
        assert os.readlink(f"/proc/{pid}/exe") == str(tmp_path / "v2" / f"postroad-{role}")


@pytest.mark.parametrize("broken", ["postroad", "postroad-deliver"])
def test_a_program_that_does_not_start_changes_nothing(news, build, tmp_path, broken):
    news.start()
    before = pids(news)
    bad = install(build, tmp_path / "bad")
    (bad / broken).write_bytes(b"#!/bin/sh\nexit 3\n")
    text = (news.dir / "data/run/upgrade")
    text.write_text(str(bad / "postroad"))
    text.chmod(0o600)
    os.kill(news.pid("supervisor"), signal.SIGUSR2)
    until(lambda: " not-done what=upgrade" in news.log, 60)
    assert pids(news) == before
    news.post("me@sender.example", "news@example.org", message())
    news.wait()


def test_killed_role_after_an_upgrade_comes_back(news, build, tmp_path):
    news.start()
    version = install(build, tmp_path / "v1")
    news._run([version / "postroad", "-C", news.dir, "upgrade"], timeout=120)
    for role in roles_of(news):
        news.kill(role)
    assert "runs already" in news.fails("run")
    news.post("me@sender.example", "news@example.org", message())
    news.wait()


def test_run_check(news):
    news.cli("run", "--check")
    assert "frobd" in news.fails("run", "--check", "frobd")
