"""Sync calls that a server makes, with their times.

The kernel's own tracing (tracefs, for root) notes them without stopping anybody. Where there is none, strace does,
which stops the server at each of these calls: groups of messages that share one then differ from those of a free run.
"""
import pathlib
import re
import time

CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")
EVENTS = "events/syscalls/sys_enter_"
TRACEFS = pathlib.Path("/sys/kernel/tracing")


class KernelTrace:
    """Of all processes of the machine, in a trace instance of its own."""

    prefix = ()

    def __init__(self):
        self.folder = TRACEFS / "instances" / "postroad-bench"

    @staticmethod
    def works():
        return (TRACEFS / (EVENTS + CALLS[0]) / "enable").exists()

    def start(self):
        self.stop()  # of a run that was killed
        self.folder.mkdir()
        (self.folder / "trace_clock").write_text("mono")
        for call in CALLS:
            (self.folder / (EVENTS + call) / "enable").write_text("1")

    def count(self, begin, end):
        """Calls in [begin, end] of time.time()."""
        ahead = time.time() - time.monotonic()
        times = re.findall(r" ([0-9]+\.[0-9]+): sys_\w+\(", (self.folder / "trace").read_text(errors="replace"))
        return sum(begin <= float(at) + ahead <= end for at in times)

    def stop(self):
        if self.folder.exists():
            self.folder.rmdir()


class Strace:
    """Of the processes that are started with `prefix` before their command."""

    def __init__(self, into):
        self.into = into
        self.prefix = ["strace", "-f", "--seccomp-bpf", "-ttt", "-e", "signal=none",
                       "-e", "trace=" + ",".join(CALLS), "-o", str(into)]

    def start(self):
        pass

    def count(self, begin, end):
        """A call that another interrupts has a second line, which begins with `<...` and is not counted."""
        times = re.findall(r"^\d+ +([0-9.]+) \w+\(", self.into.read_text(errors="replace"), re.MULTILINE)
        return sum(begin <= float(at) <= end for at in times)

    def stop(self):
        pass


def counter(into):
    return KernelTrace() if KernelTrace.works() else Strace(into)
