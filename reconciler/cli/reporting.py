"""Results that go into files as well, in formats of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    _Reports = click.ParamType["Report"]
else:  # older releases of click have no parameter here
    _Reports = click.ParamType


class Report(NamedTuple):
    """One more copy of the result."""

    format: str
    file: Path


class ReportType(_Reports):
    """``sarif=out.sarif``, of the formats that a command has."""

    name = "format=file"
    envvar_list_splitter = ","

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = formats

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Report:
        """Fails with a sentence."""
        if isinstance(value, Report):
            return value
        name, equals, file = str(value).strip().partition("=")
        if not equals or not file or name not in self._formats:
            self.fail(f"{str(value)!r} isn't FORMAT=FILE with one of {', '.join(self._formats)}", param, ctx)
        return Report(name, Path(file))
