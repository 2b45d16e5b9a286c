"""Says loudly what was skipped, and with ``--no-skips`` makes it a failure: in CI a skipped battery proves nothing.

Loaded by ``tests/run`` with ``-p skips``. Expected failures are no skips.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flag; ``GITOPS_TEST_NO_SKIPS=1`` says the same."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _forbidden(item.config):
        report.outcome, report.longrepr = "failed", _sentence(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped module."""
    report = yield
    if report.skipped and _forbidden(collector.config):
        report.outcome, report.longrepr = "failed", _sentence(report.longrepr)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last word before the counts."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped:
        words = f"{skipped} SKIPPED: see the reasons above. --no-skips makes this a failure."
        terminalreporter.write_line(words, yellow=True, bold=True)


def _forbidden(config: pytest.Config) -> bool:
    return bool(config.getoption("--no-skips")) or os.environ.get("GITOPS_TEST_NO_SKIPS", "0") not in ("", "0")


def _sentence(reason: object) -> str:
    text = reason[2] if isinstance(reason, tuple) else reason
    return f"skipped, and no test may be skipped here: {text}"
