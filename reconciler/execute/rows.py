"""What a statement gave back, as a result that can be judged and shown. Shared by the databases."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.base.durations import format_duration
from reconciler.execute.port import Collected

MOST_TEXT = 4 * 1024 * 1024
"""Characters of text that are kept of all rows: a statement that selects whole documents must not fill the memory."""


class Rows:
    """Takes rows one by one until it has enough. Values are plain JSON already, whole numbers of at most 64 bits."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._size = 0
        self.columns: tuple[str, ...] = ()
        self._rows: list[dict[str, Any]] = []
        self._first: Any = None
        self.cut: str | None = None
        """Why there is more than what is kept."""

    def head(self, names: Iterable[str]) -> None:
        """The names of the columns; one that comes twice gets a number, so that a map can hold both."""
        columns: list[str] = []
        for name in names:
            unique, number = name, 2
            while unique in columns:
                unique, number = f"{name}_{number}", number + 1
            columns.append(unique)
        self.columns = tuple(columns)

    def add(self, row: Sequence[Any]) -> bool:
        """Keep a row. False: it is one too many, and the caller stops reading."""
        if len(self._rows) == self.most:
            self.cut = f"there are more rows than maxRows, {self.most}"
            return False
        self._size += sum(len(value) for value in row if isinstance(value, str))
        if self._size > MOST_TEXT:
            self.cut = f"the rows hold more text than is read, {MOST_TEXT // 1024 // 1024} MiB; the rest is left out"
            return False
        if not self._rows and row:
            self._first = row[0]
        self._rows.append(dict(zip(self.columns, row, strict=True)))
        return True

    def collected(
        self, took_ms: float, phases: dict[str, float], *, error: str | None = None, timed_out: bool = False
    ) -> Collected:
        """As the collectors ``query`` give it back. With an error there are no rows, whatever came before it."""
        rows, columns = ([], ()) if error is not None else (self._rows, self.columns)
        result = {
            "rowCount": len(rows),
            "columnCount": len(columns),
            "value": None if error is not None else as_text(self._first),
            "rows": rows,
            "executionTimeMs": took_ms,
            "success": error is None,
        }
        notes = (self.cut,) if self.cut is not None and error is None else ()
        return Collected(result, error, phases, notes=notes, timed_out=timed_out)


def overlong(ms: float) -> str:
    """The sentence for a statement that was stopped by its limit."""
    return f"the statement took longer than {format_duration(round(ms))}"


def plain(value: Any) -> Any:
    """A number that JSON can't hold as text, everything else as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def as_text(value: Any) -> str | None:
    """A value as databases print it; None for NULL."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
