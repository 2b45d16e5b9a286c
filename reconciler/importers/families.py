"""Monitors that differ only in where they look become one, with what differs kept aside for environments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.base.canonical import dumps
from reconciler.importers.names import slug
from reconciler.importers.places import PRODUCTION, address, family, known, rank, stripped
from reconciler.importers.probe import Measure, Probe, plain

_PRODUCTION = re.compile(r"\b(?:production|prod|prd)\b", re.IGNORECASE)


class Variant(NamedTuple):
    """A monitor in one environment; None where it belongs to none."""

    environment: str | None
    probe: Probe


@dataclass(slots=True)
class Merged:
    """What becomes one system or one part of it. With several variants, their addresses differ."""

    title: str
    group: str | None
    variants: list[Variant]
    system: str | None = None
    """What it is joined to others by."""

    @property
    def first(self) -> Probe:
        """The one whose words are used: that of production where there is one."""
        return next((v.probe for v in self.variants if v.environment == PRODUCTION), self.variants[0].probe)

    @property
    def environments(self) -> list[str]:
        """In which it runs, from the first place to the last."""
        return [v.environment for v in self.variants if v.environment is not None]


def merged(probes: Sequence[Probe]) -> list[Merged]:
    """Every monitor once, in the order of the first of each."""
    families: dict[bytes, list[Variant]] = {}
    for probe in probes:
        environment = said(probe) or _told(probe)
        families.setdefault(_sameness(probe, environment), []).append(Variant(environment, probe))
    found: list[Merged] = []
    for variants in families.values():
        found += _parted(variants)
    order = {id(probe): number for number, probe in enumerate(probes)}
    return sorted(found, key=lambda m: min(order[id(v.probe)] for v in m.variants))


def _parted(variants: list[Variant]) -> list[Merged]:
    """One for all whose environments differ; those that come twice in one stay apart."""
    named = {v.environment for v in variants}
    together: dict[str, Probe] = {}
    apart: list[Variant] = []
    for variant in variants:
        place = variant.environment or PRODUCTION
        if place in together or (variant.environment is None and PRODUCTION in named):
            apart.append(variant)
        else:
            together[place] = variant.probe
    if len(together) < 2:
        return [_single(v) for v in variants]
    ordered = sorted(together.items(), key=lambda item: rank(item[0]))
    whole = Merged("", None, [Variant(place, probe) for place, probe in ordered])
    told = next(v for v in variants if v.probe is whole.first)
    whole.title = stripped(whole.first.title, told.environment) or whole.first.title
    whole.group, whole.system = _group(whole.first, told.environment), whole.first.system
    return [whole, *map(_single, apart)]


def _single(variant: Variant) -> Merged:
    """A monitor without siblings: it is in an environment only when the tool itself says so."""
    probe = variant.probe
    system = (probe.alone or probe.system) if probe.system is not None else None
    return Merged(probe.alone or probe.title, probe.group, [Variant(said(probe), probe)], system)


def _group(probe: Probe, environment: str | None) -> str | None:
    return (stripped(probe.group, environment) or None) if probe.group else None


def said(probe: Probe) -> str | None:
    """The environment that the tool itself says, as a name: it may be spelled in several ways."""
    return slug(probe.environment, "environment") if probe.environment else None


def _told(probe: Probe) -> str | None:
    """The environment that the addresses tell, when all of them tell the same; else the group or the title."""
    told = {family(host)[1] for host in map(host_of, probe.measures) if host is not None}
    if len(told) != 1:
        return None
    place = told.pop()
    if place is not None:
        return place
    if probe.group and (place := known(probe.group.strip())) is not None:
        return place
    return PRODUCTION if _PRODUCTION.search(probe.title) else None


def where(measure: Measure) -> tuple[str, str] | None:
    """The host that a check talks to, and the part of its address that tells one environment from another."""
    spot = measure.spot()
    if spot is None:
        return None
    value: str = spot[0][spot[1]]
    if measure.strategy != "http":
        return value, value
    parts = address(value)
    return (parts.host, parts.base) if parts else None


def host_of(measure: Measure) -> str | None:
    """The host that a check talks to."""
    found = where(measure)
    return found[0] if found else None


def _sameness(probe: Probe, environment: str | None) -> bytes:
    """Equal for monitors that are the same but for their environment."""
    title = slug(stripped(probe.title, environment)) or slug(probe.title)
    group = slug(stripped(probe.group, environment)) if probe.group else ""
    rest = [probe.system, probe.shared, probe.thresholds, list(probe.channels), probe.tags, plain(probe.fields)]
    return dumps([title, group, rest, [_shape(measure) for measure in probe.measures]])


def _shape(measure: Measure) -> list[object]:
    """All of a check but where it looks."""
    spot, held = measure.spot(), ""
    if spot is not None:
        holder, key = spot
        held = holder[key]
        parts = address(held) if measure.strategy == "http" else None
        if parts is not None:
            holder[key] = f"{family(parts.host)[0]} {parts.rest}"
        elif measure.strategy != "http":
            holder[key] = family(held)[0]
    try:
        return [
            *(measure.strategy, plain(measure.config), measure.collector, plain(measure.settings)),
            *(plain(measure.assertions), measure.interval, measure.part),
        ]
    finally:
        if spot is not None:
            spot[0][spot[1]] = held
