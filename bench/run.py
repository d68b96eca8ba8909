#!/usr/bin/python3
"""Postroad and Postfix side by side: how fast they take mail and send it on, and what that costs.

Each round starts a fresh server on the same disk and loads it; the two sides take turns, and the order within a
pair changes from round to round, so that a slow minute of the machine hits both. The generator and the sink are
measured against each other in the same run: no figure near their ceiling says anything about a server.

One more turn of each side, whose rates are not counted, runs under strace (which stops the servers at sync calls
only) and samples memory. See bench/README.md for what the figures mean.
"""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

import procs
import sides
from sides import BenchError, LIST, SENDER, Postfix, PostfixEach, Postroad, Sink

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOMAINS = 500
WARM_UP = 100  # messages before the count begins, so that processes and connections are there
EMPTY_WITHIN = 600  # seconds a queue may take to drain


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    sessions: int
    members: int = 0  # > 0: one post to that many


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: the key of a measurement, how it is written, and which way is better."""

    key: str
    title: str
    form: str = "{:,.0f}"
    factor: float = 1


OTHERS = Row("others", "processors busy with something else", "{:.2f}")
ACCEPT_ROWS = (
    Row("rate", "accepted, messages/s"),
    Row("through", "accepted and handed on, messages/s"),
    Row("p50", "answer to end-of-data, p50, ms", "{:.1f}"),
    Row("p95", "answer to end-of-data, p95, ms", "{:.1f}"),
    Row("cpu", "CPU of all roles, ms/message", "{:.3f}", 1e3),
    Row("syncs", "sync calls/message (counted turn)", "{:.3f}"),
    Row("pss", "peak PSS of all roles, MB (counted turn)", "{:.0f}", 1e-6),
    OTHERS,
)
FANOUT_ROWS = (
    Row("rate", "recipients/s, first connection to last hand-over"),
    Row("last", "last recipient after, s", "{:.2f}"),
    Row("cpu", "CPU of all roles, µs/recipient", "{:.0f}", 1e6),
    Row("transactions", "SMTP transactions at the sink"),
    Row("syncs_total", "sync calls in all (counted turn)"),
    Row("pss", "peak PSS of all roles, MB (counted turn)", "{:.0f}", 1e-6),
    OTHERS,
)


# ---- the generator ----

def load(options, port, *arguments):
    """Run postroad-load to its end; its report. Any message that failed makes the run worthless."""
    command = [options.programs / "postroad-load", "-c", f"127.0.0.1:{port}", "--json", "-P", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise BenchError(f"postroad-load: {run.stderr.strip()} {run.stdout.strip()}")
    return json.loads(run.stdout)


def members(count):
    return [f"member{i}@d{i % DOMAINS:03}.example" for i in range(count)]


def offer(scenario, options):
    """postroad-load's arguments for a scenario."""
    if scenario.members:
        return ("-m", 1, "-f", SENDER, "-T", LIST)
    return ("-t", options.seconds, "-s", scenario.sessions)


# ---- one turn ----

def count_syncs(trace, begin, end):
    """Sync calls that began in [begin, end] of wall clock time. A call that another interrupts has a second line,
    which begins with `<...` and is not counted."""
    calls = re.findall(r"^\d+ +([0-9.]+) \w+\(", trace.read_text(errors="replace"), re.MULTILINE)
    return sum(begin <= float(at) <= end for at in calls)


def check_delivered(scenario, report, before, after):
    """The same fate on both sides: everything that was accepted is at the sink, once."""
    want = scenario.members or report["acked"]
    got = after["recipients"] - before["recipients"]
    if got != want:
        raise BenchError(f"{want} recipients accepted, {got} at the sink")


class Usage:
    """Processor time so far: of the server, and of the machine without server, sink and generator."""

    def __init__(self, side, sink):
        self.cpu = procs.cpu_seconds(side.pid)
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)  # generators that have ended
        self.others = (procs.machine_busy() - self.cpu - procs.cpu_seconds(sink.process.pid)
                       - ours.ru_utime - ours.ru_stime - time.process_time())


def measure(side, sink, scenario, options):
    """Load a running side; the figures of the turn and when it began and ended."""
    load(options, side.port, "-m", WARM_UP, "-s", min(scenario.sessions, 10), "-T", "warm-%d@sink.example")
    side.wait_empty(EMPTY_WITHIN)
    before = sink.stats()
    used = Usage(side, sink)
    begin = time.time()
    report = load(options, side.port, *offer(scenario, options))
    side.wait_empty(EMPTY_WITHIN)
    end = time.time()
    now = Usage(side, sink)
    after = sink.stats()
    check_delivered(scenario, report, before, after)
    units = scenario.members or report["acked"]
    figures = {"units": units, "cpu": (now.cpu - used.cpu) / units,
               "transactions": after["transactions"] - before["transactions"],
               "others": max(0, now.others - used.others) / (end - begin)}
    last = after["last_unix"] - begin
    if scenario.members:
        figures.update(rate=units / last, last=last)
    else:
        figures.update(rate=report["msgs_per_s"], through=units / last, p50=report["latency_p50_ms"],
                       p95=report["latency_p95_ms"])
    return figures, begin, end


def turn(kind, scenario, options, counted=False):
    """One fresh server of the kind, loaded, drained and removed."""
    folder = options.disk / f"{scenario.name}-{kind.__name__.lower()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()  # what the other side left to write is not this side's to wait for
    sink = Sink(options.programs, folder)
    trace = folder / "syncs"
    side = kind(folder / "server", sink.port, members(scenario.members) if scenario.members else None,
                sides.strace(trace) if counted else ())
    try:
        side.start()
        sampler = procs.MemorySampler(side.pid) if counted else None
        if sampler:
            sampler.start()
        figures, begin, end = measure(side, sink, scenario, options)
        if sampler:
            figures.update(pss=sampler.stop(), pss_of=sampler.peak_of)
    finally:
        side.stop()
        sink.stop()
    if counted:
        syncs = count_syncs(trace, begin, end)
        figures.update(syncs=syncs / figures["units"], syncs_total=syncs)
    shutil.rmtree(folder, ignore_errors=True)
    return figures


# ---- ceilings ----

def ceiling(options, sessions):
    """The generator straight into the sink: what no server can be seen to pass."""
    folder = options.disk / "ceiling"
    folder.mkdir(parents=True, exist_ok=True)
    sink = Sink(options.programs, folder)
    try:
        report = load(options, sink.port, "-t", min(options.seconds, 5), "-s", sessions, "-T", "to-%d@sink.example")
        return report["msgs_per_s"]
    finally:
        sink.stop()


def sync_rate(folder, seconds=1.0):
    """4 KB appended and fdatasync, one writer: calls/s of the disk at this moment."""
    path = folder / "sync-rate"
    count, end = 0, time.monotonic() + seconds
    with open(path, "wb", buffering=0) as f:
        while time.monotonic() < end:
            f.write(b"x" * 4096)
            os.fdatasync(f.fileno())
            count += 1
    path.unlink()
    return count / seconds


# ---- a scenario ----

def run_scenario(scenario, options):
    """All rounds. Figures: {side label: [figures of each round]}, counted: {label: figures}, ceilings and disk."""
    kinds = labelled(options.sides)
    rounds = {label: [] for label, _ in kinds}
    result = {"rounds": rounds, "counted": {}, "ceiling": [], "sync_rate": []}
    for number in range(options.rounds):
        result["sync_rate"].append(sync_rate(options.disk))
        result["ceiling"].append(ceiling(options, scenario.sessions))
        for label, kind in kinds if number % 2 == 0 else reversed(kinds):
            figures = turn(kind, scenario, options)
            rounds[label].append(figures)
            say(f"{scenario.name} round {number + 1} {label}: {figures['rate']:,.0f}/s, "
                f"CPU {figures['cpu'] * 1e3:.3f} ms each, {figures['others']:.2f} processors busy with something else")
    if options.count:
        for label, kind in kinds:
            result["counted"][label] = turn(kind, scenario, options, counted=True)
            say(f"{scenario.name} counted {label}: {result['counted'][label]['syncs_total']} sync calls, "
                f"{result['counted'][label]['pss'] / 1e6:.0f} MB")
    return result


def labelled(kinds):
    """(label, kind): the same kind twice, as a control of the bench itself, gets two labels."""
    out = []
    for kind in kinds:
        same = sum(1 for _, k in out if k is kind)
        out.append((kind.name + (f" ({same + 1})" if same else ""), kind))
    return out


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- the report ----

def cell(row, values):
    """Median, and the spread where there is one."""
    values = [v * row.factor for v in values]
    text = row.form.format(statistics.median(values))
    if len(values) > 1:
        text += f" ({row.form.format(min(values))}–{row.form.format(max(values))})"
    return text


def values_of(result, label, key):
    found = [f[key] for f in result["rounds"][label] if key in f]
    counted = result["counted"].get(label, {})
    return found or ([counted[key]] if key in counted else [])


def table(result, rows):
    labels = list(result["rounds"])
    lines = ["| | " + " | ".join(labels) + (f" | {labels[0]} / {labels[1]} |" if len(labels) > 1 else " |"),
             "|---" * (len(labels) + 1 + (len(labels) > 1)) + "|"]
    for row in rows:
        columns = [values_of(result, label, row.key) for label in labels]
        if not all(columns):
            continue
        cells = [cell(row, values) for values in columns]
        if len(labels) > 1:
            below = statistics.median(columns[1])
            cells.append(f"{statistics.median(columns[0]) / below:.2f}" if below else "–")
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return lines


def memory_line(result):
    parts = []
    for label, figures in result["counted"].items():
        largest = sorted(figures["pss_of"].items(), key=lambda item: -item[1])[:6]
        parts.append(f"{label}: " + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in largest))
    return ["", "Largest PSS of one process, MB: " + "; ".join(parts) + "."] if parts else []


def first_line(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return out.splitlines()[0].strip() if out.strip() else "unknown"
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine(options):
    cpu = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = first_line("findmnt", "-no", "SOURCE,FSTYPE,OPTIONS", "-T", str(options.disk))
    facts = [
        ("Processor", f"{len(os.sched_getaffinity(0))} × {cpu}; generator, sink and server share them"),
        ("Memory", f"{memory:.0f} GB"),
        ("Disk", " ".join(disk.split())),
        ("Kernel", f"{platform.system()} {platform.release()}"),
        ("System", platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")),
        ("SQLite", sqlite3.sqlite_version),
        ("OpenSSL", first_line("openssl", "version")),
        ("Compiler", first_line("gcc", "--version")),
    ]
    facts += [("Server", text) for text in dict.fromkeys(kind.version() for kind in options.sides)]
    return [f"| {name} | {value} |" for name, value in facts]


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def write_report(results, options):
    lines = [
        "# Postroad beside Postfix", "",
        f"Written by `make bench` on {datetime.date.today()}: {options.rounds} rounds a side in alternation, "
        f"{options.seconds:g} s of load a round, medians with (min–max). What the figures mean: README.md. "
        "The last column is the ratio of the medians.", "", "| | |", "|---|---|", *machine(options)]
    for scenario, result in results:
        lines += ["", f"## {scenario.title}", "", *table(result, FANOUT_ROWS if scenario.members else ACCEPT_ROWS)]
        kind = "one-recipient transactions" if scenario.members else "messages"
        lines += ["", f"Ceiling of generator and sink, sessions: {scenario.sessions}, "
                  f"{kind}/s: {spread(result['ceiling'])}. "
                  f"Disk, one writer, fdatasync/s: {spread(result['sync_rate'])}.",
                  *memory_line(result)]
    options.output.write_text("\n".join(lines) + "\n")


# ---- options ----

def scenarios(options):
    everything = (
        Scenario("accept", "Accept: 5 KB, 50 sessions, relayed to the sink", 50),
        Scenario("single", "Accept: 5 KB, one session, relayed to the sink", 1),
        Scenario("fanout", f"Fan-out: one 5 KB post to {options.members:,} members at {DOMAINS} domains, "
                 "Postroad with VERP, Postfix on a plain alias", 20, options.members),
    )
    return [s for s in everything if not options.scenario or s.name in options.scenario]


def parse():
    kinds = {"postroad": Postroad, "postfix": Postfix, "postfix-each": PostfixEach}
    p = argparse.ArgumentParser(description="Measure Postroad beside Postfix.")
    p.add_argument("--rounds", type=int, help="turns of each side (3)")
    p.add_argument("--seconds", type=float, help="load of each turn of accept and single (10)")
    p.add_argument("--members", type=int, help="of the list in fanout (50000)")
    p.add_argument("--quick", action="store_true", help="1 round, 3 s, 5000 members: does it work?")
    p.add_argument("--scenario", action="append", choices=("accept", "single", "fanout"), help="only this; repeatable")
    p.add_argument("--sides", nargs="+", choices=kinds, default=["postroad", "postfix"],
                   help="who takes turns; `postfix postfix` is the control: both columns should agree")
    p.add_argument("--no-count", dest="count", action="store_false", help="leave out the turn that counts sync calls")
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder (build/release)")
    p.add_argument("--disk", type=pathlib.Path, default=ROOT / "build/bench", help="where to measure (build/bench)")
    p.add_argument("--output", type=pathlib.Path, default=ROOT / "bench/RESULTS.md")
    o = p.parse_args()
    o.rounds = o.rounds or (1 if o.quick else 3)
    o.seconds = o.seconds or (3 if o.quick else 10)
    o.members = o.members or (5000 if o.quick else 50000)
    o.sides = [kinds[s] for s in o.sides]
    o.disk = o.disk.absolute()
    o.programs = o.build.absolute() / "bench"
    Postroad.program = o.build.absolute() / "postroad"
    return o


def check_ready(options):
    missing = [p for p in (options.programs / "postroad-load", options.programs / "postroad-sink") if not p.exists()]
    missing += [k.program for k in options.sides if k.program and not k.program.exists()]
    if missing:
        raise BenchError(f"not built: {', '.join(p.name for p in missing)}; run make first")
    if any(issubclass(k, Postfix) for k in options.sides) and (reason := sides.postfix.why_not()):
        raise BenchError(reason)
    if options.count and not shutil.which("strace"):
        raise BenchError("strace is not installed; install it or use --no-count")


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    try:
        check_ready(options)
        options.disk.mkdir(parents=True, exist_ok=True)
        results = []
        for scenario in scenarios(options):
            results.append((scenario, run_scenario(scenario, options)))
            write_report(results, options)  # after each, so that a later failure leaves what was measured
    except BenchError as error:
        sys.exit(f"bench: {error}\nThe server's folder, with its log, is left in {options.disk}.")
    print(options.output.read_text())


if __name__ == "__main__":
    main()
