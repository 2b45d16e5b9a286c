"""The process that starts sandboxes: ``main`` under ``python -I -S``. Standard library only.

It exists because of how Linux behaves. It has one thread, so that PR_SET_PDEATHSIG of its children means its own end
and not that of some thread. It is a subreaper, so that the inner half of a sandbox whose outer half was killed comes
back to it and is killed too. It is small, so that starting a process doesn't copy the page tables of a large worker. It
ends with everything it started when the worker does, however the worker ended.

The first process ("keeper") only makes lanes: one process for each identity that runs are started with. A lane drops to
its identity once, before it starts anything, which saves an exec for every run. Started by root, the keeper has a mount
namespace of its own, where private folders are staged for identities that couldn't reach them.

Messages are JSON in one packet, descriptors beside it; answers go to the pipe that came with each request: records of
two 32-bit numbers (what, value).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from ctypes import c_ulong
from typing import Any

from reconciler.sandbox.lane_main import (
    LIBC,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    checked,
    children_of,
    receive,
    serve_lane,
)

RESERVED = 192
"""Descriptors below this one are targets in children; what we receive lies above."""
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_SLAVE = 0x20000, 4096, 16384, 1 << 19


def _reserve() -> None:
    """Fill the low descriptors, so that received ones never collide with the numbers children get them under."""
    null = os.open("/dev/null", os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
    while null < RESERVED - 1:
        null = os.dup(null)


class Keeper:
    """Makes lanes, and stages folders where it is root."""

    def __init__(self, connection: socket.socket, supervisor: int) -> None:
        self._connection, self._supervisor = connection, supervisor
        self._staging: str | None = None
        self._lanes: set[int] = set()

    def serve(self) -> None:
        """Until the worker is gone. Lanes notice that for themselves; what a lane that died leaves comes to us."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        for fd in (self._connection.fileno(), self._supervisor, woken):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._supervisor:
                    return
                if fd == woken:
                    os.read(woken, 4096)
                    self._sweep()
                    continue
                message, fds = receive(self._connection)
                if message is None:
                    return
                answer = self._answer(message, fds)
                self._connection.sendall(json.dumps(answer).encode())

    def _sweep(self) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._lanes.discard(pid)
        for pid in children_of(os.getpid()) - self._lanes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _answer(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        try:
            if message["op"] == "lane":
                return self._open_lane(message, fds)
            return {"path": self._stage(message["path"], message["number"])}
        except OSError as error:
            return {"error": str(error)}
        finally:
            for fd in fds:
                with suppress(OSError):
                    os.close(fd)

    def _open_lane(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        pid = os.fork()
        if pid:
            self._lanes.add(pid)
            return {"pid": pid}
        code = 1
        try:
            self._connection.close()
            serve_lane(socket.socket(fileno=fds[0]), self._supervisor, message)
            code = 0
        finally:
            os._exit(code)

    def _stage(self, path: str, number: int) -> str:
        """Bind a private folder where everybody can reach it; only processes of our mount namespace see that."""
        if self._staging is None:
            self._staging = _private_mounts(path)
        target = f"{self._staging}/{number}"
        os.mkdir(target) if os.path.isdir(path) else os.close(os.open(target, os.O_CREAT, 0o644))
        _mount(path, target, None, _MS_BIND | _MS_REC)
        return target


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    coded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    checked(LIBC.mount(coded[0], coded[1], coded[2], c_ulong(flags), coded[3]), f"mount {target}")


def _private_mounts(staged: str | None = None) -> str:
    """A small file system over a folder that nothing of a sandbox needs; ``staged`` must not lie below it."""
    for folder in ("/media", "/mnt", "/srv"):
        if os.path.isdir(folder) and not (staged or "").startswith(f"{folder}/"):
            _mount("staging", folder, "tmpfs", 2, "mode=0755,size=1m")
            return folder
    raise OSError(2, "there is none of /media, /mnt and /srv to stage private folders in")


def _own_mounts() -> None:
    """A mount namespace of our own that still follows the host's; in it, a tun device that everybody may open."""
    checked(LIBC.unshare(_CLONE_NEWNS), "unshare")
    _mount("none", "/", None, _MS_REC | _MS_SLAVE)


def _open_tun() -> None:
    """Helpers run with a dropped identity, and the host may keep the device for root."""
    device = "/dev/net/tun"
    if not os.path.exists(device) or os.stat(device).st_mode & 0o006 == 0o006:
        return
    import stat
    import tempfile

    folder = tempfile.mkdtemp(prefix="gitops-")
    try:
        _mount("tun", folder, "tmpfs", 2, "mode=0755,size=64k")
        try:
            os.mknod(f"{folder}/tun", stat.S_IFCHR | 0o666, os.makedev(10, 200))
            os.chmod(f"{folder}/tun", 0o666)
            _mount(f"{folder}/tun", device, None, _MS_BIND)
        finally:
            LIBC.umount2(os.fsencode(folder), 2)
    finally:
        os.rmdir(folder)


def main() -> None:
    """Set up once, then serve until the worker is gone. Arguments: our end of the socket, and the worker's pid."""
    connection = socket.socket(fileno=int(sys.argv[2]))
    parent = int(sys.argv[3])
    try:
        supervisor = os.pidfd_open(parent)
    except ProcessLookupError:  # it was told to end as soon as it began
        return
    if os.getppid() != parent:
        return
    moved = os.dup(connection.fileno())
    connection.close()
    high = os.dup2(moved, RESERVED + 1, inheritable=False), os.dup2(supervisor, RESERVED + 2, inheritable=False)
    os.closerange(3, RESERVED)
    _reserve()
    os.umask(0o022)
    gc.disable()  # nothing here is made in circles
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    checked(LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable")
    if os.geteuid() == 0:
        with suppress(OSError):
            _own_mounts()
            _open_tun()
    Keeper(socket.socket(fileno=high[0]), high[1]).serve()
