"""Names for what changed, and the health of every system in every environment for the metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.flows.work.events import Changed
from reconciler.model.run import Health, Run

if TYPE_CHECKING:
    from reconciler.store.executing import Executing, Transition
    from reconciler.store.port import Reader

_EVERY = 5.0
RANK: dict[Health, int] = {"healthy": 0, "degraded": 1, "unhealthy": 2}


class Healths:
    """Belongs to the clerk's thread, but for :attr:`views`, which is replaced as a whole."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._generation = -1
        self._names: dict[int, str] = {}
        self._seen, self._read = 0, 0.0
        self.views: dict[tuple[str, str], Health] = {}
        """(system, environment or an empty text) to health."""
        self.slices: Counter[Health] = Counter()

    def refresh(self, executing: Executing, reader: Reader, generation: int) -> None:
        """Read names anew where the generation changed; and, for the metrics, what other workers found."""
        if generation != self._generation:
            self._names = {uid: key.name for uid, key in reader.names().items()}
            self._generation = generation
            if self._enabled:
                self._all(executing)
        elif self._enabled and time.monotonic() - self._read >= _EVERY:
            newest = executing.transitions(limit=1)
            if newest and newest[-1].id != self._seen:
                self._all(executing)

    def changed(self, transitions: Sequence[Transition], runs: Iterable[Run] = ()) -> list[Changed]:
        """The same with names, and with the last of the ``runs`` that can have made each."""
        ids = {run.key: run.id for run in runs}
        return [self._named(t, ids.get(t.by)) for t in transitions]

    def _named(self, t: Transition, run: str | None) -> Changed:
        check = self._name(t.key.check) if t.key.check else None
        environment = self._name(t.key.environment) if t.key.environment else None
        system = self._name(t.key.system)
        return Changed(t.at, t.scope, system, check, environment, t.region, t.was, t.now, t.cause, f"t{t.id}", run)

    def _all(self, executing: Executing) -> None:
        """One pass over the schedule; only after something changed."""
        newest = executing.transitions(limit=1)
        self._seen, self._read = (newest[-1].id if newest else 0), time.monotonic()
        worst: dict[tuple[int, int], Health] = {}
        slices: Counter[Health] = Counter()
        for state in executing.states():
            slices[state.health] += 1
            view = (state.key.system, state.key.environment)
            if RANK[state.health] >= RANK[worst.get(view, "healthy")]:
                worst[view] = state.health
        self.slices = slices
        self.views = {(self._name(s), self._name(e) if e else ""): health for (s, e), health in worst.items()}

    def _name(self, uid: int) -> str:
        return self._names.get(uid) or f"#{uid}"
