"""What runs in the process apart: expressions and patterns over subjects, as rows of plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Path
from reconciler.model.resource import Resource
from reconciler.policy import expressions
from reconciler.policy.expressions import EACH_NAMES, LIBRARY, RESOURCE_NAMES, SLICE_NAMES, Expression, Wrong
from reconciler.policy.isolated import Mark
from reconciler.policy.rules import Finding, Rule, SliceSeen

__all__ = ["LIBRARY", "rows"]

Row = dict[str, Any]
Literal = Callable[[Rule, Resource, Any], Iterator[Finding]]


class _Ready(NamedTuple):
    """A rule with its expressions compiled; both None for a built-in one."""

    number: int
    rule: Rule
    when: Expression | None
    must: Expression | None

    @property
    def names(self) -> frozenset[str]:
        """What its expressions read."""
        return frozenset().union(*(e.names for e in (self.when, self.must) if e is not None))


def rows(
    rules: Sequence[Rule], subjects: Sequence[Resource | SliceSeen], mark: Mark, literal: Literal
) -> Iterator[Row]:
    """All findings, and each rule that can't be judged once. ``mark`` hears what is at work."""
    ready: list[_Ready] = []
    for index, rule in enumerate(rules):
        mark(index, -1)
        try:
            ready.append(_compiled(index, rule))
        except _Broken as broken:
            yield broken.row
    lost: set[int] = set()
    for number, subject in enumerate(subjects):
        left = [r for r in ready if r.number not in lost and _concerns(r.rule, subject)]
        if not left:
            continue
        seen = _Seen(subject)
        for one in left:
            mark(one.number, number)
            try:
                yield from _found(one, number, seen, literal)
            except _Broken as broken:
                lost.add(one.number)
                yield broken.row


class _Broken(Exception):
    def __init__(self, index: int, field: str, wrong: Wrong, where: str = "") -> None:
        super().__init__(wrong.message)
        message = f"{wrong.message}{where}"
        self.row = {"rule": index, "broken": field, "message": message, "hint": wrong.hint, "offset": wrong.offset}


def _compiled(index: int, rule: Rule) -> _Ready:
    if rule.uses:
        return _Ready(index, rule, None, None)
    names = (SLICE_NAMES if rule.scope == "slice" else RESOURCE_NAMES) + (EACH_NAMES if rule.each else ())
    made: list[Expression | None] = []
    for field, text in (("when", rule.when), ("must", rule.must)):
        try:
            made.append(expressions.compile_expression(text, names) if text else None)
        except Wrong as wrong:
            raise _Broken(index, field, wrong) from None
    return _Ready(index, rule, made[0], made[1])


def _concerns(rule: Rule, subject: Resource | SliceSeen) -> bool:
    if isinstance(subject, Resource):
        return rule.scope == "resource" and (not rule.kinds or subject.key.kind in rule.kinds)
    return rule.scope == "slice"


class _Seen:
    """One subject, parsed once, and converted once for all rules that read the same of it."""

    def __init__(self, subject: Resource | SliceSeen) -> None:
        self.subject = subject
        self.values: Mapping[str, Any] = (
            _resource_values(subject) if isinstance(subject, Resource) else _slice_values(subject)
        )
        self._contexts: dict[frozenset[str], Any] = {}

    def context(self, names: frozenset[str]) -> Any:
        """Of these names alone."""
        found = self._contexts.get(names)
        if found is None:
            found = self._contexts[names] = expressions.context({n: self.values[n] for n in names})
        return found

    @property
    def name(self) -> str:
        return str(self.subject.key) if isinstance(self.subject, Resource) else f"slice {self.subject.name}"


def _resource_values(subject: Resource) -> dict[str, Any]:
    body = loads(subject.body)
    whole = {"kind": subject.key.kind, **body}
    return {"resource": whole, "kind": subject.key.kind, "metadata": body["metadata"], "spec": body["spec"]}


_parsed = lru_cache(1024)(loads)
"""Slices of one system, and of one check, come together."""


def _slice_values(subject: SliceSeen) -> dict[str, Any]:
    check, system = _parsed(subject.check.body), _parsed(subject.system.body)
    rendered = subject.body["check"]
    environment = subject.name.environment
    return {
        "slice": {"name": str(subject.name), "environment": environment, **subject.body},
        "metadata": check["metadata"],
        "spec": rendered,
        "check": {"metadata": check["metadata"], "spec": rendered},
        "system": system,
        "assignment": subject.body["assignment"],
        "environment": environment,
    }


def _found(one: _Ready, number: int, seen: _Seen, literal: Literal) -> Iterator[Row]:
    rule = one.rule
    if one.must is None:
        if isinstance(seen.subject, Resource):
            for finding in literal(rule, seen.subject, seen.values["resource"]):
                yield _row(one.number, number, finding.path, finding.message, finding.hint)
        return
    for context, path in _each(one, seen):
        if _holds(one, "when", one.when, context, seen) and not _holds(one, "must", one.must, context, seen):
            place, on_system = _place(rule, seen.subject, path)
            who = f" ({seen.name})" if isinstance(seen.subject, Resource) else ""
            yield _row(one.number, number, place, f"{rule.message}{who}", None, system=on_system)


def _row(rule: int, subject: int, path: Path, message: str, hint: str | None, *, system: bool = False) -> Row:
    return {"rule": rule, "subject": subject, "path": path, "message": message, "hint": hint, "system": system}


def _holds(one: _Ready, field: str, expression: Expression | None, context: Any, seen: _Seen) -> bool:
    if expression is None:
        return True
    try:
        return expression.holds(context)
    except Wrong as wrong:
        raise _Broken(one.number, field, wrong, f" (on {seen.name})") from None


def _each(one: _Ready, seen: _Seen) -> Iterator[tuple[Any, Path]]:
    """The contexts a rule is judged in, each with the place a finding is shown at."""
    rule, names = one.rule, one.names
    if not rule.each:
        yield seen.context(names), rule.at
        return
    found: Any = seen.values
    for step in rule.each:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, item in items:
        values = {**seen.values, "item": item, "key": key}
        yield expressions.context({n: values[n] for n in names}), (*rule.each, key, *rule.at)


def _place(rule: Rule, subject: Resource | SliceSeen, path: Path) -> tuple[Path, bool]:
    """The path in the document, and whether that is the system's: a slice is made of two."""
    path = path or ("metadata", "name")
    if isinstance(subject, Resource):
        return (path[1:] if path[0] == "resource" else path), False
    if path[0] == "slice":
        path = path[1:] or ("metadata", "name")
    if path[0] == "system":
        return path[1:] or ("metadata", "name"), True
    if path[0] == "assignment":
        checks = loads(subject.system.body)["spec"].get("checks") or ()
        at = next((i for i, a in enumerate(checks) if a["check"] == subject.name.check), 0)
        return ("spec", "checks", at, *path[1:]), True
    if path[0] == "check":
        path = path[1:] or ("metadata", "name")
        return (path if path[0] in ("metadata", "spec") else ("spec", *path)), False
    return (path if path[0] in ("metadata", "spec") else ("metadata", "name")), False
