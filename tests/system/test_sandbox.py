"""What DESIGN 2 forbids a role, the running role cannot do: each tries it, locked in, and is refused."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

import postroad
from postroad import ROLES, message, until

REFUSED = ("EACCES", "EPERM", "ENOSYS", "EROFS")


@pytest.fixture
def news(make, sink, certificate):
    folder = certificate[0].parent
    post = make(relay=sink, settings={"tls_certificate": str(folder / "cert.pem"), "tls_key": str(folder / "key.pem")})
    post.cli("list", "create", "news@example.org")
    post.cli("member", "add", "news@example.org", "a@x.example")
    return post


def probe(instance, role, *deeds, environment=None):
    """{deed: what came of it}, each tried by a process of its own, once it has started as for work."""
    found = {}
    for deed in deeds:
        got = subprocess.run([instance.build / f"postroad-{role}", "-C", instance.dir, "--sandbox-probe", deed], check=False,
                             capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                             env={**instance.environment(), **(environment or {})})
        assert not postroad.REPORTS.search(got.stderr), got.stderr
        assert got.stdout.startswith(f"{deed}: "), (deed, got)
        found[deed] = got.stdout.removeprefix(f"{deed}: ").strip()
    return found


def start_without(instance, role):
    """What the role needs to start runs, the role itself does not."""
    if role != "stored":
        instance.start("archived" if role != "archived" else "router")
    if role == "stored" and instance.engine == "postgresql":
        pytest.skip("PostgreSQL needs no stored")


def landlock():
    """The version this kernel has; 0: none."""
    import ctypes
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1))


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_leave_its_place(news, role, tmp_path):
    """What no row of the table gives."""
    start_without(news, role)
    secret = tmp_path / "secret"
    secret.write_text("x")
    key = news.dir / "data/dkim.key"
    key.write_text("x")
    never = ["exec", "fork", "packet", "io_uring", "namespace", f"read {secret}", f"read {key}", f"write {secret}",
             f"write {news.dir}/postroad.conf", f"write {news.dir}/data/new", f"unlink {news.dir}/postroad.conf",
             f"unlink {secret}", f"write {news.build}/new", f"read {os.path.expanduser('~')}/.bashrc"]
    if landlock() >= 6:
        never.append("kill")
    for deed, came in probe(news, role, *never).items():
        assert came in REFUSED, (deed, came)
    assert probe(news, role, f"read {news.dir}/postroad.conf") == {f"read {news.dir}/postroad.conf": "possible"}


FILES = {"store": "data/store.db", "archive": "data/archive/public/example.org/news/2026-11.mbox"}
MAY_OPEN = {"stored": {"store"}, "archived": {"archive"}}


@pytest.mark.parametrize("role", ROLES)
def test_files_of_others(news, role):
    """stored has the store's file, archived the archive, smtpd its keys; nobody has another's."""
    start_without(news, role)
    for path in FILES.values():
        (news.dir / path).parent.mkdir(parents=True, exist_ok=True)
        with open(news.dir / path, "ab"):
            pass
    for name, path in FILES.items():
        deeds = [f"write {news.dir / path}", f"read {news.dir / path}"]
        if role == "archived" and name == "archive":
            deeds += [f"write {news.dir / path}.new", f"unlink {news.dir / path}.new"]
        for deed, came in probe(news, role, *deeds).items():
            assert came == "possible" if name in MAY_OPEN.get(role, ()) else came in REFUSED, (deed, came)
    key = next(line.split("=")[1].strip() for line in (news.dir / "postroad.conf").read_text().splitlines()
               if line.startswith("tls_key"))
    came = probe(news, role, f"read {key}")[f"read {key}"]
    assert came == "possible" if role == "smtpd" else came in REFUSED


@pytest.mark.parametrize("role", ROLES)
def test_network(news, role, pysink):
    """Out: deliver anywhere, smtpd to name servers, with PostgreSQL everybody to its port alone. In: smtpd (and stored on its own sockets)."""
    start_without(news, role)
    server = pysink()
    there = f"connect 127.0.0.1:{server.port}"
    found = probe(news, role, "socket", there, "listen")
    postgresql = news.engine == "postgresql"
    open_ports = postgresql or role == "smtpd"
    assert found["socket"] == "possible" if role == "deliver" or open_ports else found["socket"] in REFUSED
    if role == "deliver":
        assert found[there] == "possible"
    elif not open_ports or landlock() >= 4:  # ports are for Landlock to tell apart
        assert found[there] in REFUSED
    assert found["listen"] == "possible" if role in ("smtpd", "stored") else found["listen"] in REFUSED


def test_every_running_role_is_locked_in(news, sink):
    """All threads, and it works: this is the whole road with sandbox = on."""
    path = news.dir / "postroad.conf"
    if landlock():
        path.write_text(path.read_text() + "sandbox = on\n")
    news.start()
    for role in ROLES if news.engine == "sqlite" else ROLES[1:]:
        until(lambda role=role: " ready" in news.log, 30)
        tasks = list(pathlib.Path(f"/proc/{news.pid(role)}/task").iterdir())
        assert tasks
        for task in tasks:
            status = (task / "status").read_text()
            assert re.search(r"(?m)^Seccomp:\s+2$", status) and re.search(r"(?m)^NoNewPrivs:\s+1$", status), (role, status)
    with news.raw() as c:
        c.starttls()
        c.post("me@sender.example", ["news@example.org"], message())
    news.wait()
    assert sink.recipients() == ["a@x.example"]
    until(lambda: len(news.posts("news@example.org")) == 1)
    assert "not-locked-in" not in news.log
    news.restart().wait()


def test_off_and_nonsense(news):
    path = news.dir / "postroad.conf"
    text = path.read_text()
    path.write_text(text + "sandbox = maybe\n")
    news.allow_deaths = True
    process = news.start(wait=False).processes[-1]
    assert process.wait(60) == 2
    assert "on, try or off is wanted" in news.log
    path.write_text(text + "sandbox = off\n")
    news.start("archived")
    assert probe(news, "router", "socket", "fork") == {"socket": "possible", "fork": "possible"}


# ---- another user ----

@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_gives_its_rights_up(news, sink, build, tmp_path):
    """setting user: supervisor root, roles nobody; reload and upgrade as well."""
    news.dir.parent.chmod(0o755)
    programs = news.dir.parent / "programs"  # where that user may reach them
    programs.mkdir()
    for name in ("postroad", *(f"postroad-{r}" for r in ROLES)):
        shutil.copy2(build / name, programs / name)
    path = news.dir / "postroad.conf"
    path.write_text(re.sub(r"(?m)^tls_.*\n", "", path.read_text()) + "user = nobody\n")
    got = news.run("run", "--check", check=False)
    assert got.returncode != 0 and "chown" in got.stderr
    subprocess.run(["chown", "-R", "nobody", news.dir], check=True)
    news.start(program=programs / "postroad")
    nobody = pwd.getpwnam("nobody")

    def all_are_nobody():
        for role in ROLES if news.engine == "sqlite" else ROLES[1:]:
            status = pathlib.Path(f"/proc/{news.pid(role)}/status").read_text()
            assert re.search(rf"(?m)^Uid:\t{nobody.pw_uid}\t{nobody.pw_uid}\t{nobody.pw_uid}\t{nobody.pw_uid}$", status), (role, status)
            assert re.search(rf"(?m)^Gid:\t{nobody.pw_gid}\t{nobody.pw_gid}\t{nobody.pw_gid}\t{nobody.pw_gid}$", status)
            assert re.search(r"(?m)^CapEff:\t0+$", status)
            assert str(0) not in re.search(r"(?m)^Groups:\t(.*)$", status)[1].split()
    all_are_nobody()
    assert "not-locked-in" not in news.log  # needs no privilege
    news.post("me@sender.example", "news@example.org", message())
    news.wait()
    news._run([programs / "postroad", "-C", news.dir, "upgrade"], timeout=120)
    all_are_nobody()
    news.post("me@sender.example", "news@example.org", message(id="two@test.example"))
    news.wait()
    assert sink.recipients() == ["a@x.example"] * 2
    news.processes[-1].kill()  # the roles must notice, although they are of another user
    news.processes[-1].wait()
    until(lambda: not any(os.path.exists(f"/proc/{news.pid(r)}") for r in ROLES if news.pid(r)), 60)


def test_a_user_that_is_not_there(news):
    path = news.dir / "postroad.conf"
    path.write_text(path.read_text() + "user = no-such-user\n")
    assert "no-such-user" in news.fails("run", "--check")
