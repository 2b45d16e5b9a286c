"""What an operator asks of every source on this machine: two variables, which no pull request can set.

Looked at by every plan, the one without changes too, so nothing but the variables is read where they are empty.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.base.errors import UsageError
from reconciler.policy.names import PRESETS, Preset

FOLDERS, PRESET = "GITOPS_POLICIES", "GITOPS_POLICY_PRESET"


class Operator(NamedTuple):
    """The operator's word. ``files`` are the policy files with their contents, by path."""

    preset: Preset = "off"
    files: tuple[tuple[str, bytes], ...] = ()


def operator(environ: Mapping[str, str] | None = None) -> Operator:
    """As the variables say. Raises ``UsageError``: a rule that can't be read must not be passed over."""
    environ = os.environ if environ is None else environ
    folders, preset = environ.get(FOLDERS, ""), environ.get(PRESET, "").strip() or "off"
    if preset not in PRESETS:
        raise UsageError(f"{PRESET} is {preset!r}", hint=f"there are {', '.join(PRESETS)}")
    files = [file for name in re.split("[:,]", folders) if name.strip() for file in _read(Path(name.strip()))]
    return Operator(preset, tuple(files))


def operator_inputs(environ: Mapping[str, str] | None = None) -> tuple[bytes, ...]:
    """What of it decides how a plan is judged; empty where the operator says nothing."""
    found = operator(environ)
    if found == Operator():
        return ()
    return (found.preset.encode(), *(part for path, data in found.files for part in (path.encode(), data)))


def _read(folder: Path) -> list[tuple[str, bytes]]:
    if not folder.is_dir():
        raise UsageError(f"{FOLDERS} names the folder {folder}, which isn't there")
    try:
        paths = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
        return [(str(path), path.read_bytes()) for path in paths]
    except OSError as error:
        raise UsageError(f"{FOLDERS}: {error.filename} can't be read: {error.strerror}") from error
