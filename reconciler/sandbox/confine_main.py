"""What still holds without namespaces: Landlock, the system call filter, limits of the process. Standard library only.

Loaded by the spawner and called in a freshly forked child. A weaker thing than a sandbox, and reported as just that:
Landlock doesn't hide names and sizes of files, and says nothing about UDP or where TCP goes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_RULE_PATH = 1
_VERSION_FLAG = 1
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read folder
_FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Rights over files that each version of the interface can refuse."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def landlock_version() -> int:
    """Of the kernel's interface; 0 when there is none."""
    return max(0, int(_LIBC.syscall(_CREATE, None, 0, _VERSION_FLAG)))


def become(argv: list[str], environment: dict[str, str], confine: dict[str, Any]) -> None:
    """Confine this process, then execute; returns never. Raises ``OSError`` for whatever can't be had.

    ``confine``: ``readable`` and ``writable`` (paths), ``network`` (False: no TCP), ``limits`` (number -> soft, hard),
    ``filter`` (hexadecimal program, or empty), ``privileges`` (whether set-uid programs may work), ``cwd``.
    """
    os.chdir(confine["cwd"])
    for name, pair in confine["limits"].items():
        _limit(int(name), pair)
    if not confine["privileges"]:
        _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if confine["writable"] is not None:
        _landlock(confine["readable"], confine["writable"], network=confine["network"])
    if confine["filter"]:
        program = bytes.fromhex(confine["filter"])
        described = _Filter(len(program) // 8, program)
        _checked(_LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(described), 0, 0), "seccomp")
    os.execve(argv[0], argv, environment)


def _limit(kind: int, pair: list[int]) -> None:
    """Never above the hard limit there is: nobody may raise that."""
    hard = resource.getrlimit(kind)[1]
    soft, top = (value if hard == resource.RLIM_INFINITY else min(value, hard) for value in pair)
    resource.setrlimit(kind, (soft, top))


def _landlock(readable: list[str], writable: list[str], *, network: bool) -> None:
    version = landlock_version()
    if version == 0:
        raise OSError(errno.ENOSYS, "landlock isn't there")
    files = _BY_ABI[min(version, 5)]
    tcp = 3 if version >= 4 and not network else 0
    scoped = 3 if version >= 6 else 0
    rules = _Rules(files, tcp, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _LIBC.syscall(_CREATE, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock ruleset")
    for paths, rights in ((readable, _READ), (writable, files)):
        for path in paths:
            _allow(ruleset, path, rights & files)
    _checked(_LIBC.syscall(_RESTRICT, ruleset, 0), "landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_ONLY
        below = _Below(rights, fd)
        _checked(_LIBC.syscall(_ADD, ruleset, _RULE_PATH, ctypes.byref(below), 0), f"landlock rule for {path}")
    finally:
        os.close(fd)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
