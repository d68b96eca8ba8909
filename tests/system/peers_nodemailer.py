"""nodemailer, the mail client of programs in JavaScript: npm installs it below build, once."""
import fcntl
import json
import pathlib
import shutil
import subprocess

import pytest

from peers_clients import needs
from postroad import ROOT

HERE = pathlib.Path(__file__).with_name("nodemailer")


def installed():
    """The folder with node_modules; skips when npm or its registry cannot be had."""
    npm = needs("npm")
    folder = ROOT / "build/peers/nodemailer"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            got = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, timeout=120,
                                 capture_output=True, text=True, check=False)
            if got.returncode != 0:
                pytest.skip(f"npm cannot install nodemailer: {got.stderr.strip()[-200:]}")
            (folder / "done").touch()
    return folder


def nodemailer(port, messages, **options):
    """Send messages, all at once; what it says of each: accepted, rejected and response, or error and code."""
    transport = {"host": "127.0.0.1", "port": port, "name": "node.example", "ignoreTLS": True, **options}
    got = subprocess.run([needs("node"), HERE / "send.js", installed()], check=False, capture_output=True, timeout=120,
                         input=json.dumps({"transport": transport, "messages": messages}).encode())
    assert got.returncode == 0, got.stderr.decode(errors="replace")
    return json.loads(got.stdout)
