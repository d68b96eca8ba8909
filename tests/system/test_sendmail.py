"""postroad sendmail: the way in for programs of this machine."""
import email
import email.policy
import os
import pwd
import re
import shutil
import subprocess

import pytest

from postroad import until

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL, EX_NOPERM = 64, 65, 67, 75, 77


def sendmail(post, *words, text, status=0, **options):
    got = post.run("sendmail", *words, input=text if isinstance(text, bytes) else text.encode(), text=False, check=False, **options)
    assert got.returncode == status, got
    assert (status == 0) == (got.stderr == b""), got
    return got.stderr.decode()


def parsed(mail):
    return email.message_from_bytes(mail.octets, policy=email.policy.default)


def one(post, sink):
    post.wait()
    assert len(sink.mails()) == 1
    return sink.mails()[0]


def test_a_message_as_programs_write_it(post, sink):
    """LF line ends, nothing but To and Subject: From, Date and Message-ID are added."""
    sendmail(post, "-t", "-i", text="To: Ada <ada@hill.example>\nSubject: cron\n\none\n.\ntwo\n")
    mail = one(post, sink)
    user = pwd.getpwuid(os.getuid()).pw_name
    assert mail.sender == f"{user}@mx.example.org" and mail.recipients == ["ada@hill.example"]
    assert b"\n" not in mail.octets.replace(b"\r\n", b"") and mail.octets.endswith(b"\r\n\r\none\r\n.\r\ntwo\r\n")
    got = parsed(mail)
    assert f"{user}@mx.example.org" in got["From"] and got["Date"] and got["Message-ID"].endswith("@mx.example.org>")
    assert re.search(rf"by mx\.example\.org \(Postroad sendmail, user {user}\)\s+id \w{{13}};", got["Received"])
    rows = post.trace(got["Message-ID"])
    assert rows[0]["event"] == "accepted" and f"sendmail user={user}" in rows[0]["detail"]


def test_recipients_of_the_header(post, sink):
    """-t: To, Cc and Bcc, and those on the command line; Bcc is not sent on."""
    text = ('From: "Me, myself" <me@sender.example>\nTo: Friends: ada@hill.example,\n  "Bo, jr." <bo@shore.example>;\n'
            "Cc: cy@x.example (Cy)\nBcc: secret@hidden.example,\n  other@hidden.example\nMessage-ID: <mine@sender.example>\n"
            "Date: Tue, 24 Nov 2026 05:06:07 +0000\n\nhi\n")
    sendmail(post, "-oi", "-t", "-f", "me@sender.example", "extra@y.example", text=text)
    post.wait()
    assert sink.recipients() == ["ada@hill.example", "bo@shore.example", "cy@x.example", "extra@y.example",
                                 "other@hidden.example", "secret@hidden.example"]
    assert all(m.sender == "me@sender.example" and b"hidden.example" not in m.octets for m in sink.mails())
    got = parsed(sink.mails()[0])
    assert got["Message-ID"] == "<mine@sender.example>" and got["From"] == '"Me, myself" <me@sender.example>'


def test_line_ends_dots_and_odd_texts(post, sink):
    sendmail(post, "x@far.example", text="Subject: a dot ends it\n\nseen\n.\nnot seen\n")
    sendmail(post, "-i", "x@far.example", text=b"Subject: crlf\r\n\r\nkept\r\nbare\rcr\r\r\nend")
    sendmail(post, "-i", "x@far.example", text="no header at all\n\nsecond\n")
    sendmail(post, "-i", "x@far.example", text="")
    sendmail(post, "-i", "-F", 'J\u00fcrgen "Q" Doe', "x@far.example", text="From me@x Tue Nov 24 05:06:07 2026\nSubject: gr\u00fcn\n\n\u00fc\n")
    post.wait()
    texts = {parsed(m)["Subject"]: m.octets.split(b"\r\n\r\n", 1)[1] for m in sink.mails()}
    assert len(sink.mails()) == 5
    assert texts["a dot ends it"] == b"seen\r\n"
    assert texts["crlf"] == b"kept\r\nbare\r\ncr\r\nend\r\n"
    assert texts["gr\u00fcn"] == "\u00fc\r\n".encode()
    bodies = [m.octets.split(b"\r\n\r\n", 1)[1] for m in sink.mails()]
    assert b"no header at all\r\n\r\nsecond\r\n" in bodies and b"" in bodies
    assert any('J\u00fcrgen "Q" Doe' in str(parsed(m)["From"]) or "J\u00fcrgen" in str(parsed(m)["From"]) for m in sink.mails())


def test_a_large_message(post, sink):
    """More than one piece in the store, the same octets out."""
    lines = b"".join(b"%07d line of a large message, with some more text behind it\n" % n for n in range(20000))
    sendmail(post, "-i", "x@far.example", text=b"Subject: large\n\n" + lines)
    mail = one(post, sink)
    assert mail.octets.split(b"\r\n\r\n", 1)[1] == lines.replace(b"\n", b"\r\n")


def test_statuses(make, sink):
    post = make(relay=sink, settings={"message_size_max": "10k"}).start()
    assert "no recipients" in sendmail(post, text="x", status=EX_USAGE)
    assert "no recipients" in sendmail(post, "-t", text="Subject: x\n\n", status=EX_USAGE)
    assert "unknown option" in sendmail(post, "-Z", "x@far.example", text="", status=EX_USAGE)
    assert "needs a value" in sendmail(post, "-f", text="", status=EX_USAGE)
    assert "not a mail address" in sendmail(post, "not an address@", text="", status=EX_DATAERR)
    assert "address" in sendmail(post, "-t", text='To: "open\n\nx\n', status=EX_DATAERR)
    assert "message_size_max" in sendmail(post, "x@far.example", text="x" * 20000, status=EX_DATAERR)
    assert post.queue() == [] and sink.mails() == []


def test_the_null_sender_and_local_names(post, sink):
    post.cli("domain", "add", "mx.example.org")
    post.cli("alias", "set", "root@mx.example.org", "admin@hill.example")
    sendmail(post, "-f", "<>", "root", text="Subject: x\n\n")
    mail = one(post, sink)
    assert mail.sender == "" and mail.recipients == ["admin@hill.example"]


def linked(post, tmp_path, name):
    path = tmp_path / name
    path.symlink_to(post.program)
    return path


def test_called_as_sendmail_and_mailq(make, sink, tmp_path):
    post = make(relay=sink).start("smtpd", "router")
    environment = {**post.environment(), "POSTROAD_DIR": str(post.dir)}
    subprocess.run([linked(post, tmp_path, "sendmail"), "-oem", "-oi", "-r", "me@sender.example", "--", "x@far.example"],
                   input=b"Subject: hi\n\nhi\n", check=True, env=environment, timeout=60)
    until(lambda: [row["left"] for row in post.queue()] == [1])
    got = subprocess.run([linked(post, tmp_path, "mailq")], capture_output=True, text=True, check=True, env=environment, timeout=60)
    assert "me@sender.example" in got.stdout and "delivering" in got.stdout
    assert subprocess.run([tmp_path / "sendmail", "-bp", "-C", post.dir], capture_output=True, text=True, check=True, timeout=60).stdout == got.stdout
    subprocess.run([tmp_path / "sendmail", "-q"], check=True, env=environment, timeout=60, capture_output=True)
    assert post.events(post.queue()[0]["queue"], "retried")
    subprocess.run([linked(post, tmp_path, "newaliases")], check=True, env=environment, timeout=60)
    subprocess.run([tmp_path / "sendmail", "-bi"], check=True, env=environment, timeout=60)
    post.restart()
    post.wait()
    assert sink.recipients() == ["x@far.example"]


def test_smtp_on_standard_input(post, sink):
    """-bs, as some mail programs speak to it."""
    got = post.run("sendmail", "-bs", input="EHLO me\r\nMAIL FROM:<me@sender.example>\r\nRCPT TO:<x@far.example>\r\n"
                                 "DATA\r\nSubject: bs\r\n\r\nhi\r\n.\r\nQUIT\r\n")
    assert [line[:3] for line in got.stdout.splitlines() if line[3:4] == " "] == ["220", "250", "250", "250", "354", "250", "221"], got
    assert one(post, sink).recipients == ["x@far.example"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_another_user_of_the_machine(make, sink, tmp_path):
    """Who may read neither configuration nor store comes in by SMTP, with the statuses of sendmail."""
    post = make(relay=sink).start()
    for path in (post.dir.parent, post.dir):
        path.chmod(0o755)
    (post.dir / "postroad.conf").chmod(0o640)
    program = post.dir.parent / "sendmail"
    shutil.copy(post.program, program)

    def send(*words, text="Subject: hi\n\n.dot\nbye\n", smtp=f"127.0.0.1:{post.port}"):
        return subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", program, "-i", "-f", "me@sender.example", *words],
                              input=text, capture_output=True, text=True, timeout=60, check=False,
                              env={**post.environment(), "POSTROAD_DIR": str(post.dir), "POSTROAD_SMTP": smtp})
    got = send("x@far.example")
    assert (got.returncode, got.stderr) == (0, "")
    mail = one(post, sink)
    assert mail.sender == "me@sender.example" and mail.octets.endswith(b"\r\n\r\n.dot\r\nbye\r\n")
    assert "127.0.0.1" in post.trace("x@far.example")[0]["detail"]  # by SMTP
    got = send("nobody@example.org")
    assert got.returncode == EX_NOUSER and "550" in got.stderr, got
    assert send("x@far.example", smtp="127.0.0.1:1").returncode == EX_TEMPFAIL
    strict = make(relay=sink, settings={"relay_networks": "192.0.2.0/24"}).start()
    got = send("x@far.example", smtp=f"127.0.0.1:{strict.port}")
    assert got.returncode == EX_NOPERM and "relay_networks" in got.stderr, got


@pytest.mark.skipif(not os.path.exists("/usr/lib/git-core/git-send-email"), reason="no git send-email (package git-email)")
def test_git_send_email(post, sink, tmp_path):
    run = dict(cwd=tmp_path, check=True, capture_output=True, timeout=120,
               env={**post.environment(), "POSTROAD_DIR": str(post.dir), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"})
    subprocess.run(["git", "init", "-q", "."], **run)
    (tmp_path / "file").write_text("one\n")
    subprocess.run(["git", "add", "file"], **run)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@hill.example"]
    subprocess.run(["git", *who, "commit", "-qm", "file: add a line"], **run)
    subprocess.run(["git", *who, "send-email", "--quiet", "--confirm=never", "--envelope-sender=auto", f"--sendmail-cmd={post.program} sendmail",
                    "--to=list@far.example", "--cc=bo@shore.example", "--suppress-cc=all", "--root", "HEAD"], **run)
    post.wait()
    assert sink.recipients() == ["bo@shore.example", "list@far.example"]
    assert all(b"Subject: [PATCH] file: add a line" in m.octets and m.sender == "ada@hill.example" for m in sink.mails())


@pytest.mark.skipif(not shutil.which("s-nail"), reason="no s-nail (a mail(1))")
def test_mail(post, sink, tmp_path):
    program = linked(post, tmp_path, "sendmail")
    subprocess.run(["s-nail", "-n", "-S", f"mta=file://{program}", "-S", "sendwait", "-S", "from=me@sender.example",
                    "-r", "me@sender.example", "-s", "report", "-b", "bcc@hidden.example", "ada@hill.example"],
                   input=b"all is well\n", check=True, capture_output=True, timeout=60, cwd=tmp_path,
                   env={**post.environment(), "POSTROAD_DIR": str(post.dir), "HOME": str(tmp_path)})
    post.wait()
    assert sink.recipients() == ["ada@hill.example", "bcc@hidden.example"]
    assert all(b"all is well\r\n" in m.octets and m.sender == "me@sender.example" for m in sink.mails())
    assert all(b"hidden.example" not in m.octets for m in sink.mails())
