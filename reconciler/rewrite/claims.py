"""Which piece of the old document each part of the new one is made of.

A claim is a path of the original. What a step carries along, renames by declaration, or leaves under its key is known;
a list or map that was built anew is recognised by what it holds. Where nothing is found the part is new. A wrong claim
could only make an edit larger than it had to be: every result is loaded again and compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.versioning.trace import Followed


class Claims:
    """``of[new path] = old path``; ``users[old path] = new path`` for claims of the same kind of value.

    A slot is a claim of another kind: a map that stands where a text stood. It says where, not what. ``whole`` holds
    the new paths of lists and maps that are just what they were; nothing below them is claimed apart.
    """

    def __init__(self, original: dict[str, Any], target: dict[str, Any], *, whole: bool = False) -> None:
        """``whole``: look for parts that stay as they are, which is quicker, and wrong where aliases mean them."""
        self.of: dict[Path, Path] = {(): ()}
        self.slots: dict[Path, Path] = {}
        self.users: dict[Path, Path] = {(): ()}
        self.whole: set[Path] = set()
        self._look_for_whole = whole
        self._below: dict[Path, set[Path]] | None = None
        self._original = original
        self._followed = Followed(original)
        self._anywhere = self._followed.anywhere
        self._strong(target, (), original, self._followed.migrated)
        self._weak(target, ())
        self._by_name(target)
        self._by_key(target)

    def in_whole(self, path: Path) -> bool:
        """Whether a new path lies inside of what is just as it was."""
        return any(path[:size] in self.whole for size in range(len(path)))

    def below(self, path: Path) -> set[Path]:
        """The old paths that the new value at ``path`` is made of, at whatever depth."""
        if self._below is None:
            self._below = {}
            for new, old in [*self.of.items(), *self._followed.carried(())]:
                for size in range(len(new) + 1):
                    self._below.setdefault(new[:size], set()).add(old)
        return self._below.get(path, set())

    def _strong(self, target: Any, at: Path, old: Any, marked: Any) -> None:
        """What is certain, from the top down. ``old`` is the old value that the target has claimed, or None.

        ``marked``: what stands at ``at`` in the migrated document whose scalars know where they were.
        """
        for step, value in _children(target):
            path = (*at, step)
            mark = _child(marked, step)
            container = isinstance(value, (dict, list))
            if path not in self.of:
                origin = None if container else getattr(mark, "origin", None)
                if origin is not None and origin not in self.users:
                    self.of[path], self.users[origin] = origin, path
                    continue
                for candidate in self._candidates(path, value, old, self.of.get(at)):
                    if self._take(path, value, candidate):
                        break
            if container:
                claimed = self.of.get(path)
                former = None if claimed is None else _get(self._original, claimed)
                if self._look_for_whole and claimed is not None and same(former, value):
                    self.whole.add(path)
                else:
                    self._strong(value, path, former, mark)

    def _candidates(self, path: Path, value: Any, old: Any, claimed: Path | None) -> Iterator[Path]:
        step = path[-1]
        if isinstance(value, (dict, list)) and isinstance(step, int) and claimed is not None and isinstance(old, list):
            counted = Counter(
                origin[len(claimed)]
                for _, origin in self._followed.carried(path)
                if len(origin) > len(claimed) and origin[: len(claimed)] == claimed
            )
            yield from ((*claimed, index) for index, _ in counted.most_common())
        if claimed is not None and isinstance(old, dict) and step in old:
            yield (*claimed, step)
        if claimed is not None and isinstance(old, dict) and (former := self._anywhere.get(step)) in old:
            yield (*claimed, former or step)
        yield from self._followed.named(path)
        if isinstance(step, int) and claimed is not None and isinstance(old, list) and step < len(old):
            yield (*claimed, step)

    def _take(self, path: Path, value: Any, old: Path) -> bool:
        found = _get(self._original, old)
        if _kind(found) is not _kind(value):
            if path in self.slots or old in self.slots.values():
                return False
            self.slots[path] = old
            return False
        if old in self.users:
            return False
        self.of[path], self.users[old] = old, path
        return True

    def _weak(self, target: Any, at: Path) -> None:
        """Containers without a claim, recognised by what they hold."""
        for step, value in _children(target):
            path = (*at, step)
            if not isinstance(value, (dict, list)) or path in self.whole:
                continue
            if path not in self.of and (old := self._by_content(path, value)) is not None:
                self.of[path], self.users[old] = old, path
                self._strong(value, path, _get(self._original, old), self._followed.at(path))
            self._weak(value, path)

    def _by_key(self, target: Any) -> None:
        """A map that became a list of maps: an item that holds one of its keys as a text was that pair."""
        for path, old in list(self.slots.items()):
            items, pairs = _get(target, path), _get(self._original, old)
            if not isinstance(items, list) or not isinstance(pairs, dict):
                continue
            for index, item in enumerate(items):
                names = (
                    [v for v in item.values() if isinstance(v, str) and v in pairs] if isinstance(item, dict) else []
                )
                for name in names[:1]:
                    free = [k for k, v in item.items() if v is not names[0] and (*path, index, k) not in self.of]
                    source = (*old, name)
                    if len(free) == 1 and source not in self.users and _kind(item[free[0]]) is _kind(pairs[name]):
                        self.of[*path, index, free[0]], self.users[source] = source, (*path, index, free[0])

    def _by_name(self, target: Any) -> None:
        """A key that is new here and gone there, and nowhere else: it moved, and a step changed its value."""
        gone = _keys(self._original, (), self.users, {self.of[path] for path in self.whole})
        new = _keys(target, (), self.of, self.whole)
        for name in gone.keys() & new.keys():
            if len(gone[name]) == len(new[name]) == 1 and isinstance(name, str):
                (path, value), (old, former) = new[name][0], gone[name][0]
                if old in self.slots.values():
                    continue
                if _kind(value) is _kind(former):
                    self.of[path], self.users[old] = old, path
                    self._strong(value, path, former, self._followed.at(path))
                else:
                    self.slots.setdefault(path, old)

    def _by_content(self, path: Path, value: Any) -> Path | None:
        for below, origin in self._followed.carried(path):
            cut = len(origin) - len(below)
            if cut > 0 and origin[cut:] == below:
                old = origin[:cut]
                if old not in self.users and _kind(_get(self._original, old)) is _kind(value):
                    return old
        return None


def _keys(data: Any, at: Path, known: dict[Path, Path], whole: set[Path]) -> dict[str | int, list[tuple[Path, Any]]]:
    """The keys of all maps whose values nobody claimed."""
    found: dict[str | int, list[tuple[Path, Any]]] = {}
    waiting: list[tuple[Path, Any]] = [(at, data)]
    while waiting:
        path, node = waiting.pop()
        for step, value in _children(node):
            below = (*path, step)
            if below not in known and isinstance(node, dict):
                found.setdefault(step, []).append((below, value))
            if isinstance(value, (dict, list)) and below not in whole:
                waiting.append((below, value))
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, types included: 1, 1.0 and true are three values."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if repr(one) == repr(other):  # nearly always, and much quicker than a walk
        return True
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return True


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _child(value: Any, step: str | int) -> Any:
    """What a map or list holds at ``step``; None for nothing."""
    if isinstance(value, dict):
        return value.get(step)
    inside = isinstance(value, list) and isinstance(step, int) and step < len(value)
    return value[step] if inside else None


def _kind(value: Any) -> type[Any]:
    return dict if isinstance(value, dict) else list if isinstance(value, list) else str


def _get(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
