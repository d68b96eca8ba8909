"""The archive on disk, read with nothing of ours: Python's mailbox, hashlib and a text split."""
import calendar
import hashlib
import mailbox
import os
import re
import time

import pytest

from postroad import message, until
from test_bytes import small_bodies


@pytest.fixture
def news(post):
    post.cli("list", "create", "news@example.org")
    return post


def unquoted(raw):
    """From mboxrd with LF to octets with CRLF."""
    return re.sub(rb"(?m)^>(>*From )", rb"\1", raw).replace(b"\n", b"\r\n")


def journal(path):
    """The lines of a journal as lists of fields, their check proved."""
    rows = []
    for line in path.read_bytes().decode("ascii").splitlines():
        head, check = line.rsplit(" ", 1)
        assert hashlib.sha256(f"{head} ".encode()).hexdigest()[:8] == check, line
        rows.append(head.split(" "))
        assert len(rows[-1]) == 12, line
    return rows


def months(folder):
    return sorted(p.stem for p in folder.glob("*.mbox"))


def entries(folder):
    """{uid: octets}, cut out of the mbox files by what the journals say and checked against their hashes."""
    found = {}
    for month in months(folder):
        content = (folder / f"{month}.mbox").read_bytes()
        end = 0
        for op, uid, generation, offset, length, sha256, *_ in journal(folder / f"{month}.log"):
            assert (op, generation) == ("add", "0")
            assert int(offset) == end
            end += int(length)
            entry = content[int(offset):end]
            first, rest = entry.split(b"\n", 1)
            assert first.startswith(b"From ") and rest.endswith(b"\n")
            octets = unquoted(rest[:-1])
            assert hashlib.sha256(octets).hexdigest() == sha256, uid
            assert int(uid) not in found
            found[int(uid)] = octets
        assert end == len(content)
    return found


def test_every_kind_of_post(news):
    cases = [octets for _, octets in small_bodies()]
    with news.raw() as c:
        for octets in cases:
            c.post("me@sender.example", ["news@example.org"], octets)
    news.wait(60)
    folder = news.archive("news@example.org")
    found = entries(folder)
    assert sorted(found) == list(range(1, len(cases) + 1))
    assert sorted(found.values()) == sorted(cases)
    box = mailbox.mbox(folder / f"{months(folder)[0]}.mbox", create=False)
    assert len(box) == len(cases)
    # Python takes the empty line at the end for a part of the message.
    assert sorted(unquoted(box.get_bytes(key)) for key in box.keys()) in (sorted(cases), sorted(c + b"\r\n" for c in cases))
    rows = news.json("archive", "ls", "news@example.org")
    assert [r["uid"] for r in rows] == sorted(found)
    for uid, octets in found.items():
        assert news.cli("archive", "cat", "news@example.org", str(uid), text=False) == octets


def test_from_line_and_date(news):
    for n, sender in enumerate(("me@sender.example", "", '"odd one"@sender.example')):
        news.post(sender, "news@example.org", message(id=f"{n}@x.example"))
        news.wait()
    folder = news.archive("news@example.org")
    lines = [line for line in (folder / f"{months(folder)[0]}.mbox").read_text().splitlines() if line.startswith("From ")]
    senders = [re.fullmatch(r"From (\S+) \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", line)[1] for line in lines]
    assert senders[:2] == ["me@sender.example", "MAILER-DAEMON"]
    when = calendar.timegm(time.strptime(" ".join(lines[0].split()[2:]), "%a %b %d %H:%M:%S %Y"))
    assert abs(when - time.time()) < 60
    row = journal(folder / f"{months(folder)[0]}.log")[0]
    assert abs(int(row[6]) / 1000 - when) < 2


def test_months_follow_the_clock(news):
    for n in range(4):
        news.post("me@sender.example", "news@example.org", message(id=f"{n}@x.example"))
        news.wait()
        news.clock("+32d")
    folder = news.archive("news@example.org")
    names = months(folder)
    assert len(names) == 4 and all(re.fullmatch(r"\d{4}-\d\d", n) for n in names)
    assert sorted(entries(folder)) == [1, 2, 3, 4]


def test_private_lists_and_odd_names(post):
    names = {"secret@example.org": "private", "a.b+c@example.org": "public", "..@example.org": "public",
             "UPPER@example.org": "public", "..%2f..@example.org": "public", "con/x@example.org": "public"}
    made = []
    for name, kind in names.items():
        if post.run("list", "create", name, "--archive", kind, check=False).returncode == 0:
            made.append(name)
            post.post("me@sender.example", name, message(id=f"{len(made)}@x.example"))
    assert "secret@example.org" in made and "UPPER@example.org" in made and "con/x@example.org" in made
    post.wait()
    for name in made:
        assert len(post.json("archive", "ls", name)) == 1, name
    archive = post.dir / "data/archive"
    files = [p for p in archive.rglob("*.mbox")]
    assert len(files) == len(made)
    for path in files:
        assert path.relative_to(archive).parts[0] in ("public", "private")
        assert len(path.relative_to(archive).parts) == 4, path
        assert path.relative_to(archive).parts[1] == "example.org"
    assert (archive / "private/example.org/secret").is_dir() and not (archive / "public/example.org/secret").exists()
    for path in archive.rglob("*"):
        assert os.stat(path).st_mode & 0o007 == 0, path


def test_tail_without_journal_line_is_cut(news):
    for n in range(3):
        news.post("me@sender.example", "news@example.org", message(id=f"{n}@x.example"))
    news.wait()
    folder = news.archive("news@example.org")
    month = months(folder)[0]
    assert news.stop() == 0
    with open(folder / f"{month}.mbox", "ab") as mbox, open(folder / f"{month}.log", "ab") as log:
        mbox.write(b"From half@written.example Mon Nov  2 10:00:00 2026\nSubject: half a po")
        log.write(b"add 4 0 123")
    news.start()
    news.post("me@sender.example", "news@example.org", message(id="after@x.example"))
    news.wait()
    found = entries(folder)
    assert sorted(found) == [1, 2, 3, 4]
    assert b"after@x.example" in found[4]


def test_damaged_journal_is_never_touched(news):
    news.cli("list", "create", "other@example.org")
    for n in range(3):
        news.post("me@sender.example", "news@example.org", message(id=f"{n}@x.example"))
    news.wait()
    folder = news.archive("news@example.org")
    month = months(folder)[0]
    assert news.stop() == 0
    log = folder / f"{month}.log"
    content = log.read_bytes()
    log.write_bytes(content.replace(b"add 2 ", b"add 9 ", 1))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    news.start()
    news.post("me@sender.example", ["news@example.org", "other@example.org"], message(id="stuck@x.example"))
    until(lambda: str(folder) in news.log or "news@example.org" in news.log and "error archived" in news.log)
    until(lambda: len(news.posts("other@example.org")) == 1, 20, "other lists go on")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert news.run("queue", "wait", "--timeout", "1s", check=False).returncode == 75
    assert any(row["msgid"] == "stuck@x.example" for row in news.queue())
    log.write_bytes(content)  # put right by people: it goes on by itself or after a restart
    news.restart()
    news.wait()
    assert sorted(entries(folder)) == [1, 2, 3, 4]


def test_archived_killed_again_and_again(news):
    for n in range(5):
        with news.raw() as c:
            for k in range(40):
                c.post("me@sender.example", ["news@example.org"], message(id=f"{n}.{k}@x.example"))
        news.kill("archived")
    news.wait(60)
    found = entries(news.archive("news@example.org"))
    assert sorted(found) == list(range(1, 201))
    assert len({octets for octets in found.values()}) == 200


def test_deleted_list_keeps_its_files(news):
    news.post("me@sender.example", "news@example.org", message())
    news.wait()
    news.cli("list", "delete", "news@example.org")
    assert len(entries(news.archive("news@example.org"))) == 1
