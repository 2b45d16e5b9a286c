"""Built-in rules that look at rendered slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Path
from reconciler.base.durations import format_duration
from reconciler.health.thresholds import MOST
from reconciler.policy.rules import Finding, Rule, SliceSeen

_KEPT = 7 * 86_400_000
"""How long runs are kept where an assignment doesn't say."""


def thresholds(rule: Rule, slices: Sequence[SliceSeen]) -> Iterator[Finding]:
    """Thresholds beyond what is remembered, beyond what is kept, or behind one that fires before them."""
    for one in slices:
        given = one.body["assignment"].get("thresholds") or {}
        if given.get("mode") == "window":
            continue  # one beyond its window is a fault of the document
        interval = one.body["check"]["interval"]
        kept = (one.body["assignment"].get("retention") or {}).get("raw") or _KEPT
        for name in ("degraded", "unhealthy"):
            count = given.get(name, 0)
            why = None
            if count > MOST:
                why = f"only the last {MOST} runs are remembered"
            elif (count - 1) * interval > kept:
                took = f"{count} failures, one every {format_duration(interval)}"
                why = f"{took}, take longer than the {format_duration(kept)} for which runs are kept"
            elif name == "degraded" and count > given.get("unhealthy", count):
                why = f"the system is unhealthy after {given['unhealthy']} failures already"
            if why is not None:
                path = _assignment(one, "thresholds", name)
                yield Finding(rule, one.system, path, f"{name}: {count} can never be reached: {why}")


def _assignment(one: SliceSeen, *below: str) -> Path:
    """A place in the system's document. A check stands once in a system."""
    checks = loads(one.system.body)["spec"].get("checks") or ()
    at = next((i for i, a in enumerate(checks) if a["check"] == one.name.check), 0)
    return ("spec", "checks", at, *below)


def differences(rule: Rule, slices: Sequence[SliceSeen]) -> Iterator[Finding]:
    """Every field that isn't the same in the given environments, and isn't among those that may differ.

    A check that runs in one of them alone is no difference of fields: whether it has to run in all is for people.
    """
    environments, allowed = rule.options["environments"], rule.options["fields"]
    pairs: dict[tuple[str, str], list[SliceSeen]] = {}
    for one in slices:
        if one.name.environment in environments:
            pairs.setdefault((one.name.system, one.name.check), []).append(one)
    for (system, _), group in pairs.items():
        group.sort(key=lambda s: environments.index(s.name.environment))
        for other in group[1:]:
            for path in unequal(group[0].body, other.body):
                if any(fnmatchcase(".".join(map(str, path)), pattern) for pattern in allowed):
                    continue
                names = f"{group[0].name.environment} and {other.name.environment}"
                message = f"{'.'.join(map(str, path[1:]))} differs between {names} on system {system}"
                hint = "make both the same, or list the field under with.fields of the policy"
                owner, where = _place(other, path)
                yield Finding(rule, owner, where, message, hint)


def _place(one: SliceSeen, path: Path) -> tuple[Any, Path]:
    """Which document says what stands at ``path`` of a slice's body, and where."""
    if path[0] == "check":
        return one.check, ("spec", *path[1:])
    return one.system, (*_assignment(one), *path[1:])


def unequal(one: Any, other: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of the leaves that differ; where a part is missing in one of them, the path of that part."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                yield (*path, key)
            else:
                yield from unequal(one[key], other[key], (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from unequal(a, b, (*path, i))
    elif one != other:
        yield path
