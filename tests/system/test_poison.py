"""A message that kills its worker (a planted assert, test builds only) is set aside alone; the rest goes on."""
import collections

import pytest

from load import LIST, MEMBERS, SOAK, make_list, read_archive
from postroad import message, until

ROLES = ("router", "deliver", "archived")


def poison(role, number):
    return message(id=f"poison-{role}-{number}@test.example", fields=f"X-Postroad-Crash: {role}\r\n")


def plant(post, roles, healthy, each=1):
    """Healthy posts with poison between them; the ids of both."""
    good, bad = [], {}
    for n in range(healthy):
        for i, role in enumerate(roles):
            for k in range(each):
                if n == (healthy * (k * len(roles) + i + 1)) // (each * len(roles) + 1):
                    bad[f"poison-{role}-{k}@test.example"] = role
                    post.post("me@sender.example", [LIST], poison(role, k))
        id = f"good-{n}@test.example"
        post.post("me@sender.example", [LIST, f"direct{n}@z.example"], message(id=id, body=f"{n}\r\n"))
        good.append((id, [*MEMBERS, f"direct{n}@z.example"]))
    assert len(bad) == each * len(roles)
    return good, bad


def check(post, sink, good, bad, deaths):
    """What is true when everything is over, whatever was planted."""
    assert len([line for line in post.log.splitlines() if " role-died " in line]) == deaths
    assert "Sanitizer" not in post.log
    arrived = collections.Counter((m.octets.split(b"Message-ID: <")[1].split(b">")[0].decode(), r)
                                  for m in sink.mails() for r in m.recipients)
    lost = [(i, r) for i, recipients in good for r in recipients if not arrived[i, r]]
    assert not lost, f"healthy mail did not arrive: {lost}"
    posts = [i for _, i in read_archive(post)]
    assert set(i for i, _ in good) <= set(posts)
    for id, role in bad.items():
        kinds = [row["event"] for row in post.trace(id)]
        assert [k for k in kinds if k in ("crashed", "held")] == ["crashed", "crashed", "held"], (id, kinds)
        assert all(f"role={role}" in row["detail"] for row in post.events(id, "crashed") + post.events(id, "held"))
        delivered = {r for (i, r) in arrived if i == id}
        assert delivered == (set(MEMBERS) if role == "archived" else set()), id
        assert (id in posts) == (role == "deliver"), id
    held = {row["msgid"]: row["state"] for row in post.queue()}
    assert held == dict.fromkeys(bad, "held"), "only what is held is left"
    assert post.metrics()["held_crashed_total"] == len(bad)
    twice = {key: n for key, n in arrived.items() if n > 1}
    print(f"{len(good)} healthy posts, {len(bad)} planted, {deaths} deaths, {len(twice)} copies delivered twice")
    assert "deliver" in bad.values() or not twice


@pytest.mark.parametrize("role", ROLES)
def test_only_the_message_that_kills_is_set_aside(make, sink, role):
    post = make(relay=sink, settings={"deliver_threads": 8})
    post.allow_deaths = post.allow_reports = True
    make_list(post)
    post.start()
    good, bad = plant(post, [role], 100 if SOAK else 30)
    post.wait(60)
    check(post, sink, good, bad, deaths=2)


def test_poison_for_every_role_in_one_queue(make, sink):
    """All in the queue before the roles start, so that healthy and planted messages are worked on together."""
    post = make(relay=sink, settings={"deliver_threads": 8})
    post.allow_deaths = post.allow_reports = True
    make_list(post)
    post.start("smtpd")
    each = 2  # so every role dies four times, and the fourth restart waits
    good, bad = plant(post, ROLES, 100 if SOAK else 30, each)
    post.restart()
    post.wait(120)
    check(post, sink, good, bad, deaths=2 * len(bad))


def test_killed_workers_are_not_the_messages_fault(make, sink):
    """kill -9 leaves no record: a message may be under work at any number of kills and is not set aside."""
    post = make(relay=sink)
    make_list(post)
    post.start()
    for n in range(4):
        post.post("me@sender.example", [LIST], message(id=f"kill-{n}@test.example"))
        for role in ROLES:
            post.kill(role)
    post.wait(60)
    for n in range(4):
        rows = post.trace(f"kill-{n}@test.example")
        assert {row["recipient"] for row in rows if row["event"] == "delivered"} == set(MEMBERS)
        assert not [row for row in rows if row["event"] in ("crashed", "held")]
    until(lambda: len(read_archive(post)) == 4, 20, "the archive")
    assert post.queue() == []
