"""The command line: what it changes, what it prints, how it refuses; init, trace, queue and metrics."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from postroad import Instance, connects, free_port, message, until


@pytest.fixture
def command(build, request):
    """command(*words): run postroad without an instance. quick: that of a build that starts fast."""
    def run(*words, quick=False, **options):
        folder = quick and request.config.getoption("build_fast") or build
        return subprocess.run([pathlib.Path(folder, "postroad"), *map(str, words)], capture_output=True, text=True, check=False, timeout=60,
                              stdin=subprocess.DEVNULL, env=Instance.environment(), **options)
    return run


# ---- domains, lists, members, aliases ----

def test_domains(idle):
    assert [d["domain"] for d in idle.json("domain", "ls")] == ["example.org"]
    idle.cli("domain", "add", "Second.Example")
    idle.cli("domain", "add", "m\u00fcller.example")
    assert [d["domain"] for d in idle.json("domain", "ls")] == ["example.org", "second.example", "xn--mller-kva.example"]
    assert "already" in idle.fails("domain", "add", "second.example", status=1)
    for bad in ("", "a@b.example", "-x.example", "a..b", "x" * 64 + ".example", "[127.0.0.1]", "with space.example"):
        idle.fails("domain", "add", bad, status=2)
    idle.cli("list", "create", "l@second.example")
    idle.cli("alias", "set", "a@second.example", "x@far.example")
    idle.fails("domain", "remove", "second.example")
    idle.cli("list", "delete", "l@second.example")
    idle.fails("domain", "remove", "second.example")
    idle.cli("alias", "remove", "a@second.example")
    idle.cli("domain", "remove", "SECOND.example")
    idle.fails("domain", "remove", "second.example", status=1)
    assert [d["domain"] for d in idle.json("domain", "ls")] == ["example.org", "xn--mller-kva.example"]


def test_a_domain_is_not_a_pattern(idle):
    """Removing one domain looks at its own lists only, whatever LIKE makes of the name."""
    idle.cli("domain", "add", "a-b.example")
    idle.cli("domain", "add", "sub.a-b.example")
    idle.cli("list", "create", "x@sub.a-b.example")
    idle.cli("domain", "remove", "a-b.example")


def test_lists(idle):
    idle.cli("list", "create", "News@Example.org", "--title", "Die Gr\u00fc\u00dfe", "--owner", "Boss@Far.Example", "--archive",
             "private")
    shown = idle.json("list", "show", "news@example.org")
    shown = shown[0] if isinstance(shown, list) else shown
    assert (shown["address"], shown["title"], shown["owner"], shown["archive"], shown["members"]) == (
        "news@example.org", "Die Gr\u00fc\u00dfe", "boss@far.example", "private", 0)
    assert "Die Gr\u00fc\u00dfe" in idle.cli("list", "show", "news@example.org")
    assert "already" in idle.fails("list", "create", "NEWS@example.org", status=1)
    assert "elsewhere.example" in idle.fails("list", "create", "x@elsewhere.example", status=1)
    idle.fails("list", "create", "no address", status=2)
    idle.fails("list", "create", "y@example.org", "--archive", "secret", status=2)
    idle.fails("list", "create", "y@example.org", "--title", "two\nlines", status=2)
    idle.fails("list", "create", "y@example.org", "--title", "x" * 300, status=2)
    idle.fails("list", "create", "y@example.org", "--owner", "nobody", status=2)
    idle.cli("alias", "set", "taken@example.org", "x@far.example")
    assert "alias" in idle.fails("list", "create", "taken@example.org", status=1)
    idle.fails("list", "show", "none@example.org", status=1)
    idle.fails("list", "delete", "none@example.org", status=1)
    assert [row["address"] for row in idle.json("list", "ls")] == ["news@example.org"]
    idle.cli("list", "delete", "news@example.org")
    assert idle.json("list", "ls") == []


def test_many_lists_and_aliases_page(idle):
    """Listings of more than 200 lists and 400 aliases are read page by page; nothing is missing at the seams."""
    idle.start("smtpd")  # with stored running, a command is quick
    idle.command_leaks = False
    if idle.engine == "postgresql":
        pytest.skip("nothing in it depends on the engine, and 210 commands take a minute")
    names = sorted(f"l{n:04}@example.org" for n in range(210))
    for name in names:
        idle.quick("list", "create", name)
    assert [row["address"] for row in idle.json("list", "ls")] == names
    idle.cli("alias", "set", "many@example.org", *[f"t{n:04}@far.example" for n in range(900)])
    assert len(idle.json("alias", "ls")) == 900


def test_members(idle):
    idle.cli("list", "create", "news@example.org")
    assert idle.json("member", "add", "news@example.org", "a@x.example", "B@X.example", "a@x.example")["added"] == 2
    got = idle.json("member", "add", "news@example.org", "-", input="\n  c@y.example  \r\nb@x.example\n\n")
    assert (got["given"], got["added"]) == (2, 1)
    assert sorted(m["address"] for m in idle.json("member", "ls", "news@example.org")) == ["a@x.example", "b@x.example", "c@y.example"]
    assert idle.json("member", "remove", "news@example.org", "A@x.example", "z@z.example")["removed"] == 1
    error = idle.fails("member", "add", "news@example.org", "-", input="ok@x.example\nok2@x.example\nbroken\nok3@x.example\n", status=2)
    assert "line 3" in error and "broken" in error and "nothing was changed" in error
    assert len(idle.json("member", "ls", "news@example.org")) == 2
    idle.fails("member", "add", "news@example.org", "not-an-address", status=2)
    idle.fails("member", "add", "none@example.org", "a@x.example", status=1)
    idle.fails("member", "ls", "none@example.org", status=1)
    idle.fails("member", "add", "news@example.org", status=2)
    error = idle.fails("member", "add", "news@example.org", "-", input="x" * 5000 + "\n", status=2)
    assert "line 1" in error


MEMBERS = 50_000 if os.environ.get("POSTROAD_SOAK") else 5_000


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_very_many_members(idle, running):
    if running:
        idle.start()
    idle.cli("list", "create", "big@example.org")
    members = [f"member{n}@site{n % 500}.example" for n in range(MEMBERS)]
    text = "\n".join(members) + "\n"
    assert idle.json("member", "add", "big@example.org", "-", input=text, timeout=300)["added"] == MEMBERS
    assert idle.json("member", "add", "big@example.org", "-", input=text, timeout=300)["added"] == 0
    listed = [m["address"] for m in idle.json("member", "ls", "big@example.org", timeout=300)]
    assert sorted(listed) == sorted(members)
    assert idle.json("list", "ls")[0]["members"] == MEMBERS
    half = "\n".join(members[::2]) + "\n"
    assert idle.json("member", "remove", "big@example.org", "-", input=half, timeout=300)["removed"] == MEMBERS // 2
    assert idle.json("list", "delete", "big@example.org", timeout=300)["members"] == MEMBERS // 2
    assert idle.json("list", "ls") == []


def test_aliases(idle):
    idle.cli("alias", "set", "Info@Example.org", "One@Far.example", "two@far.example")
    idle.cli("alias", "set", "@example.org", "rest@far.example")
    rows = [(r["address"], r["target"]) for r in idle.json("alias", "ls")]
    assert rows == [("@example.org", "rest@far.example"), ("info@example.org", "one@far.example"), ("info@example.org", "two@far.example")]
    idle.cli("alias", "set", "info@example.org", "three@far.example")  # replaces
    assert [(r["address"], r["target"]) for r in idle.json("alias", "ls")][1:] == [("info@example.org", "three@far.example")]
    idle.fails("alias", "set", "x@elsewhere.example", "a@far.example", status=1)
    idle.fails("alias", "set", "x@example.org", "broken", status=2)
    idle.fails("alias", "set", "x@example.org", status=2)
    idle.fails("alias", "set", "@", "a@far.example", status=2)
    idle.cli("list", "create", "news@example.org")
    assert "list" in idle.fails("alias", "set", "news@example.org", "a@far.example", status=1)
    idle.cli("alias", "remove", "INFO@example.org")
    idle.cli("alias", "remove", "@example.org")
    idle.fails("alias", "remove", "info@example.org", status=1)
    assert idle.json("alias", "ls") == []


def test_changes_are_seen_at_once_by_running_roles(post):
    with post.raw() as c:
        c.cmd("MAIL FROM:<me@sender.example>")
        assert c.cmd("RCPT TO:<new@example.org>") == 550
        post.cli("alias", "set", "new@example.org", "x@far.example")
        assert c.cmd("RCPT TO:<new@example.org>") == 250
        post.cli("alias", "remove", "new@example.org")
        assert c.cmd("RCPT TO:<new@example.org>") == 550


# ---- queue and trace ----

def test_queue_commands(make):
    inbound = make().start("smtpd")
    octets = message(id="q1@test.example", body="caf\u00e9\r\n")
    queue_id = inbound.post("me@sender.example", ["x@far.example"], octets, options=["BODY=8BITMIME"])
    row = inbound.queue()[0]
    assert (row["queue"], row["from"], row["msgid"], row["size"], row["state"]) == (
        queue_id, "me@sender.example", "q1@test.example", len(octets), "accepted")
    assert queue_id in inbound.cli("queue", "show")
    assert inbound.cli("queue", "cat", queue_id, text=False) == octets
    assert inbound.cli("queue", "cat", queue_id.lower(), text=False) == octets
    whole = inbound.cli("queue", "cat", queue_id, "--fields", text=False)
    assert whole.endswith(octets) and whole.startswith(b"Received: from client.example ([127.0.0.1])\r\n\tby mx.example.org with ESMTP id ")
    for bad in ("", "0", "0SAZJWTSD9V24", "not an id", "../../etc/passwd", "x" * 500):
        assert inbound.run("queue", "cat", bad, check=False).returncode in (1, 2), bad
    assert inbound.run("queue", "wait", "--timeout", "0s", check=False).returncode == 75
    assert inbound.run("queue", "wait", "--timeout", "500ms", check=False).returncode == 75
    inbound.fails("queue", "wait", "--timeout", "soon", status=2)


def test_queue_wait_returns_when_all_is_done(post, sink):
    assert post.run("queue", "wait").returncode == 0
    for n in range(20):
        post.post("me@sender.example", f"r{n}@far.example", message())
    post.cli("queue", "wait", "--timeout", "30s")
    assert len(sink.mails()) == 20


def test_trace_by_every_key(post):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "Member@far.example", "other@far.example")
    post.cli("alias", "set", "info@example.org", "target@far.example")
    queue_id = post.post("me@sender.example", ["news@example.org", "info@example.org", "Direct@Far.example"], message(id="T1@test.example"))
    post.post("me@sender.example", "other@far.example", message(id="t2@test.example"))
    post.wait()
    for key in ("T1@test.example", "<T1@test.example>", queue_id, queue_id.lower()):
        rows = post.trace(key)
        assert {r["queue"] for r in rows} == {queue_id}
        assert {r["recipient"] for r in rows if r["event"] == "delivered"} == {
            "member@far.example", "other@far.example", "target@far.example", "Direct@far.example"}
        assert rows[0]["event"] == "accepted" and "client=127.0.0.1" in rows[0]["detail"]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r["time"]) for r in rows)
        assert [r["time"] for r in rows] == sorted(r["time"] for r in rows)
    for address in ("member@far.example", "MEMBER@far.example"):
        rows = post.trace(address)
        assert {r["recipient"] for r in rows} <= {"", "member@far.example"}
        assert any(r["event"] == "delivered" for r in rows)
    rows = post.trace("other@far.example")  # two messages, the newest of an address
    assert len({r["queue"] for r in rows}) == 2
    text = post.cli("trace", "T1@test.example")
    assert "T1@test.example" in text.splitlines()[0] and "delivered" in text and "<me@sender.example>" in text
    assert "nothing known" in post.fails("trace", "unknown@test.example", status=1)
    post.fails("trace", status=2)


def test_trace_of_an_address_with_capitals(post):
    """Who types the address as it was written, or in lower case, finds it."""
    post.post("me@sender.example", "Direct@Far.example", message(id="cap@test.example"))
    post.wait()
    for key in ("Direct@Far.example", "direct@far.example"):
        got = post.run("--json", "trace", key, check=False)
        assert got.returncode == 0, (key, got.stderr)
        assert any(r["event"] == "delivered" for r in json.loads(got.stdout))


def test_trace_of_a_sender_shows_what_is_still_to_do(make, sink):
    post = make(relay=sink).start("smtpd", "router")
    post.post("me@sender.example", "x@far.example", message(id="wait@test.example"))
    until(lambda: post.events("wait@test.example", "pending", "x@far.example"))
    rows = post.trace("x@far.example")
    assert rows[-1]["event"] == "pending" and "0 tries" in rows[-1]["detail"]


def test_events_are_kept_and_then_deleted(make, sink):
    post = make(relay=sink, settings={"keep_events": "10d"}).start()
    post.post("me@sender.example", "x@far.example", message(id="old@test.example"))
    post.wait()
    post.clock("+9d")
    assert post.events("old@test.example", "delivered")
    post.clock("+2d")
    until(lambda: post.run("trace", "old@test.example", check=False).returncode == 1, 20, "the reaper")


# ---- metrics ----

def openmetrics(text):
    """A strict reading of the format (OpenMetrics 1.0): families in one block each, EOF at the end."""
    assert text.endswith("# EOF\n")
    families, current, samples = {}, None, {}
    for line in text.splitlines()[:-1]:
        meta = re.fullmatch(r"# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line)
        if meta:
            kind, name, value = meta.groups()
            if name != current:
                assert name not in families, f"{name} comes twice"
                families[name] = {}
                current = name
            assert kind not in families[name]
            families[name][kind] = value
            continue
        sample = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? (-?\d+(?:\.\d+)?)', line)
        assert sample, line
        name, labels, value = sample.groups()
        kind = families[current]["TYPE"]
        assert name == (f"{current}_total" if kind == "counter" else current), line
        assert (name, labels) not in samples
        samples[name, labels] = float(value)
        assert kind != "counter" or float(value) >= 0
    return families, samples


def test_metrics(post, sink):
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "a@far.example", "b@far.example")
    before = openmetrics(post.cli("metrics"))
    post.post("me@sender.example", ["news@example.org", "x@far.example"], message())
    with post.raw() as c:
        c.cmd("MAIL FROM:<me@sender.example>")
        c.cmd("RCPT TO:<nobody@example.org>")
        open_now = openmetrics(post.cli("metrics"))[1]
        assert open_now["smtpd_sessions_open", 'role="smtpd"'] == 1
    post.wait()
    families, samples = openmetrics(post.cli("metrics"))
    assert families.keys() == before[0].keys()
    assert all("HELP" in f and f["TYPE"] in ("counter", "gauge") for f in families.values())

    def grown(name, role):
        return samples[name, f'role="{role}"'] - before[1][name, f'role="{role}"']
    assert grown("smtpd_sessions_total", "smtpd") == 2
    assert grown("smtpd_messages_total", "smtpd") == 1
    assert grown("smtpd_recipients_total", "smtpd") == 2
    assert grown("smtpd_refused_total", "smtpd") == 1
    assert grown("router_messages_total", "router") == 1
    assert grown("router_deliveries_total", "router") == 3
    assert grown("deliver_sent_total", "deliver") == 3
    assert grown("archived_posts_total", "archived") == 1
    rows = post.json("metrics")
    assert {(r["name"], f'role="{r["role"]}"') for r in rows} == set(samples)


# ---- init, help, usage ----

def test_init_errors_leave_nothing_behind(command, tmp_path, store, request):
    new = tmp_path / "new"
    file = tmp_path / "file"
    file.write_text("x")
    cases = [
        ([new], 2), ([], 2), ([new, "--domain", "no domain"], 2), ([new, "--domain", "a@b.example"], 2),
        ([new, "--domain", "a.example", "--smtp", "nowhere"], 2), ([new, "--domain", "a.example", "--smtp", "127.0.0.1:99999"], 2),
        ([new, "--domain", "a.example", "--store", "mysql://x"], 2), ([new, "--domain", "a.example", "--set", "frob=1"], 2),
        ([new, "--domain", "a.example", "--set", "retry_first=soon"], 2), ([new, "--domain", "a.example", "--set", "x"], 2),
        ([new, "--domain", "a.example", "--set", "recipients_max=1"], 2), ([new, "--domain", "a.example", "--frob"], 2),
        ([new, "--domain", "a.example", "--store", f"postgresql://postroad@127.0.0.1:{free_port()}/none"], None),
        ([file, "--domain", "a.example"], None), ([file / "below", "--domain", "a.example"], None),
        ([new, "extra", "--domain", "a.example"], 2),
    ]
    for words, status in cases:
        got = command("init", *words)
        assert got.returncode not in (0,) and got.returncode > 0, (words, got)
        assert status is None or got.returncode == status, (words, got)
        assert got.stderr.strip().startswith("postroad"), (words, got)
        assert not new.exists(), words
    assert file.read_text() == "x"


@pytest.mark.parametrize("value", ["one # two", "#two", "one\r\ntwo"])
def test_init_refuses_a_value_the_file_cannot_hold(command, tmp_path, store, value):
    got = command("init", str(tmp_path / "new"), "--domain", "here.example", "--store", store or "sqlite", "--set",
                  f"hostname={value}")
    assert got.returncode == 2 and "hostname" in got.stderr
    assert not (tmp_path / "new").exists()


def test_init_twice_and_into_an_existing_folder(command, tmp_path, store):
    if store == "postgresql":
        pytest.skip("nothing in it depends on the engine")
    there = tmp_path / "there"
    there.mkdir()
    (there / "note.txt").write_text("keep me")
    port = free_port()
    assert command("init", there, "--domain", "example.org", "--smtp", f"127.0.0.1:{port}").returncode == 0
    assert (there / "note.txt").read_text() == "keep me"
    before = (there / "postroad.conf").read_bytes()
    got = command("init", there, "--domain", "other.example")
    assert got.returncode == 1 and "already" in got.stderr
    assert (there / "postroad.conf").read_bytes() == before
    conf = before.decode()
    for line in conf.splitlines():
        assert line == "" or line.startswith("#") or re.fullmatch(r"[a-z_]+ = \S.*", line), line
    assert f"smtp_listen = 127.0.0.1:{port}" in conf
    assert os.stat(there / "data").st_mode & 0o007 == 0


def test_init_uses_an_empty_data_folder_elsewhere(command, tmp_path, store):
    if store == "postgresql":
        pytest.skip("nothing in it depends on the engine")
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()
    (there / "data").symlink_to(elsewhere)
    (elsewhere / "other").write_text("keep me")
    words = ["init", there, "--domain", "example.org"]
    assert command(*words).returncode == 1  # not empty
    (elsewhere / "other").unlink()
    bad = command(*words, "--store", f"postgresql://postroad@127.0.0.1:{free_port()}/none")
    assert bad.returncode > 0 and list(elsewhere.iterdir()) == [] and (there / "data").is_symlink()
    assert command(*words).returncode == 0
    assert (elsewhere / "store.db").exists() and (there / "data").is_symlink()
    if os.geteuid() == 0:
        assert "no such user" in command("init", tmp_path / "new", "--domain", "a.example", "--set",
                                         "user=nobody-at-all").stderr


def test_configuration_errors_name_the_line(make):
    instance = make()
    conf = instance.dir / "postroad.conf"
    good = conf.read_text()
    for line, word in (("frobnicate = 1", "frobnicate"), ("retry_first = never", "retry_first"), ("junk", "name = value"),
                       ("smtpd_workers = 9999", "smtpd_workers"), ("log_level = loud", "log_level"),
                       ("relay_networks = 10.0.0.0/33", "relay_networks"), ("smtp_listen = here", "smtp_listen")):
        conf.write_text(good + f"\n{line}\n")
        error = instance.run("run", check=False, timeout=60)
        assert error.returncode == 2, (line, error)
        assert word in error.stderr + error.stdout, (line, error)
    conf.write_text(good)
    instance.start()


def test_port_that_is_taken(make):
    one = make().start("smtpd")
    two = make(settings={"smtp_listen": f"127.0.0.1:{one.port}"})
    error = two.run("run", check=False, timeout=60)
    assert error.returncode > 0 and str(one.port) in error.stderr + error.stdout
    assert connects(one.port)


def test_wrong_usage(command, idle, tmp_path):
    got = command("-C", tmp_path / "none", "queue", "show")
    assert got.returncode == 2 and "not a Postroad instance" in got.stderr
    for words in (["frob"], ["list"], ["list", "frob"], ["queue", "show", "extra"], ["--frob"], ["queue", "wait", "--timeout"]):
        got = idle.run(*words, check=False)
        assert got.returncode == 2 and got.stderr.strip(), (words, got)
    assert "postroad 0." in command("--version").stdout.lower()


def test_help_for_every_command(command):
    overview = command("help")
    assert overview.returncode == 0
    names = re.findall(r"(?m)^([a-z]+(?: [a-z]+)?)  +[A-Z]", overview.stdout)
    assert len(names) >= 24
    for name in names:
        got = command("help", *name.split(), quick=True)
        assert got.returncode == 0 and name.split()[0] in got.stdout, name
        assert command(*name.split(), "--help", quick=True).returncode == 0, name
    assert command("help", "frob").returncode in (1, 2)


def test_every_listing_is_json(post):
    post.cli("list", "create", "news@example.org", "--title", 'quote " back\\slash')
    post.cli("member", "add", "news@example.org", "a@far.example")
    post.cli("alias", "set", "info@example.org", "a@far.example")
    queue_id = post.post("me@sender.example", "news@example.org", message(id='odd"id\\@x.example'))
    post.wait()
    for words in (["domain", "ls"], ["list", "ls"], ["list", "show", "news@example.org"], ["member", "ls", "news@example.org"],
                  ["alias", "ls"], ["queue", "show"], ["trace", queue_id], ["archive", "ls", "news@example.org"], ["metrics"]):
        got = post.json(*words)
        assert isinstance(got, (list, dict)), words
    error = post.run("--json", "list", "show", "none@example.org", check=False)
    assert error.returncode == 1 and error.stdout.strip() in ("", "[]", "{}") or json.loads(error.stdout)


def test_clock(idle):
    idle.start()
    before = idle.cli("clock").strip()
    idle.clock("+3d")
    after = idle.cli("clock").strip()
    assert before < after and before[:10] != after[:10]
    for bad in ("+", "-3d", "+3x", "tomorrow"):
        idle.fails("clock", bad, status=2)
    idle.stop()


def test_output_into_a_closed_pipe(idle):
    idle.cli("list", "create", "news@example.org")
    idle.cli("member", "add", "news@example.org", "-", input="".join(f"m{n}@x.example\n" for n in range(20000)))
    process = subprocess.Popen([str(idle.program), "-C", str(idle.dir), "member", "ls", "news@example.org"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=idle.environment())
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(60) != 0 or errors == ""
    assert "Sanitizer" not in errors


def test_migrate(idle):
    idle.cli("migrate")
    idle.start()
    if idle.engine == "sqlite":
        idle.fails("migrate")
