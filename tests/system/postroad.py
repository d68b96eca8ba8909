"""The harness of the system tests: instances of Postroad and the peers they talk to, on free loopback ports.

Everything here is ended by process id. Nothing waits for a fixed time: `until` polls with a deadline.
"""
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("stored", "smtpd", "router", "deliver", "archived")
# What a sanitizer, or the check of a store query, writes into a role's log when it found something.
REPORTS = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed|BUG: ")


def until(function, timeout=20, what=None):
    """Call function until what it returns is true, and return that."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        got = function()
        if got:
            return got
        if time.monotonic() > deadline:
            name = what or getattr(function, "__name__", "condition")
            raise AssertionError(f"{name}: not within {timeout} s; last value {got!r}")
        time.sleep(pause)
        pause = min(pause * 2, 0.2)  # what is asked is often a process


# ---- ports ----

_ports = None


def free_port():
    """A port nobody listens on, outside the range the kernel hands to outgoing connections, and of this test
    process alone as long as every one of them uses this function."""
    global _ports
    if _ports is None:
        worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
        low = 10000 + 1000 * (worker % 20)
        _ports = itertools.cycle(random.sample(range(low, low + 1000), 1000))
    for port in itertools.islice(_ports, 1000):
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port")


def connects(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def bound(number="TERM"):
    """In front of a command: it gets this signal when the test process dies, however that happens."""
    return ["setpriv", "--pdeathsig", number]


def end(process, timeout=30):
    """SIGTERM, then SIGKILL. The exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


# ---- an instance ----

class CommandFailed(AssertionError):
    pass


class Instance:
    """A Postroad instance in a folder of its own: `with Instance(...) as p: p.start() ...`."""

    command_leaks = False  # looking for leaks doubles what a command costs: test_cli does it
    commanding = None  # what runs commands, if not `program`
    looking = None  # what looks at the instance, again and again until it sees something, if not `program`

    def __init__(self, folder, build, store="sqlite", postgresql=None, domain="example.org", relay=None,
                 settings=None, lmtp=False, tls=False):
        self.dir = pathlib.Path(folder)
        self.log_folder = self.dir.parent
        self.build = pathlib.Path(build)
        self.engine = store
        self.domain = domain
        self.port = free_port()
        self.lmtp_port = free_port() if lmtp else None
        self.processes = []
        self.logs = []
        self.expected_deaths = 0
        self.allow_deaths = False
        self.allow_reports = False
        self.failed = False
        self.database = None
        self.postgresql = postgresql
        if store == "postgresql":
            self.database = postgresql.new_database()
        settings = {"hostname": "mx.example.org", "relay_networks": "127.0.0.0/8", "drain_timeout": "5s",
                    "dns_servers": "127.0.0.1@1", **(settings or {})}
        words = ["--domain", domain, "--smtp", f"127.0.0.1:{self.port}"]
        if lmtp:
            words += ["--lmtp", f"127.0.0.1:{self.lmtp_port}"]
        if not tls:
            words += ["--no-tls"]
        if relay is not None:
            words += ["--relay", f"127.0.0.1:{getattr(relay, 'port', relay)}"]
        if self.database:
            words += ["--store", self.database]
        for name, value in settings.items():
            words += ["--set", f"{name}={value}"]
        self._run([self.program, "init", self.dir, *words])
        self.open_lists()

    def open_lists(self):
        """Everybody's post passes: most tests are about what comes behind the rules of lists."""
        self._run([self.program, "-C", self.dir, "list", "set", "all", "default_member_action=accept",
                   "default_nonmember_action=accept"])

    def sql(self, statement):
        """The first column of what the store's database answers, as texts; of a SQLite file only while nothing runs."""
        if self.database:
            name = urllib.parse.urlsplit(self.database).path[1:]
            return self.postgresql.sql(f"SET search_path = postroad; {statement}", name).stdout.splitlines()
        with contextlib.closing(sqlite3.connect(self.dir / "data/store.db")) as db, db:
            return [str(row[0]) for row in db.execute(statement)]

    # -- processes

    @property
    def program(self):
        return self.build / "postroad"

    @staticmethod
    def environment(leaks=True):
        return {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", f"abort_on_error=0:detect_leaks={leaks:d}")}

    def start(self, *roles, wait=True, program=None, environment=None):
        """`postroad run` with these roles, or with all. Waits until each says it has started."""
        log = self.log_folder / f"{self.dir.name}.log{len(self.logs)}"
        with open(log, "wb") as out:
            process = subprocess.Popen([*bound(), program or self.program, "-C", self.dir, "run", *roles],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       env={**self.environment(), **(environment or {})})
        self.processes.append(process)
        self.logs.append(log)
        if wait:
            names = set(roles or ROLES) | {"stored"}
            if self.engine == "postgresql":
                names.discard("stored")

            def started():
                text = log.read_text(errors="replace")
                assert process.poll() is None and " cannot-start " not in text, f"postroad run failed: {text}"
                return all(f" {n} started " in text for n in names)
            until(started, 30, "the roles' start")
            if "smtpd" in names:
                until(lambda: " smtpd listening service=smtp " in log.read_text(errors="replace"), 30, "the SMTP port")
        return self

    def stop(self, timeout=60):
        """SIGTERM to the supervisor; its exit status."""
        process = self.processes[-1]
        process.terminate()
        return process.wait(timeout)

    def restart(self, *roles):
        assert self.stop() == 0
        return self.start(*roles)

    def pid(self, role):
        """The process id of a role that runs, or of the supervisor."""
        if role == "supervisor":
            return self.processes[-1].pid
        found = re.findall(rf" role-started role={role} pid=(\d+)", self.logs[-1].read_text(errors="replace"))
        return int(found[-1]) if found else None

    def kill(self, role, number=signal.SIGKILL, wait=True):
        """Signal a role; waits until the supervisor has started its successor."""
        pid = self.pid(role)
        self.expected_deaths += 1
        os.kill(pid, number)
        if wait:
            until(lambda: self.pid(role) != pid, 30, f"the restart of {role}")
            new = self.pid(role)
            until(lambda: f" {role} started pid={new}" in self.log, 30, f"the start of {role}")
        return pid

    def kill_all(self):
        """kill -9 of the supervisor and every role at once; waits until they are gone."""
        pids = [self.pid("supervisor"), *filter(None, map(self.pid, ROLES))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it may go with the supervisor
                os.kill(pid, signal.SIGKILL)
        self.processes[-1].wait(30)

        def is_gone(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                return True
        until(lambda: all(map(is_gone, pids)), 30, "the end of all roles")

    @property
    def log(self):
        return "".join(path.read_text(errors="replace") for path in self.logs)

    # -- the command line

    def _run(self, command, input=None, check=True, timeout=120, text=True):
        got = subprocess.run([str(c) for c in command], capture_output=True, timeout=timeout, check=False,
                             text=text, env=self.environment(self.command_leaks),
                             **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}))
        errors = got.stderr if text else got.stderr.decode(errors="replace")
        if REPORTS.search(errors):
            raise CommandFailed(f"{command}: {errors}")
        if check and got.returncode != 0:
            raise CommandFailed(f"{command}: status {got.returncode}: {got.stdout!r} {errors}")
        return got

    def run(self, *args, **options):
        """A command; the finished process, with returncode, stdout and stderr. check=False: may fail."""
        return self._run([self.commanding or self.program, "-C", self.dir, *args], **options)

    def _look(self, *args, **options):
        return self._run([self.looking or self.program, "-C", self.dir, *args], **options)

    def quick(self, *args, **options):
        """One of very many commands, by a build that starts fast; what it printed."""
        return self._look(*args, **options).stdout

    def cli(self, *args, **options):
        """A command; what it printed."""
        return self.run(*args, **options).stdout

    def json(self, *args, **options):
        """A command with --json; what it printed, parsed."""
        return json.loads(self.run("--json", *args, **options).stdout)

    def fails(self, *args, status=None, **options):
        """A command that must fail, and must say why; what it said."""
        got = self.run(*args, check=False, **options)
        assert got.returncode not in (0, 70) and got.returncode > 0, (args, got)
        if status is not None:
            assert got.returncode == status, (args, got)
        assert got.stderr.strip(), (args, got)
        return got.stderr

    def wait(self, timeout=30):
        """Until nothing is left to do."""
        self._look("queue", "wait", "--timeout", f"{timeout}s", timeout=timeout + 60)
        return self

    def clock(self, forward):
        return self._look("clock", forward).stdout

    def trace(self, what):
        return self.json("trace", what)

    def events(self, what, kind, recipient=None):
        """The rows of a trace of one kind, such as delivered, for a recipient if given."""
        got = self._look("--json", "trace", what, check=False)
        rows = json.loads(got.stdout) if got.returncode == 0 else []
        return [r for r in rows if r["event"] == kind and recipient in (None, r["recipient"])]

    def queue(self):
        return json.loads(self._look("--json", "queue", "show").stdout)

    def metrics(self):
        """{name: value summed over the roles, (name, role): value}, as the OpenMetrics text says."""
        found = {}
        for line in self._look("metrics").stdout.splitlines():
            match = re.fullmatch(r'(\w+)\{role="(\w+)"\} (\S+)', line)
            if match:
                name, role, value = match[1], match[2], float(match[3])
                found[name, role] = value
                found[name] = found.get(name, 0) + value
        return found

    # -- posting

    def smtp(self, **options):
        return smtplib.SMTP("127.0.0.1", self.port, timeout=30, **options)

    def raw(self, **options):
        return Raw(self.port, **options)

    def post(self, sender, recipients, octets, options=()):
        """Send octets (CRLF line ends, no dot stuffing yet) in a transaction of its own; the queue id."""
        with self.raw() as c:
            return c.post(sender, [recipients] if isinstance(recipients, str) else recipients, octets, options)

    def rcpt(self, address):
        """What RCPT says of an address, in a session of its own."""
        with self.raw() as c:
            c.cmd("MAIL FROM:<me@sender.example>")
            return c.cmd(f"RCPT TO:<{address}>")

    # -- the archive

    def posts(self, mailing_list):
        """What `archive ls` says; nothing while the list has no files yet."""
        got = self._look("--json", "archive", "ls", mailing_list, check=False)
        return json.loads(got.stdout) if got.returncode == 0 else []

    def archive(self, mailing_list, kind="public"):
        local, domain = mailing_list.split("@")
        return self.dir / "data/archive" / kind / domain / local

    # -- the end

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        for process in self.processes:
            end(process)
        if kind is None:
            self.assert_healthy()

    def assert_healthy(self):
        """No sanitizer report, and no role that died but by our hand."""
        log = self.log
        if not self.allow_reports:
            found = REPORTS.search(log)
            assert not found, log[max(0, found.start() - 200):found.start() + 4000]
        if not self.allow_deaths:
            deaths = [line for line in log.splitlines() if " role-died " in line]
            assert len(deaths) <= self.expected_deaths, "\n".join(deaths)


# ---- clients ----

@dataclasses.dataclass
class Reply:
    code: int
    lines: list

    @property
    def text(self):
        return "\n".join(self.lines)

    def __eq__(self, other):
        return self.code == other

    def __repr__(self):
        return f"{self.code} {self.lines}"


class Raw:
    """An SMTP client that sends exactly the octets it is told to."""

    def __init__(self, port, greet=True, timeout=30, source=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.banner = None
        self.extensions = {}
        if greet:
            self.banner = self.reply()
            assert self.banner == 220, self.banner
            self.ehlo()

    def send(self, octets):
        self.socket.sendall(octets.encode() if isinstance(octets, str) else octets)

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError(f"connection closed after {lines}")
            assert line.endswith(b"\r\n"), line
            assert re.match(rb"\d{3}[ -]", line), line
            lines.append(line[4:-2].decode())
            if line[3:4] == b" ":
                return Reply(int(line[:3]), lines)

    def cmd(self, line):
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def ehlo(self, name="client.example"):
        got = self.cmd(f"EHLO {name}")
        assert got == 250, got
        self.extensions = dict((line.split(" ", 1) + [""])[:2] for line in got.lines[1:])
        return got

    def starttls(self):
        got = self.cmd("STARTTLS")
        assert got == 220, got
        self.wrap()
        return self.ehlo()

    def wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.file.close()
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def begin(self, sender="me@sender.example", *recipients, options=()):
        """MAIL, RCPT..., DATA: ready for the text."""
        got = self.cmd(f"MAIL FROM:<{sender}>" + "".join(f" {o}" for o in options))
        assert got == 250, got
        for recipient in recipients:
            got = self.cmd(f"RCPT TO:<{recipient}>")
            assert got == 250, got
        got = self.cmd("DATA")
        assert got == 354, got

    def data(self, octets):
        """The text of a message, dots stuffed, and its end; the reply."""
        if not octets.endswith(b"\r\n") and octets:
            octets += b"\r\n"
        stuffed = re.sub(rb"(?m)^\.", b"..", octets)
        self.send(stuffed + b".\r\n")
        return self.reply()

    def post(self, sender, recipients, octets, options=()):
        self.begin(sender, *recipients, options=options)
        got = self.data(octets)
        assert got == 250, got
        return got.text.rsplit(" ", 1)[-1]

    def closed(self):
        """True when the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            return self.file.read(1) == b""
        return True

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Lmtp(Raw):
    """A client that says LHLO."""

    def ehlo(self, name="client.example"):
        got = self.cmd(f"LHLO {name}")
        assert got == 250, got
        self.extensions = dict((line.split(" ", 1) + [""])[:2] for line in got.lines[1:])
        return got


def message(subject="hi", body="hello\r\n", sender="me@sender.example", to="news@example.org", id=None, fields=""):
    """A small message with CRLF line ends; fields are further header lines, each with its CRLF."""
    id = id or f"{random.getrandbits(64):x}@test.example"
    body = body.encode() if isinstance(body, str) else body
    head = (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{id}>\r\n{fields}\r\n")
    return head.encode() + body


def message_id(octets):
    return re.search(rb"(?mi)^message-id: *<([^>]*)>", octets)[1].decode()


# ---- servers that take our mail ----

@dataclasses.dataclass
class Mail:
    sender: str
    recipients: list
    octets: bytes

    @property
    def added(self):
        """The header fields that came on top of the octets as posted, up to the end of the first Received."""
        return re.match(rb"(?is)\AReceived:.*?\r\n(?![ \t])", self.octets)[0]


class Sink:
    """A running postroad-sink that dumps what it takes. Options are those of postroad-sink."""

    def __init__(self, folder, build, *options, port=0):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build = pathlib.Path(build)
        self.options = options
        self.process = None
        self.port = port
        self.numbers = itertools.count()
        self.dumps = []
        self.start()

    def start(self, *options):
        """Start, again if it was stopped: on the same port, with other options if given."""
        dump = self.folder / f"dump{next(self.numbers)}"
        dump.mkdir()
        self.dumps.append(dump)
        command = [*bound(), self.build / "bench/postroad-sink", "-l", f"127.0.0.1:{self.port}", "--dump", dump,
                   *(options or self.options)]
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=Instance.environment())
        line = self.process.stderr.readline()
        assert line.startswith("listening"), line + self.process.stderr.read()
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self):
        """The statistics of this run."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, (self.process.returncode, out, err)
        return json.loads(out.splitlines()[-1])

    def mails(self):
        """Every message taken so far, in order."""
        found = []
        for dump in self.dumps:
            for envelope in sorted(dump.glob("*.env")):
                lines = envelope.read_bytes().decode("utf-8", "surrogateescape").split("\n")
                found.append(Mail(lines[0], lines[1:-1], envelope.with_suffix(".eml").read_bytes()))
        return found

    def recipients(self):
        """Every recipient of every message, sorted, as often as it came."""
        return sorted(r for m in self.mails() for r in m.recipients)

    def to(self, recipient):
        """The messages to one recipient."""
        return [m for m in self.mails() if recipient in m.recipients]

    def one(self, recipient, timeout=20):
        """The one message to a recipient; waits for it."""
        until(lambda: self.to(recipient), timeout, f"mail to {recipient}")
        found = self.to(recipient)
        assert len(found) == 1, found
        return found[0]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            end(self.process)
        self.process.communicate()


DROP = object()  # close the connection instead of answering
HANG = object()  # do not answer, until the other side goes or the server ends


class PySink:
    """A small scripted SMTP server, for what a well-behaved one never does.

    script: {"banner" | "EHLO" | "MAIL" | "RCPT" | "DATA" | "." | "RSET" | "QUIT" | ...: reply}. A reply is text such
    as "450 4.2.0 later" (several lines with "\\n"), DROP, HANG, or a function of (server, session, line) that
    returns one of those. Everything is logged in `sessions`, every message taken in `mails`.
    """
    EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")

    def __init__(self, script=None, extensions=EXTENSIONS, tls=None, port=0, host="127.0.0.1"):
        self.script = dict(script or {})
        self.extensions = list(extensions)
        self.tls = tls  # (certificate, key)
        self.sessions = []
        self.mails = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            session = {"from": peer[0], "commands": [], "mail": None, "tls": False, "number": len(self.sessions), "segments": []}
            with self.lock:
                self.sessions.append(session)
                self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, session), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _answer(self, key, default, session, line=""):
        reply = self.script.get(key, default)
        return reply(self, session, line) if callable(reply) else reply

    def _send(self, session, reply):
        if reply is HANG:
            self.stopping.wait(60)
            return False
        if reply is DROP or reply is None:
            return False
        lines = reply.split("\n")
        text = "".join(f"{line[:3]}{'-' if i + 1 < len(lines) else ' '}{line[4:]}\r\n" for i, line in enumerate(lines))
        session["socket"].sendall(text.encode())
        return not reply.startswith("421")

    def _serve(self, connection, session):
        session["socket"] = connection
        session["file"] = connection.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            if self._send(session, self._answer("banner", "220 scripted.example ESMTP", session)):
                while self._command(session):
                    pass
        with contextlib.suppress(OSError):
            session["socket"].shutdown(socket.SHUT_RDWR)
        session["socket"].close()
        session["closed"] = True

    def _command(self, session):
        raw = session["file"].readline()
        if not raw:
            return False
        line = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
        verb = line.split(" ")[0].split(":")[0].upper()
        session["commands"].append(line)
        hello = "\n".join(["250 scripted.example", *(f"250 {e}" for e in self._extensions(session))])
        go_on = "354 go on" if session["mail"] and session["mail"].recipients else "503 5.5.1 no valid recipients"
        defaults = {"EHLO": hello, "HELO": "250 scripted.example", "DATA": go_on, "QUIT": "221 2.0.0 bye",
                    "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "RSET": "250 2.0.0 ok", "NOOP": "250 2.0.0 ok"}
        if verb == "STARTTLS" and self.tls:
            return self._starttls(session)
        if verb == "BDAT":
            return self._chunk(session, line)
        if verb == "MAIL":
            session["mail"] = Mail(re.search(r"<(.*?)>", line)[1], [], b"")
        reply = self._answer(verb, defaults.get(verb, "500 5.5.2 unknown"), session, line)
        if verb == "RCPT" and isinstance(reply, str) and reply.startswith("2"):
            session["mail"].recipients.append(re.search(r"<(.*?)>", line)[1])
        if not self._send(session, reply) or verb == "QUIT":
            return False
        return self._data(session) if verb == "DATA" and reply.startswith("3") else True

    def _extensions(self, session):
        return [*self.extensions, *(["STARTTLS"] if self.tls and not session["tls"] else [])]

    def _go_ahead(self, session):
        session["socket"].sendall(b"220 2.0.0 go\r\n")

    def _starttls(self, session):
        self._go_ahead(session)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, self.tls))
        session["file"].close()
        session["socket"] = context.wrap_socket(session["socket"], server_side=True)
        session["file"] = session["socket"].makefile("rb")
        session["tls"] = True
        return True

    def _data(self, session):
        octets = b""
        while True:
            line = session["file"].readline()
            if not line:
                return False
            if line == b".\r\n":
                break
            octets += line[1:] if line.startswith(b".") else line
        session["mail"].octets = octets  # an answer may depend on it
        return self._text_taken(session, octets, self._answer(".", "250 2.0.0 taken", session))

    def _chunk(self, session, line):
        """RFC 3030: the octets come whatever the answer is."""
        _, octets, last = line.split(" ")
        assert last == "LAST", line
        octets = session["file"].read(int(octets))
        taken = "250 2.0.0 taken" if session["mail"] and session["mail"].recipients else "503 5.5.1 no valid recipients"
        return self._text_taken(session, octets, self._answer("BDAT", taken, session, line))

    def _text_taken(self, session, octets, reply):
        mail = session["mail"]
        mail.octets = octets
        if isinstance(reply, str) and reply.startswith("2"):
            with self.lock:
                self.mails.append(dataclasses.replace(mail, recipients=list(mail.recipients)))
        return self._send(session, reply)

    def commands(self):
        return [c for s in self.sessions for c in s["commands"]]

    def recipients(self):
        return sorted(r for m in self.mails for r in m.recipients)

    def to(self, recipient):
        return [m for m in self.mails if recipient in m.recipients]

    def close(self):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# ---- PostgreSQL ----

class Unavailable(Exception):
    """A peer that this machine cannot have; the message says why."""


class PostgreSQL:
    """A PostgreSQL of our own on a free loopback port, durable like a real one. No service is touched."""
    fsync = "on"

    def __init__(self):
        try:
            got = subprocess.run([ROOT / "scripts/peers", "postgresql"], capture_output=True, text=True, check=False,
                                 timeout=300)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Unavailable(f"scripts/peers postgresql: {e}") from e
        if got.returncode != 0:
            raise Unavailable(f"scripts/peers postgresql: {got.stderr.strip()[-300:]}")
        self.bin = pathlib.Path(got.stdout.strip().splitlines()[-1])
        # initdb refuses root; and the folder must be one that an unprivileged user can reach.
        drop = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        self.as_user = [*bound("INT"), *drop]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postroad-pg-", dir=self._place()))
        if drop:
            shutil.chown(self.folder, "nobody", "nogroup")
        self.numbers, self.given_back = itertools.count(1), []
        self.process = None
        self.port = free_port()
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _place():
        """Memory, where there is enough: nobody cuts this server's power, and making a database is a thousand syncs."""
        try:
            memory = os.statvfs("/dev/shm")
            roomy = os.access("/dev/shm", os.W_OK | os.X_OK) and memory.f_bavail * memory.f_frsize > 4 << 30
        except OSError:
            roomy = False
        return "/dev/shm" if roomy else None

    def _make(self):
        """initdb takes seconds; a copy of what it made before does not."""
        data, initdb = self.folder / "data", self.bin / "initdb"
        template = ROOT / f"build/pg-template-{initdb.stat().st_mtime_ns}"
        if not template.exists():
            self._initialise(data)
            mine = template.with_suffix(f".{os.getpid()}")
            subprocess.run(["cp", "-a", data, mine], check=True)
            with contextlib.suppress(OSError):  # another one was first
                mine.rename(template)
            shutil.rmtree(mine, ignore_errors=True)
        else:
            subprocess.run(["cp", "-a", template, data], check=True)

    def _initialise(self, data):
        made = subprocess.run([*self.as_user, self.bin / "initdb", "-D", data, "-U", "postroad", "--auth=trust",
                               "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], env=self.environment, text=True,
                              capture_output=True, check=False, timeout=120)
        if made.returncode != 0:
            raise Unavailable(f"initdb: {made.stderr.strip()[-300:]}")

    def start(self):
        data, log = self.folder / "data", self.folder / "log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [*self.as_user, self.bin / "postgres", "-D", data, "-p", str(self.port), "-k", self.folder,
                 "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
                 "-c", f"fsync={self.fsync}", "-c", "log_min_messages=warning"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

        def answers():
            assert self.process.poll() is None, log.read_text()
            return self.sql("SELECT 1", check=False).returncode == 0
        until(answers, 60, "PostgreSQL's start")

    def sql(self, text, database="postgres", check=True):
        psql = self.bin / "psql" if (self.bin / "psql").exists() else "psql"  # Debian's own psql is a Perl program around it
        return subprocess.run([psql, "-X", "-q", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postroad",
                               "-d", database, "-c", text], capture_output=True, text=True, check=check, timeout=60)

    def new_database(self):
        """An empty database; its URL, as `postroad init --store` takes it. One that was given back costs less than a new one."""
        if self.given_back:
            return self.given_back.pop()
        name = f"t{os.getpid()}_{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://postroad@127.0.0.1:{self.port}/{name}"

    def drop(self, url):
        name = urllib.parse.urlsplit(url).path[1:]
        emptied = self.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
                           " AND pid <> pg_backend_pid(); DROP SCHEMA IF EXISTS postroad CASCADE", name, check=False)
        if emptied.returncode == 0:
            self.given_back.append(url)
        else:
            self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", check=False)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)  # a "fast" shutdown
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
