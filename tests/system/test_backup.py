"""backup, backup verify and restore: what was acknowledged before a backup is in it, nothing leaves a restored
instance by itself, and no UID is given twice."""
import collections
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

import pytest

import postroad
from load import LIST, Load, octets_of, wait_for_more
from postroad import message, until

MEMBERS = ("a@x.example", "b@y.example")


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST)
    post.cli("member", "add", LIST, *MEMBERS)
    return post


@pytest.fixture
def place(make, tmp_path):
    """Where backups and restored instances go: the path of a socket is short."""
    folder = pathlib.Path(f"/tmp/pr-backup-{os.getpid()}-{time.monotonic_ns() % 10**9}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Restored(postroad.Instance):
    """An instance that `restore` makes instead of `init`."""

    def __init__(self, old, backup, folder, *words, database=None, postgresql=None):
        self.dir, self.build, self.engine = folder, old.build, old.engine
        self.log_folder = folder.parent
        self.port = postroad.free_port()
        self.domain, self.database, self.postgresql = old.domain, database, postgresql
        self.processes, self.logs = [], []
        self.expected_deaths, self.allow_deaths, self.allow_reports = 0, False, False
        store = ["--store", database] if database else []
        self.engine = "postgresql" if database else "sqlite"
        if not database and old.database:
            store = ["--store", "sqlite"]
        self.said = json.loads(self._run([self.program, "--json", "restore", backup, folder, *words, *store,
                                          "--set", f"smtp_listen=127.0.0.1:{self.port}"]).stdout)


@pytest.fixture
def restore(store, request, place):
    """restore(old, backup, …): a new instance on the engine of the test, or on `engine`."""
    made = []

    def make_one(old, backup, *words, engine=store):
        server = request.getfixturevalue("postgresql_server") if engine == "postgresql" else None
        database = server.new_database() if server else None
        made.append(Restored(old, backup, place / f"restored{len(made)}", *words, database=database, postgresql=server))
        return made[-1]

    yield make_one
    for instance in made:
        instance.__exit__(None)
        if instance.database:
            request.getfixturevalue("postgresql_server").drop(instance.database)


def sums(folder):
    """{name: sha256} as SHA256SUMS says, and as the files are."""
    said = dict(reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS"}
    return said, found


def faults(post, folder):
    got = post.run("--json", "backup", "verify", folder, check=False)
    found = json.loads(got.stdout)
    assert got.returncode == (1 if found["faults"] else 0), got
    return {f["file"]: f["fault"] for f in found["faults"]}


def clean(post):
    got = post.run("--json", "archive", "verify", check=False)
    assert json.loads(got.stdout)["faults"] == []


def is_frozen(instance):
    return instance.sql("SELECT value FROM instance WHERE name = 'frozen'") == ["1"]


def test_a_backup_and_what_spoils_it(news, place):
    for n in range(5):
        news.post("me@sender.example", LIST, message(id=f"{n}@x.example"))
    news.wait()
    got = news.json("backup", place / "one")
    said, found = sums(place / "one")
    assert said == found and got["files"] == len(found) + 1 and got["damaged_months"] == 0
    assert {"store.db", "postroad.conf", "backup.json"} < set(found)
    assert sum(name.startswith("archive/public/example.org/news/") for name in found) == 2
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=place / "one", check=False).returncode == 0
    assert faults(news, place / "one") == {}
    about = json.loads((place / "one/backup.json").read_text())
    assert about["lists"][LIST] == {"archive": "public", "archived_below": 6, "feed_last": 5, "uid_last": 5}
    assert "already" in news.fails("backup", place / "one", status=1)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (place / "one").rglob("*"))
    shutil.copytree(place / "one", place / "two")
    mbox = next((place / "two").rglob("*.mbox"))
    mbox.write_bytes(mbox.read_bytes().replace(b"hello", b"hallo", 1))
    (place / "two/postroad.conf").unlink()
    (place / "two/extra").write_text("")
    assert sorted(faults(news, place / "two")) == sorted([str(mbox.relative_to(place / "two")), "postroad.conf", "extra"])
    assert "damaged" in news.run("restore", place / "two", place / "new", check=False).stderr
    assert not (place / "new").exists()
    (place / "empty").mkdir()
    assert "no backup" in news.fails("backup", "verify", place / "empty", status=1)
    assert news.stop() == 0
    news.cli("backup", place / "stopped")
    assert faults(news, place / "stopped") == {}
    assert not list((news.dir / "data").glob("store.db-*")), list((news.dir / "data").iterdir())


def test_a_month_that_has_not_changed_is_a_link(news, place):
    news.post("me@sender.example", LIST, message(id="old@x.example"))
    news.wait()
    news.clock("+32d")
    news.post("me@sender.example", LIST, message(id="new@x.example"))
    news.wait()
    news.cli("backup", place / "one")
    news.post("me@sender.example", LIST, message(id="newer@x.example"))
    news.wait()
    got = news.json("backup", place / "two", "--previous", place / "one")
    assert got["linked"] == 3  # the old month, and postroad.conf
    old, new = sorted(p.stem for p in news.archive(LIST).glob("*.log"))
    for month, same in ((old, True), (new, False)):
        for kind in ("mbox", "log"):
            name = f"archive/public/example.org/news/{month}.{kind}"
            assert (place / "one" / name).samefile(place / "two" / name) == same, name
            assert not (news.archive(LIST) / f"{month}.{kind}").samefile(place / "two" / name), name
    assert faults(news, place / "one") == faults(news, place / "two") == {}
    shutil.rmtree(place / "one")
    assert faults(news, place / "two") == {}


def test_as_a_tar_archive(news, place, restore):
    news.post("me@sender.example", LIST, message(id="one@x.example"))
    news.wait()
    octets = news.run("backup", "-", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(octets)) as tar:
        tar.extractall(place / "tar", filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(place / "tar")
    assert faults(news, place / "tar") == {}
    new = restore(news, place / "tar")
    assert [row["uid"] for row in new.posts(LIST)] == [1]


def test_under_load(news, place, restore, tmp_path):
    """What was acknowledged before the backup is in it, whole; its files and its store end with the same post."""
    with Load(tmp_path, news, LIST, sessions=4, rate=200) as load:
        wait_for_more([load], 200)
        before = load.acked()
        news.cli("backup", place / "one")
        wait_for_more([load], 100)
        news.cli("backup", place / "two", "--previous", place / "one")
        load.stop()
    assert faults(news, place / "one") == faults(news, place / "two") == {}
    about = json.loads((place / "one/backup.json").read_text())["lists"][LIST]
    last = [int(line.split(" ")[1]) for path in sorted((place / "one").rglob("*.log"))
            for line in path.read_text().splitlines()]
    assert last == list(range(1, about["archived_below"]))
    new = restore(news, place / "one")
    clean(new)
    new.start("smtpd", "router", "archived")
    until(lambda: not [r for r in new.queue() if r["state"] in ("accepted", "expanding", "archiving")], 60)
    until(lambda: len(new.posts(LIST)) >= len(before), 60)
    digests = {row["sha256"] for row in new.posts(LIST)}
    missing = [i for i in before if hashlib.sha256(octets_of(i)).hexdigest() not in digests]
    assert not missing, (len(missing), len(before))
    clean(new)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_into_the_other_engine(news, place, restore, engine, request):
    if engine == "postgresql" and isinstance(request.getfixturevalue("postgresql_server"), postroad.Unavailable):
        pytest.skip("no PostgreSQL")
    news.cli("alias", "set", "help@example.org", "desk@x.example")
    news.cli("list", "create", "gone@example.org")
    news.post("me@sender.example", "gone@example.org", message(id="gone@x.example"))
    news.post("me@sender.example", LIST, message(id="one@x.example", subject="\xe4"))
    news.wait()
    news.cli("list", "delete", "gone@example.org")
    news.cli("backup", place / "one")
    new = restore(news, place / "one", engine=engine)
    assert new.json("member", "ls", LIST) == news.json("member", "ls", LIST)
    assert new.json("alias", "ls") == news.json("alias", "ls")
    assert new.json("trace", "one@x.example") == news.json("trace", "one@x.example")
    clean(new)
    for instance in (news, new):
        instance.cli("list", "create", "gone@example.org")
        instance.cli("member", "add", "gone@example.org", "new@z.example")
    new.start("smtpd", "router", "archived")
    queue_id = new.post("me@sender.example", ["gone@example.org", LIST], message(id="two@x.example"))
    until(lambda: len(new.events(queue_id, "archived")) == 2, 30)
    assert [r["uid"] for r in new.posts("gone@example.org")] == [1, 2]
    assert new.json("archive", "rebuild")["recorded"] == 1  # the post from before the list was deleted
    clean(new)


def test_deaths_meanwhile(news, place, store, tmp_path):
    """The store's process or the backup itself is killed: the first is waited for, the second leaves nothing that
    looks like a backup, and is simply made again."""
    with Load(tmp_path, news, LIST, sessions=4, rate=200) as load:
        wait_for_more([load], 300)
        for n in range(4):
            process = subprocess.Popen([news.program, "-C", news.dir, "backup", place / f"b{n}"], env=news.environment(),
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if n % 2:
                process.kill()
            elif store == "sqlite":
                news.kill("stored")
            said = process.communicate(timeout=120)[0]
            assert n % 2 or process.returncode == 0, said
            wait_for_more([load], 20)
        assert not (place / "b1").exists() and not (place / "b3").exists()
        news.cli("backup", place / "b1", "--previous", place / "b0")
        load.stop()
    for name in ("b0", "b1", "b2"):
        assert faults(news, place / name) == {}
    news.wait(60)


def test_where_it_is_refused(news, place):
    news.cli("backup", place / "one")
    assert "instance already" in news.fails("restore", place / "one", news.dir, status=1)
    if news.database:
        said = news.fails("restore", place / "one", place / "new", status=1)
        assert "has a store already" in said and not (place / "new").exists()
    news.fails("restore", place / "one", place / "new", "--set", "nonsense=1", status=2)
    news.fails("restore", place / "one", place / "new", "--archive", place / "nowhere", "--store", "sqlite", status=1)
    assert not (place / "new").exists()
    assert news.fails("backup", place / "two", "--previous", place / "nowhere")
    assert not list(place.glob("two*"))


def test_in_place_of_a_lost_store(news, place, store, restore):
    """The archive lies where it was, newer than the backup; what a failed restore made is gone, the archive is not."""
    news.post("me@sender.example", LIST, message(id="one@x.example"))
    news.wait()
    news.cli("backup", place / "night")
    news.post("me@sender.example", LIST, message(id="two@x.example"))
    news.wait()
    assert news.stop() == 0
    shutil.copytree(news.dir / "data/archive", place / "restored0/data/archive")
    before = {p: p.read_bytes() for p in place.glob("restored0/**/*") if p.is_file()}
    spoilt = place / "spoilt"
    shutil.copytree(place / "night", spoilt)
    (spoilt / "store.db").write_bytes(b"no store")
    lines = [f"{hashlib.sha256(b'no store').hexdigest()}  store.db" if line.endswith("  store.db") else line
             for line in (spoilt / "SHA256SUMS").read_text().splitlines()]
    (spoilt / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    got = news.run("restore", spoilt, place / "restored0", "--store", "sqlite", check=False)
    assert got.returncode not in (0, 1, 2), got
    assert {p: p.read_bytes() for p in place.glob("restored0/**/*") if p.is_file()} == before
    new = restore(news, place / "night")
    assert [row["uid"] for row in new.posts(LIST)] == [1, 2]
    assert new.json("archive", "rebuild")["recorded"] == 1
    clean(new)


def test_the_drill(news, place, restore, sink, request):
    """A day, its backup, another day, the end of the machine; the archive's disk survived."""
    began = time.monotonic()
    for n in range(10):
        news.post("me@sender.example", LIST, message(id=f"day1-{n}@x.example"))
    news.wait()
    assert news.stop() == 0
    news.start("smtpd", "router")  # accepted in the evening, and neither delivered nor archived when the backup runs
    evening = news.post("me@sender.example", LIST, message(id="evening@x.example"))
    until(lambda: news.events(evening, "expanded"))
    news.cli("backup", place / "night")
    assert news.stop() == 0
    news.start()
    news.clock("+1d")
    for n in range(10):
        news.post("me@sender.example", LIST, message(id=f"day2-{n}@x.example"))
    news.cli("list", "create", "young@example.org")
    news.post("me@sender.example", "young@example.org", message(id="young@x.example"))
    news.wait()
    day2 = {row["uid"]: row["sha256"] for row in news.posts(LIST)}
    assert sorted(day2) == list(range(1, 22))
    news.stop()
    delivered = sink.recipients()

    new = restore(news, place / "night", "--archive", news.dir)
    assert new.said["frozen"] and is_frozen(new)
    assert [r["state"] for r in new.queue()] == ["delivering"] and new.queue()[0]["msgid"] == "evening@x.example"
    assert {row["uid"]: row["sha256"] for row in new.posts(LIST)} == day2
    assert b"day2-7@x.example" in new.run("archive", "cat", LIST, "19", text=False).stdout
    assert new.json("archive", "rebuild")["recorded"] == 10  # day 2; the young list is not in the store
    new.start()
    new.clock("+1d")
    again = new.post("me@sender.example", LIST, message(id="day3@x.example"))
    new.cli("list", "create", "young@example.org")
    young = new.post("me@sender.example", "young@example.org", message(id="young3@x.example"))
    until(lambda: new.events(again, "archived") and new.events(young, "archived"), 30)
    rows = {row["uid"]: row["sha256"] for row in new.posts(LIST)}
    assert sorted(rows) == list(range(1, 23)) and {u: rows[u] for u in day2} == day2
    assert [row["uid"] for row in new.posts("young@example.org")] == [1, 2]
    assert new.json("archive", "rebuild")["recorded"] == 1  # the young list's first post
    clean(new)
    new.clock("+10m")
    until(lambda: {r["state"] for r in new.queue()} == {"delivering"})
    assert sink.recipients() == delivered  # deliver runs, and nothing has left
    new.cli("queue", "thaw")
    new.wait(60)
    assert collections.Counter(sink.recipients()) - collections.Counter(delivered) == \
        collections.Counter(2 * MEMBERS)  # the evening's post once more, and day 3
    print(f"the drill took {time.monotonic() - began:.1f} s")
