"""What waits to be stored. Nothing leaves it before the store has it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError
from reconciler.flows.work.handover import Done, Outbox

if TYPE_CHECKING:
    from reconciler.store.executing import Claim, Executing, Transition

MOST = 500
"""Results in one transaction."""


class Outbound:
    """Filled by the event loop's thread, emptied by the clerk's."""

    def __init__(
        self,
        released: Callable[[list[Claim]], None],
        stored: Callable[[list[Done], list[Transition]], None],
        unsaved: Callable[[Exception], None],
    ) -> None:
        """All are called on the clerk's thread: ``released`` for claims that are done with, ``stored`` for results
        that are durable, ``unsaved`` for one that no store could keep."""
        self._released, self._stored, self._unsaved = released, stored, unsaved
        self._lock = threading.Lock()
        self._new = Outbox()
        self._sending = Outbox()
        self._most = MOST

    def __bool__(self) -> bool:
        return bool(self._new) or bool(self._sending)

    def add(self, change: Callable[[Outbox], object]) -> None:
        """Put something in."""
        with self._lock:
            change(self._new)

    @property
    def results(self) -> int:
        """How many finished runs wait."""
        with self._lock:
            return len(self._new.done) + len(self._sending.done)

    def send(self, executing: Executing) -> None:
        """Store all of it. What the store didn't take when this raises comes first the next time."""
        out = self._collect()
        while out.done:
            part = out.done[: self._most]
            try:
                transitions = executing.finish([done.finished for done in part])
            except GitopsError:
                raise
            except Exception as error:  # nothing is wrong with the store, but something with one of these runs
                if len(part) == 1:
                    self._drop(part[0], error)
                self._most = 1
                continue
            self._done(part)
            self._stored(part, transitions)
        self._most = MOST
        for claims, again in ((out.again, True), (out.skipped, False)):
            if claims:
                executing.give_back(claims, again=again)
                self._released(claims)
                claims.clear()
        if out.paces:
            executing.set_paces(out.paces)
            out.paces.clear()

    def _collect(self) -> Outbox:
        with self._lock:
            new, self._new = self._new, Outbox()
            self._sending.add(new)
        return self._sending

    def _done(self, part: list[Done]) -> None:
        with self._lock:
            del self._sending.done[: len(part)]
        self._released([done.finished.claim for done in part])

    def _drop(self, done: Done, error: Exception) -> None:
        with self._lock:
            del self._sending.done[:1]
        self._sending.skipped.append(done.finished.claim)
        self._unsaved(error)
