"""Runs of one slice as people ask for them: the last ones, changes of health between them, how its days went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reconciler.flows.named import Named, one_slice
from reconciler.flows.observed import Asked, Observed
from reconciler.flows.origins import Origin, Origins
from reconciler.model.run import Run
from reconciler.model.slice import SliceKey, SliceName
from reconciler.store.executing import Aggregate, SliceState, Transition
from reconciler.store.port import Reader


class Told(NamedTuple):
    """A run with the name of its slice, and where its check stands in git. ``kept``: it is in the store."""

    name: SliceName
    run: Run
    origin: Origin | None
    kept: bool = True


class Results(Asked, Protocol):
    """The part of the store's hands that results are read with."""

    def runs(
        self,
        key: SliceKey,
        *,
        region: str | None = None,
        limit: int = 20,
        before: float | None = None,
        since: float | None = None,
    ) -> list[Run]:
        """Newest first."""

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """The schedule."""

    def transitions(self, *, system: int | None = None, after: int = 0, limit: int = 100) -> list[Transition]:
        """Oldest first."""

    def aggregates(self, key: SliceKey, *, span: str, since: float = 0.0, region: str | None = None) -> list[Aggregate]:
        """Oldest first."""


@dataclass(frozen=True, slots=True)
class Past:
    """``runs`` come newest first, ``transitions`` are those of the slice since the oldest of them, newest first too.

    ``observed`` says by the database's clock who looks.
    """

    observed: Observed
    slice: Named
    states: tuple[SliceState, ...]
    runs: tuple[Told, ...]
    transitions: tuple[Transition, ...]

    @property
    def at(self) -> float:
        """The database's clock."""
        return self.observed.at


def past(results: Results, reader: Reader, text: str, *, limit: int = 20, since: float | None = None) -> Past:
    """The last runs of the slice that ``text`` names; ``since`` is how many seconds back at most.

    Raises what :func:`reconciler.flows.named.one_slice` raises.
    """
    with reader.snapshot():
        found = one_slice(reader, text)
        origins = Origins(reader)
        observed = Observed.of(results)
        now = observed.at
        runs = results.runs(found.key, limit=limit, since=None if since is None else now - since)
        told = tuple(Told(found.name, run, origins.of(found.key.check, run.generation)) for run in runs)
        states = tuple(s for s in results.states(system=found.key.system) if s.key == found.key)
        changed = _transitions(results, found.key, runs, whole=len(runs) < limit)
    return Past(observed, found, states, told, changed)


def _transitions(results: Results, key: SliceKey, runs: Sequence[Run], *, whole: bool) -> tuple[Transition, ...]:
    """Those that the shown runs span. ``whole``: there are no older runs that an older one could belong to."""
    if not runs:
        return ()
    begin = 0.0 if whole else runs[-1].at
    found = results.transitions(system=key.system, limit=1000)
    mine = [t for t in found if t.scope == "slice" and t.key == key and t.at >= begin]
    return tuple(reversed(mine))


class Digest(NamedTuple):
    """An hour or a day of a slice in one region.

    ``metrics`` are ``duration`` and ``<collector>.<field>``, each with count, min, max, mean, p50, p95 and p99.
    """

    start: float
    region: str
    healthy: int
    degraded: int
    unhealthy: int
    metrics: dict[str, dict[str, float]]

    @property
    def runs(self) -> int:
        """How many there were."""
        return self.healthy + self.degraded + self.unhealthy


def summary(results: Results, reader: Reader, text: str, *, span: str, back: float) -> tuple[Named, list[Digest]]:
    """Aggregates of the slice, oldest first; ``span`` is ``hour`` or ``day``, of the last ``back`` seconds."""
    found = one_slice(reader, text)
    rows = results.aggregates(found.key, span=span, since=results.now() - back)
    return found, [_digest(row) for row in rows]


def _digest(row: Aggregate) -> Digest:
    from reconciler.store.metrics import percentiles

    metrics = {
        name: {
            **{key: m[key] for key in ("count", "min", "max")},
            "mean": m["sum"] / m["count"],
            **percentiles(m),
        }
        for name, m in row.metrics.items()
        if m.get("count")
    }
    return Digest(row.start, row.region, row.healthy, row.degraded, row.unhealthy, metrics)
