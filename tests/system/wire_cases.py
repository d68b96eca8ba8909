"""The cases of test_wire.py: lists with settings, the posts they get, and who gets copies. Both list servers know the
settings by the same names; msg_header and msg_footer are Mailman's templates list:member:regular:header and :footer."""
import base64
import dataclasses
import quopri

DOMAIN = "example.org"
AUTHOR = "ada@x.example"
READER = "bo@y.example"
OWNER = "boss@far.example"
NAMES = {AUTHOR: "Ada Lovelace", READER: "Bo Björk"}

# What is said of every list that does not say otherwise: what Mailman's lists come with would be in every case.
QUIET = {"subject_prefix": "", "msg_header": "", "msg_footer": ""}


@dataclasses.dataclass
class Case:
    """A list. posts: {name: octets}, posted in this order by AUTHOR; members: {address: {preference: value}}."""
    name: str
    settings: dict
    posts: dict
    members: dict

    @property
    def address(self):
        return f"{self.name}@{DOMAIN}"

    def everything(self):
        """What the list is told: (settings, {msg_header, msg_footer} as far as told)."""
        told = self.settings if self.name == "defaults" else {**QUIET, **self.settings}
        texts = ("msg_header", "msg_footer")
        return ({k: v for k, v in told.items() if k not in texts}, {k: v for k, v in told.items() if k in texts})


CASES = []


def case(name, post, members=(READER,), **settings):
    """post: octets, or {name: octets}; LIST in them stands for the list's address, ID for a Message-ID of its own."""
    posts = post if isinstance(post, dict) else {name: post}
    made = Case(name, settings, {}, members if isinstance(members, dict) else dict.fromkeys(members, {}))
    for key, octets in posts.items():
        made.posts[key] = octets.replace(b"LIST", made.address.encode()).replace(b"<ID>", f"<{key}@test.example>".encode())
    assert not any(made.name == other.name for other in CASES)
    CASES.append(made)


def crlf(text):
    octets = text.encode() if isinstance(text, str) else text
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


PLAIN = "Hello,\n\nthis is the text.\n\n-- \nAda\n"
UNICODE = "Grüße aus Köln,\n\ndas kostet 5 €.\n"
TEXT = 'text/plain; charset="us-ascii"'


def post(body=PLAIN, kind=TEXT, encoding="7bit", subject="Hello there", fields="", to="LIST", mime=True):
    """A post as a client makes it. subject None: no such field; fields: lines."""
    head = [f"From: {NAMES[AUTHOR]} <{AUTHOR}>", f"To: {to}", "Date: Mon, 02 Nov 2026 10:00:00 +0000", "Message-ID: <ID>"]
    if subject is not None:
        head.append(f"Subject: {subject}")
    head += fields.splitlines()
    if mime:
        head += ["MIME-Version: 1.0", f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}"]
    return crlf("\n".join(head) + "\n\n") + crlf(body)


def quoted(text):
    return quopri.encodestring(text.encode())


def in_base64(text):
    octets = crlf(text) if isinstance(text, str) else text
    return base64.encodebytes(octets)


def part(kind, body, encoding="7bit", fields=""):
    head = f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n{fields}\n"
    return head.encode() + (body.encode() if isinstance(body, str) else body)


def multipart(kind, *parts, boundary="=-border-1", preamble=b"", epilogue=b"", **options):
    body = preamble
    for octets in parts:
        body += f"--{boundary}\n".encode() + octets + (b"" if octets.endswith(b"\n") else b"\n")
    return post(body + f"--{boundary}--\n".encode() + epilogue, f'{kind}; boundary="{boundary}"', **options)


def inner(kind, *parts, boundary="=-inner-1"):
    """A multipart as a part."""
    body = b"".join(f"--{boundary}\n".encode() + octets for octets in parts) + f"--{boundary}--\n".encode()
    return f'Content-Type: {kind}; boundary="{boundary}"\n\n'.encode() + body


HTML = "<html><body><p>Hello, <b>this</b> is the text.</p></body></html>\n"
TEXT_PART = part(TEXT, PLAIN)
HTML_PART = part('text/html; charset="us-ascii"', HTML)
PNG = part('image/png; name="dot.png"', in_base64(bytes(range(64))), "base64",
           'Content-Disposition: attachment; filename="dot.png"\n')
EXE = part("application/octet-stream", in_base64(b"MZ\0\0"), "base64",
           'Content-Disposition: attachment; filename="Setup.EXE"\n')
PDF = part('application/pdf; name="paper.pdf"', in_base64(b"%PDF-1.4\n"), "base64",
           'Content-Disposition: attachment; filename="paper.pdf"\n')
SIGNATURE = part('application/pgp-signature; name="signature.asc"',
                 "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n")

POSTS = {
    "7bit": post(),
    "quoted-printable": post(quoted(UNICODE), 'text/plain; charset="utf-8"', "quoted-printable"),
    "base64": post(in_base64(UNICODE), 'text/plain; charset="utf-8"', "base64"),
    "8bit-latin1": post(UNICODE.replace("€", "EUR").encode("latin-1"), "text/plain; charset=iso-8859-1", "8bit"),
    "no-mime": post(mime=False),
    "html": post(HTML, 'text/html; charset="us-ascii"'),
    "alternative": multipart("multipart/alternative", TEXT_PART, HTML_PART),
    "mixed": multipart("multipart/mixed", TEXT_PART, PNG, preamble=b"This is a MIME message.\n", epilogue=b"The end.\n"),
    "mixed-html-first": multipart("multipart/mixed", HTML_PART, PNG),
    "signed": multipart('multipart/signed; micalg="pgp-sha256"; protocol="application/pgp-signature"', TEXT_PART, SIGNATURE),
    "flowed": post("A line that flows \nand goes on.\n", 'text/plain; charset="us-ascii"; format=flowed; delsp=yes'),
    "no-end-of-line": post("The last line has no end"),
    "empty": post(""),
    "image": post(in_base64(bytes(range(64))), "image/png", "base64",
                  fields='Content-Disposition: inline; filename="dot.png"'),
    "related": multipart("multipart/related", HTML_PART, PNG),
    "unknown-charset": post(quoted(UNICODE), 'text/plain; charset="x-none"', "quoted-printable"),
}

# ---- nothing asked ----

# As the list comes: Mailman's has a prefix and a footer.
case("defaults", POSTS["7bit"], members=(AUTHOR, READER), display_name="Plain talk")
case("plain", POSTS["7bit"], members=(AUTHOR, READER))
case("described", POSTS["7bit"], display_name="Tea & Cakes", description='Talk about "tea", and cakes')
case("described-utf8", POSTS["7bit"], display_name="Tee", description="Gespräche über Tee")
case("plain-kinds", {f"plain-{kind}": POSTS[kind] for kind in (
    "quoted-printable", "base64", "8bit-latin1", "mixed", "signed", "no-mime", "empty", "no-end-of-line")})
# What a printer of messages would print otherwise.
case("plain-odd-header", post(
    subject="a  subject with   spaces\n and a fold that  is long enough to be folded by whoever prints it again, somewhere",
    to="LIST (a comment),\n\tother@z.example", fields="references:<a@x.example>\n <b@x.example>\nX-Empty:\nX-Long: " + "x" * 120 +
    "\nX-Twice: 1\nx-twice: 2\nX-Word: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?q?_und?= mehr\nContent-Language: de"))
case("plain-8bit-header", post(subject="Grüße", fields="X-Raw: Köln"))
case("plain-lines", post("From here on\n.dot\n..two\n" + "y" * 600 + "\n  trailing  \n\n\n"))

# ---- subject_prefix ----

case("prefix", POSTS["7bit"], subject_prefix="[Test] ")
SUBJECTS = {
    "re": "Re: Hello there", "re-prefix": "Re: [Test] Hello there", "re-re": "Re: Re: Hello there",
    "prefix-re": "[Test] Re: Hello there", "twice": "[Test] [Test] Hello there", "re-re-prefix": "Re: [Test] Re: [Test] Hello there",
    "aw": "AW: Sv[2]: Hello there", "inside": "About [Test] prefixes", "lower": "re: [test] Hello there",
    "fwd": "Fwd: Hello there",
    "utf8": "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "utf8-re-prefix": "Re: [Test] =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    "utf8-word-re": "=?utf-8?b?UmU6IFtUZXN0XSBHcsO8w59l?=", "utf8-mixed": "Hello =?utf-8?q?Gr=C3=BC=C3=9Fe?= there",
    "latin1": "=?iso-8859-1?q?Gr=FC=DFe_aus_K=F6ln?=", "latin1-utf8": "=?iso-8859-1?q?Gr=FC=DFe?= =?utf-8?q?_5_=E2=82=AC?=",
    "unknown-charset": "=?x-none?q?Gr=FC=DFe?=", "raw8": "Grüße", "empty": "", "missing": None, "only-prefix": "[Test] ",
    "only-re": "Re:", "folded": "Hello there, this is a long subject that goes on\n\tand on in a second line",
    "long": "Hello " + "there " * 20 + "end",
    "utf8-long": "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln_und_anderen_St=C3=A4dten?=\n =?utf-8?q?_am_Rhein_und_an_der_Elbe?=",
}
case("prefix-subjects", {f"prefix-{name}": post(subject=subject) for name, subject in SUBJECTS.items()}, subject_prefix="[Test] ")
case("prefix-number", {f"number-{n}": post(subject=s) for n, s in enumerate(
    ("Hello there", "Re: [Test 1] Hello there", "=?utf-8?q?Re=3A_=5BTest_2=5D_Gr=C3=BC=C3=9Fe?=", "[Test 77] Hello there"))},
     subject_prefix="[Test %d] ")
case("prefix-padded", post(subject="Re: [Test 00012] Hello there"), subject_prefix="[Test %05d] ")
case("prefix-percent", POSTS["7bit"], subject_prefix="[100%] ")
case("prefix-percent-twice", POSTS["7bit"], subject_prefix="[%d %d] ")
case("prefix-no-space", POSTS["7bit"], subject_prefix="[Test]")
case("umlaut-prefix", POSTS["7bit"], subject_prefix="[Grüße] ")
case("umlaut-prefix-re", post(subject="Re: =?utf-8?q?=5BGr=C3=BC=C3=9Fe=5D?= Hello there"), subject_prefix="[Grüße] ")
case("umlaut-prefix-utf8", post(subject=SUBJECTS["utf8"]), subject_prefix="[Grüße] ")
case("umlaut-prefix-latin1", post(subject=SUBJECTS["latin1"]), subject_prefix="[Grüße] ")

# ---- reply_goes_to_list ----

ELSEWHERE = "Reply-To: Cy <cy@z.example>, dee@z.example"
for mode in ("no_munging", "point_to_list", "explicit_header", "explicit_header_only"):
    for given, fields in (("", ""), ("-given", ELSEWHERE)):
        for strip, first in (("", False), ("-strip", True)):
            case(f"reply-{mode.replace('_', '-')}{given}{strip}", post(fields=fields), reply_goes_to_list=mode,
                 **({"reply_to_address": "desk@example.net"} if "explicit" in mode else {}),
                 **({"first_strip_reply_to": True} if first else {}))
case("reply-described", post(fields=ELSEWHERE), reply_goes_to_list="point_to_list", description="Talk about tea, and cakes")
case("reply-described-utf8", post(), reply_goes_to_list="point_to_list", description="Gespräche über Tee")
case("reply-same", post(fields="Reply-To: Desk <DESK@example.net>"), reply_goes_to_list="explicit_header",
     reply_to_address="desk@example.net")
case("reply-list-given", post(fields="Reply-To: The list <LIST>, cy@z.example"), reply_goes_to_list="point_to_list")
case("reply-twice", post(fields="Reply-To: cy@z.example\nReply-To: dee@z.example"), reply_goes_to_list="no_munging")
case("reply-twice-point", post(fields="Reply-To: cy@z.example\nReply-To: dee@z.example"), reply_goes_to_list="point_to_list")
case("reply-nowhere", post(fields=ELSEWHERE), reply_goes_to_list="explicit_header")
case("reply-encoded", post(fields="Reply-To: =?utf-8?q?J=C3=BCrgen?= <cy@z.example>"), reply_goes_to_list="point_to_list")

# ---- anonymous_list ----

TELLING = """\
Reply-To: Ada <ada@x.example>
Sender: ada@x.example
Organization: The mill
Return-Path: <ada@x.example>
Received: from mill.x.example (mill.x.example [192.0.2.7]) by mx.x.example; Mon, 02 Nov 2026 10:00:00 +0000
X-Mailer: Engine 1.0
User-Agent: Engine 1.0
X-Originating-IP: [192.0.2.7]
X-Originating-Email: ada@x.example
X-Envelope-From: ada@x.example
X-Spam-Flag: NO
X-Ack: yes
X-Topics: tea
X-BeenThere: other@example.net
Resent-From: ada@x.example
Cc: Cy <cy@z.example>
Bcc: dee@z.example
DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from:subject; bh=aGFzaA==; b=c2lnbmF0dXJl
Authentication-Results: mx.x.example; dkim=pass
In-Reply-To: <earlier@x.example>
References: <earlier@x.example>"""
case("anonymous", post(fields=TELLING), anonymous_list=True)
case("anonymous-described", POSTS["7bit"], anonymous_list=True, description="Talk about tea")
case("anonymous-point", POSTS["7bit"], anonymous_list=True, reply_goes_to_list="point_to_list")
case("anonymous-strip", POSTS["7bit"], anonymous_list=True, first_strip_reply_to=True)
case("anonymous-explicit", POSTS["7bit"], anonymous_list=True, reply_goes_to_list="explicit_header",
     reply_to_address="desk@example.net")

case("anonymous-only", POSTS["7bit"], anonymous_list=True, reply_goes_to_list="explicit_header_only",
     reply_to_address="desk@example.net")

# ---- msg_header, msg_footer ----

FOOTER = "____\nSent by the list\n"
HEADER = "Welcome\n----\n"
case("footer", {f"footer-{kind}": octets for kind, octets in POSTS.items()}, msg_footer=FOOTER)
case("both", {f"both-{kind}": POSTS[kind] for kind in ("7bit", "base64", "html", "mixed", "signed")},
     msg_footer=FOOTER, msg_header=HEADER)
case("header-7bit", POSTS["7bit"], msg_header=HEADER)
case("header-no-end", POSTS["7bit"], msg_header="Welcome", msg_footer="Bye")
case("footer-utf8", {f"footer-utf8-{kind}": POSTS[kind] for kind in (
    "7bit", "quoted-printable", "base64", "8bit-latin1", "mixed", "html")}, msg_footer="____\nGrüße für 5 €\n")
case("footer-latin1-8bit-latin1", POSTS["8bit-latin1"], msg_footer="____\nGrüße\n")
case("footer-variables", POSTS["7bit"], members=(AUTHOR, READER), display_name="Plain talk", description="Talk about tea",
     msg_footer="".join(f"{n}=${n}\n" for n in (
         "display_name", "listname", "list_id", "fqdn_listname", "list_name", "short_listname", "mail_host", "domain",
         "description", "info", "language", "request_email", "request_address", "owner_email", "site_email", "domain_name",
         "unknown", "user_email")) + "braces=${list_id}ed\ndollar=$$\nlone=$ 5\nupper=$LIST_ID\n")
MEMBER_VARIABLES = "".join(f"{n}=${n}\n" for n in (
    "member", "user_email", "user_delivered_to", "user_language", "user_name", "user_name_or_address", "user_address"))

# ---- personalize ----

for how in ("individual", "full"):
    case(f"personal-{how}", POSTS["7bit"], members=(AUTHOR, READER), personalize=how)
    case(f"personal-{how}-footer", POSTS["7bit"], members=(AUTHOR, READER), personalize=how, msg_footer=MEMBER_VARIABLES)
case("personal-none-footer", POSTS["7bit"], members=(AUTHOR, READER), msg_footer=MEMBER_VARIABLES)
case("personal-full-cc", post(to="LIST, Cy <cy@z.example>", fields="Cc: Dee <dee@z.example>"), personalize="full",
     description="Talk about tea")
case("personal-full-point", POSTS["7bit"], personalize="full", reply_goes_to_list="point_to_list")
case("personal-full-only", post(fields="Cc: dee@z.example"), personalize="full", reply_goes_to_list="explicit_header_only",
     reply_to_address="desk@example.net")
case("personal-full-anonymous", POSTS["7bit"], personalize="full", anonymous_list=True)
case("personal-full-copied", post(to="LIST", fields=f"Cc: {READER}"), personalize="full")

# ---- filter_content ----

ALTERNATIVE_AND_PNG = multipart("multipart/mixed", inner("multipart/alternative", TEXT_PART, HTML_PART), PNG)
NESTED = multipart("multipart/mixed", TEXT_PART, inner("multipart/mixed", HTML_PART, EXE), PNG)
FORWARDED = multipart("multipart/mixed", TEXT_PART,
                      b"Content-Type: message/rfc822\n\n" + multipart("multipart/alternative", TEXT_PART, HTML_PART, boundary="=-f"))
FILTERED = {
    "idle": (POSTS["mixed"], {"collapse_alternatives": False}),
    "collapse": (POSTS["alternative"], {}),
    "collapse-utf8": (multipart("multipart/alternative", part('text/plain; charset="utf-8"', quoted(UNICODE), "quoted-printable"),
                                HTML_PART), {}),
    "collapse-off": (POSTS["alternative"], {"collapse_alternatives": False}),
    "collapse-inner": (ALTERNATIVE_AND_PNG, {}),
    "collapse-related": (multipart("multipart/alternative", TEXT_PART, inner("multipart/related", HTML_PART, PNG)), {}),
    "collapse-forwarded": (FORWARDED, {}),
    "types": (POSTS["mixed"], {"filter_types": ["image"]}),
    "types-full": (POSTS["mixed"], {"filter_types": ["image/png"]}),
    "types-html": (POSTS["alternative"], {"filter_types": ["text/html"], "collapse_alternatives": False}),
    "types-nested": (NESTED, {"filter_types": ["text/html", "application/octet-stream"]}),
    "types-three": (multipart("multipart/mixed", TEXT_PART, PNG, PDF), {"filter_types": ["image"]}),
    "types-signed": (POSTS["signed"], {"filter_types": ["application/pgp-signature"]}),
    "pass": (POSTS["mixed"], {"pass_types": ["multipart", "text/plain"]}),
    "pass-outer": (POSTS["mixed"], {"pass_types": ["text/plain"]}),
    "pass-signed": (POSTS["signed"], {"pass_types": ["multipart", "text", "application/pgp-signature"]}),
    "extensions": (multipart("multipart/mixed", TEXT_PART, EXE, PNG), {"filter_extensions": ["exe"]}),
    "extensions-only": (multipart("multipart/mixed", TEXT_PART, EXE), {"filter_extensions": ["exe", "bat"]}),
    "extensions-2231": (multipart("multipart/mixed", TEXT_PART, PNG, part(
        "application/octet-stream", in_base64(b"MZ"), "base64",
        "Content-Disposition: attachment;\n filename*=utf-8''Gr%C3%BC%C3%9Fe.exe\n")), {"filter_extensions": ["exe"]}),
    "pass-extensions": (multipart("multipart/mixed", TEXT_PART, EXE, PDF), {"pass_extensions": ["pdf"]}),
    "discard": (POSTS["html"], {"filter_types": ["text/html"]}),
    "discard-all-parts": (multipart("multipart/mixed", HTML_PART, PNG), {"filter_types": ["image", "text/html"]}),
    "reject": (POSTS["html"], {"filter_types": ["text/html"], "filter_action": "reject"}),
    "forward": (POSTS["html"], {"filter_types": ["text/html"], "filter_action": "forward"}),
    "preserve": (POSTS["html"], {"filter_types": ["text/html"], "filter_action": "preserve"}),
    "empty-text": (multipart("multipart/mixed", part(TEXT, ""), PNG), {}),
    "footer": (POSTS["mixed"], {"filter_types": ["image"], "msg_footer": FOOTER}),
    "off": (POSTS["mixed"], {"filter_content": False, "filter_types": ["image"]}),
    "case": (multipart("multipart/mixed", TEXT_PART, PNG.replace(b"image/png", b"Image/PNG")), {"filter_types": ["image/png"]}),
    "html-to-text": (POSTS["html"], {"convert_html_to_plaintext": True}),
    "html-to-text-part": (POSTS["mixed-html-first"], {"convert_html_to_plaintext": True}),
}
for name, (octets, settings) in FILTERED.items():
    case(f"filter-{name}", octets, **{"filter_content": True, **settings})

# ---- include_rfc2369_headers, allow_list_posts, what a post must not bring ----

FOREIGN = """\
List-Id: Other <other.example.net>
List-Post: <mailto:other@example.net>
List-Help: <mailto:other-request@example.net?subject=help>
List-Owner: <mailto:other-owner@example.net>
List-Subscribe: <mailto:other-join@example.net>
List-Unsubscribe: <https://example.net/leave>,
 <mailto:other-leave@example.net>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
List-Archive: <https://example.net/other>
Archived-At: <https://example.net/other/1>
List-Software: Other 1.0"""
case("rfc2369-off", POSTS["7bit"], include_rfc2369_headers=False)
case("rfc2369-off-foreign", post(fields=FOREIGN), include_rfc2369_headers=False)
case("rfc2369-foreign", post(fields=FOREIGN))
case("posts-no", POSTS["7bit"], allow_list_posts=False)
case("brings", {f"brings-{name}": post(fields=fields) for name, fields in {
        "precedence": "Precedence: bulk", "auto-submitted": "Auto-Submitted: auto-generated",
        "dkim": "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from:subject;\n\tbh=aGFzaA==; b=c2lnbmF0dXJl\n"
                "DomainKey-Signature: a=rsa-sha1; b=x\nAuthentication-Results: mx.x.example; dkim=pass",
        "archived-at": "Archived-At: <https://example.net/other/1>",
        "passwords": "Approved: secret\nApprove: secret\nX-Approved: secret\nX-Approve: secret",
        "urgent": "Urgent: secret",
        "fishing": "Return-Receipt-To: ada@x.example\nDisposition-Notification-To: ada@x.example\n"
                   "X-Confirm-Reading-To: ada@x.example\nX-PMRQC: 1\nErrors-To: ada@x.example",
        "x": "X-Mailer: Engine 1.0\nX-BeenThere: other@example.net\nX-Mailman-Version: 2.1\nX-Loop: other@example.net\n"
             "X-Message-ID-Hash: FOREIGN\nMessage-ID-Hash: FOREIGN\nX-MailFrom: eve@z.example",
        "trace": "Return-Path: <ada@x.example>\nReceived: from a.example by b.example; Mon, 02 Nov 2026 10:00:00 +0000\n"
                 "Sender: Ada's machine <root@x.example>\nBcc: dee@z.example"}.items()})

# ---- receive_list_copy ----

NO_COPY = {AUTHOR: {}, READER: {"receive_list_copy": "false"}}
case("copy", {
    "copy-to": post(to=f"LIST, {READER}"),
    "copy-cc": post(fields=f"Cc: Bo <{READER}>,\n Cy <cy@z.example>"),
    "copy-cc-twice": post(fields=f"Cc: Bo <{READER}>\nCc: Cy <cy@z.example>"),
    "copy-cc-alone": post(fields=f"Cc: {READER}"),
    "copy-resent": post(fields=f"Resent-To: {READER}\nResent-From: cy@z.example"),
    "copy-case": post(fields=f"Cc: {READER.upper()}"),
    "copy-unnamed": post(fields="Cc:  Cy <cy@z.example> ,\n\t\"Dee, D.\" <dee@z.example>"),
}, members=NO_COPY)
case("copy-wanted", post(fields=f"Cc: Bo <{READER}>,\n Cy <cy@z.example>"), members=(AUTHOR, READER))
