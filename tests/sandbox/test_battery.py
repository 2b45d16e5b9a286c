"""The hostile battery, once as root and once as an ordinary user. Each probe is a test of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.sandbox.hostile.driver import PROBES  # noqa: E402 (the path comes first)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux")
USER = 64123


@cache
def battery(who: str) -> dict[str, Any]:
    """All verdicts of one identity; run once a session."""
    more = ["--uid", str(USER)] if who == "user" and os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.hostile.driver", *more],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("probe", [p.id for p in PROBES])
@pytest.mark.parametrize("who", ["root", "user"])
def test_probe(who: str, probe: str) -> None:
    if who == "root" and os.geteuid() != 0:
        pytest.skip("this needs root; CI runs it as root as well")
    verdict = battery(who)["verdicts"][probe]
    if verdict is not None and verdict.startswith("skip: "):
        pytest.skip(verdict.removeprefix("skip: "))
    assert verdict is None, verdict


def test_the_battery_is_large_enough() -> None:
    assert len(PROBES) >= 100
    assert {p.area for p in PROBES} >= {
        "identity",
        "filesystem",
        "descriptors",
        "environment",
        "processes",
        "memory",
        "output",
        "kernel",
        "network",
    }
