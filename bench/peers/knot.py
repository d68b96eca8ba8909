"""A name server of our own (Debian's knot, unpacked by scripts/peers) for the zone example., on a loopback address."""
import os
import pathlib
import signal
import socket
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class Knot:
    """Answers at address:port from start() on; records are lines of a zone file, relative to example."""

    def __init__(self, folder, records, address="127.77.0.1", port=53):
        self.folder, self.records = pathlib.Path(folder), records
        self.address, self.port = address, port
        self.process = None

    def start(self, timeout=20):
        got = subprocess.run([REPOSITORY / "scripts/peers", "knot"], stdout=subprocess.PIPE, text=True, check=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "example.zone").write_text(
            "$ORIGIN example.\n@ 3600 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 3600 IN NS ns\n"
            f"ns 3600 IN A {self.address}\n" + "".join(f"{line}\n" for line in self.records))
        (self.folder / "knot.conf").write_text(
            f"server:\n    rundir: {self.folder}\n    listen: {self.address}@{self.port}\n"
            f"database:\n    storage: {self.folder}/db\nlog:\n  - target: stderr\n    any: warning\n"
            f"template:\n  - id: default\n    storage: {self.folder}\n"
            "zone:\n  - domain: example.\n    file: example.zone\n")
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [got.stdout.strip().splitlines()[-1], "-c", self.folder / "knot.conf"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, env={**os.environ, "LC_ALL": "C"})
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"knot did not start: {(self.folder / 'log').read_text(errors='replace')[-500:]}")
            time.sleep(0.02)

    def _answers(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=1):
                return True
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
