"""Rules as ``gitops policy`` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.policy_list import ToldException, ToldRule
from reconciler.flows.policy_test import Tried
from reconciler.policy.builtin import BUILTINS
from reconciler.report.diagnostics_json import FORMAT, diagnostic_json
from reconciler.report.diagnostics_text import diagnostics_text
from reconciler.report.style import Style, count, safe
from reconciler.report.table import pairs, table


def list_text(rules: Sequence[ToldRule], style: Style) -> Iterator[str]:
    """A line for each rule."""
    rows = [
        (r.name, r.severity, r.scope, r.file or r.owner or "-", str(len(r.exceptions) or "-"), r.title) for r in rules
    ]
    yield from table(("RULE", "SEVERITY", "ON", "FROM", "EXCEPTIONS", "WHAT"), rows, style)
    if all(r.severity == "off" for r in rules):
        yield ""
        yield "No rule is in force: policies: {preset: recommended} in gitops.yaml puts some."


def list_json(rules: Sequence[ToldRule], diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """``severity`` is ``off`` for what isn't in force."""
    return {
        "format": FORMAT,
        "policies": [rule_json(r) for r in rules],
        "diagnostics": [diagnostic_json(d) for d in diagnostics],
    }


def rule_json(told: ToldRule) -> dict[str, Any]:
    """One rule; expressions are null for a built-in one."""
    rule, builtin = told.rule, BUILTINS.get(told.name)
    return {
        "name": told.name,
        "code": f"policy/{told.name}",
        "title": told.title,
        "severity": told.severity,
        "on": told.scope,
        "from": told.owner or None,
        "file": told.file or None,
        "builtin": builtin is not None,
        "presets": told.presets,
        "kinds": list(rule.kinds) if rule else [],
        "when": rule.when or None if rule else None,
        "must": rule.must or None if rule else None,
        "with": dict(rule.options) if rule else dict(builtin.options) if builtin else {},
        "help": rule.help or None if rule else None,
        "exceptions": [_exception_json(e) for e in told.exceptions],
    }


def _exception_json(told: ToldException) -> dict[str, Any]:
    one = told.exemption
    return {
        "resources": list(one.resources),
        "until": one.until,
        "owner": one.owner,
        "reason": one.reason,
        "state": told.state,
        "file": one.written.file,
    }


def rule_text(told: ToldRule, style: Style) -> Iterator[str]:
    """All there is to say about one."""
    rule, builtin = told.rule, BUILTINS.get(told.name)
    yield style(safe(f"{told.name}: {told.title}"), "bold")
    if builtin is not None:
        yield safe(builtin.why)
    yield ""
    rows = [("Code", f"policy/{told.name}"), ("Severity", told.severity), ("On", told.scope)]
    if rule is not None:
        rows += [("From", told.file or told.owner), ("Kinds", ", ".join(rule.kinds)), ("When", rule.when)]
        rows += [("Must", rule.must), ("Message", rule.message), ("Help", rule.help)]
    options = rule.options if rule is not None else builtin.options if builtin is not None else {}
    rows += [(f"With {key}", ", ".join(v) if isinstance(v, list) else str(v)) for key, v in options.items()]
    rows += [("Presets", ", ".join(told.presets))]
    yield from pairs([(label, text) for label, text in rows if text], style)
    for one in told.exceptions:
        e = one.exemption
        yield ""
        yield safe(f"Exception ({one.state}): {', '.join(e.resources)} until {e.until}")
        yield safe(f"  {e.reason} ({e.owner} answers for it; {e.written.file})")


def tried_text(tried: Tried, style: Style) -> Iterator[str]:
    """What came out otherwise, or that all came out as written."""
    yield from diagnostics_text(tried.failures, style)
    if tried.failures:
        return
    if tried.untested:
        yield safe(f"Without a case: {', '.join(tried.untested)}")
    holds = "comes" if tried.cases == 1 else "come"
    yield style(f"{count(tried.cases, 'case')} {holds} out as written.", "green" if tried.cases else "yellow")


def tried_json(tried: Tried) -> dict[str, Any]:
    """``failures`` are diagnostics at the cases."""
    return {
        "format": FORMAT,
        "cases": tried.cases,
        "untested": tried.untested,
        "failures": [diagnostic_json(d) for d in tried.failures],
    }
