"""A post to one list: Postroad beside GNU Mailman 3 as Debian has it.

Mailman sends straight into the sink, without the Postfix it has in life: that is its better side. Time runs from the
answer to the end of data to the last copy at the sink.
"""
import contextlib
import pathlib
import shutil
import smtplib
import statistics
import sys
import time

import compare
from sides import BenchError, LIST, SENDER, Postroad, Sink

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import peers_mailman  # noqa: E402
import pytest  # noqa: E402

MEMBERS = 2000
WITHIN = 300  # seconds
TEXT = (f"From: {SENDER}\r\nTo: {LIST}\r\nSubject: one post\r\nMessage-ID: <%s@bench.example>\r\n\r\n"
        + "A line of a post of some five kilobytes, as posts are.\r\n" * 90)
# How Mailman sends: its default, up to 500 recipients a transaction, or a copy with VERP for each.
WAYS = {"bulk": "", "VERP each": "verp_personalized_deliveries: yes\nverp_delivery_interval: 1\n"}


def seconds_of(sink, deliver, number):
    """From the acceptance of a post to its last copy."""
    wanted = sink.stats()["recipients"] + MEMBERS
    deliver(TEXT % f"{number}.{time.time()}")
    begin = time.monotonic()
    while (got := sink.stats()["recipients"]) < wanted:
        if time.monotonic() - begin > WITHIN:
            raise BenchError(f"{wanted - got} of {MEMBERS} copies had not arrived after {WITHIN} s")
        time.sleep(0.01)
    if got > wanted:
        raise BenchError(f"{got - wanted} copies too many")
    return time.monotonic() - begin


def rates(options, sink, deliver):
    return [MEMBERS / seconds_of(sink, deliver, n) for n in range(options.rounds)]


def by_mailman(options, sink, way):
    try:
        peer = peers_mailman.Mailman({LIST: [SENDER, *compare.members(MEMBERS - 1)]}, sink.port, mta=WAYS[way])
    except pytest.skip.Exception as reason:
        raise BenchError(f"no Mailman: {reason}") from reason
    with contextlib.closing(peer):
        def deliver(text):
            with smtplib.LMTP("127.0.0.1", peer.port) as client:
                client.sendmail(SENDER, [LIST], text)
        return rates(options, sink, deliver)


def by_postroad(options, sink, folder):
    side = Postroad(folder / "server", sink.port, members=[SENDER, *compare.members(MEMBERS - 1)])
    try:
        side.start()

        def deliver(text):
            with smtplib.SMTP("127.0.0.1", side.port) as client:
                client.sendmail(SENDER, [LIST], text)
        return rates(options, sink, deliver)
    finally:
        side.stop()


def scene(options):
    folder = options.disk / "lists"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sink = Sink(options.programs, folder)
    try:
        ours = by_postroad(options, sink, folder)
        theirs = {way: by_mailman(options, sink, way) for way in WAYS}
    finally:
        sink.stop()
    shutil.rmtree(folder, ignore_errors=True)
    lines = [f"## A post to a list of {MEMBERS:,} members, beside Mailman 3", "",
             "Copies a second, from the acceptance of a 5 KB post to its last copy at the sink; Postroad with VERP for each. "
             "Mailman (Debian's) sends straight into the sink, which is faster than through a Postfix.", "",
             "| | copies/s | Postroad / it | goal |", "|---|---|---|---|",
             f"| Postroad | {compare.spread(ours)} | | |"]
    for (way, found), goal in zip(theirs.items(), (10, 100)):
        ratio = statistics.median(ours) / statistics.median(found)
        lines.append(f"| Mailman, {way} | {compare.spread(found)} | {ratio:.0f} | {goal} |")
        compare.say(f"lists: Postroad {statistics.median(ours):,.0f}, Mailman {way} {statistics.median(found):,.0f} copies/s")
    return lines
