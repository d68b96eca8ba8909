"""File systems of a test's own, which nobody else sees and which may be spoilt."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

CLONE_NEWNS = 0x00020000  # linux/sched.h


@contextlib.contextmanager
def own_mounts():
    """A mount namespace for this thread and the processes it starts: what is mounted here is nobody else's business,
    and a container that somebody starts meanwhile cannot take a copy of our mounts and keep them busy."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            raise OSError(ctypes.get_errno(), function.__name__)

    folder, root, before = os.getcwd(), os.open("/", os.O_RDONLY), os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
    try:
        call(libc.unshare, CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True, capture_output=True)
        yield
    finally:
        call(libc.setns, before, CLONE_NEWNS)
        os.fchdir(root)  # setns leaves a chroot
        os.chroot(".")
        os.chdir(folder)
        os.close(before)
        os.close(root)


class Disk:
    """A small ext4 in a file, mounted at `place`."""

    def __init__(self, megabytes):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pr-"))
        self.folder.chmod(0o755)
        self.image, self.place = self.folder / "disk.img", self.folder / "disk"
        self.place.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-m", "0", self.image)
        self.mount()

    @staticmethod
    def _run(*command):
        return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, timeout=120).stdout

    def mount(self):
        self._run("mount", "-o", "loop,errors=remount-ro", self.image, self.place)

    def unmount(self):
        self._run("umount", self.place)

    def fill(self, leave=0):
        """Take all space but so many octets. close() or free() gives it back."""
        taken = os.statvfs(self.place)
        with open(self.place / "filler", "wb") as f, contextlib.suppress(OSError):
            os.posix_fallocate(f.fileno(), 0, max(taken.f_bavail * taken.f_frsize - leave, 4096))
        with open(self.place / "filler", "ab", buffering=0) as f, contextlib.suppress(OSError):
            while leave == 0:  # what posix_fallocate left over
                f.write(bytes(4096))

    def free(self):
        (self.place / "filler").unlink()

    def fail(self):
        """An error of the disk, after which the kernel makes the file system read-only."""
        source = self._run("findmnt", "-n", "-o", "SOURCE", self.place).strip()
        pathlib.Path("/sys/fs/ext4", pathlib.Path(source).name, "trigger_fs_error").write_text("by a test\n")

    def repair(self):
        """What an operator does after fail(): unmount, check, mount."""
        self.unmount()
        subprocess.run(["fsck.ext4", "-p", "-f", self.image], check=False, capture_output=True, timeout=120)
        self.mount()

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.unmount()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def small_disk(megabytes):
    """A Disk in mounts of this thread's own; skips where none can be had."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a loop device")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(own_mounts())
            disk = Disk(megabytes)
        except (OSError, subprocess.CalledProcessError) as e:
            pytest.skip(f"no loop device with ext4 here: {getattr(e, 'stderr', e)}")
        stack.callback(disk.close)
        yield disk
