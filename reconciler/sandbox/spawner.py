"""The worker's end of the spawner process. Usable from several threads; one spawner serves a whole worker."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.sandbox.running import HelperProcess, Running, SpawnerLost

_INLINE = 60 * 1024
_ROOT = str(Path(__file__).parents[2])
_MAIN = "import sys; sys.path.append(sys.argv[1]); from reconciler.sandbox.spawner_main import main; main()"
Identity = tuple[int, int] | None
"""(uid, gid) to drop to, or None to stay who we are."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Descriptors of ``cgroup.procs``: those a process is born into, and those the spawner comes back to."""

    enter: tuple[int, ...] = ()
    home: tuple[int, ...] = ()


class Lane:
    """Starts processes with one identity. ``uid`` is the real one that the lane itself found it has."""

    def __init__(self, connection: socket.socket, hello: dict[str, Any]) -> None:
        self._connection = connection
        self._idents = itertools.count(1)
        self.uid: int = hello["uid"][0]
        self.gid: int = hello["gid"][0]
        self.pid: int = hello["pid"]

    def send(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        """One packet; atomic, so that threads needn't take turns."""
        data = json.dumps(message).encode()
        carrier = None
        if len(data) > _INLINE:
            carrier = os.memfd_create("request")
            with open(carrier, "wb", closefd=False) as file:
                file.write(data)
            data, fds = b"@", (carrier, *fds)
        try:
            socket.send_fds(self._connection, [data], list(fds))
        except (BrokenPipeError, ConnectionError) as error:
            raise SpawnerLost("the spawner process ended") from error
        finally:
            if carrier is not None:
                os.close(carrier)

    def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        fds: Mapping[int, int],
        groups: Groups | None = None,
        boxed: bool = False,
        confine: dict[str, Any] | None = None,
        tell: bool = False,
    ) -> Running:
        """Start ``argv`` with our descriptors ``fds`` (number there -> number here); they stay ours to close.

        ``boxed``: it is bubblewrap. ``confine`` starts it through ``confine_main``. ``tell`` asks for the pid.
        Raises :class:`SpawnerLost`.
        """
        reply, answer = os.pipe2(os.O_CLOEXEC)
        ident = next(self._idents)
        message: dict[str, Any] = {"op": "run", "id": ident, "argv": argv, "env": environment, "map": list(fds)}
        passed = [answer]
        if groups is not None and groups.enter:
            message["groups"] = len(groups.enter)
            passed += [*groups.enter, *groups.home]
        if confine is not None:
            message["confine"] = confine
        if boxed:
            message["boxed"] = True
        if tell:
            message["tell"] = True
        try:
            self.send(message, [*passed, *fds.values()])
        except BaseException:
            os.close(reply)
            raise
        finally:
            os.close(answer)
        return Running(lambda: self.send({"op": "kill", "id": ident}, ()), reply)

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str], fds: Mapping[int, int]) -> HelperProcess:
        """See :class:`reconciler.sandbox.network.port.Helpers`."""
        running = self.run(argv, dict(environment), fds=fds, tell=True)
        running.read()
        if running.pid is None:
            error = running.ended.error if running.ended else 0
            running.close()
            raise OSError(error, f"{argv[0]}: {os.strerror(error)}")
        return HelperProcess(running, running.pid)

    def close(self) -> None:
        """Ends the lane, and all it started."""
        self._connection.close()


class Spawner:
    """Starts the process at the first need, and again when it was lost or after a fork of the worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._owner = 0
        self._lanes: dict[tuple[Identity, bool], Lane] = {}
        self._staged: dict[str, str] = {}

    def lane(self, identity: Identity = None, *, plain: bool = False) -> Lane:
        """The lane of that identity. Raises :class:`SpawnerLost` with the reason when it can't be had.

        ``plain``: what it starts may gain privileges as any process may (the sandbox is switched off).
        """
        key = (identity, plain)
        lane = self._lanes.get(key)
        if lane is not None and self._owner == os.getpid():
            return lane
        with self._lock:
            self._ensure()
            if key not in self._lanes:
                self._lanes[key] = self._open(identity, plain=plain)
            return self._lanes[key]

    def stage(self, path: str) -> str:
        """Where the host's ``path`` is reachable for every identity (in the spawner's mount namespace only).

        Needs root. Raises ``OSError``.
        """
        with self._lock:
            self._ensure()
            if path not in self._staged:
                answer = self._ask({"op": "stage", "path": path, "number": len(self._staged)})
                self._staged[path] = answer["path"]
            return self._staged[path]

    def forget(self, lane: Lane | None) -> None:
        """A lane turned out to be lost: the next call starts over."""
        with self._lock:
            for key, known in list(self._lanes.items()):
                if known is lane:
                    self._lanes.pop(key).close()
            if self._process is not None and self._process.poll() is not None:
                self._drop()

    def close(self) -> None:
        """End the process, and with it everything that still runs; returns when it is gone."""
        with self._lock:
            self._drop()

    def _ensure(self) -> None:
        if self._owner == os.getpid() and self._process is not None and self._process.poll() is None:
            return
        if self._owner == os.getpid():
            self._drop()
        else:
            self._disown()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = [sys.executable, "-I", "-S", "-c", _MAIN, _ROOT, str(theirs.fileno()), str(os.getpid())]
            self._process = subprocess.Popen(
                arguments, env={}, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), start_new_session=True
            )
        self._connection, self._owner = ours, os.getpid()

    def _open(self, identity: Identity, *, plain: bool) -> Lane:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        uid, gid = identity if identity is not None else (None, None)
        with theirs:
            try:
                self._ask({"op": "lane", "uid": uid, "gid": gid, "plain": plain}, (theirs.fileno(),))
            except OSError as error:
                ours.close()
                raise SpawnerLost(f"no process with that identity can be made: {error}") from error
        ours.settimeout(10)
        try:
            hello = json.loads(ours.recv(4096) or b"null")
        except OSError as error:
            raise SpawnerLost(f"the spawner process doesn't answer: {error}") from error
        if hello is None:
            raise SpawnerLost(f"the spawner process can't take uid {uid}, gid {gid}")
        ours.settimeout(None)
        return Lane(ours, hello)

    def _ask(self, message: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        if self._connection is None:
            raise OSError("there is no spawner process")
        socket.send_fds(self._connection, [json.dumps(message).encode()], list(fds))
        answer: dict[str, Any] | None = json.loads(self._connection.recv(65536) or b"null")
        if answer is None:
            raise OSError("the spawner process ended")
        if "error" in answer:
            raise OSError(answer["error"])
        return answer

    def _disown(self) -> None:
        """After a fork: our copies of the parent's sockets would keep its spawner alive."""
        for lane in self._lanes.values():
            lane.close()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.returncode = 0  # not our child: nobody may wait for it here
        self._lanes, self._staged = {}, {}

    def _drop(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for _ in range(500):
                if not any(_runs(lane.pid) for lane in self._lanes.values()):
                    break
                time.sleep(0.002)
        self._lanes, self._staged = {}, {}
        self._process = self._connection = None


def _runs(pid: int) -> bool:
    """Whether there is more of it than an entry that init hasn't reaped yet; some take a second, some never do."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in (b"Z", b"X")
