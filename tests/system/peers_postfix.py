"""The Postfix of bench/peers for the system tests: a folder of its own that Postfix's processes can reach."""
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from peers_mail import crlf
from postroad import ROOT, free_port


def _load():
    spec = importlib.util.spec_from_file_location("peers_postfix_run", ROOT / "bench/peers/postfix.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


class Peers:
    """Postfix instances of one test: `peers(relay=…)` starts one; close() ends and removes them."""

    def __init__(self):
        self.module = _load()
        reason = self.module.why_not()
        if reason:
            pytest.skip(f"no Postfix: {reason}")
        self.running = []

    def __call__(self, *, tls=None, **options):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-postfix-"))
        folder.chmod(0o755)
        peer = self.module.Postfix(folder / "peer", port=free_port(), tls=self._readable(folder, tls), **options)
        self.running.append((peer, folder))
        peer.start()
        return peer

    @staticmethod
    def _readable(folder, tls):
        """Copies of certificate and key beside the instance: pytest's own folders are closed to others."""
        return tls and tuple(shutil.copy(path, folder) for path in tls)

    def close(self):
        for peer, folder in self.running:
            peer.stop()
            shutil.rmtree(folder, ignore_errors=True)


def kept(peer, address):
    """What lies in one of Postfix's mailboxes, with the line ends it had on the wire."""
    return [crlf(octets) for octets in peer.messages(address)]


def log_lines(peer, *words):
    """The lines of Postfix's log that have all these words."""
    return [line for line in peer.log().splitlines() if all(word in line for word in words)]


def tool(name, *arguments):
    """One of Postfix's programs, such as smtp-source; what it said, as subprocess.run gives it."""
    module = _load()
    reason = module.why_not()
    if reason:
        pytest.skip(f"no Postfix: {reason}")
    return subprocess.run([module.unpacked() / "usr/sbin" / name, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=300, env=module.environment(module.unpacked()))
