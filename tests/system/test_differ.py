"""DKIM and SPF beside dkimpy and pyspf, over generated cases: scripts/differ in a small form. The full one's last result:
docs/evidence/auth-differential.md."""
import os
import subprocess

import pytest

from postroad import ROOT


@pytest.mark.parametrize("what, modules", [("dkim", ("dkim", "nacl")), ("spf", ("spf",))])
def test_every_difference_is_explained(pytestconfig, what, modules):
    for module in modules:
        pytest.importorskip(module, reason=f"python3-{'nacl' if module == 'nacl' else what} is not installed")
    build = pytestconfig.getoption("build")
    if not os.path.exists(f"{build}/src/auth/auth-{what}-suite"):
        pytest.skip(f"the build has no auth-{what}-suite: it was set up without tests")
    got = subprocess.run([ROOT / "scripts/differ", what, "--count", "600"], capture_output=True, text=True, check=False, timeout=300,
                         env={**os.environ, "POSTROAD_BUILD": build})
    assert got.returncode == 0, got.stdout[-6000:] + got.stderr[-2000:]
    assert "\nunexplained: 0\n" in got.stdout
