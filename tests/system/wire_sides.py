"""The two sides of test_wire.py: every case of wire_cases.py goes through Mailman, and through Postroad; what each sends
is what a sink has taken."""
import dataclasses
import json

from peers_mailman import Mailman
from postroad import Lmtp, PySink, message_id, until
from wire_cases import AUTHOR, CASES, DOMAIN, NAMES, OWNER, QUIET

# Of one Mailman for all cases: copies of personalised lists have envelope senders of their own, as all of Postroad's have.
MTA = "verp_personalized_deliveries: yes\n"
# What Mailman has of its own is Lynx, which need not be there.
SITE = "html_to_plain_text_command: /usr/bin/perl -0777 -pe s/<[^>]*>//g $filename"


@dataclasses.dataclass
class Side:
    """replies: {(case, post): reply to its text}; mails: what was sent; lost: {(case, post)} that the server failed at."""
    replies: dict
    mails: list
    lost: set


# Mailman is told by what its REST interface is told by: names, and values as words.
SCRIPT = '''
import json, pathlib
from mailman.config import config
from mailman.database.transaction import transaction
from mailman.interfaces.domain import IDomainManager
from mailman.app.lifecycle import create_list
from mailman.interfaces.member import MemberRole
from mailman.interfaces.template import ITemplateManager
from mailman.interfaces.usermanager import IUserManager
from mailman.rest.listconf import ATTRIBUTES
from zope.component import getUtility

folder = pathlib.Path(config.VAR_DIR)
users, templates = getUtility(IUserManager), getUtility(ITemplateManager)
with transaction():
    getUtility(IDomainManager).add(DOMAIN)
    for address, name in NAMES.items():
        users.create_user(address, name)
    users.create_address(OWNER)
    for case in CASES:
        made = create_list(case["address"])
        for name, value in case["settings"].items():
            setter = ATTRIBUTES[name]
            setter.put(made, name, setter(value))
        for name, text in case["texts"].items():
            path = folder / f"{made.list_id}.{name}"
            path.write_text(text)
            templates.set("list:member:regular:" + name.removeprefix("msg_"), made.list_id, path.as_uri())
        made.subscribe(users.get_address(OWNER), MemberRole.owner)
        for address, preferences in case["members"].items():
            member = made.subscribe(users.get_address(address))
            for name, value in preferences.items():
                setattr(member.preferences, name, value == "true")
'''
# Lists of the test only: no letters about subscriptions, no digests, everybody's post passes.
EVERY = {"send_welcome_message": "no", "digests_enabled": "no", "default_member_action": "accept",
         "default_nonmember_action": "accept"}


def word(value):
    return str(value).lower() if isinstance(value, bool) else value


def mailman_script():
    told = []
    for case in CASES:
        settings, texts = case.everything()
        told.append({"address": case.address, "members": case.members, "texts": texts,
                     "settings": {**EVERY, **{k: word(v) for k, v in settings.items()}}})
    return f"import json\nDOMAIN, OWNER, NAMES = {DOMAIN!r}, {OWNER!r}, {NAMES!r}\nCASES = json.loads({json.dumps(told)!r})\n" + SCRIPT


def posts():
    return {(case.name, name): octets for case in CASES for name, octets in case.posts.items()}


def post_all(client):
    """{(case, post): reply} of the posts one after the other."""
    replies = {}
    for (case, name), octets in posts().items():
        client.begin(AUTHOR, f"{case}@{DOMAIN}")
        replies[case, name] = client.data(octets)
    return replies


def through_mailman():
    """The side of one Mailman."""
    with PySink() as sink:
        peer = Mailman({}, sink.port, MTA, script=mailman_script(), runners=("virgin",), site=SITE)
        try:
            with Lmtp(peer.port) as client:
                replies = post_all(client)
            until(lambda: not peer.waiting(), 300, "Mailman's queues to be empty")
            failed = b"".join(path.read_bytes() for path in peer.shunted())
        finally:
            peer.close()
        lost = {key for key, octets in posts().items() if b"<%s>" % message_id(octets).encode() in failed}
        return Side(replies, list(sink.mails), lost)


def lines(value):
    return "\n".join(value) if isinstance(value, list) else word(value)


def through_postroad(make):
    """The side of one instance."""
    with PySink() as sink:
        post = make(relay=sink.port)
        for address, name in NAMES.items():
            post.cli("user", "add", address, "--name", name)
        for case in CASES:
            settings, texts = case.everything()
            # "-" says nothing, and nothing is what we come with: what Mailman is kept quiet with
            told = {k: lines(v) for k, v in {**settings, **texts}.items() if (k, v) not in QUIET.items()}
            post.cli("list", "create", case.address, "--owner", OWNER)
            if told:
                post.cli("list", "set", case.address, *(f"{k}={v}" for k, v in told.items()))
            post.cli("member", "add", case.address, *case.members)
            for address, preferences in case.members.items():
                if preferences:
                    post.cli("member", "set", case.address, address, *(f"{k}={v}" for k, v in preferences.items()))
        post.start()
        with post.raw() as client:
            replies = post_all(client)
        post.wait(120)
        return Side(replies, list(sink.mails), set())
