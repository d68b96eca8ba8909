"""Scenes of Postroad alone: how the store grows, what a large table of aliases costs, and what sessions weigh."""
import contextlib
import json
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import compare
import procs
import stall
from sides import BenchError, LIST, SENDER, Postroad, Sink

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import postgresql  # noqa: E402

ALIAS_DOMAIN = "alias.example"
PARKED, FEW = 2000, 4


@contextlib.contextmanager
def instance(options, name, **arguments):
    """A running Postroad in a fresh folder, whose mail goes to a sink."""
    folder = options.disk / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sink = Sink(options.programs, folder)
    side = Postroad(folder / "server", sink.port, **arguments)
    try:
        side.start()
        yield side
    finally:
        side.stop()
        sink.stop()
    shutil.rmtree(folder, ignore_errors=True)


# ---- growth of the store ----

def sqlite_size(side):
    """Octets of the pages in use: the file itself keeps those that earlier mail has left free."""
    # A running instance has the database for itself.
    with contextlib.closing(sqlite3.connect(f"file:{side.folder / 'data/store.db'}?mode=ro", uri=True)) as db:
        pages, free, octets = (db.execute(f"PRAGMA {name}").fetchone()[0]
                               for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * octets


def waiting(side):
    return sum(row["recipients"] for row in json.loads(side._on("queue", "sites", "--json")))


def size_at_rest(side, size):
    side.stop()
    octets = size()
    side.launch()
    return octets


def fan_out(side, size, options):
    """Growth in octets: with every recipient waiting, and when all have been handed over."""
    side._on("queue", "freeze", "--reason", "bench")
    before = size_at_rest(side, size)
    compare.load(options, side.port, *compare.offer(compare.scenario_of("fanout", options), options))
    deadline = time.monotonic() + compare.EMPTY_WITHIN
    while waiting(side) < options.members:
        if time.monotonic() > deadline:
            raise BenchError(f"{waiting(side)} of {options.members} recipients wait")
        time.sleep(0.2)
    queued = size_at_rest(side, size)
    side._on("queue", "thaw")
    side.wait_empty(compare.EMPTY_WITHIN)
    return queued - before, size_at_rest(side, size) - before


def growth_of(engine, options):
    with contextlib.ExitStack() as stack:
        arguments = {"members": compare.members(options.members)}
        server = None
        if engine == "PostgreSQL":
            server = postgresql.PostgreSQL(options.disk)
            stack.callback(server.stop)
            server.start()
            arguments["store"] = server.url
        side = stack.enter_context(instance(options, "growth", **arguments))
        size = server.size if server else lambda: sqlite_size(side)
        queued, done = fan_out(side, size, options)
        compare.say(f"growth {engine}: {queued / options.members:.0f} octets a recipient queued, "
                    f"{done / options.members:.0f} at the end")
        return queued / options.members, done / options.members


def growth(options):
    lines = [f"## Store growth: one 5 KB post to {options.members:,} members", "",
             "Octets a recipient that the database has grown by (SQLite: pages in use; PostgreSQL: pg_database_size): "
             "while all wait, deliveries frozen, and when all have been handed over and what remains is events. The "
             "post itself is in it.", "",
             "| | all waiting | all handed over | goal |", "|---|---|---|---|"]
    for engine, goal in (("SQLite", 300), ("PostgreSQL", 700)):
        queued, done = growth_of(engine, options)
        lines.append(f"| {engine} | {queued:.0f} | {done:.0f} | {goal} |")
    return lines


# ---- aliases ----

class Client:
    """One SMTP session, in lock-step: times single commands."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        self._reply()
        self.say("EHLO bench.example")

    def _reply(self):
        while (line := self.input.readline())[3:4] == b"-":
            pass
        return line

    def say(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        return self._reply()

    def close(self):
        self.say("QUIT")
        self.input.close()
        self.socket.close()


def look_up(side, addresses):
    """RCPT for each, 100 a transaction, nothing sent: (median µs of an answer, µs of CPU of all roles)."""
    client, times = Client(side.port), []
    used = procs.cpu_seconds(side.pid)
    for number, address in enumerate(addresses):
        if number % 100 == 0:
            client.say("RSET")
            client.say(f"MAIL FROM:<{SENDER}>")
        begin = time.perf_counter()
        answer = client.say(f"RCPT TO:<{address}>")
        times.append(time.perf_counter() - begin)
        if not answer.startswith(b"250"):
            raise BenchError(f"RCPT {address}: {answer.decode(errors='replace').strip()}")
    used = procs.cpu_seconds(side.pid) - used
    client.close()
    return statistics.median(times) * 1e6, used / len(addresses) * 1e6


def import_aliases(side, count):
    """Seconds the command takes; its last alias is known to the RCPT that follows."""
    text = "".join(f"u{i}@{ALIAS_DOMAIN}: u{i}@sink.example\n" for i in range(count))
    begin = time.perf_counter()
    side._on("alias", "import", "bench", "-", "--yes", text=text)
    taken = time.perf_counter() - begin
    look_up(side, [f"u{count - 1}@{ALIAS_DOMAIN}"])
    return taken


def aliases(options):
    counts = (1000, 20000 if options.quick else 200000)
    asked = 500 if options.quick else 5000
    chosen = random.Random(1)
    rows = []
    with instance(options, "aliases") as side:
        side._on("domain", "add", ALIAS_DOMAIN)
        for count in counts:
            taken = import_aliases(side, count)
            look_up(side, [f"u{chosen.randrange(count)}@{ALIAS_DOMAIN}" for _ in range(100)])
            cost = look_up(side, [f"u{chosen.randrange(count)}@{ALIAS_DOMAIN}" for _ in range(asked)])
            rows.append((count, taken, *cost))
            compare.say(f"aliases {count:,}: imported in {taken:.2f} s, RCPT {cost[0]:.0f} µs, CPU {cost[1]:.0f} µs")
    lines = ["## Aliases", "", f"`alias import` of so many in one step, replacing those before, seen by the next RCPT; "
             f"then {asked:,} RCPTs of aliases drawn among them, one at a time over one session.", "",
             "| aliases | imported in, s | answer to RCPT, p50, µs | CPU of all roles, µs/RCPT |", "|---|---|---|---|"]
    lines += [f"| {count:,} | {taken:.2f} | {answer:.0f} | {cpu:.0f} |" for count, taken, answer, cpu in rows]
    (_, _, few, few_cpu), (_, taken, many, many_cpu) = rows
    lines += ["", f"Goals: {counts[1]:,} in at most 1 s ({taken:.2f} s); the cost of a look-up does not grow (answer "
              f"{many / few:.2f}, CPU {many_cpu / few_cpu:.2f} times that of {counts[0]:,})."]
    return lines


# ---- memory ----

def settled_pss(side, timeout=30):
    """PSS of all roles by name once looks of two seconds agree within 1 %: a burst's memory goes back a little later."""
    deadline, looks = time.monotonic() + timeout, []
    while True:
        sizes = procs.pss_by_name(side.pid)
        looks = looks[-4:] + [sum(size for _, size in sizes)]
        if len(looks) == 5 and max(looks) - min(looks) < looks[-1] / 100 or time.monotonic() > deadline:
            return looks[-1], dict(sizes)
        time.sleep(0.5)


def open_sessions(side):
    found = re.search(r'^smtpd_sessions_open\{role="smtpd"\} (\d+)', side._on("metrics"), re.MULTILINE)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def parked(options, side, count, tls, beside=0):
    """Sessions that say nothing more after their EHLO; `beside`: what is open already."""
    extra = ["-S"] if tls else []
    holder = subprocess.Popen([options.programs / "postroad-load", "-c", f"127.0.0.1:{side.port}", "--stall", "ehlo",
                               "-s", str(count), "-t", "3600", "--json", *extra], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while open_sessions(side) < beside + count:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{open_sessions(side)} of {count} sessions are parked")
            time.sleep(0.2)
        yield
        holder.send_signal(signal.SIGTERM)
        report = json.loads(holder.communicate(timeout=60)[0])
        if report["stalled"] != count or report["stall_ended_by_peer"]:
            raise BenchError(f"not all sessions stayed parked: {report}")
    finally:
        if holder.poll() is None:
            holder.kill()
            holder.communicate()


def session_memory(options, certificate, tls):
    """(octets a session, PSS of all idle roles, and by name); a few sessions first, so that what all share is there."""
    settings = {"tls_certificate": str(certificate / "cert.pem"), "tls_key": str(certificate / "key.pem"),
                "smtp_sessions_per_client": str(PARKED + 100), "smtp_sessions_max": str(PARKED + 100)}
    with instance(options, "memory", settings=settings) as side:
        idle, by_name = settled_pss(side)
        with parked(options, side, FEW, tls):
            before, _ = settled_pss(side)
            with parked(options, side, PARKED, tls, FEW):
                after, _ = settled_pss(side)
        return (after - before) / PARKED, idle, by_name


def memory(options):
    with tempfile.TemporaryDirectory() as folder:
        certificate = stall.make_certificate(pathlib.Path(folder))
        plain, idle, by_name = session_memory(options, certificate, False)
        tls, _, _ = session_memory(options, certificate, True)
    compare.say(f"memory: idle {idle / 1e6:.1f} MB, parked {plain / 1024:.1f} KB, in TLS {tls / 1024:.1f} KB")
    parts = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(by_name.items(), key=lambda item: -item[1]))
    return ["## Memory of the idle", "",
            f"PSS of all roles; a session's share from {PARKED:,} parked ones of one client, silent after their EHLO "
            "(kernel memory of sockets is not in it).", "", "| | | goal |", "|---|---|---|",
            f"| all roles, nothing to do, MB | {idle / 1e6:.1f} | 60 |",
            f"| a parked session, KB | {plain / 1024:.1f} | 4 |",
            f"| a parked session in TLS, KB | {tls / 1024:.1f} | 20 |", "", f"Of the roles, MB: {parts}."]
