"""Files that commands write: whole, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.errors import PlanRefused, UsageError

if TYPE_CHECKING:
    from reconciler.model.plan import Plan


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` at once, so that a killed command leaves the old file. Raises ``UsageError`` where it can't.

    Pipes and devices (``/dev/stdout``, ``/dev/null``) are written to: replacing one would take it from everybody. Of a
    symlink, what it leads to is replaced.
    """
    if not path.name:
        raise UsageError(f"'{path}' is no name of a file", hint="name another file")
    aside: Path | None = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        target = path.resolve()
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        aside.write_bytes(data)
        aside.replace(target)
    except OSError as error:
        if aside is not None:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="name another file") from error


def read_plan(path: Path, *, digest: str | None = None) -> Plan:
    """A saved plan. Raises ``UsageError`` where there is none, ``GitopsError`` for what isn't one.

    ``digest`` is that of the plan which was reviewed: whoever can replace the file can seal another plan as well, so
    ``PlanRefused`` is raised for one with another digest.
    """
    from reconciler.plan.file import load_plan, plan_digest

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="gitops plan --out FILE makes it") from error
    plan = load_plan(data)
    if digest is not None and plan_digest(data) != digest.strip().lower():
        message = f"{path} isn't the plan that was reviewed: its digest is {plan_digest(data)}"
        raise PlanRefused("digest", message, hint="have this one reviewed, or bring the other")
    return plan
