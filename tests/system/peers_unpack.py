"""Debian packages that bring a daemon are unpacked below build/peers, not installed: no service is started."""
import os
import pathlib
import shlex
import subprocess

import pytest

from postroad import ROOT


def unpacked(name, *packages):
    """The folder with the packages' files; fetched and unpacked once. Skips when they cannot be had."""
    got = subprocess.run([ROOT / "scripts/peers", "unpack", name, *packages], capture_output=True, text=True, check=False,
                         timeout=300)
    if got.returncode != 0:
        pytest.skip(f"Debian's packages {' '.join(packages)} cannot be fetched: {got.stderr.strip()[-200:]}")
    return pathlib.Path(got.stdout.strip())


def environment(folder):
    """Variables with which a program of an unpacked package finds its libraries."""
    libraries = ":".join(str(path) for path in sorted(pathlib.Path(folder, "usr/lib").glob("*-linux-gnu")))
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "LC_ALL": "C"}


def on_top(folder, command):
    """A command that sees the packages' files on top of the machine's /usr, for programs that insist on their place: in
    a mount namespace that ends with it. It exits with 77 where no overlay can be mounted (see skip_without_overlay)."""
    words = " ".join(shlex.quote(str(word)) for word in command)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            f"mount -t overlay overlay -o lowerdir={folder}/usr:/usr /usr || exit 77; exec {words}"]


def skip_without_overlay(status, said):
    if status == 77 or "unshare: " in said:
        pytest.skip(f"no overlay can be mounted here: {said.strip()[-200:]}")
