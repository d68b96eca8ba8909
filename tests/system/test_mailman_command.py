"""postroad mailman: the command line of Mailman 3.3, by itself and beside the real one."""
import difflib
import email
import email.policy
import json
import pathlib
import re
import subprocess

import pytest

import peers_mailman
from mailman_cases import ALIKE, CASES, FILES
from postroad import message, until

NEWS = "news@example.org"


@pytest.fixture
def shim(tmp_path):
    """shim(post, *words, input=…, status=0): the command by Mailman's name; the finished process."""
    link = tmp_path / "mailman"

    def run(post, *words, input=None, status=0):
        if not link.is_symlink():
            link.symlink_to(post.program)
        got = post._run([link, "-C", post.dir, *words], input=input, check=False)
        assert status is None or got.returncode == status, got
        return got
    return run


@pytest.fixture
def news(idle, shim):
    shim(idle, "create", "-o", "boss@far.example", NEWS)
    return idle


def wrong(got, error):
    """A usage error as click tells it."""
    assert got.returncode == 2 and got.stdout == "", got
    usage, hint, blank, said = got.stderr.rstrip("\n").split("\n")
    assert usage.startswith("Usage: mailman ") and re.fullmatch(r"Try 'mailman.* -h' for help\.", hint) and blank == ""
    assert said == f"Error: {error}"


# ---- by itself


def test_its_names_and_its_instance(idle, shim, tmp_path):
    assert idle.run("mailman", "lists").stdout == "No matching mailing lists found\n"
    got = idle.run("mailman", "create", check=False)
    assert got.returncode == 2 and got.stderr.startswith("Usage: postroad mailman create [OPTIONS] LISTNAME\n")
    link = tmp_path / "postroad-mailman"
    link.symlink_to(idle.program)
    assert idle._run(["env", f"POSTROAD_DIR={idle.dir}", link, "lists", "-q"]).stdout == ""
    assert idle._run([link, "--version"]).stdout == idle._run([link, "-C", idle.dir, "version"]).stdout
    wrong(idle._run([shim_link(tmp_path, idle), "-C", "/no/such", "lists"], check=False),
          "Invalid value for '-C' / '--config': Directory '/no/such' does not exist.")
    file = tmp_path / "mailman.cfg"
    file.write_text("")
    wrong(idle._run([shim_link(tmp_path, idle), "-C", file, "lists"], check=False),
          f"Invalid value for '-C' / '--config': '{file}' is a file; the directory of a Postroad instance is wanted.")
    got = idle._run([link, "-C", tmp_path, "lists"], check=False)
    assert got.returncode == 2 and got.stderr.startswith(f"Error: {tmp_path} is not a Postroad instance")
    assert shim(idle, "--run-as-root", "lists", "-q").stdout == ""


def shim_link(tmp_path, post):
    link = tmp_path / "mailman"
    if not link.is_symlink():
        link.symlink_to(post.program)
    return link


def test_what_makes_no_sense_here_says_so(idle, shim):
    for name in ("start", "stop", "restart", "reopen", "shell", "withlist", "qfile", "unshunt", "gatenews", "import21"):
        got = shim(idle, name, "-f", "anything", status=1)
        assert got.stdout == "" and re.fullmatch(rf"Error: mailman {name} does nothing here: .+\.\n", got.stderr)
        assert "Not here: " in shim(idle, name, "--help").stdout
    assert all(name in shim(idle, "help").stdout for name in ("start", "members", "digests"))
    assert shim(idle).stdout == shim(idle, "--help").stdout == shim(idle, "help").stdout


def test_very_many_in_slices_and_each_that_fails_is_named(news, shim, tmp_path):
    """More than two slices; a second run passes over who is there."""
    news.cli("ban", "add", NEWS, "^.*@banned.example$")
    people = [f"Person {n} <P{n:03}@many.example>" for n in range(250)]
    people[100] = "x@banned.example"
    people[120] = "line 121 is wrong"
    people[201] = NEWS
    file = tmp_path / "people"
    file.write_text("\n".join(people))
    got = shim(news, "addmembers", file, NEWS)
    assert got.stdout == "" and got.stderr.splitlines() == [
        "Membership is banned (skipping): x@banned.example", "Cannot parse as valid email address (skipping): line 121 is wrong",
        f"Belongs to a list (skipping): {NEWS}"]
    assert shim(news, "members", "-c", NEWS).stdout == "247\n"
    assert shim(news, "members", NEWS).stdout.splitlines()[:2] == ["Person 0 <P000@many.example>", "Person 1 <P001@many.example>"]
    again = shim(news, "addmembers", file, NEWS).stderr
    assert again.count("Already subscribed (skipping): ") == 247 and "Already subscribed (skipping): Person 7 <P007@many.example>\n" in again
    file.write_text("p001@many.example\nnew@many.example\n")
    got = shim(news, "syncmembers", file, NEWS)
    assert got.stdout.startswith("[ADD] new@many.example\n[DEL] Person 0 <P000@many.example>\n")
    assert got.stdout.count("[DEL] ") == 246 and got.stderr == ""
    assert shim(news, "members", NEWS).stdout == "new@many.example\nPerson 1 <P001@many.example>\n"
    history = news.json("member", "history", "p000@many.example")
    assert [row["event"] for row in history] == ["unsubscribed", "subscribed"]


def test_a_run_that_stops_says_where(post, shim, tmp_path):
    """The list goes while addresses are added to it."""
    shim(post, "create", "-q", NEWS)
    file = tmp_path / "people"
    file.write_text("".join(f"Person {n} <p{n}@many.example>\n" for n in range(50000)))
    with subprocess.Popen([tmp_path / "mailman", "-C", post.dir, "addmembers", "-W", file, NEWS], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=post.environment(post.command_leaks)) as process:
        until(lambda: shim(post, "members", "-c", NEWS).stdout != "0\n", 60, "the first slice")
        shim(post, "remove", "-q", NEWS)
        out, err = process.communicate(timeout=120)
    said = re.fullmatch(rf"Error: stopped at Person (\d+) <p\1@many\.example>, (\d+) of 50000 are done \(run it again to go on\): "
                        rf"no list {NEWS} here\n", err)
    assert said and said[1] == said[2] and int(said[1]) % 100 == 0 and out == "" and process.returncode == 1, err


def test_nobody_is_a_member_and_each_is_named(news, shim, tmp_path):
    file = tmp_path / "people"
    file.write_text("".join(f"p{n}@many.example\n" for n in range(120)) + "what is this\n")
    got = shim(news, "delmembers", "-l", NEWS, "-f", file)
    assert got.stdout == "" and got.stderr.count("Member not subscribed (skipping): ") == 121
    assert got.stderr.endswith(": p119@many.example\nMember not subscribed (skipping): what is this\n")
    assert shim(news, "delmembers", "--fromall", "-f", file).stderr == got.stderr  # there is but one list
    shim(news, "create", "-q", "talk@example.org")
    assert shim(news, "delmembers", "--fromall", "-f", file).stderr == ""


def test_what_belongs_to_a_list_is_not_invited(news, shim):
    """It keeps back nobody else of its slice."""
    got = shim(news, "addmembers", "-i", "-", NEWS, input="ada@x.example\nnews-owner@example.org\nbo@x.example\n")
    assert got.stderr == "Belongs to a list (skipping): news-owner@example.org\n"
    assert sorted(row["address"] for row in news.json("request", "ls", NEWS)) == ["ada@x.example", "bo@x.example"]


def test_an_address_changes_and_everything_stays(news, shim):
    shim(news, "addmembers", "-d", "disabled", "-", NEWS, input="Ada L. <ada@old.example>\n")
    assert shim(news, "changeaddress", "ada@old.example", "Ada@New.example").stdout == (
        "Address changed from ada@old.example to Ada@New.example.\n")
    assert shim(news, "members", "-n", "byadmin", NEWS).stdout == "Ada L. <Ada@New.example>\n"
    assert [row["detail"].partition(" ")[2] for row in news.json("member", "history", "ada@old.example")][:1] == ["now=ada@new.example"]
    shim(news, "changeaddress", "ada@new.example", "ADA@new.example")
    assert shim(news, "members", NEWS).stdout == "Ada L. <ADA@new.example>\n"


def test_owners_and_moderators(news, shim):
    got = shim(news, "admins", "-a", "Cy <Cy@far.example>", "-a", "dee@far.example", "-r", "moderator", NEWS)
    assert got.stdout == got.stderr == ""
    assert shim(news, "members", "-R", "moderator", NEWS).stdout == "Cy@far.example\ndee@far.example\n"
    got = shim(news, "admins", "-a", "cy@far.example", "-d", "dee@far.example", "-d", "no@far.example", "-r", "moderator", NEWS)
    assert got.stderr == "Already moderator (skipping): cy@far.example\nNot moderator (skipping): no@far.example\n"
    assert shim(news, "members", "-R", "administrator", NEWS).stdout == "boss@far.example\nCy@far.example\n"
    wrong(shim(news, "admins", NEWS, status=2), "At least one of -a/--add and -d/--delete is required.")
    wrong(shim(news, "admins", "-a", "x@far.example", NEWS, status=2), "Missing option '--role' / '-r'.")


def test_output_into_a_file(news, shim, tmp_path):
    file = tmp_path / "out"
    for words in (["members", NEWS], ["conf", "-s", "mailman"], ["info", "-v"]):
        assert shim(news, *words, "-o", file).stdout == ""
        assert file.read_text() == shim(news, *words).stdout != ""
    got = shim(news, "info")
    assert got.stdout.splitlines()[0] == shim(news, "version").stdout.strip()
    assert shim(news, "conf", "-s", "mailman", "-k", "site_owner").stdout.strip().startswith("changeme@")


def test_digests_are_sent(post, shim, sink):
    post.cli("list", "create", NEWS, "--archive", "none")
    post.cli("member", "add", NEWS, "anne@x.example")
    post.cli("member", "set", NEWS, "anne@x.example", "delivery_mode=mime_digests")
    with post.raw() as c:
        c.begin("anne@x.example", NEWS)
        assert c.data(message(sender="anne@x.example", to=NEWS)) == 250
    post.wait()
    assert sink.to("anne@x.example") == []
    shim(post, "digests", "--send")
    until(lambda: sink.to("anne@x.example"))


def letters(sink, to):
    return [email.message_from_bytes(mail.octets, policy=email.policy.default) for mail in sink.to(to)]


def test_mail_it_brings_in(post, sink, shim):
    """A letter to the owners of a new list, a post, and a letter about what waits for moderators."""
    shim(post, "create", "-n", "-o", "boss@far.example", NEWS)
    post.wait()
    [letter] = letters(sink, "boss@far.example")
    assert letter["Subject"] == f"Your new mailing list: {NEWS}" and NEWS in letter.get_content()
    assert letter["Auto-Submitted"] == "auto-generated"
    shim(post, "addmembers", "-W", "-", NEWS, input="ada@x.example\n")
    shim(post, "inject", NEWS, input=f"From: ada@x.example\nTo: {NEWS}\nSubject: hello\nMessage-ID: <1@x.example>\n\nhi\n")
    post.wait()
    [copy] = letters(sink, "ada@x.example")
    assert copy["Subject"].endswith("hello") and copy["Message-ID"] == "<1@x.example>"
    post.cli("list", "set", NEWS, "subscription_policy=moderate", "admin_immed_notify=false", "default_nonmember_action=hold")
    post.cli("member", "subscribe", NEWS, "dee@x.example", "--verified")
    shim(post, "inject", NEWS, input=f"From: stranger@x.example\nTo: {NEWS}\nSubject: held\n\nhi\n")
    post.wait()
    assert shim(post, "notify", "-n", "-v").stdout == f"The {NEWS} list has 2 moderation requests waiting.\n"
    before = len(letters(sink, "boss@far.example"))
    shim(post, "notify")
    post.wait()
    letter = letters(sink, "boss@far.example")[-1]
    assert len(letters(sink, "boss@far.example")) == before + 1
    assert letter["Subject"] == f"The {NEWS} list has 2 moderation requests waiting."
    assert "dee@x.example" in letter.get_content() and "Posts that wait for a moderator: 1" in letter.get_content()
    got = shim(post, "status", status=1)
    assert got.stdout == f"GNU Mailman is running (master pid: {post.pid('supervisor')})\n"


def test_who_is_told(post, sink, shim):
    shim(post, "create", "-q", "-o", "boss@far.example", NEWS)
    shim(post, "addmembers", "-w", "-", NEWS, input="loud@x.example\n")
    shim(post, "addmembers", "-W", "-", NEWS, input="quiet@x.example\n")
    shim(post, "addmembers", "-i", "-", NEWS, input="asked@x.example\n")
    post.wait()
    assert len(letters(sink, "loud@x.example")) == 1 and not letters(sink, "quiet@x.example")
    [asked] = letters(sink, "asked@x.example")
    assert re.fullmatch(r"news-confirm\+[0-9a-f]{32}@example\.org", asked["From"])
    assert shim(post, "members", "-e", NEWS).stdout == "loud@x.example\nquiet@x.example\n"
    shim(post, "delmembers", "-G", "-n", "-l", NEWS, "-m", "loud@x.example")
    shim(post, "delmembers", "-g", "-N", "-l", NEWS, "-m", "quiet@x.example")
    post.wait()
    assert len(letters(sink, "loud@x.example")) == 1 and len(letters(sink, "quiet@x.example")) == 1
    assert [letter["Subject"] for letter in letters(sink, "boss@far.example") if "loud@x.example" in str(letter)]
    assert not [letter for letter in letters(sink, "boss@far.example") if "quiet@x.example" in str(letter)]


# ---- beside Mailman

# Runs the cases in one process, through the same entry as its program.
RUNNER = """
import json, click.testing, mailman.bin.mailman as program
program.initialize = lambda value: sys.stderr.reconfigure(line_buffering=True)   # it is initialized already
runner = click.testing.CliRunner(mix_stderr=False)
out = []
for words, given in json.loads({cases!r}):
    got = runner.invoke(program.main, words, input=given, prog_name='mailman')
    out.append([got.exit_code, got.stdout, got.stderr, repr(got.exception)])
print(json.dumps(out))
"""


class Commands(peers_mailman.Mailman):
    """Mailman whose commands are run, and nothing else of it."""

    def _start(self):
        pass

    def answers(self, cases):
        return json.loads(self.script(RUNNER.format(cases=json.dumps(cases))).splitlines()[-1])


@pytest.fixture
def peer():
    made = Commands({}, 9)
    for name, text in FILES.items():
        (made.folder / name).write_text(text)
    yield made
    made.close()


def lines(text):
    """Blanks at the end of a line say nothing (Mailman has none any more since 3.3.10)."""
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


# What may differ, why, and what of a line is compared then.
INSIDES = re.compile(r"^(\[[\w.]+\] (?:class|configuration|url|component_package|path|pid_file|lock_file|\w+_dir|incoming|smtp_host|smtp_port|lmtp_port|"
                     r"outgoing|hostname|port|admin_\w+|site_owner|history_file|start|show_tracebacks):).*")
RULES = {
    "guess": ("which option may have been meant is a guess, and click's and ours may differ",
              lambda line: re.sub(r"(No such option: \S+).*", r"\1", line)),
    "insides": ("what Mailman's configuration says of its classes, places, databases and passwords is nothing here, or this server's own",
                lambda line: INSIDES.sub(r"\1", line)),
}


def unexplained(ours, theirs, used):
    """The lines that differ, and that no rule explains."""
    if len(ours) != len(theirs):
        return [line for line in difflib.ndiff(theirs, ours) if line[0] in "+-"]
    left = []
    for mine, yours in zip(ours, theirs, strict=True):
        explained = [name for name, (_, kept) in RULES.items() if mine != yours and kept(mine) == kept(yours)]
        used.update(explained)
        if mine != yours and not explained:
            left += [f"- {yours}", f"+ {mine}"]
    return left


def test_beside_mailman(idle, shim, peer):
    files = {name: str(peer.folder / name) for name in FILES}
    cases = [([word.format(**files) if word.startswith("{") else word for word in words], given) for words, given in CASES]
    theirs = peer.answers(cases)
    used, wrong_ones = set(), []
    for (words, given), (status, out, err, exception) in zip(cases, theirs, strict=True):
        got = shim(idle, *words, input=given, status=None)
        left = [f"  exit status {got.returncode}, Mailman's {status} {exception}"] if got.returncode != status else []
        left += unexplained(lines(got.stdout), lines(out), used) + unexplained(lines(got.stderr), lines(err), used)
        wrong_ones += [str(words), *left] if left else []
    assert not wrong_ones, "\n".join(wrong_ones)
    assert used == set(RULES), f"rules that explain nothing: {set(RULES) - used}"


def offered(text):
    """The options in a help text."""
    options = text.partition("Options:\n")[2].partition("\n\n")[0]
    return {name for line in re.findall(r"^  (-.+?)(?:  |$)", options, re.M) for name in re.findall(r"(?<![\w-])-{1,2}[\w-]+", line)}


def test_the_same_options(idle, shim, peer):
    """Mailman 3.3.8 misspells one name; admins came after it."""
    theirs = peer.answers([([name, "--help"], None) for name in ALIKE] + [(["--help"], None)])
    for name, (status, out, _, exception) in zip(ALIKE, theirs, strict=False):
        assert status == 0, exception
        got = shim(idle, name, "--help").stdout
        assert got.splitlines()[0] == out.splitlines()[0]
        assert offered(got) - {"--no-notify"} == offered(out) - {"-no-notify"}, name
    names = set(re.findall(r"^  (\w+)  ", theirs[-1][1].partition("Commands:\n")[2], re.M))
    assert len(names) > 20 and set(re.findall(r"^  (\w+)  ", shim(idle, "--help").stdout.partition("Commands:\n")[2], re.M)) == names | {"admins"}


def test_the_program_itself(idle, shim, peer):
    """What stands in for the real program above answers as it does."""
    assert peer.run("mailman", "version") == shim(idle, "version").stdout
    assert pathlib.Path(peer.folder).is_dir()
