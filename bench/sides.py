"""The two mail servers of the bench, behind one interface, and the counting sink they deliver to.

A side is started in a fresh folder with a smart host (the sink) and, if asked, one list or alias with many members.
It answers: port, pid (root of its process tree), wait_empty(timeout), stop().
"""
import json
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peers"))
import postfix  # noqa: E402

LIST_DOMAIN = "lists.example"
LIST = f"announce@{LIST_DOMAIN}"
SENDER = f"chair@{LIST_DOMAIN}"


class BenchError(Exception):
    """The run cannot be counted; the text says why."""


class Sink:
    """postroad-sink on a free port."""

    def __init__(self, programs, folder, options=()):
        self.stats_file = folder / "sink.json"
        self.process = subprocess.Popen(
            [programs / "postroad-sink", "-l", "127.0.0.1:0", "--stats", self.stats_file, *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().rsplit(":", 1)[1])

    def stats(self, timeout=10):
        self.stats_file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.stats_file.exists() and (text := self.stats_file.read_text()).endswith("}\n"):
                return json.loads(text)
            time.sleep(0.005)
        raise BenchError("the sink does not answer")

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=20)


class Postfix:
    """Debian's Postfix, relaying to the sink; the list is an alias with an :include: file."""

    name = "Postfix"
    program = None

    def __init__(self, folder, sink_port, members=None, wrapper=()):
        options = {}
        if members:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "members"
            file.write_text("".join(f"{m}\n" for m in members))
            local = LIST.split("@")[0]
            # owner-…: the envelope sender of what the alias sends on, as a list has one.
            options = {"hostname": LIST_DOMAIN,
                       "aliases": {local: f":include:{file}", f"owner-{local}": f"owner@{LIST_DOMAIN}"}}
        self.peer = postfix.Postfix(folder, relay=f"127.0.0.1:{sink_port}", wrapper=wrapper, **options)
        self.port = self.peer.port

    def start(self):
        self.peer.start()

    @property
    def pid(self):
        return self.peer.pids()[0]

    def wait_empty(self, timeout):
        if not self.peer.wait_queue_empty(timeout):
            raise BenchError(f"mail left in Postfix's queue after {timeout} s: {self.peer.log()[-500:]}")

    def stop(self):
        self.peer.stop()

    @staticmethod
    def version():
        return f"Postfix {postfix.version()} (Debian)"


class PostfixEach(Postfix):
    """The same with one recipient a transaction, as VERP needs it: what Postfix pays for what Postroad does."""

    name = "Postfix, 1 recipient each"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.peer.settings["default_destination_recipient_limit"] = 1


class Postroad:
    """All roles under one supervisor, SQLite store, relaying to the sink; the list has VERP, as every list."""

    name = "Postroad"
    program = None  # set by run.py

    def __init__(self, folder, sink_port, members=None, wrapper=(), settings=None, store="sqlite"):
        self.folder = folder / "instance"
        self.settings, self.store = {"relay_networks": "127.0.0.0/8", **(settings or {})}, store
        self.port = postfix.free_port()
        self.sink_port, self.members, self.wrapper = sink_port, members, list(wrapper)
        self.log_file = folder / "postroad.log"
        self.process = None

    def _command(self, *arguments, text=None, timeout=600):
        run = subprocess.run([self.program, *arguments], input=text, text=True, capture_output=True, timeout=timeout,
                             check=False)
        if run.returncode != 0:
            raise BenchError(f"postroad {' '.join(map(str, arguments))}: {run.stderr.strip() or run.stdout.strip()}")
        return run.stdout

    def _on(self, *arguments, **options):
        return self._command("-C", self.folder, *arguments, **options)

    def start(self):
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        relay = ("--relay", f"127.0.0.1:{self.sink_port}") if self.sink_port else ()  # none: by MX
        self._command("init", self.folder, "--domain", LIST_DOMAIN, "--smtp", f"127.0.0.1:{self.port}", *relay,
                      "--store", self.store, *(a for item in self.settings.items() for a in ("--set", "=".join(item))))
        self._on("list", "set", "all", "default_nonmember_action=accept", "max_message_size=0")  # as its peers are
        self.launch()
        if self.members:
            self.make_list(LIST, self.members)

    def launch(self):
        """Run what start() made, again after a stop()."""
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(self.program), "-C", str(self.folder), "run"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        self._wait_for_greeting(20)

    def make_list(self, address, addresses, *options):
        self._on("list", "create", address, *options)
        self._on("member", "add", address, "-", text="".join(f"{m}\n" for m in addresses))

    def _wait_for_greeting(self, timeout):
        deadline = time.monotonic() + timeout
        while not postfix.greets(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"postroad did not start: {self.log_file.read_text(errors='replace')[-1000:]}")
            time.sleep(0.02)

    @property
    def pid(self):
        if not self.wrapper:
            return self.process.pid
        return postfix.procs.tree(self.process.pid)[1]

    def wait_empty(self, timeout):
        self._on("queue", "wait", "--timeout", str(timeout), timeout=timeout + 30)

    def stop(self):
        if not self.process:
            return
        if self.process.poll() is None:
            postfix.end(self.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired as late:
            for pid in reversed(postfix.procs.tree(self.process.pid)):
                postfix.end(pid, signal.SIGKILL)
            self.process.wait()
            raise BenchError("postroad did not end within 30 s of SIGTERM") from late

    @staticmethod
    def version():
        run = subprocess.run([Postroad.program, "--version"], capture_output=True, text=True, check=False)
        return run.stdout.strip() or "Postroad"
