"""Real mail through a list: every subscriber and the archive have exactly the octets that were posted."""
import hashlib
import mailbox
import os
import re

from peers_corpus import corpus, sample_of
from peers_mail import list_fields, top

MEMBERS = ["a@x.example", "b@y.example"]
SEED = int(os.environ.get("POSTROAD_CORPUS_SEED", "1"))


def chosen():
    """POSTROAD_CORPUS=all, or how many; 300 in the normal run."""
    messages = corpus()
    assert sum(map(len, messages.values())) > 9000, {name: len(m) for name, m in messages.items()}
    wanted = os.environ.get("POSTROAD_CORPUS", "300")
    return sample_of(messages, 10**9 if wanted == "all" else int(wanted), SEED)


def post_all(instance, messages):
    """{queue id: octets}"""
    ids = {}
    with instance.raw(timeout=120) as client:
        for octets in messages:
            ids[client.post("me@sender.example", ["news@example.org"], octets, ["BODY=8BITMIME"])] = octets
    return ids


def check_copies(sink, ids):
    seen = set()
    for mail in sink.mails():
        recipient, = mail.recipients
        queue_id = re.search(rb"by mx\.example\.org with ESMTP id (\w+)", mail.octets)[1].decode()
        posted = ids[queue_id]
        # A post may begin with a blank, or have no header at all: then our last field ends as it would in front of it.
        above = top(mail.octets, posted)
        assert above.names == [*list_fields(posted), "Received"], queue_id
        assert mail.sender == f"news-bounces+{recipient.replace('@', '=')}@example.org"
        assert (queue_id, recipient) not in seen
        seen.add((queue_id, recipient))
    assert seen == {(i, r) for i in ids for r in MEMBERS}


def archived_octets(entry):
    """A message out of an mbox file, decoded here and by nothing of Postroad."""
    from_line, rest = entry.split(b"\n", 1)
    assert from_line.startswith(b"From me@sender.example ")
    assert rest.endswith(b"\n\n")
    return re.sub(rb"(?m)^>(>*From )", rb"\1", rest[:-1]).replace(b"\n", b"\r\n")


def check_archive(folder, ids):
    found = []
    uids = []
    for journal in sorted(folder.glob("*.log")):
        months = journal.with_suffix(".mbox").read_bytes()
        entries = 0
        for line in journal.read_text().splitlines():
            op, uid, generation, offset, length, sha256, _, eol, *_ = line.split(" ")
            assert (op, generation, eol) == ("add", "0", "me@sender.example")
            octets = archived_octets(months[int(offset):int(offset) + int(length)])
            assert hashlib.sha256(octets).hexdigest() == sha256
            found.append(sha256)
            uids.append(int(uid))
            entries += 1
        assert len(mailbox.mbox(journal.with_suffix(".mbox"), create=False)) == entries
    assert sorted(found) == sorted(hashlib.sha256(octets).hexdigest() for octets in ids.values())
    assert sorted(uids) == list(range(1, len(ids) + 1))


def test_real_mail_arrives_as_it_was_posted(post, sink):
    post.cli("list", "create", "news@example.org", "--owner", "boss@example.net")
    post.cli("member", "add", "news@example.org", "-", input="".join(f"{m}\n" for m in MEMBERS))
    messages = chosen()
    ids = post_all(post, messages)
    assert len(ids) == len(messages)
    post.wait(1200)
    check_copies(sink, ids)
    check_archive(post.archive("news@example.org"), ids)
