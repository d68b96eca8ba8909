"""Programs that manage lists over Mailman's REST interface, as Debian has them: mailmanclient and Postorius. They run
unmodified, from where they are unpacked; nothing is installed."""
import os
import pathlib
import re
import subprocess
import sys

from peers_unpack import unpacked

CLIENT = ("mailmanclient", "requests", "urllib3", "idna", "certifi", "charset-normalizer", "typing-extensions")
POSTORIUS = (
    *CLIENT, "django-postorius", "django-mailman3", "django", "django-allauth", "django-appconf", "django-compressor",
    "django-gravatar2", "asgiref", "bleach", "bs4", "calmjs", "calmjs.parse", "calmjs.types", "cffi-backend", "cmarkgfm",
    "cryptography", "csscompressor", "defusedxml", "docutils", "html5lib", "jwt", "oauthlib", "openid", "pkg-resources",
    "ply", "pygments", "rcssmin", "readme-renderer", "requests-oauthlib", "rjsmin", "roman", "six", "soupsieve", "sqlparse", "tz",
    "webencodings")
PACKAGES = "usr/lib/python3/dist-packages"

SETTINGS = """
BASE_DIR = {folder!r}
SECRET_KEY = "for this test alone"
DEBUG = True
ALLOWED_HOSTS = ["*"]
SITE_ID = 1
INSTALLED_APPS = [
    "postorius", "django_mailman3", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.sites", "django.contrib.messages", "django.contrib.staticfiles",
    "django_gravatar", "allauth", "allauth.account", "allauth.socialaccount"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware", "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
    "django_mailman3.middleware.TimezoneMiddleware", "postorius.middleware.PostoriusMiddleware"]
ROOT_URLCONF = "peer_urls"
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {{
    "context_processors": [
        "django.template.context_processors." + name for name in
        ("debug", "i18n", "media", "static", "tz", "csrf", "request")] + [
        "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages",
        "django_mailman3.context_processors.common", "postorius.context_processors.postorius"]}}}}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR + "/django.db"}}}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend",
                           "allauth.account.auth_backends.AuthenticationBackend"]
LANGUAGE_CODE, TIME_ZONE, USE_I18N, USE_L10N, USE_TZ = "en-us", "UTC", True, True, True
STATIC_URL = "/static/"
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_URL = "account_login", "list_index", "account_logout"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = "postorius@example.org"
MAILMAN_REST_API_URL, MAILMAN_REST_API_USER, MAILMAN_REST_API_PASS = {url!r}, {user!r}, {key!r}
POSTORIUS_TEMPLATE_BASE_URL = "http://localhost:8000"
LOGGING = {{"version": 1, "disable_existing_loggers": True}}
"""

URLS = """
from django.contrib import admin
from django.urls import include, path
from django.views.defaults import server_error
urlpatterns = [
    path("500", server_error),
    path("postorius/", include("postorius.urls")), path("", include("django_mailman3.urls")),
    path("accounts/", include("allauth.urls")), path("admin/", admin.site.urls)]
"""


# Each class of them has the server anew; what its domains and users do not take with them is left to us.
RUNNER = """
from django.test.runner import DiscoverRunner
from postorius.tests.utils import ViewTestCase

def emptied(set_up):
    def first(self):
        set_up(self)
        for ban in list(self.mm_client.bans):
            ban.delete()
        for place in [*self.mm_client.domains, *self.mm_client.users]:
            place.delete()
    return first

class Runner(DiscoverRunner):
    def run_suite(self, suite, **options):
        ViewTestCase.setUp = emptied(ViewTestCase.setUp)
        return super().run_suite(suite, **options)
"""


def _folder(name, packages):
    return pathlib.Path(unpacked(name, *(f"python3-{p}" for p in packages)))


def client_module():
    """The module mailmanclient."""
    path = str(_folder("mailmanclient", CLIENT) / PACKAGES)
    if path not in sys.path:
        sys.path.append(path)
    import mailmanclient
    return mailmanclient


def client_docs():
    """The folder of mailmanclient's documentation, whose examples are its tests."""
    return _folder("mailmanclient", CLIENT) / "usr/share/doc/python3-mailmanclient/src"


class Postorius:
    """Django with Postorius as its application, which manages the instance that `rest` is a program of; what it keeps is in
    the folder."""

    def __init__(self, rest, folder):
        self.packages = _folder("postorius", POSTORIUS) / PACKAGES
        self.folder = pathlib.Path(folder)
        (self.folder / "peer_settings.py").write_text(SETTINGS.format(
            folder=str(self.folder), url=f"http://127.0.0.1:{rest.port}", user=rest.name, key=rest.secret))
        (self.folder / "peer_urls.py").write_text(URLS)

    def python(self, *words, check=True, **options):
        """Debian's Python with the packages, Django's settings in place."""
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}:{self.packages}", "PYTHONDONTWRITEBYTECODE": "1",
                       "DJANGO_SETTINGS_MODULE": "peer_settings", "LC_ALL": "C.UTF-8"}
        got = subprocess.run(["/usr/bin/python3", *map(str, words)], cwd=self.folder, env=environment, text=True,
                             capture_output=True, check=False, **options)
        assert not check or got.returncode == 0, got.stdout[-4000:] + got.stderr[-4000:]
        return got

    def own_tests(self, *labels):
        """What its own tests, which are in Debian's package, find wrong: {test: text}. Those about the interface know a
        server with nothing in it."""
        (self.folder / "peer_runner.py").write_text(RUNNER)
        got = self.django("test", "--testrunner=peer_runner.Runner", *(labels or ["postorius.tests"]), check=False)
        assert re.search(r"^Ran \d\d+ tests", got.stderr, re.M), got.stderr[-4000:]
        parts = re.split(r"^(?:ERROR|FAIL): (\S+) \((\S+)\).*\n", got.stderr, flags=re.M)
        return {f"{where.rsplit('.', 2)[-2]}.{name}": text for name, where, text in zip(parts[1::3], parts[2::3], parts[3::3])}

    def django(self, *words, **options):
        return self.python("-m", "django", *words, **options)
