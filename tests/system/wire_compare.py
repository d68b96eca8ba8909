"""What two list servers made of one post, compared. `compare` names the differences; RULES say which of them are meant,
and why. A difference that no rule explains is a failure."""
import dataclasses
import email
import email.errors
import email.header
import email.utils
import re

ADDRESSES = ("from", "to", "cc", "reply-to", "sender", "resent-to", "resent-from", "resent-cc", "list-id")
# Fields that no copy keeps as they came: passwords, what fishes for readers, what only the list says.
NEVER = ("approved", "approve", "x-approved", "x-approve", "urgent", "return-receipt-to", "disposition-notification-to",
         "x-confirm-reading-to", "x-pmrqc", "archived-at")
OF_THE_LIST = ("list-id", "list-help", "list-owner", "list-post", "list-subscribe", "list-unsubscribe",
               "list-unsubscribe-post", "list-archive", "precedence")
MIME = ("mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-description")
TELLS_THE_AUTHOR = ("from", "reply-to", "sender", "organization", "return-path", "received", "message-id")


# ---- a message, as it is and as it reads ----

class Seen:
    """A message: fields [(name, octets of the whole field)], body."""

    def __init__(self, octets, sender=None):
        self.octets, self.sender = octets, sender
        head, _, self.body = octets.partition(b"\r\n\r\n")
        self.fields = [(f.split(b":")[0].decode("latin-1").strip().lower(), f) for f in re.split(rb"\r\n(?![ \t])", head)]
        self.parsed = email.message_from_bytes(octets)

    def raw(self, name):
        return [octets for other, octets in self.fields if other == name]

    def values(self, name):
        """Unfolded as RFC 5322 says: what is left when the line ends are gone."""
        return [octets.partition(b":")[2].replace(b"\r\n", b"").strip(b" \t") for octets in self.raw(name)]

    def names(self):
        return list(dict.fromkeys(name for name, _ in self.fields))

    def reads(self, name):
        """What the field says, however it is written."""
        texts = [v.decode("utf-8", "replace") for v in self.values(name)]
        if name in ADDRESSES:
            return [(decoded(who), where) for who, where in email.utils.getaddresses(texts) if who or where]
        if name in ("content-type", "content-disposition"):
            return [parameters(text) for text in texts]
        return [decoded(text) for text in texts]

    def shape(self):
        return [(depth, part.get_content_type(), part.get_filename()) for depth, part in walk(self.parsed)]

    def kinds(self):
        """What each part says of itself, but for how it is encoded."""
        return [[sorted(p for p in part.get_params([], header) if p[0] not in ("charset", "boundary"))
                 for header in ("content-type", "content-disposition")] for _, part in walk(self.parsed)]

    def leaves(self):
        return [content(part) for _, part in walk(self.parsed) if not part.is_multipart()]


def decoded(text):
    try:
        text = str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        pass
    return " ".join(text.split())


def parameters(text):
    made = email.message_from_string(f"Content-Type: {text}\n\n").get_params() or []
    return sorted((k.lower(), v.lower() if k.lower() == "charset" or not v else v) for k, v in made)


def walk(part, depth=0):
    yield depth, part
    if part.is_multipart():
        for inner in part.get_payload():
            yield from walk(inner, depth + 1)


def content(part):
    """Text as text with plain line ends, all else as octets."""
    octets = part.get_payload(decode=True) or b""
    if part.get_content_maintype() != "text":
        return octets
    try:
        text = octets.decode(part.get_content_charset() or "us-ascii")
    except (LookupError, UnicodeError):
        text = octets.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


# ---- what one post became ----

@dataclasses.dataclass
class Outcome:
    """One post on both sides. copies: {recipient: Seen}, mailman's and postroad's; letters: who was written to about it."""
    case: object
    post: Seen
    copies: tuple
    letters: tuple
    replies: tuple
    lost: bool


@dataclasses.dataclass
class Difference:
    """where: copies, letters, envelope, order, field, shape, kinds, text, octets; what: recipient, name of the field or the like."""
    outcome: Outcome
    where: str
    what: str
    mailman: object
    postroad: object
    copy: tuple = (None, None)

    def __str__(self):
        who = f"{self.outcome.case.name} ({self.outcome.post.values('message-id')[0].decode()})"
        return f"{who}: {self.where} {self.what}\n    Mailman:  {self.mailman!r}\n    Postroad: {self.postroad!r}"


def compare(outcome):
    """Every difference of what both sent."""
    theirs, ours = outcome.copies
    found = []
    if set(theirs) != set(ours):
        found.append(Difference(outcome, "copies", "recipients", sorted(theirs), sorted(ours)))
    if set(outcome.letters[0]) != set(outcome.letters[1]):
        found.append(Difference(outcome, "letters", "recipients", *map(sorted, outcome.letters)))
    for recipient in sorted(set(theirs) & set(ours)):
        found += compare_copies(outcome, recipient, theirs[recipient], ours[recipient])
    return found


def compare_copies(outcome, recipient, m, p):
    found = []

    def add(where, what, mine, yours):
        if mine != yours:
            found.append(Difference(outcome, where, what, mine, yours, (m, p)))

    add("envelope", recipient, m.sender, p.sender)
    for name in dict.fromkeys(m.names() + p.names()):
        add("field", name, m.values(name), p.values(name))
    both = set(m.names()) & set(p.names())
    add("order", "of fields", *([n for n in side.names() if n in both] for side in (m, p)))
    add("shape", "of parts", m.shape(), p.shape())
    if m.shape() == p.shape():
        add("kinds", "of parts", m.kinds(), p.kinds())
        before = len(found)
        for number, (mine, yours) in enumerate(zip(m.leaves(), p.leaves())):
            add("text", f"of part {number}", mine, yours)
        if len(found) == before:
            add("octets", "of the body", m.body, p.body)
    return found


# ---- what must hold on our side whatever Mailman does ----

def asked(case):
    """(names of fields that the list's settings may change, whether the body may change)."""
    s = case.settings
    names = {*NEVER, *OF_THE_LIST}
    body = bool(s.get("msg_header") or s.get("msg_footer") or s.get("filter_content"))
    if body:
        names |= set(MIME)
    if s.get("subject_prefix"):
        names.add("subject")
    if s.get("first_strip_reply_to") or s.get("reply_goes_to_list", "no_munging") != "no_munging":
        names.add("reply-to")
    if s.get("personalize") == "full":
        names |= {"to", "cc"}
    if any("receive_list_copy" in told for told in case.members.values()):
        names.add("cc")
    if s.get("anonymous_list"):
        names |= {*TELLS_THE_AUTHOR, "dkim-signature", "authentication-results", "resent-from", "user-agent"}
    return names | {"bcc"}, body  # goes no further, with both


def unkept(outcome, copy):
    """Fields and body of the author that this copy of ours should have octet by octet, and has not: texts."""
    names, body = asked(outcome.case)
    anonymous = outcome.case.settings.get("anonymous_list")

    def stays(name):
        return name not in names and not (anonymous and name.startswith("x-"))

    kept = [octets for name, octets in outcome.post.fields if stays(name)]
    rest = iter([octets for _, octets in copy.fields])
    found = [f"{outcome.case.name}: not as it came: {octets!r}" for octets in kept if octets not in rest]
    if not body and copy.body != outcome.post.body:
        found.append(f"{outcome.case.name}: the body is not as it came")
    return found


# ---- the rules ----

RULES = []


def rule(name, reason):
    """The function (a Difference → whether the rule explains it) becomes a rule; the first that says yes counts."""
    def make(function):
        RULES.append((name, reason, function))
        return function
    return make


def lines_of(copy):
    """Of all texts, as they read: without empty lines, and without the quotes of a mailbox."""
    return [decoded(line).replace('"', "") for text in copy.leaves() for line in text.split("\n") if line]


def is_field(d, *names):
    return d.where == "field" and d.what in names


def settings(d):
    return d.outcome.case.settings


def same(d, read):
    """Both copies say the same when read so."""
    return read(d.copy[0]) == read(d.copy[1])


def ours_is_the_authors(d):
    return d.copy[1].raw(d.what) == d.outcome.post.raw(d.what)


@rule("mailman-fails", "Mailman has an error of its own in the post's way and puts it aside, where nobody looks; we send it")
def _(d):
    return d.where == "copies" and d.outcome.lost and not d.mailman and d.postroad


@rule("mailman-defaults", "a list of Mailman comes with a prefix and a footer, ours with none")
def _(d):
    if d.outcome.case.name != "defaults":
        return False
    if is_field(d, "subject"):
        return d.mailman == [b"[Defaults] " + v for v in d.postroad]
    return d.where == "text" and d.mailman.startswith(d.postroad + "____") and d.copy[1].body == d.outcome.post.body


@rule("own-envelope", "every copy of ours has an envelope sender of its own, by which a bounce is told; Mailman's only where it is asked to")
def _(d):
    local, domain = d.outcome.case.address.split("@")
    return d.where == "envelope" and (d.mailman, d.postroad) == (
        f"{local}-bounces@{domain}", f"{local}-bounces+{d.what.replace('@', '=')}@{domain}")


@rule("mailman-own-fields", "Message-ID-Hash, X-MailFrom, X-Mailman-Version and the like are for Mailman's own parts")
def _(d):
    return is_field(d, "message-id-hash", "x-message-id-hash", "x-mailfrom", "x-mailman-version", "x-mailman-rule-hits",
                    "x-mailman-rule-misses", "x-mailman-copy", "x-content-filtered-by") and (
        ours_is_the_authors(d) or settings(d).get("anonymous_list") and not d.postroad)


@rule("received", "we say in Received how the post came, as RFC 5321 wants it; Mailman leaves no trace")
def _(d):
    return is_field(d, "received") and d.postroad[1:] == d.mailman and (
        re.search(rb"\sby mx\.example\.org with ", d.postroad[0]) is not None)


@rule("leave-key", "the address to leave by holds a key in each copy, so a letter there ends the membership at once; Mailman asks back")
def _(d):
    local, domain = d.outcome.case.address.encode().split(b"@")
    return is_field(d, "list-unsubscribe") and len(d.postroad) == 1 and d.mailman == [b"<mailto:%b-leave@%b>" % (local, domain)] and (
        re.fullmatch(rb"<mailto:%b-leave\+[0-9a-f]{32}@%b>" % (re.escape(local), re.escape(domain)), d.postroad[0])) is not None


@rule("foreign-list-fields", "RFC 2369 lets a list remove what another one says of itself: we remove it all, Mailman leaves what it has no field for")
def _(d):
    return is_field(d, "list-archive", "list-unsubscribe-post") and not d.postroad and (
        settings(d).get("include_rfc2369_headers", True) and d.mailman == d.outcome.post.values(d.what))


@rule("fields-on-top", "what we add stands above what the author wrote, as Received does; Mailman adds at the end")
def _(d):
    if d.where != "order":
        return False
    authors = [name for name in d.outcome.post.names() if name not in asked(d.outcome.case)[0] and name != "received"]
    mine = [name for name in d.postroad if name in authors]
    return mine == [name for name in authors if name in mine]


@rule("prefix-blank", "one blank is between prefix and subject; Mailman's prefix has its own, or none")
def _(d):
    prefix = settings(d).get("subject_prefix", "").encode()
    return is_field(d, "subject") and prefix == prefix.strip() != b"" and d.postroad == [
        v.replace(prefix, prefix + b" ", 1) for v in d.mailman]


@rule("prefix-numbers", "each %d of a prefix is the post's number; Mailman writes none if there are several")
def _(d):
    prefix = settings(d).get("subject_prefix", "").encode()
    return is_field(d, "subject") and prefix.count(b"%d") > 1 and d.mailman[0].startswith(prefix) and (
        d.postroad == [v.replace(b"%d", b"1") for v in d.mailman])


@rule("reprinted-field", "Mailman prints every field anew, folded and encoded its way; the author's octets are ours")
def _(d):
    return d.where == "field" and same(d, lambda copy: copy.reads(d.what)) and ours_is_the_authors(d)


@rule("written-otherwise", "both wrote the field, and say the same: encoded words, quotes or blanks differ")
def _(d):
    return d.where == "field" and bool(d.mailman) and same(d, lambda copy: copy.reads(d.what))


@rule("unknown-8bit", "octets above 127 in a field stay what they are; Mailman encodes them, and says it does not know as what")
def _(d):
    return d.where == "field" and b"unknown-8bit" in b"".join(d.mailman) and (
        d.outcome.post.values(d.what)[0] in d.postroad[0])


@rule("prefix-at-the-front", "a prefix is removed from the front of a subject only, in small letters and encoded too; Mailman "
      "removes it anywhere, and knows it only as it writes it")
def _(d):
    prefix = re.escape(settings(d).get("subject_prefix", "").strip())
    if not is_field(d, "subject") or not prefix:
        return False
    text = d.outcome.post.reads("subject")[0]
    front = re.match(rf"(?:(?:{prefix}|(?:re|aw|sv|vs)(?:\[\d+\])?\s*:)\s*)*", text, re.I).group()
    answer = "Re: " if re.search(r":\s*", front.replace(settings(d)["subject_prefix"].strip(), "")) else ""
    return re.fullmatch(rf"{prefix} {re.escape(answer + text[len(front):])}", d.copy[1].reads("subject")[0]) is not None


@rule("cc-stays", "Cc stays as the author wrote it; Mailman removes who wants no copy of the list's")
def _(d):
    return is_field(d, "cc") and ours_is_the_authors(d) and any("receive_list_copy" in told for told in d.outcome.case.members.values()) and (
        {a for _, a in d.copy[0].reads("cc")} < {a for _, a in d.copy[1].reads("cc")})


@rule("named-in-capitals", "who wants no second copy and is named in a post gets none from us, in capital letters either; Mailman's comparison "
      "minds them")
def _(d):
    if d.where != "copies":
        return False
    named = {a for name in ("to", "cc") for _, a in d.outcome.post.reads(name)}
    more = set(d.mailman) - set(d.postroad)
    return set(d.postroad) < set(d.mailman) and all(
        a not in named and a.upper() in named and "receive_list_copy" in d.outcome.case.members[a] for a in more)


@rule("anonymous-fields", "of an anonymous post we keep the few fields that cannot tell who wrote; Mailman removes the few it knows to tell")
def _(d):
    return d.where == "field" and bool(settings(d).get("anonymous_list")) and not d.postroad and (
        d.mailman == d.outcome.post.values(d.what)) and d.what not in NEVER + MIME + ("date", "subject", "to", "cc", "references")


@rule("anonymous-name", "the address of an anonymous list has the list's name beside it in From and Reply-To; Mailman's only "
      "a description, and in From")
def _(d):
    return is_field(d, "from", "reply-to") and bool(settings(d).get("anonymous_list")) and (
        same(d, lambda copy: [a for _, a in copy.reads(d.what)]))


@rule("anonymous-reply", "answers to an anonymous post go to the list, in Reply-To as in From; first_strip_reply_to, which is "
      "for the author's field, takes the list's from Mailman's copy")
def _(d):
    return is_field(d, "reply-to") and bool(settings(d).get("first_strip_reply_to")) and bool(settings(d).get("anonymous_list")) and (
        not d.mailman and d.postroad == [d.outcome.case.address.encode()])


@rule("new-message-id", "an anonymous copy has a Message-ID of the list's, and each server makes its own")
def _(d):
    return is_field(d, "message-id") and bool(settings(d).get("anonymous_list")) and len(d.postroad) == 1 and (
        d.postroad != d.outcome.post.values("message-id"))


@rule("around-the-text", "a text that is in base64, or whose charset does not hold the footer (which may name anybody), keeps its "
      "octets as a part beside the footer; Mailman encodes it anew")
def _(d):
    if d.where != "shape" and not is_field(d, *MIME):
        return False
    theirs, ours = d.copy
    return [kind for _, kind, _ in theirs.shape()] == ["text/plain"] and (
        ours.shape()[0][1] == "multipart/mixed" and {kind for _, kind, _ in ours.shape()[1:]} == {"text/plain"}) and (
        d.outcome.post.body in ours.body and lines_of(theirs) == lines_of(ours))


@rule("signed", "signed mail gets no header and footer: it stays what was signed, and looks it")
def _(d):
    return (d.where == "shape" or is_field(d, *MIME)) and d.outcome.post.parsed.get_content_type() == "multipart/signed" and (
        d.copy[1].body == d.outcome.post.body and d.copy[0].shape()[0][1] == "multipart/mixed")


@rule("no-mime", "a text without MIME fields is plain text in ASCII and needs none; Mailman says so")
def _(d):
    theirs, ours = d.copy
    return (d.where == "kinds" or is_field(d, "content-type")) and not any(
        seen.raw("content-type") for seen in (ours, d.outcome.post)) and (
            theirs.values("content-type") == [b'text/plain; charset="us-ascii"'])


@rule("empty-text", "an empty text beside an attachment stays: the filter takes out what it is told to, and no more")
def _(d):
    mine = d.copy[1] and d.copy[1].shape()
    return (d.where == "shape" or is_field(d, *MIME)) and bool(settings(d).get("filter_content")) and (
        mine == d.outcome.post.shape()) and d.copy[1].leaves()[0].strip() == "" and d.copy[0].shape()[0][1:] == mine[2][1:]


@rule("empty-body", "below an empty text a footer begins with its first line; Mailman puts an empty one before it")
def _(d):
    return d.where == "text" and not d.outcome.post.body.strip() and d.mailman == "\n" + d.postroad


@rule("from-escaped", "Mailman writes >From for a line that begins with From")
def _(d):
    return d.where == "text" and d.mailman == re.sub(r"(?m)^From ", ">From ", d.postroad)


@rule("reprinted-body", "Mailman encodes a body anew that it has touched, and may end a text with a line end more or less; the text is the same")
def _(d):
    if d.where == "octets":
        return True  # the texts are the same, or they would be the difference
    return d.where == "text" and isinstance(d.mailman, str) and d.mailman.rstrip("\n") == d.postroad.rstrip("\n")


@rule("reprinted-mime-field", "boundary, charset or encoding of a body that both have changed differ: each server chooses its own")
def _(d):
    if not is_field(d, "content-type", "content-transfer-encoding", "mime-version") or not asked(d.outcome.case)[1]:
        return False
    if d.what != "content-type":
        return True
    return [[p for p in one if p[0] not in ("charset", "boundary")] for one in d.copy[0].reads(d.what)] == [
        [p for p in one if p[0] not in ("charset", "boundary")] for one in d.copy[1].reads(d.what)]


@rule("lost-letters", "a footer of Mailman's that stands in a part of its own loses every letter that is not ASCII")
def _(d):
    return d.where == "text" and isinstance(d.mailman, str) and bool(settings(d).get("msg_footer")) and (
        d.mailman.rstrip("\n") == d.postroad.rstrip("\n").encode("ascii", "replace").decode())


def explain(difference):
    """The name of the rule, or None."""
    return next((name for name, _, function in RULES if function(difference)), None)
