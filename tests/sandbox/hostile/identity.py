"""Become an ordinary user for good, with an interpreter that may live below a private folder."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_BIND, _REC, _PRIVATE, _MOVE = 4096, 16384, 1 << 18, 8192


def become(uid: int) -> None:
    """Drop from root to ``uid`` in a mount namespace where every folder on the way to Python can be walked."""
    if _LIBC.unshare(0x20000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", None, _REC | _PRIVATE)
    for path in {sys.base_prefix, sys.prefix, str(Path(__file__).parents[3])}:
        _expose(path)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.environ["HOME"] = "/tmp"
    sys.dont_write_bytecode = True
    # After a change of user the kernel veils what /proc says of us, as it wouldn't for one who started as that user.
    _LIBC.prctl(4, 1, 0, 0, 0)


def _expose(path: str) -> None:
    """Cover the first folder on the way that others can't walk, and put ``path`` back inside the cover."""
    closed = next((p for p in reversed(Path(path).parents) if not p.stat().st_mode & 0o001), None)
    if closed is None:
        return
    hold = "/media" if not path.startswith("/media") else "/mnt"
    _mount("hold", hold, "tmpfs", 0)
    os.mkdir(f"{hold}/kept")
    _mount(path, f"{hold}/kept", None, _BIND | _REC)
    _mount("cover", str(closed), "tmpfs", 0, "mode=755")
    os.makedirs(path)
    _mount(f"{hold}/kept", path, None, _MOVE)
    _LIBC.umount2(hold.encode(), 2)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    coded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    if _LIBC.mount(coded[0], coded[1], coded[2], ctypes.c_ulong(flags), coded[3]) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")
