"""Rules held against what they look at; what is found, and which rules can't be judged.

Rules of the tool run right here. Expressions, and the patterns for credentials, run in a process of their own
(:mod:`.isolated`), the operator's first: what a repository brings can end that process, and then the plan is refused
with the rule's name, never let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Path
from reconciler.model.resource import Resource
from reconciler.policy import credentials, trial
from reconciler.policy.builtin import BUILTINS
from reconciler.policy.isolated import isolated
from reconciler.policy.rules import Broken, Finding, Rule, SliceSeen
from reconciler.policy.source import Whole

_LEAST_SECONDS = 10.0
_SECONDS_EACH = 0.002
"""For one rule on one subject: some fifty times what a plain expression takes."""


class Judged(NamedTuple):
    """What came of it."""

    findings: list[Finding]
    broken: list[Broken]


def libraries(rules: Iterable[Rule]) -> set[str]:
    """What has to be installed for these rules, as it is imported."""
    return {credentials.LIBRARY if r.uses else trial.LIBRARY for r in rules if _apart(r)}


def judge(
    rules: Sequence[Rule], resources: Sequence[Resource], slices: Sequence[SliceSeen], whole: Whole | None
) -> Judged:
    """Every rule over what is given. ``whole`` is None where only parts of the source are known."""
    findings: list[Finding] = []
    for rule in rules:
        if not _apart(rule):
            findings += _builtin(rule, resources, slices, whole)
    apart = sorted((r for r in rules if _apart(r)), key=lambda r: r.written.owner == "repository")
    if not apart:
        return Judged(findings, [])
    found, broken = _isolated(apart, resources, slices)
    return Judged([*findings, *found], broken)


def _apart(rule: Rule) -> bool:
    return not rule.uses or rule.uses == "literal-credential"


def _builtin(
    rule: Rule, resources: Sequence[Resource], slices: Sequence[SliceSeen], whole: Whole | None
) -> Iterator[Finding]:
    run = _implementation(rule)
    if rule.scope == "resource":
        for resource in resources:
            if resource.key.kind in rule.kinds:
                yield from run(rule, resource, loads(resource.body))
    elif rule.scope == "slice":
        yield from _once(run(rule, slices))
    elif whole is not None:
        yield from run(rule, whole)


def _implementation(rule: Rule) -> Callable[..., Iterator[Finding]]:
    module, _, name = BUILTINS[rule.uses].implementation.partition(":")
    found: Callable[..., Iterator[Finding]] = getattr(import_module(module), name)
    return found


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """One for each place of a document, however many slices are made of it."""
    seen: set[tuple[object, Path, str]] = set()
    for finding in findings:
        what = (finding.key, finding.path, finding.message)
        if what not in seen:
            seen.add(what)
            yield finding


def _isolated(
    rules: Sequence[Rule], resources: Sequence[Resource], slices: Sequence[SliceSeen]
) -> tuple[list[Finding], list[Broken]]:
    subjects: list[Resource | SliceSeen] = [*resources, *slices]
    pairs = sum(len(resources if r.scope == "resource" else slices) for r in rules)
    ended = isolated(
        lambda mark: trial.rows(rules, subjects, mark, credentials.literal),
        seconds=_LEAST_SECONDS + _SECONDS_EACH * pairs,
    )
    findings: list[Finding] = []
    broken: list[Broken] = []
    told: dict[tuple[int, object, Path], list[Any]] = {}
    for row in ended.rows:
        rule = rules[row["rule"]]
        if "broken" in row:
            broken.append(Broken(rule, row["broken"], row["message"], row["hint"], row["offset"]))
            continue
        subject, path = subjects[row["subject"]], tuple(row["path"])
        if isinstance(subject, Resource):
            findings.append(Finding(rule, subject, path, row["message"], row["hint"]))
            continue
        owner = subject.system if row["system"] else subject.check
        told.setdefault((row["rule"], owner.key, path), [rule, owner, path, row, []])[4].append(subject.name)
    for rule, owner, path, row, names in told.values():
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        message = f"{row['message']} (slice {names[0]}{more})"
        findings.append(Finding(rule, owner, path, message, row["hint"]))
    if ended.why is not None:
        broken.append(_ended(rules, subjects, ended.why, ended.at))
    return findings, broken


def _ended(rules: Sequence[Rule], subjects: Sequence[Resource | SliceSeen], why: str, at: tuple[int, int]) -> Broken:
    rule = rules[at[0]] if at[0] >= 0 else rules[-1]
    where = ""
    if 0 <= at[1] < len(subjects):
        subject = subjects[at[1]]
        where = f", on {subject.key}" if isinstance(subject, Resource) else f", on slice {subject.name}"
    hint = "make the expression simpler" if rule.must else "the document may hold very long texts"
    return Broken(rule, "must", f"{why}{where}", hint)
