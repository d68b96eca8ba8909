"""What 1,200 stuck clients do to a healthy session: 300 each idle, in the middle of a TLS handshake, and of DATA, and
trickling a body as slowly as is allowed.

Each round measures one session's answers to the end of data on a fresh server, quiet and with the stuck ones there;
which comes first changes from round to round. The whole bench ends with status 1 when the median of the ratios of p95
is over --most (2).
"""
import contextlib
import json
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import compare
import procs
from sides import BenchError, Postroad, Sink

KINDS = ("idle", "handshake", "data")  # of postroad-load; then those that trickle
ALL_KINDS = (*KINDS, "trickle")
TRICKLE = b"x" * 198 + b"\r\n"  # each second: above smtp_body_rate_min, so that nobody is cut off
SETTLED = 0.02  # seconds of processor time in half a second: nobody is connecting any more
STUCK_WITHIN = 60


class Server(Postroad):
    """Postroad that offers STARTTLS and lets one address have all these sessions."""

    def __init__(self, folder, sink_port, certificate, sessions):
        super().__init__(folder, sink_port, settings={
            "tls_certificate": str(certificate / "cert.pem"), "tls_key": str(certificate / "key.pem"),
            "smtp_sessions_per_client": str(sessions), "smtp_sessions_max": str(sessions)})

    def sessions_open(self):
        found = re.search(r'^smtpd_sessions_open\{role="smtpd"\} (\d+)', self._on("metrics"), re.MULTILINE)
        return int(found[1]) if found else 0


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj",
                    "/CN=mx.example.org"], check=True, capture_output=True)
    return folder


class Trickle:
    """Clients in the middle of DATA that send a line a second each, from one thread."""

    def __init__(self, port, count):
        self.stopping = threading.Event()
        self.clients = [self._begin(port) for _ in range(count)]
        self.ended = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    @staticmethod
    def _begin(port):
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        lines = client.makefile("rb")
        for command in (b"", b"HELO trickle.example\r\n", b"MAIL FROM:<slow@load.example>\r\n",
                        b"RCPT TO:<slow@sink.example>\r\n", b"DATA\r\n"):
            client.sendall(command)
            reply = lines.readline()
            if reply[:1] not in (b"2", b"3"):
                raise BenchError(f"a client that was to trickle: {command!r}: {reply!r}")
        client.sendall(b"Subject: slow\r\n\r\n")
        return client

    def _run(self):
        pause = 1 / max(len(self.clients), 1)  # spread over the second
        while not self.stopping.is_set():
            for client in self.clients:
                try:
                    client.sendall(TRICKLE)
                except OSError:
                    self.ended += 1
                if self.stopping.wait(pause):
                    return

    def close(self):
        self.stopping.set()
        self.thread.join()
        for client in self.clients:
            client.close()


def wait_until_stuck(server, count):
    """All are connected, and the server has nothing to do with them any more."""
    deadline = time.monotonic() + STUCK_WITHIN
    used = -1.0
    while True:
        now = procs.cpu_seconds(server.pid)
        if now - used < SETTLED and server.sessions_open() == count:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"{server.sessions_open()} of {count} clients are stuck after {STUCK_WITHIN} s")
        used = now
        time.sleep(0.5)


@contextlib.contextmanager
def stuck_clients(options, server):
    """Leaves when each client was stuck to the end, and the server ended none."""
    holders = [subprocess.Popen([options.programs / "postroad-load", "-c", f"127.0.0.1:{server.port}", "--stall", kind,
                                 "-s", str(options.stuck), "-t", "3600", "-T", "stuck@sink.example", "--json"],
                                stdout=subprocess.PIPE, text=True) for kind in KINDS]
    try:
        wait_until_stuck(server, len(KINDS) * options.stuck)
        trickle = Trickle(server.port, options.stuck)
        try:
            yield
        finally:
            trickle.close()
        if trickle.ended:
            raise BenchError(f"trickle: {trickle.ended} times a client could not send: it was ended")
        for kind, holder in zip(KINDS, holders):
            holder.send_signal(signal.SIGTERM)
            report = json.loads(holder.communicate(timeout=30)[0])
            if report["stalled"] != options.stuck or report["stall_ended_by_peer"]:
                raise BenchError(f"{kind}: not all clients stayed stuck: {report}")
    finally:
        for holder in holders:
            if holder.poll() is None:
                holder.kill()
                holder.communicate()


def healthy(options, server):
    """One session's latencies; compare.load counts no run in which a message failed."""
    report = compare.load(options, server.port, "-m", options.messages, "-s", 1, "-T", "well-%d@sink.example")
    server.wait_empty(compare.EMPTY_WITHIN)
    return {"p50": report["latency_p50_ms"], "p95": report["latency_p95_ms"]}


def beside_stuck(options, server):
    with stuck_clients(options, server):
        return healthy(options, server)


def one_round(options, certificate, stuck_first):
    folder = options.disk / "stall"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sink = Sink(options.programs, folder)
    server = Server(folder / "server", sink.port, certificate, len(ALL_KINDS) * options.stuck + 100)
    try:
        server.start()
        compare.load(options, server.port, "-m", compare.WARM_UP, "-T", "warm-%d@sink.example")
        server.wait_empty(compare.EMPTY_WITHIN)
        if stuck_first:
            stuck = beside_stuck(options, server)
            quiet = healthy(options, server)
        else:
            quiet = healthy(options, server)
            stuck = beside_stuck(options, server)
    finally:
        server.stop()
        sink.stop()
    shutil.rmtree(folder, ignore_errors=True)
    return {"quiet": quiet, "stuck": stuck, "p50": stuck["p50"] / quiet["p50"], "p95": stuck["p95"] / quiet["p95"]}


def section(options, rounds):
    lines = [f"## Stuck clients: one healthy session beside {len(ALL_KINDS)} × {options.stuck} that are stuck "
             f"({', '.join(ALL_KINDS)})", "",
             f"{options.messages:,} messages of 5 KB over one session, answer to end-of-data in ms; each round on a "
             "fresh server, quiet first in odd rounds, stuck first in even ones.", "",
             "| round | quiet p50 | stuck p50 | ratio | quiet p95 | stuck p95 | ratio |",
             "|---|---|---|---|---|---|---|"]
    for number, r in enumerate(rounds, 1):
        lines.append(f"| {number} | {r['quiet']['p50']:.2f} | {r['stuck']['p50']:.2f} | {r['p50']:.2f} "
                     f"| {r['quiet']['p95']:.2f} | {r['stuck']['p95']:.2f} | {r['p95']:.2f} |")
    lines.append(f"| median | | | {statistics.median(r['p50'] for r in rounds):.2f} | | "
                 f"| {statistics.median(r['p95'] for r in rounds):.2f} |")
    return lines


def add_arguments(p):
    p.add_argument("--messages", type=int, default=2000, help="of the healthy session, each time (2000)")
    p.add_argument("--stuck", type=int, default=300, help="clients of each kind (300)")
    p.add_argument("--most", type=float, default=2, help="largest ratio of p95 that is good (2)")


def too_slow(options):
    rounds = getattr(options, "stall_rounds", ())
    return bool(rounds) and statistics.median(r["p95"] for r in rounds) > options.most


def scene(options):
    rounds = options.stall_rounds = []
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(pathlib.Path(folder))
        for number in range(options.rounds):
            rounds.append(one_round(options, certificate, number % 2 == 1))
            compare.say(f"stall round {number + 1}: p95 quiet {rounds[-1]['quiet']['p95']:.2f} ms, stuck "
                        f"{rounds[-1]['stuck']['p95']:.2f} ms, ratio {rounds[-1]['p95']:.2f}")
    return section(options, rounds)
