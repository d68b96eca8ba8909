"""Why dkimpy and we see a signature differently. In front of each: its section of RFC 6376 unless it says another, who is
right, and why."""
import re

import dkim_made
from compare import Rules

RULES = rule = Rules()
NOW = dkim_made.NOW


# ---- what a difference is about ----

def value(d, name):
    return d.tags.get(name)


def squeezed(d, name):
    return re.sub(rb"\s+", b"", d.tags.get(name, b""))


def number(d, name):
    """None: not there, or no number."""
    text = d.tags.get(name, b"")
    return int(text) if re.fullmatch(rb"[0-9]+", text) else None


def canonical(d):
    """Of header and body."""
    header, _, body = d.tags.get(b"c", b"simple").partition(b"/")
    return header, body or b"simple"


def body(d):
    parts = re.split(rb"(?<=\n)\r?\n", d.case.octets, maxsplit=1)
    return parts[1] if len(parts) > 1 else b""


def record(d):
    return d.record if isinstance(d.record, str) else ""


def record_tags(d):
    return [[half.strip() for half in part.split("=", 1)] for part in record(d).split(";") if "=" in part]


def record_tag(d, name):
    return next((v for n, v in record_tags(d) if n == name), None)


def names(d):
    return [name.strip().lower() for name in d.tags.get(b"h", b"").split(b":")]


def fields(d):
    """Names, in lower case, of the fields of the header."""
    header = re.split(rb"\r?\n\r?\n", d.case.octets)[0]
    return [name.lower() for name in re.findall(rb"(?m)^([^\s:]+)[ \t]*:", header)]


def header(d):
    return re.split(rb"\r?\n\r?\n", d.case.octets)[0] + b"\r\n"


def has_bare_lf(octets):
    return re.search(rb"(?<!\r)\n", octets) is not None


# ---- messages that are not as they should be ----

@rule("space-before-colon", "3.4.5", "ours", "a field's name may have white space behind it, as the RFC's example has; dkimpy refuses the message")
def _(d):
    return d.said.startswith("MessageFormatError: Unexpected") and re.search(rb"(?m)^[!-9;-~]+[ \t]+:", header(d))


@rule("no-field", "3.8", "either", "a line in the header that is no field: the header ends there for us, dkimpy refuses the message")
def _(d):
    return d.said.startswith("MessageFormatError: Unexpected") and (d.ours in ("fail", "none") or number(d, b"l") == 0) and re.search(
        rb"(?m)^(?![!-9;-~]+[ \t]*:)[^ \t\r\n]", header(d))


@rule("mbox-line", "3.8", "either", "a line \"From …\" without colon ends the header for us; dkimpy leaves it out")
def _(d):
    return d.ours in ("fail", "none") and re.search(rb"(?m)^From [^:]*[0-9:]{8}", header(d))


@rule("bare-lf", "5.3", "either", "a line that ends in LF alone: for us it is what was signed only if the signer had it so; dkimpy makes it a CRLF first")
def _(d):
    return d.pair == ("fail", "pass") and has_bare_lf(d.case.octets)


@rule("end-without-crlf", "3.4.4", "ours", "white space at the end of a body that ends without CRLF is white space at a line's end, and ignored; dkimpy keeps one blank")
def _(d):
    return canonical(d)[1] == b"relaxed" and re.search(rb"[ \t]\Z", body(d)) and (
        d.ours in ("pass", "permerror") and d.said.startswith("body hash mismatch") or d.pair == ("fail", "pass"))


@rule("another-from", "8.15", "either", "dkimpy sees every From as signed that is not, once more than h= says; the RFC leaves that to the signer")
def _(d):
    return d.pair == ("pass", "fail") and not d.said and fields(d).count(b"from") > names(d).count(b"from") > 0


@rule("form-feed", "3.4.2", "ours", "white space in a header is blanks and tabs; dkimpy also takes form feeds and the like off a value's ends")
def _(d):
    return d.pair == ("fail", "pass") and canonical(d)[0] == b"relaxed" and re.search(rb"(?m):[ \t]*[\x0b\x0c]|[\x0b\x0c]\s*$", header(d))


# ---- algorithms and keys ----

@rule("sha1", "8301 3.1", "ours", "nobody may verify rsa-sha1 any more")
def _(d):
    return value(d, b"a") == b"rsa-sha1" and d.why == "SHA-1 is no longer in use"


@rule("short-key", "8301 3.2", "ours", "both refuse keys below 1024 bits; dkimpy looks at the signature first")
def _(d):
    return d.ours == "permerror" and d.theirs == "fail" and d.why == "the key has less than 1024 bits"


@rule("kind-of-key", "6.1.2 (8)", "ours", "a key of another kind than a= says is not used; dkimpy goes by the key")
def _(d):
    ed25519 = value(d, b"a") == b"ed25519-sha256"
    return d.why == "a key of another kind" and ed25519 != (record_tag(d, "k") == "ed25519")


@rule("case-of-a", "3.5", "either", "names of algorithms in any case, as the grammar's literals are; dkimpy wants small letters")
def _(d):
    return d.pair == ("pass", "permerror") and value(d, b"a") not in (b"rsa-sha256", b"ed25519-sha256") and value(d, b"a").lower() in (
        b"rsa-sha256", b"ed25519-sha256")


@rule("case-of-c", "3.5", "either", "the same for c=")
def _(d):
    return d.pair[1] == "permerror" and d.said.startswith("MessageFormatError: invalid c=") and value(d, b"c") == b"Relaxed/Simple"


@rule("key-hashes", "6.1.2 (6)", "ours", "a key whose h= does not have sha256 is not used; dkimpy does not look at h=")
def _(d):
    said = record_tag(d, "h")
    return d.why == "a key for other hashes" and said is not None and "sha256" not in said


@rule("key-version", "3.6.1", "ours", "v= must be the first tag of a key record")
def _(d):
    return d.why == "no key record of DKIM1" and record_tag(d, "v") == "DKIM1" and record_tags(d)[0][0] != "v"


@rule("key-services", "3.6.1", "ours", "s= of a key is a list; dkimpy takes it for one word")
def _(d):
    return d.pair == ("pass", "permerror") and d.said.startswith("UnknownKeyType") and ":" in (record_tag(d, "s") or "")


@rule("key-strict", "3.6.1", "ours", "with t=s the domain of i= must be that of d=; dkimpy does not look at t=")
def _(d):
    return d.why == "the key is for the domain alone" and "s" in (record_tag(d, "t") or "").split(":") and not squeezed(
        d, b"i").lower().endswith(b"@" + value(d, b"d").lower())


@rule("key-base64", "3.6.1", "ours", "p= is base64; dkimpy passes over signs that are none")
def _(d):
    return d.why in ("the key is no base64", "the key cannot be read") and re.search(r"[^A-Za-z0-9+/=\s]", record_tag(d, "p") or "")


@rule("key-tags", "3.2", "ours", "a key record with malformed tags is ignored: names of letters, digits and underscores, values printable")
def _(d):
    return d.why == "no key record" and any(not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or re.search("[\x00-\x1f]", v)
                                            for name, v in record_tags(d))


@rule("several-records", "3.6.2.2", "either", "of several key records we use the first that is one, dkimpy the first")
def _(d):
    return d.pair == ("pass", "permerror") and isinstance(d.record, list)


@rule("octets-of-b", "8017 8.2.2", "ours", "an RSA signature is as long as the modulus and below it; dkimpy computes with any")
def _(d):
    return d.pair == ("fail", "pass") and d.case.fault == "b-octets" and d.case.detail.split()[0] in ("zeros", "modulus")


@rule("ed25519-length", "8463 3", "either", "a signature that has not 64 octets does not verify; dkimpy fails to foresee it and raises an error")
def _(d):
    return d.theirs == "crash" and "exactly 64 bytes" in d.said and d.ours in ("fail", "permerror")


# ---- what a signature says ----

@rule("no-from", "5.4", "ours", "a signature without From in h= is ignored; dkimpy does not look")
def _(d):
    return d.why in ("From is not signed", "a tag is missing") and b"from" not in names(d)


@rule("own-signature", "3.7", "ours", "a signature is never in its own h=: dkim-signature there means others; dkimpy may take the one it verifies")
def _(d):
    below = fields(d).count(b"dkim-signature") - d.index - 1
    return d.theirs == "fail" and d.ours in ("pass", "permerror") and not d.said and names(d).count(b"dkim-signature") > below


@rule("expires-before", "3.5", "ours", "x= must be later than t=; dkimpy does not get to that check")
def _(d):
    return d.why == "it ends before it begins" and number(d, b"x") <= number(d, b"t")


@rule("expired", "3.5", "either", "a signature ends at x=; dkimpy allows ten hours more, as the RFC permits")
def _(d):
    return d.why == "it has expired" and NOW - 36000 <= number(d, b"x") < NOW


@rule("future", "3.5", "either", "t= more than ten hours ahead: dkimpy ignores the signature, as the RFC permits")
def _(d):
    return d.theirs == "permerror" and "is in the future" in d.said and number(d, b"t") > NOW + 36000


@rule("l-beyond-body", "3.5", "ours", "l= must not be larger than the body; dkimpy takes what there is")
def _(d):
    return d.pair == ("fail", "pass") and d.why == "the body is shorter than what was signed" and number(d, b"l") > dkim_made.body_len(
        b"/".join(canonical(d)), body(d))


@rule("l-empty", "3.5", "ours", "an empty l= is malformed; dkimpy raises an error of Python's")
def _(d):
    return d.theirs == "crash" and "invalid literal" in d.said and value(d, b"l") == b"" and d.ours == "permerror"


@rule("list-of-q", "3.5", "ours", "q= is a list, of which one must be known; dkimpy wants \"dns/txt\", in small letters, and nothing else")
def _(d):
    return "q= value is not" in d.said and b"dns/txt" in re.split(rb"\s*:\s*", value(d, b"q").lower())


@rule("drafts", "6.1.1", "either", "signatures of the drafts before RFC 4871, without v= and with q=dns, are still verified")
def _(d):
    return d.theirs == "permerror" and "missing b'v'" in d.said and b"v" not in d.tags and value(d, b"q") == b"dns"


@rule("identity", "3.5", "ours", "i= has an @, with the domain behind it; dkimpy looks at the end only, and raises an error when nothing stands before the domain")
def _(d):
    return d.why == "its identity is of another domain" and b"@" not in value(d, b"i") and (
        d.theirs == "pass" or d.theirs == "crash" and "IndexError" in d.said)


@rule("identity-spaces", "2.11", "ours", "white space within i= does not count")
def _(d):
    return d.theirs == "permerror" and "i= domain" in d.said and re.search(rb"\s", value(d, b"i")) and squeezed(d, b"i").lower().endswith(
        value(d, b"d").lower())


@rule("tags", "3.2", "ours", "a tag's name is letters, digits and underscores, its value printable; else the signature is ignored")
def _(d):
    return d.why == "its tags are malformed" and (re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", d.field) or any(
        not re.fullmatch(rb"[A-Za-z][A-Za-z0-9_]*", name) for name in d.tags))


@rule("base64-of-bh", "3.5", "ours", "bh= is base64; dkimpy checks b= in its place, passes over other signs, and may raise an error of Python's")
def _(d):
    return d.why == "the body's hash is no base64" and not re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", squeezed(d, b"bh"))


@rule("base64-of-b", "3.5", "ours", "b= is base64; dkimpy lets more signs of its end pass")
def _(d):
    return d.why == "the signature is no base64" and re.search(rb"={3,}$", squeezed(d, b"b"))


# ---- where dkimpy hashes the signature's own field in another way ----

def fails_by_itself(d):
    return d.theirs == "fail" and not d.said and d.ours in ("pass", "permerror")


@rule("space-behind-b", "3.7", "ours", "b= counts as empty, with the white space around it; dkimpy leaves what is behind it")
def _(d):
    return fails_by_itself(d) and re.search(rb"(?:^|;)\s*b\s*=[^;]*\s;", d.field)


@rule("b-first", "3.7", "ours", "b= may follow the colon at once; dkimpy does not find it there, and does not empty it")
def _(d):
    return fails_by_itself(d) and re.match(rb"b\s*=", d.field)


@rule("b-elsewhere", "3.7", "ours", "only the tag b= counts as empty; dkimpy also empties what looks like it in other values")
def _(d):
    return fails_by_itself(d) and re.search(rb"[a-z]\s*=[^;]*\sb\s*=", d.field)


@rule("space-at-end", "3.4.1", "ours", "simple takes the field as it is, with blanks at its end; dkimpy cuts them off")
def _(d):
    return (fails_by_itself(d) or d.pair == ("fail", "pass")) and canonical(d)[0] == b"simple" and re.search(rb"[ \t]\Z", d.field) and not re.search(
        rb"(?:^|;)\s*b\s*=[^;]*\Z", d.field)
