"""The whole road once: SMTP in, list and direct recipients out, archive, trace, queue, metrics."""
import mailbox

from postroad import message


def test_whole_road(post, sink):
    post.cli("list", "create", "news@example.org", "--owner", "boss@example.net")
    post.cli("member", "add", "news@example.org", "-", input="a@x.example\nb@x.example\nc@y.example\n")
    octets = message(id="road@test.example", body="hello\r\n.dot\r\n")
    post.post("me@sender.example", ["news@example.org", "Out@there.example"], octets)
    post.wait()
    assert sink.recipients() == ["Out@there.example", "a@x.example", "b@x.example", "c@y.example"]
    assert all(m.octets.endswith(octets) for m in sink.mails())
    delivered = {row["recipient"] for row in post.events("road@test.example", "delivered")}
    assert delivered == {"Out@there.example", "a@x.example", "b@x.example", "c@y.example"}
    assert post.queue() == []
    files = list(post.archive("news@example.org").glob("*.mbox"))
    assert len(files) == 1
    assert [m["Message-ID"] for m in mailbox.mbox(files[0])] == ["<road@test.example>"]
    metrics = post.metrics()
    assert metrics["smtpd_messages_total"] == 1
    assert metrics["smtpd_recipients_total"] == 2
    assert metrics["deliver_sent_total"] == 4
    assert metrics["archived_posts_total"] == 1
    assert post.stop() == 0
