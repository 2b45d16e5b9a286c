"""The fields of environments: what the addresses of merged monitors differ in, under names that tell what they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from reconciler.importers.families import Merged, host_of, where
from reconciler.importers.names import camel
from reconciler.importers.places import address, family


class _Wanted(NamedTuple):
    """Values by environment, and what they are of."""

    kind: str  # "url" or "host"
    family: str
    values: tuple[tuple[str, str], ...]


class Fields:
    """Gives each set of differing addresses one field, the same field to all that differ in the same way."""

    def __init__(self, all_merged: Iterable[Merged]) -> None:
        wanted: dict[_Wanted, None] = {}
        for merged in all_merged:
            if len(merged.variants) > 1:
                for index in range(len(merged.first.measures)):
                    found = _wanted(merged, index)
                    if found is not None:
                        wanted[found] = None
        self._names = _named(list(wanted))

    def environments(self) -> dict[str, dict[str, Any]]:
        """The fields of each environment."""
        found: dict[str, dict[str, Any]] = {}
        for wanted, name in self._names.items():
            for environment, value in wanted.values:
                found.setdefault(environment, {})[name] = value
        return found

    def fill(self, merged: Merged, index: int) -> None:
        """Put the template where the address of check ``index`` stands, in the variant that becomes the document."""
        wanted = _wanted(merged, index)
        measure = merged.first.measures[index]
        spot = measure.spot()
        if wanted is None or spot is None:
            return
        holder, key = spot
        template = f"{{{{ environment.{self._names[wanted]} }}}}"
        parts = address(holder[key]) if measure.strategy == "http" else None
        holder[key] = f"{template}{parts.rest}" if parts else template


def _wanted(merged: Merged, index: int) -> _Wanted | None:
    values: list[tuple[str, str]] = []
    for variant in merged.variants:
        found = where(variant.probe.measures[index])
        if found is None or variant.environment is None:
            return None
        values.append((variant.environment, found[1]))
    if len({value for _, value in values}) == 1:
        return None
    host = host_of(merged.first.measures[index]) or ""
    kind = "url" if merged.first.measures[index].strategy == "http" else "host"
    return _Wanted(kind, family(host)[0], tuple(values))


def _named(wanted: Sequence[_Wanted]) -> dict[_Wanted, str]:
    names: dict[_Wanted, str] = {}
    for kind, alone in (("url", "baseUrl"), ("host", "host")):
        same = [each for each in wanted if each.kind == kind]
        if len(same) == 1:
            names[same[0]] = alone
            continue
        ending = "Url" if kind == "url" else "Host"
        used: set[str] = set()
        for each in same:
            short, long = camel(each.family.partition(".")[0]), camel(each.family)
            name, number = f"{short}{ending}", 2
            if name in used:
                name = f"{long}{ending}"
            while name in used:
                name, number = f"{long}{ending}{number}", number + 1
            used.add(name)
            names[each] = name
    return names
