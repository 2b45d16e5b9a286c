"""The same tests of leftovers and refusals as an ordinary user, when the suite itself runs as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER = 64124


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux")
@pytest.mark.slow
@pytest.mark.parametrize("module", ["test_leftovers.py", "test_fail_closed.py"])
def test_as_an_ordinary_user(module: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("the suite runs as an ordinary user already")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.hostile.as_user", str(USER), "-q", "-rs", f"tests/sandbox/{module}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout
