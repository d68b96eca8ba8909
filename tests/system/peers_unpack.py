"""Debian packages that bring a daemon are unpacked below build/peers, not installed: no service is started."""
import fcntl
import os
import pathlib
import subprocess

import pytest

from postroad import ROOT


def unpacked(name, *packages):
    """The folder with the packages' files; fetched and unpacked once. Skips when they cannot be had."""
    peers = ROOT / "build/peers"
    folder, cache = peers / name, peers / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with open(peers / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".done").exists():
            folder.mkdir(exist_ok=True)
            for package in packages:
                dpkg = _fetched(cache, package)
                subprocess.run(["dpkg", "-x", dpkg, folder], check=True)
            (folder / ".done").touch()
    return folder


def _fetched(cache, package):
    def found():
        return next(iter(sorted(cache.glob(f"{package}_*.deb"))), None)

    for command in (["true"], ["apt-get", "download", "-q", package], ["apt-get", "update", "-q"],
                    ["apt-get", "download", "-q", package]):
        if not found():
            subprocess.run(command, cwd=cache, capture_output=True, check=False, timeout=300)
    return found() or pytest.skip(f"Debian's package {package} cannot be fetched")


def environment(folder):
    """Variables with which a program of an unpacked package finds its libraries."""
    libraries = ":".join(str(path) for path in sorted(pathlib.Path(folder, "usr/lib").glob("*-linux-gnu")))
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "LC_ALL": "C"}
