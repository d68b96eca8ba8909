"""Delivery by MX, asked of a real name server (knot) on a loopback port."""
import pytest

import postroad
from postroad import PySink, message, until

@pytest.fixture
def world(make, knot):
    """An instance that asks knot, and the server at 127.0.0.22 that its mail should reach."""
    with PySink(host="127.0.0.22") as server:
        post = make(settings={"dns_servers": f"127.0.0.1@{knot}", "smtp_port_out": str(server.port),
                              "deliver_connect_timeout": "5s"})
        yield post.start(), server
        post.stop()


def test_where_mail_goes(world):
    """The second MX as the first refuses; the second address of an MX; no MX: the domain's own address; CNAME; IDN."""
    post, server = world
    for domain in ("two.example", "same.example", "plain.example", "alias.example", "M\u00fcller.example", "TWO.Example"):
        post.post("me@[127.0.0.22]", f"x@{domain}", message(), options=["SMTPUTF8"])
        post.wait()
    assert [m.recipients[0].lower() for m in server.mails] == [
        "x@two.example", "x@same.example", "x@plain.example", "x@alias.example", "x@xn--mller-kva.example", "x@two.example"]


def test_the_preferred_mx_comes_first(world):
    post, server = world
    with PySink(host="127.0.0.21", port=server.port) as first:
        post.post("me@[127.0.0.22]", "x@two.example", message())
        post.wait()
        assert len(first.mails) == 1 and not server.mails


def test_domains_with_the_same_exchangers_are_one_site(world):
    post, server = world
    for domain in ("two.example", "twin.example", "two.example"):
        post.post("me@[127.0.0.22]", f"x@{domain}", message())
        post.wait()
    assert len(server.mails) == 3 and len(server.sessions) == 1


def test_mail_does_not_come_back_to_us(world):
    """We are the best exchanger of a domain that is not ours: a loop. We are the second: the first has it."""
    post, server = world
    post.post("me@[127.0.0.22]", "x@self.example", message(id="self@test.example"))
    post.post("me@[127.0.0.22]", "x@backup.example", message())
    post.wait()
    assert "loops back" in post.events("self@test.example", "bounced")[0]["detail"]
    assert server.recipients() == ["me@[127.0.0.22]", "x@backup.example"]
    assert b"Status: 5.4.6" in server.to("me@[127.0.0.22]")[0].octets


def test_a_first_mx_that_greets_with_554(world):
    post, server = world
    with PySink({"banner": "554 5.3.2 not here"}, host="127.0.0.21", port=server.port):
        post.post("me@[127.0.0.22]", "x@two.example", message())
        post.wait()
        assert server.recipients() == ["x@two.example"]


@pytest.mark.parametrize("domain, status", [("null.example", "5.1.10"), ("none.example", "5.1.2"), ("empty.example", "5.1.2")])
def test_domains_that_take_no_mail(world, domain, status):
    post, server = world
    post.post("me@[127.0.0.22]", f"x@{domain}", message(id="no@test.example"))
    post.wait()
    assert post.events("no@test.example", "bounced")
    assert server.recipients() == ["me@[127.0.0.22]"]
    assert f"Status: {status}".encode() in server.mails[0].octets


@pytest.mark.parametrize("domain", ["other.test", "nowhere.example", "loop1.example"])
def test_answers_that_are_failures_are_waited_for(world, domain):
    """A name server that refuses, an MX without address, a loop: nobody knows, so nothing is returned yet."""
    post, server = world
    post.post("me@[127.0.0.22]", f"x@{domain}", message(id="wait@test.example"))
    until(lambda: f"site-failed site={domain}" in post.log, 30)
    assert not post.events("wait@test.example", "bounced")
    assert server.mails == []
    post.clock("+6d")
    post.wait()
    assert b"Status: 5.4.7" in server.to("me@[127.0.0.22]")[0].octets


def test_name_server_that_does_not_answer(make):
    post = make(settings={"dns_servers": f"127.0.0.1@{postroad.free_port()}", "deliver_connect_timeout": "2s"}).start()
    post.post("me@sender.example", "x@two.example", message(id="dark@test.example"))
    until(lambda: "site-failed site=two.example" in post.log, 30)
    assert not post.events("dark@test.example", "bounced")
