"""Mail clients that are programs of their own: swaks, and a dialogue through `openssl s_client`."""
import contextlib
import re
import shutil
import subprocess
import threading

import pytest


def needs(program):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def swaks(port, *arguments, input=None):
    """Run swaks against a loopback port; its transcript. It exits 0 only when every recipient was taken."""
    got = subprocess.run([needs("swaks"), "--server", "127.0.0.1", "--port", str(port), "--helo", "swaks.example",
                          "--from", "me@sender.example", *map(str, arguments)],
                         input=input, capture_output=True, timeout=60, check=False)
    assert got.returncode == 0, got.stdout.decode(errors="replace") + got.stderr.decode(errors="replace")
    return got.stdout.decode(errors="replace")


def stuffed(octets):
    """A message as DATA carries it, with the final dot."""
    assert octets.endswith(b"\r\n")
    return re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n"


class SClient:
    """A dialogue by hand through `openssl s_client -starttls smtp`."""

    def __init__(self, port, *arguments):
        self.process = subprocess.Popen(
            [needs("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", "smtp", "-quiet",
             "-name", "openssl.example", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.watchdog = threading.Timer(30, self.process.kill)
        self.watchdog.start()

    def reply(self):
        """The last line of a reply."""
        while True:
            line = self.process.stdout.readline().decode()
            assert line.endswith("\r\n"), (line, self.end())
            if line[3:4] == " ":
                return line.rstrip("\r\n")

    def send(self, octets):
        try:
            self.process.stdin.write(octets)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended already: reply() finds that out, and what it said

    def command(self, line, code):
        self.send(line.encode() + b"\r\n")
        got = self.reply()
        assert got.startswith(f"{code} "), (line, got)
        return got

    def end(self):
        """Close our side; what s_client said about the connection."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdin = None
        _, errors = self.process.communicate(timeout=30)
        return errors.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.watchdog.cancel()
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
