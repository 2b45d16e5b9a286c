"""Relabeling as Prometheus does it, so that whatever way a job writes its targets, the same targets come out."""

from __future__ import annotations

import re
from typing import Any

_REFERENCE = re.compile(r"\$\$|\$\{([0-9A-Za-z_]+)\}|\$([0-9A-Za-z_]+)")
_KNOWN = frozenset(
    {
        "replace",
        "keep",
        "drop",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
        "keepequal",
        "dropequal",
    }
)


class Unknown(Exception):
    """A rule that can't be followed; the message says why."""


def relabeled(labels: dict[str, str], rules: list[Any]) -> dict[str, str] | None:
    """The labels after all rules; None when a rule drops the target. Raises :class:`Unknown`."""
    labels = dict(labels)
    for rule in rules:
        if not isinstance(rule, dict):
            raise Unknown("a rule has to be a map")
        if not _applied(rule, labels):
            return None
    return labels


def _applied(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    """Change the labels; False when the target is dropped."""
    action = str(rule.get("action", "replace")).lower()
    if action not in _KNOWN:
        raise Unknown(f"the action {action} isn't followed")
    separator = str(rule.get("separator", ";"))
    names = rule.get("source_labels")
    value = separator.join(labels.get(str(name), "") for name in names) if isinstance(names, list) else ""
    target = str(rule.get("target_label", ""))
    match action:
        case "keepequal" | "dropequal":
            return (value == labels.get(target, "")) is (action == "keepequal")
        case "lowercase" | "uppercase":
            labels[target] = value.lower() if action == "lowercase" else value.upper()
            return True
    pattern = _compiled(str(rule.get("regex", "(.*)")))
    replacement = str(rule.get("replacement", "$1"))
    match action:
        case "keep" | "drop":
            return (pattern.fullmatch(value) is not None) is (action == "keep")
        case "labeldrop" | "labelkeep":
            for name in [n for n in labels if (pattern.fullmatch(n) is None) is (action == "labelkeep")]:
                del labels[name]
        case "labelmap":
            for name, held in list(labels.items()):
                if (found := pattern.fullmatch(name)) is not None:
                    labels[_expanded(replacement, found)] = held
        case _:
            if (found := pattern.fullmatch(value)) is not None:
                name, new = _expanded(target, found), _expanded(replacement, found)
                if new:
                    labels[name] = new
                else:
                    labels.pop(name, None)
    return True


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unknown(f"{text[:60]!r} is no regular expression that can be followed: {error}") from None


def _expanded(text: str, match: re.Match[str]) -> str:
    def held(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(held, text)
