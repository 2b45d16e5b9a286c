"""Where ``schemas/`` and ``migrations/`` are: inside the wheel as ``reconciler/_bundled``, else beside the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def bundled(name: str) -> Path:
    """The folder of that name (``schemas`` or ``migrations``). ``FileNotFoundError``: a broken installation."""
    for folder in (_PACKAGE / "_bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the folder {name}/ is missing from this installation; reinstall gitops-reconciler")
