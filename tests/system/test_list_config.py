"""What lists are told, as text: list export, list diff, list apply; and lists in a style."""
import tomllib

import pytest

from postroad import message, until

ANT, BEE = "ant@example.org", "bee@example.org"


@pytest.fixture
def told(make):
    """A server, two domains, two lists, and something said for each."""
    server = make()
    cli = server.cli
    cli("domain", "add", "two.example")
    cli("list", "create", ANT, "--style", "private-default", "--archive", "none")
    cli("list", "create", BEE)
    cli("list", "create", "cat@two.example")
    cli("list", "set", "all", "info=Two\nlines, \"quoted\".\n", "emergency=true", "default_member_action=", "default_nonmember_action=")
    cli("list", "set", "@two.example", "max_message_size=7", "accept_these_nonmembers=^.*@x\\.example$", "accept_these_nonmembers+=Ada@X.example")
    cli("list", "set", ANT, "moderator_password=open sesame", "bounce_info_stale_after=1d12h", "digest_size_threshold=10.5")
    cli("ban", "add", ANT, "bad@x.example")
    cli("ban", "add", ANT, r"^.*@bad\.example$")
    cli("header-match", "add", ANT, "x-spam", r"^yes\b", "--action", "discard", "--tag", "spam")
    cli("header-match", "add", ANT, "subject", "'")
    server.file = server.dir / "told.toml"
    return server


def write(told, text):
    told.file.write_text(text)
    return told.file


def test_styles(told):
    shown = {row["name"]: row for row in told.json("list", "settings", ANT)}
    assert [shown[name]["value"] for name in ("subject_prefix", "display_name", "advertised", "subscription_policy", "send_welcome_message")] == [
        "[Ant] ", "Ant", "false", "confirm_then_moderate", "true"]
    told.cli("list", "create", "dog@example.org", "--style", "legacy-announce")
    dog = told.json("list", "show", "dog@example.org")
    assert (dog["archive"], dog["class"]) == ("public", "announcement")
    assert told.json("list", "show", BEE)["class"] == "list"
    assert "legacy-default" in told.fails("list", "create", "emu@example.org", "--style", "fancy", status=2)


def test_an_export_is_toml_and_changes_nothing(told):
    text = told.cli("list", "export", "all")
    got = tomllib.loads(text)
    assert list(got) == ["all", "@example.org", "@two.example", ANT, BEE, "cat@two.example"]
    assert got["all"] == {"info": 'Two\nlines, "quoted".\n', "emergency": True}
    assert got["@two.example"] == {"accept_these_nonmembers": ["^.*@x\\.example$", "ada@x.example"], "max_message_size": 7}
    assert got["@example.org"] == {} and got[BEE] == {"archive": "public"}
    assert got[ANT]["header_match"] == [{"header": "x-spam", "pattern": r"^yes\b", "action": "discard", "tag": "spam"},
                                        {"header": "subject", "pattern": "'", "action": "hold"}]
    assert got[ANT]["bans"] == [r"^.*@bad\.example$", "bad@x.example"] and got[ANT]["moderator_password"].startswith("$argon2id$")
    assert (got[ANT]["bounce_info_stale_after"], got[ANT]["digest_size_threshold"], got[ANT]["archive"]) == ("1d12h", 10.5, "none")
    assert list(tomllib.loads(told.cli("list", "export", "@two.example"))) == ["@two.example", "cat@two.example"]
    assert list(tomllib.loads(told.cli("list", "export", ANT))) == [ANT]
    write(told, text)
    assert told.json("list", "diff", told.file) == []
    assert told.json("list", "apply", told.file) == {"changes": 0}
    # from nothing to that, and the same comes out again
    write(told, "".join(f'["{scope}"]\n' for scope in got))
    assert told.run("list", "diff", told.file, check=False).returncode == 1
    told.cli("list", "apply", told.file)
    assert all(set(section) <= {"archive"} for section in tomllib.loads(told.cli("list", "export", "all")).values())
    told.cli("list", "apply", write(told, text), "--by", "ann")
    assert told.cli("list", "export", "all") == text


def test_a_section_is_all_that_is_said(told):
    write(told, f"""# what we want
["{ANT}"]
archive = "private"          # it was none
moderator_password = "open sesame"
subject_prefix = "[Ant] "
bans = ["new@X.example", 'bad@x.example']
[["{ANT}".header_match]]
header = "x-spam"
pattern = '^yes\\b'
action = "discard"
tag = "spam"
""")
    rows = told.json("list", "apply", told.file, "--dry-run")
    want = {(row["name"], row["now"], row["wanted"]) for row in rows}
    assert {("archive", "none", "private"), ("bans", "", "new@x.example"), ("bans", r"^.*@bad\.example$", ""), ("advertised", "false", ""),
            ("header_match", "hold: subject: '", ""), ("digest_size_threshold", "10.5", "")} <= want
    assert not [row for row in rows if row["name"] in ("moderator_password", "subject_prefix")] and {row["scope"] for row in rows} == {ANT}
    before = told.cli("list", "export", "all")
    assert told.run("list", "diff", told.file, check=False).returncode == 1 and told.cli("list", "export", "all") == before
    told.cli("list", "apply", "-", input=told.file.read_text())
    assert told.json("list", "diff", told.file) == [] and told.json("list", "show", ANT)["archive"] == "private"
    after = tomllib.loads(told.cli("list", "export", "all"))
    assert {k: v for k, v in after.items() if k != ANT} == {k: v for k, v in tomllib.loads(before).items() if k != ANT}
    assert set(after[ANT]) == {"archive", "moderator_password", "subject_prefix", "bans", "header_match"}


@pytest.mark.parametrize("text, what", [
    ('["no@example.org"]', "line 1: no list no@example.org here"),
    ('["@no.example"]', "line 1: domain no.example is not here"),
    ("emergency = true", "line 1: a section is wanted first"),
    ("[all]\nemergncy = true", "line 2: no list setting is called emergncy: is it emergency"),
    ("[all]\nemergency = perhaps", "line 2: emergency: one of these is wanted: false true"),
    ("[all]\nemergency = true\nemergency = true", "line 3: emergency is said twice"),
    ("[all]\n[@example.org]\n[all]", "line 3: all has a section in line 1 already"),
    ("[all]\ninfo = [\"a\"]", "line 2: info: one value is wanted"),
    ("[all]\narchive = none", "line 2: archive: only a list has one"),
    ("[all]\nbans = ['^(']", "line 2: bans: ^("),
    ("[all]\nhold_these_nonmembers = [\n'a@b.example',\n'nobody']", "line 2: hold_these_nonmembers: nobody"),
    ("[[all.header_match]]\nheader = 'x'\n[all2@example.org]", "line 1: a header match wants header and pattern"),
    ("[[all.header_match]]\nheader = 'x y'", "line 2: header: no name of a header field"),
    ("[[all.header_match]]\naction = defer", "line 2: action: hold, reject, discard, accept or list_default is wanted"),
    ("[[all.header_match]]\ncolour = red", "line 2: colour: a header match has header, pattern, action and tag"),
    ("[all]\ninfo = \"x", "line 2: the text has no end"),
])
def test_a_mistake_has_its_line_and_nothing_is_done(told, text, what):
    before = told.cli("list", "export", "all")
    write(told, text + f'\n["{BEE}"]\nemergency = true\n')
    for words in (["apply"], ["apply", "--dry-run"], ["diff"]):
        assert f"{told.file}: {what}" in told.fails("list", words[0], told.file, *words[1:])
    assert told.cli("list", "export", "all") == before


def test_the_archive_follows_its_policy(make):
    """Files move between the public and the private half, with a post and without; what came while it was off is not missed."""
    server = make()
    server.cli("list", "create", ANT)
    server.cli("member", "add", ANT, "ada@x.example")
    server.start("smtpd", "router", "archived")

    def post(number):
        server.post("me@sender.example", ANT, message(subject=f"post {number}"))

    def policy(archive):
        server.cli("list", "apply", "-", input=f'["{ANT}"]\narchive = "{archive}"\n')

    def halves():
        return sorted(path.parts[-4] for path in (server.dir / "data/archive").glob("*/example.org/ant/*.mbox"))

    def archived(*uids):
        until(lambda: [row["uid"] for row in server.json("archive", "ls", ANT)] == list(uids), 20, "the archive")
        server.cli("archive", "verify")
    post(1)
    until(halves, 20, "the first post")
    policy("private")
    post(2)
    until(lambda: halves() == ["private"], 30, "the move")
    archived(1, 2)
    policy("none")
    post(3)
    until(lambda: server.json("list", "show", ANT)["posts"] == 3, 20, "the third post")
    policy("public")
    until(lambda: halves() == ["public"], 30, "the move back")
    post(4)
    archived(1, 2, 4)
