"""Bytes of a file to plain values, with a line for everything that is wrong with it.

One quick attempt with the C parser over the whole file is enough for nearly every file. Where it is refused, the
file is cut at its document markers and every piece judged on its own (:mod:`reconciler.source.recover`), so that one
broken document doesn't hide its neighbours.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from reconciler.source import faults as f
from reconciler.source.events import read
from reconciler.source.faults import Parsed, YamlFault
from reconciler.source.limits import MAX_BYTES
from reconciler.source.oddities import Budget, Oddities
from reconciler.source.parsers import EventSource, c_parser

__all__ = ["Parsed", "YamlFault", "load"]

# What the parsers take for line ends and YAML 1.2 doesn't; it is refused where it stands (see recover).
_OTHER_BREAKS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Taped:
    """A parser whose events are kept, for who reads them a second time."""

    def __init__(self, source: EventSource, tape: list[Any]) -> None:
        self._source, self._tape = source, tape
        self.peek_event = source.peek_event

    def get_event(self) -> Any:
        event = self._source.get_event()
        self._tape.append(event)
        return event


def load(data: bytes, *, tape: list[Any] | None = None) -> tuple[list[Parsed], list[YamlFault]]:
    """All documents of a file that can be read, and all that is wrong with the others, by line. Never raises.

    ``tape`` is filled with the parser's events, where one quick attempt was enough; else it stays empty.
    """
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes, and {MAX_BYTES:,} is the most that is read"
        return [], [YamlFault(f.YAML_LIMIT, message, 1, 1, "split it into several files")]
    if data.startswith(_UTF16):
        return [], [YamlFault(f.BAD_ENCODING, "the file is UTF-16, and must be UTF-8", 1, 1, "save it as UTF-8")]
    parser = c_parser()
    if parser is not None and (data.isascii() or not any(mark in data for mark in _OTHER_BREAKS)):
        odd = Oddities(Budget())
        # Whatever the parser raises, and whatever is wrong, the careful way judges again.
        with suppress(Exception):
            read(parser(data) if tape is None else _Taped(parser(data), tape), odd)
            if not odd.faults:
                return odd.parsed, []
    if tape is not None:
        tape.clear()
    from reconciler.source.recover import recover

    return recover(data)
