"""GNU Mailman 3 as Debian has it: takes mail by LMTP on one loopback port, sends by SMTP to another."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from peers_unpack import on_top, skip_without_overlay, unpacked
from postroad import bound, connects, end, free_port, until

USER = "list"  # in every Debian, and owns nothing
PYTHON = """
    cbor2 importlib-resources pyrsistent jsonschema mimeparse msgpack rapidjson falcon aiosmtpd
    markupsafe mako greenlet sqlalchemy alembic authres publicsuffix2 authheaders colorama click
    six dateutil zope.interface flufl.bounce flufl.i18n psutil flufl.lock gunicorn lazr.delegates
    lazr.config passlib certifi charset-normalizer idna urllib3 requests zope.event zope.hookable
    zope.component zope.i18nmessageid zope.schema zope.configuration public
""".split()
# What a post on its way does not need is not started: each is a Python of its own.
IDLE = ("archive", "bounces", "command", "digest", "nntp", "rest", "retry", "task", "virgin")
RUNNING = ("in", "pipeline", "virgin", "out")

CONFIGURATION = """
[mailman]
site_owner: postmaster@example.org
layout: here
{site}

[paths.here]
var_dir: {folder}/var
bin_dir: /usr/lib/mailman3/bin
etc_dir: {folder}

[mta]
incoming: mailman.mta.null.NullMTA
outgoing: mailman.mta.deliver.deliver
lmtp_host: 127.0.0.1
lmtp_port: {port}
smtp_host: 127.0.0.1
smtp_port: {relay}
{mta}
{sections}"""

SET_UP = """import sys
from mailman.core.initialize import initialize
initialize(sys.argv[1])
"""


class Mailman:
    """lists: {address: members}; relay: port that takes what it sends; mta, site: more lines of [mta] and
    [mailman]; sections: further sections; script: Python that is run before the start, with Mailman set up; runners:
    those of IDLE that are started all the same. Starting takes some seconds."""

    def __init__(self, lists, relay, mta="", script=None, runners=(), site="", sections=""):
        if os.geteuid() != 0:
            pytest.skip("Mailman can only be given a user of its own by root")
        self.package = unpacked("mailman3", "mailman3", *(f"python3-{name}" for name in PYTHON))
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-mailman-"))
        self.folder.chmod(0o755)
        shutil.chown(self.folder, USER, USER)
        self.process = None
        try:
            idle = "".join(f"[runner.{name}]\nstart: no\n" for name in IDLE if name not in runners)
            (self.folder / "mailman.cfg").write_text(CONFIGURATION.format(folder=self.folder, port=self.port, relay=relay, mta=mta,
                                                                          site=site, sections=sections) + idle)
            for address, members in lists.items():
                self.run("mailman", "create", "--quiet", address)
                (self.folder / "members").write_text("".join(f"{m}\n" for m in members))
                self.run("mailman", "addmembers", self.folder / "members", address)
            if script:
                self.script(script)
            self._start()
        except BaseException:
            self.close()
            raise

    def _as_user(self, *words):
        return on_top(self.package, ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env",
                                     f"HOME={self.folder}", "PYTHONWARNINGS=ignore",
                                     # what comes out of its sets comes in the same order each time
                                     "PYTHONHASHSEED=0",
                                     # nobody has compiled what is only unpacked: one process does for the others
                                     f"PYTHONPYCACHEPREFIX={self.folder}/compiled", *words])

    def _command(self, program, *arguments):
        return self._as_user(f"/usr/lib/mailman3/bin/{program}", "-C", self.folder / "mailman.cfg", *arguments)

    def run(self, program, *arguments):
        """One of Mailman's commands; what it said."""
        return self._run(self._command(program, *arguments))

    def script(self, text):
        """Run Python with Mailman's modules, set up for this instance; what it said."""
        path = self.folder / "script.py"
        path.write_text(SET_UP + text)
        return self._run(self._as_user("/usr/bin/python3", path, self.folder / "mailman.cfg"))

    def _run(self, command):
        got = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                             check=False, timeout=120)
        skip_without_overlay(got.returncode, got.stderr)
        assert got.returncode == 0, got.stdout + got.stderr
        return got.stdout

    def _start(self):
        with open(self.folder / "said", "wb") as out:
            self.process = subprocess.Popen([*bound(), *self._command("master")], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def listens():
            assert self.process.poll() is None, (self.folder / "said").read_text() + self.log
            return connects(self.port)
        until(listens, 120, "Mailman's start")

    def waiting(self):
        """Files in the queues of a post on its way: what it has not dealt with."""
        return [path for name in RUNNING for path in (self.folder / "var/queue" / name).glob("*")]

    def shunted(self):
        """What it has failed at."""
        return list((self.folder / "var/queue/shunt").glob("*"))

    @property
    def log(self):
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "var/logs").glob("*.log")))

    def close(self):
        if self.process:
            end(self.process, 60)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)
