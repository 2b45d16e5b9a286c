"""The nouns of policies: a rule, an exception from rules, a finding, and who may change what.

Rules have three owners. Built-in ones come with the tool. An operator's rules lie in a folder of the machine that
plans, where no pull request reaches them. A repository's rules lie below ``policies/`` of the same commit as its
documents: they may add to the operator's, and never replace, weaken or except one of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from reconciler.base.diagnostics import Path, Severity
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import SliceName

Owner = Literal["operator", "repository", "preset"]
Scope = Literal["resource", "slice", "source"]


class Written(NamedTuple):
    """Where something of a policy file stands: the file, which of its documents, and the path in it."""

    owner: Owner
    file: str
    nth: int = 0
    path: Path = ()

    def at(self, *path: str | int) -> Written:
        """Another place of the same document."""
        return self._replace(path=path)


class Exemption(NamedTuple):
    """Names that a rule doesn't hold for, for a while. ``until`` is the last day, as ``2027-01-31``."""

    rule: str
    resources: tuple[str, ...]
    """``KIND/NAME``, where both may be globs."""
    until: str
    owner: str
    reason: str
    written: Written


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in force: ``uses`` names the built-in rule that judges, else ``must`` is what has to hold.

    ``at`` leads to what a finding is shown at, ``each`` to the list or map whose items are judged one by one.
    """

    name: str
    scope: Scope
    written: Written
    kinds: tuple[str, ...] = ()
    """Kinds of resources it looks at; empty: all."""
    when: str = ""
    must: str = ""
    each: Path = ()
    at: Path = ()
    severity: Severity = "error"
    message: str = ""
    help: str = ""
    uses: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    @property
    def code(self) -> str:
        """What its findings carry; stable as long as its name is."""
        return f"policy/{self.name}"

    @property
    def locked(self) -> bool:
        """It is the operator's, so that a repository can't except from it."""
        return self.written.owner == "operator"


class SliceSeen(NamedTuple):
    """A slice as rules see it. ``body`` is what an executor reads: ``{"assignment": ..., "check": ...}``."""

    name: SliceName
    system: Resource
    check: Resource
    body: Any


class Finding(NamedTuple):
    """What a rule found. ``path`` is one of the resource's head document."""

    rule: Rule
    resource: Resource
    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False

    @property
    def key(self) -> Key:
        """Whom it is about."""
        return self.resource.key


class Broken(NamedTuple):
    """A rule that can't be judged, and why; told at the rule."""

    rule: Rule
    field: str
    """``when`` or ``must``."""
    message: str
    hint: str | None = None
    offset: int | None = None
    """Into the expression, in characters."""
