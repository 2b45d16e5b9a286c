"""The plugin that tests/run loads: skips are told, and forbidden where asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes(): pass

@pytest.mark.skip(reason="no such tool here")
def test_is_skipped(): pass

def test_skips_itself():
    pytest.skip("not on Sundays")

@pytest.mark.xfail(reason="known")
def test_fails_as_expected(): assert False
"""


@pytest.mark.parametrize(
    ("flags", "variable", "code", "closing"),
    [
        ((), "", 0, "1 passed, 2 skipped, 1 xfailed"),
        (("--no-skips",), "", 1, "1 failed, 1 passed, 1 xfailed, 1 error"),
        ((), "1", 1, "1 failed, 1 passed, 1 xfailed, 1 error"),
        (("--no-skips", "-n", "1"), "", 1, "1 failed, 1 passed, 1 xfailed, 1 error"),
    ],
)
def test_skips_are_told_or_forbidden(
    flags: tuple[str, ...], variable: str, code: int, closing: str, tmp_path: Path
) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    done = _pytest(tmp_path, flags, variable)
    assert done.returncode == code, done.stdout
    assert closing in done.stdout
    told = "skipped, and no test may be skipped here: " if code else "2 SKIPPED: see the reasons above."
    assert told in done.stdout
    assert "no such tool here" in done.stdout
    assert "not on Sundays" in done.stdout


def test_a_module_that_skips_itself_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text('import pytest\n\npytest.importorskip("no_such_module")\n')
    done = _pytest(tmp_path, ("--no-skips",), "")
    assert done.returncode not in (0, 5)
    assert "no test may be skipped here" in done.stdout


def _pytest(folder: Path, flags: tuple[str, ...], variable: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {
        "PYTHONPATH": str(Path(__file__).parent),
        "GITOPS_TEST_NO_SKIPS": variable,
    }
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-ra", "-c", os.devnull, "--rootdir", ".", *flags, "."]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
