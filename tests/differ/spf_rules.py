"""Why pyspf and we answer differently. In front of each: its section of RFC 7208, who is right, and why."""
import re

from compare import Rules

RULES = rule = Rules()


# ---- what a difference is about ----

def domain(d):
    """Of the sender, or of HELO."""
    sender = d.case.sender or "postmaster@" + d.case.helo
    return sender[sender.rfind("@") + 1:]


def macros(text):
    """What stands between %{ and }."""
    return re.findall(r"%\{([^}]*)\}", text)


def used(d):
    """Macros of the policies, and of their explanations when they are what differs."""
    return [macro for text in texts(d) for macro in macros(text)]


def texts(d):
    return d.terms + (explanations(d) if d.what == "explanation" else [])


def explanations(d):
    """Texts that pyspf has read to explain a failure."""
    names = dict.fromkeys(q.name.lower() for q in d.asked if q.purpose == "explanation" and q.kind == "TXT")
    return ["".join(item["TXT"]) for name in names for item in d.case.zone.names.get(name, []) if isinstance(item, dict) and "TXT" in item]


def modifiers(d):
    """Of each policy, the names of its modifiers."""
    return [[found[1] for term in text.split(" ") if (found := re.match(r"([A-Za-z][\w.-]*)=", term))] for text in d.records]


def errs(d, text):
    return d.said.startswith(f"SPF Permanent Error: {text}")


def is_late(d, name):
    """The name, or what it is an alias of, is one that nobody answers for."""
    for _ in range(8):
        items = d.case.zone.names.get(name.lower(), [])
        if "TIMEOUT" in items or not items or "CNAME" not in items[0]:
            break
        name = items[0]["CNAME"]
    return "TIMEOUT" in items


# ---- whose policy it is ----

@rule("two-at-signs", "4.3", "ours", "the domain begins behind the last @ (RFC 5321); pyspf takes the first")
def _(d):
    return d.case.sender.count("@") > 1


@rule("dot-at-end", "4.3", "ours", "an empty label at the end of a domain is no error, only elsewhere")
def _(d):
    return d.theirs == "none" and domain(d).endswith(".") and not domain(d).endswith("..")


@rule("one-label", "4.3", "ours", "a domain of one label has no policy, whatever its zone says")
def _(d):
    return d.ours == "none" and "." not in domain(d)


@rule("numeric-domain", "4.8", "ours", "a top label that is a number is refused in records only; a sender's domain is what DNS says of it")
def _(d):
    return errs(d, "Invalid domain found") and re.search(r"\.\d+$", domain(d)) and d.said.endswith(domain(d))


# ---- syntax ----

@rule("delimiters", "7.1", "ours", "a macro's delimiters are . - + , / _ = and nothing else")
def _(d):
    return d.ours == "permerror" and d.theirs not in ("permerror", "temperror") and any(re.fullmatch(r"[A-Za-z]\d*r?[^A-Za-z0-9]*[^A-Za-z0-9.+,/_=-][^A-Za-z0-9]*", m) for m in used(d))


@rule("macro-digits", "7.3", "ours", "the number of labels that a macro shows is not 0")
def _(d):
    return d.ours == "permerror" and any(re.match(r"[A-Za-z]0+(\D|$)", m) for m in used(d))


@rule("macro-end", "7.1", "ours", "a macro is a letter, digits, r, delimiters; pyspf reads up to what it does not know, and takes \"%{\" that does not end for text")
def _(d):
    return d.ours == "permerror" and (any(not re.fullmatch(r"[A-Za-z]\d*[rR]?[.+,/_=-]*", m) for m in used(d)) or any(re.search(r"%\{[^}]*$", t) for t in d.terms))


@rule("percent", "7.1", "ours", "percent signs come in pairs, also at the end; pyspf refuses a pair there, and elsewhere takes a third one for text")
def _(d):
    return (errs(d, "invalid-macro-char") or d.what == "explanation" and d.theirs == "") and any(
        re.search("%%$", text) and not re.search(r"(?<!%)(%%)*%([^%{_-]|$)", text) for text in texts(d)) or (
            d.ours == "permerror" or d.what == "explanation" and d.ours == "") and any(re.search(r"%%%(?![{%_-])", text) for text in texts(d))


@rule("control-characters", "7.1", "ours", "terms and explanations have visible characters, explanations blanks, too")
def _(d):
    return (d.ours == "permerror" or d.what == "explanation" and d.ours == "") and any(re.search("[\x00-\x1f\x7f]", text) for text in texts(d))


@rule("case-of-modifiers", "4.6.1", "ours", "names of modifiers have no case: REDIRECT= is redirect=; pyspf ignores it, or sees it twice only in the same case")
def _(d):
    return any(name not in ("exp", "redirect") and name.lower() in ("exp", "redirect") for names in modifiers(d) for name in names)


@rule("modifiers-twice", "6", "ours", "modifiers that nobody knows are ignored, however often they are there")
def _(d):
    return "MUST appear at most once" in d.said and any(names.count(name) > 1 and name not in ("exp", "redirect") for names in modifiers(d) for name in names)


@rule("includes-itself", "5.2", "ours", "a policy that includes itself is an error only when the mechanism is reached; pyspf sees it when it reads the record")
def _(d):
    return errs(d, "include has trivial recursion") and any("include:" in term.lower() for term in d.terms)


@rule("exists-alone", "5.7", "ours", "exists needs a domain; pyspf sees that only where no sign stands before it")
def _(d):
    return d.ours == "permerror" and any(re.fullmatch("[-+~?]exists", term.lower()) for term in d.terms)


# ---- DNS ----

@rule("ptr-errors", "5.5", "ours", "an error of DNS in ptr, or %{p}, makes that name not match; it is no temporary error")
def _(d):
    last = d.asked[-1] if d.asked else None
    return d.theirs == "temperror" and is_late(d, last.name) and (last.kind == "PTR" or last.purpose == "macro" or last.purpose == "host" and of_ptr(d))


def of_ptr(d):
    """The host asked for last is one that a PTR record names."""
    return [q.kind for q in d.asked if q.purpose == "term" and q.kind in ("MX", "PTR")][-1:] == ["PTR"]


@rule("mx-errors", "5.4", "either", "an error of DNS for a host of mx, and another host that matches: pyspf asks for all before it looks at one")
def _(d):
    last = d.asked[-1] if d.asked else None
    return d.theirs == "temperror" and is_late(d, last.name) and last.purpose == "host" and not of_ptr(d)


@rule("void-terms", "4.6.4", "ours", "void look-ups are counted by terms, of which two are allowed; pyspf also counts hosts of mx, names of ptr, %{p} and the policies' own records")
def _(d):
    return errs(d, "Void lookup limit") and sum(q.purpose == "term" and q.void for q in d.asked) <= 2


@rule("redirect-not-taken", "4.6.4", "ours", "a redirect counts as a look-up when it is followed; pyspf counts it when it reads the record")
def _(d):
    return errs(d, "Too many DNS lookups") and d.counted <= 10


# ---- what macros say ----

@rule("shortened", "7.3", "ours", "a name of more than 253 octets loses labels from its left until it fits; pyspf takes one off, and of explanations, too")
def _(d):
    return d.what == "explanation" and len(d.ours) > 253 and d.theirs.lower() == d.ours[d.ours.index(".") + 1:].lower()


@rule("no-local-part", "4.3", "ours", "a sender without local part has postmaster in %{s}, too")
def _(d):
    return d.what == "explanation" and not re.match("[^@]+@", d.case.sender) and any(m[0] in "sS" for m in used(d))


@rule("joined-by-dots", "7.3", "ours", "the parts of a macro are put together with dots; pyspf keeps other delimiters, but for %{l} and %{s}")
def _(d):
    return d.what == "explanation" and any(re.search("[-+,/_=]", m) and m[0] not in "lLsS" for m in used(d))


@rule("capital-r", "7.1", "ours", "%{dR} is %{dr}: literals of a grammar have no case (RFC 5234)")
def _(d):
    return any("R" in m[1:] for m in used(d))


@rule("case-of-hexadecimal", "7.4", "ours", "%{i} of IPv6 in small letters, as in the RFC's example; in names it makes no difference")
def _(d):
    return d.what == "explanation" and d.ours.lower() == d.theirs.lower() and ":" in d.case.client and any(m[0] in "iI" for m in used(d))
