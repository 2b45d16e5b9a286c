"""Folders that the dropped identity couldn't reach, such as an interpreter below a private home."""

from __future__ import annotations

import os
import stat
from functools import lru_cache

from reconciler.sandbox.policy import NOBODY, SandboxPolicy
from reconciler.sandbox.spawner import Spawner


def reachable_binds(
    binds: tuple[tuple[str, str], ...], spawner: Spawner, policy: SandboxPolicy, *, root: bool
) -> tuple[tuple[str, str], ...]:
    """The same binds, with every source in a place that the sandbox's identity can reach. Raises ``OSError``."""
    if not root or policy.privilege.mode != "drop-to-uid":
        return binds
    uid = policy.privilege.uid or NOBODY
    gid = policy.privilege.gid or uid
    return tuple((source if reachable(source, uid, gid) else spawner.stage(source), inside) for source, inside in binds)


@lru_cache(maxsize=1024)
def reachable(path: str, uid: int, gid: int) -> bool:
    """Whether that identity can walk to ``path`` (links resolved). Access lists beyond the mode bits don't count."""
    parts = os.path.realpath(path).split("/")
    return all(_searchable("/".join(parts[:n]) or "/", uid, gid) for n in range(1, len(parts)))


def _searchable(folder: str, uid: int, gid: int) -> bool:
    try:
        found = os.stat(folder)
    except OSError:
        return False
    if found.st_uid == uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH))
