"""A PostgreSQL of our own on a loopback port, durable as Debian configures it; no service is touched."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import postfix

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class PostgreSQL:
    """One cluster with one empty database."""

    name = "bench"

    def __init__(self, disk):
        self.disk = disk
        self.port = postfix.free_port()
        self.url = f"postgresql://postroad@127.0.0.1:{self.port}/{self.name}"
        self.process = self.folder = None

    def start(self, timeout=60):
        got = subprocess.run([REPOSITORY / "scripts/peers", "postgresql"], stdout=subprocess.PIPE, text=True,
                             check=True)
        programs = pathlib.Path(got.stdout.strip().splitlines()[-1])
        # initdb refuses root; and the folder must be one that an unprivileged user can reach.
        drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pg-", dir=self.disk))
        if drop:
            shutil.chown(self.folder, "nobody", "nogroup")
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        data = self.folder / "data"
        subprocess.run([*drop, programs / "initdb", "-D", data, "-U", "postroad", "--auth=trust", "--encoding=UTF8",
                        "--locale=C.UTF-8"], env=environment, stdout=subprocess.DEVNULL, check=True)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*drop, programs / "postgres", "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "unix_socket_directories=", "-c", "max_connections=200"],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + timeout
        while self._psql("SELECT 1", "postgres", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}")
            time.sleep(0.1)
        self._psql(f"CREATE DATABASE {self.name}", "postgres")

    def _psql(self, text, database, check=True):
        return subprocess.run(["psql", "-X", "-q", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postroad",
                               "-d", database, "-c", text], capture_output=True, text=True, check=check)

    def size(self):
        """Octets of the database, without the write-ahead log."""
        return int(self._psql(f"SELECT pg_database_size('{self.name}')", self.name).stdout)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # a "fast" shutdown
            self.process.wait(60)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
