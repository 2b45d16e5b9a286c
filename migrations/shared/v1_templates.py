"""Templates and bare expressions of version 1 documents translated in place, with all that can't be at once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from .v1_expressions import Parser, Untranslatable, tokens
from .v1_jinja import Path, Writer

Place = tuple[str | int, ...]
Problem = tuple[Place, str, int]

_SECRET = re.compile(r"\$\{\{\s*secrets\.([A-Za-z0-9_-]+)\s*\}\}")
_BRACES = re.compile(r"(?<!\$)\{\{")
_CHECK_SAFE: dict[Path, str] = {
    ("environment",): "",
    ("system",): "",
    ("check",): "",
    ("system", "id"): "string",
    ("system", "name"): "string",
    ("system", "fields"): "",
    ("check", "id"): "string",
    ("check", "name"): "string",
    ("check", "intervalSeconds"): "number",
}
_CHECK_RENAMED: dict[Path, Path] = {("system", "metadata"): ("system", "fields")}
_AUTOMATION_RENAMED: dict[Path, Path] = {("var",): ("variables",)}
_AUTOMATION_SAFE: dict[Path, str] = {
    ("trigger",): "",
    ("trigger", "payload"): "",
    ("trigger", "id"): "",
    ("trigger", "event"): "string",
}
_HEALTH_CHANGED = {
    "systemId": "string",
    "environmentId": "",
    "systemName": "",
    "previousStatus": "string",
    "newStatus": "string",
    "healthyChecks": "number",
    "totalChecks": "number",
    "timestamp": "string",
}
_PAYLOADS: dict[str, dict[str, str]] = {
    "system_degraded": _HEALTH_CHANGED,
    "system_healthy": _HEALTH_CHANGED,
    "system_health_changed": _HEALTH_CHANGED,
    "check_failed": {
        "systemId": "string",
        "configurationId": "string",
        "status": "string",
        "latencyMs": "",
        "result": "",
        "timestamp": "string",
    },
}
HEALTH_EVENTS = tuple(_PAYLOADS)


class Problems(Exception):
    """All that couldn't be translated in one document: places, sentences, offsets into the text there."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(sentence for _, sentence, _ in problems))
        self.problems = tuple(problems)


class _Said(NamedTuple):
    """A text in the words of version 2, and the names in it that stand for nothing; or why it can't be said."""

    text: str
    unknown: tuple[str, ...]
    problem: Untranslatable | None


class Translator:
    """Translates the texts of one document and gathers what can't be said in version 2.

    ``events`` are the triggers whose payload the texts may read; None for the texts of a check.
    """

    def __init__(self, events: list[str] | None = None) -> None:
        self._problems: list[Problem] = []
        self._notes: list[tuple[Place, str]] = []
        self._events = None if events is None else tuple(events)

    def within(self, events: list[str]) -> Translator:
        """A translator for texts that read the payload of other events; what it gathers is gathered here."""
        other = Translator(events)
        other._problems, other._notes = self._problems, self._notes
        return other

    def text(self, value: Any, at: Place) -> Any:
        """A template; what is no string, or holds no ``{{``, stays as it is."""
        if not isinstance(value, str) or "{{" not in value:
            return value
        return self._guarded(value, at, bare=False)

    def expression(self, value: Any, at: Place) -> Any:
        """A bare expression; one that stands in braces all the same loses them."""
        if not isinstance(value, str):
            return value
        return self._guarded(value, at, bare=True)

    def everywhere(self, value: Any, at: Place, *, but: frozenset[str] = frozenset()) -> Any:
        """All strings below ``value`` as templates, save those under the keys of ``but``."""
        if isinstance(value, dict):
            return {k: v if k in but else self.everywhere(v, (*at, k), but=but) for k, v in value.items()}
        if isinstance(value, list):
            return [self.everywhere(v, (*at, i), but=but) for i, v in enumerate(value)]
        return self.text(value, at)

    def unrendered(self, value: Any, at: Place, where: str) -> None:
        """Note every template below ``value``, which version 1 rendered and version 2 doesn't."""
        if isinstance(value, dict):
            for key, item in value.items():
                self.unrendered(item, (*at, key), where)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.unrendered(item, (*at, index), where)
        elif isinstance(value, str):
            offset = _SECRET.sub(lambda secret: " " * len(secret[0]), value).find("{{")
            if offset >= 0:
                sentence = f"can't be translated to version 2: {where} renders no templates there"
                self._problems.append((at, sentence, offset))

    def finish(self) -> None:
        """Raise :class:`Problems`, when there were any."""
        if self._problems:
            raise Problems(self._problems)

    @property
    def notes(self) -> list[tuple[Place, str]]:
        """Names that stand for nothing, where they were met."""
        return self._notes

    def _guarded(self, value: str, at: Place, *, bare: bool) -> str:
        said = _said(str(value), self._events, bare)
        if said.problem is not None:
            self._problems.append(
                (at, f"can't be translated to version 2: {said.problem.message}", said.problem.offset)
            )
            return value
        self._notes += [(at, f"{name} is nothing that templates see; it stays empty") for name in said.unknown]
        return said.text


@lru_cache(maxsize=2048)
def _said(text: str, events: tuple[str, ...] | None, bare: bool) -> _Said:
    """One text translated. Kept, because notes, steps and traces all ask for it, and so do the next documents."""
    if events is None:
        writer = Writer(_CHECK_SAFE, frozenset({"environment", "system", "check"}), _CHECK_RENAMED)
    else:
        writer = Writer({**_AUTOMATION_SAFE, **_payload(events)}, None, _AUTOMATION_RENAMED)
    try:
        translated = _bare(text, writer) if bare else _template(text, writer)
    except Untranslatable as problem:
        return _Said(text, (), problem.with_traceback(None))
    return _Said(translated, tuple(dict.fromkeys(writer.unknown)), None)


def _template(text: str, writer: Writer) -> str:
    parts: list[str] = []
    done = 0
    while (start := text.find("{{", done)) >= 0:
        dollar = start > done and text[start - 1] == "$"
        if dollar and (secret := _SECRET.match(text, start - 1)):
            parts.append(text[done : secret.end()])
            done = secret.end()
            continue
        found, end = tokens(text, start + 2, braced=True)
        # In version 2 `${{` always is text, so a dollar before an expression has to be one itself.
        parts.append(f"{text[done : start - 1]}{{{{ '$' }}}}" if dollar else text[done:start])
        parts.append(f"{{{{ {writer.template(Parser(found).parse())} }}}}")
        done = end + 2
    return "".join(parts) + text[done:]


def _bare(text: str, writer: Writer) -> str:
    stripped = text.strip()
    if stripped.startswith("{{"):
        found, end = tokens(stripped, 2, braced=True)
        if end + 2 != len(stripped):
            raise Untranslatable("an expression takes no text beside it", end + 2)
    else:
        found, _ = tokens(text)
    return writer.expression(Parser(found).parse())


def literal(value: Any) -> Any:
    """Text that version 1 never rendered, for a place where version 2 does: its braces are kept."""
    if isinstance(value, list):
        return [literal(item) for item in value]
    return _BRACES.sub("{{ '{{' }}", value) if isinstance(value, str) else value


def secret_name(value: Any) -> str | None:
    """The name in a text that is one secret and nothing else."""
    found = _SECRET.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1] if found else None


def _payload(events: tuple[str, ...]) -> dict[Path, str]:
    """What the payloads of all these events have for sure."""
    payloads = [
        _PAYLOADS.get(event.rpartition(".")[2], {}) if event.startswith("healthcheck.") else {} for event in events
    ]
    if not payloads:
        return {}
    shared = set.intersection(*(set(p) for p in payloads))
    return {("trigger", "payload", key): payloads[0][key] for key in shared}
