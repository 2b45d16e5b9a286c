"""One allowance of bytes for both streams of a run.

Two budgets would let a script write twice what the operator allowed. Reading stops at the chunk that goes over, so that
memory is bounded by the limit and one chunk, whatever the script does.
"""

from __future__ import annotations

from typing import Literal

_LONGEST = 4  # bytes of one character in UTF-8


class Budget:
    """Collects the output of one run. ``limit`` in bytes; None is without a limit."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = limit
        self._kept: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self.truncated = False
        """Whether more was written than is kept; the run is to be killed then."""

    def take(self, stream: Literal["stdout", "stderr"], data: bytes) -> bool:
        """Keep a chunk. False once the allowance is used up: stop reading, kill once."""
        if self.truncated:
            return False
        self._kept[stream].append(data)
        if self._left is not None:
            self._left -= len(data)
            self.truncated = self._left < 0
        return not self.truncated

    def result(self) -> tuple[bytes, bytes]:
        """(stdout, stderr) within the limit. Stdout comes first, since the message of a check is there."""
        out, err = (b"".join(self._kept[name]) for name in ("stdout", "stderr"))
        if self._limit is None or not self.truncated:
            return out, err
        out = cut(out, self._limit)
        return out, cut(err, self._limit - len(out))


def cut(data: bytes, limit: int) -> bytes:
    """At most ``limit`` bytes from the front, never ending inside a character; invalid UTF-8 is cut anywhere."""
    if len(data) <= limit:
        return data
    kept = data[:limit]
    for back in range(1, min(_LONGEST, len(kept) + 1)):
        byte = kept[-back]
        if byte & 0xC0 != 0x80:  # the first byte of a character, or plain ASCII
            return kept[:-back] if _width(byte) > back else kept
    return kept


def text(data: bytes) -> str:
    """What a person reads: invalid bytes become replacement characters, blanks at both ends go."""
    return data.decode("utf-8", "replace").strip()


def _width(first: int) -> int:
    if first >= 0xF0:
        return 4
    if first >= 0xE0:
        return 3
    return 2 if first >= 0xC0 else 1
