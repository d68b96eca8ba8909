"""`archive verify` and `archive rebuild`: what is wrong with the files is found and named, and what the store knows
of posts is made anew from them."""
import json
import shutil

import pytest

from load import LIST, Load, wait_for_more
from postroad import message, until

POSTS = 12


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST)
    post.cli("list", "create", "other@example.org", "--archive", "private")
    with post.raw() as c:
        for n in range(POSTS):
            c.post("me@sender.example", [LIST], message(id=f"{n}@x.example", body=f"From {n}\r\nrow\r\n"))
        c.post("", ["other@example.org"], message(id="other@x.example"))
    return post.wait()


def verify(post, *words):
    """What archive verify says; its status must fit."""
    got = post.run("--json", "archive", "verify", *words, check=False)
    found = json.loads(got.stdout)
    assert got.returncode == (1 if found["faults_total"] else 0), got
    return found


def clean(post, *words):
    found = verify(post, *words)
    assert found["faults"] == [], found["faults"]
    return found


def month_file(post, kind):
    return next(post.archive(LIST).glob(f"*.{kind}"))


def test_as_written(news):
    found = clean(news)
    assert found["lists"] == 2 and found["posts"] == POSTS + 1 and found["bytes"] > 0
    assert clean(news, LIST)["posts"] == POSTS
    assert clean(news, "--quick", "--files")["posts"] == POSTS + 1
    text = news.cli("archive", "verify")
    assert "every octet is as it was written" in text
    news.fails("archive", "verify", "nobody@example.org", status=1)
    assert news.stop() == 0
    clean(news)  # while nothing runs


def test_a_flipped_bit_is_named(news):
    path = month_file(news, "mbox")
    content = path.read_bytes()
    rows = news.posts(LIST)
    third = rows[2]
    for where in (0, 10, third["length"] // 2, third["length"] - 1):
        at = third["offset"] + where
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1:])
        fault, = verify(news)["faults"]
        assert (fault["list"], fault["file"], fault["uid"]) == (LIST, path.name, third["uid"]), (where, fault)
        assert third["offset"] <= fault["offset"] < third["offset"] + third["length"], (where, fault)
        clean(news, "--quick")
    text = news.run("archive", "verify", LIST, check=False)
    assert text.returncode == 1 and path.name in text.stdout and "1 fault" in text.stdout
    path.write_bytes(content)
    log = month_file(news, "log")
    content = log.read_bytes()
    line = content.index(b"\n") + 1
    log.write_bytes(content[:line + 9] + bytes([content[line + 9] ^ 1]) + content[line + 10:])
    faults = verify(news, LIST)["faults"]
    assert {f["file"] for f in faults} == {log.name, ""}
    assert any(f["offset"] == line for f in faults if f["file"])
    assert [f["uid"] for f in faults if not f["file"]] == [2]  # the store misses it
    log.write_bytes(content)
    clean(news)


def test_missing_foreign_and_cut_files(news):
    mbox, log = month_file(news, "mbox"), month_file(news, "log")
    (mbox.parent / "notes.txt").write_text("mine")
    (news.dir / "data/archive/lost").mkdir()
    faults = verify(news)["faults"]
    assert sorted(f["file"].rsplit("/", 1)[-1] for f in faults) == ["lost", "notes.txt"]
    (mbox.parent / "notes.txt").unlink()
    (news.dir / "data/archive/lost").rmdir()
    whole = mbox.read_bytes()
    mbox.write_bytes(whole[:-100])
    assert POSTS in [f.get("uid") for f in verify(news, "--quick")["faults"]]
    mbox.unlink()
    assert any("missing" in f["fault"] for f in verify(news)["faults"])
    mbox.write_bytes(whole)
    lines = log.read_bytes()
    log.unlink()
    faults = verify(news)["faults"]
    assert any("journal is missing" in f["fault"] for f in faults)
    assert sorted(f["uid"] for f in faults if "uid" in f) == list(range(1, POSTS + 1))  # the store misses them all
    log.write_bytes(lines)
    shutil.move(news.archive(LIST), news.dir / "aside")
    faults = verify(news)["faults"]
    assert sorted(f["uid"] for f in faults) == list(range(1, POSTS + 1))
    shutil.move(news.dir / "aside", news.archive(LIST))
    shutil.copytree(news.archive(LIST), news.archive("other@example.org", "public"))
    faults = verify(news)["faults"]
    assert {f["list"] for f in faults} == {"other@example.org"}
    assert any("archive is private, and here are public files" in f["fault"] for f in faults)


def test_while_posts_arrive(news, tmp_path):
    with Load(tmp_path, news, LIST, sessions=4, rate=200) as load:
        for _ in range(4):
            wait_for_more([load], 50)
            clean(news)
        load.stop()
    news.wait(60)
    assert clean(news)["posts"] == POSTS + 1 + len(load.acked())


def test_rebuild_into_an_empty_store(news, make, sink):
    assert news.stop() == 0
    new = make(relay=sink)
    shutil.copytree(news.dir / "data/archive", new.dir / "data/archive", dirs_exist_ok=True)
    assert any("again" in f["fault"] for f in verify(new)["faults"])
    got = new.json("archive", "rebuild")
    assert (got["posts"], got["recorded"]) == (POSTS + 1, 0) and not any(row["in_store"] for row in got["lists"])
    new.cli("list", "create", LIST)
    new.cli("list", "create", "other@example.org", "--archive", "private")
    assert sum("does not know it" in f["fault"] for f in verify(new)["faults"]) == POSTS + 1
    assert new.json("archive", "rebuild", LIST)["recorded"] == POSTS
    assert new.json("archive", "rebuild")["recorded"] == 1
    assert new.json("archive", "rebuild")["recorded"] == 0
    assert "0 were recorded" in new.cli("archive", "rebuild")
    clean(new)
    new.start()
    again = new.post("me@sender.example", LIST, message(id="3@x.example", body="From 3\r\nrow\r\n"))
    new.post("me@sender.example", LIST, message(id="new@x.example"))
    new.wait()
    assert len(new.events(again, "duplicate")) == 1
    assert [row["uid"] for row in new.posts(LIST)] == list(range(1, POSTS + 2))
    clean(new)
    assert new.json("archive", "rebuild")["recorded"] == 0  # while it runs


def test_rebuild_stops_at_other_bytes(news, make, sink):
    new = make(relay=sink).start()
    new.cli("list", "create", LIST)
    new.post("me@sender.example", LIST, message(id="stranger@x.example"))
    new.wait()
    assert new.stop() == 0
    shutil.rmtree(new.dir / "data/archive")
    shutil.copytree(news.dir / "data/archive", new.dir / "data/archive")
    said = new.run("archive", "rebuild", check=False)
    assert said.returncode == 70 and "post 1 of news@example.org has other bytes" in said.stderr, said
    assert any(f.get("uid") == 1 and "other bytes" in f["fault"] for f in verify(new)["faults"])


def test_rebuild_leaves_out_what_is_damaged(news):
    path = month_file(news, "mbox")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"From 5\nrow", b"From 5\nraw", 1))
    got = news.run("--json", "archive", "rebuild", check=False)
    assert got.returncode == 1 and len(json.loads(got.stdout)["faults"]) == 1
    path.write_bytes(content)


def test_tail_of_a_crash(news):
    """Bytes that no line names are said so; archived cuts them off when it next writes there."""
    path = month_file(news, "mbox")
    assert news.stop() == 0
    with open(path, "ab") as file:
        file.write(b"From half")
    fault, = verify(news)["faults"]
    assert fault["file"] == path.name and "named by no journal line" in fault["fault"]
    news.start()
    news.post("me@sender.example", LIST, message(id="next@x.example"))
    news.wait()
    clean(news)
    until(lambda: not news.queue(), 20)
