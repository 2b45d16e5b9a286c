"""What the runners put beside a script: files of ``staged/``, read once, and the header on standard input."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from functools import cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

_STAGED = Path(__file__).parent / "staged"
_UNCHECKED = bytes(12)
"""Flags, time and size of the source: nothing looks at them where there is no source beside it."""


@cache
def staged(name: str) -> bytes:
    """The content of a file that is staged."""
    return (_STAGED / name).read_bytes()


@cache
def compiled(name: str) -> bytes:
    """The same for a Python file, as a file of byte code: compiling it anew would be a quarter of a short run."""
    code = compile(staged(name), name, "exec", dont_inherit=True)
    return MAGIC_NUMBER + _UNCHECKED + marshal.dumps(code)


def header(token: str, context: Mapping[str, Any], packages: tuple[str, ...]) -> bytes:
    """What the runner reads before anything else. ``packages``: folders; the first that exists counts.

    Raises ``ValueError`` for a context that isn't JSON.
    """
    try:
        text = json.dumps({"token": token, "context": context, "packages": packages}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the context of a script must be JSON: {error}") from error
    return text.encode()
