"""Debian's Exim as a peer: unpacked, with a configuration and folders of its own, on one loopback port."""
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from peers_mail import crlf
from peers_unpack import environment, unpacked
from postroad import end, free_port, until

USER = "mail"  # in every Debian, and owns nothing here

CONFIGURATION = """
exim_path = {exim}
exim_user = {user}
exim_group = {user}
deliver_drop_privilege = true
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH : ^NSS_WRAPPER_
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
primary_hostname = exim.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_hosts =
qualify_domain = exim.example
prdr_enable = true
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = to
acl_smtp_data = text
{tls}

begin acl
to:
  deny local_parts = nobody : gone
       message = 550 5.1.1 no such person here
  accept
text:
  accept

begin routers
lost:
  driver = redirect
  local_parts = late-gone
  data = :fail: this mailbox is lost
  allow_fail
mailbox:
  driver = accept
  domains = x.example : y.example : there.example : sender.example
  transport = maildir
onward:
  driver = manualroute
  route_list = * 127.0.0.1::{relay}
  self = send
  transport = smtp

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
  user = {user}
smtp:
  driver = smtp
  hosts_{insists}_tls = *
  hosts_try_fastopen = !*

begin retry
* * F,1h,1m
"""


class Exim:
    """tls: (certificate, key) that it offers; relay: port where all but its own domains go, with TLS if
    tls_out, else without."""

    def __init__(self, tls=None, relay=1, tls_out=False):
        if os.geteuid() != 0:
            pytest.skip("Exim can only be started by root")
        self.package = unpacked("exim", "exim4-daemon-light", "libidn12", "libgnutls-dane0")
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-exim-"))
        self.process = None
        try:
            self._configure(tls, relay, tls_out)
            self._start()
        except BaseException:
            self.close()
            raise

    def _configure(self, tls, relay, tls_out):
        exim = self.package / "usr/sbin/exim4"
        exim.chmod(0o755)  # not set-user-id: it is not installed
        (self.folder / "spool").mkdir()
        (self.folder / "log").mkdir()
        offered = "tls_advertise_hosts ="
        if tls:
            certificate, key = (shutil.copy(path, self.folder) for path in tls)
            offered = f"tls_advertise_hosts = *\ntls_certificate = {certificate}\ntls_privatekey = {key}"
        (self.folder / "conf").write_text(CONFIGURATION.format(
            exim=exim, user=USER, folder=self.folder, port=self.port, tls=offered, relay=relay,
            insists="require" if tls_out else "avoid"))
        # The package insists on a user Debian-exim, which is not made: libnss-wrapper shows it one.
        user = pwd.getpwnam(USER)
        (self.folder / "passwd").write_text(pathlib.Path("/etc/passwd").read_text() +
                                            f"Debian-exim:x:{user.pw_uid}:{user.pw_gid}::/nonexistent:/bin/false\n")
        (self.folder / "group").write_text(pathlib.Path("/etc/group").read_text() + f"Debian-exim:x:{user.pw_gid}:\n")
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(self.folder / "conf", 0, 0)

    def _start(self):
        variables = {**environment(self.package), "LD_PRELOAD": "libnss_wrapper.so",
                     "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"), "NSS_WRAPPER_GROUP": str(self.folder / "group")}
        command = [self.package / "usr/sbin/exim4", "-C", self.folder / "conf"]
        probe = subprocess.run([*command, "-bV"], env=variables, capture_output=True, text=True, check=False)
        if "libnss_wrapper" in probe.stderr:
            pytest.skip("libnss-wrapper is not installed")
        assert probe.returncode == 0, probe.stdout + probe.stderr
        with open(self.folder / "said", "wb") as out:
            self.process = subprocess.Popen([*command, "-bdf", "-q1m"], env=variables, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)

        def listens():
            assert self.process.poll() is None, (self.folder / "said").read_text() + self.log
            return "daemon started" in self.log
        until(listens, 20, "Exim's start")

    @property
    def log(self):
        """Main, reject and panic log."""
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "log").glob("*")))

    def passed_on(self):
        """Until its queue is empty."""
        until(lambda: not list((self.folder / "spool/input").glob("*-[HD]")), 60, "Exim's empty queue")
        assert "panic" not in self.log.lower(), self.log

    def kept(self):
        """All that it has delivered to mailboxes, with the line ends it had on the wire."""
        return [crlf(path.read_bytes()) for path in sorted((self.folder / "mail/new").glob("*"))]

    def close(self):
        if self.process:
            end(self.process)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)
