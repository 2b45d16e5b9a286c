"""Where a value of a migrated document came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.versioning.chain import Migration


def trace_steps(original: dict[str, Any], steps: tuple[Migration, ...]) -> Callable[[Path], Path]:
    """The place in ``original`` that a place in the result of ``steps`` came from."""
    return lambda path: path
