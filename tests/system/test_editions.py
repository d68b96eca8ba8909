"""The list's edition of a post, as members get it by SMTP: what is put in, what is taken out, who gets no copy, and that a
list which asks for nothing changes nothing."""
import email
import email.policy

import pytest

from postroad import message, until

LIST = "news@example.org"
MEMBERS = ["ada@x.example", "bo@y.example"]


@pytest.fixture
def news(post):
    post.cli("list", "create", LIST, "--owner", "boss@far.example", "--archive", "none")
    post.cli("member", "add", LIST, *MEMBERS)
    return post


def tell(news, *settings):
    news.cli("list", "set", LIST, *settings)


def send(news, octets, sender="guest@far.example"):
    """The queue id of a post that is taken, once nothing is left to do."""
    with news.raw() as c:
        c.begin(sender, LIST)
        got = c.data(octets)
    assert got == 250, got
    news.wait()
    return got.text.rsplit(" ", 1)[-1]


def copy(sink, member="ada@x.example"):
    return sink.one(member).octets


def parsed(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def body(octets):
    return octets.split(b"\r\n\r\n", 1)[1]


def events(news, queue_id, kind):
    return [row for row in news.trace(queue_id) if row["event"] == kind]


ODD = [
    b"From: a@x\r\nTo: news@example.org\r\nSubject:  two  spaces \r\n\tand a fold\r\n\r\n.dots\r\n..\r\n.\xe9\r\n",
    b"from : a@x\r\nSubject: =?x?q?_?=\r\nDKIM-Signature: v=1; h=from\r\nContent-Type: multipart/mixed\r\n\r\n--no\r\n",
    b"Subject: bare\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n\r\n \t\r\n",
    b"Subject: no line end\r\n\r\nlast",
]


def test_a_list_that_changes_nothing_changes_no_octet(news, sink):
    """Fields of ours stand on top; every octet behind them is the author's."""
    for octets in ODD:
        send(news, octets)
    got = [m.octets for m in sink.to("ada@x.example")]
    assert len(got) == len(ODD)
    for octets, mail in zip(ODD, got):
        octets += b"" if octets.endswith(b"\r\n") else b"\r\n"
        assert mail.endswith(octets)
        ours = mail[:-len(octets)]
        names = [line.split(b":")[0] for line in ours.split(b"\r\n") if line and line[:1] not in b" \t"]
        assert names == [b"List-Id", b"List-Help", b"List-Owner", b"List-Post", b"List-Subscribe",
                         b"List-Unsubscribe", b"Precedence", b"Received"]


def test_subject_footer_and_reply_to(news, sink):
    tell(news, "subject_prefix=[News %d] ", "reply_goes_to_list=point_to_list", "description=All the news",
         "msg_footer=-- \n$description: $listname, $user_email")
    qid = send(news, message(subject="Re: [News 3] hello", body="text\r\n", fields="Reply-To: Cy <cy@z.example>\r\n"))
    for member in MEMBERS:
        mail = parsed(copy(sink, member))
        assert mail["Subject"] == "[News 1] Re: hello"
        assert mail["Reply-To"] == f'Cy <cy@z.example>, All the news <{LIST}>'
        assert mail["List-Id"] == '"All the news" <news.example.org>'
        assert body(copy(sink, member)) == b"text\r\n-- \r\nAll the news: news@example.org, $user_email\r\n"
    [edited] = events(news, qid, "edited")
    assert edited["list"] == LIST
    assert edited["detail"] == "header and footer as lines of the post, subject prefix, Reply-To"


def test_the_edition_is_of_the_list_as_it_was(news, sink):
    """What waits is sent as it was made, whatever the list is told meanwhile; and a restart changes nothing."""
    tell(news, "subject_prefix=[old]")
    news.cli("queue", "freeze")
    with news.raw() as c:
        c.begin("guest@far.example", LIST)
        assert c.data(message(subject="one")) == 250
    until(lambda: news.queue() and news.json("queue", "show")[0]["state"] == "delivering", 20)
    tell(news, "subject_prefix=[new]")
    news.restart()
    news.cli("queue", "thaw")
    news.wait()
    send(news, message(subject="two"))
    assert [parsed(m.octets)["Subject"] for m in sink.to("ada@x.example")] == ["[old] one", "[new] two"]


def test_personal_copies(news, sink):
    """Each copy is made for its member, dots and all."""
    news.cli("member", "add", LIST, "mia@z.example")
    tell(news, "personalize=full", "msg_header=.For $user_email", "msg_footer=.$user_name_or_address")
    send(news, message(body=".one\r\n..two\r\n"))
    for member in MEMBERS + ["mia@z.example"]:
        octets = copy(sink, member)
        mail = parsed(octets)
        assert mail["To"] == member and mail["Cc"] == LIST
        parts = [part.get_content() for part in mail.iter_parts()] or [mail.get_content()]
        text = "".join(parts).replace("\r\n", "\n")
        assert f".For {member}" in text and ".one\n..two" in text and f".{member}" in text


def test_footers_never_stand_in_signed_mail(news, sink):
    tell(news, "msg_footer=below", "msg_header=above")
    inner = b"--b\r\n\r\nsigned text\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nxyz\r\n--b--\r\n"
    qid = send(news, b"Subject: s\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n" + inner)
    assert body(copy(sink)) == inner
    assert "signed or encrypted" in events(news, qid, "edited")[0]["detail"]
    html = b"Subject: s\r\nContent-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xc1</p>\r\n"
    send(news, html)
    mail = parsed(sink.to("ada@x.example")[-1].octets)
    above, text, below = mail.iter_parts()
    assert (above.get_content().strip(), below.get_content().strip()) == ("above", "below")
    assert text.get_content_type() == "text/html" and text.get_content().strip() == "<p>\u0430</p>"


def test_no_second_copy_and_no_own_copy(news, sink):
    """A member whom the post names, a poster: as each prefers. It can be traced why there is no copy."""
    news.cli("member", "add", LIST, "cy@z.example")
    news.cli("member", "set", LIST, "bo@y.example", "receive_list_copy=false")
    news.cli("member", "set", LIST, "cy@z.example", "receive_own_postings=false")
    qid = send(news, message(sender="cy@z.example", to=f"{LIST}, Bo <BO@Y.example>", fields="Cc: ada@x.example\r\n"),
               sender="cy@z.example")
    assert sink.recipients() == ["ada@x.example"]
    assert {(row["recipient"], row["detail"]) for row in events(news, qid, "skipped")} == {
        ("bo@y.example", "the post names the member, who wants no second copy"),
        ("cy@z.example", "the member's own post")}
    assert parsed(copy(sink))["Cc"] == "ada@x.example"
    send(news, message())
    assert sorted(sink.recipients()) == ["ada@x.example", "ada@x.example", "bo@y.example", "cy@z.example"]


def test_a_post_is_acknowledged_to_who_wants_it(news, sink):
    news.cli("member", "set", LIST, "ada@x.example", "acknowledge_posts=true")
    send(news, message(sender="ada@x.example", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?="), sender="ada@x.example")
    until(lambda: len(sink.to("ada@x.example")) == 2)
    post, letter = sorted((parsed(mail.octets) for mail in sink.to("ada@x.example")), key=lambda m: "post acknowledgment" in m["Subject"])
    assert letter["Subject"] == "News post acknowledgment" and "    Gr\u00fc\u00dfe\n" in letter.get_content().replace("\r\n", "\n")
    send(news, message(sender="bo@y.example"), sender="bo@y.example")
    news.wait()
    assert len(sink.to("ada@x.example")) == 3 and len(sink.to("bo@y.example")) == 2


def test_anonymous_list(news, sink):
    tell(news, "anonymous_list=true")
    send(news, message(sender="secret@hidden.example", fields="X-Secret: secret\r\nUser-Agent: secret\r\n"),
         sender="secret@hidden.example")
    octets = copy(sink)
    assert b"secret" not in octets and b"hidden" not in octets and b"Received:" not in octets
    assert parsed(octets)["From"] == f'News <{LIST}>' and parsed(octets)["Reply-To"] == LIST


def test_passwords_and_requests_for_receipts_go_no_further(news, sink):
    send(news, message(fields="Approved: opensesame\r\nDisposition-Notification-To: me@far.example\r\n"
                              "Return-Receipt-To: me@far.example\r\nList-Unsubscribe: <http://other/>\r\n"))
    octets = copy(sink)
    for gone in (b"opensesame", b"Disposition", b"Receipt", b"http://other"):
        assert gone not in octets


def test_one_click_unsubscribe_is_offered_to_each_member(news, sink):
    tell(news, "unsubscribe_url=https://lists.example.org/unsubscribe")
    send(news, message())
    links = {}
    for member in MEMBERS:
        mail = parsed(copy(sink, member))
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        links[member] = mail["List-Unsubscribe"].split(">")[0]
        assert links[member].startswith(f"<https://lists.example.org/unsubscribe/{LIST}/{member}/")
        assert "<mailto:news-leave+" in mail["List-Unsubscribe"]
    assert len({link.rsplit("/", 1)[1] for link in links.values()}) == 2
    send(news, message())
    again = parsed(sink.to("ada@x.example")[-1].octets)["List-Unsubscribe"].split(">")[0]
    assert again == links["ada@x.example"]


MIXED = ("Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\n",
         "--b\r\nContent-Type: text/plain\r\n\r\nwords\r\n"
         "--b\r\nContent-Type: application/octet-stream; name=run.EXE\r\n\r\nMZ\r\n"
         "--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
         "--a\r\nContent-Type: text/plain\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--a--\r\n"
         "--b\r\nContent-Type: text/html\r\n\r\n<h1>Title</h1><a href='https://e.example/'>link</a>\r\n--b--\r\n")


def test_content_filter(news, sink):
    tell(news, "filter_content=true", "filter_extensions=exe", "convert_html_to_plaintext=true")
    qid = send(news, message(fields=MIXED[0], body=MIXED[1]))
    mail = parsed(copy(sink))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain"] * 3
    texts = [part.get_content() for part in mail.iter_parts()]
    assert texts[0].strip() == "words" and texts[1].strip() == "plain"
    assert "Title" in texts[2] and "link <https://e.example/>" in texts[2] and "<h1>" not in texts[2]
    detail = events(news, qid, "edited")[0]["detail"]
    assert "without application/octet-stream run.EXE" in detail and "plain text in place of text/html" in detail


@pytest.mark.parametrize("action", ["discard", "reject", "forward", "preserve"])
def test_a_post_of_which_nothing_is_left(news, sink, action):
    tell(news, "filter_content=true", "pass_types=text/plain", f"filter_action={action}")
    qid = send(news, message(subject="look", fields="Content-Type: image/png\r\n", body="AAAA\r\n"))
    kinds = [row["event"] for row in news.trace(qid)]
    assert not set(MEMBERS) & set(sink.recipients())
    assert {"discard": "discarded", "reject": "rejected", "forward": "discarded", "preserve": "held"}[action] in kinds
    letters = {"reject": ["guest@far.example"], "forward": ["boss@far.example"]}.get(action, [])
    assert sink.recipients() == letters
    if letters:
        letter = parsed(sink.one(letters[0]).octets)
        assert letter["From"] == "news-owner@example.org" and letter["Auto-Submitted"] == "auto-generated"
        assert "none of the types that are wanted: image/png" in letter.get_body().get_content()
        assert b"AAAA" in sink.one(letters[0]).octets
    if action == "preserve":
        assert "AAAA" in news.cli("queue", "cat", qid)
        [row] = news.json("queue", "show")
        assert row["reason"].startswith("list: content-filter: ")
        news.cli("queue", "delete", qid, "--yes")
        assert news.queue() == []


def test_robots_hear_nothing_of_a_filtered_post(news, sink):
    tell(news, "filter_content=true", "pass_types=text/plain", "filter_action=reject")
    send(news, message(fields="Auto-Submitted: auto-replied\r\nContent-Type: image/png\r\n"))
    send(news, message(fields="Content-Type: image/png\r\n"), sender="")
    assert sink.recipients() == []


def test_a_post_a_moderator_accepts_gets_its_edition(news, sink):
    tell(news, "emergency=true", "admin_immed_notify=false", "subject_prefix=[n]")
    qid = send(news, message(subject="later"))
    tell(news, "emergency=false")
    news.cli("held", "accept", str(news.json("held", "ls")[0]["id"]), "--by", "boss@far.example")
    news.wait()
    assert parsed(copy(sink))["Subject"] == "[n] later"
    assert events(news, qid, "edited")


def test_the_archive_keeps_what_members_got(news, sink):
    """Of an anonymous list, and of a post that lost parts; else the post as it came."""
    news.cli("list", "create", "open@example.org", "--owner", "boss@far.example")
    news.cli("list", "set", "open@example.org", "subject_prefix=[x]")
    news.cli("list", "create", "quiet@example.org", "--owner", "boss@far.example")
    news.cli("list", "set", "quiet@example.org", "anonymous_list=true")
    news.cli("list", "create", "clean@example.org", "--owner", "boss@far.example")
    news.cli("list", "set", "clean@example.org", "filter_content=true", "filter_extensions=exe", "filter_action=discard")
    octets = message(sender="secret@hidden.example", fields=MIXED[0], body=MIXED[1])
    picture = message(fields="Content-Type: text/plain; name=x.exe\r\n")
    with news.raw() as c:
        for to, text in (("open", octets), ("quiet", octets), ("clean", picture), ("clean", octets)):
            c.begin("secret@hidden.example", f"{to}@example.org")
            assert c.data(text) == 250
    news.wait()
    def kept(address):
        [row] = news.posts(address)
        files = b"".join(f.read_bytes() for f in sorted(news.archive(address).glob("*.mbox")))
        return row, files.replace(b"\n", b"\r\n")

    _, plain = kept("open@example.org")
    assert octets in plain
    _, quiet = kept("quiet@example.org")
    assert b"secret" not in quiet and b"hidden" not in quiet and b'From: "Quiet" <quiet@example.org>' in quiet
    _, clean = kept("clean@example.org")
    assert b"MZ" not in clean and b"words" in clean
    news.cli("archive", "verify")
