"""What leaves a run: without ephemeral fields, without secrets, no larger than a database wants to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.execute.assertions import SHOWN
from reconciler.model.run import Verdict
from reconciler.secrets.masking import Masker

ACTUAL = 256
"""Characters of a verdict's found value, its expected one and its reason."""
FIELD = 4096
"""Characters of one text in a result."""
SENTENCE = 1024
"""Characters of an error or a note."""
DETAIL = 65_536
"""Characters of all results of a run together, about: keys and numbers are estimated."""
_DEEP = 32
_SCALAR = 12
_WHOLE = 2**63


class Outgoing:
    """Cleans everything of one run, out of one budget. ``notes`` grow by what was cut; take them per collector."""

    def __init__(self, masker: Masker | None) -> None:
        """``masker``: None where the run has no secrets."""
        self._masker = masker
        self._left = DETAIL
        self._cut: list[str] = []

    def notes(self) -> tuple[str, ...]:
        """What was cut since this was last asked, in sentences."""
        cut, self._cut = tuple(dict.fromkeys(self._cut)), []
        return cut

    def sentence(self, text: str) -> str:
        """An error, a note."""
        return self._text(text, SENTENCE)[0]

    def result(self, result: Mapping[str, Any], ephemeral: frozenset[str]) -> dict[str, Any]:
        """A collector's result as it is stored."""
        kept: dict[str, Any] = {}
        for name, value in result.items():
            if name in ephemeral:
                continue
            if self._left <= 0:
                self._cut.append(f"the result is larger than {DETAIL // 1024} KiB; {name} and what follows is left out")
                break
            shown = self._text(str(name), ACTUAL)[0]
            kept[shown] = self._value(value, shown, 0)
        return kept

    def report(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The sandbox's report."""
        cleaned: dict[str, Any] = self._value(dict(report), "the sandbox's report", 0)
        return cleaned

    def verdicts(self, verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
        """Failed ones are kept before those that hold when there are too many."""
        kept = [self._verdict(v) for v in verdicts]
        size = sum(map(_size, kept))
        if size <= self._left:
            self._left -= size
            return tuple(kept)
        fitting: list[Verdict] = []
        for verdict in sorted(kept, key=lambda v: v.passed):
            self._left -= _size(verdict)
            # The first failed one is the run's reason: it stays, whatever else is large.
            if self._left <= 0 and fitting:
                break
            fitting.append(verdict)
        self._cut.append(f"{len(kept) - len(fitting)} outcomes of assertions are left out, as there are too many")
        return tuple(fitting)

    def _verdict(self, v: Verdict) -> Verdict:
        actual, expected, reason = v.actual, v.expected, v.reason
        if actual is not None:
            actual = self._text(actual, ACTUAL, cut_short=len(actual) >= SHOWN)[0]
        if isinstance(expected, str):
            expected = self._text(expected, ACTUAL)[0]
        elif expected is not None and not isinstance(expected, bool | int | float):
            expected = self._text(str(expected), ACTUAL)[0]
        if reason is not None:
            reason = self._text(reason, ACTUAL)[0]
        return Verdict(v.field, v.path, v.operator, expected, actual, v.passed, reason)

    def _value(self, value: Any, where: str, depth: int) -> Any:
        self._left -= _SCALAR
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            text, cut = self._text(value, FIELD)
            self._left -= len(text)
            if cut:
                self._cut.append(f"{where} is cut after {FIELD} characters")
            return text
        if isinstance(value, int):
            return value if -_WHOLE <= value < _WHOLE else float(value) if abs(value) < 10**300 else str(value)[:FIELD]
        if isinstance(value, float):
            return value if value - value == 0 else None  # JSON has neither NaN nor infinity
        if depth >= _DEEP:
            self._cut.append(f"{where} is cut where it is deeper than {_DEEP} levels")
            return None
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(value, where, depth)
        return self._value(str(value), where, depth)

    def _mapping(self, value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            if self._left <= 0:
                self._full(where)
                break
            name = self._text(str(key), ACTUAL)[0]
            self._left -= len(name)
            kept[name] = self._value(inner, where, depth + 1)
        return kept

    def _list(self, value: Iterable[Any], where: str, depth: int) -> list[Any]:
        kept: list[Any] = []
        for inner in value:
            if self._left <= 0:
                self._full(where)
                break
            kept.append(self._value(inner, where, depth + 1))
        return kept

    def _full(self, where: str) -> None:
        self._cut.append(f"{where} is cut, as the result is larger than {DETAIL // 1024} KiB")

    def _text(self, text: str, most: int, *, cut_short: bool = False) -> tuple[str, bool]:
        """Masked, then cut: a cut through a value would hide it from the mask. What is far beyond the limit is cut
        before, and the mask told so, as masking megabytes takes long."""
        if self._masker is not None:
            if len(text) > 4 * most:
                text, cut_short = text[: 4 * most], True
            text = self._masker.text(text, cut_short=cut_short)
        cut = len(text) > most
        if cut:
            text = text[: most - 1] + "…"
        if not text.isascii():
            # Halves of surrogate pairs have no UTF-8.
            text = text.encode("utf-8", "replace").decode()
        # PostgreSQL keeps no NUL in JSON.
        return (text.replace("\0", "\ufffd") if "\0" in text else text), cut


def _size(v: Verdict) -> int:
    texts = (v.field, v.path, v.actual, v.reason, v.expected if isinstance(v.expected, str) else None)
    return 64 + sum(len(t) for t in texts if t is not None)
