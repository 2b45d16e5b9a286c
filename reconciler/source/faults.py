"""What reading a file can find: documents, and faults that already know their line.

Unlike the later stages, which name a JSON path, the reader of YAML works where no path exists yet: half of the faults
below mean that there is no document. So they carry line and column themselves, both from 1, columns in characters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

YAML_SYNTAX = "yaml-syntax"
DUPLICATE_KEY = "duplicate-key"
UNKNOWN_TAG = "unknown-tag"
BAD_ENCODING = "bad-encoding"
YAML_LIMIT = "yaml-limit"
BAD_KEY = "bad-key"
BAD_NUMBER = "bad-number"
TAB_INDENT = "tab-indent"


class Parsed(NamedTuple):
    """One document of a file. ``index`` counts all its documents from 0, the empty ones too; ``line`` is 1-based.

    ``value`` is plain JSON data and nothing else in the program holds a part of it: aliases were copied.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    line: int
    value: Any


class YamlFault(NamedTuple):
    """Why a document, or a whole file, can't be read. ``line`` and ``column`` count from 1, columns in characters."""

    code: str
    message: str
    line: int
    column: int
    hint: str | None = None


class Refused(Exception):
    """Reading this document can't go on; ``fault`` says why. Never leaves this package."""

    def __init__(self, fault: YamlFault) -> None:
        super().__init__(fault.message)
        self.fault = fault
