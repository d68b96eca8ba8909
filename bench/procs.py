"""What a server's processes used: CPU and memory of a tree of processes, read from /proc.

The tree is the process that was started and everything below it. A child that has ended and was waited for is in
its parent's sums (cutime, cstime), so the CPU of the whole tree is the sum over the living processes of their own
time and that of their ended children; short-lived workers are not lost between two looks. Postfix's master and
Postroad's supervisor both wait for every child they start.
"""
import os
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Fields of /proc/PID/stat behind the name, from field 3 (state) on; None when the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def start_time(pid):
    """When the process began, in ticks since boot: with the id it names one process for good. None when ended."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def tree(root):
    """Ids of root and all processes below it, root first; empty when root has ended."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found = [root] if _stat(root) else []
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def own_cpu(pid):
    """Seconds one process has used, all its threads, in nanosecond steps: /proc's 10 ms steps lose up to 20 ms of each
    of a hundred short workers. The clock's number is that of clock_getcpuclockid(3), which Python lacks."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def cpu_seconds(root):
    """User and system time of the tree so far, ended children included."""
    total = 0.0
    for pid in tree(root):
        fields = _stat(pid)
        if fields:
            total += own_cpu(pid) + (int(fields[13]) + int(fields[14])) / TICKS
    return total


def machine_busy():
    """Processor time used by everything on the machine since boot, in seconds; stolen time counts as used."""
    with open("/proc/stat", encoding="latin-1") as f:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def pss_by_name(root):
    """(name, PSS in bytes) of each process of the tree."""
    sizes = []
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/comm", encoding="latin-1") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/smaps_rollup", encoding="latin-1") as f:
                pss = next((int(line.split()[1]) for line in f if line.startswith("Pss:")), 0)
        except (OSError, ValueError):
            continue
        sizes.append((name, pss * 1024))
    return sizes


class MemorySampler(threading.Thread):
    """Looks at the tree's PSS every `interval` seconds until stopped; keeps the largest sum, and by process name."""

    def __init__(self, root, interval=0.2):
        super().__init__(daemon=True)
        self.root, self.interval = root, interval
        self.peak = 0
        self.peak_of = {}
        self._ended = threading.Event()

    def look(self):
        sizes = pss_by_name(self.root)
        self.peak = max(self.peak, sum(size for _, size in sizes))
        for name, size in sizes:
            self.peak_of[name] = max(self.peak_of.get(name, 0), size)

    def run(self):
        while not self._ended.wait(self.interval):
            self.look()

    def stop(self):
        self._ended.set()
        self.join()
        self.look()
        return self.peak
