"""What a monitor of another tool comes to, before names and files are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class At(NamedTuple):
    """A place in the other tool's files: a line where there is one, and the path in YAML or JSON."""

    file: str
    path: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where} ({self.path})" if self.path else where


class Remark(NamedTuple):
    """A key of a map that holds a comment instead of a value: beside ``key``, or above the map when it is None.

    So comments travel with what they speak of, wherever it is put.
    """

    key: str | None = None


@dataclass(slots=True)
class Measure:
    """One check. ``config`` is its strategy's, ``settings`` its collector's; durations are written out as text.

    ``part`` tells it apart from other checks of the same system: ``website-certificate``.
    """

    strategy: str
    config: dict[Any, Any] = field(default_factory=dict)
    collector: str | None = None
    settings: dict[Any, Any] = field(default_factory=dict)
    assertions: list[dict[Any, Any]] = field(default_factory=list)
    interval: int = 60_000
    part: str | None = None
    title: str | None = None
    comments: list[str] = field(default_factory=list)
    beside_interval: str | None = None

    def spot(self) -> tuple[dict[Any, Any], str] | None:
        """Where its address stands: the map and the key; None when it has none."""
        where = _SPOTS.get(self.strategy)
        if where is None:
            return None
        holder = self.config if where[0] == "config" else self.settings
        return (holder, where[1]) if isinstance(holder.get(where[1]), str) else None


_SPOTS = {
    "http": ("settings", "url"),
    "ping": ("settings", "host"),
    "dns": ("settings", "hostname"),
    **dict.fromkeys(("tcp", "tls", "grpc", "postgres", "mysql", "redis", "ssh"), ("config", "host")),
}


@dataclass(slots=True)
class Probe:
    """One monitor: a system, or a part of one, with what measures it.

    ``system`` joins monitors that watch the same thing; None: it is a system of its own. ``alone`` is the title it has
    when it isn't merged with others, for titles made of what hosts have in common. ``shared`` is the name of a check
    that several systems take up, with their addresses as fields. ``environment`` is set where the tool itself says so.
    ``channels`` are the keys of what is told when it is down.
    """

    title: str
    at: At
    measures: list[Measure]
    group: str | None = None
    system: str | None = None
    alone: str | None = None
    shared: str | None = None
    environment: str | None = None
    description: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, int] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    comments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Channel:
    """Who is told about what. ``actions`` are blocks of an automation; ``recovery``: also when it is healthy again."""

    key: str
    title: str
    at: At
    actions: list[dict[Any, Any]]
    recovery: bool = False
    comments: list[str] = field(default_factory=list)


def plain(value: Any) -> Any:
    """``value`` without remarks."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not isinstance(key, Remark)}
    return [plain(item) for item in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:
    """Every text in ``value``, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)
