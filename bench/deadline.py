"""The deadline scene: announcements to many while ordinary posts keep arriving, into a world of 500 domains.

40 % of the recipients are at two sites that allow 10 connections and answer 421 beyond a rate; every site answers
20 to 200 ms after it was spoken to; 2 % of the hosts are dead. First only the posts (unloaded), then the same posts
beside the announcements, each side on the same drawn world. A post's latency is from the 250 that accepted it to the
last of its hand-overs. Domains are found by MX from a real name server, by both sides.

Needs root, for Postfix and for port 53 of a loopback address.
"""
import argparse
import dataclasses
import pathlib
import random
import shutil
import sys
import threading
import time

import compare
import procs
import sides
from sides import BenchError, LIST_DOMAIN, Sink

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import knot  # noqa: E402

PEERS = pathlib.Path(__file__).resolve().parent / "peers/postfix"
DOMAINS, DEAD, BIG, HOSTED = 500, 10, 2, 10  # 2 % dead; each big site has its own domain and ten hosted ones
BIG_SHARE, BIG_OWN = 0.4, 0.95  # of all recipients; of a big site's recipients at its own domain
BIG_RATE, BIG_CONNECTIONS, BIG_DELAY = 100, 10, 30  # recipients a second; connections; ms
DELAY = (20, 200)
POST_MEMBERS = 50
SITE_PORT = 2587
ANNOUNCE = f"announce@{LIST_DOMAIN}"
FULL = (300, 10000)
WARM, QUIET, LOADED = "warm", "quiet", "loaded"
WARM_POSTS = 20


class World:
    """Sites, domains and lists, all drawn from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sites, self.mx = [], {}  # table lines of the sink; domain -> number of its site
        self.big = [self._domains(f"big{i}", i, HOSTED) for i in range(BIG)]
        others = DOMAINS - BIG * (1 + HOSTED)
        self.dead = {self._site(f"dead{i}", "dead") for i in range(DEAD)}
        self.small = [*sorted(self.dead), *(self._site(f"d{i:03}", f"delay={self.random.randint(*DELAY)}")
                                            for i in range(others - DEAD))]
        self.limited = {domain for group in self.big for domain in group}

    @staticmethod
    def address(number):
        return f"127.77.{1 + number // 250}.{1 + number % 250}"

    def _site(self, name, behaviour):
        self.sites.append(f"{name} {self.address(len(self.sites))}:{SITE_PORT} {behaviour}")
        self.mx[f"{name}.example"] = len(self.sites) - 1
        return f"{name}.example"

    def _domains(self, name, number, hosted):
        """A big site: its own domain and those whose MX leads to it too."""
        first = self._site(name, f"delay={BIG_DELAY} connections={BIG_CONNECTIONS} rate={BIG_RATE}")
        more = [f"at{number}-{i}.example" for i in range(hosted)]
        self.mx.update(dict.fromkeys(more, self.mx[first]))
        return [first, *more]

    def records(self):
        hosts = [f"mx{number} 3600 IN A {self.address(number)}" for number in range(len(self.sites))]
        return hosts + [f"{domain.removesuffix('.example')} 3600 IN MX 10 mx{number}"
                        for domain, number in self.mx.items()]

    def _domain(self):
        if self.random.random() >= BIG_SHARE:
            return self.random.choice(self.small)
        own, *hosted = self.random.choice(self.big)
        return own if self.random.random() < BIG_OWN else self.random.choice(hosted)

    def members(self, tag, count):
        """Addresses of one list."""
        return [f"{tag}-{i}@{self._domain()}" for i in range(count)]

    def alive(self, members):
        return [m for m in members if m.rsplit("@", 1)[1] not in self.dead]

    def healthy(self, members):
        """At sites that neither are dead nor have limits."""
        return [m for m in self.alive(members) if m.rsplit("@", 1)[1] not in self.limited]


# ---- the sides ----

class Postroad(sides.Postroad):
    """Two classes of traffic; everything else as it comes."""

    def __init__(self, folder, lists, options):
        super().__init__(folder, None, settings={
            "dns_servers": "127.77.0.1", "smtp_port_out": str(SITE_PORT),
            "retry_first": f"{options.retry_first}s", "retry_most": f"{options.retry_most}s"})
        self.lists = lists

    def start(self):
        super().start()
        for address, members in self.lists.items():
            self.make_list(address, members, "--class", "announcement" if address == ANNOUNCE else "list")


class Postfix(sides.Postfix):
    """Tuned as peers/postfix/deadline.cf says."""

    def __init__(self, folder, lists, options):
        folder.mkdir(parents=True, exist_ok=True)
        aliases = {}
        for address, members in lists.items():
            local = address.split("@")[0]
            file = folder / f"members-{local}"
            file.write_text("".join(f"{m}\n" for m in members))
            aliases.update({local: f":include:{file}", f"owner-{local}": f"owner@{LIST_DOMAIN}"})
        text = (PEERS / "deadline.cf").read_text()
        for name, value in {"SITEPORT": SITE_PORT, "FOLDER": folder, "RETRYFIRST": options.retry_first,
                            "RETRYMOST": options.retry_most}.items():
            text = text.replace(f"@{name}@", str(value))
        tuned = dict(map(str.strip, line.split("=", 1)) for line in text.splitlines()
                     if line.strip() and not line.startswith("#"))
        self.peer = sides.postfix.Postfix(
            folder, hostname=LIST_DOMAIN, aliases=aliases, settings=tuned, resolver="127.77.0.1",
            services=(PEERS / "deadline-master.cf").read_text(),
            files={"announce-senders": f"owner-{ANNOUNCE} announce:\n"})
        self.port = self.peer.port


SIDES = {"postroad": Postroad, "postfix": Postfix}


# ---- one phase ----

@dataclasses.dataclass
class Scene:
    """What a side is up against: the same for both."""

    options: argparse.Namespace
    world: World
    lists: dict

    @classmethod
    def draw(cls, options):
        world = World(options.seed)
        lists = {f"talk-{i}@{LIST_DOMAIN}": world.members(f"t{i}", POST_MEMBERS) for i in range(options.posts)}
        lists[ANNOUNCE] = world.members("a", options.announce_members)
        return cls(options, world, lists)

    def post_list(self, number):
        return self.lists[f"talk-{number}@{LIST_DOMAIN}"]


class Phase:
    """Mail offered at a time and what became of it: accepted = {Message-ID: time}."""

    def __init__(self, scene, name, port, folder):
        self.scene, self.name, self.port, self.folder = scene, name, port, folder
        self.wanted = {}  # Message-ID -> members, as offered
        self.accepted = {}

    def _offer(self, tag, recipient, *arguments):
        log = self.folder / f"accepted-{self.name}-{tag}"
        compare.load(self.scene.options, self.port, "-p", f"{self.name}-{tag}", "-f", sides.SENDER, "-T", recipient,
                 "-a", log, "--times", *arguments)
        rows = (line.split("\t") for line in log.read_text().splitlines())
        self.accepted.update((row[0], float(row[1])) for row in rows)

    def offer_posts(self, most=None):
        o = self.scene.options
        posts = min(o.posts, most or o.posts)
        self.wanted.update((self.id("post", n), self.scene.post_list(n)) for n in range(posts))
        self._offer("post", f"talk-%d@{LIST_DOMAIN}", "-m", posts, "-s", 4, "--rate", o.rate)

    def offer_announcements(self):
        o = self.scene.options
        self.wanted.update((self.id("announcement", n), self.scene.lists[ANNOUNCE]) for n in range(o.announcements))
        self._offer("announcement", ANNOUNCE, "-m", o.announcements, "-s", 4)

    def id(self, tag, number):
        return f"load-{self.name}-{tag}-{number}@load.example"

    def expected(self):
        """Hand-overs to living sites that this phase leads to."""
        return sum(len(self.scene.world.alive(members)) for members in self.wanted.values())

    def latencies(self, tag, seen, choose):
        """Of each message of a class that arrived where it should: seconds from its 250 to its last hand-over."""
        out, unfinished = [], 0
        for message, members in self.wanted.items():
            if not message.startswith(f"load-{self.name}-{tag}-"):
                continue
            times = [seen.get((message, member)) for member in choose(members)]
            if None in times or not times:
                unfinished += 1
            else:
                out.append(max(times) - self.accepted[message])
        return sorted(out), unfinished


def hand_overs(log):
    """{(Message-ID, recipient): time of the first}, and how many came again."""
    seen, again = {}, 0
    for line in log.read_text().splitlines():
        at, _sender, recipient, message = line.split("\t")
        again += (message, recipient) in seen
        seen.setdefault((message, recipient), float(at))
    return seen, again


def wait_for(sink, count, seconds):
    """Until that many recipients have been handed over; False when the time is up first."""
    deadline = time.monotonic() + seconds
    while sink.stats()["recipients"] < count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


# ---- one side ----

def limits_met(before, after):
    """What the two limited sites refused in between."""
    return {key: sum(after["sites"][name][key] - before["sites"][name][key] for name in after["sites"])
            for key in ("refused_connections", "refused_rate")}


def both_phases(scene, side, sink, folder):
    o = scene.options
    warm = Phase(scene, WARM, side.port, folder)  # not counted: processes, names and dead hosts get known
    warm.offer_posts(WARM_POSTS)
    quiet = Phase(scene, QUIET, side.port, folder)
    quiet.offer_posts()
    before = warm.expected() + quiet.expected()
    if not wait_for(sink, before, o.drain):
        raise BenchError(f"the posts alone were not handed over within {o.drain} s")
    between = sink.stats()
    used = procs.cpu_seconds(side.pid)
    loaded = Phase(scene, LOADED, side.port, folder)
    posts = threading.Thread(target=loaded.offer_posts)
    begin = time.time()
    posts.start()
    loaded.offer_announcements()
    posts.join()
    drained = wait_for(sink, before + loaded.expected(), o.drain)
    after = sink.stats()
    return quiet, loaded, {"begin": begin, "drained": drained, "cpu": procs.cpu_seconds(side.pid) - used,
                           "limits": limits_met(between, after),
                           "wanted": loaded.expected(), "recipients": after["recipients"] - between["recipients"],
                           "transactions": after["transactions"] - between["transactions"]}


def figures_of(scene, quiet, loaded, facts, log):
    seen, again = hand_overs(log)
    world = scene.world
    out = {**facts, "again": again, "unfinished": {}}
    for key, phase, tag, choose in (
            ("quiet", quiet, "post", world.healthy), ("loaded", loaded, "post", world.healthy),
            ("announcements", loaded, "announcement", world.healthy),
            ("quiet_all", quiet, "post", world.alive), ("loaded_all", loaded, "post", world.alive),
            ("announcements_all", loaded, "announcement", world.alive)):
        out[key], out["unfinished"][key] = phase.latencies(tag, seen, choose)
    out["drain"] = max((t for (m, _), t in seen.items() if f"-{LOADED}-" in m), default=0) - facts["begin"]
    return out


def measure(kind, scene):
    o = scene.options
    folder = o.disk / f"deadline-{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table = folder / "sites"
    table.write_text("".join(f"{line}\n" for line in scene.world.sites))
    names = knot.Knot(folder / "knot", scene.world.records())
    sink = Sink(o.programs, folder, ("--sites", table, "--log", folder / "handed"))
    side = SIDES[kind](folder / "server", scene.lists, o)
    try:
        names.start()
        side.start()
        quiet, loaded, facts = both_phases(scene, side, sink, folder)
    finally:
        side.stop()
        sink.stop()
        names.stop()
    figures = figures_of(scene, quiet, loaded, facts, folder / "handed")
    if not o.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


# ---- the report ----

def percentile(values, share):
    """The smallest value that this share of them does not exceed."""
    return values[max(0, -(-len(values) * share // 100) - 1)] if values else float("nan")


ROWS = (
    ("ordinary posts alone, to healthy sites", "quiet"),
    ("ordinary posts beside the announcements, to healthy sites", "loaded"),
    ("announcements, to healthy sites", "announcements"),
    ("ordinary posts alone, the limited sites too", "quiet_all"),
    ("ordinary posts beside the announcements, the limited sites too", "loaded_all"),
    ("announcements, the limited sites too", "announcements_all"),
)


def ratio(figures, before, after):
    return percentile(figures[after], 95) / percentile(figures[before], 95)


def latency_cell(figures, key):
    text = f"{percentile(figures[key], 50):.2f} / {percentile(figures[key], 95):.2f}" if figures[key] else "none"
    missing = figures["unfinished"][key]
    return text + (f", {missing} unfinished" if missing else "")


def section(options, results):
    o = options
    names = {"postroad": "Postroad", "postfix": "Postfix"}
    lines = [
        f"## The deadline scene: {o.announcements} announcements × {o.announce_members:,} members beside "
        f"{o.rate:g} posts/s to {POST_MEMBERS} members", "",
        f"Full size is {FULL[0]} × {FULL[1]:,} (`bench/run.py deadline --full`); this run is the same world with "
        f"seed {o.seed}: {DOMAINS} domains, {BIG_SHARE:.0%} of the recipients at {BIG} sites with {BIG_CONNECTIONS} "
        f"connections and {BIG_RATE} recipients/s (421 beyond), {DELAY[0]}–{DELAY[1]} ms before each answer, {DEAD} "
        f"dead hosts. {o.posts} posts in each phase. Retries from {o.retry_first} s to {o.retry_most} s on both sides. "
        "Postfix: peers/postfix/deadline.cf; its plain alias sends up to 50 recipients a transaction, Postroad's VERP "
        "one. The announcements come all at once as the posts of the loaded phase begin. Seconds from the 250 to the last "
        "hand-over, p50 / p95.", "",
        "| | " + " | ".join(names[kind] for kind in results) + " |", "|---" * (len(results) + 1) + "|"]

    def row(title, cell):
        lines.append(f"| {title} | " + " | ".join(cell(f) for f in results.values()) + " |")
    for title, key in ROWS:
        row(title, lambda f, key=key: latency_cell(f, key))
    row("p95 of ordinary posts, loaded / alone (goal: at most 5)", lambda f: f"**{ratio(f, 'quiet', 'loaded'):.2f}**")
    row("the same, the limited sites too", lambda f: f"{ratio(f, 'quiet_all', 'loaded_all'):.2f}")
    row("all handed over after, s", lambda f: f"{f['drain']:.0f}" if f["drained"] else f"not within {o.drain:g}")
    row("recipients handed over by then", lambda f: f"{f['recipients']:,} of {f['wanted']:,}")
    row("SMTP transactions, loaded phase", lambda f: f"{f['transactions']:,}")
    row("421 met: connections, rate", lambda f: f"{f['limits']['refused_connections']:,}, "
                                                f"{f['limits']['refused_rate']:,}")
    row("CPU of all roles, loaded phase, s", lambda f: f"{f['cpu']:.1f}")
    row("handed over twice", lambda f: f"{f['again']}")
    return lines


def add_arguments(p):
    p.add_argument("--announcements", type=int, help="messages (30)")
    p.add_argument("--announce-members", type=int, help="of the announcement list (1000)")
    p.add_argument("--posts", type=int, help="ordinary posts in each phase (60)")
    p.add_argument("--rate", type=float, default=1.0, help="ordinary posts a second (1)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--drain", type=float, help="longest wait for the end of a phase, s (600)")
    p.add_argument("--full", action="store_true",
                   help=f"{FULL[0]} × {FULL[1]}, retries of 5 minutes to 4 hours: takes hours")


def complete(o):
    """Sizes that were not given."""
    o.announcements = o.announcements or (FULL[0] if o.full else 5 if o.quick else 30)
    o.announce_members = o.announce_members or (FULL[1] if o.full else 200 if o.quick else 1000)
    o.posts = o.posts or (600 if o.full else 10 if o.quick else 60)
    o.drain = o.drain or (6 * 3600 if o.full else 600)
    o.retry_first, o.retry_most = (300, 14400) if o.full else (15, 120)


def scene(options):
    complete(options)
    drawn = Scene.draw(options)
    results = {}
    for kind in options.deadline_sides:
        results[kind] = measure(kind, drawn)
        figures = results[kind]
        compare.say(f"deadline {kind}: p95 of posts {percentile(figures['quiet'], 95):.2f} s alone, "
                f"{percentile(figures['loaded'], 95):.2f} s loaded; all handed over after {figures['drain']:.0f} s")
    return section(options, results)
