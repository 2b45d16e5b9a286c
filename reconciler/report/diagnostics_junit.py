"""JUnit: a test case for each file, which fails by its errors and tells its warnings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from reconciler.base.diagnostics import Diagnostic
from reconciler.report.findings import Findings, in_words

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOWHERE = "gitops.yaml"


def render(found: Findings) -> str:
    """A suite ``gitops validate``; what has no place is a failure of the settings."""
    by_file: dict[str, list[Diagnostic]] = {path: [] for path in found.files}
    for d in found.diagnostics:
        by_file.setdefault(d.place.path if d.place else _NOWHERE, []).append(d)
    suite = TestSuite("gitops validate")
    for path, told in sorted(by_file.items()):
        suite.add_testcase(_case(found.path(path), told))
    return whole(suite)


def whole(suite: TestSuite) -> str:
    """A file with one suite."""
    document = JUnitXml("gitops")
    document.add_testsuite(suite)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode() + "\n"


def _case(path: str, told: Sequence[Diagnostic]) -> TestCase:
    case = TestCase(clean(path), classname="gitops.validate")
    errors = [d for d in told if d.severity == "error"]
    if errors:
        failure = Failure(clean(errors[0].message), errors[0].code)
        failure.text = clean("\n".join(_line(d) for d in errors))
        case.result = [failure]
    warnings = [d for d in told if d.severity != "error"]
    if warnings:
        case.system_out = clean("\n".join(_line(d) for d in warnings))
    return case


def _line(d: Diagnostic) -> str:
    place = f"{d.place}: " if d.place else ""
    return f"{place}{d.severity}[{d.code}] {in_words(d)}"


def clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return _NO_XML.sub("\ufffd", text)
