"""The bar: for people at a terminal whose command takes over a second."""

from __future__ import annotations

import os
import pty
import sys

import pytest

CODE = """
import sys
from reconciler.report import progress
from reconciler.report.output import Output

progress._PATIENCE = float(sys.argv[1])
with progress.progress_for(Output(quiet=sys.argv[2] == "quiet")) as bar:
    bar.stage("Reading", 100)
    for _ in range(100):
        bar.advance()
"""


def told(*arguments: str) -> str:
    """What a person at a terminal sees of a stage with a hundred steps."""
    child, master = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", CODE, *arguments])
    said = b""
    try:
        while part := os.read(master, 65536):
            said += part
    except OSError:  # how a terminal says that nobody writes any more
        pass
    _, status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 0, said
    return said.decode()


def test_who_waits_sees_a_bar_that_goes_again() -> None:
    said = told("0", "")
    assert "Reading" in said
    assert "96/100" in said
    assert said.endswith("\x1b[2K"), "the line is wiped"


@pytest.mark.parametrize("arguments", [("1", ""), ("0", "quiet")], ids=["short", "quiet"])
def test_nobody_else_sees_one(arguments: tuple[str, str]) -> None:
    assert told(*arguments) == ""
