"""Checks that several systems take up: what differs, their addresses, becomes fields of the systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.importers.drafts import Draft
from reconciler.importers.families import Merged
from reconciler.importers.layout import body
from reconciler.importers.names import slug
from reconciler.importers.places import address
from reconciler.importers.probe import Measure


@dataclass(slots=True)
class Shared:
    """A check that several systems take up."""

    wish: str
    group: str | None
    measure: Measure
    users: list[tuple[Draft, Merged, int]] = field(default_factory=list)


def share(drafts: Sequence[Draft]) -> list[Shared]:
    """The checks that at least two systems can take up, with the systems' fields in place of addresses."""
    found: dict[bytes, Shared] = {}
    for draft in drafts:
        for probe in draft.probes:
            wish = probe.first.shared
            if wish is None or len(probe.variants) > 1:
                continue
            for index, measure in enumerate(probe.first.measures):
                abstract = _abstract(measure)
                if abstract is None:
                    continue
                template, fields = abstract
                if any(draft.fields.get(key, value) != value for key, value in fields.items()):
                    continue
                key = dumps([wish, body(template)])
                shared = found.setdefault(key, Shared(slug(wish, "check"), draft.group, template))
                shared.users.append((draft, probe, index))
    kept = [shared for shared in found.values() if len({id(draft) for draft, _, _ in shared.users}) > 1]
    for shared in kept:
        shared.users = _take_fields(shared)
    return [shared for shared in kept if shared.users]


def _take_fields(shared: Shared) -> list[tuple[Draft, Merged, int]]:
    users: list[tuple[Draft, Merged, int]] = []
    for draft, probe, index in shared.users:
        abstract = _abstract(probe.first.measures[index])
        fields = abstract[1] if abstract else {}
        twice = any(user is draft for user, _, _ in users)
        if twice or any(draft.fields.get(key, value) != value for key, value in fields.items()):
            continue
        draft.fields |= fields
        users.append((draft, probe, index))
    return users


def _abstract(measure: Measure) -> tuple[Measure, dict[str, Any]] | None:
    """The check with its address taken out, and the fields that hold it."""
    spot = measure.spot()
    if spot is None:
        return None
    config, settings = dict(measure.config), dict(measure.settings)
    fields: dict[str, Any] = {}
    if measure.strategy == "dns":
        spots = [(config, "nameserver")] if "nameserver" in config else [(settings, "hostname")]
    else:
        spots = [(config if spot[0] is measure.config else settings, spot[1])]
        if measure.strategy in ("tcp", "grpc", "tls") and "port" in config:
            spots.append((config, "port"))
    for holder, key in spots:
        name = "baseUrl" if key == "url" else key
        if key == "url":
            parts = address(holder[key])
            if parts is None:
                return None
            fields[name], rest = parts.base, parts.rest
            holder[key] = f"{{{{ system.fields.{name} }}}}{rest}"
        else:
            fields[name] = holder[key]
            holder[key] = f"{{{{ system.fields.{name} }}}}"
    template = Measure(
        measure.strategy, config, measure.collector, settings, measure.assertions, measure.interval, measure.part
    )
    template.comments, template.beside_interval = measure.comments, measure.beside_interval
    return template, fields
