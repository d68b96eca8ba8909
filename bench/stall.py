"""What 900 stuck clients do to a healthy session: 300 each idle, in the middle of a TLS handshake, and of DATA.

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
import statistics
import subprocess
import tempfile
import time

import compare
import procs
from sides import BenchError, Postroad, Sink

KINDS = ("idle", "handshake", "data")
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
        yield
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
    server = Server(folder / "server", sink.port, certificate, len(KINDS) * options.stuck + 100)
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
    lines = [f"## Stuck clients: one healthy session beside {len(KINDS)} × {options.stuck} that are stuck "
             f"({', '.join(KINDS)})", "",
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
