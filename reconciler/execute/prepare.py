"""The body of a slice, made ready once for all its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError
from reconciler.execute.assertions import Assertion, compiled
from reconciler.kinds import secretpaths
from reconciler.kinds.results import RESULTS, ResultField

DEFAULT_TIMEOUT_MS = 30_000.0

_EACH = frozenset({"ping.ping"})
"""Collectors whose ``timeout`` is that of each packet, not of the whole; the run's own limit has to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A config with the places where its secrets go. ``name`` is bare: ``http``, ``request``."""

    name: str
    config: Mapping[str, Any]
    holes: tuple[secretpaths.SecretHole, ...] = ()

    def filled(self, secrets: Mapping[str, str]) -> Mapping[str, Any]:
        """The config with the secrets' values; itself where it has none."""
        return secretpaths.fill(self.config, self.holes, secrets) if self.holes else self.config


@dataclass(frozen=True, slots=True)
class PreparedCollector:
    """``type`` as in ``http.request``; ``ephemeral`` are the fields that aren't stored."""

    id: str
    type: str
    part: Part
    timeout_ms: float | None
    assertions: tuple[Assertion, ...]
    ephemeral: frozenset[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """``repeatable``: a run that was stopped half way may start again unnoticed. ``secrets`` are names.

    ``fault``: a sentence why it can't run at all here; its runs are unobservable.
    """

    strategy: str
    interval_ms: int
    timeout_ms: float
    collectors: tuple[PreparedCollector, ...]
    part: Part
    secrets: tuple[str, ...] = ()
    repeatable: bool = False
    fault: str | None = None


def prepare(body: bytes) -> Prepared:
    """Read a slice's body. What this installation doesn't know becomes the ``fault`` of what is prepared.

    Raises ``ValueError`` for what is no slice's body.
    """
    try:
        check = loads(body)["check"]
        strategy = check["strategy"]
        name = strategy["type"].partition("@")[0]
        config = strategy.get("config") or {}
        interval = int(check["interval"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"the body of the slice can't be read: {error!r}") from error
    fault = None
    part = Part(name, config)
    collectors: list[PreparedCollector] = []
    try:
        part = Part(name, config, secretpaths.holes(config, f"strategies/{name}"))
        collectors = [_collector(name, each, at) for at, each in enumerate(check.get("collectors") or ())]
    except GitopsError as error:
        fault = str(error)
    holes = (*part.holes, *(hole for each in collectors for hole in each.part.holes))
    return Prepared(
        strategy=name,
        interval_ms=interval,
        timeout_ms=_milliseconds(config.get("timeout")) or DEFAULT_TIMEOUT_MS,
        collectors=tuple(collectors),
        part=part,
        secrets=secretpaths.names(holes),
        fault=fault,
    )


def _collector(strategy: str, body: Mapping[str, Any], position: int) -> PreparedCollector:
    name = str(body["type"]).partition("@")[0]
    kind = f"{strategy}.{name}"
    config = body.get("config") or {}
    fields = _fields(kind)
    return PreparedCollector(
        id=str(body.get("id") or position),
        type=kind,
        part=Part(name, config, secretpaths.holes(config, f"collectors/{kind}")),
        timeout_ms=None if kind in _EACH else _milliseconds(config.get("timeout")),
        assertions=compiled(body.get("assertions") or (), fields),
        ephemeral=frozenset(field.name for field in fields or () if field.ephemeral),
    )


@cache
def _fields(kind: str) -> tuple[ResultField, ...] | None:
    """What the collector's result holds; None where nobody says. Raises ``GitopsError`` for an unknown collector."""
    known = RESULTS.get(kind)
    if known is not None:
        return known
    from reconciler.kinds.loaded import load
    from reconciler.kinds.table import COLLECTORS, extend

    extend()
    entry = COLLECTORS.get(kind)
    if entry is None:
        raise GitopsError(f"there is no collector {kind} in this installation")
    return load(entry).results


def _milliseconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
