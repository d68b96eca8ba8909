"""What `make deb` has built, unpacked beside the system: it runs from there, as its unit says."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import postroad
import pytest

BUILT = postroad.ROOT / "build/deb"


@pytest.fixture(scope="module")
def package():
    """The folder with both packages unpacked."""
    debs = [p for p in sorted(BUILT.glob("*.deb")) if "dbgsym" not in p.name]
    if len(debs) != 2:
        pytest.skip("no package: make deb builds it")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pr-deb-"))
    folder.chmod(0o755)
    for deb in debs:
        subprocess.run(["dpkg", "-x", deb, folder], check=True)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def instance(package, name, **options):
    post = postroad.Instance(package / name, package / "usr/bin", **options)
    try:
        yield post
        post.assert_healthy()
    finally:
        post.__exit__(RuntimeError)


def test_a_post_goes_through_the_unpacked_package(package, sink):
    with instance(package, "one", relay=sink) as post:
        post.start()
        post.cli("list", "create", "news@example.org")
        post.cli("member", "add", "news@example.org", "ada@x.example")
        post.post("me@sender.example", "news@example.org", postroad.message(id="deb@test.example"))
        post.wait()
        assert sink.recipients() == ["ada@x.example"]
        assert post.posts("news@example.org")
        got = subprocess.run([package / "usr/sbin/sendmail", "-C", post.dir, "-i", "bo@x.example"],
                             input="Subject: by hand\n\nhello\n", text=True, capture_output=True, check=False)
        assert got.returncode == 0, got
        post.wait()
        assert sorted(sink.recipients()) == ["ada@x.example", "bo@x.example"]
        assert post.stop() == 0


def test_a_user_runs_what_root_has_made_and_root_reloads_and_upgrades_it(package, sink):
    """As the unit does: settings of root's, data in another place, every process the user's."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    etc, var = package / "etc/two", package / "var/lib/two"
    etc.mkdir()
    var.mkdir(mode=0o750)
    (etc / "data").symlink_to(var)
    with instance(package, "etc/two", relay=sink, tls=True, settings={"user": "nobody", "sandbox": "try"}) as post:
        assert var.owner() == (var / "store.db").owner() == (var / "tls/self.pem").owner() == "nobody"
        conf = etc / "postroad.conf"
        assert (conf.owner(), conf.group(), conf.stat().st_mode & 0o777) == ("root", "nogroup", 0o640)
        as_nobody = package / "as-nobody"
        as_nobody.write_text(f'#!/bin/sh\nexec setpriv --reuid nobody --regid nogroup --clear-groups '
                             f'--no-new-privs "{package}/usr/bin/postroad" "$@"\n')
        as_nobody.chmod(0o755)
        post.start(program=as_nobody)
        post.cli("list", "create", "news@example.org")
        post.cli("member", "add", "news@example.org", "ada@x.example")
        for k, deed in enumerate((["reload"], ["upgrade"], ["metrics"])):
            post.post("me@sender.example", "news@example.org", postroad.message(id=f"{k}@two.example"))
            post.cli(*deed)
        post.wait()
        assert sink.recipients() == ["ada@x.example"] * 3
        assert [p for p in var.rglob("*") if p.owner() != "nobody"] == []
        assert post.stop() == 0


def test_units_name_what_is_in_the_package(package):
    for name in ("postroad.service", "postroad@.service"):
        unit = (package / "lib/systemd/system" / name).read_text()
        program = re.search(r"^ExecStart=(\S+)", unit, re.M)[1]
        assert (package / program.lstrip("/")).is_file()
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    folder = package / "units"
    folder.mkdir()
    for path in (package / "lib/systemd/system").iterdir():
        to = folder / path.name.replace("@.", "@x.")
        to.write_text(path.read_text().replace("/usr/bin/postroad", str(package / "usr/bin/postroad")))
    got = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(folder.iterdir())], capture_output=True,
                         text=True, check=False)
    assert got.returncode == 0 and "postroad" not in got.stderr, got


def test_manual_pages_are_well_formed(package):
    pages = sorted(p for p in (package / "usr/share/man").rglob("*.gz") if not p.is_symlink())
    assert {p.name for p in pages} == {
        "postroad.1.gz", "postroad-sendmail.1.gz", "postroad-mailman.1.gz", "postroad.conf.5.gz", "postroad-stored.8.gz",
        "postroad-smtpd.8.gz", "postroad-router.8.gz", "postroad-deliver.8.gz", "postroad-archived.8.gz",
        "postroad-httpd.8.gz"}
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc")
    subprocess.run(["gunzip", *pages], check=True)
    pages = [p.with_suffix("") for p in pages]
    got = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True, check=False)
    assert got.stdout + got.stderr == "" and got.returncode == 0
    text = subprocess.run(["mandoc", "-Tascii", *pages], capture_output=True, text=True, check=True).stdout
    text = re.sub(".\b", "", text)
    for word in ("smtp_sessions_per_client", "queue freeze", "deliver_sent_total", "postroad-archived"):
        assert word in text
