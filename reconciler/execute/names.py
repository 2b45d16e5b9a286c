"""Looking names up without stalling anybody: the system's resolver blocks, for tens of seconds where a name server is
away. It runs in threads of its own, a name that many runs want at once is asked for once, and nothing is kept after.

The threads are daemons: a worker that is told to stop doesn't wait for a name server.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Sequence

Found = Sequence[tuple[int, str]]
"""Pairs of family and address."""
Lookup = Callable[[str], Found]
"""Blocks; raises ``OSError`` or ``ValueError`` for a name that leads nowhere."""

THREADS = 32


def system_lookup(host: str) -> Found:
    """As the system resolves names: hosts file, DNS, or whatever else it is configured for."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [(int(family), str(at[0])) for family, _, _, _, at in found]


class _Question:
    def __init__(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        self.host = host
        self.loop = loop
        # An answer or the exception as a value: nobody may be left to retrieve a raised one.
        self.answer: asyncio.Future[Found | Exception] = loop.create_future()


class Names:
    """Shared by every guard of a worker."""

    def __init__(self, lookup: Lookup = system_lookup, *, threads: int = THREADS) -> None:
        self._lookup = lookup
        self._most = threads
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._asked: dict[tuple[asyncio.AbstractEventLoop, str], _Question] = {}

    async def find(self, host: str) -> Found:
        """The addresses of a name. Raises what the lookup raised. May be cancelled; the thread goes on alone."""
        loop = asyncio.get_running_loop()
        question = self._asked.get((loop, host))
        if question is None:
            question = self._asked[loop, host] = _Question(host, loop)
            self._ask(question)
        found = await asyncio.shield(question.answer)
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, question: _Question) -> None:
        with self._lock:
            self._waiting.put(question)
            if self._idle >= self._waiting.qsize() or self._threads >= self._most:
                return
            self._threads += 1
        threading.Thread(target=self._work, name="names", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                question = self._waiting.get(timeout=30)
            except queue.Empty:
                with self._lock:
                    self._idle -= 1
                    # Looked at under the lock that _ask holds: nothing can come in between.
                    if self._waiting.empty():
                        self._threads -= 1
                        return
                    continue
            with self._lock:
                self._idle -= 1
            found: Found | Exception
            try:
                found = self._lookup(question.host)
            except Exception as error:
                found = error
            try:
                question.loop.call_soon_threadsafe(self._answer, question, found)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                self._asked.pop((question.loop, question.host), None)

    def _answer(self, question: _Question, found: Found | Exception) -> None:
        self._asked.pop((question.loop, question.host), None)
        if not question.answer.done():
            question.answer.set_result(found)
