"""What can be wrong with a signed message, and the records of keys: good ones, odd ones and bad ones."""
import base64
import dataclasses
import hashlib
import re

import dkim.crypto

FAULTS = []
NOW = 1760000600


@dataclasses.dataclass
class Fault:
    name: str
    before: bool  # it is signed like that; else changed afterwards
    does: object
    last: object = None  # what is done to the octets at the very end


def fault(name, before=False, last=None, weight=1):
    def add(does):
        FAULTS.extend([Fault(name, before, does, last)] * weight)
        return does
    return add


# ---- keys ----

def records(keys):
    """Selector to TXT record, or a list of them, or "~TIMEOUT"."""
    rsa, ed = (base64.b64encode(keys[name].public).decode() for name in ("rsa1024", "ed"))
    made = {name: key.record() for name, key in keys.items() if name != "pem"}
    short = base64.b64encode(keys["rsa1024"].public[:-20]).decode()
    made |= {f"r-{name}": record for name, record in {
        "plain": f"p={rsa}", "no-v": f"k=rsa; p={rsa}", "v-other": f"v=DKIM2; p={rsa}", "v-point": f"v=DKIM1.0; p={rsa}",
        "v-lower": f"v=dkim1; p={rsa}", "v-last": f"p={rsa}; v=DKIM1", "v-empty": f"v=; p={rsa}", "k-empty": f"v=DKIM1; k=; p={rsa}",
        "k-upper": f"v=DKIM1; k=RSA; p={rsa}", "k-unknown": f"v=DKIM1; k=dsa; p={rsa}", "k-ed": f"v=DKIM1; k=ed25519; p={rsa}",
        "h-sha1": f"v=DKIM1; h=sha1; p={rsa}", "h-sha256": f"v=DKIM1; h=sha256; p={rsa}", "h-list": f"v=DKIM1; h=sha1 : sha256; p={rsa}",
        "h-unknown": f"v=DKIM1; h=sha512; p={rsa}", "h-empty": f"v=DKIM1; h=; p={rsa}",
        "s-email": f"v=DKIM1; s=email; p={rsa}", "s-all": f"v=DKIM1; s=*; p={rsa}", "s-list": f"v=DKIM1; s=web:email; p={rsa}",
        "s-other": f"v=DKIM1; s=web; p={rsa}", "s-report": f"v=DKIM1; s=tlsrpt; p={rsa}", "s-empty": f"v=DKIM1; s=; p={rsa}",
        "t-y": f"v=DKIM1; t=y; p={rsa}", "t-s": f"v=DKIM1; t=s; p={rsa}", "t-both": f"v=DKIM1; t=y:s; p={rsa}",
        "t-unknown": f"v=DKIM1; t=q; p={rsa}", "p-empty": "v=DKIM1; p=", "p-missing": "v=DKIM1; k=rsa",
        "p-signs": f"v=DKIM1; p={rsa[:40]}!{rsa[40:]}", "p-short": f"v=DKIM1; p={short}", "p-cut": f"v=DKIM1; p={rsa[:-7]}",
        "p-spaces": f"v=DKIM1; p={rsa[:60]} {rsa[60:120]}\t{rsa[120:]}", "p-words": "v=DKIM1; p=none",
        "pkcs1": f"v=DKIM1; p={base64.b64encode(keys['rsa1024'].pkcs1).decode()}", "notes": f"v=DKIM1; n=hello there; x-y=1; p={rsa}",
        "notes-odd": f"v=DKIM1; x-y; p={rsa}", "tag-odd": f"v=DKIM1; x y=1; p={rsa}", "twice": f"v=DKIM1; p={rsa}; p={rsa}",
        "end": f"v=DKIM1; p={rsa};", "ends": f"v=DKIM1; p={rsa};;", "inside": f"v=DKIM1;; p={rsa}", "spaces": f"  v = DKIM1 ;\tp = {rsa} ; ",
        "upper": f"V=DKIM1; P={rsa}", "empty": "", "spf": "v=spf1 -all", "words": "this is no key",
        "control": f"v=DKIM1; n=\x01; p={rsa}", "eight-bit": f"v=DKIM1; n=\u00fc; p={rsa}",
        "bad-first": ["no key", f"v=DKIM1; p={rsa}"], "good-first": [f"v=DKIM1; p={rsa}", "no key"],
        "late": "~TIMEOUT", "broken": "~SERVFAIL"}.items()}
    return made | {f"e-{name}": record for name, record in {
        "no-k": f"v=DKIM1; p={ed}", "k-rsa": f"v=DKIM1; k=rsa; p={ed}", "k-upper": f"v=DKIM1; k=ED25519; p={ed}",
        "short": f"v=DKIM1; k=ed25519; p={ed[:-5]}=", "long": f"v=DKIM1; k=ed25519; p={'AAAA' + ed}", "p-empty": "v=DKIM1; k=ed25519; p=",
        "p-missing": "v=DKIM1; k=ed25519", "v-last": f"k=ed25519; p={ed}; v=DKIM1", "p-signs": f"v=DKIM1; k=ed25519; p={ed[:9]}*{ed[9:]}",
        "t-s": f"v=DKIM1; k=ed25519; t=s; p={ed}", "h-sha1": f"v=DKIM1; k=ed25519; h=sha1; p={ed}",
        "h-sha256": f"v=DKIM1; k=ed25519; h=sha256; p={ed}", "s-list": f"v=DKIM1; k=ed25519; s=x:*; p={ed}"}.items()}


def use(s, maker, name, selector=None):
    s.key = maker.keys[name]
    s.put(b"a", s.key.algorithm)
    s.put(b"s", (selector or name).encode())


@fault("key-record", before=True, weight=20)
def _(rng, message, s, maker):
    selector = rng.choice([name for name in maker.records if name[1] == "-"])
    use(s, maker, "ed" if selector[0] == "e" else "rsa1024", selector)
    return selector


@fault("key-of-another", before=True, weight=3)
def _(rng, message, s, maker):
    signs, says, published = rng.choice([("rsa1024", b"rsa-sha256", "ed"), ("ed", b"ed25519-sha256", "rsa1024"), ("ed", b"rsa-sha256", "ed"),
                                         ("rsa1024", b"ed25519-sha256", "rsa1024"), ("ed", b"ed25519-sha256", "ed2"),
                                         ("rsa1024", b"rsa-sha256", "rsa2048"), ("rsa2048", b"rsa-sha256", "rsa1024")])
    use(s, maker, signs, published)
    s.put(b"a", says)
    return f"{signs} {says.decode()} {published}"


@fault("key-size", before=True, weight=2)
def _(rng, message, s, maker):
    name = rng.choice(["rsa512", "rsa768", "rsa4096"])
    use(s, maker, name)
    return name


@fault("sha1", before=True, weight=2)
def _(rng, message, s, maker):
    use(s, maker, "rsa1024")
    s.put(b"a", b"rsa-sha1")
    s.sha1 = True


# ---- what the signature says ----

def value_fault(tag, values, weight=4):
    @fault(f"{tag.decode()}=", before=True, weight=weight)
    def _(rng, message, s, maker):
        value = rng.choice(values)
        s.put(tag, value)
        return value


value_fault(b"v", [b"2", b"1.0", b"", b"01", b"1 1", b"one"], weight=3)
value_fault(b"a", [b"rsa-sha512", b"rsa", b"", b"RSA-SHA256", b"sha256", b"rsa-sha256 ", b"dsa-sha1", b"rsa -sha256"])
value_fault(b"c", [b"Relaxed/Simple", b"relaxed / simple", b"relaxed/", b"/simple", b"", b"relaxed/simple/simple", b"nowsp", b"simple ",
                   b"relaxed/nofws"], weight=5)
value_fault(b"q", [b"dns/txt:http/x", b"http/x : dns/txt", b"dns", b"", b"http", b"DNS/TXT", b"dns/cname"])
value_fault(b"i", [b"@b.example", b"ann@b.a.example", b"@xa.example", b"a.example", b"x.a.example", b"", b"@", b"ann@a.example@b.example",
                   b"ann@b.example@a.example", b"ann @a.example", b"ann@a.example.", b"\"a b\"@a.example", b"ann=40x@a.example", b"@example",
                   b"@a. example", "größer@a.example".encode()], weight=8)
value_fault(b"d", [b"b.example", b"", b"example", b"a..example", b"a.example.", b"A.EXAMPLE", b".a.example", b"a example", b"a_b.example",
                   b"a@a.example", b"-.example"], weight=5)
value_fault(b"s", [b"gone", b"", b"a b", b".", b"rsa1024.", b"RSA1024", b"a..b", b"x@y"], weight=4)
value_fault(b"l", [b"", b"-1", b"x", b"1 0", b"+1", b"99999999", b"1" * 30, b"9" * 76, b"9" * 77, b"0x10", b"1.0", b"01"], weight=5)
value_fault(b"t", [b"", b"-1", b"x", b"1 0", b"%d" % (NOW + 1000), b"%d" % (NOW + 100000), b"1" * 13, b"9" * 30, b"0", b"01760000000"], weight=4)
value_fault(b"x", [b"", b"-1", b"x", b"%d" % (NOW - 100), b"%d" % (NOW - 35000), b"%d" % (NOW - 37000), b"0", b"9" * 30, b"1 0", b"%d" % NOW],
            weight=5)
value_fault(b"bh", [b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", b"AAAA", b"A", b"", b"====", b"*", b"47DE"])


@fault("x-before-t", before=True, weight=2)
def _(rng, message, s, maker):
    later = rng.choice([0, 10])
    s.put(b"t", b"%d" % (NOW + 100 + later))
    s.put(b"x", b"%d" % (NOW + 100))


@fault("no-tag", before=True, weight=5)
def _(rng, message, s, maker):
    name = rng.choice([b"v", b"a", b"bh", b"d", b"h", b"s", b"b"])
    s.drop(name)
    if name == b"v" and rng.random() < 0.5:
        s.put(b"q", b"dns")
    return name


@fault("tag-twice", before=True, weight=3)
def _(rng, message, s, maker):
    tag = list(rng.choice([tag for tag in s.tags if tag[0] not in (b"b", b"bh")]))
    s.tags.insert(rng.randrange(len(s.tags) + 1), tag)
    return tag[0]


@fault("tag-odd", before=True, weight=6)
def _(rng, message, s, maker):
    name, value = rng.choice([(b"X", b"y"), (b"x_1", b"y"), (b"1x", b"y"), (b"x-y", b"z"), (b"x y", b"z"), (b"", b"z"), (b"_x", b"z"), (b"V", b"2"),
                              (b"n", b"a\x01b"), (b"n", b"a\x7fb"), (b"n", "ü".encode()), (b"n", b"\xff"), (b"n", b"a=b=c"), (b"n", b""), (b"x\xc3\xbc", b"z"),
                              (b"n", b"b b"), (b"zz", b"x, b=c")])
    s.tags = [tag for tag in s.tags if tag[0] != name]
    s.tags.insert(rng.randrange(len(s.tags) + 1), [name, value])
    return name + b"=" + value


@fault("semicolons", before=True, weight=3)
def _(rng, message, s, maker):
    s.end = rng.choice([b";;", b"; ;", b";\r\n ;", b"; x", b";x;"])
    return s.end


@fault("semicolon-inside", before=True)
def _(rng, message, s, maker):
    s.tags[0][1] += b"; "
    return ""


@fault("h=", before=True, weight=6)
def _(rng, message, s, maker):
    value = rng.choice([b"to:subject", b"", b"from", b"From", b"from:", b":from", b"from::to", b"from;", b"from:dkim-signature", b"from:dkim-signature:dkim-signature",
                        b"xfrom", b"from\r\n :\r\n subject", b"from,to", b"from : : to", b"FROM:TO", b"from:to:from:from", b"from:bcc:x"]).rstrip(b";")
    s.put(b"h", value)
    return value


@fault("bh-base64", before=True, weight=3)
def _(rng, message, s, maker):
    s.drop(b"l")
    good = base64.b64encode(hashlib.sha256(maker.canonical_body(s.get(b"c") or b"simple", message.body)).digest())
    kind, text = rng.choice([("signs", good[:8] + b"!!!!" + good[8:]), ("spaces", good[:8] + b"\r\n " + good[8:]), ("no-padding", good[:-1]),
                             ("more-padding", good + b"===="), ("longer", base64.b64encode(base64.b64decode(good) + b"x")),
                             ("url", good.replace(b"+", b"-").replace(b"/", b"_")), ("bits", good[:-2] + bytes([good[-2] + 1]) + b"=")])
    s.put(b"bh", text)
    return kind


@fault("b-base64", before=True, weight=5)
def _(rng, message, s, maker):
    kind, does = rng.choice([("signs", lambda b: b[:8] + b"!!!!" + b[8:]), ("no-padding", lambda b: b.rstrip(b"=") + b"A"), ("more-padding", lambda b: b + b"===="),
                             ("padding-inside", lambda b: b[:8] + b"AA==" + b[8:]), ("short", lambda b: b[:-8]), ("spaces", lambda b: b" ".join([b[:5], b[5:9], b[9:]])),
                             ("empty", lambda b: b" "), ("word", lambda b: b"none"), ("cut", lambda b: b[:-3])])
    s.written = does
    return kind


@fault("b-octets", before=True, weight=5)
def _(rng, message, s, maker):
    use(s, maker, rng.choice(["rsa1024", "rsa1024", "ed"]))

    def plus_modulus(b):
        n = s.key.private["modulus"] if not s.key.ed25519 else 1
        return bytes(dkim.crypto.int2str(int.from_bytes(b, "big") + n))

    kind, does = rng.choice([("zeros", lambda b: b"\0" * 2 + b), ("one-more", lambda b: b + b"\0"), ("one-less", lambda b: b[:-1]), ("modulus", plus_modulus),
                             ("zero", lambda b: b"\0" * len(b)), ("flipped", lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:]),
                             ("twice", lambda b: b + b)])
    s.altered = does
    return f"{kind} {s.key.name}"


# ---- changed afterwards ----

def signed_field(rng, message, s):
    """The index of a field that the signature covers, but for From; None: there is none."""
    names = {name.strip().lower() for name in s.get(b"h").split(b":")} if s.get(b"h") else set()
    found = [i for i, f in enumerate(message.fields) if re.match(rb"[^\s:]+", f)[0].lower() in names - {b"from"}]
    return rng.choice(found) if found else None


@fault("body-bit", weight=6)
def _(rng, message, s, maker):
    if message.body:
        at = rng.randrange(len(message.body))
        message.body = message.body[:at] + bytes([message.body[at] ^ rng.choice([1, 2, 0x40, 0x80])]) + message.body[at + 1:]


@fault("body-more", weight=5)
def _(rng, message, s, maker):
    kind, text = rng.choice([("line", b"added\r\n"), ("blank", b"\r\n"), ("blanks", b" \r\n\t\r\n"), ("no-end", b"-- \r\nme"), ("space", b" ")])
    message.body += text
    return kind


@fault("body-before", weight=2)
def _(rng, message, s, maker):
    message.body = rng.choice([b"\r\n", b" ", b"x", b"added\r\n"]) + message.body


@fault("body-spaces", weight=5)
def _(rng, message, s, maker):
    kind, made = rng.choice([("more", re.sub(rb" ", b"  ", message.body)), ("tabs", message.body.replace(b" ", b"\t")),
                             ("end", message.body.replace(b"\r\n", b" \r\n")), ("none-at-end", re.sub(rb"[ \t]+\r\n", b"\r\n", message.body)),
                             ("cut", re.sub(rb"(\r\n)+$", b"", message.body)), ("cut-spaces", re.sub(rb"(\r\n)+$", b"", message.body) + b" \t")])
    message.body = made
    return kind


@fault("body-gone")
def _(rng, message, s, maker):
    message.body = rng.choice([b"", b"\r\n"])


@fault("field-value", weight=5)
def _(rng, message, s, maker):
    at = signed_field(rng, message, s)
    if at is None:
        return "none"
    name, value = message.fields[at].split(b":", 1)
    kind, made = rng.choice([("word", value[:-2] + b"x\r\n"), ("spaces", re.sub(rb" ", b"  ", value)), ("tab", value.replace(b" ", b"\t")), ("end", value[:-2] + b" \r\n"),
                             ("fold", re.sub(rb"([^\s]) ([^\s])", rb"\1\r\n \2", value)), ("unfold", value.replace(b"\r\n", b"") + b"\r\n"),
                             ("case", value.swapcase()), ("form-feed", value[:-2] + b"\x0c\r\n"), ("form-feed-first", b"\x0b" + value)])
    message.fields[at] = name + b":" + made
    return kind


@fault("field-name", weight=3)
def _(rng, message, s, maker):
    at = signed_field(rng, message, s)
    if at is None:
        return "none"
    name, value = message.fields[at].split(b":", 1)
    kind, made = rng.choice([("case", name.swapcase()), ("space", name + b" "), ("tab", name + b"\t"), ("other", b"X" + name)])
    message.fields[at] = made + b":" + value
    return kind


@fault("field-more", weight=6)
def _(rng, message, s, maker):
    name = rng.choice([b"Subject", b"From", b"X-New", b"Received", b"To", b"Comments", b"Reply-To", b"From"])
    where = rng.choice(["top", "bottom"])
    message.fields.insert(0 if where == "top" else len(message.fields), name + b": added <x@y.example>\r\n")
    return f"{name.decode()} {where}"


@fault("field-gone", weight=3)
def _(rng, message, s, maker):
    at = signed_field(rng, message, s)
    if at is not None:
        del message.fields[at]


@fault("field-twice", weight=2)
def _(rng, message, s, maker):
    at = signed_field(rng, message, s)
    if at is not None:
        message.fields.insert(rng.choice([at, len(message.fields)]), message.fields[at])


@fault("from-gone")
def _(rng, message, s, maker):
    message.fields = [f for f in message.fields if not f.lower().startswith(b"from:")]


@fault("order", weight=3)
def _(rng, message, s, maker):
    rng.shuffle(message.fields)


@fault("signature-text", weight=5)
def _(rng, message, s, maker):
    kind, does = rng.choice([("space", lambda f: f.replace(b";", b"; ", 1)), ("fold", lambda f: f.replace(b";", b";\r\n\t", 1)), ("case", lambda f: b"dkim-SIGNATURE" + f[14:]),
                             ("end", lambda f: f[:-2] + b" \r\n"), ("tag", lambda f: f[:-2] + b"; x=1\r\n"), ("cut", lambda f: f[:len(f) // 2] + b"\r\n"),
                             ("empty", lambda f: b"DKIM-Signature:\r\n"), ("blank", lambda f: b"DKIM-Signature: \r\n"), ("words", lambda f: b"DKIM-Signature: none\r\n"),
                             ("space-in-name", lambda f: b"DKIM-Signature :" + f[15:])])
    message.fields[0] = does(message.fields[0])
    return kind


@fault("no-field", weight=2)
def _(rng, message, s, maker):
    kind, text = rng.choice([("words", b"no field\r\n"), ("mbox", b"From ann Thu Oct  9 09:03:20 2025\r\n"), ("colon", b": x\r\n"), ("eight-bit", "Größe: 1\r\n".encode()),
                             ("quoted", b">From: x\r\n"), ("mbox-first", b"")])
    if kind == "mbox-first":
        message.fields.insert(0, b"From ann Thu Oct  9 09:03:20 2025\r\n")
    else:
        message.fields.insert(rng.randrange(1, len(message.fields) + 1), text)
    return kind


@fault("bare-lf-in-body", weight=2)
def _(rng, message, s, maker):
    message.body = message.body.replace(b"\r\n", b"\n", 1)


@fault("bare-cr-in-body")
def _(rng, message, s, maker):
    message.body = message.body.replace(b" ", b"\r", 1)


@fault("bare-lf", last=lambda octets: octets.replace(b"\r\n", b"\n"))
def _(rng, message, s, maker):
    return ""
