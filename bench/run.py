#!/usr/bin/python3
"""The bench: runs its scenes and keeps RESULTS.md, one section a scene.

`run.py` runs all, `run.py accept deadline` these two and leaves the other sections as they are. The report is written
after each scene, so that a later failure leaves what was measured.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

import compare
import crowd
import deadline
import lists
import mailauth
import restful
import sides
import sizes
import stall
from sides import BenchError, Postfix, PostfixEach, Postroad
from syncs import KernelTrace

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {"postroad": Postroad, "postfix": Postfix, "postfix-each": PostfixEach}
# Name: what makes the section's lines. The order of the report.
SCENES = {
    **{name: (lambda options, name=name: compare.scene(name, options)) for name in
       ("accept", "single", "sustained", "fanout")},
    "deadline": deadline.scene,
    "lists": lists.scene,
    "rest": restful.scene,
    "crowd": crowd.scene,
    "growth": sizes.growth,
    "aliases": sizes.aliases,
    "memory": sizes.memory,
    "stall": stall.scene,
    "mailauth": mailauth.scene,
}
MARK = re.compile(r"^<!-- scene (\w+) -->\n", re.MULTILINE)


# ---- the report ----

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


def commit():
    changed = first_line("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no") != "unknown"
    return first_line("git", "-C", ROOT, "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def sections_of(path):
    """{scene: text} of a report written before."""
    parts = MARK.split(path.read_text()) if path.exists() else []
    return dict(zip(parts[1::2], parts[2::2]))


def write_report(name, lines, options):
    """Put one scene's section into the report, beside those of other scenes."""
    sections = sections_of(options.output)
    size = " (--quick: does it work?)" if options.quick else ""
    sections[name] = "\n".join([*lines, "", f"*{datetime.date.today()}, commit {commit()}{size}*", "", ""])
    head = ["# Postroad beside Postfix", "", "Written by `make bench`. What the figures mean: README.md.", "", "| | |",
            "|---|---|", *machine(options), ""]
    text = "\n".join(head) + "\n"
    for scene in SCENES:
        if scene in sections:
            text += f"<!-- scene {scene} -->\n" + sections[scene].split("<!-- limits -->")[0]
    limits = (ROOT / "bench/limits.md").read_text()
    options.output.write_text(text + "<!-- limits -->\n" + limits)


# ---- options ----

def parse():
    p = argparse.ArgumentParser(description="Measure Postroad, beside Postfix where there is something to compare.")
    p.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)} (all)")
    p.add_argument("--rounds", type=int, help="turns of each side of accept, single, fanout and stall (3)")
    p.add_argument("--seconds", type=float, help="load of each turn of accept and single (10)")
    p.add_argument("--sustained", type=float, help="load of the one turn of sustained (60)")
    p.add_argument("--members", type=int, help="of the list in fanout and growth (50000)")
    p.add_argument("--quick", action="store_true", help="1 round and small sizes: does it work?")
    p.add_argument("--sides", nargs="+", choices=KINDS, default=["postroad", "postfix"],
                   help="who takes turns; `postfix postfix` is the control: both columns should agree")
    p.add_argument("--no-count", dest="count", action="store_false", help="leave out the turn that counts sync calls")
    p.add_argument("--keep", action="store_true", help="keep the folders of deadline, with its logs")
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder (build/release)")
    p.add_argument("--disk", type=pathlib.Path, default=ROOT / "build/bench", help="where to measure (build/bench)")
    p.add_argument("--output", type=pathlib.Path, default=ROOT / "bench/RESULTS.md")
    deadline.add_arguments(p.add_argument_group("deadline"))
    stall.add_arguments(p.add_argument_group("stall"))
    o = p.parse_args()
    if wrong := [name for name in o.scenes if name not in SCENES]:
        p.error(f"no such scene: {', '.join(wrong)}; there are {', '.join(SCENES)}")
    o.scenes = o.scenes or list(SCENES)
    o.rounds = o.rounds or (1 if o.quick else 3)
    o.seconds = o.seconds or (3 if o.quick else 10)
    o.sustained = o.sustained or (5 if o.quick else 60)
    o.members = o.members or (5000 if o.quick else 50000)
    o.deadline_sides = [s for s in dict.fromkeys(o.sides) if s in deadline.SIDES]
    o.sides = [KINDS[s] for s in o.sides]
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
    if options.count and not KernelTrace.works() and not shutil.which("strace"):
        raise BenchError("the kernel offers no tracing and strace is not installed; install it or use --no-count")


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    try:
        check_ready(options)
        options.disk.mkdir(parents=True, exist_ok=True)
        for name in options.scenes:
            write_report(name, SCENES[name](options), options)
    except (BenchError, subprocess.CalledProcessError, RuntimeError) as error:
        sys.exit(f"bench: {error}\nThe server's folder, with its log, is left in {options.disk}.")
    print(options.output.read_text())
    return 1 if stall.too_slow(options) else 0


if __name__ == "__main__":
    sys.exit(main())
