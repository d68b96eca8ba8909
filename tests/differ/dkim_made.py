"""Messages with DKIM signatures, made from a seed: odd in every way that a header and a body can be, signed with dkimpy's
canonicalization and keys made for tests; half of them changed afterwards, or signed with something wrong."""
import base64
import dataclasses
import hashlib
import pathlib
import re
import subprocess

import dkim
import dkim.canonicalization
import dkim.crypto
import nacl.encoding
import nacl.signing

import dkim_faults

KEYS = pathlib.Path(__file__).resolve().parent.parent / "vectors/auth-dkim-vectors/keys"
NOW = 1760000600
DOMAIN = b"a.example"
CANONICAL_FORMS = (b"relaxed/relaxed", b"relaxed/simple", b"simple/relaxed", b"simple/simple", b"relaxed", b"simple")
WORDS = [b"offer", b"minutes", b"of", b"the", b"council", "größer".encode(), "日本".encode(), b"=?utf-8?q?caf=C3=A9?=", b"<a@b.example>",
         b"(comment)", b"\"q; v=1\"", b"1", b"--", b";", b"x=y;", b"b=abc", b"a:b", "…".encode()]


class Key:
    def __init__(self, name):
        self.name = name
        self.ed25519 = name.startswith("ed")
        path = KEYS / f"{name}.pem"
        if self.ed25519:
            der = base64.b64decode("".join(path.read_text().splitlines()[1:-1]))
            self.private = nacl.signing.SigningKey(der[-32:])
            self.public = self.private.verify_key.encode()
        else:
            pem = subprocess.run(["openssl", "rsa", "-in", path, "-traditional"], check=True, capture_output=True).stdout
            self.private = dkim.crypto.parse_pem_private_key(pem)
            self.public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True,
                                         capture_output=True).stdout
            self.pkcs1 = subprocess.run(["openssl", "rsa", "-in", path, "-RSAPublicKey_out", "-outform", "DER"], check=True,
                                        capture_output=True).stdout

    @property
    def algorithm(self):
        return b"ed25519-sha256" if self.ed25519 else b"rsa-sha256"

    def sign(self, digest):
        """digest: a hash object of hashlib."""
        if self.ed25519:
            return self.private.sign(digest.digest()).signature
        return bytes(dkim.crypto.RSASSA_PKCS1_v1_5_sign(digest, self.private))

    def record(self):
        return f"v=DKIM1; k={'ed25519' if self.ed25519 else 'rsa'}; p={base64.b64encode(self.public).decode()}"


@dataclasses.dataclass
class Signature:
    """What is to be signed, and how it is written. tags: [name, value] in their order; of b= the value comes last."""
    key: Key
    tags: list
    tight: bool = True
    spaces: tuple = (b" ", b"", b"", b"")  # before a tag's name, around "=", before ";"
    end: bytes = b""
    value: bytes = b""  # of b=, where it is not what it should be
    altered: object = None  # function of the signature's octets, on the way to base64
    written: object = None  # function of its base64
    sha1: bool = False
    broken: bytes = b""  # white space within the base64 of b=

    def get(self, name):
        return next((value for tag, value in self.tags if tag == name), None)

    def put(self, name, value):
        for tag in self.tags:
            if tag[0] == name:
                tag[1] = value
                return
        self.tags.insert(0, [name, value])

    def drop(self, name):
        self.tags = [tag for tag in self.tags if tag[0] != name]


@dataclasses.dataclass
class Case:
    file: str
    octets: bytes
    fault: str  # what is wrong with it; empty: nothing
    detail: str
    signatures: int


@dataclasses.dataclass
class Message:
    fields: list
    body: bytes
    signatures: list = dataclasses.field(default_factory=list)

    def octets(self):
        return b"".join(self.fields) + b"\r\n" + self.body


# ---- header and body ----

def some_text(rng, most=12):
    """A field's value, folds in it."""
    text = b""
    for _ in range(rng.randrange(most)):
        gap = rng.choice([b" ", b" ", b" ", b" ", b"  ", b"\t", b" \t ", b"\r\n ", b"\r\n\t", b" \r\n  ", b"\r\n \r\n "])
        text += (gap if text else b"") + rng.choice(WORDS)
    return text


def field(rng, name, value):
    if rng.random() < 0.2:
        name = rng.choice([name.upper(), name.lower(), name.title()])
    before = rng.choice([b" ", b" ", b" ", b" ", b"", b"  ", b"\t", b"\r\n "])
    after = rng.choice([b"", b"", b"", b"", b"", b" ", b"\t", b"\r\n ", b" \r\n\t"])
    return name + b":" + before + value + after + b"\r\n"


def header(rng):
    fields = [field(rng, b"From", rng.choice([b"Ann <ann@a.example>", b"bo@sub.a.example", "Ünal <u@b.example>".encode(),
                                              b"\"Ann;\r\n Bo\" <ann@a.example>"])),
              field(rng, b"To", b"list@c.example"), field(rng, b"Subject", some_text(rng)),
              field(rng, b"Date", b"Thu, 09 Oct 2025 09:03:20 +0000")]
    for name in (b"Message-ID", b"Reply-To", b"Cc", b"MIME-Version", b"Content-Type", b"List-Id", b"In-Reply-To", b"References",
                 b"X-Odd", b"Keywords"):
        if rng.random() < 0.4:
            fields.append(field(rng, name, some_text(rng)))
    for name in (b"Received", b"Comments", b"X-Again"):
        for _ in range(rng.choice([0, 0, 1, 2, 3])):
            fields.append(field(rng, name, some_text(rng)))
    if rng.random() < 0.05:
        fields.append(b"X-Long: " + b"y" * rng.randrange(100, 990) + b"\r\n")
    if rng.random() < 0.1:
        fields.append(b"X-Empty:" + rng.choice([b"", b" ", b"\r\n ", b"\t\r\n\t"]) + b"\r\n")
    rng.shuffle(fields)
    return fields


def line(rng):
    kind = rng.random()
    if kind < 0.2:
        return rng.choice([b"", b"", b" ", b"\t", b" \t "])
    if kind < 0.25:
        return bytes(rng.choice(b"abc \t\xe4\xfc\xff\x01\x00.=") for _ in range(rng.randrange(200)))
    text = b"".join(rng.choice(WORDS) + rng.choice([b" ", b" ", b"  ", b"\t", b""]) for _ in range(rng.randrange(1, 9)))
    return rng.choice([b"", b"", b"", b" ", b"\t", b"."]) + text + rng.choice([b"", b"", b"", b" ", b"\t \t"])


def body(rng):
    kind = rng.random()
    if kind < 0.04:
        return b""
    if kind < 0.1:
        return b"\r\n" * rng.randrange(1, 5)
    if kind < 0.13:
        return b"".join(rng.choice([b" \r\n", b"\t\r\n", b"\r\n"]) for _ in range(rng.randrange(1, 4)))
    lines = [line(rng) for _ in range(rng.randrange(1, 12))]
    if kind < 0.16:
        lines.insert(0, b"z" * rng.randrange(900, 20000))
    text = b"\r\n".join(lines) + b"\r\n"
    if kind > 0.9:
        text += b"\r\n" * rng.randrange(1, 5)
    return text[:-2] if 0.16 < kind < 0.2 else text


# ---- signatures ----

def names_of(fields):
    return [re.match(rb"([^\s:]+)[ \t]*:", f)[1].lower() for f in fields]


def names_signed(rng, fields):
    there = names_of(fields)
    names = [name for name in there if name != b"from" and rng.random() < 0.6]
    names += [b"from"] * rng.choice([1, 1, 1, 2])
    if rng.random() < 0.2:
        names.append(rng.choice([b"subject", b"x-never", b"sender", b"list-id", b"to"]))
    rng.shuffle(names)
    return [rng.choice([name, name, name.title()]) for name in names]


def canonical_body(how, octets):
    """RFC 6376 3.4.3 and 3.4.4."""
    relaxed = how.partition(b"/")[2] == b"relaxed"
    if relaxed:
        octets = re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+(?=\r\n|\Z)", b"", octets))
    octets = re.sub(rb"(?:\r\n)+\Z", b"", octets)
    return octets + b"\r\n" if octets or not relaxed else b""


def body_len(how, octets):
    return len(canonical_body(how, octets))


def new_signature(rng, message, keys):
    key = keys[rng.choice(["rsa1024"] * 11 + ["ed"] * 7 + ["ed2"] + ["rsa2048"])]
    canonical = rng.choice(CANONICAL_FORMS)
    tags = [[b"v", b"1"], [b"a", key.algorithm], [b"d", DOMAIN], [b"s", key.name.encode()],
            [b"h", rng.choice([b":", b" : ", b":\r\n\t", b" :"]).join(names_signed(rng, message.fields))], [b"bh", b""], [b"b", b""]]
    if canonical != b"simple" or rng.random() < 0.5:
        tags.append([b"c", canonical])
    for name, often, values in ((b"q", 0.3, [b"dns/txt"]), (b"i", 0.4, [b"@a.example", b"ann@a.example", b"bo@x.y.a.example", b"@A.Example"]),
                                (b"t", 0.6, [b"%d" % (NOW - rng.randrange(90000))]), (b"x", 0.2, [b"%d" % (NOW + rng.randrange(100, 90000))]),
                                (b"z", 0.1, [b"From:ann=40a.example|Subject:b=3Dc"]), (b"n", 0.1, [b"b bb=xyz", b"note"])):
        if rng.random() < often:
            tags.append([name, rng.choice(values)])
    if rng.random() < 0.15:
        whole = body_len(canonical, message.body)
        tags.append([b"l", b"%d" % rng.choice([whole, whole, rng.randrange(whole + 1), 0])])
    first = rng.random()
    if first < 0.5:
        rng.shuffle(tags)
    elif first < 0.6:  # b= as the last one, with folds
        tags.sort(key=lambda tag: tag[0] == b"b")
    spaces = (b" ", b"", b"", b"")
    if rng.random() < 0.3:
        spaces = (*(rng.choice([b"", b" ", b"\r\n ", b"\t"]) for _ in range(3)), rng.choice([b""] * 9 + [b" ", b"\r\n\t"]))
    return Signature(key, tags, spaces=spaces, end=rng.choice([b""] * 9 + [b";"] * 9 + [b"; ", b" "]),
                     broken=rng.choice([b"", b"", b"\r\n ", b" ", b"\r\n\t "]))


def written(s, b):
    """The field's value, with b= as given."""
    before, behind_name, behind_equals, behind = s.spaces
    parts = []
    for name, value in s.tags:
        text = b if name == b"b" and value == b"" else value
        after = (b"", b"") if name == b"b" and b == b"" else (behind_equals, behind)
        parts.append(before + name + behind_name + b"=" + after[0] + text + after[1])
    end = b"" if b == b"" and s.tags[-1][0] == b"b" and not s.end.strip() else s.end
    return b";".join(parts) + end


def add_signature(message, s):
    """Sign, and put the field on top."""
    how = re.sub(rb"\s+", b"", s.get(b"c") or b"simple").lower().rstrip(b"/")
    try:
        policy = dkim.canonicalization.CanonicalizationPolicy.from_c_value(how)
    except dkim.canonicalization.InvalidCanonicalizationPolicyError:
        how, policy = b"simple", dkim.canonicalization.CanonicalizationPolicy.from_c_value(b"simple")
    headers = dkim.rfc822_parse(message.octets())[0]
    new = hashlib.sha1 if s.sha1 else hashlib.sha256
    canonical = canonical_body(how, message.body)
    limit = s.get(b"l") or b""
    if limit.isdigit():
        canonical = canonical[:int(limit)]
    if s.get(b"bh") == b"":
        s.put(b"bh", base64.b64encode(new(canonical).digest()))
    names = [name.strip().lower() for name in (s.get(b"h") or b"").split(b":")]
    digest = new()
    for name, value in dkim.select_headers(policy.canonicalize_headers(headers), names):
        digest.update(name + b":" + value)
    [(name, value)] = policy.canonicalize_headers([(b"DKIM-Signature", written(s, b"") + b"\r\n")])
    digest.update(name + b":" + value.removesuffix(b"\r\n"))
    made = s.key.sign(digest)
    made = s.altered(made) if s.altered else made
    text = base64.b64encode(made)
    text = s.written(text) if s.written else text
    if s.broken:
        text = s.broken.join(text[i:i + 60] for i in range(0, len(text), 60))
    message.fields.insert(0, b"DKIM-Signature:" + written(s, text) + b"\r\n")
    message.signatures.insert(0, s)


def by_dkimpy(rng, message, keys):
    """A signature all by dkimpy, as its users make them."""
    key = keys[rng.choice(["rsa1024", "rsa1024", "ed"])]
    signer = dkim.DKIM(message.octets())
    private = base64.b64encode(key.private.encode()) if key.ed25519 else keys["pem"]
    added = signer.sign(key.name.encode(), DOMAIN, private, signature_algorithm=key.algorithm,
                        canonicalize=tuple(rng.choice(CANONICAL_FORMS[:4]).split(b"/")), length=rng.random() < 0.1)
    message.fields.insert(0, added)
    message.signatures.insert(0, Signature(key, [[b"d", DOMAIN]]))


class Maker:
    canonical_body = staticmethod(canonical_body)

    def __init__(self, rng):
        self.rng = rng
        self.keys = {name: Key(name) for name in ("rsa512", "rsa768", "rsa1024", "rsa2048", "rsa4096", "ed", "ed2")}
        pem = subprocess.run(["openssl", "rsa", "-in", KEYS / "rsa1024.pem", "-traditional"], check=True, capture_output=True).stdout
        self.keys["pem"] = pem
        self.records = dkim_faults.records(self.keys)
        self.dns = {f"{selector}._domainkey.{DOMAIN.decode()}": record for selector, record in self.records.items()}

    def make(self, number):
        rng = self.rng
        message = Message(header(rng), body(rng))
        fault = rng.choice(dkim_faults.FAULTS) if rng.random() < 0.55 else None
        for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):  # older ones
            add_signature(message, new_signature(rng, message, self.keys))
        detail = ""
        if not fault and rng.random() < 0.1:
            by_dkimpy(rng, message, self.keys)
        else:
            signature = new_signature(rng, message, self.keys)
            if fault and fault.before:
                detail = fault.does(rng, message, signature, self)
            add_signature(message, signature)
            if fault and not fault.before:
                detail = fault.does(rng, message, signature, self)
        octets = fault.last(message.octets()) if fault and fault.last else message.octets()
        return Case(f"msgs/{number:05}.eml", octets, fault.name if fault else "", str(detail or ""), len(message.signatures))
