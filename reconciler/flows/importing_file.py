"""The files of another tool as importers see them: values, with the lines and the comments they stand on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Path
from reconciler.importers.port import Unreadable
from reconciler.importers.probe import At
from reconciler.source.yaml import load

if TYPE_CHECKING:
    from reconciler.source.positions import Positions

MOST_BYTES = 64 * 1024 * 1024
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class GivenFile:
    """A :class:`~reconciler.importers.port.File` that was read whole. ``place`` is None for standard input."""

    def __init__(self, name: str, data: bytes, place: FilePath | None) -> None:
        self.name, self.data, self._place = name, data, place

    @cached_property
    def text(self) -> str:
        """Raises ``Unreadable`` for what isn't UTF-8."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise Unreadable("the file is not UTF-8", line, "save it as UTF-8") from None

    def yaml(self) -> Any:
        """The first document."""
        documents, faults = self._loaded
        if faults:
            raise Unreadable(f"this is no YAML: {faults[0].message}", faults[0].line, faults[0].hint)
        return next((parsed.value for parsed in documents if parsed.value is not None), None)

    def json(self) -> Any:
        """The whole file."""
        try:
            return loads(self.text)
        except ValueError as error:
            line = getattr(error, "lineno", None)
            raise Unreadable(f"this is no JSON: {str(error).partition(':')[0]}", line) from None

    def at(self, path: Path = ()) -> At:
        """With a line where the file can be read as YAML, which JSON mostly can."""
        return At(self.name, _shown(path), self._line(path))

    def above(self, path: Path) -> tuple[str, ...]:
        """Comments and blank lines directly above, the blank ones left out."""
        number = self._line(path)
        found: list[str] = []
        index = (number or 1) - 2
        while 0 <= index < len(self._lines) and (not self._lines[index].strip() or _only_comment(self._lines[index])):
            if text := self._lines[index].strip():
                found.insert(0, text.lstrip("#").strip())
            index -= 1
        # What stands above everything speaks of the whole file.
        return tuple(line for line in found if line) if index >= 0 else ()

    def beside(self, path: Path) -> str | None:
        """Behind the value, on its line."""
        number = self._line(path)
        if number is None or not 0 < number <= len(self._lines):
            return None
        return _trailing(self._lines[number - 1])

    def matching(self, pattern: str) -> Sequence[GivenFile]:
        """Files on the disk; none for standard input, and for a pattern that nothing fits."""
        if self._place is None:
            return ()
        try:
            start = FilePath(pattern).anchor
            base = FilePath(start) if start else self._place.parent
            found = sorted(base.glob(pattern.removeprefix(start)))
        except (OSError, ValueError, NotImplementedError):
            return ()
        given: list[GivenFile] = []
        for place in found:
            if place.is_file() and place.stat().st_size <= MOST_BYTES:
                name = FilePath(self.name).parent / place.relative_to(base) if not start else place
                given.append(GivenFile(str(name), place.read_bytes(), place))
        return given

    @cached_property
    def _loaded(self) -> tuple[list[Any], list[Any]]:
        return load(self.data)

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def _first(self) -> int | None:
        documents, faults = self._loaded
        if faults:
            return None
        return next((parsed.index for parsed in documents if parsed.value is not None), None)

    @cached_property
    def _positions(self) -> Positions | None:
        """Every place of the document, found once: nearly everything that is said names its line."""
        from reconciler.source.positions import positions

        return None if self._first is None else positions(self.data, self._first)

    def _line(self, path: Path) -> int | None:
        return None if self._positions is None else self._positions.value(path)[0]


def _shown(path: Path) -> str:
    """``endpoints[3].url``; keys that aren't words in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _KEY.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text


def _only_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _trailing(line: str) -> str | None:
    """The comment at the end of a line of YAML; quotes are skipped, so that ``"a #b"`` holds none."""
    quote = ""
    for index, char in enumerate(line):
        if quote:
            if char == quote and not (quote == '"' and line[index - 1] == "\\"):
                quote = ""
        elif char in "\"'" and (index == 0 or line[index - 1] in " [{,:-"):
            quote = char
        elif char == "#" and index > 0 and line[index - 1] in " \t":
            return line[index:].lstrip("#").strip() or None
    return None
