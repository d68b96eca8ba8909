"""What SPF, DKIM and DMARC say of a message, asked of a real name server; what is signed is signed by dkimpy."""
import pytest

import peers_knot
from peers_dkim import Keys
from postroad import message

SENDER = "ada@sender.example"


def txt(name, text):
    strings = " ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))
    return f"{name} 60 IN TXT {strings}\n"


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture(scope="module")
def names(keys):
    """The port of a name server for sender.example, whose mail comes from 192.0.2.0/24 and is to be rejected otherwise."""
    records = "".join(txt(name.removesuffix(".example"), text) for name, text in keys.dns.items())
    records += txt("sender", "v=spf1 ip4:192.0.2.0/24 include:plain.sender.example -all exp=why.sender.example")
    records += txt("plain.sender", "v=spf1 a:mx1.two.example ?all") + txt("why.sender", "%{i} is none of %{d}'s hosts")
    records += txt("_dmarc.sender", "v=DMARC1; p=reject; sp=quarantine") + txt("sub.sender", "v=spf1 +all")
    with peers_knot.running(records) as port:
        yield port


@pytest.fixture
def here(make, names):
    return make(settings={"dns_servers": f"127.0.0.1@{names}"})


@pytest.mark.parametrize("client, sender, result", [("192.0.2.9", SENDER, "pass"), ("198.51.100.1", SENDER, "fail"), ("127.0.0.21", SENDER, "pass"),
                                                    ("2001:db8::1", "x@sub.sender.example", "pass"), ("192.0.2.9", "x@empty.example", "none"),
                                                    ("192.0.2.9", "x@gone.example", "none"), ("192.0.2.9", "x@loop1.example", "temperror"),
                                                    ("192.0.2.9", "x@elsewhere.test", "temperror")])
def test_spf(here, client, sender, result):
    got = here.json("spf", "check", client, sender)
    assert got["result"] == result, got
    if result == "fail":
        assert got["explanation"] == f"{client} is none of sender.example's hosts" and got["mechanism"] == "-all"


def test_spf_of_no_sender(here):
    assert here.json("spf", "check", "192.0.2.9", "<>", "--helo", "sender.example")["result"] == "pass"
    assert "--helo" in here.fails("spf", "check", "192.0.2.9", "<>", status=2)
    assert "IP address" in here.fails("spf", "check", "192.0.2", SENDER, status=2)


def rows(here, octets, *words):
    got = here.json("auth", "check", "-", *words, input=octets.decode("latin-1"))
    return [(row["method"], row["result"], row["domain"]) for row in got], got


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize("canonicalization", ["simple/simple", "relaxed/relaxed"])
def test_a_signed_message(here, keys, algorithm, canonicalization):
    octets = keys.sign(message(sender=f"Ada <{SENDER}>", body="Hello  there \r\n\r\n\r\n"), algorithm, canonicalization)
    said, _ = rows(here, octets, "--client", "198.51.100.1", "--sender", "list-bounces@empty.example")
    assert said == [("spf", "none", "empty.example"), ("dkim", "pass", "sender.example"), ("dmarc", "pass", "sender.example")]
    said, got = rows(here, octets.replace(b"Hello", b"hello"), "--client", "198.51.100.1", "--sender", SENDER)
    assert said == [("spf", "fail", "sender.example"), ("dkim", "fail", "sender.example"), ("dmarc", "fail", "sender.example")]
    assert "the body was changed" in got[1]["detail"] and got[2]["detail"] == "policy reject of sender.example"


def test_what_spf_shows_is_enough(here):
    said, _ = rows(here, message(sender=SENDER), "--client", "192.0.2.1", "--sender", f"bounces+x@{SENDER.split('@')[1]}")
    assert said[-1] == ("dmarc", "pass", "sender.example") and ("dkim", "none", None) in [(m, r, d or None) for m, r, d in said]
    said, got = rows(here, message(sender="ada@sub.sender.example"))
    assert said[-1] == ("dmarc", "fail", "sub.sender.example") and got[-1]["detail"] == "policy quarantine of sender.example"
    said, _ = rows(here, message(sender="ada@plain.example"))
    assert said[-1] == ("dmarc", "none", "plain.example")
