"""Sentences for what the parsers refuse: what they say is right, but rarely what the author has to do."""

from __future__ import annotations

import re
from typing import Any, Final

from reconciler.source import faults as f
from reconciler.source.faults import YamlFault

# Control characters, and the three that the parsers take for a line end while YAML 1.2 doesn't.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_BREAKS = re.compile(r"\r\n|\n|\r")
_HINTS: Final = (
    ("mapping values are not allowed", 'check the indentation of this line, and quote a value that holds ": "'),
    ("found unexpected ':'", "put the value in quotes"),
    ("could not find expected ':'", "add the colon after this key, or close the quote or bracket above it"),
    ("found unexpected end of stream", "close the quote"),
    ("found unexpected document", "close the quote before the document ends"),
    ("that cannot start any token", "put the value in quotes"),
    ("expected <block end>", "check the indentation of this line against the lines above it"),
    ("expected <document start>", "check the indentation of this line; a second document begins with ---"),
    ("expected ',' or", "close the bracket or brace, or put a comma between the entries"),
    ("unknown escape character", "write \\\\ for a backslash, or use single quotes"),
    ("surrogate pair", "write both halves of the pair, or the character itself"),
    ("leading spaces", "indent the first lines of the block no deeper than the text"),
)


def encoding_fault(data: bytes, first_line: int) -> YamlFault | None:
    """What keeps ``data`` from being text that YAML allows, at its first place; ``first_line`` lines come before."""
    if b"\x00" in data[:4]:
        return YamlFault(
            f.BAD_ENCODING,
            "the file looks like UTF-16 or UTF-32, and must be UTF-8",
            first_line + 1,
            1,
            "save it as UTF-8",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = place(data[: error.start].decode("utf-8"), first_line)
        message = f"the byte 0x{data[error.start]:02x} is not valid UTF-8"
        return YamlFault(f.BAD_ENCODING, message, line, column, "save the file as UTF-8")
    match = _NOT_TEXT.search(text)
    # U+0085 is a printable character to YAML, but a line end to the parsers; so it is refused with the others.
    if match is None:
        return None
    line, column = place(text[: match.start()], first_line)
    code = ord(match.group())
    name = "the line separator" if code in (0x85, 0x2028, 0x2029) else "the control character"
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    hint = f'remove it, or write it as "{escape}" in double quotes'
    return YamlFault(f.BAD_ENCODING, f"{name} U+{code:04X} can't stand in YAML", line, column, hint)


def place(before: str, first_line: int) -> tuple[int, int]:
    """Line and column, from 1, of the character after ``before``. A byte order mark takes no column."""
    breaks = [m.end() for m in _BREAKS.finditer(before)]
    start = breaks[-1] if breaks else 0
    return first_line + len(breaks) + 1, len(before) - start + 1 - before.startswith("\ufeff") * (not breaks)


def syntax_fault(error: Exception, data: bytes, first_line: int) -> YamlFault:
    """The fault for what a parser raised while it read ``data``, which is valid UTF-8."""
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "this can't be read as YAML"
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = _BREAKS.split(data.decode("utf-8"))
    source = lines[line] if line < len(lines) else ""
    if "\t" in source[: len(source) - len(source.lstrip())] and column <= len(source) - len(source.lstrip()):
        column = source.index("\t")
        message = "a tab can't be used for indentation"
        return YamlFault(f.TAB_INDENT, message, first_line + line + 1, column + 1, "indent with spaces")
    message = _sentence(str(problem), error, first_line, line)
    return YamlFault(f.YAML_SYNTAX, message, first_line + line + 1, column + 1, _hint(message, source, column))


def _sentence(problem: str, error: Exception, first_line: int, line: int) -> str:
    """The parser's words, with the line where the broken construct began when that is another one."""
    context, mark = getattr(error, "context", None), getattr(error, "context_mark", None)
    if not context:
        return problem
    since = f" that begins in line {first_line + mark.line + 1}" if mark is not None and mark.line != line else ""
    return f"{problem} ({context}{since})"


def _hint(message: str, source: str, column: int) -> str | None:
    if source.lstrip(" -").startswith("{{") or re.search(r"[:,\[-] *\{\{", source):
        return 'a value that begins with {{ must be quoted: "{{ ... }}"'
    if "cannot start any token" in message and source[column : column + 1] == "\t":
        return "use spaces instead of the tab"
    return next((hint for words, hint in _HINTS if words in message), None)
