"""Where a value of a migrated document came from, so that a fault of the head is shown at its line in the file.

The migration is run once more, over data whose scalars know their path. What a step carries along is found exactly.
What it builds anew (a duration out of a number, a translated template) is found by the names a step declares in
``RENAMED``, by what lies beside it and below it, and at last by its nearest ancestor. Used only for documents that have
a fault, so it may take its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.versioning.chain import Migration

ANY, DEEP = "*", "**"
"""In ``RENAMED``: any one part of a path; before a single key: wherever that key stands."""

Pattern = tuple[Path, Path]
Document = dict[str, Any]


class _Text(str):
    origin: Path


class _Whole(int):
    origin: Path


class _Real(float):
    origin: Path


def trace(original: Document, upgrade_fn: Callable[[Document], Document] | None = None) -> Callable[[Path], Path]:
    """A function from paths of the migrated document to paths of ``original``, which is valid in its own version.

    ``upgrade_fn`` is the migration, without checks; by default the one that :mod:`.upgrade` does.
    """
    from reconciler.versioning.upgrade import migrate_only, renamed

    return _Trace(original, upgrade_fn or migrate_only, renamed(original)).locate


def trace_steps(original: Document, steps: tuple[Migration, ...]) -> Callable[[Path], Path]:
    """The same for the result of some steps over the whole document."""

    def migrate(data: Document) -> Document:
        for step in steps:
            data = step.migrate(data)
        return data

    return _Trace(original, migrate, [pair for step in steps for pair in step.renamed]).locate


class Followed:
    """What a migrated document was made of, for who rewrites the text: no guesses, only what is known for sure."""

    def __init__(self, original: Document) -> None:
        from reconciler.versioning.upgrade import migrate_and_name, renamed

        try:
            migrated, names = migrate_and_name(_marked(original, ()))
        except Exception:
            # As in a trace: what is left are the declared names.
            migrated, names = {}, renamed(original)
        self._trace = _Trace(original, lambda data: migrated, names)

    def named(self, path: Path) -> Iterator[Path]:
        """Where the value at a path of the result was, by the names that the steps declare; best first."""
        found, node = _get(self._trace._migrated, path)
        below = _origins(node, ()) if found and getattr(node, "origin", None) is None else []
        for old in self._trace._renamed(path):
            for candidate in (*_corrected(old, below), old):
                if _has(self._trace._original, candidate):
                    yield candidate

    @property
    def migrated(self) -> Any:
        """The migrated document; a scalar that was carried along as it was has its ``origin``."""
        return self._trace._migrated

    def at(self, path: Path) -> Any:
        """What stands at a path of that; None where there is nothing."""
        return _get(self._trace._migrated, path)[1]

    @property
    def anywhere(self) -> dict[str | int, str | int]:
        """New name to old name of keys that are renamed wherever they stand."""
        return {new[1]: old[1] for new, old in self._trace._patterns if new[0] == DEEP}

    def carried(self, path: Path) -> list[tuple[Path, Path]]:
        """``(path below, origin)`` of every scalar at and below ``path`` that was carried along as it was."""
        found, node = _get(self._trace._migrated, path)
        return _origins(node, ()) if found else []


class _Trace:
    def __init__(
        self, original: Document, migrate: Callable[[Document], Document], patterns: Iterable[Pattern]
    ) -> None:
        self._original = original
        self._patterns = sorted(patterns, key=lambda pair: (pair[0][0] == DEEP, -len(pair[0])))
        try:
            self._migrated: Any = migrate(_marked(original, ()))
        except Exception:
            # A step that can't take marked values leaves the declared names and the shared ones.
            self._migrated = None

    def locate(self, path: Path) -> Path:
        """The path in the original; that of the nearest ancestor where there is nothing closer."""
        for candidate in self._candidates(path):
            if _has(self._original, candidate):
                return candidate
        return self.locate(path[:-1]) if path else ()

    def _candidates(self, path: Path) -> Iterator[Path]:
        found, node = _get(self._migrated, path)
        origin = getattr(node, "origin", None) if found else None
        if origin is not None:
            yield origin
        below = _origins(node, ()) if found and origin is None else []
        for named in self._renamed(path):
            yield from _corrected(named, below)
            yield named
        if isinstance(node, (dict, list)):
            yield path
            if below:
                yield _container(below)
        if path:
            yield from self._beside(path)
        yield path

    def _renamed(self, path: Path) -> Iterator[Path]:
        for new, old in self._patterns:
            if new[0] != DEEP and len(path) >= len(new) and all(n in (ANY, p) for n, p in zip(new, path, strict=False)):
                stars = (part for pattern, part in zip(new, path, strict=False) if pattern == ANY)
                yield (*(next(stars, 0) if part == ANY else part for part in old), *path[len(new) :])
        yield from self._renamed_anywhere(path)

    def _renamed_anywhere(self, path: Path) -> Iterator[Path]:
        """The path with those keys renamed that the original has under their old names."""
        renames = {new[1]: old[1] for new, old in self._patterns if new[0] == DEEP}
        named: Path = ()
        for part in path:
            known = _has(self._original, (*named, part))
            named = (*named, part if known else renames.get(part, part))
        if named != path:
            yield named

    def _beside(self, path: Path) -> Iterator[Path]:
        """What lies in the same container tells where the container was."""
        parent, key = path[:-1], path[-1]
        _, container = _get(self._migrated, parent)
        if not isinstance(container, dict):
            return
        for name, child in container.items():
            origin = getattr(child, "origin", None)
            if origin and origin[-1] == name:
                yield (*origin[:-1], key)


def _marked(value: Any, path: Path) -> Any:
    """The same data, its scalars knowing where they are. True, false and null can't."""
    if isinstance(value, dict):
        return {key: _marked(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, (*path, index)) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    marked: Any
    if isinstance(value, str):
        marked = _Text(value)
    elif isinstance(value, int):
        marked = _Whole(value)
    elif isinstance(value, float):
        marked = _Real(value)
    else:
        return value
    marked.origin = path
    return marked


def _origins(node: Any, path: Path) -> list[tuple[Path, Path]]:
    """``(path below the node, origin)`` of every marked scalar below a node."""
    if isinstance(node, dict):
        return [pair for key, item in node.items() for pair in _origins(item, (*path, key))]
    if isinstance(node, list):
        return [pair for index, item in enumerate(node) for pair in _origins(item, (*path, index))]
    origin = getattr(node, "origin", None)
    return [(path, origin)] if origin is not None else []


def _corrected(named: Path, below: list[tuple[Path, Path]]) -> Iterator[Path]:
    """A declared name with the indexes that what lies below it really came from."""
    for _, origin in below:
        if len(origin) >= len(named) and all(
            isinstance(o, int) == isinstance(n, int) for o, n in zip(origin, named, strict=False)
        ):
            yield origin[: len(named)]
            return


def _container(below: list[tuple[Path, Path]]) -> Path:
    """Where a container was, by what is in it: cut by the part they share, or else where their origins part."""
    for path, origin in below:
        if len(origin) >= len(path) and origin[len(origin) - len(path) :] == path:
            return origin[: len(origin) - len(path)]
    shared: Path = below[0][1]
    for _, origin in below[1:]:
        while origin[: len(shared)] != shared:
            shared = shared[:-1]
    return shared


def _get(data: Any, path: Path) -> tuple[bool, Any]:
    for part in path:
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if not inside:
            return False, None
        data = data[part]
    return True, data


def _has(data: Any, path: Path) -> bool:
    return _get(data, path)[0]
