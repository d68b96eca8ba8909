"""Fixtures of the system tests. Every test that takes `store`, `make` or `post` runs on both engines."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import zlib

import pytest

import peers_dovecot
import peers_exim
import peers_knot
import peers_mailman
import peers_postfix
import postroad
from load import SOAK


def pytest_addoption(parser):
    parser.addoption("--build", type=os.path.abspath, default=os.environ.get("POSTROAD_BUILD", str(postroad.ROOT / "build/asan")),
                     help="build folder with the programs under test (also POSTROAD_BUILD)")
    parser.addoption("--build-fast", type=os.path.abspath,
                     help="a build whose processes start fast, for the tests on PostgreSQL and for commands that only look")
    parser.addoption("--store", action="append", choices=["sqlite", "postgresql"],
                     help="only this engine")
    parser.addoption("--rewrite-docs", action="store_true", help="tables in docs/ that a test checks are written by it instead")
    parser.addoption("--both", action="store_true", help="every test on both engines")


def pytest_configure(config):
    for option in "build", "build_fast":
        folder = config.getoption(option)
        if folder and not pathlib.Path(folder, "postroad").exists():
            raise pytest.UsageError(f"{folder} has no postroad: build it (scripts/check gcc clang), or give --build")


def pytest_generate_tests(metafunc):
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("store", metafunc.config.getoption("store") or ["sqlite", "postgresql"], indirect=True)


# What these look at is a dialogue or a command: each of their tests runs on one of the engines, another one with another
# commit. `--both` runs them all.
ONE_ENGINE = {"test_auth_check", "test_authentication", "test_bytes", "test_chunking", "test_cli",
              "test_delivery", "test_dkim2", "test_dns", "test_dns_records", "test_frontends",
              "test_hostile_auth", "test_list_config", "test_mailman_command", "test_members",
              "test_mitigation", "test_peers", "test_peers_dkim", "test_peers_dsn", "test_peers_mailmanclient",
              "test_peers_postorius", "test_peers_programs", "test_piecewise", "test_rest_differences",
              "test_sendmail", "test_signing", "test_smtp", "test_smtp_dialogues", "test_tls_policy",
              "test_wire"}


# Here commands are what is tested, or write files; elsewhere they are a means, and a build will do that starts fast.
ABOUT_COMMANDS = {"test_aliases", "test_archive", "test_archive_check", "test_backup", "test_check", "test_cli", "test_freeze",
                  "test_lists", "test_members", "test_package", "test_queue", "test_relay_domains", "test_road", "test_roles",
                  "test_sandbox", "test_sendmail", "test_supervisor", "test_trace"}


def engine_seed():
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=postroad.ROOT, capture_output=True, text=True, check=False)
    return os.environ.get("POSTROAD_ENGINE_SEED") or head.stdout.strip()[:12]


def pytest_collection_modifyitems(config, items):
    if SOAK or config.getoption("both") or config.getoption("store"):
        return
    seed = engine_seed()

    def stays(item):
        engine = item.callspec.params.get("store") if hasattr(item, "callspec") else None
        if not engine or item.module.__name__ not in ONE_ENGINE:
            return True
        name = item.nodeid.replace(engine, "")
        return ("sqlite", "postgresql")[zlib.crc32(f"{seed} {name}".encode()) & 1] == engine
    kept = [item for item in items if stays(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def pytest_report_header(config):
    if not (SOAK or config.getoption("both") or config.getoption("store")):
        return f"one engine for the tests of dialogues, by POSTROAD_ENGINE_SEED={engine_seed()}; --both for both"
    return None


@pytest.fixture
def build(request):
    """The folder with the programs under test."""
    engine = request.node.callspec.params.get("store") if hasattr(request.node, "callspec") else None
    fast = engine == "postgresql" and request.config.getoption("build_fast")
    return pathlib.Path(fast or request.config.getoption("build"))


@pytest.fixture(scope="session")
def postgresql_server():
    """The one PostgreSQL of this test process, started when first asked for; or why there is none."""
    try:
        server = postroad.PostgreSQL()
    except postroad.Unavailable as e:
        yield e
        return
    yield server
    server.close()


@pytest.fixture
def store(request):
    """The engine's name. A machine without PostgreSQL skips its tests, by name."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if isinstance(server, postroad.Unavailable):
            pytest.skip(f"no PostgreSQL: {server}")
    return request.param


@pytest.fixture
def make(store, build, request):
    """make(relay=..., settings={...}): a new instance, not started yet; ended and checked after the test."""
    server = request.getfixturevalue("postgresql_server") if store == "postgresql" else None
    made = []
    short = pathlib.Path(tempfile.mkdtemp(prefix="pr-"))  # a path of a socket has at most 107 octets

    def make_instance(**options):
        folder = short / f"instance{len(made) + 1}"
        instance = postroad.Instance(folder, build, store=store, postgresql=server, **options)
        if fast := request.config.getoption("build_fast"):
            instance.looking = pathlib.Path(fast, "postroad")
            if request.module.__name__ not in ABOUT_COMMANDS:
                instance.commanding = instance.looking
        instance.command_leaks = request.module.__name__ == "test_cli"
        made.append(instance)
        return instance

    yield make_instance
    for instance in made:
        instance.__exit__(RuntimeError)
    passed = getattr(request.node, "rep_call", None) is None or request.node.rep_call.passed
    try:
        for instance in made:
            if passed:
                instance.assert_healthy()
            else:
                keep = os.environ.get("POSTROAD_KEEP_LOGS")
                if keep:
                    pathlib.Path(keep, f"{request.node.name}.{instance.dir.name}.log").write_text(instance.log)
                print(f"---- log of {instance.dir.name}\n{instance.log[-20000:]}")
    finally:
        shutil.rmtree(short, ignore_errors=True)
        for instance in made:
            if instance.database:
                server.drop(instance.database)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"rep_{report.when}", report)


def pytest_runtest_logreport(report):
    """Full runs say what they counted as they go: hours must not be lost to a last minute."""
    if SOAK and (report.when == "call" or report.failed or report.skipped):
        said = "".join(text for name, text in report.sections if "stdout" in name and not name.endswith("teardown"))
        print(f"\n{report.outcome} {report.nodeid} ({report.duration:.0f} s)\n{said}", end="", flush=True)


@pytest.fixture
def sink(build, tmp_path):
    """A postroad-sink that takes everything."""
    with postroad.Sink(tmp_path / "sink", build) as s:
        yield s


@pytest.fixture
def make_sink(build, tmp_path):
    """make_sink("--fail-rcpt", "x=550 no"): a postroad-sink with options."""
    made = []

    def make_one(*options):
        made.append(postroad.Sink(tmp_path / f"sink-{len(made) + 1}", build, *options))
        return made[-1]

    yield make_one
    for s in made:
        s.__exit__()


@pytest.fixture
def pysink():
    """pysink({...}): a scripted server (postroad.PySink)."""
    made = []

    def make_one(*args, **options):
        made.append(postroad.PySink(*args, **options))
        return made[-1]

    yield make_one
    for s in made:
        s.close()


@pytest.fixture
def idle(make):
    """An instance none of whose roles run: the command line works without them."""
    return make()


@pytest.fixture
def inbound(make):
    """An instance that takes mail and keeps it: no router, no deliver."""
    return make().start("smtpd")


@pytest.fixture
def post(make, sink):
    """A running instance with all roles that relays to `sink`."""
    return make(relay=sink).start()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """(certificate, key): PEM files of a key made for this run."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=mx.example.org"],
                   check=True, capture_output=True)
    return cert, key


@pytest.fixture
def postfix():
    """postfix(relay=…, tls=…, mailboxes=…): a running Postfix, ended and removed after the test."""
    peers = peers_postfix.Peers()
    yield peers
    peers.close()


@pytest.fixture
def exim():
    """exim(relay=…, tls=…): a running Exim, ended and removed after the test."""
    made = []

    def start(**options):
        made.append(peers_exim.Exim(**options))
        return made[-1]

    yield start
    for peer in made:
        peer.close()


@pytest.fixture
def dovecot():
    """dovecot({address: quota}): a running Dovecot that takes mail by LMTP, ended and removed after the test."""
    made = []

    def start(users):
        made.append(peers_dovecot.Dovecot(users))
        return made[-1]

    yield start
    for peer in made:
        peer.close()


@pytest.fixture
def mailman():
    """mailman({list: members}, relay): a running Mailman 3, ended and removed after the test."""
    made = []

    def start(lists, relay):
        made.append(peers_mailman.Mailman(lists, relay))
        return made[-1]

    yield start
    for peer in made:
        peer.close()


@pytest.fixture(scope="session")
def knot():
    """The port of a name server that knows the zone example., and no other."""
    with peers_knot.running() as port:
        yield port
