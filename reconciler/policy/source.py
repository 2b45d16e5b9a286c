"""Built-in rules that look at a whole source: what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from reconciler.model.resource import Key, Resource
from reconciler.policy.rules import Finding, Rule


class Whole(Protocol):
    """All active resources of the source as they will be, and who refers to them, those of other sources too."""

    def of_kind(self, kind: str) -> list[Resource]:
        """Of the source, in no order."""

    def used(self, kind: str, by: tuple[str, ...]) -> set[str]:
        """Names of this kind that a resource of one of the kinds ``by`` refers to, of whatever source."""


class _What(NamedTuple):
    kind: str
    by: tuple[str, ...]
    message: str
    hint: str


_CHECK = _What("Check", ("System",), "no system runs the check {}", "name it under spec.checks of a system")
_ENVIRONMENT = _What(
    "Environment",
    ("System", "Environment"),
    "no system is in the environment {}, and none extends it",
    "name it under spec.environments of a system",
)


def unused_checks(rule: Rule, whole: Whole) -> Iterator[Finding]:
    """Checks that no system runs."""
    return _unused(rule, whole, _CHECK)


def unused_environments(rule: Rule, whole: Whole) -> Iterator[Finding]:
    """Environments that no system is in and none extends."""
    return _unused(rule, whole, _ENVIRONMENT)


def _unused(rule: Rule, whole: Whole, what: _What) -> Iterator[Finding]:
    used = whole.used(what.kind, what.by)
    for resource in whole.of_kind(what.kind):
        key: Key = resource.key
        if key.name not in used:
            yield Finding(rule, resource, ("metadata", "name"), what.message.format(key.name), what.hint)
