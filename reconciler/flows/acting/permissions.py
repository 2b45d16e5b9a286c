"""What an account may do: actions by name, systems by name, both as globs in which ``*`` stands for any text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

FREE = frozenset({"log"})
"""Actions that touch nothing but the record of their own run: nobody has to be permitted to."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``account`` may do what one of ``permissions`` names, to systems that one of ``systems`` names (none: to all)."""

    account: str
    permissions: Sequence[str]
    systems: Sequence[str] = ()

    @staticmethod
    def of(name: str, body: Mapping[str, Any]) -> Bounds:
        """Those of a stored account."""
        spec = body["spec"]
        return Bounds(name, tuple(spec.get("permissions") or ()), tuple(spec.get("systems") or ()))

    def permits(self, action: str) -> bool:
        """Whether the account may run the action, which is named without its version."""
        return action in FREE or any(fnmatchcase(action, pattern) for pattern in self.permissions)

    def reaches(self, system: str) -> bool:
        """Whether the account may touch the system, or the environment of it (``orders-api::production``)."""
        system = system.partition("::")[0]
        return not self.systems or any(fnmatchcase(system, pattern) for pattern in self.systems)

    def beyond(self, systems: Iterable[str]) -> list[str]:
        """Those of the systems that it may not touch."""
        return [system for system in systems if not self.reaches(system)]


def covers(granted: str, wanted: str) -> bool:
    """Whether a glob grants a permission, which may be a glob itself and then needs one at least as wide."""
    if "*" not in wanted:
        return fnmatchcase(wanted, granted)
    return granted == wanted or (granted.endswith("*") and wanted.startswith(granted[:-1]) and "*" not in granted[:-1])


def may_not(bounds: Bounds, action: str) -> str:
    """The sentence that says so."""
    has = ", ".join(bounds.permissions) or "nothing"
    return f"the account {bounds.account} may not run {action} (its permissions: {has})"


def may_not_touch(bounds: Bounds, systems: Sequence[str]) -> str:
    """The sentence that says so."""
    has = ", ".join(bounds.systems)
    return f"the account {bounds.account} may not touch {', '.join(systems)} (its systems: {has})"
