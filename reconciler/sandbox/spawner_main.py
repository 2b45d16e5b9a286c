"""The process that starts sandboxes: ``python -I -S spawner_main.py FD SUPERVISOR_PID``. Standard library only.

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

import array
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

STARTED, FAILED, ENDED = 1, 2, 3
RESERVED = 192
"""Descriptors below this one are targets in children; what we receive lies above."""
_PACKET = 1 << 16
_MAX_FDS = 253
_PATIENCE = 0.2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 4, 38, 36
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_SLAVE = 0x20000, 4096, 16384, 1 << 19
_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
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


def _reserve() -> None:
    """Fill the low descriptors, so that received ones never collide with the numbers children get them under."""
    null = os.open("/dev/null", os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
    while null < RESERVED - 1:
        null = os.dup(null)


def _children_of(pid: int) -> set[int]:
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

    def __init__(self, connection: socket.socket, supervisor: int, confine: Any) -> None:
        self._connection = connection
        self._confine = confine
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
            message, fds = _receive(self._connection)
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
            self._confine["become"](message["argv"], message["env"], message["confine"])
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
            inner = _children_of(pid) if run.boxed and run.patience is None else set()
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
        return _children_of(os.getpid()) - self._running.keys()

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


def _become(uid: int, gid: int) -> None:
    """Drop for good: no groups, no capabilities to inherit, no way back by any exec."""

    class _Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_LIBC.capset(ctypes.byref(_Header(0x20080522, 0)), nothing), "capset")


def _lane(connection: socket.socket, supervisor: int, message: dict[str, Any], confine: Any) -> None:
    """In a new process: take the identity, say which it is, serve."""
    if message.get("uid") is not None:
        _become(message["uid"], message["gid"])
    if not message["plain"]:
        _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    _checked(_LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
    _checked(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable")
    os.chdir("/")
    hello = {"uid": os.getresuid(), "gid": os.getresgid(), "pid": os.getpid()}
    connection.sendall(json.dumps(hello).encode())
    Lane(connection, supervisor, confine).serve()


class Keeper:
    """Makes lanes, and stages folders where it is root."""

    def __init__(self, connection: socket.socket, supervisor: int) -> None:
        self._connection, self._supervisor = connection, supervisor
        self._staging: str | None = None
        self._confine: dict[str, Any] = {}
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
                message, fds = _receive(self._connection)
                if message is None:
                    return
                answer = self._answer(message, fds)
                self._connection.sendall(json.dumps(answer).encode())

    def _sweep(self) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._lanes.discard(pid)
        for pid in _children_of(os.getpid()) - self._lanes:
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
        if not self._confine:
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "confine_main.py")
            with open(source, encoding="utf-8") as file:
                exec(compile(file.read(), source, "exec"), self._confine)
        pid = os.fork()
        if pid:
            self._lanes.add(pid)
            return {"pid": pid}
        code = 1
        try:
            self._connection.close()
            _lane(socket.socket(fileno=fds[0]), self._supervisor, message, self._confine)
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
    _checked(_LIBC.mount(coded[0], coded[1], coded[2], ctypes.c_ulong(flags), coded[3]), f"mount {target}")


def _private_mounts(staged: str | None = None) -> str:
    """A small file system over a folder that nothing of a sandbox needs; ``staged`` must not lie below it."""
    for folder in ("/media", "/mnt", "/srv"):
        if os.path.isdir(folder) and not (staged or "").startswith(f"{folder}/"):
            _mount("staging", folder, "tmpfs", 2, "mode=0755,size=1m")
            return folder
    raise OSError(2, "there is none of /media, /mnt and /srv to stage private folders in")


def _own_mounts() -> None:
    """A mount namespace of our own that still follows the host's; in it, a tun device that everybody may open."""
    _checked(_LIBC.unshare(_CLONE_NEWNS), "unshare")
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
            _LIBC.umount2(os.fsencode(folder), 2)
    finally:
        os.rmdir(folder)


def main() -> None:
    """Set up once, then serve until the worker is gone."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    parent = int(sys.argv[2])
    supervisor = os.pidfd_open(parent)
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
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _checked(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable")
    if os.geteuid() == 0:
        with suppress(OSError):
            _own_mounts()
            _open_tun()
    Keeper(socket.socket(fileno=high[0]), high[1]).serve()


if __name__ == "__main__":
    main()
