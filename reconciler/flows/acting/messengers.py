"""Processes that send messages: started as they are needed, used again while there is more to send, never for long.

Loading a hundred services takes longer than most messages, so that one who has them waits a while for the next message.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reconciler.flows.acting.port import Undone

AT_ONCE = 4
_IDLE = 30.0
"""Seconds that a process waits for another message."""
_LONGEST = 16 << 20
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Variables that a process gets: no proxy, no secret."""
_MISSING = "messages to people need Apprise: install gitops-reconciler[notify] where the worker runs"
_Process = asyncio.subprocess.Process


class Messengers:
    """Belongs to one event loop. ``denied`` are the networks that no message goes to."""

    def __init__(self, denied: tuple[str, ...]) -> None:
        self._denied = denied
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: list[tuple[_Process, asyncio.TimerHandle]] = []
        self._all: set[_Process] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def send(self, request: Mapping[str, Any], limit: float) -> list[dict[str, Any]]:
        """What came of each address. Raises :class:`Undone` after ``limit`` seconds, and where nothing can be sent."""
        async with self._places:
            process = None
            try:
                async with asyncio.timeout(limit):
                    process = self._ready() or await self._start()
                    answer = await _asked(process, request)
            except TimeoutError:
                raise Undone(f"the message wasn't sent within {limit:g}s", passing=True) from None
            except (OSError, ValueError):
                raise Undone("what sends messages ended without a word", passing=True) from None
            else:
                self._keep(process)
                process = None
            finally:
                if process is not None:
                    await self._end(process)
        return answer

    async def aclose(self) -> None:
        """End all of them."""
        for _, timer in self._idle:
            timer.cancel()
        self._idle.clear()
        for process in tuple(self._all):
            await self._end(process)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _start(self) -> _Process:
        from importlib.util import find_spec

        if find_spec("apprise") is None:
            raise Undone(_MISSING)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "reconciler.flows.acting.notify_main"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            cwd="/",
            limit=_LONGEST,
        )
        self._all.add(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps({"denied": self._denied}).encode() + b"\n")
        return process

    def _ready(self) -> _Process | None:
        while self._idle:
            process, timer = self._idle.pop()
            timer.cancel()
            if process.returncode is None:
                return process
            self._all.discard(process)
        return None

    def _keep(self, process: _Process) -> None:
        timer = asyncio.get_running_loop().call_later(_IDLE, self._tired, process)
        self._idle.append((process, timer))

    def _tired(self, process: _Process) -> None:
        self._idle = [(each, timer) for each, timer in self._idle if each is not process]
        task = asyncio.ensure_future(self._end(process))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, process: _Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        # Also reads what is left, so that its pipes are closed.
        await process.communicate()
        self._all.discard(process)


async def _asked(process: _Process, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    await process.stdin.drain()
    found: list[dict[str, Any]] = json.loads(await process.stdout.readline())
    return found
