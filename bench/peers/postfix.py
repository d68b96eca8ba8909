"""Debian's Postfix as a peer, run from an unpacked package with folders of its own, on one loopback port.

    with Postfix(folder, relay="127.0.0.1:2525") as peer:
        smtplib.SMTP("127.0.0.1", peer.port).sendmail(...)
        assert peer.wait_queue_empty(30)

Nothing of the machine is used or changed: no user, no /etc/postfix, no service. Postfix must be started by root (it
drops its rights itself), and every folder above `folder` must let others pass, as its processes have no rights but
those. `why_not()` says what is missing, for tests that skip then.
"""
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
import procs  # noqa: E402  (the folder above is not a package)

TEMPLATES = HERE / "postfix"
# In Debian's base-passwd, so always there. Postfix refuses root's, and those of default_privs (nobody).
OWNER, GROUP = "mail", "games"
DELIVER_AS = "nobody"
# Folder below the queue: mode, owned by OWNER (else root), with group GROUP. From the package's postfix-files.
QUEUE_FOLDERS = {
    "active": 0o700, "bounce": 0o700, "corrupt": 0o700, "defer": 0o700, "deferred": 0o700, "flush": 0o700,
    "hold": 0o700, "incoming": 0o700, "private": 0o700, "saved": 0o700, "trace": 0o700,
    "maildrop": 0o1730, "public": 0o2710, "pid": 0o755,
}
WAITING = ("maildrop", "incoming", "active", "deferred", "hold")


def unpacked():
    """The folder with the package's files; unpacks it on first use."""
    out = subprocess.run([REPOSITORY / "scripts/peers", "postfix"], stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(out.stdout.strip())


def why_not():
    """None when Postfix can be run here, else the reason in words."""
    if os.geteuid() != 0:
        return "Postfix can only be started by root"
    try:
        pwd.getpwnam(OWNER), pwd.getpwnam(DELIVER_AS), grp.getgrnam(GROUP)
        unpacked()
    except KeyError as error:
        return f"no such user or group: {error}"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"Debian's postfix package cannot be fetched: {error}"
    return None


def version():
    """The package's own version, such as 3.7.11."""
    run = subprocess.run([unpacked() / "usr/sbin/postconf", "-dh", "mail_version"], env=environment(unpacked()),
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return run.stdout.strip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def greets(port):
    """Does an SMTP server on this loopback port say hello?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


def end(pid, number):
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def environment(root):
    """Variables with which the unpacked programs find each other and their libraries."""
    libraries = [root / "usr/lib/postfix", *sorted((root / "usr/lib").glob("*-linux-gnu"))]
    return {"PATH": f"{root}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C",
            "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _tool(root, name, *arguments):
    run = subprocess.run([root / "usr/sbin" / name, *map(str, arguments)], env=environment(root), check=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return run.stdout


def _next_hop(where):
    """ "HOST:PORT" as Postfix writes it: in brackets, so that no MX is looked for."""
    host, port = where.rsplit(":", 1)
    return f"[{host.strip('[]')}]:{port}"


class Postfix:
    """One instance in one folder.

    folder           made if need be; removed by nobody but the caller
    port             where it listens on 127.0.0.1; 0 takes a free one
    relay            "HOST:PORT": everything not local goes there (relayhost)
    tls              (certificate file, key file): offers STARTTLS
    client_tls       smtp_tls_security_level when it sends: "none", "may" (no verification), "encrypt"
    mynetworks       clients that may relay
    relay_domains    domains it takes mail for and passes on
    transport        {domain or address or "*": "smtp:HOST:PORT" or "lmtp:HOST:PORT" or any Postfix transport}
    virtual_aliases  {address or "@domain": address or list of addresses}
    aliases          {local part at `hostname`: value as in /etc/aliases, such as ":include:/file"}
    mailboxes        addresses, or "@domain" for all of one: kept in maildirs, see messages()
    settings         further main.cf parameters; they win
    wrapper          command put in front of master, such as strace
    services         lines added to master.cf
    files            {name: text}: further files in the configuration folder
    resolver         address of a name server (port 53) that it asks instead of the machine's own; it then runs with a
                     private mount namespace, where /etc/resolv.conf names that one
    """

    def __init__(self, folder, port=0, relay=None, *, tls=None, client_tls="none", mynetworks="127.0.0.0/8",
                 relay_domains=(), transport=None, virtual_aliases=None, aliases=None, mailboxes=(),
                 hostname="postfix.example", settings=None, wrapper=(), services="", files=None, resolver=None):
        self.folder = pathlib.Path(folder).absolute()
        self.port = port or free_port()
        self.relay, self.tls, self.client_tls = relay, tls, client_tls
        self.mynetworks, self.hostname = mynetworks, hostname
        self.relay_domains, self.transport = list(relay_domains), dict(transport or {})
        self.virtual_aliases, self.aliases = dict(virtual_aliases or {}), dict(aliases or {})
        self.mailboxes = list(mailboxes)
        self.settings = dict(settings or {})
        self.wrapper = list(wrapper)
        self.services, self.files, self.resolver = services, dict(files or {}), resolver
        self.etc, self.queue_folder = self.folder / "etc", self.folder / "queue"
        self.maillog = self.folder / "maillog"
        self.process = None
        self.errors = ""  # what master said before it had a log
        self.root = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- configuration ----

    def _folders(self):
        owner, group = pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(GROUP).gr_gid
        for path in (self.folder, self.etc, self.queue_folder):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        if re.search(r"[\s,$]", str(self.folder)):
            raise ValueError(f"main.cf cannot name this folder: {self.folder}")
        for above in self.folder.parents:
            if not above.stat().st_mode & stat.S_IXOTH:
                raise PermissionError(f"Postfix's processes cannot pass {above}: chmod o+x, or take another folder")
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        data.chmod(0o700)
        os.chown(data, owner, 0)
        for name, mode in QUEUE_FOLDERS.items():
            path = self.queue_folder / name
            path.mkdir(exist_ok=True)
            os.chown(path, 0 if name == "pid" else owner, group if name in ("maildrop", "public") else 0)
            path.chmod(mode)
        if self.mailboxes:
            mail = self.folder / "mail"
            mail.mkdir(exist_ok=True)
            os.chown(mail, pwd.getpwnam(DELIVER_AS).pw_uid, -1)

    def _map(self, name, entries):
        """Write a table and return its name for main.cf. Large ones are indexed, as a text table is read anew by
        every process."""
        path = self.etc / name
        lines = []
        for key, value in entries.items():
            value = value if isinstance(value, str) else ", ".join(value)
            lines.append(f"{key} {value}\n")
        path.write_text("".join(lines))
        if path.stat().st_size < 65536:
            return f"texthash:{path}"
        _tool(self.root, "postmap", "-c", self.etc, f"hash:{path}")
        return f"hash:{path}"

    def _mailbox_settings(self):
        paths = {}
        for address in self.mailboxes:
            local, domain = address.rsplit("@", 1)
            paths[address] = f"{domain}/{local or '@'}/"
        user = pwd.getpwnam(DELIVER_AS)
        return {
            "virtual_mailbox_domains": ", ".join(sorted({a.rsplit("@", 1)[1] for a in self.mailboxes})),
            "virtual_mailbox_base": self.folder / "mail",
            "virtual_mailbox_maps": self._map("mailboxes", paths),
            "virtual_uid_maps": f"static:{user.pw_uid}",
            "virtual_gid_maps": f"static:{user.pw_gid}",
        }

    def _asked_for(self):
        """main.cf parameters for what this instance was asked to do."""
        s = {"smtp_tls_security_level": self.client_tls}
        if self.tls:
            s.update(smtpd_tls_security_level="may", smtpd_tls_cert_file=self.tls[0], smtpd_tls_key_file=self.tls[1])
        if self.relay_domains:
            s["relay_domains"] = ", ".join(self.relay_domains)
        if self.transport:
            hops = {}
            for key, value in self.transport.items():
                kind, _, where = value.partition(":")
                plain = kind in ("smtp", "lmtp", "relay") and re.fullmatch(r"\S+:\d+", where)
                inet = "inet:" if kind == "lmtp" else ""
                hops[key] = f"{kind}:{inet}{_next_hop(where)}" if plain else value
            s["transport_maps"] = self._map("transport", hops)
        if self.virtual_aliases:
            s["virtual_alias_maps"] = self._map("virtual", self.virtual_aliases)
            domains = {k.rsplit("@", 1)[1] for k in self.virtual_aliases} - {self.hostname, *self.relay_domains}
            s["virtual_alias_domains"] = ", ".join(sorted(domains - {a.rsplit("@", 1)[1] for a in self.mailboxes}))
        if self.aliases:
            s["alias_maps"] = self._map("aliases", self.aliases)
        if self.mailboxes:
            s.update(self._mailbox_settings())
        s.update(self.settings)
        return s

    def _configure(self):
        values = {"ROOT": self.root, "FOLDER": self.folder, "OWNER": OWNER, "GROUP": GROUP, "PORT": self.port,
                  "HOSTNAME": self.hostname, "MYNETWORKS": self.mynetworks,
                  "RELAYHOST": _next_hop(self.relay) if self.relay else ""}
        for name in ("main.cf", "master.cf"):
            text = (TEMPLATES / name).read_text()
            (self.etc / name).write_text(re.sub("@([A-Z]+)@", lambda m: str(values.get(m[1], m[0])), text))
        with open(self.etc / "master.cf", "a", encoding="utf-8") as f:
            f.write(self.services)
        for name, text in self.files.items():
            (self.etc / name).write_text(text)
        asked = self._asked_for()  # postmap reads the main.cf written above
        kept = [line for line in (self.etc / "main.cf").read_text().splitlines(keepends=True)
                if line.split("=")[0].strip() not in asked]
        kept.append("\n# For this run.\n")
        kept.extend(f"{name} = {value}\n" for name, value in asked.items())
        (self.etc / "main.cf").write_text("".join(kept))
        # Postfix reads a file that is younger than a second again and again until it is not.
        past = time.time() - 10
        for path in self.etc.iterdir():
            os.utime(path, (past, past))

    def _own_resolver(self):
        """Command prefix: replaced by master, so that its process id stays that of the process we started."""
        if not self.resolver:
            return []
        file = self.etc / "resolv.conf"
        file.write_text(f"nameserver {self.resolver}\n")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, file]

    # ---- running ----

    def start(self, timeout=20):
        """Write the configuration anew, start master, return when the port greets."""
        self.root = unpacked()
        self._folders()
        self._configure()
        # -s keeps standard output; our own session, so that a Ctrl-C of the caller does not reach it twice.
        command = [*self.wrapper, *self._own_resolver(), self.root / "usr/lib/postfix/sbin/master", "-s", "-c",
                   self.etc]
        self.process = subprocess.Popen([str(c) for c in command], env=environment(self.root), start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + timeout
        while not greets(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Postfix did not start: {self.errors}{self.log()[-2000:]}")
            time.sleep(0.02)

    def pids(self):
        """master and all it started, as living process ids; a wrapper, which only watches, is left out."""
        found = procs.tree(self.process.pid) if self.process else []
        return found[1:] if self.wrapper else found

    def stop(self, timeout=10):
        """End master and wait for every child. Mail not yet delivered stays in the queue."""
        if not self.process:
            return
        born = {pid: procs.start_time(pid) for pid in procs.tree(self.process.pid)}
        masters = self.pids()[:1] or [self.process.pid]
        for pid in masters:
            end(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while any(t is not None and procs.start_time(pid) == t for pid, t in born.items()):
            if time.monotonic() > deadline:
                for pid, t in born.items():
                    if t is not None and procs.start_time(pid) == t:
                        end(pid, signal.SIGKILL)
                break
            self.process.poll()
            time.sleep(0.01)
        self.errors = self.process.communicate()[1].decode(errors="replace")
        self.process = None

    def reload(self):
        """Write the configuration anew and have it read."""
        self._configure()
        end(self.pids()[0], signal.SIGHUP)

    # ---- looking ----

    def _waiting(self):
        """Is any message left? Asked in the order mail moves, so that none slips through."""
        for name in WAITING:
            for _, _, files in os.walk(self.queue_folder / name):
                if files:
                    return True
        return False

    def wait_queue_empty(self, timeout, interval=0.02):
        """True when nothing is left to deliver, deferred and held mail included."""
        deadline = time.monotonic() + timeout
        while True:
            # Twice: a bounce is queued behind what was just looked at.
            if not self._waiting() and not self._waiting():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(interval)

    def queue(self):
        """The queue as `postqueue -j` tells it: one dictionary a message."""
        text = _tool(self.root, "postqueue", "-c", self.etc, "-j")
        return [json.loads(line) for line in text.splitlines()]

    def flush(self):
        """Try deferred mail now."""
        _tool(self.root, "postqueue", "-c", self.etc, "-f")

    def log(self):
        return self.maillog.read_text(errors="replace") if self.maillog.exists() else ""

    def messages(self, address):
        """What was delivered to one of `mailboxes`, oldest first, as bytes with LF, Postfix's three fields on top."""
        local, domain = address.rsplit("@", 1)
        new = self.folder / "mail" / domain / (local or "@") / "new"
        files = sorted(new.iterdir(), key=lambda p: (p.stat().st_mtime_ns, p.name)) if new.is_dir() else []
        return [p.read_bytes() for p in files]

    def remove(self):
        """Delete the instance's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
