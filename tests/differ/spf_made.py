"""Zones with SPF records, and who sends mail for them, made from a seed: every mechanism, modifier and macro; half of the zones
have something wrong, and are asked like the others."""
import dataclasses
import ipaddress

NOW = 1700000000  # as src/auth/spf_suite.c has it, like the receiver's name
RECEIVER = "receiver.com"
FOUR = [f"192.0.2.{n}" for n in (1, 2, 65, 130)] + ["198.51.100.7"]
SIX = ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:8::cb01", "::1"]
QUERIES = 4  # of a zone


@dataclasses.dataclass
class Zone:
    names: dict = dataclasses.field(default_factory=dict)
    fault: str = ""

    def add(self, name, **records):
        self.names.setdefault(name, []).extend({kind: value} for kind, value in records.items())


@dataclasses.dataclass
class Case:
    name: str
    zone: Zone
    client: str
    helo: str
    sender: str


# ---- terms ----

def macro(rng, letters="slodivh"):
    letter = rng.choice(letters + letters + "p" * (rng.random() < 0.3))
    if rng.random() < 0.1:
        letter = letter.upper()
    digits = rng.choice(["", "", "", "1", "2", "3", "9", "127", "01"])
    reverse = rng.choice(["", "", "r", "r", "R" if rng.random() < 0.1 else ""])
    delimiters = rng.choice(["", "", "", "", "-", ".-", "+", "_=", ".", ","])
    return "%{" + letter + digits + reverse + delimiters + "}"


def name(rng, hosts):
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(hosts)
    if kind < 0.65:
        return rng.choice(hosts) + "."
    if kind < 0.7:
        return rng.choice(hosts).upper()
    if kind < 0.8:
        return "%{d}"
    if kind < 0.85:
        return rng.choice(["%{d2}", "%{o}", "h0.%{d}", "%{d1r}.%{d}", "h1.%{o}"])
    parts = [rng.choice([macro(rng), macro(rng), "x", "%%", "%-", "%_", "_spf"]) for _ in range(rng.randrange(1, 4))]
    return ".".join(parts + rng.choice([["%{d}"], ["%{d2}"], ["example.com"], [rng.choice(hosts)]]))


def prefixes(rng):
    return rng.choice(["", "", "", "", "/24", "/32", "/0", "/26", "//64", "//0", "//127", "/24//64", "/31//48"])


def mechanism(rng, domains, hosts):
    """domains: that may be included."""
    kind = rng.choice(["ip4"] * 4 + ["ip6"] * 3 + ["a"] * 4 + ["mx"] * 3 + ["ptr", "exists", "exists"] + ["include"] * (4 if domains else 0))
    if kind == "ip4":
        text = "ip4:" + rng.choice(FOUR + ["203.0.113.9", "192.0.2.0"]) + rng.choice(["", "", "/32", "/24", "/25", "/0", "/31"])
    elif kind == "ip6":
        text = "ip6:" + rng.choice(SIX + ["2001:DB8::", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8", "::"]) + rng.choice(["", "", "/128", "/64", "/32", "/0"])
    elif kind in ("a", "mx"):
        text = kind + rng.choice(["", ":" + name(rng, hosts), ":" + name(rng, hosts)]) + prefixes(rng)
    elif kind == "ptr":
        text = kind + rng.choice(["", ":d0.example.com", ":%{d2}", ":example.com"])
    elif kind == "exists":
        text = "exists:" + name(rng, hosts)
    else:
        text = "include:" + rng.choice(domains)
    if rng.random() < 0.05:
        text = text.upper() if "%" not in text else text.title() if text[1].isdigit() else text
    return rng.choice(["", "", "", "+", "-", "~", "?"]) + text


BAD_TERMS = [
    "a:", "mx:", "include", "include:", "exists", "exists:", "ptr:", "ip4", "ip4:", "ip6:", "ip4:1.2.3", "ip4:1.2.3.4/33", "ip4:1.2.3.4/", "ip4:1.2.3.4/024",
    "ip4:1.2.3.256", "ip4:01.2.3.4", "ip4:2001:db8::1", "ip6:192.0.2.1", "ip6:2001:db8::1/129", "ip6:2001:db8:::1", "ip6:2001:db8::1/64/64", "ip6:::1%eth0",
    "ip6:12345::1", "ip4:1.2.3.4//32", "a/33", "a/", "a//129", "a//", "a/024", "a/24/64", "a//64/24", "mx/-1", "a:h0.example.com/", "ptr/24", "all:", "all/8", "all:x",
    "exists:h0.example.com/24", "include:d0.example.com/24", "b", "ab", "spf2.0", "=x", "1a=b", "a=", "-foo=bar", "+redirect=d1.example.com", "--all", "?", "-", "all.",
    "ipv4:1.2.3.4", "a:192.0.2.1", "a:example.123", "a:nolabel", "a:x..", "a:.x", "a:h0.example.com..", "a:h0.example.-com", "a:h0.example.com-", "a:h0.example.c_m",
    "mx:h0.example.com,", "a:%{x}.example.com", "a:%{d", "a:%{}.example.com", "a:%d.example.com", "a:%", "a:%{d}%", "a:%{d0}.example.com", "a:%{d2x}.example.com",
    "a:%{d@}.example.com", "a:%{c}.example.com", "a:%{r}.example.com", "a:%{t}.example.com", "a:%%%{d}", "a:%{d}%%", "a:%{d}%_", "a:%{dr2}.example.com", "a:%{d.r}.example.com",
    "a:%{ d}.example.com", "a:%%%", "a:%%%d.example.com", "a:%{dr.-+,/_=}.example.com", "redirect=", "exp=", "redirect=%{d}.", "exp=%(d)", "redirect=nolabel", "foo=%(d)", "foo=%{c}",
    "foo=%{d}%{o}", "foo=", "foo.bar-baz_1=x", "foo=a=b", "REDIRECT=d1.example.com", "Exp=e0.example.com", "a:h\u00e4.example.com", "\u00e4", "a\t-all", "a:x\ty.example.com", "foo=\x01"]


def record(rng, domains, hosts, most=6):
    terms = [mechanism(rng, domains, hosts) for _ in range(rng.randrange(most))]
    if rng.random() < 0.75:
        terms.append(rng.choice(["-all", "-all", "~all", "?all", "all", "+all", "-ALL"]))
    if domains and rng.random() < 0.15:
        terms.insert(rng.randrange(len(terms) + 1), "redirect=" + rng.choice(domains))
    if rng.random() < 0.6:
        terms.insert(rng.randrange(len(terms) + 1), "exp=" + rng.choice(["e0.example.com", "e1.example.com", "e2.example.com", "e%{d1}.example.com", "none.example.com"]))
    if rng.random() < 0.1:
        terms.insert(rng.randrange(len(terms) + 1), rng.choice(["foo=bar", "x-y.z_1=%{d}", "moo="]))
    gap = rng.choice([" ", " ", " ", "  "])
    return rng.choice(["v=spf1", "v=spf1", "v=spf1", "V=SPF1"]) + "".join(gap + term for term in terms) + rng.choice(["", "", " "])


def explanation(rng):
    parts = [rng.choice([macro(rng), macro(rng, "slodivhcrt"), "%%", "%-", "%_", "not", "from here:", "See http://e.example/?s=%{S}&i=%{i}", "ok"]) for _ in range(rng.randrange(1, 6))]
    return " ".join(parts)


# ---- zones ----

def good_zone(rng):
    zone = Zone()
    domains = [f"d{n}.example.com" for n in range(rng.choice([1, 2, 3, 4]))]
    hosts = [f"h{n}.{rng.choice(['', 'd0.'])}example.com" for n in range(4)] + ["gone.example.com"]
    for host in hosts[:-1]:
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            zone.add(host, A=rng.choice(FOUR))
        for _ in range(rng.choice([0, 0, 1, 2])):
            zone.add(host, AAAA=rng.choice(SIX))
        if rng.random() < 0.5:
            for _ in range(rng.choice([1, 2, 3])):
                zone.add(host, MX=[rng.randrange(30), rng.choice(hosts)])
        if host not in zone.names:
            zone.add(host, CNAME=rng.choice([*hosts, "d0.example.com"]))
            if zone.names[host] == [{"CNAME": host}]:
                zone.names[host] = [{"TXT": "nothing"}]
    for at, domain in enumerate(domains):
        others = domains[at + 1:] if rng.random() < 0.95 else domains
        if rng.random() < 0.95:
            zone.add(domain, TXT=record(rng, others, hosts))
        if rng.random() < 0.3:
            zone.add(domain, TXT=rng.choice(["some text", "v=spf10 -all", "spf2.0/pra -all", "\u00fc", ""]))
        if rng.random() < 0.6:
            zone.add(domain, A=rng.choice(FOUR), AAAA=rng.choice(SIX))
        for _ in range(rng.choice([0, 1, 2])):
            zone.add(domain, MX=[rng.randrange(30), rng.choice(hosts)])
        zone.names.setdefault(domain, []).append({"TXT": "more"})
    for n in range(2):
        zone.add(f"e{n}.example.com", TXT=explanation(rng))
    for client in FOUR + SIX:
        for _ in range(rng.choice([0, 0, 1, 2])):
            zone.add(reverse(client), PTR=rng.choice(hosts + domains + ["other.example.net"]))
    zone.add("other.example.net", A=rng.choice(FOUR), AAAA=rng.choice(SIX))
    return zone, domains, hosts


def reverse(client):
    if ":" not in client:
        return ".".join(reversed(client.split("."))) + ".in-addr.arpa"
    return ipaddress.ip_address(client).reverse_pointer


FAULTS = []


def fault(weight):
    def add(does):
        FAULTS.extend([does] * weight)
        return does
    return add


def policy_at(zone, domain, text):
    zone.names[domain] = [item for item in zone.names.get(domain, []) if not str(item.get("TXT", "")).lower().startswith("v=spf1")] + [{"TXT": text}]


@fault(10)
def bad_term(rng, zone, domains, hosts):
    terms = [mechanism(rng, domains, hosts) for _ in range(rng.randrange(3))]
    terms.insert(rng.randrange(len(terms) + 1), rng.choice(["", "", "", "-"]) + rng.choice(BAD_TERMS))
    policy_at(zone, rng.choice([domains[0], domains[0], rng.choice(domains)]), " ".join(["v=spf1", *terms, rng.choice(["-all", "~all", "?all"])]))


@fault(2)
def twice(rng, zone, domains, hosts):
    if rng.random() < 0.5:
        zone.add(domains[0], TXT=record(rng, domains, hosts))
    else:
        term = rng.choice(["redirect=d0.example.com", "exp=e0.example.com", "foo=1", "Foo=2", "a", "moo=%{d}"])
        policy_at(zone, domains[0], f"v=spf1 {term} ip4:192.0.2.1 {rng.choice([term, term.upper()])} {rng.choice(['', '-all'])}")


@fault(2)
def odd_version(rng, zone, domains, hosts):
    policy_at(zone, domains[0], rng.choice(["v=spf1-all", "v=spf1\t-all", "v=spf2 -all", "vspf1", "v=spf1,a -all", "v=spf1", "v=spf1 ", " v=spf1 -all", "v=spf1  -all", "v=spf1.0 -all"]))


@fault(4)
def late(rng, zone, domains, hosts):
    for _ in range(rng.choice([1, 1, 2])):
        zone.names[rng.choice([*domains, *hosts, *hosts, "e0.example.com", *map(reverse, FOUR + SIX)])] = ["TIMEOUT"]


@fault(4)
def voids(rng, zone, domains, hosts):
    terms = [rng.choice(["a:gone{}.example.com", "mx:gone{}.example.com", "exists:gone{}.example.com", "a:gone.example.com", "ptr", "mx:nohost.example.com", "exists:%{{l}}..x.example.com",
                         "a", "include:d1.example.com"]).format(n) for n in range(rng.randrange(1, 6))]
    zone.names["nohost.example.com"] = [{"MX": [n, f"gone{n}.example.com"]} for n in range(rng.randrange(1, 5))]
    terms.insert(rng.randrange(len(terms) + 1), rng.choice(["ip4:192.0.2.0/24", "ip6:2001:db8::/32", "mx", "a:h0.example.com"]))
    policy_at(zone, domains[0], " ".join(["v=spf1", *terms, "-all"]))


@fault(4)
def look_ups(rng, zone, domains, hosts):
    terms = [rng.choice(["a", "mx", "ptr", "exists:h0.example.com", "a:h1.example.com", "include:many.example.com"]) for _ in range(rng.randrange(4, 13))]
    zone.add("many.example.com", TXT="v=spf1 " + " ".join(["a:h0.example.com"] * rng.randrange(6)) + " ?all")
    terms.insert(rng.randrange(len(terms) + 1), "ip4:192.0.2.1")
    policy_at(zone, domains[0], " ".join(["v=spf1", *terms, rng.choice(["-all", "redirect=many.example.com", "redirect=d0.example.com"])]))


@fault(3)
def at_the_limit(rng, zone, domains, hosts):
    """Look-ups that all find something, about as many as there may be."""
    zone.add("far.example.com", A="203.0.113.77", AAAA="2001:db8:ffff::1", MX=[1, "far.example.com"])
    count, first, end = rng.choice([9, 10, 11, 12]), rng.randrange(9), rng.choice(["-all", "redirect=end.example.com", "include:end.example.com -all"])
    terms = [rng.choice(["a:far.example.com", "mx:far.example.com"]) for _ in range(count - (end != "-all"))]
    zone.add("end.example.com", TXT="v=spf1 ~all")
    if rng.random() < 0.5:
        zone.add("part.example.com", TXT=" ".join(["v=spf1", *terms[:first], "?all"]))
        terms[:first + 1] = ["include:part.example.com"]
    policy_at(zone, domains[0], " ".join(["v=spf1", *terms, end]))


@fault(3)
def loops(rng, zone, domains, hosts):
    zone.add("loop.example.com", TXT=rng.choice(["v=spf1 include:loop.example.com -all", "v=spf1 redirect=loop.example.com", "v=spf1 include:loop1.example.com -all",
                                                 "v=spf1 ip4:192.0.2.1 include:loop.example.com", "v=spf1 redirect=loop1.example.com", "v=spf1 include:%{d} -all",
                                                 "v=spf1 ip6:2001:db8::/32 include:LOOP.example.com -all"]))
    zone.add("loop1.example.com", TXT=rng.choice(["v=spf1 include:loop.example.com -all", "v=spf1 redirect=loop.example.com"]))
    policy_at(zone, domains[0], "v=spf1 " + rng.choice(["include:loop.example.com -all", "redirect=loop.example.com", "ip4:192.0.2.0/25 include:loop.example.com -all"]))


@fault(3)
def many_names(rng, zone, domains, hosts):
    count = rng.choice([9, 10, 11, 15])
    kind = rng.choice(["mx", "ptr"])
    if kind == "mx":
        zone.names["many.example.com"] = [{"MX": [n, f"m{n}.example.com"]} for n in range(count)]
        for n in range(count):
            zone.add(f"m{n}.example.com", A=rng.choice(FOUR), AAAA=rng.choice(SIX))
        policy_at(zone, domains[0], "v=spf1 mx:many.example.com -all")
    else:
        for client in FOUR + SIX:
            zone.names[reverse(client)] = [{"PTR": f"p{n}.d0.example.com"} for n in range(count)]
        for n in range(count):
            for client in rng.sample(FOUR + SIX, 2):
                zone.add(f"p{n}.d0.example.com", **{"AAAA" if ":" in client else "A": client})
        policy_at(zone, domains[0], rng.choice(["v=spf1 ptr -all", "v=spf1 exists:%{p}.x.example.com ~all", "v=spf1 ptr:d0.example.com -all"]))


@fault(2)
def null_mx(rng, zone, domains, hosts):
    zone.names["h0.example.com"] = [{"MX": [0, "."]}, {"A": rng.choice(FOUR)}]
    policy_at(zone, domains[0], "v=spf1 mx:h0.example.com " + rng.choice(["-all", "?all"]))


@fault(3)
def odd_explanation(rng, zone, domains, hosts):
    zone.names["e0.example.com"] = [{"TXT": text} for text in rng.choice([
        ["one", "two"], ["caf\u00e9"], ["bad %{x}"], ["bad %(d)"], ["100%"], ["a\tb"], ["bell\x07"], ["x" * 300], ["see http://www.example.com/ " + "y" * 300], [""], [" "],
        ["%{d} " * 40], [["two ", "strings"]], ["%{p}"], ["%{c} %{r} %{t}"], ["%{I} %{i}"], ["%%%"], ["%{lr-} %{s-} %{o-} %{dr-}"]])]
    policy_at(zone, domains[0], rng.choice(["v=spf1 -all exp=e0.example.com", "v=spf1 exp=e0.example.com -ip4:0.0.0.0/0 -ip6:::/0",
                                           "v=spf1 include:inner.example.com -all exp=e0.example.com", "v=spf1 redirect=inner.example.com exp=e1.example.com"]))
    zone.add("inner.example.com", TXT=rng.choice(["v=spf1 -all exp=e0.example.com", "v=spf1 -all", "v=spf1 -all exp=e1.example.com"]))


@fault(2)
def long_names(rng, zone, domains, hosts):
    label = "l" * rng.choice([63, 62, 64, 50])
    text = rng.choice([f"exists:%{{l}}.{'.'.join([label] * 4)}.example.com", f"a:{label}.example.com", f"exists:%{{d}}.%{{d}}.{'.'.join(['y' * 20] * 10)}.h0.example.com",
                       f"a:{'.'.join(['z' * 25] * 12)}.h0.example.com", f"include:{label}.example.com", f"redirect={label}.example.com"])
    policy_at(zone, domains[0], f"v=spf1 {text} ~all")


@fault(2)
def split_record(rng, zone, domains, hosts):
    policy_at(zone, domains[0], "")
    zone.names[domains[0]][-1] = {"TXT": rng.choice([["v=spf1 ip4:192.0.2.", "1 -all"], ["v=spf1", "-all"], ["v=sp", "f1 -all"], ["v=spf1 ", "a ", "-all"]])}


@fault(1)
def no_domain(rng, zone, domains, hosts):
    zone.names[domains[0]] = rng.choice([["TIMEOUT"], [{"A": "192.0.2.1"}], [{"CNAME": "absent.example.com"}], [{"CNAME": "d1.example.com"}], [{"CNAME": "d0.example.com"}], []])


# ---- questions ----

def local_part(rng):
    return rng.choice(["ann", "ann", "ann", "strong-bad", "a.b.c", "a+b", "a_b=c", "x-y-z", "postmaster", "UPPER", "a..b", "q" * 70, "50%", "o'brien", "\"a b\"", "a/b", ".", "-", "a,b"])


def question(rng, domains, number, zone):
    domain = rng.choice([domains[0]] * 6 + domains)
    odd = rng.random()
    helo = rng.choice(["mail.example.org", domain, "h0.example.com", "host", "[192.0.2.1]"])
    sender = f"{local_part(rng)}@{domain}"
    if odd < 0.1:
        helo, sender = domain, ""
    elif odd < 0.2:
        sender = rng.choice([f"@{domain}", domain, f"a@b@{domain}", f"\"x@y\"@{domain}", f"ann@{domain}.", f"ann@{domain.upper()}", "ann@localhost", "ann@", "ann@.example.com",
                             "ann@d0..example.com", "ann@" + "l" * 64 + ".example.com", "ann@[192.0.2.1]", "ann@192.0.2.1", "ann@example.123", "ann@none.example.com", "@",
                             "ann@d0.example.com.."])
    client = rng.choice(FOUR + FOUR + SIX + ["::ffff:192.0.2.1", "::ffff:192.0.2.65"])
    return Case(f"{number}", zone, client, helo, sender)


def make(rng, count):
    """Scenarios: lists of cases that ask one zone each."""
    scenarios, number = [], 0
    while number < count:
        zone, domains, hosts = good_zone(rng)
        if rng.random() < 0.5:
            does = rng.choice(FAULTS)
            does(rng, zone, domains, hosts)
            zone.fault = does.__name__
        if rng.random() < 0.1:
            zone.names.setdefault("localhost", [{"TXT": "v=spf1 +all"}])
            zone.names.setdefault("example.123", [{"TXT": "v=spf1 a -all"}])
        scenarios.append([question(rng, domains, number + i, zone) for i in range(min(QUERIES, count - number))])
        number += len(scenarios[-1])
    return scenarios
