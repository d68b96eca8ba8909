"""Many lists: what 1,000 lists with 500,000 subscriptions cost at rest, what one address's memberships cost to find among
them, and what a list's part of a post costs for each recipient."""
import http.client
import pathlib
import statistics
import sys
import time

import compare
import procs
import sizes
from restful import KEY, USER, Web
from sides import LIST_DOMAIN, SENDER, BenchError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import postfix  # noqa: E402

LISTS, SUBSCRIPTIONS, PEOPLE = 1000, 500_000, 50_000
MEMBERS, POSTS = 2000, 20
STAGED = f"staged@{LIST_DOMAIN}"
TEXT = (f"From: {SENDER}\r\nTo: {{to}}\r\nSubject: one post\r\nMessage-ID: <{{id}}@bench.example>\r\n\r\n"
        + "A line of a post of some five kilobytes, as posts are.\r\n" * 90)


def cpu_by_name(side, *names):
    """Seconds these roles have used so far."""
    used = dict.fromkeys(names, 0.0)
    for pid in procs.tree(side.pid):
        try:
            name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="latin-1").strip()
        except OSError:
            continue
        if name in used:
            used[name] += procs.own_cpu(pid)
    return used


def spent(before, after):
    return {name: after[name] - before[name] for name in after}


def fill(side, options):
    """Each person is on as many lists as the next; each list has the members of its own stretch."""
    lists, people = (50, 2500) if options.quick else (LISTS, PEOPLE)
    each = (25_000 if options.quick else SUBSCRIPTIONS) // lists
    everybody = compare.members(people)
    for n in range(lists):
        begin = n * each % people
        side.make_list(f"l{n}@{LIST_DOMAIN}", (everybody + everybody)[begin:begin + each])
    return lists, lists * each, everybody


def start_seconds(side):
    times = []
    for _ in range(3):
        side.stop()
        begin = time.monotonic()
        side.launch()  # returns when it greets
        times.append(time.monotonic() - begin)
    return statistics.median(times)


def web_of(port):
    web, deadline = Web(port), time.monotonic() + 20
    while True:
        try:
            web.get("/3.1/system/versions")
            return web
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            web = Web(port)


def find(side, web, paths):
    """(ms of CPU of the store, of all roles, ms until the answer) for one of these."""
    for path in paths[:50]:
        web.get(path)
    before, all_before, begin = cpu_by_name(side, "postroad-stored"), procs.cpu_seconds(side.pid), time.monotonic()
    for path in paths:
        web.get(path)
    taken, everything = time.monotonic() - begin, procs.cpu_seconds(side.pid) - all_before
    store = spent(before, cpu_by_name(side, "postroad-stored"))["postroad-stored"]
    return tuple(value * 1000 / len(paths) for value in (store, everything, taken))


def stage(side):
    """ms of CPU a recipient: router and store, from the posts' acceptance until every copy waits to be sent."""
    side.make_list(STAGED, [SENDER, *compare.members(MEMBERS - 1)])
    side._on("queue", "freeze", "--reason", "bench")
    before = cpu_by_name(side, "postroad-router", "postroad-stored")
    client = sizes.Client(side.port)
    for n in range(POSTS):
        for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{STAGED}>", "DATA"):
            client.say(command)
        if not client.say(TEXT.format(to=STAGED, id=f"{n}.{time.time()}") + ".").startswith(b"250"):
            raise BenchError("a post was refused")
    deadline = time.monotonic() + compare.EMPTY_WITHIN
    while sizes.waiting(side) < MEMBERS * POSTS:
        if time.monotonic() > deadline:
            raise BenchError(f"{sizes.waiting(side)} copies wait, not {MEMBERS * POSTS}")
        time.sleep(0.2)
    used = spent(before, cpu_by_name(side, "postroad-router", "postroad-stored"))
    client.close()
    side._on("queue", "thaw")
    side.wait_empty(compare.EMPTY_WITHIN)
    return sum(used.values()) * 1000 / (MEMBERS * POSTS)


def scene(options):
    port = postfix.free_port()
    with sizes.instance(options, "crowd", settings={"http_listen": f"127.0.0.1:{port}"}) as side:
        side._on("key", "set", USER, "--key-from", "-", text=KEY)
        lists, subscriptions, everybody = fill(side, options)
        start = start_seconds(side)
        web = web_of(port)
        asked, each = (200 if options.quick else 2000), subscriptions // lists
        chosen = range(0, lists * each, max(1, lists * each // asked))
        one = find(side, web, [f"/3.1/lists/l{n // each}.{LIST_DOMAIN}/member/{everybody[n % len(everybody)]}" for n in chosen])
        every = find(side, web, [f"/3.1/addresses/{everybody[n % len(everybody)]}/memberships" for n in chosen])
        pss, by_role = sizes.settled_pss(side)
        staged = stage(side)
        busy_pss, _ = sizes.settled_pss(side)
    compare.say(f"crowd: start {start:.2f} s, PSS {pss / 2**20:.0f} MB, after {POSTS} posts {busy_pss / 2**20:.0f} MB; one membership "
                f"{one[0]:.3f} ms of the store's CPU, {one[1]:.3f} of all; list stage {staged:.4f} ms a recipient")
    roles = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sorted(by_role.items(), key=lambda row: -row[1]))
    lines = [f"## {lists:,} lists with {subscriptions:,} subscriptions of {len(everybody):,} people", "",
             "| | | goal |", "|---|---|---|",
             f"| start until it greets, s | {start:.2f} | 1 |",
             f"| PSS of all roles, MB | {pss / 2**20:.0f} | 200 |",
             f"| the same when {POSTS} posts to {MEMBERS:,} members have been sent, MB | {busy_pss / 2**20:.0f} | 200 |"]
    for what, (store, everything, answer), goal in (("an address's membership of a list", one, "0.1"),
                                                    (f"the {subscriptions // len(everybody)} memberships of an address", every, "")):
        lines += [f"| {what}, over REST: CPU of the store, ms | {store:.3f} | {goal} |",
                  f"| … of all roles, HTTP and JSON among it, ms | {everything:.3f} | |",
                  f"| … until the answer, ms | {answer:.2f} | |"]
    return lines + [
        f"| the list's part of a post to {MEMBERS:,} members (router and store, until every copy waits): CPU, ms a recipient "
        f"| {staged:.4f} | 0.02 |", "", f"PSS by role, MB: {roles}."]
