"""One budget over both streams of a run."""

from __future__ import annotations


class Budget:
    """Collects stdout and stderr; :attr:`spent` turns True with the first byte too many, which isn't kept."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = limit if limit is not None else 0
        self._streams: tuple[list[bytes], list[bytes]] = ([], [])
        self.spent = False

    def add(self, stream: int, data: bytes) -> None:
        """Keep ``data`` of stream 0 (stdout) or 1 (stderr), as far as the budget goes."""
        if self._limit is not None:
            if len(data) > self._left:
                data, self.spent = data[: self._left], True
            self._left -= len(data)
        if data:
            self._streams[stream].append(data)

    def take(self) -> tuple[bytes, bytes]:
        """(stdout, stderr); where the budget cut a stream it ends on a whole character."""
        out, err = (b"".join(parts) for parts in self._streams)
        return (whole(out), whole(err)) if self.spent else (out, err)


def whole(data: bytes) -> bytes:
    """``data`` without a UTF-8 character that was begun and not ended; anything that isn't UTF-8 stays as it is."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        need = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if need > back else data
    return data
