"""kill -9 of each role, and of all at once, again and again under load: nothing acknowledged is lost, nothing is twice
but by DESIGN 1.1.

`make check` kills each twenty times, `make soak` (POSTROAD_SOAK=1) two hundred times. On PostgreSQL, which has no
stored, the server itself is killed: one of its processes, and it ends all the others and recovers.
POSTROAD_SEED repeats a run, as far as processes on a real machine can be repeated.
"""
import contextlib
import os
import random
import signal
import urllib.parse

import pytest

from load import LIST, MEMBERS, SOAK, Load, arrivals, make_list, missing, read_archive, wait_for_more
from postroad import ROLES, until

KILLS = 200 if SOAK else 20  # of each role
SERVER_KILLS = 20 if SOAK else 5  # of PostgreSQL, whose recovery takes a while
BETWEEN = (5, 40)  # messages acknowledged between two kills
THREADS = 8  # of deliver
# The supervisor's first three restarts are immediate; it forgets deaths when it is started anew.
KILLS_A_SUPERVISOR = 3
# What a small machine carries under sanitizers, with other tests beside this one.
LIST_RATE, DIRECT_RATE, FRESH_RATE = (40, 60, 30) if SOAK else (15, 25, 15)
COPIES_A_SECOND = len(MEMBERS) * LIST_RATE + DIRECT_RATE + FRESH_RATE
# DESIGN 1.1: what was on the wire, and results that wait for their commit: 50 at most. Results are synced within
# 200 ms; only a database server that ends with its memory loses what was not, a killed stored loses nothing.
TWICE_A_KILL = {("deliver", "sqlite"): THREADS + 50, ("deliver", "postgresql"): THREADS + 50,
                ("all", "sqlite"): THREADS + 50, ("all", "postgresql"): THREADS + 50,
                ("stored", "postgresql"): COPIES_A_SECOND // 5}


@contextlib.contextmanager
def under_load(folder, post):
    """Three loads: over kept connections and with a new one for each message, to the list and past it."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Load(folder, post, LIST, sessions=4, rate=LIST_RATE)),
               stack.enter_context(Load(folder, post, "direct@z.example", sessions=4, rate=DIRECT_RATE)),
               stack.enter_context(Load(folder, post, "fresh@z.example", sessions=2, rate=FRESH_RATE, reconnect=True))]


def wanted_of(loads):
    return [(i, MEMBERS if load.recipient == LIST else [load.recipient]) for load in loads for i in load.acked()]


def kill_postgresql(server, url):
    """kill -9 of a process that serves us: the server ends all others at once, without their memory, and recovers."""
    name = urllib.parse.urlsplit(url).path[1:]
    pids = server.sql(f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}' ORDER BY random()").stdout.split()
    os.kill(int(pids[0]), signal.SIGKILL)
    until(lambda: server.sql("SELECT 1", check=False).returncode == 0, 60, "PostgreSQL's recovery")


def kill_some(post, role, kills, server, loads, rng):
    for n in range(kills):
        wait_for_more(loads, rng.randrange(*BETWEEN))
        if server:
            kill_postgresql(server, post.database)
            continue
        if role == "all":
            post.kill_all()
            post.start()
            continue
        if n and n % KILLS_A_SUPERVISOR == 0:
            post.restart()
            wait_for_more(loads, 1)
        post.kill(role)
    wait_for_more(loads, 20)


def drain(post, sink):
    """Until all is done. A backlog may take its time, but no 45 s may pass without progress: that is less than the
    router's lease, and nothing may be left to wait for the end of one."""
    def done():
        return post.log.count(" routed ") + post.log.count(" archived ") + len(sink.mails())
    before = -1
    while post.run("queue", "wait", "--timeout", "45s", check=False).returncode != 0:
        assert done() > before, post.cli("queue", "show")
        before = done()


def check_replies(reports, store_was_away):
    """Who was not told 250 was told to come again: by the supervisor's stop, or because the store was away."""
    refused = [e["text"] for report in reports for e in report["errors"] if e["text"][:1] in "45"]
    allowed = ("421 4.3.2 ", "451 4.3.0 ") if store_was_away else ("421 4.3.2 ",)
    assert all(text.startswith(allowed) for text in refused), refused
    assert not [text for text in refused if "SQL" in text], f"the store's own words are not for clients: {refused}"


@pytest.mark.parametrize("role", [*ROLES, "all"])
def test_kill_under_load(make, sink, store, tmp_path, request, role):
    seed = int(os.environ.get("POSTROAD_SEED") or random.randrange(1 << 30))
    kill_the_server = role == "stored" and store == "postgresql"
    server = request.getfixturevalue("postgresql_server") if kill_the_server else None
    kills = SERVER_KILLS if kill_the_server else KILLS
    print(f"POSTROAD_SEED={seed}: {kills} kills of {'the server' if kill_the_server else role} on {store}")
    post = make(relay=sink, settings={"deliver_threads": THREADS, "retry_first": "1s"})
    make_list(post)
    post.start()
    with under_load(tmp_path, post) as loads:
        kill_some(post, role, kills, server, loads, random.Random(seed))
        reports = [load.stop() for load in loads]
    drain(post, sink)
    assert post.queue() == []
    post.cli("archive", "verify")

    wanted = wanted_of(loads)
    found = arrivals(sink.mails())
    lost = missing(found, wanted)
    assert not lost, f"{len(lost)} of {len(wanted)} acknowledged: {lost[:5]}"
    archived = [i for _, i in read_archive(post)]
    not_archived = set(loads[0].acked()) - set(archived)
    assert not not_archived, f"{len(not_archived)} acknowledged posts are not in the archive"
    twice = {key: n for key, n in found.items() if n > 1}
    print(f"{role} on {store}: {len(wanted)} acknowledged, {sum(r['unanswered'] for r in reports)} unanswered, "
          f"{sum(found.values())} copies, {len(archived)} archived, {len(twice)} copies delivered twice")
    assert len(twice) <= kills * TWICE_A_KILL.get((role, store), 0), list(twice)[:5]
    check_replies(reports, role == "stored")
    deaths = [line for line in post.log.splitlines() if " role-died " in line]
    assert len(deaths) == (0 if kill_the_server or role == "all" else kills), deaths[-3:]
    assert all(f"role={role} " in line for line in deaths)
    assert not [line for line in post.log.splitlines() if " held " in line or " crashed " in line]
