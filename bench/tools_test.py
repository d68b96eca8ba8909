#!/usr/bin/python3
"""Tests of postroad-load and postroad-sink: against each other, and each against Python's own SMTP code.

Usage: tools_test.py DIRECTORY-WITH-THE-PROGRAMS
"""
import email
import json
import pathlib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BIN = pathlib.Path(".")
NAMES = ("postroad-load", "postroad-sink")


class Sink:
    """A running postroad-sink on a free port."""

    def __init__(self, *options):
        command = [BIN / NAMES[1], "-l", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self):
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, (self.process.returncode, err)
        return json.loads(out.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def load(port, *options, expect=0):
    """Run the generator; its report as a dictionary."""
    command = [BIN / NAMES[0], "-c", f"127.0.0.1:{port}", "--json", "--timeout", "5", *map(str, options)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == expect, (run.returncode, run.stdout, run.stderr)
    return json.loads(run.stdout) if run.stdout else {"stderr": run.stderr}


class Scratch(unittest.TestCase):
    def setUp(self):
        self._dir = tempfile.TemporaryDirectory()
        self.addCleanup(self._dir.cleanup)
        self.dir = pathlib.Path(self._dir.name)

    def certificate(self):
        cert, key = self.dir / "cert.pem", self.dir / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=sink.example"],
                       check=True, capture_output=True)
        return cert, key


class LoadAgainstSink(Scratch):
    def check(self, *options, messages=300, sink=(), per_message=1):
        with Sink(*sink) as s:
            report = load(s.port, "-m", messages, *options)
            stats = s.stop()
        self.assertEqual((report["acked"], report["failed"], report["errors"]), (messages, 0, []))
        self.assertEqual(stats["transactions"], messages)
        self.assertEqual(stats["recipients"], messages * per_message)
        self.assertEqual((stats["bad_commands"], stats["broken_transactions"]), (0, 0))
        return report, stats

    def test_lock_step(self):
        _, stats = self.check("-s", 10)
        self.assertEqual(stats["connections"], 10)

    def test_pipelining(self):
        self.check("-s", 10, "-P")

    def test_two_threads_and_workers(self):
        self.check("-s", 20, "-P", "-j", 2, sink=("-w", "2"))

    def test_new_connections(self):
        _, stats = self.check("-s", 5, "-R")
        self.assertGreaterEqual(stats["connections"], 300)
        self.check("-s", 5, "-R", "-P")

    def test_many_recipients(self):
        self.check("-s", 3, "-P", "-r", 1000, messages=20, per_message=1000)
        self.check("-s", 3, "-r", 50, messages=20, per_message=50)

    def test_tls(self):
        sink = ("--starttls", *map(str, self.certificate()))
        for extra in ((), ("-P",), ("-R", "-P")):
            report, stats = self.check("-S", "-s", 4, *extra, messages=60, sink=sink)
            self.assertEqual(stats["tls"], stats["connections"])
            self.assertEqual(report["connections_lost"], 0)
        self.check("-S", "-P", "-l", 3000000, messages=3, sink=sink)

    def test_large_messages(self):
        self.check("-s", 3, "-P", "-l", 5000000, messages=9)

    def test_duration(self):
        with Sink() as s:
            report = load(s.port, "-t", "0.5", "-s", 4, "-P")
        self.assertGreater(report["acked"], 50)
        self.assertLess(report["seconds"], 1.5)

    def test_rate(self):
        report, _ = self.check("-s", 10, "-P", "--rate", 200, messages=100)
        self.assertGreater(report["seconds"], 0.4)
        self.assertLess(report["seconds"], 1.5)

    def test_delay_shows_as_latency(self):
        report, _ = self.check("-s", 5, "-P", messages=20, sink=("--delay-ms", "100"))
        self.assertGreaterEqual(report["latency_p50_ms"], 95)
        self.assertLess(report["latency_p50_ms"], 300)

    def test_ids_match_from_end_to_end(self):
        acks, log = self.dir / "acks", self.dir / "log"
        self.check("-s", 7, "-j", 2, "-P", "-p", "tt", "-a", acks, "-r", 2, "-T", "u%d@d.example", messages=200,
                   sink=("--log", str(log), "-w", "2"), per_message=2)
        acked = acks.read_text().split()
        rows = [line.split("\t") for line in log.read_text().splitlines()]
        self.assertEqual(sorted(acked), sorted(f"load-tt-{n}@load.example" for n in range(200)))
        self.assertEqual({row[3] for row in rows}, set(acked))
        self.assertEqual(len({row[2] for row in rows}), 400)
        self.assertIn("u17-1@d.example", {row[2] for row in rows})
        self.assertEqual({row[1] for row in rows}, {"sender@load.example"})
        self.assertLess(abs(float(rows[0][0]) - time.time()), 30)

    def test_times_of_answers(self):
        acks = self.dir / "acks"
        self.check("-s", 3, "-p", "tt", "-a", acks, "--times", messages=20)
        rows = [line.split("\t") for line in acks.read_text().splitlines()]
        self.assertEqual({row[0] for row in rows}, {f"load-tt-{n}@load.example" for n in range(20)})
        self.assertTrue(all(abs(float(row[1]) - time.time()) < 30 for row in rows))


class Messages(Scratch):
    def dump_one(self, *options):
        out = self.dir / "out"
        out.mkdir()
        with Sink("--dump", str(out)) as s:
            load(s.port, "-m", 1, *options)
            s.stop()
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["000001.eml", "000001.env"])
        return (out / "000001.eml").read_bytes(), (out / "000001.env").read_text()

    def test_generated(self):
        raw, env = self.dump_one("-l", 5120, "-p", "x", "-f", "")
        self.assertEqual(env, "\nrcpt@sink.example\n")
        head, body = raw.split(b"\r\n\r\n", 1)
        self.assertEqual(len(body), 5120)
        self.assertTrue(body.endswith(b"\r\n"))
        self.assertLessEqual(max(map(len, raw.split(b"\r\n"))), 78)
        self.assertNotIn(b"\n", raw.replace(b"\r\n", b""))
        parsed = email.message_from_bytes(raw)
        self.assertEqual(parsed["Message-ID"], "<load-x-0@load.example>")
        for field in ("From", "To", "Subject", "Date", "MIME-Version", "Content-Type"):
            self.assertEqual(len(parsed.get_all(field)), 1, (field, head))

    def test_every_small_size(self):
        for size in range(2, 200, 7):
            with self.subTest(size=size), Sink() as s:
                load(s.port, "-m", 1, "-l", size)
                self.assertEqual(s.stop()["transactions"], 1)

    def test_file_is_stuffed_and_gets_an_id(self):
        path = self.dir / "m.eml"
        path.write_bytes(b"Subject: dots\n\n.\n..\n.x\nno line end")
        raw, _ = self.dump_one("--file", path, "-p", "f")
        self.assertEqual(raw, b"Message-ID: <load-f-0@load.example>\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\nno line end\r\n")

    def test_raw_file_keeps_its_bytes(self):
        path = self.dir / "m.eml"
        content = b".\r\nSubject: raw\r\n\r\nbare\nline, bare\rreturn\r\n..\r\n"
        path.write_bytes(content)
        raw, _ = self.dump_one("--file", path, "--raw")
        self.assertEqual(raw, content)


class Failures(Scratch):
    def test_refused_recipient(self):
        for extra in ((), ("-P",)):
            with Sink("--fail-rcpt", "bad=550 5.1.1 No such user") as s:
                report = load(s.port, "-m", 10, "-s", 2, "-T", "bad%d@x.example", *extra, expect=1)
                stats = s.stop()
            self.assertEqual((report["acked"], report["failed"], report["rcpts_refused"]), (0, 10, 10))
            self.assertEqual(report["errors"], [{"count": 10, "text": "550 5.1.1 No such user"}])
            self.assertEqual((stats["recipients"], stats["refused_recipients"]), (0, 10))

    def test_some_recipients_refused(self):
        for extra in ((), ("-P",)):
            with Sink("--fail-rcpt", "-1@=451 4.2.1 Later") as s:
                report = load(s.port, "-m", 10, "-r", 3, *extra, expect=1)
                stats = s.stop()
            self.assertEqual((report["acked"], report["rcpts_refused"], stats["recipients"]), (10, 10, 20))

    def test_refused_data(self):
        with Sink("--fail-data", "452 4.3.1 Disk full") as s:
            report = load(s.port, "-m", 10, "-P", "--tolerate")
            stats = s.stop()
        self.assertEqual((report["acked"], report["failed"]), (0, 10))
        self.assertEqual((stats["recipients"], stats["refused_messages"]), (0, 10))

    def test_drop_after(self):
        with Sink("--drop-after", "5") as s:
            report = load(s.port, "-m", 100, "-s", 2, "-P", "--retry-connect")
            stats = s.stop()
        self.assertEqual(report["acked"] + report["unanswered"], 100)
        self.assertEqual(report["acked"], stats["transactions"])
        self.assertGreater(stats["dropped_connections"], 10)
        with Sink("--drop-after", "5") as s:
            report = load(s.port, "-m", 100, "-s", 2, expect=1)
        self.assertEqual(report["acked"], 10)
        self.assertGreater(report["unsent"], 80)

    def test_too_many_connections(self):
        with Sink("--max-conn", "3") as s:
            report = load(s.port, "-m", 200, "-s", 5, expect=1)
            stats = s.stop()
        self.assertEqual((report["acked"], report["connect_failures"]), (200, 2))
        self.assertEqual(report["errors"], [{"count": 2, "text": "421 4.7.0 Too many connections"}])
        self.assertEqual(stats["refused_connections"], 2)

    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            report = load(free.getsockname()[1], "-m", 5, "-s", 2, expect=1)
        self.assertEqual((report["connect_failures"], report["unsent"]), (2, 5))

    def test_killed_server_never_has_less_than_the_log(self):
        acks, log = self.dir / "acks", self.dir / "log"
        with Sink("--log", str(log)) as s:
            def stop_it():
                time.sleep(0.4)
                s.stop()
            killer = threading.Thread(target=stop_it)
            killer.start()
            load(s.port, "-t", "1", "-s", 10, "-P", "-a", acks, "--retry-connect")
            killer.join()
        acked = set(acks.read_text().split())
        seen = {line.rsplit("\t", 1)[1] for line in log.read_text().splitlines()}
        self.assertGreater(len(acked), 100)
        self.assertLessEqual(acked, seen)


class Stalls(Scratch):
    def test_kinds(self):
        sink = ("--starttls", *map(str, self.certificate()))
        for kind in ("idle", "ehlo", "handshake", "data"):
            with self.subTest(kind=kind), Sink(*sink) as s:
                report = load(s.port, "--stall", kind, "-s", 40, "-t", "0.5")
                stats = s.stop()
                self.assertEqual((report["stalled"], report["stall_ended_by_peer"]), (40, 0))
                self.assertEqual((stats["connections"], stats["transactions"]), (40, 0))
                self.assertEqual(stats["broken_transactions"], 40 if kind == "data" else 0)

    def test_silent_behind_ehlo_inside_tls(self):
        with Sink("--starttls", *map(str, self.certificate())) as s:
            report = load(s.port, "--stall", "ehlo", "-S", "-s", 30, "-t", "0.5")
            stats = s.stop()
        self.assertEqual((report["stalled"], report["stall_ended_by_peer"], stats["tls"]), (30, 0, 30))

    def test_server_ends_them(self):
        with Sink() as s:
            threading.Timer(0.3, s.process.send_signal, (signal.SIGTERM,)).start()
            report = load(s.port, "--stall", "idle", "-s", 8, "-t", "3")
        self.assertEqual(report["stall_ended_by_peer"], 8)
        self.assertLess(report["stall_first_end_s"], 1.5)


class Sites(Scratch):
    """A table of sites, each at an address of its own."""

    def open(self, *lines):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        table = self.dir / "sites"
        table.write_text("# name, address, what it does\n" +
                         "".join(f"{line.replace('PORT', str(port))}\n" for line in lines))
        sink = Sink("--sites", str(table))
        while "sites " not in sink.process.stderr.readline():
            pass
        return sink, port

    def load(self, port, *options, host="127.0.7.1", expect=0):
        command = [BIN / NAMES[0], "-c", f"{host}:{port}", "--json", *map(str, options)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(run.returncode, expect, run.stderr)
        return json.loads(run.stdout)

    def test_delay_of_each_site(self):
        sink, port = self.open("near 127.0.7.1:PORT delay=20", "far 127.0.7.2:PORT delay=120", "here 127.0.7.3:PORT")
        with sink as s:
            far = self.load(port, "-m", 8, "-s", 4, "-P", host="127.0.7.2")
            near = self.load(port, "-m", 8, "-s", 4, "-P")
            here = self.load(port, "-m", 8, "-s", 4, host="127.0.7.3")
            self.assertEqual(s.stop()["transactions"], 24)
        self.assertGreaterEqual(far["latency_p50_ms"], 235)  # pipelined: commands in one flight, the text in the next
        self.assertGreaterEqual(near["latency_p50_ms"], 38)
        self.assertLess(near["latency_p50_ms"], far["latency_p50_ms"])
        self.assertLess(here["latency_p50_ms"], near["latency_p50_ms"])

    def test_connections_of_one_site(self):
        sink, port = self.open("big 127.0.7.1:PORT connections=3", "free 127.0.7.2:PORT")
        with sink as s:
            report = self.load(port, "-m", 100, "-s", 5, expect=1)
            self.load(port, "-m", 100, "-s", 5, host="127.0.7.2")
            stats = s.stop()
        self.assertEqual((report["acked"], report["connect_failures"]), (100, 2))
        self.assertEqual(list(stats["sites"]), ["big"])
        self.assertEqual((stats["sites"]["big"]["refused_connections"], stats["sites"]["big"]["recipients"]), (2, 100))

    def test_rate_counts_recipients(self):
        sink, port = self.open("big 127.0.7.1:PORT rate=50")
        with sink as s:
            report = self.load(port, "-m", 100, "-r", 10, "-P", "-T", "r%d@x.example", "--tolerate")
            refused = s.stop()["sites"]["big"]["refused_rate"]
        self.assertGreaterEqual(report["acked"], 5)  # 50 at once
        self.assertLess(report["acked"], 50)
        self.assertGreater(refused, 0)
        self.assertIn("421 4.7.28 Too many messages, try later", [e["text"] for e in report["errors"]])

    def test_a_dead_site_does_not_answer(self):
        sink, port = self.open("dead 127.0.7.1:PORT dead", "alive 127.0.7.2:PORT")
        with sink:
            with socket.socket() as c:
                c.settimeout(0.5)
                self.assertRaises(TimeoutError, c.connect, ("127.0.7.1", port))
            self.load(port, "-m", 1, host="127.0.7.2")

    def test_a_mistake_names_the_line(self):
        table = self.dir / "sites"
        table.write_text("a 127.0.7.1:0\n\nb 127.0.7.2:0 speed=3\n")
        run = subprocess.run([BIN / NAMES[1], "--sites", table], capture_output=True, text=True, timeout=20,
                             check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn(f"{table}:3: ", run.stderr)


class ScriptedServer(threading.Thread):
    """Answers as told, and notes what came in behind an unanswered end of data."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.early = []
        self.writes = []

    def run(self):
        conn, _ = self.listener.accept()
        self.listener.close()
        with conn:
            conn.sendall(b"220 hi\r\n")
            conn.recv(1000)
            conn.sendall(b"250-hi\r\n250 PIPELINING\r\n")
            while True:
                group = conn.recv(65536)
                if not group or group.startswith(b"QUIT"):
                    return
                self.writes.append(group)
                conn.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += conn.recv(65536)
                conn.settimeout(0.2)
                try:
                    self.early.append(conn.recv(1000))
                except TimeoutError:
                    pass
                conn.settimeout(10)
                conn.sendall(b"250 taken\r\n")


class Protocol(Scratch):
    def test_nothing_behind_an_unanswered_end_of_data(self):
        server = ScriptedServer()
        server.start()
        load(server.port, "-m", 3, "-P")
        self.assertEqual(server.early, [])
        self.assertEqual(len(server.writes), 3)
        for group in server.writes:
            self.assertTrue(re.fullmatch(rb"MAIL FROM:<.*>\r\nRCPT TO:<.*>\r\nDATA\r\n", group), group)

    def test_no_pipelining_offered(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                conn, _ = listener.accept()
                conn.sendall(b"220 hi\r\n")
                conn.recv(1000)
                conn.sendall(b"250 hi\r\n")
                conn.recv(1000)
                conn.close()
            threading.Thread(target=serve, daemon=True).start()
            self.assertIn("PIPELINING", load(listener.getsockname()[1], "-m", 1, "-P", expect=2)["stderr"])


class SinkAlone(Scratch):
    def test_smtplib(self):
        out = self.dir / "out"
        out.mkdir()
        cert, key = self.certificate()
        with Sink("--starttls", str(cert), str(key), "--dump", str(out)) as s:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with smtplib.SMTP("127.0.0.1", s.port) as c:
                c.starttls(context=context)
                c.ehlo()
                self.assertTrue(c.has_extn("SMTPUTF8") and c.has_extn("SIZE") and c.has_extn("8BITMIME"))
                self.assertFalse(c.has_extn("STARTTLS"))
                c.sendmail('"a>b"@x.example', ["one@x.example", "two@x.example"], b"A: b\r\n\r\n..dots\r\n.\r\n",
                           mail_options=["SIZE=30", "BODY=8BITMIME"])
                self.assertEqual(c.docmd("NONSENSE")[0], 500)
                self.assertEqual(c.docmd("RCPT", "TO:<x@y.example>")[0], 503)
                self.assertEqual(c.docmd("MAIL", "FROM:nobody")[0], 501)
                self.assertEqual(c.verify("x")[0], 252)
            stats = s.stop()
        self.assertEqual((out / "000001.eml").read_bytes(), b"A: b\r\n\r\n..dots\r\n.\r\n")
        self.assertEqual((out / "000001.env").read_text(), '"a>b"@x.example\none@x.example\ntwo@x.example\n')
        self.assertEqual((stats["tls"], stats["bad_commands"]), (1, 3))

    def test_any_split_of_the_input(self):
        dialogue = (b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
                    b"Subject: x\r\nmessage-id:\r\n <folded@id>\r\n\r\nMessage-ID: <not@this>\r\n"
                    b".\n.\r\n..\r\n.x\r\nlf\n.\r\nend\r\n.\r\nQUIT\r\n")
        want = dialogue.split(b"DATA\r\n")[1][:-len(b".\r\nQUIT\r\n")]
        want = want.replace(b"\r\n..\r\n.x\r\n", b"\r\n.\r\nx\r\n").replace(b"\r\n.\n.\r\n", b"\r\n\n.\r\n")
        out, log = self.dir / "out", self.dir / "log"
        out.mkdir()
        with Sink("--dump", str(out), "--log", str(log)) as s:
            for cut in range(1, len(dialogue)):
                with socket.create_connection(("127.0.0.1", s.port)) as c:
                    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    c.sendall(dialogue[:cut])
                    time.sleep(0.002)
                    c.sendall(dialogue[cut:])
                    while c.recv(4096):
                        pass
            stats = s.stop()
        self.assertEqual((stats["transactions"], stats["bad_commands"]), (len(dialogue) - 1, 0))
        self.assertEqual({p.read_bytes() for p in out.glob("*.eml")}, {want})
        self.assertEqual({line.split("\t")[3] for line in log.read_text().splitlines()}, {"folded@id"})

    def test_pipelined_behind_a_delayed_answer(self):
        message = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx: y\r\n\r\nz\r\n.\r\n"
        with Sink("--delay-ms", "50") as s:
            with socket.create_connection(("127.0.0.1", s.port)) as c:
                c.sendall(b"EHLO a\r\n" + message * 4 + b"QUIT\r\n")
                got = b""
                while part := c.recv(4096):
                    got += part
            stats = s.stop()
        self.assertEqual((stats["transactions"], stats["bad_commands"]), (4, 0))
        self.assertTrue(got.endswith(b"221 2.0.0 Bye\r\n"))

    def test_expect(self):
        with Sink("--expect", "30") as s:
            load(s.port, "-m", 10, "-r", 3, "-s", 2, "--tolerate")
            self.assertEqual(s.finish()["recipients"], 30)

    def test_usr1(self):
        log, stats = self.dir / "log", self.dir / "stats"
        with Sink("--log", str(log), "--stats", str(stats)) as s:
            load(s.port, "-m", 10)
            s.process.send_signal(signal.SIGUSR1)
            for _ in range(100):
                if stats.exists() and stats.read_text().endswith("\n"):
                    break
                time.sleep(0.02)
            self.assertEqual(json.loads(stats.read_text())["recipients"], 10)
            self.assertEqual(len(log.read_text().splitlines()), 10)

    def test_long_command_line(self):
        with Sink() as s, socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"x" * 300000)
            c.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while part := c.recv(4096):
                    got += part
            except ConnectionResetError:
                pass
            self.assertIn(b"500 5.5.6", got)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
