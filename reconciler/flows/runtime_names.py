"""Keys that expressions of an automation read of an event which doesn't have them: such a filter would never hold.

Warnings, as a run that is started by hand may bring any key, and a plugin's events are its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.automate.payloads import OPEN, PAYLOADS
from reconciler.base.diagnostics import Fault, Path

if TYPE_CHECKING:
    from reconciler.kinds.validate import RuntimeTemplate

_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_READ = re.compile(
    r"(?<![\w.])trigger\.payload\.([A-Za-z]\w*)((?:\.\w+|\[[^\]]*\])*"
    r"(?:\s*\|\s*(?:default|d)\b|\s+is\s+(?:not\s+)?(?:un)?defined\b))?"
)


def unknown_keys(document: Mapping[str, Any], templates: Iterable[RuntimeTemplate]) -> Iterator[Fault]:
    """A warning for each. ``document`` is valid; ``templates`` are its own."""
    for path, source, form in templates:
        if "trigger.payload." not in source:
            continue
        events = _events(document, path)
        if not events or any(event in OPEN or event not in PAYLOADS for event in events):
            continue
        known = dict.fromkeys(key for event in events for key in PAYLOADS[event])
        for key in _unguarded(source, form):
            if key not in known:
                yield _fault(path, source, key, events, list(known))


def _events(document: Mapping[str, Any], path: Path) -> list[str]:
    """The events that a template may be about: that of its trigger or its wait, else those of all triggers."""
    spec = document["spec"]
    if path[:2] == ("spec", "triggers"):
        asked = [spec["triggers"][path[2]]]
    elif path[-2:] == ("waitForTrigger", "filter"):
        asked = [_at(document, path[:-1])]
    else:
        asked = spec["triggers"]
    return list(dict.fromkeys(str(each["event"]).partition("@")[0] for each in asked))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _unguarded(source: str, form: str) -> Iterator[str]:
    """The keys that are read without a word on what they are when they are missing."""
    if form == "expression":
        expressions = [source]
    else:
        from reconciler.render.template import compile_template

        parts = compile_template(source, clock=lambda: 0.0).parts
        expressions = [part.source for part in parts if not isinstance(part, str)]
    for expression in expressions:
        found = list(_READ.finditer(_TEXT.sub("''", expression)))
        guarded = {match[1] for match in found if match[2]}
        yield from dict.fromkeys(match[1] for match in found if match[1] not in guarded)


def _fault(path: Path, source: str, key: str, events: list[str], known: list[str]) -> Fault:
    from reconciler.kinds.faults import suggest

    who = f"the event {events[0]} has" if len(events) == 1 else "the events of the triggers have"
    message = f"`trigger.payload.{key}` is undefined: {who} no such key"
    at = source.find(f"trigger.payload.{key}")
    return Fault("template-undefined", message, path, suggest(key, known), "warning", offset=max(at, 0))
