#!/usr/bin/python3
"""Tests of the Postfix peer itself, so that a failure with Postroad in between can be blamed on the right side.

Usage: postfix_test.py DIRECTORY-WITH-POSTROAD-SINK [SCRATCH-DIRECTORY]. Exit status 77 when Postfix cannot run here.
"""
import pathlib
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import procs  # noqa: E402
import sides  # noqa: E402
from sides import Sink  # noqa: E402

Postfix = sides.postfix.Postfix
BIN = pathlib.Path(".")
SCRATCH = None
TEXT = b"Subject: hello\r\nMessage-ID: <1@a.example>\r\n\r\nbody \xc3\xa4\r\n"


def send(port, *recipients, tls=False):
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
        client.sendmail("me@a.example", recipients, TEXT)


class Peer(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=SCRATCH))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def certificate(self):
        pair = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=postfix.example", "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
        return pair

    def sink(self, *options):
        sink = Sink(BIN, self.folder, options=options)
        self.addCleanup(sink.stop)
        return sink

    def test_relays_and_leaves_no_process(self):
        sink = self.sink()
        with Postfix(self.folder / "p", relay=f"127.0.0.1:{sink.port}") as peer:
            send(peer.port, "x@far.example", "y@far.example")
            self.assertTrue(peer.wait_queue_empty(20))
            pids = peer.pids()
            self.assertGreater(len(pids), 4)
            self.assertGreater(procs.cpu_seconds(pids[0]), 0)
        self.assertEqual(sink.stats()["recipients"], 2)
        self.assertEqual([pid for pid in pids if procs.start_time(pid)], [])

    def test_tls_in_and_out(self):
        cert, key = self.certificate()
        sink = self.sink("--starttls", cert, key)
        with Postfix(self.folder / "p", relay=f"127.0.0.1:{sink.port}", tls=(cert, key), client_tls="encrypt") as peer:
            send(peer.port, "x@far.example", tls=True)
            self.assertTrue(peer.wait_queue_empty(20), peer.log())
        stats = sink.stats()
        self.assertEqual((stats["recipients"], stats["tls"]), (1, 1))

    def test_no_tls_offered_but_demanded(self):
        sink = self.sink()
        with Postfix(self.folder / "p", relay=f"127.0.0.1:{sink.port}", client_tls="encrypt") as peer:
            send(peer.port, "x@far.example")
            self.assertFalse(peer.wait_queue_empty(1))
            self.assertEqual(peer.queue()[0]["recipients"][0]["address"], "x@far.example")
        self.assertEqual(sink.stats()["recipients"], 0)

    def test_mailboxes_and_aliases(self):
        aliases = {"all@m.example": ["a@m.example", "b@other.example"]}
        with Postfix(self.folder / "p", mailboxes=["a@m.example", "@other.example"], virtual_aliases=aliases) as peer:
            send(peer.port, "all@m.example")
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                send(peer.port, "nobody@m.example")
            self.assertTrue(peer.wait_queue_empty(20))
            for box in ("a@m.example", "@other.example"):
                (message,) = peer.messages(box)
                self.assertTrue(message.endswith(b"\n\nbody \xc3\xa4\n"), message)

    def test_strangers_may_not_relay(self):
        sink = self.sink()
        with Postfix(self.folder / "p", relay=f"127.0.0.1:{sink.port}", mynetworks="192.0.2.0/24",
                     relay_domains=["ours.example"]) as peer:
            send(peer.port, "x@ours.example")
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                send(peer.port, "x@far.example")
            self.assertTrue(peer.wait_queue_empty(20))
        self.assertEqual(sink.stats()["recipients"], 1)

    def test_transport_and_large_alias(self):
        sink = self.sink()
        members = self.folder / "members"
        members.write_text("".join(f"m{i}@d{i % 7}.example\n" for i in range(300)))
        with Postfix(self.folder / "p", hostname="lists.example", transport={"*": f"smtp:127.0.0.1:{sink.port}",
                     "lists.example": "local:"}, aliases={"post": f":include:{members}"}) as peer:
            send(peer.port, "post@lists.example")
            self.assertTrue(peer.wait_queue_empty(20), peer.log())
        self.assertEqual(sink.stats()["recipients"], 300)

    def test_folder_that_others_cannot_pass(self):
        self.folder.chmod(0o700)
        with self.assertRaises(PermissionError):
            Postfix(self.folder / "p").start()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    SCRATCH = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
    if reason := sides.postfix.why_not():
        print("skipped:", reason)
        sys.exit(77)
    unittest.main()
