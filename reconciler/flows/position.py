"""Where a source stands: what it was last applied from, and whether anything can have changed since.

The plan without changes is the one that runs most often, in every pipeline of every branch; so this module imports
neither the models nor the templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.base.canonical import digest, dumps
from reconciler.flows.engine import engine_digest
from reconciler.flows.policy_inputs import operator_inputs
from reconciler.flows.settings import Settings
from reconciler.flows.warnings import unpack
from reconciler.model.plan import Plan, ResourceChange, Stored, Totals
from reconciler.store.port import Reader

if TYPE_CHECKING:
    from reconciler.flows.opened import Source
    from reconciler.flows.progress import Progress


def inputs_digest(settings: Settings, grants: Sequence[tuple[str, str]]) -> str:
    """What a plan was made from, beside the tree: the tool, the settings, the grants, the operator's policies."""
    granted = dumps([[what, pattern] for what, pattern in grants])
    return digest(engine_digest().encode(), settings.fingerprint().encode(), granted, *operator_inputs())


def unchanged(reader: Reader, source: str, tree: str, settings: Settings) -> Plan | None:
    """The empty plan when nothing can have changed: same tree, same inputs, no write outside an apply."""
    row = reader.source(source)
    if row is None or row.tree != tree or row.inputs != inputs_digest(settings, reader.grants(source)):
        return None
    if reader.outside_count(source):
        return None
    return Plan(
        source=source,
        base=reader.generation(),
        kind="apply",
        commit=row.commit,
        tree=row.tree,
        inputs=row.inputs,
        resources=(),
        slices=(),
        hold=row.held,
        orphans=tuple(reader.orphans()),
        warnings=unpack(w for _, _, _, w in reader.blob_notes(source)),
        totals=Totals(**row.totals),
    )


def lasting_orphans(reader: Reader, changes: Iterable[ResourceChange]) -> tuple[Stored, ...]:
    """The orphans that a plan of these changes leaves as they are."""
    touched = {c.uid for c in changes}
    return tuple(o for o in reader.orphans() if o.uid not in touched)


def plan_source(source: Source, reader: Reader, *, force: bool = False, progress: Progress | None = None) -> Plan:
    """The plan of a source; nothing is read where nothing can have changed. Raises what ``make_plan`` raises."""
    tree = source.head.tree if source.head is not None else source.tree().tree
    found = unchanged(reader, source.name, tree, source.settings)
    if found is not None:
        return found
    from reconciler.flows.plan import Options, make_plan

    options = Options(force=force, moved_past=source.moved_past)
    return make_plan(source.tree(), source.settings, reader, options=options, progress=progress)
