"""One lane of the spawner: starts processes with one identity, and ends what they leave. Standard library only.

A lane drops to its identity once, before it starts anything, which saves an exec for every run. It is the reaper of all
that its runs leave behind, so that "ended" is said only when the last process of a run is gone.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from reconciler.sandbox.confine_main import become

STARTED, FAILED, ENDED = 1, 2, 3
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
_PR_SET_NO_NEW_PRIVS = 38
_PACKET = 1 << 16
_MAX_FDS = 253
_PATIENCE = 0.2
"""Seconds a killed sandbox has to say what became of it."""


def checked(result: int, what: str) -> None:
    """Raise ``OSError`` for a call of the C library that failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One message and its descriptors; None at the end. A long message lies in its first descriptor."""
    data, ancillary, _, _ = connection.recvmsg(
        _PACKET, socket.CMSG_SPACE(4 * _MAX_FDS), getattr(socket, "MSG_CMSG_CLOEXEC", 0x40000000)
    )
    fds = array.array("i")
    for level, kind, raw in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
    if not data:
        return None, list(fds)
    if data == b"@":
        with open(fds.pop(0), "rb") as file:
            file.seek(0)
            data = file.read()
    return json.loads(data), list(fds)


def children_of(pid: int) -> set[int]:
    """Of a process with one thread. Complete, as only its own reaping takes children off the list."""
    with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
        return {int(child) for child in file.read().split()}
    return set()


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


class _Run:
    """A process we started: ``reply`` is its answer pipe, ``orphans`` what it left and we are still killing."""

    __slots__ = ("boxed", "ident", "orphans", "patience", "reply", "status")

    def __init__(self, ident: int, reply: int, *, boxed: bool) -> None:
        self.ident, self.reply, self.boxed = ident, reply, boxed
        self.status = 0
        self.patience: float | None = None
        self.orphans: set[int] = set()


class Lane:
    """Starts processes with one identity, and sees to it that nothing of theirs is left when it says so."""

    def __init__(self, connection: socket.socket, supervisor: int) -> None:
        self._connection = connection
        self._running: dict[int, _Run] = {}
        self._closing: list[_Run] = []
        self._woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        for fd in (connection.fileno(), self._woken, supervisor):
            self._poll.register(fd, select.POLLIN)
        self._supervisor = supervisor

    def serve(self) -> None:
        """Until the worker is gone; then end everything."""
        alive = True
        while alive:
            for fd, _ in self._poll.poll(self._timeout()):
                if fd == self._woken:
                    with suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                elif fd == self._supervisor:
                    alive = False
                else:
                    alive = self._request() and alive
            self._sweep()
            self._hurry()
        self._end()

    def _timeout(self) -> int | None:
        pending = self._closing or any(run.patience is not None for run in self._running.values())
        return int(_PATIENCE * 1000) if pending else None

    def _request(self) -> bool:
        try:
            message, fds = receive(self._connection)
        except ConnectionError:
            return False
        if message is None:
            return False
        if message["op"] == "kill":
            self._kill(message["id"])
        else:
            self._start(message, fds)
        return True

    def _start(self, message: dict[str, Any], fds: list[int]) -> None:
        reply, fds = fds[0], fds[1:]
        groups = message.get("groups", 0)
        entered, fds = fds[:groups], fds[groups:]
        home, fds = fds[:groups], fds[groups:]
        try:
            pid = self._spawn(message, fds, entered, home)
        except (OSError, ValueError) as error:
            self._answer(reply, FAILED, getattr(error, "errno", None) or 22)
            os.close(reply)
        else:
            self._running[pid] = _Run(message["id"], reply, boxed=message.get("boxed", False))
            if message.get("tell"):
                self._answer(reply, STARTED, pid)
        for fd in (*fds, *entered, *home):
            os.close(fd)

    def _spawn(self, message: dict[str, Any], fds: list[int], entered: list[int], home: list[int]) -> int:
        """The new process is born in the control groups: we go in, start it, and come back."""
        try:
            for group in entered:
                os.write(group, b"0")
            if "confine" in message:
                return self._forked(message, fds)
            actions = [(os.POSIX_SPAWN_DUP2, fd, target) for fd, target in zip(fds, message["map"], strict=True)]
            return os.posix_spawn(
                message["argv"][0],
                message["argv"],
                message["env"],
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=[signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ, signal.SIGINT],
            )
        finally:
            for group in home:
                os.write(group, b"0")

    def _forked(self, message: dict[str, Any], fds: list[int]) -> int:
        """Without namespaces: the child confines itself before it becomes the command."""
        pid = os.fork()
        if pid:
            return pid
        code = 126
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for fd, target in zip(fds, message["map"], strict=True):
                os.dup2(fd, target)
            become(message["argv"], message["env"], message["confine"])
        except BaseException as error:
            with suppress(OSError):
                os.write(2, f"sandbox: {error}\n".encode())
        finally:
            os._exit(code)

    def _kill(self, ident: int) -> None:
        """A sandbox is killed from the inside first: its outer half then still says whether the script ran."""
        for pid, run in self._running.items():
            if run.ident != ident:
                continue
            inner = children_of(pid) if run.boxed and run.patience is None else set()
            for child in inner:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
            run.patience = time.monotonic() + _PATIENCE
            if not inner:
                _kill_group(pid)

    def _hurry(self) -> None:
        """Kill for good whatever didn't end in time by itself."""
        now = time.monotonic()
        for pid, run in self._running.items():
            if run.patience is not None and run.patience < now:
                _kill_group(pid)

    def _sweep(self) -> None:
        """Reap; whatever child we don't know was left behind by a run that just ended: kill it, and tell only then."""
        ended: list[_Run] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            run = self._running.pop(pid, None)
            if run is not None:
                run.status = status
                ended.append(run)
            for closing in self._closing:
                closing.orphans.discard(pid)
        if ended or self._closing:
            self._close(ended)

    def _close(self, ended: list[_Run]) -> None:
        known = set().union(*(run.orphans for run in self._closing)) if self._closing else set()
        orphans = self._orphans()
        for pid in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        new = orphans - known
        owners = ended or self._closing
        for run in owners:
            run.orphans |= new
        self._closing += ended
        for run in [run for run in self._closing if not run.orphans]:
            self._answer(run.reply, ENDED, run.status)
            os.close(run.reply)
            self._closing.remove(run)

    def _orphans(self) -> set[int]:
        return children_of(os.getpid()) - self._running.keys()

    def _answer(self, reply: int, what: int, value: int) -> None:
        with suppress(OSError):
            os.write(reply, what.to_bytes(4, "little") + value.to_bytes(4, "little", signed=True))

    def _end(self) -> None:
        """Kill all, and stay until the last is reaped (or for five seconds, when the kernel won't let go)."""
        until = time.monotonic() + 5
        for pid in self._running:
            _kill_group(pid)
        while time.monotonic() < until:
            self._sweep()
            if not self._orphans() and not self._running:
                return
            time.sleep(0.002)


def drop_to(uid: int, gid: int) -> None:
    """Drop for good: no groups, no capabilities to inherit, no way back by any exec."""

    class _Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    nothing = (ctypes.c_uint32 * 6)()
    checked(LIBC.capset(ctypes.byref(_Header(0x20080522, 0)), nothing), "capset")


def serve_lane(connection: socket.socket, supervisor: int, message: dict[str, Any]) -> None:
    """In a new process: take the identity, say which it is, serve."""
    if message.get("uid") is not None:
        drop_to(message["uid"], message["gid"])
    if not message["plain"]:
        checked(LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    checked(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
    checked(LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable")
    os.chdir("/")
    hello = {"uid": os.getresuid(), "gid": os.getresgid(), "pid": os.getpid()}
    connection.sendall(json.dumps(hello).encode())
    Lane(connection, supervisor).serve()
