"""Files that commands write: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.errors import UsageError

if TYPE_CHECKING:
    from reconciler.model.plan import Plan


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` at once, so that a killed command leaves the old file. Raises ``UsageError`` where it can't."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="name another file") from error


def read_plan(path: Path) -> Plan:
    """A saved plan. Raises ``UsageError`` where there is none, ``GitopsError`` for what isn't one."""
    from reconciler.plan.file import load_plan

    try:
        return load_plan(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="gitops plan --out FILE makes it") from error
