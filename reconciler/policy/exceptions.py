"""Which findings are excepted, until when, and which exceptions have run out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase

from reconciler.model.resource import Key
from reconciler.policy.rules import Exemption, Finding, Rule


class Exceptions:
    """The exceptions of all rules on one day. What has run out doesn't hold."""

    def __init__(self, given: Iterable[Exemption], rules: Sequence[Rule], today: date) -> None:
        known = {r.name: r for r in rules}
        self.unknown: list[Exemption] = []
        """They name a rule that isn't in force: nothing is excepted, and that may well be meant."""
        self.refused: list[Exemption] = []
        """A repository's, from a rule of the operator's."""
        self.expired: list[Exemption] = []
        self._holding: dict[str, list[Exemption]] = {}
        for one in given:
            rule = known.get(one.rule)
            if rule is None:
                self.unknown.append(one)
            elif rule.locked and one.written.owner != "operator":
                self.refused.append(one)
            elif date.fromisoformat(one.until) < today:
                self.expired.append(one)
            else:
                self._holding.setdefault(one.rule, []).append(one)

    def hold_for(self, finding: Finding) -> bool:
        """Whether somebody is answerable for this one for now."""
        return any(covers(one, finding.key) for one in self._holding.get(finding.rule.name, ()))


def covers(exception: Exemption, key: Key) -> bool:
    """Whether one of its patterns names the resource."""
    for pattern in exception.resources:
        kind, _, name = pattern.partition("/")
        if fnmatchcase(key.kind, kind) and fnmatchcase(key.name, name):
            return True
    return False
