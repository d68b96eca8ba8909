"""Debian's Dovecot as the server that keeps the mailboxes: its LMTP service alone, on one loopback port."""
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from peers_mail import crlf
from peers_unpack import on_top, skip_without_overlay, unpacked
from postroad import bound, connects, end, free_port, until

OWNER, INTERNAL = "mail", "games"  # in every Debian, and own nothing here

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {internal}
default_internal_group = {internal}
default_login_user = nobody
protocols = lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mail_plugins = quota
quota_full_tempfail = yes
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
  default_fields = uid={owner} gid={owner} home={folder}/mail/%u
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service config {{
  executable = /usr/lib/dovecot/config -c {folder}/conf
}}
"""


class Dovecot:
    """users: {address: octets it may keep, or None for as many as come}. No other address exists."""

    def __init__(self, users):
        if os.geteuid() != 0:
            pytest.skip("Dovecot can only be started by root")
        self.package = unpacked("dovecot", "dovecot-core", "dovecot-lmtpd", "libexttextcat-2.0-0", "liblua5.4-0",
                                "libstemmer0d", "libsodium23", "libunwind8", "libwrap0", "libapparmor1")
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-dovecot-"))
        self.folder.chmod(0o755)
        self.process = None
        try:
            self._configure(users)
            self.start()
        except BaseException:
            self.close()
            raise

    def _configure(self, users):
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o755)
        shutil.chown(self.folder / "mail", OWNER, pwd.getpwnam(OWNER).pw_gid)
        rules = {user: f"userdb_quota_rule=*:bytes={most}" if most else "" for user, most in users.items()}
        (self.folder / "users").write_text("".join(f"{user}:::::::{rule}\n" for user, rule in rules.items()))
        (self.folder / "conf").write_text(CONFIGURATION.format(folder=self.folder, port=self.port, owner=OWNER,
                                                               internal=INTERNAL))

    def start(self):
        """Its programs insist on /usr/lib/dovecot."""
        with open(self.folder / "said", "wb") as out:
            self.process = subprocess.Popen(
                [*bound(), *on_top(self.package, ["/usr/sbin/dovecot", "-F", "-c", self.folder / "conf"])],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def listens():
            said = (self.folder / "said").read_text()
            skip_without_overlay(self.process.poll(), said)
            assert self.process.poll() is None, said + self.log
            return connects(self.port)
        until(listens, 20, "Dovecot's start")

    def stop(self):
        end(self.process)
        self.process = None

    @property
    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kept(self, address):
        """What lies in a mailbox, with the line ends it had on the wire."""
        return [crlf(path.read_bytes()) for path in sorted((self.folder / "mail" / address / "new").glob("*"))]

    def close(self):
        if self.process:
            self.stop()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)
