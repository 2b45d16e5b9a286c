"""A control group for each run, where one can be made: the only thing that bounds memory and processes of a whole run.

Best effort by nature: what a run really got is in its :class:`Leaf`, and a run without one says so in its report.
"""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from pathlib import Path

from reconciler.sandbox.capabilities import CgroupPlace
from reconciler.sandbox.policy import Resources
from reconciler.sandbox.spawner import Groups

_OVERHEAD = 3
"""Processes of bubblewrap itself that are counted: outside, first inside, and the one about to become the command."""
_V1_CONTROLLERS = ("pids", "memory")
_serial = itertools.count(1)


class Leaf:
    """One run's group. Use :attr:`groups` for the start, :meth:`finish` exactly once after the last process ended."""

    def __init__(self, place: CgroupPlace, resources: Resources, *, name: str | None = None) -> None:
        """Make it and set the limits. Raises ``OSError``, and leaves nothing then."""
        label = name or f"gitops-{os.getpid()}-{next(_serial)}"
        self.version = place.version
        self.paths = tuple(f"{folder}/{label}" for folder in place.folders)
        self._fds: list[int] = []
        made: list[str] = []
        try:
            for path in self.paths:
                os.mkdir(path)
                made.append(path)
            self._limit(resources)
            enter = tuple(self._open(f"{path}/cgroup.procs") for path in self.paths)
            home = tuple(self._open(f"{path}/cgroup.procs") for path in place.home)
        except OSError:
            self._close()
            for path in made:
                with suppress(OSError):
                    os.rmdir(path)
            raise
        self.groups = Groups(enter, home)

    def started(self) -> None:
        """The spawner has its own copies of the descriptors."""
        self._close()

    def finish(self, *, empty: bool = False) -> dict[str, int | str | bool]:
        """Kill what is left (unless it was seen to be empty), read the counters, remove it; facts for the report."""
        self._close()
        if not empty:
            self.kill()
        facts: dict[str, int | str | bool] = {"path": self.paths[-1], "version": self.version}
        oom = self._number("memory.events" if self.version == 2 else "memory.oom_control", "oom_kill")
        peak = self._number("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes")
        for key, value in (("oomKills", oom), ("memoryPeakBytes", peak)):
            if value is not None:
                facts[key] = value
        facts["removed"] = remove(self.paths)
        return facts

    def kill(self) -> None:
        """Everything in it. ``cgroup.kill`` does that at once; elsewhere again and again, until nobody is left."""
        if self.version == 2:
            with suppress(OSError):
                _write(f"{self.paths[0]}/cgroup.kill", "1")
                return
        for _ in range(200):
            members = set().union(*(_members(path) for path in self.paths))
            if not members:
                return
            for pid in members:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, 9)
            time.sleep(0.002)

    def _limit(self, resources: Resources) -> None:
        pids, memory = self.paths[0], self.paths[-1]
        if resources.max_processes is not None:
            _write(f"{pids}/pids.max", str(resources.max_processes + _OVERHEAD))
        if resources.memory_bytes is None:
            return
        size = str(resources.memory_bytes)
        if self.version == 2:
            _write(f"{memory}/memory.max", size)
            optional = {"memory.swap.max": "0", "memory.oom.group": "1"}
        else:
            _write(f"{memory}/memory.limit_in_bytes", size)
            optional = {"memory.memsw.limit_in_bytes": size}
        for name, value in optional.items():
            with suppress(OSError):  # not there without swap accounting
                _write(f"{memory}/{name}", value)

    def _number(self, name: str, key: str | None = None) -> int | None:
        with suppress(OSError, ValueError):
            for line in _read(f"{self.paths[-1]}/{name}").splitlines():
                word, _, value = line.rpartition(" ")
                if word == (key or ""):
                    return int(value)
        return None

    def _open(self, path: str) -> int:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._fds.append(fd)
        return fd

    def _close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


def find(mounts: str | None = None, membership: str | None = None) -> CgroupPlace | str:
    """Where leaves can be made, or why nowhere. Reads ``/proc/self/mounts`` and ``/proc/self/cgroup``."""
    mounted = mounts if mounts is not None else Path("/proc/self/mounts").read_text()
    ours = membership if membership is not None else Path("/proc/self/cgroup").read_text()
    points = _mount_points(mounted)
    groups = {c: path for line in ours.splitlines() for _, cs, path in [line.split(":", 2)] for c in cs.split(",")}
    if all(c in points and c in groups for c in _V1_CONTROLLERS):
        homes = tuple(_existing(points[c], groups[c]) for c in _V1_CONTROLLERS)
        place = CgroupPlace(1, homes, homes)
        return place if all(os.access(h, os.W_OK | os.X_OK) for h in homes) else _not_ours(homes)
    if "" not in points or "" not in groups:
        return "no hierarchy with the controllers pids and memory is mounted"
    return _second(_existing(points[""], groups[""]))


def remove(paths: tuple[str, ...]) -> bool:
    """Folders of a leaf whose processes are gone; the kernel may need a moment to see that."""
    left = list(paths)
    for _ in range(50):
        for path in list(left):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                continue
            left.remove(path)
        if not left:
            return True
        time.sleep(0.001)
    return False


def sweep(place: CgroupPlace) -> int:
    """Remove leaves of workers that are gone; how many. For the start of a worker."""
    removed = 0
    for folder in place.folders:
        for leaf in Path(folder).glob("gitops-*-*"):
            owner = leaf.name.split("-")[1]
            if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                with suppress(OSError):
                    leaf.rmdir()
                    removed += 1
    return removed


def _second(own: str) -> CgroupPlace | str:
    """v2: a group that has processes can't hand controllers down, unless it is the root or we are alone in it."""
    needed = set(_V1_CONTROLLERS)
    if not needed <= set(_words(f"{own}/cgroup.controllers")):
        return f"the group {own} has no controllers for pids and memory"
    if not os.access(own, os.W_OK | os.X_OK):
        return _not_ours((own,))
    if needed <= set(_words(f"{own}/cgroup.subtree_control")):
        return CgroupPlace(2, (own,), (own,))
    inner = f"{own}/gitops-supervisor"
    if _members(own) - {os.getpid()}:
        return f"other processes live in {own}, so that no limits can be set below it"
    try:
        os.makedirs(inner, exist_ok=True)
        _write(f"{inner}/cgroup.procs", str(os.getpid()))
        _write(f"{own}/cgroup.subtree_control", "+pids +memory")
    except OSError as error:
        return f"{own}: {error.strerror}"
    return CgroupPlace(2, (own,), (inner,))


def _mount_points(mounted: str) -> dict[str, str]:
    """Controller -> where its v1 hierarchy is mounted; the empty name for v2."""
    points: dict[str, str] = {}
    for line in mounted.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind == "cgroup2":
            points.setdefault("", point)
        elif kind == "cgroup":
            for option in options.split(","):
                points.setdefault(option, point)
    return points


def _existing(point: str, group: str) -> str:
    """Inside a container the path may be the host's: then the mount itself is our group."""
    path = f"{point}{group}".rstrip("/")
    return path if os.path.isdir(path) else point


def _not_ours(folders: tuple[str, ...]) -> str:
    return f"{' and '.join(f for f in folders if not os.access(f, os.W_OK | os.X_OK))} can't be written by us"


def _members(path: str) -> set[int]:
    return {int(word) for word in _words(f"{path}/cgroup.procs")}


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_text().split()
    except OSError:
        return []


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
