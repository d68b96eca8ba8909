"""Mail authentication: our library beside OpenSSL alone, libopendkim, dkimpy and Mail::DKIM, each in a loop of its own.

Every program gets the same messages, keys and records, and counts CPU time of its one thread. In each round all take
turns at one task; a ratio is the median of those of the rounds, as what else the machine does changes from one to the
next. What is verified was signed by dkimpy; what we sign is verified by it.
"""
import base64
import os
import pathlib
import shutil
import statistics
import subprocess

import compare
from sides import BenchError

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
PYTHON = "/usr/bin/python3"
DOMAIN = "bench.example"
SLICE, SLICE_QUICK, ROUNDS = 0.4, 0.1, 5
OURS, FLOOR, OPENDKIM, DKIMPY, PERL = "Postroad", "OpenSSL alone", "libopendkim", "dkimpy", "Mail::DKIM"
ALL = (OPENDKIM, DKIMPY, PERL)

# What, our operation, the message, {who: its operation}, goals {who: at least so many times its rate}.
VERIFY = dict.fromkeys((FLOOR, *ALL), "verify-rsa")
ROWS = [
    ("verify, RSA-2048, 4 KB", "verify", "rsa-4.eml", VERIFY, {FLOOR: 0.6}),
    ("… of a key not seen before", "verify-new", "rsa-4.eml", {}, {}),
    ("verify, Ed25519, 4 KB", "verify", "ed25519-4.eml",
     dict.fromkeys((FLOOR, OPENDKIM, DKIMPY), "verify-ed25519"), {}),
    ("verify, RSA-2048, 400 KB, body relaxed", "verify", "rsa-400.eml", VERIFY, {OPENDKIM: 3}),
    ("verify, RSA-2048, 400 KB, body simple", "verify", "simple-400.eml",
     {FLOOR: "raw-hash", **dict.fromkeys(ALL, "verify-rsa")}, {}),
    ("sign, RSA-2048, 4 KB", "sign-rsa", "plain-4.eml",
     {FLOOR: "raw-sign-rsa", **dict.fromkeys(ALL, "sign-rsa")}, {FLOOR: 0.85}),
    ("sign, Ed25519, 4 KB", "sign-ed25519", "plain-4.eml", {FLOOR: "raw-sign-ed25519", DKIMPY: "sign-ed25519"}, {}),
    ("sign a list's copy, Ed25519", "copy-ed25519", "list-4.eml", {FLOOR: "raw-sign-ed25519"}, {FLOOR: 25 / 41}),
    ("sign a list's copy, RSA-2048", "copy-rsa", "list-4.eml", {FLOOR: "raw-sign-rsa"}, {FLOOR: 1 / 1.3}),
    ("DKIM2 for a list's copy, Ed25519", "dkim2-ed25519", "list-4.eml", {FLOOR: "raw-sign-ed25519"}, {FLOOR: 30 / 41}),
    ("DKIM2 for a list's copy, RSA-2048", "dkim2-rsa", "list-4.eml", {FLOOR: "raw-sign-rsa"}, {FLOOR: 3.9 / 4.3}),
]
CHECK_GOAL_MS, COPIES, COPIES_GOAL = 0.3, 50_000, 1.3

ORDINARY = """Received: from mail.bench.example (mail.bench.example [192.0.2.1])
	by mx.example with ESMTPS id 4Fz1Qk2Jx3z for <member@example.net>;
	Fri, 10 Oct 2025 08:12:33 +0000
Received: from laptop.bench.example (unknown [198.51.100.7])
	by mail.bench.example with ESMTPSA id 7Q2; Fri, 10 Oct 2025 08:12:31 +0000
From: An Author <author@bench.example>
To: A Member <member@example.net>
Cc: Another Member <another@example.org>
Subject: Minutes of the meeting, and what is left to do before the next one
Date: Fri, 10 Oct 2025 08:12:30 +0000
Message-ID: <20251010081230.7Q2@mail.bench.example>
In-Reply-To: <20251009181101.3B1@mail.bench.example>
References: <20251008101010.1A1@mail.bench.example>
 <20251009181101.3B1@mail.bench.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
User-Agent: Mail 1.0
"""
OF_A_LIST = """Sender: list-bounces@lists.bench.example
Reply-To: A List <list@lists.bench.example>
List-Id: A list <list.lists.bench.example>
List-Post: <mailto:list@lists.bench.example>
List-Help: <mailto:list-request@lists.bench.example?subject=help>
List-Subscribe: <mailto:list-join@lists.bench.example>
List-Archive: <https://lists.bench.example/archives/list>
List-Owner: <mailto:list-owner@lists.bench.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Archived-At: <https://lists.bench.example/archives/list/7Q2>
Precedence: list
Authentication-Results: mx.example; spf=pass smtp.mailfrom=author@bench.example;
 dkim=pass header.d=bench.example header.s=r header.a=rsa-sha256 header.b=gC/1f8k2;
 dmarc=pass header.from=bench.example policy.dmarc=reject
"""
LINE = "A line of a text of some kilobytes, as people write: words,  and now and then two blanks. "


# ---- what all of them get ----

def message(fields, size):
    lines = (size - len(fields)) // 84 or 1
    body = "".join(f"{LINE[:60 + n % 20]}{' ' if n % 11 == 0 else ''}\n" for n in range(lines)) + "\n-- \nAn Author\n"
    return (fields + "\n" + body).replace("\n", "\r\n").encode()


def openssl(folder, *arguments):
    return subprocess.run(("openssl", *arguments), cwd=folder, capture_output=True, check=True).stdout


def make_keys(folder):
    openssl(folder, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa.pem")
    openssl(folder, "genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem")
    seed = openssl(folder, "pkey", "-in", "ed25519.pem", "-outform", "DER")[-32:]
    (folder / "ed25519.seed").write_bytes(base64.b64encode(seed))
    public = {kind: openssl(folder, "pkey", "-in", f"{kind}.pem", "-pubout", "-outform", "DER") for kind in ("rsa", "ed25519")}
    rsa, ed25519 = base64.b64encode(public["rsa"]).decode(), base64.b64encode(public["ed25519"][-32:]).decode()
    (folder / "records").write_text(
        f"r._domainkey.{DOMAIN} v=DKIM1; k=rsa; p={rsa}\n"
        f"e._domainkey.{DOMAIN} v=DKIM1; k=ed25519; p={ed25519}\n"
        f"{DOMAIN} v=spf1 mx ip4:198.51.100.0/24 include:_spf.{DOMAIN} -all\n"
        f"_spf.{DOMAIN} v=spf1 ip4:192.0.2.0/24 ~all\n"
        f"_dmarc.{DOMAIN} v=DMARC1; p=reject; rua=mailto:dmarc@{DOMAIN}\n")


def make_messages(folder):
    """Signed by dkimpy, relaxed, and with a simple body."""
    (folder / "plain-4.eml").write_bytes(message(ORDINARY, 4096))
    (folder / "plain-400.eml").write_bytes(message(ORDINARY, 400 * 1024))
    (folder / "list-4.eml").write_bytes(message(ORDINARY + OF_A_LIST, 4096))
    script = """
import dkim, pathlib
for name, plain, key, selector, kind, body in (
        ("rsa-4", "plain-4", "rsa.pem", b"r", b"rsa-sha256", b"relaxed"),
        ("ed25519-4", "plain-4", "ed25519.seed", b"e", b"ed25519-sha256", b"relaxed"),
        ("rsa-400", "plain-400", "rsa.pem", b"r", b"rsa-sha256", b"relaxed"),
        ("simple-400", "plain-400", "rsa.pem", b"r", b"rsa-sha256", b"simple")):
    text = pathlib.Path(plain + ".eml").read_bytes()
    field = dkim.sign(text, selector, b"bench.example", pathlib.Path(key).read_bytes(), canonicalize=(b"relaxed", body),
                      signature_algorithm=kind)
    pathlib.Path(name + ".eml").write_bytes(field + text)
"""
    subprocess.run((PYTHON, "-c", script), cwd=folder, check=True)


# ---- turns ----

def programs(options):
    build = options.build.absolute()
    return {OURS: [build / "src/auth/auth-speed"], FLOOR: [build / "bench/auth-floor"],
            OPENDKIM: [build / "bench/auth-opendkim"], DKIMPY: [PYTHON, PEERS / "auth_dkimpy.py"],
            PERL: ["/usr/bin/perl", PEERS / "auth_perl.pl"]}


def run(command, folder, operation, name, seconds):
    done = subprocess.run([*map(str, command), operation, name, str(seconds)], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"{pathlib.Path(command[-1]).name} {operation} {name}: {done.stderr.decode(errors='replace')}")
    figures, _, made = done.stdout.partition(b"\n")
    count, taken = figures.split()
    return int(count) / float(taken), made


def prove(who, folder):
    """What we sign is right in another's eyes."""
    for kind in ("rsa", "ed25519"):
        _, made = run(who[OURS], folder, f"sign-{kind}", "plain-4.eml", 0)
        (folder / "ours.eml").write_bytes(made + (folder / "plain-4.eml").read_bytes())
        run(who[DKIMPY], folder, "verify", "ours.eml", 0.01)


def rates(who, folder, seconds, rounds, ours, name, others):
    """{who: [rate of each round]}"""
    found = {one: [] for one in (OURS, *others)}
    for n in range(rounds):
        for one in (found if n % 2 == 0 else reversed(found)):
            found[one].append(run(who[one], folder, ours if one == OURS else others[one], name, seconds)[0])
    return found


def ratio(found, one):
    return statistics.median(mine / theirs for mine, theirs in zip(found[OURS], found[one]))


def row(what, found, goals):
    cells = [f"{statistics.median(found[one]):,.0f}" + (f" ({ratio(found, one):.2f})" if one != OURS else "") if one in found else ""
             for one in (OURS, FLOOR, *ALL)]
    goal = "; ".join(f"{least:.2f} × {one}" for one, least in goals.items())
    return f"| {what} | {' | '.join(cells)} | {goal} |"


def scene(options):
    folder = (options.disk / "mailauth").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_keys(folder)
    make_messages(folder)
    who = programs(options)
    if not who[OPENDKIM][0].exists():
        raise BenchError(f"not built: auth-opendkim; install libopendkim-dev, then meson setup --reconfigure {options.build} and make")
    prove(who, folder)
    seconds, rounds = (SLICE_QUICK, 1) if options.quick else (SLICE, ROUNDS)
    table = []
    for what, ours, name, others, goals in ROWS:
        found = rates(who, folder, seconds, rounds, ours, name, others)
        table.append(row(what, found, goals))
        compare.say(f"mailauth: {table[-1]}")
    both = copies(who, folder, seconds, rounds)
    check = [1000 / rate for rate in rates(who, folder, seconds, rounds, "check", "rsa-4.eml", {})[OURS]]
    shutil.rmtree(folder, ignore_errors=True)
    return [
        "## Mail authentication", "",
        "`scripts/bench mailauth`. Done a second of CPU time (so that other work on the machine, which there may be, counts little), in one "
        "thread, answers of DNS in memory; in brackets how many times as often we do it. "
        f"Medians of {rounds} rounds of {seconds:g} s, in which all take turns; a ratio is the median of the rounds' ratios, and the "
        "goal at least that. OpenSSL alone: to verify a bare loop with a parsed key (`auth_floor.c`), the hash of all octets where the body "
        "is simple; to sign the signature of 32 octets. "
        "A list's copy: its body hashed before, its header of 2 KB, a field of its own. "
        f"Load average, ours among it: {os.getloadavg()[1]:.1f}.", "",
        f"| | {OURS} | {FLOOR} | {' | '.join(ALL)} | goal |", "|---|---|---|---|---|---|---|", *table, "",
        f"{COPIES:,} copies of a list's post, each signed with Ed25519 and with RSA-2048: {both[0]:.1f} s of CPU time at the rate of {seconds:g} s of them, {both[1]:.2f} times "
        f"the bare signatures (goal: at most {COPIES_GOAL}).", "",
        f"SPF, DKIM and DMARC of a message of 4 KB: {statistics.median(check):.3f} ms of CPU time ({min(check):.3f}–{max(check):.3f}; "
        f"goal: at most {CHECK_GOAL_MS})."]


def copies(who, folder, seconds, rounds):
    """(CPU seconds of all copies, how many times what OpenSSL alone takes)"""
    ours, ratios = [], []
    for _ in range(rounds):
        bare = [1 / run(who[FLOOR], folder, f"raw-sign-{kind}", "list-4.eml", seconds)[0] for kind in ("rsa", "ed25519")]
        ours.append(1 / run(who[OURS], folder, "copy-both", "list-4.eml", seconds)[0])
        ratios.append(ours[-1] / sum(bare))
    return statistics.median(ours) * COPIES, statistics.median(ratios)
