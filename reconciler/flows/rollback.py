"""Back to an older generation of one source. It sticks: the commit turned away from is refused until git moves on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.base.errors import GitopsError, InvalidDocuments
from reconciler.flows.journal import Journal
from reconciler.flows.locate import Placer
from reconciler.flows.plan import Options, totals_after
from reconciler.flows.position import lasting_orphans
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.resolve import Start, resolve
from reconciler.model.plan import Plan, Stored, Totals
from reconciler.model.resource import Key
from reconciler.plan.safety import Limits, check_deletions
from reconciler.store.port import Reader, SourceRow


def plan_rollback(
    reader: Reader,
    generation: int,
    source: str | None = None,
    *,
    limits: Limits | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Plan:
    """The plan that makes the source what it was in ``generation``; other sources stay as they are.

    ``source`` may be left out when the store has only one. What came later is deleted, since this is what going back
    means; the deletion guard holds here too. Raises ``GitopsError`` for a generation that there isn't, and
    ``InvalidDocuments`` when another source has come to need what would go.
    """
    options = options or Options()
    with reader.snapshot():
        row = _source(reader, source)
        commit = _commit_of(reader, generation, row.name)
        previous = list(reader.resources(source=row.name))
        target = [s for s in reader.resources_at(generation, row.name) if s.status == "active"]
        outside = reader.outside_count(row.name)
        start = Start(
            source=row.name,
            resources=[s.resource for s in target],
            previous=previous,
            deletion="delete",
            locate=Placer(row.name, lambda path: None),
            everything=outside > 0,
            journal=Journal(reader, row.name) if outside > 0 else None,
            identity=_identity(reader, target, previous),
            past=True,
        )
        resolved = resolve(start, reader, progress or Silent())
        if any(d.severity == "error" for d in resolved.diagnostics):
            raise InvalidDocuments(sorted(resolved.diagnostics, key=lambda d: d.order))
        resources, slices = reader.counts(row.name)
        plan = Plan(
            source=row.name,
            base=reader.generation(),
            kind="rollback",
            commit=commit,
            tree="",
            inputs=row.inputs,
            resources=tuple(resolved.changes),
            slices=tuple(resolved.slices),
            forget_blobs=True,
            outside=outside,
            hold=row.held or row.commit,
            names=resolved.names,
            orphans=lasting_orphans(reader, resolved.changes),
            warnings=tuple(resolved.diagnostics),
            totals=replace(Totals(**row.totals), **totals_after(reader, row.name, resolved, (resources, slices))),
            note=f"to generation {generation}",
        )
    if not plan.pending:
        raise GitopsError(
            f"source {row.name} is already what it was in generation {generation}", hint="gitops history lists others"
        )
    if not options.force:
        check_deletions(plan, resources, limits or Limits())
    return plan


def _source(reader: Reader, name: str | None) -> SourceRow:
    rows = reader.sources()
    known = ", ".join(r.name for r in rows)
    if name is None and len(rows) == 1:
        return rows[0]
    found = next((r for r in rows if r.name == name), None)
    if found is None:
        message = f"no source {name!r} was ever applied" if name else "the store has several sources, or none"
        raise GitopsError(message, hint=f"name one of: {known}" if known else "apply something first")
    return found


def _identity(reader: Reader, target: Sequence[Stored], previous: Sequence[Stored]) -> dict[Key, int]:
    """Who everything was, so that a rename is undone as one; apart from what lives on in another source."""
    missing = {s.uid for s in target} - {s.uid for s in previous}
    keys = reader.names(missing).values()
    elsewhere = {s.uid for s in reader.resources(keys=set(keys))} if missing else set()
    return {s.resource.key: s.uid for s in target if s.uid not in elsewhere}


def _commit_of(reader: Reader, generation: int, source: str) -> str:
    """The commit that the source was at in that generation."""
    history = reader.history()
    newest = history[0].n if history else 0
    if not 1 <= generation <= newest:
        raise GitopsError(f"there is no generation {generation}; the newest is {newest}", hint="see gitops history")
    for row in history:
        if row.n <= generation and row.source == source:
            return row.commit
    raise GitopsError(
        f"source {source} wasn't applied yet in generation {generation}", hint="see gitops history for its first one"
    )
