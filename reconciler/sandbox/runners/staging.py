"""What the runners put beside a script: files of ``staged/``, read once, and the header on standard input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_STAGED = Path(__file__).parent / "staged"


@cache
def staged(name: str) -> bytes:
    """The content of a file that is staged."""
    return (_STAGED / name).read_bytes()


def header(token: str, context: Mapping[str, Any], packages: tuple[str, ...]) -> bytes:
    """What the runner reads before anything else. ``packages``: folders; the first that exists counts.

    Raises ``ValueError`` for a context that isn't JSON.
    """
    try:
        text = json.dumps({"token": token, "context": context, "packages": packages}, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the context of a script must be JSON: {error}") from error
    return text.encode()
