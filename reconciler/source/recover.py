"""The careful way to read a file that the quick way refused: piece by piece, each with a verdict of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import NamedTuple

from reconciler.source import faults as f
from reconciler.source.events import read
from reconciler.source.faults import Parsed, Refused, YamlFault
from reconciler.source.limits import MAX_DOCUMENTS, MAX_PURE_BYTES
from reconciler.source.oddities import Budget, Oddities
from reconciler.source.outline import with_first_lines
from reconciler.source.parsers import EventSource, c_parser, pure_parser
from reconciler.source.wording import encoding_fault, syntax_fault

_MARKER = re.compile(rb"(?:^|(?<=\r))(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NO_CONTENT = re.compile(rb"(?>\xef\xbb\xbf)?(?>(?:[ \t]*(?:#[^\r\n]*)?|%[^\r\n]*)(?>\r\n|\n|\r|\Z))*+\Z")
_COMMENTS = re.compile(rb"(?>\xef\xbb\xbf)?(?>[ \t]*(?:#[^\r\n]*)?(?>\r\n|\n|\r|\Z))*+\Z")
_BREAK = re.compile(rb"\r\n|\n|\r")


class Piece(NamedTuple):
    """Part of a file with at most one document. ``line`` is what stands before it, in lines."""

    data: bytes
    line: int

    def holds_document(self) -> bool:
        """Whether this piece counts: one with a marker does, even when nothing follows it; one of comments doesn't."""
        marker = _MARKER.search(self.data)
        if marker is not None and marker.group() == b"---":
            return True
        return not _COMMENTS.match(self.data, 0, marker.start() if marker else len(self.data))


def pieces(data: bytes) -> Iterator[Piece]:
    """Cut a file at its document markers.

    ``---`` and ``...`` at the start of a line are markers wherever they stand, inside quoted and block scalars too, so
    the cut is exact. Comments and directives before the first ``---`` belong to the document that follows them.
    """
    start = line = 0
    for end in chain(_cuts(data), (len(data),)):
        if end > start:
            yield Piece(data[start:end], line)
            line += sum(1 for _ in _BREAK.finditer(data, start, end))
            start = end


def _cuts(data: bytes) -> Iterator[int]:
    last = 0
    for match in _MARKER.finditer(data):
        at = match.start()
        if match.group() == b"---":
            if _NO_CONTENT.match(data, last, at):
                continue
        else:
            end = _BREAK.search(data, at)
            at = end.end() if end else len(data)
        last = at
        yield at


def recover(data: bytes) -> tuple[list[Parsed], list[YamlFault]]:
    """The healthy documents of a file and every fault of the others, by line. Never raises."""
    parsed: list[Parsed] = []
    faults: list[YamlFault] = []
    budget, index = Budget(), 0
    for piece in pieces(data):
        if index >= MAX_DOCUMENTS:
            message = f"a file may hold at most {MAX_DOCUMENTS:,} documents"
            faults.append(YamlFault(f.YAML_LIMIT, message, piece.line + 1, 1, "split it into several files"))
            break
        if not piece.holds_document():
            # Comments and a lone `...`, which the parsers refuse and YAML allows; but they are text like all the rest.
            fault = encoding_fault(piece.data, piece.line)
            faults += [fault] if fault is not None else []
            continue
        odd = judge(piece, budget, index)
        parsed += odd.parsed
        faults += odd.faults
        index += 1
    return parsed, sorted(faults, key=lambda fault: (fault.line, fault.column))


def judge(piece: Piece, budget: Budget, index: int) -> Oddities:
    """Read one piece, by the quick parser and by the pure one where that refuses. Never raises."""
    spent = budget.left
    odd = Oddities(budget, first_index=index, first_line=piece.line)
    try:
        sources = open_piece(piece)
    except Refused as refused:
        odd.faults.append(refused.fault)
        return odd
    for attempt, opened in enumerate(sources, 1):
        budget.left = spent
        odd = Oddities(budget, first_index=index, first_line=piece.line)
        try:
            read(opened(), odd)
        except Refused as refused:
            odd.faults.append(refused.fault)
        except Exception as error:
            # Mostly YAMLError. The parsers aren't ours: whatever else they raise is a file they can't read, too.
            if attempt < len(sources) and budget.slow >= len(piece.data):
                budget.slow -= len(piece.data)
                continue
            odd.faults.append(syntax_fault(error, piece.data, piece.line))
        break
    if odd.faults:
        odd.parsed.clear()
    with suppress(Exception):  # a broken end doesn't matter: the fault is told without the line of the first key
        odd.faults = with_first_lines(odd.faults, opened, piece.line)
    return odd


def open_piece(piece: Piece) -> list[Callable[[], EventSource]]:
    """The parsers to ask about a piece, in their order. Raises ``Refused`` for what is no text."""
    fault = encoding_fault(piece.data, piece.line)
    if fault is not None:
        raise Refused(fault)
    c = c_parser()
    text = piece.data.decode("utf-8")
    if c is None:
        return [partial(pure_parser(), text)]
    quick = partial(c, piece.data)
    return [quick] if len(piece.data) > MAX_PURE_BYTES else [quick, partial(pure_parser(), text)]
