"""What the steps of test_rest_differences.py are made of: requests, and posts that come in between. In paths and values,
<NAME> is what an answer before named."""
import dataclasses

DOMAIN = "example.org"
ANT, BEE, CAT = "ant.example.org", "bee.example.org", "cat.example.org"
RIGHT = "restadmin:restpass"
DONE = {"pre_verified": "yes", "pre_confirmed": "yes", "pre_approved": "yes"}
FORM, JSON = False, True


@dataclasses.dataclass
class Ask:
    """A request. data: parameters, in the path of a GET; raw: a body as it is; keeps: {name: "location" or the words that
    lead to it in the body}, whose last part <name> stands for from then on."""
    method: str
    path: str
    data: dict
    as_json: bool = False
    keeps: dict = dataclasses.field(default_factory=dict)
    version: str = "3.1"
    auth: str = RIGHT
    raw: bytes = None
    headers: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        told = " ".join(f"{k}={v!r}" for k, v in self.data.items()) or (self.raw or b"").decode("latin-1")
        return f"{self.method} {self.version}/{self.path}{' json' if self.as_json else ''} {told[:160]}".rstrip()


@dataclasses.dataclass
class Post:
    """A message that comes in."""
    sender: str
    to: str
    octets: bytes


STEPS = []


def ask(method, path, told=None, **data):
    """told: what is told of the request beside method, path and data."""
    STEPS.append(Ask(method, path, data, **(told or {})))


def get(path, told=None, **data):
    ask("GET", path, told, **data)


def make(path, name=None, as_json=False, **data):
    """POST; <name> is what was made."""
    ask("POST", path, {"keeps": {name: "location"} if name else {}, "as_json": as_json}, **data)


def both(method, path, **data):
    """Said twice: as a form, and as JSON."""
    ask(method, path, **data)
    ask(method, path, {"as_json": True}, **data)


def each(method, path, *rows):
    for data in rows:
        ask(method, path, **data)
