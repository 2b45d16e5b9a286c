"""Processes that are started, raced and killed. They are forked from the test, so that nothing has to be imported."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Files, Kit

SYSTEMS, CHECKS, ENVIRONMENTS = 10, 20, 5


class Child:
    """A forked process that runs ``work``, which is handed a function to send lines with."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            self._run(work, write)
        os.close(write)
        self._read = read
        self._rest = b""

    def _run(self, work: Callable[[Callable[[str], None]], None], write: int) -> NoReturn:
        def say(line: str) -> None:
            os.write(write, f"{line}\n".encode())

        code = 1
        try:
            work(say)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def line(self) -> str:
        """The next line; empty when the process is at its end."""
        while b"\n" not in self._rest:
            more = os.read(self._read, 65536)
            if not more:
                return ""
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def kill(self) -> list[str]:
        """SIGKILL, and what it had said until then."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end()[1]

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end: its exit code, and the lines that weren't read."""
        lines = []
        while line := self.line():
            lines.append(line)
        os.close(self._read)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), lines


class Fleet:
    """Two commits of a source of 1,000 slices, each of which differs between them."""

    Child = Child

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.commits = [self._commit(name) for name in ("alpha", "beta")]

    def _commit(self, name: str) -> Files:
        kit = self.kit
        members = [f"e{i}" for i in range(ENVIRONMENTS)]
        checks = [f"c{i}" for i in range(CHECKS)]
        files: dict[str, Any] = {
            "environments.yaml": [kit.environment(e, host=f"{name}.{e}.example.net") for e in members],
            "checks.yaml": [kit.check(c, "https://{{ environment.host }}/{{ check.id }}") for c in checks],
            "systems.yaml": [kit.system(f"s{i}", members, checks) for i in range(SYSTEMS)],
            "name.yaml": kit.system("name", title=name),
        }
        return kit.files(files)

    def other(self, store: SqlStore) -> int:
        """The number of the commit that the store isn't at."""
        row = store.source("shop")
        return int(row is not None and row.tree == self.commits[0].tree)

    def whole(self, store: SqlStore) -> int:
        """Which commit the store holds, the whole of it and nothing of the other; fails when it isn't one."""
        with store.snapshot():
            row = store.source("shop")
            assert row is not None
            now = [c.tree for c in self.commits].index(row.tree)
            name = ("alpha", "beta")[now]
            urls = self.kit.urls(store)
            title = next(s.resource.body for s in store.resources() if s.resource.key.name == "name")
            assert len(urls) == SYSTEMS * CHECKS * ENVIRONMENTS
            strange = [u for u in urls.values() if not u.startswith(f"https://{name}.")]
            assert strange == [], f"{len(strange)} slices of another commit"
            assert name.encode() in title
            history = store.history()
            assert [r.n for r in history] == list(range(len(history), 0, -1))
            assert history[0].tree == row.tree
            self.kit.sound(store)
            return now


@pytest.fixture(scope="session")
def fleet(kit: Kit) -> Fleet:
    """Commits to apply in turns, and processes to do it in."""
    return Fleet(kit)
