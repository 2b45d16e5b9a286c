"""Looking names up without stalling anybody: the system's resolver blocks, for tens of seconds where a name server is
away. It runs in threads of its own, a name that many runs want at once is asked for once, and nothing is kept after.

Names that took long the last time share half of the threads, so that however many of them there are, the others don't
wait; and what nobody waits for any more isn't looked up. The threads are daemons: a worker that is told to stop doesn't
wait for a name server.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from reconciler.execute.port import Unobservable

Found = Sequence[tuple[int, str]]
"""Pairs of family and address."""
Lookup = Callable[[str], Found]
"""Blocks; raises ``OSError`` or ``ValueError`` for a name that leads nowhere."""

THREADS = 128
"""At most; they are started as they are needed, and end when they aren't."""
SLOW = 1.0
"""Seconds. What takes longer is slow the next time."""
_IDLE_SECONDS = 30.0
_REMEMBERED = 10_000


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
        self.waiting = 0
        self.started = False
        self.wanted = True


class Names:
    """Shared by every guard of a worker."""

    def __init__(self, lookup: Lookup = system_lookup, *, threads: int = THREADS, slow: float = SLOW) -> None:
        self._lookup = lookup
        self._most = threads
        self._slow_seconds = slow
        self._threads = self._idle = self._at_slow = 0
        self._changed = threading.Condition()
        self._quick: deque[_Question] = deque()
        self._slow: deque[_Question] = deque()
        self._known_slow: dict[str, None] = {}
        self._asked: dict[tuple[asyncio.AbstractEventLoop, str], _Question] = {}

    async def find(self, host: str) -> Found:
        """The addresses of a name. Raises what the lookup raised. May be cancelled; a thread that has begun goes on
        alone, and who asks again meanwhile gets its answer."""
        loop = asyncio.get_running_loop()
        question = self._asked.get((loop, host))
        if question is None:
            question = self._asked[loop, host] = _Question(host, loop)
            self._ask(question)
        question.waiting += 1
        try:
            found = await asyncio.shield(question.answer)
        finally:
            question.waiting -= 1
            self._forget_unwanted(question)
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, question: _Question) -> None:
        with self._changed:
            (self._slow if question.host in self._known_slow else self._quick).append(question)
            self._changed.notify()
            if self._idle >= len(self._quick) + len(self._slow) or self._threads >= self._most:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="names", daemon=True).start()
        except RuntimeError:
            with self._changed:
                self._threads -= 1
                if self._threads:  # those that there are will get to it
                    return
                question.wanted = False
            self._answer(question, Unobservable("no thread can be started to look names up"))

    def _forget_unwanted(self, question: _Question) -> None:
        if question.waiting or question.answer.done():
            return
        with self._changed:
            if not question.started:
                question.wanted = False
                self._asked.pop((question.loop, question.host), None)

    def _next(self) -> tuple[_Question, bool] | None:
        """What to look up now, and whether it is slow; None for nothing. Under the lock."""
        for lane, slow in ((self._quick, False), (self._slow, True)):
            if slow and self._at_slow >= max(1, self._most // 2):
                break
            while lane:
                question = lane.popleft()
                if question.wanted:
                    question.started = True
                    self._at_slow += slow
                    return question, slow
        return None

    def _taken(self) -> tuple[_Question, bool] | None:
        """The next question, waited for; None when there was none for long."""
        with self._changed:
            self._idle += 1
            found = self._changed.wait_for(self._next, _IDLE_SECONDS)
            self._idle -= 1
            if found is None:
                self._threads -= 1
            return found

    def _work(self) -> None:
        while (taken := self._taken()) is not None:
            question, slow = taken
            found: Found | Exception
            began = time.monotonic()
            try:
                found = self._lookup(question.host)
            except Exception as error:
                found = error
            self._remember(question.host, slow=slow, took=time.monotonic() - began)
            try:
                question.loop.call_soon_threadsafe(self._answer, question, found)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                self._asked.pop((question.loop, question.host), None)

    def _remember(self, host: str, *, slow: bool, took: float) -> None:
        with self._changed:
            if slow:
                self._at_slow -= 1
                self._changed.notify()
            if took <= self._slow_seconds:
                self._known_slow.pop(host, None)
                return
            if len(self._known_slow) >= _REMEMBERED:
                self._known_slow.clear()
            self._known_slow[host] = None

    def _answer(self, question: _Question, found: Found | Exception) -> None:
        self._asked.pop((question.loop, question.host), None)
        if not question.answer.done():
            question.answer.set_result(found)
