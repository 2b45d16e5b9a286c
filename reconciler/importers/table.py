"""The formats that can be imported: ours, written out, and those of other distributions."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.importers.port import Importer, Read


def _importers() -> dict[str, Importer]:
    from reconciler.importers.port import Importer

    return {
        "urls": Importer("a plain list of URLs", "reconciler.importers.urls:read", (".txt",)),
        "gatus": Importer("Gatus", "reconciler.importers.gatus:read", (".yaml", ".yml")),
        "blackbox": Importer(
            "Prometheus blackbox_exporter", "reconciler.importers.blackbox:read", (".yaml", ".yml", ".json")
        ),
        "uptime-kuma": Importer("Uptime Kuma", "reconciler.importers.kuma:read", (".json",)),
    }


def importers(*, search: Sequence[str] | None = None) -> dict[str, Importer]:
    """Every format by its name. Raises ``GitopsError`` for a taken name or a broken plugin."""
    found = _importers()
    return found | _plugins(frozenset(found), sys.path if search is None else search)


def importer(name: str, table: dict[str, Importer]) -> Importer:
    """The one that is asked for. Raises ``UsageError`` with the names there are."""
    if name in table:
        return table[name]
    import difflib

    near = difflib.get_close_matches(name.lower(), table, 1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no format {name!r} to import{guess}", hint=f"formats: {', '.join(table)}")


def reader(chosen: Importer) -> Read:
    """Load the function of an importer. Raises ``GitopsError`` when it can't be."""
    module, _, attribute = chosen.read.partition(":")
    try:
        found: Read = getattr(import_module(module), attribute)
    except Exception as error:
        raise GitopsError(f"the importer {chosen.read} can't be loaded: {error}") from error
    return found


def _plugins(taken: frozenset[str], search: Sequence[str]) -> dict[str, Importer]:
    from reconciler.kinds.plugins import mentioned

    if not mentioned(search):
        return {}
    from importlib.metadata import distributions

    from reconciler.importers.port import GROUP, Importer

    found: dict[str, Importer] = {}
    owners: dict[str, str] = {}
    for distribution in distributions(path=list(search)):
        owner = distribution.metadata["Name"] or "an unnamed distribution"
        for point in distribution.entry_points:
            if point.group != GROUP or owners.get(point.name) == owner:
                continue
            other = "this program" if point.name in taken else owners.get(point.name)
            if other is not None:
                raise GitopsError(
                    f"the plugin {owner} declares the importer {point.name}, which {other} has already",
                    hint="uninstall that plugin, or ask its authors to choose another name",
                )
            try:
                entry = point.load()
            except Exception as error:
                raise GitopsError(
                    f"the importer {point.name} of the plugin {owner} can't be loaded: {error}"
                ) from error
            if not isinstance(entry, Importer):
                raise GitopsError(
                    f"the importer {point.name} of the plugin {owner} is no reconciler.importers.port.Importer"
                )
            found[point.name], owners[point.name] = entry, owner
    return dict(sorted(found.items()))
