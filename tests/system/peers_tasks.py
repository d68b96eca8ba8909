"""What the tests with peers do again and again: instances for them, mail through them, notifications read."""
import email
import email.policy
import shutil
import smtplib
import ssl

MEMBERS = ["a@x.example", "b@x.example", "c@y.example"]


def with_tls(make, certificate, **options):
    """An instance that offers STARTTLS; the files lie in its folder."""
    instance = make(settings={"tls_certificate": "cert.pem", "tls_key": "key.pem"}, **options)
    for source, name in zip(certificate, ("cert.pem", "key.pem")):
        shutil.copy(source, instance.dir / name)
    return instance.start()


def with_list(instance, members=MEMBERS):
    instance.cli("list", "create", "news@example.org", "--owner", "boss@example.net")
    instance.cli("member", "add", "news@example.org", "-", input="".join(f"{m}\n" for m in members))
    return instance


def unverified(version=None):
    """A TLS context for a certificate made for this run; one version only if given."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def feed(peer, posts, sender="me@sender.example", options=("BODY=8BITMIME",)):
    """Hand messages to a peer: [(recipients, octets)]."""
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=30) as client:
        for recipients, octets in posts:
            refused = client.sendmail(sender, recipients, octets, mail_options=options)
            assert refused == {}


def passed_on(peer):
    """Until this Postfix has nothing left to send."""
    assert peer.wait_queue_empty(60), peer.log()[-4000:]


def report(octets):
    """(what a delivery status notification (RFC 3464) says of the message, {recipient: what it says of that, its action
    too}, the type of the part that returns the message), by Python's parser."""
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report", octets
    assert parsed.get_param("report-type") == "delivery-status"
    part, = [part for part in parsed.iter_parts() if part.get_content_type() == "message/delivery-status"]
    blocks = part.get_payload()
    recipients = {b["Final-Recipient"].split(";")[1].strip(): b for b in blocks if b["Final-Recipient"]}
    return blocks[0], recipients, list(parsed.iter_parts())[-1].get_content_type()


def failures(octets):
    """{recipient: its fields} of a notification that speaks of failures only."""
    _, recipients, _ = report(octets)
    assert all(block["Action"] == "failed" for block in recipients.values()), octets
    return recipients
