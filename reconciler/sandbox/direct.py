"""Runs where there is no spawner: other platforms, and only under a policy that lets them be degraded."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from reconciler.sandbox.output import Budget
from reconciler.sandbox.stop import Stop
from reconciler.sandbox.stream import Followed

_DRAIN = 2.0


class DirectRun:
    """One process in a session of its own, followed by a thread for each of its streams."""

    def __init__(self, budget: Budget, *, stop: Stop | None = None) -> None:
        self.followed = Followed()
        self._budget = budget
        self._stop = stop
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], *, cwd: str, stdin: bytes | None, deadline: float
    ) -> int:
        """Run to the end; a status as from ``waitpid``. Raises ``OSError`` when it can't be started."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        ) as process:
            self._process = process
            if self._stop is not None:
                self._stop.attach(self._end)
            threads = [threading.Thread(target=self._feed, args=(process.stdin, stdin or b""), daemon=True)]
            for number, stream in enumerate((process.stdout, process.stderr)):
                threads.append(threading.Thread(target=self._collect, args=(number, stream), daemon=True))
            for thread in threads:
                thread.start()
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.followed.timed_out = True
            self._end()
            process.wait()
            for thread in threads:
                thread.join(_DRAIN)
            code = process.returncode
        return code << 8 if code >= 0 else -code

    def _feed(self, stream: IO[bytes] | None, data: bytes) -> None:
        """A process that doesn't read must not hold the clock."""
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.write(data)
                stream.close()

    def _collect(self, number: int, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        while data := os.read(stream.fileno(), 65536):
            with self._lock:
                self._budget.add(number, data)
                if self._budget.spent and not self.followed.truncated:
                    self.followed.truncated = True
                    self._end()

    def _end(self) -> None:
        """All of its session; what left that is out of reach here."""
        if self._process is not None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
