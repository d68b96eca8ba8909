"""DKIM as others do it: dkimpy signs and verifies, OpenDKIM and Perl's Mail::DKIM verify. Keys come from a table; no
name is looked up in any network. Debian 12's Mail::DKIM knows no Ed25519, OpenDKIM does."""
import base64
import json
import pathlib
import re
import subprocess

import pytest

from peers_unpack import environment, unpacked

dkim = pytest.importorskip("dkim", reason="python3-dkim is not installed")
signing = pytest.importorskip("nacl.signing", reason="python3-nacl is not installed")
PERL = pathlib.Path(__file__).with_name("peers_dkim.pl")


class Keys:
    """A key of each kind, made now, and the zone that publishes them."""
    DOMAIN = "sender.example"

    def __init__(self):
        self.rsa = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=self.rsa, check=True,
                                capture_output=True).stdout
        ed25519 = signing.SigningKey.generate()
        self.ed25519 = base64.b64encode(ed25519.encode())
        self.dns = {
            f"rsa._domainkey.{self.DOMAIN}": f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}",
            f"ed25519._domainkey.{self.DOMAIN}":
                f"v=DKIM1; k=ed25519; p={base64.b64encode(ed25519.verify_key.encode()).decode()}",
        }

    def sign(self, octets, algorithm, canonicalization):
        """The message with a signature on top: algorithm "rsa" or "ed25519", canonicalization "relaxed/simple" …"""
        field = dkim.sign(octets, algorithm.encode(), self.DOMAIN.encode(), getattr(self, algorithm),
                          canonicalize=tuple(canonicalization.encode().split(b"/")),
                          signature_algorithm=f"{algorithm}-sha256".encode())
        return field + octets


def by_dkimpy(octets, dns):
    """The result of each signature, top to bottom: "pass", "fail", or the name of what dkimpy raised."""
    def txt(name, timeout=5):
        records = dns.get(name.decode().rstrip(".").lower())
        if isinstance(records, list):
            records = records[0] if records else None
        if records is None or records.startswith("~"):
            return None
        return records.encode()

    results = []
    header = octets.split(b"\r\n\r\n")[0]
    for i in range(len(re.findall(rb"(?im)^dkim-signature[ \t]*:", header))):
        try:
            results.append("pass" if dkim.DKIM(octets, minkey=512).verify(i, dnsfunc=txt) else "fail")
        except Exception as e:  # dkimpy lets more than its own exceptions out when a message is malformed
            results.append(type(e).__name__)
    return results


def by_perl(all_octets, dns, folder):
    """The same of many messages by Mail::DKIM; skips where that is not installed."""
    have = subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True, check=False)
    if have.returncode != 0:
        pytest.skip("libmail-dkim-perl is not installed")
    folder.mkdir()
    (folder / "dns.json").write_text(json.dumps(dns))
    paths = []
    for i, octets in enumerate(all_octets):
        paths.append(folder / f"{i}.eml")
        paths[-1].write_bytes(octets)
    got = subprocess.run(["perl", PERL, folder / "dns.json", *paths], capture_output=True, text=True, check=True,
                         timeout=300)
    return json.loads(got.stdout)


class OpenDKIM:
    """OpenDKIM's filter in the mode that reads messages from files; it listens nowhere."""

    def __init__(self, folder, dns):
        if not pathlib.Path("/usr/sbin/opendkim-testmsg").exists():
            pytest.skip("opendkim-tools, which brings OpenDKIM's libraries, is not installed")
        self.package = unpacked("opendkim", "opendkim", "libmilter1.0.1")
        self.folder = folder
        folder.mkdir()
        (folder / "keys").write_text("".join(f"{name} {record}\n" for name, record in dns.items()))
        (folder / "conf").write_text(f"Mode v\nTestDNSData {folder}/keys\nSyslog no\n"
                                     "AuthservID verifier.example\nSocket local:none\n")

    def __call__(self, octets):
        """The results of a message's signatures, as its Authentication-Results field says them; none when it would
        have answered 451, as when a key cannot be had."""
        path = self.folder / "message.eml"
        path.write_bytes(octets)
        got = subprocess.run([self.package / "usr/sbin/opendkim", "-x", self.folder / "conf", "-vvv", "-t", path],
                             capture_output=True, text=True, check=False, timeout=60, env=environment(self.package))
        said = got.stdout + got.stderr
        assert "Authentication-Results" in said or "SETREPLY" in said, (got.returncode, said)
        return re.findall(r"\bdkim=(\w+)", said)
