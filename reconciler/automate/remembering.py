"""What triggers remember from one event to the next, and what of it changed since it was last kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from reconciler.model.remembered import Key, Remembered


class Memory:
    """All of them. What is changed here is kept by whoever asks for :meth:`changes`, or undone by making another."""

    def __init__(self, rows: Iterable[Remembered] = ()) -> None:
        self._rows: dict[Key, Remembered] = {}
        self._armed: defaultdict[str, set[Key]] = defaultdict(set)
        self._changed: set[Key] = set()
        for row in rows:
            self._set(row)

    def get(self, key: Key) -> Remembered | None:
        """One of them."""
        return self._rows.get(key)

    def put(self, row: Remembered) -> None:
        """It is so now."""
        if self._rows.get(row.key) != row:
            self._set(row)
            self._changed.add(row.key)

    def drop(self, key: Key) -> None:
        """Forget it."""
        if self._rows.pop(key, None) is not None:
            self._changed.add(key)
            if key[2] == "dwell":
                self._armed[key[3]].discard(key)

    def armed(self, part: str) -> list[Remembered]:
        """The dwells of a part, in an order of their own."""
        return [self._rows[key] for key in sorted(self._armed.get(part, ()))]

    def due(self, now: float) -> list[Remembered]:
        """Those whose time has come, earliest first."""
        found = [row for row in self._rows.values() if row.due_at is not None and row.due_at <= now]
        return sorted(found, key=lambda row: (row.due_at or 0.0, row.key))

    def next_due(self) -> float | None:
        """When the first of them is due."""
        return min((row.due_at for row in self._rows.values() if row.due_at is not None), default=None)

    def changes(self) -> tuple[list[Remembered], list[Key]]:
        """What is to be written, and what is to be deleted."""
        keys = sorted(self._changed)
        return [self._rows[k] for k in keys if k in self._rows], [k for k in keys if k not in self._rows]

    def kept(self) -> None:
        """The changes are kept."""
        self._changed.clear()

    def __iter__(self) -> Iterator[Remembered]:
        return iter(list(self._rows.values()))

    def _set(self, row: Remembered) -> None:
        self._rows[row.key] = row
        if row.what == "dwell":
            self._armed[row.part].add(row.key)
