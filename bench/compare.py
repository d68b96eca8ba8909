"""Postroad and Postfix side by side: how fast they take mail and send it on, and what that costs.

Each round starts a fresh server on the same disk and loads it; the two sides take turns, and the order within a
pair changes from round to round, so that a slow minute of the machine hits both. The generator and the sink are
measured against each other in the same run: no figure near their ceiling says anything about a server.

One more turn of each side, whose rates are not counted, counts sync calls and samples memory. See bench/README.md
for what the figures mean.
"""
import dataclasses
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import procs
import syncs
from sides import BenchError, LIST, SENDER, Sink

DOMAINS = 500
WARM_UP = 100  # messages before the count begins, so that processes and connections are there
EMPTY_WITHIN = 600  # seconds a queue may take to drain


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    sessions: int
    members: int = 0  # > 0: to a list, or an alias, of that many
    once: bool = False  # one post
    seconds: float = 0  # of load in a turn; 0: as asked
    rounds: int = 0


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
SUSTAINED_ROWS = (
    ACCEPT_ROWS[0],
    Row("through", "handed on meanwhile, messages/s"),
    Row("backlog", "accepted, not yet handed on as the load ends, messages"),
    Row("left", "the same when as much time again has passed"),
    *ACCEPT_ROWS[2:4],
    Row("cpu", "CPU of all roles, ms/message handed on (taking in the backlog is in it)", "{:.3f}", 1e3),
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
    if scenario.once:
        return ("-m", 1, "-f", SENDER, "-T", LIST)
    to = ("-f", SENDER, "-T", LIST) if scenario.members else ()
    return ("-t", scenario.seconds or options.seconds, "-s", scenario.sessions, *to)


def units_of(scenario, report):
    """Recipients of one post, or messages."""
    return scenario.members if scenario.once else report["acked"] * (scenario.members or 1)


# ---- one turn ----

def drain(scenario, side, sink, accepted, before):
    """Wait for the end of all work; of a sustained load only as long as it took. Messages still not handed on."""
    if not scenario.seconds:
        side.wait_empty(EMPTY_WITHIN)
        return 0
    try:
        side.wait_empty(scenario.seconds)
    except BenchError:
        left = accepted - (sink.stats()["recipients"] - before["recipients"])
        if left <= 0:
            raise
        return left
    return 0


def check_delivered(want, got):
    """The same fate on both sides: everything that was accepted is at the sink, once."""
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
    units = units_of(scenario, report)
    loaded = sink.stats()
    left = drain(scenario, side, sink, units, before)
    end = time.time()
    now = Usage(side, sink)
    after = sink.stats()
    handed = after["recipients"] - before["recipients"]
    if not left:
        check_delivered(units, handed)
    figures = {"units": handed, "cpu": (now.cpu - used.cpu) / handed,
               "transactions": after["transactions"] - before["transactions"],
               "others": max(0, now.others - used.others) / (end - begin)}
    last = after["last_unix"] - begin
    if scenario.once:
        figures.update(rate=units / last, last=last)
    else:
        figures.update(rate=report["msgs_per_s"], through=units / last, p50=report["latency_p50_ms"],
                       p95=report["latency_p95_ms"])
    if scenario.seconds:
        meanwhile = loaded["recipients"] - before["recipients"]
        figures.update(through=meanwhile / report["seconds"], backlog=units - meanwhile, left=left)
    return figures, begin, end


def turn(kind, scenario, options, counted=False):
    """One fresh server of the kind, loaded, drained and removed."""
    folder = options.disk / f"{scenario.name}-{kind.__name__.lower()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()  # what the other side left to write is not this side's to wait for
    sink = Sink(options.programs, folder)
    counter = syncs.counter(folder / "syncs") if counted else None
    side = kind(folder / "server", sink.port, members(scenario.members) if scenario.members else None,
                counter.prefix if counted else ())
    try:
        if counted:
            counter.start()
        side.start()
        sampler = procs.MemorySampler(side.pid) if counted else None
        if sampler:
            sampler.start()
        figures, begin, end = measure(side, sink, scenario, options)
        if sampler:
            total = counter.count(begin, end)
            figures.update(pss=sampler.stop(), pss_of=sampler.peak_of, syncs=total / figures["units"], syncs_total=total)
    finally:
        side.stop()
        sink.stop()
        if counted:
            counter.stop()
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
    for number in range(scenario.rounds or options.rounds):
        result["sync_rate"].append(sync_rate(options.disk))
        result["ceiling"].append(ceiling(options, scenario.sessions))
        for label, kind in kinds if number % 2 == 0 else reversed(kinds):
            figures = turn(kind, scenario, options)
            rounds[label].append(figures)
            say(f"{scenario.name} round {number + 1} {label}: {figures['rate']:,.0f}/s, "
                f"CPU {figures['cpu'] * 1e3:.3f} ms each, {figures['others']:.2f} processors busy with something else")
    if options.count and not scenario.rounds:  # a scenario with rounds of its own is long
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


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def section(scenario, options, result):
    rows = FANOUT_ROWS if scenario.once else SUSTAINED_ROWS if scenario.seconds else ACCEPT_ROWS
    kind = "one-recipient transactions" if scenario.once else "messages"
    rounds = scenario.rounds or options.rounds
    load_of = "" if scenario.once else f", {scenario.seconds or options.seconds:g} s of load a round"
    return [f"## {scenario.title}", "", *table(result, rows), "",
            f"{rounds} round{'s' * (rounds > 1)} a side{load_of}; medians with (min–max), the last column is their "
            f"ratio. Ceiling of generator and sink, sessions: {scenario.sessions}, {kind}/s: "
            f"{spread(result['ceiling'])}. Disk, one writer, fdatasync/s: {spread(result['sync_rate'])}.",
            *memory_line(result)]


# ---- the scenarios ----

def scenario_of(name, options):
    if name == "accept":
        return Scenario(name, "Accept: 5 KB, 50 sessions, relayed to the sink", 50)
    if name == "single":
        return Scenario(name, "Accept: 5 KB, one session, relayed to the sink", 1)
    if name == "sustained":
        return Scenario(name, f"Sustained: {options.sustained:g} s of 5 KB posts over 50 sessions to an archived list "
                        "of one member, Postfix to an alias of one", 50, 1, seconds=options.sustained, rounds=1)
    return Scenario("fanout", f"Fan-out: one 5 KB post to {options.members:,} members at {DOMAINS} domains, "
                    "Postroad with VERP, Postfix on a plain alias", 20, options.members, once=True)


def scene(name, options):
    scenario = scenario_of(name, options)
    return section(scenario, options, run_scenario(scenario, options))
