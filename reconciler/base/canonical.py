"""One way to write JSON, so that equal meaning gives equal bytes, and one digest over them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
_OPTIONS = orjson.OPT_SORT_KEYS


def dumps(value: Json) -> bytes:
    """Canonical JSON: keys sorted, no blanks, UTF-8. Raises ``TypeError`` for what JSON has no form for."""
    return orjson.dumps(value, option=_OPTIONS)


def loads(data: bytes | str) -> Any:
    """Read JSON back; raises ``ValueError`` when it is none."""
    return orjson.loads(data)


def digest(*parts: bytes) -> str:
    """32 hexadecimal digits (BLAKE2b, 128 bits) over the parts in their order, each counted by its length."""
    if len(parts) == 1:
        return blake2b(parts[0], digest_size=16).hexdigest()
    h = blake2b(digest_size=16)
    for part in parts:
        h.update(len(part).to_bytes(8, "big"))
        h.update(part)
    return h.hexdigest()
