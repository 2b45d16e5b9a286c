"""A cache that a hostile repository can't grow: bounded by what its entries cost, oldest out first."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class CostCache(Generic[T]):
    """``get`` and ``put`` by source text; ``limit`` is in bytes, roughly."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._entries: dict[str, tuple[T, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, source: str) -> T | None:
        """The entry, or none."""
        entry = self._entries.get(source)
        return entry[0] if entry else None

    def put(self, source: str, value: T, cost: int) -> T:
        """Keep ``value``, which costs about ``cost`` bytes, and drop what came first while there is too much."""
        if source not in self._entries:
            self._entries[source] = (value, cost)
            self._held += cost
            while self._held > self._limit:
                _, dropped = self._entries.pop(next(iter(self._entries)))
                self._held -= dropped
        return value
