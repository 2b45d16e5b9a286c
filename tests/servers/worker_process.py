"""``gitops worker`` as a process of its own, and what it logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHIN = 30.0


def until(true: Callable[[], object], *, within: float = WITHIN, what: Callable[[], object] = lambda: "") -> None:
    """Wait for it."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within} s: {what()}"
        time.sleep(0.02)


class WorkerProcess:
    """A running worker. ``events`` are the lines of its log."""

    def __init__(self, store: Path | str, *options: str, within: Sequence[str] = ()) -> None:
        """``store``: a file or an address. ``within``: a command that runs commands, as in a namespace."""
        folder = store.parent if isinstance(store, Path) else Path("/")
        command = [*within, sys.executable, "-m", "reconciler", "worker", "--store", str(store), "-C", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--format", "json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its events of a kind; an error is an object without one."""
        return [e for e in self.events if e.get("event") == event]

    def wait_for(self, event: str, *, times: int = 1) -> dict[str, Any]:
        """The event, once it was told so often."""
        until(lambda: len(self.said(event)) >= times or self.process.poll() is not None, what=lambda: self.events[-5:])
        found = self.said(event)
        assert len(found) >= times, f"it ended: {self.events[-5:]} {self.errors}"
        return found[times - 1]

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end: the exit code. It never shows a traceback."""
        code = self.process.wait(WITHIN)
        for thread in self._threads:
            thread.join(WITHIN)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        assert "Traceback" not in self.errors, self.errors
        assert not self.said("fault"), self.said("fault")
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it in good order: the exit code."""
        self.send(number)
        return self.end()


@contextmanager
def worker_process(store: Path | str, *options: str, within: Sequence[str] = ()) -> Iterator[WorkerProcess]:
    """One that has begun, and is gone after the block in any case."""
    found = WorkerProcess(store, *options, within=within)
    try:
        found.wait_for("started")
        yield found
    finally:
        if found.process.poll() is None:
            os.kill(found.process.pid, signal.SIGKILL)
        if found._threads[0].is_alive() or not found.process.stdout.closed:  # type: ignore[union-attr]
            found.end()
