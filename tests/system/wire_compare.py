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
    """where: copies, letters, envelope, order, field, shape, text, octets; what: recipient, name of the field or the like."""
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
        names |= {*TELLS_THE_AUTHOR, "dkim-signature", "authentication-results", "resent-from", "bcc", "user-agent"}
    return names, body


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


@rule("one-click", "List-Unsubscribe and List-Unsubscribe-Post of ours let a mail program leave with one click (RFC 8058)")
def _(d):
    return is_field(d, "list-unsubscribe", "list-unsubscribe-post") and bool(d.postroad) and (
        settings(d).get("include_rfc2369_headers", True))


@rule("fields-on-top", "what we add stands above what the author wrote, as Received does; Mailman adds at the end")
def _(d):
    if d.where != "order":
        return False
    authors = [name for name in d.outcome.post.names() if name not in asked(d.outcome.case)[0] and name != "received"]
    mine = [name for name in d.postroad if name in authors]
    return mine == [name for name in authors if name in mine]


@rule("reprinted-field", "Mailman prints every field anew, folded and encoded its way; the author's octets are ours")
def _(d):
    return d.where == "field" and same(d, lambda copy: copy.reads(d.what)) and ours_is_the_authors(d)


@rule("reprinted-8bit-field", "Mailman calls octets above 127 in a field unknown-8bit")
def _(d):
    return d.where == "field" and b"unknown-8bit" in b"".join(d.mailman)


@rule("written-otherwise", "both wrote the field, and say the same: encoded words, quotes or blanks differ")
def _(d):
    return d.where == "field" and bool(d.mailman) and same(d, lambda copy: copy.reads(d.what))


@rule("one-cc", "Mailman collects Cc in one field as soon as a post names anybody else, and loses what is no address")
def _(d):
    return is_field(d, "cc") and ours_is_the_authors(d) and same(d, lambda copy: {a for _, a in copy.reads("cc")})


@rule("one-reply-to", "Mailman makes one field of several Reply-To, which are not allowed; we leave what is not asked for")
def _(d):
    return is_field(d, "reply-to") and ours_is_the_authors(d) and len(d.postroad) > 1


@rule("bcc", "Mailman removes Bcc; with us it is the author's, as every field that nobody spoke of")
def _(d):
    return is_field(d, "bcc") and not d.mailman and ours_is_the_authors(d)


@rule("new-message-id", "an anonymous copy has a Message-ID of the list's, and each server makes its own")
def _(d):
    return is_field(d, "message-id") and bool(settings(d).get("anonymous_list")) and len(d.postroad) == 1 and (
        d.postroad != d.outcome.post.values("message-id"))


@rule("from-escaped", "Mailman writes >From for a line that begins with From")
def _(d):
    return d.where == "text" and d.mailman == re.sub(r"(?m)^From ", ">From ", d.postroad)


@rule("reprinted-body", "Mailman encodes a body anew that it has touched, and ends parts with another line; the text is the same")
def _(d):
    if d.where == "octets":
        return True  # the texts are the same, or they would be the difference
    return d.where == "text" and isinstance(d.mailman, str) and d.mailman.rstrip("\n") == d.postroad.rstrip("\n")


@rule("reprinted-mime-field", "the charset or encoding with which the changed body is written differs")
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


@rule("spoilt-octets", "what is left of a filtered post loses its encoding in Mailman: an attachment is broken, 8-bit text is called 7bit")
def _(d):
    return d.where == "text" and isinstance(d.mailman, bytes) and bool(settings(d).get("filter_content")) and (
        d.copy[0].values("content-transfer-encoding") == [b"7bit"]) and d.copy[1].values("content-transfer-encoding") == [b"base64"]


@rule("html-to-text", "Mailman has a program of the site's make text of HTML, we do it ourselves: the words are the same")
def _(d):
    return d.where == "text" and bool(settings(d).get("convert_html_to_plaintext")) and isinstance(d.postroad, str) and (
        re.findall(r"\w+", d.mailman) == re.findall(r"\w+", d.postroad))


@rule("told-at-once", "a post that the list refuses is refused at the final dot: its sender hears of it from their own server")
def _(d):
    return d.where == "letters" and d.mailman and not d.postroad and d.outcome.replies[1].code >= 500


def explain(difference):
    """The name of the rule, or None."""
    return next((name for name, _, function in RULES if function(difference)), None)
