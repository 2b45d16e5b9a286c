"""What a probe runs inside the sandbox: it tries what a script mustn't, and prints what happened as JSON.

Standard library only, run by path with a throw-away sandbox around it. Arguments: a TCP port of the host's loopback and
an abstract socket that the supervisor listens on, and the memory limit in bytes.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE, _UNSHARE, _SECCOMP = {"x86_64": (101, 272, 317), "aarch64": (117, 97, 277)}.get(platform.machine(), (-1,) * 3)
_FORBIDDEN_WRITES = ("/probe", "/usr/probe", "/etc/probe", "/dev/probe", "/proc/sys/kernel/hostname")
_FORBIDDEN_READS = ("/etc/shadow", "/root", "/home", "/sys/kernel", "/run", "/var/log", "/boot")


def _outcome(action: Any) -> str:
    """``done``, or the name of the error."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except MemoryError:
        return "MemoryError"
    return "done"


def _call(number: int, *arguments: int) -> str:
    ctypes.set_errno(0)
    if number < 0 or _LIBC.syscall(number, *arguments) >= 0:
        return "done"
    return errno.errorcode.get(ctypes.get_errno(), "?")


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _forks(most: int) -> int:
    """How many children live at once, until the kernel refuses one."""
    children: list[int] = []
    for _ in range(most):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            time.sleep(20)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.kill(pid, 9)
    for pid in children:
        os.waitpid(pid, 0)
    return len(children)


def _file_size(most: int) -> int:
    """Bytes that fit into one file in /scratch, up to ``most``."""
    written = 0
    with suppress(OSError), open("/scratch/.probe", "wb", buffering=0) as file:
        while written < most:
            written += file.write(bytes(1 << 16)) or 0
    with suppress(OSError):
        os.unlink("/scratch/.probe")
    return written


def _connect(family: int, address: Any) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return _outcome(lambda: probe.connect(address))


def _listener() -> bool:
    """Whether a filter that asks its supervisor can be installed on top."""

    class _Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))

    allow_all = b"\x06\x00\x00\x00\x00\x00\xff\x7f"
    described = _Filter(1, allow_all)
    return _SECCOMP > 0 and int(_LIBC.syscall(_SECCOMP, 1, 8, ctypes.byref(described))) >= 0


def main() -> None:
    """Try everything, in an order in which nothing disturbs what follows."""
    port, name, memory = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    status = _status()
    found = {
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "capabilities": [status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "noNewPrivileges": status.get("NoNewPrivs") == "1",
        "filter": status.get("Seccomp") == "2",
        "processes": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
        "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
        "interfaces": [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]],
        "routes": len(Path("/proc/net/route").read_text().splitlines()) - 1,
        "writes": {path: _outcome(lambda p=path: os.open(p, os.O_WRONLY | os.O_CREAT)) for path in _FORBIDDEN_WRITES},
        "reads": {path: _outcome(lambda p=path: os.stat(p)) for path in _FORBIDDEN_READS},
        "scratch": _outcome(lambda: Path("/scratch/probe").write_bytes(b"x")),
        "loopback": _connect(socket.AF_INET, ("127.0.0.1", port)),
        "abstract": _connect(socket.AF_UNIX, "\0" + name),
        "ptrace": _call(_PTRACE, 0, 0, 0, 0),
        "unshare": _call(_UNSHARE, 0x10000000),
        "vsock": _outcome(lambda: socket.socket(40, socket.SOCK_STREAM)),
        "memory": _outcome(lambda: bytearray(memory + (64 << 20))),
        "fileSize": _file_size(4 << 20),
        "forks": _forks(64),
        "listener": _listener(),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
