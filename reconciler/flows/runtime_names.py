"""Names that expressions of an automation read and nothing stands behind: such a filter would never hold.

Warnings, as a run that is started by hand may bring any key, and what is never evaluated harms nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.automate.context import ROOTS
from reconciler.automate.payloads import OPEN, PAYLOADS
from reconciler.base.diagnostics import Fault, Path

if TYPE_CHECKING:
    from reconciler.kinds.validate import RuntimeTemplate
    from reconciler.render.expression import Expression

_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_GUARD = r"(?:\.\w+|\[[^\]]*\])*(?:\s*\|\s*(?:default|d)\b|\s+is\s+(?:not\s+)?(?:un)?defined\b)"
_READ = re.compile(rf"(?<![\w.])trigger\.payload\.([A-Za-z]\w*)({_GUARD})?")


def unknown_names(document: Mapping[str, Any], templates: Iterable[RuntimeTemplate]) -> Iterator[Fault]:
    """A warning for each. ``document`` is valid; ``templates`` are its own."""
    for path, source, form in templates:
        expressions = _expressions(source, form)
        for expression in expressions:
            for root in sorted(expression.roots.difference(ROOTS)):
                guarded = re.search(rf"(?<![\w.]){re.escape(root)}{_GUARD}", _bare(expression.source))
                if guarded is None:
                    yield _fault(path, source, root, f"`{root}` is undefined", list(ROOTS))
        if "trigger.payload." in source:
            yield from _unknown_keys(document, path, source, expressions)


def _unknown_keys(
    document: Mapping[str, Any], path: Path, source: str, expressions: list[Expression]
) -> Iterator[Fault]:
    events = _events(document, path)
    if not events or any(event in OPEN or event not in PAYLOADS for event in events):
        return
    known = dict.fromkeys(key for event in events for key in PAYLOADS[event])
    who = f"the event {events[0]} has" if len(events) == 1 else "the events of the triggers have"
    for expression in expressions:
        for key in _unguarded(expression.source):
            if key not in known:
                name = f"trigger.payload.{key}"
                yield _fault(path, source, name, f"`{name}` is undefined: {who} no such key", list(known))


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


def _expressions(source: str, form: str) -> list[Expression]:
    from reconciler.render.template import compile_expression, compile_template

    if form == "expression":
        return [compile_expression(source, clock=_never)]
    return [part for part in compile_template(source, clock=_never).parts if not isinstance(part, str)]


def _never() -> float:
    return 0.0


def _bare(expression: str) -> str:
    return _TEXT.sub("''", expression)


def _unguarded(expression: str) -> Iterator[str]:
    """The keys that are read without a word on what they are when they are missing."""
    found = list(_READ.finditer(_bare(expression)))
    guarded = {match[1] for match in found if match[2]}
    yield from dict.fromkeys(match[1] for match in found if match[1] not in guarded)


def _fault(path: Path, source: str, name: str, message: str, known: list[str]) -> Fault:
    from reconciler.kinds.faults import suggest

    hint = suggest(name.rpartition(".")[2], known)
    return Fault("template-undefined", message, path, hint, "warning", offset=max(source.find(name), 0))
