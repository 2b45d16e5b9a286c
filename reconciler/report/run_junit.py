"""Runs as JUnit: a test case for each slice, which fails where it isn't healthy and errs where nobody could look."""

from __future__ import annotations

from collections.abc import Iterable

from junitparser import Error, Failure, TestCase, TestSuite

from reconciler.flows.runs import Told
from reconciler.report.diagnostics_junit import clean, whole
from reconciler.report.run_text import run_text
from reconciler.report.style import PLAIN


def runs_junit(runs: Iterable[Told]) -> str:
    """A suite ``gitops test``. What a run told stands in its case, secrets masked as everywhere."""
    suite = TestSuite("gitops test")
    for told in runs:
        suite.add_testcase(_case(told))
    return whole(suite)


def _case(told: Told) -> TestCase:
    run, lines = told.run, list(run_text(told, PLAIN))
    case = TestCase(clean(str(told.name)), classname="gitops.test", time=round(run.duration_ms / 1000, 6))
    text = clean("\n".join(lines))
    if run.outcome == "healthy":
        case.system_out = text
        return case
    kind = Failure if run.outcome == "unhealthy" else Error
    result = kind(clean(str(run.detail.get("error") or run.reason or run.outcome)), run.outcome)
    result.text = text
    case.result = [result]
    return case
