"""Reading files that hold secrets."""

from __future__ import annotations

import os
import stat


def whole_file(handle: int, most: int) -> bytes | None:
    """Up to ``most`` bytes of an open file, which is closed; None where it is a folder, a pipe or a device."""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        parts: list[bytes] = []
        while most > 0 and (part := os.read(handle, most)):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)
    finally:
        os.close(handle)
