"""Where text goes. One object a command: the only place that writes to the streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from reconciler.report.style import Style, style_for

Format = Literal["text", "table", "yaml", "json", "markdown", "sarif", "junit", "github", "gitlab", "rdjson"]
"""``text`` is what a command does when nothing is asked for. The last five are those of findings."""


@dataclass(frozen=True, slots=True)
class Output:
    """``quiet`` leaves errors and JSON only. ``stream``: results come one by one, and so does a failure among them."""

    format: Format = "text"
    quiet: bool = False
    no_color: bool = False
    stream: bool = False

    @property
    def json(self) -> bool:
        """Whether the result goes out as JSON."""
        return self.format == "json"

    @property
    def style(self) -> Style:
        """For the result."""
        return style_for(sys.stdout, no_color=self.no_color)

    @property
    def terminal(self) -> bool:
        """Whether a person reads the result as it comes."""
        return sys.stdout.isatty()

    def lines(self, lines: Iterable[str]) -> None:
        """The result as text; nothing when quiet."""
        if not self.quiet:
            _write(sys.stdout, "".join(f"{line}\n" for line in lines))

    def result(self, text: str) -> None:
        """What a command is for, quiet or not, as it is."""
        _write(sys.stdout, text)

    def data(self, value: Any) -> None:
        """The result as JSON: keys sorted, indented."""
        if self.stream:
            self.line_of_data(value)
            return
        import orjson

        options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        _write(sys.stdout, _spelled(orjson.dumps(value, option=options).decode(), sys.stdout))

    def line_of_data(self, value: Any) -> None:
        """One of many results that come one by one: JSON on a line."""
        import orjson

        _write(sys.stdout, _spelled(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE).decode(), sys.stdout))

    def errors(self, lines: Iterable[str]) -> None:
        """To stderr, always."""
        _write(sys.stderr, "".join(f"{line}\n" for line in lines))

    def note(self, line: str) -> None:
        """To stderr, for people; nothing when quiet."""
        if not self.quiet:
            _write(sys.stderr, f"{line}\n")

    @property
    def error_style(self) -> Style:
        """For stderr."""
        return style_for(sys.stderr, no_color=self.no_color)


def _spelled(text: str, stream: TextIO) -> str:
    """JSON means the same with what is escaped that steers a terminal or a CI job, or that the stream can't hold."""
    if "##" in text:
        text = text.replace("##[", "#\\u0023[").replace("##vso", "#\\u0023vso")
    if text.isascii():
        return text
    import json
    import re

    wide = (stream.encoding or "").lower().startswith("utf")
    odd = "[\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]" if wide else "[^\x00-\x7f]"
    return re.sub(odd, lambda found: json.dumps(found[0])[1:-1], text)


def _write(stream: TextIO, text: str) -> None:
    """Write and flush. A reader that went away (``| head``) is no failure: an apply must not stop for it."""
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        _write(stream, text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Let further writes to the stream vanish, and its last flush succeed."""
    with suppress(OSError, ValueError):  # a stream without a file, as in tests
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, stream.fileno())
        os.close(target)
