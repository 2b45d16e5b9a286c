"""One YAML document as it was read, before anything was understood."""

from __future__ import annotations

from typing import Any, NamedTuple


class Document(NamedTuple):
    """``data`` is plain JSON data (YAML 1.2 core schema). ``nth`` counts the documents of the file from 0."""

    path: str
    blob: str
    nth: int
    line: int
    data: dict[str, Any]
