"""Questions an operator asks a store: what runs, since when, what changed, what was changed behind our back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError
from reconciler.model.plan import Action, Plan, ResourceChange, SliceChange, Stored
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.plan.fields import FieldChange, field_changes
from reconciler.store.port import GenerationRow, Reader, SourceRow


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a store. ``outside`` counts writes made outside an apply since the last one."""

    generation: GenerationRow | None
    sources: tuple[SourceRow, ...]
    resources: int
    slices: int
    orphans: tuple[Stored, ...]
    outside: int


def status(reader: Reader) -> Status:
    """One snapshot of it."""
    with reader.snapshot():
        history = reader.history(1)
        resources, slices = reader.counts()
        return Status(
            history[0] if history else None,
            tuple(reader.sources()),
            resources,
            slices,
            tuple(reader.orphans()),
            reader.outside_count(),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """A past apply: its row, and what it changed as a plan; ``before`` holds the old bodies of changed slices."""

    row: GenerationRow
    plan: Plan
    before: dict[SliceKey, bytes]


def show(reader: Reader, generation: int) -> Shown:
    """What a generation changed. Raises ``GitopsError`` when there is none of that number."""
    with reader.snapshot():
        row = next((r for r in reader.history() if r.n == generation), None)
        if row is None:
            raise GitopsError(f"there is no generation {generation}", hint="gitops history lists them")
        old = {s.uid: s for s in reader.resources_at(generation - 1)}
        new = {s.uid: s for s in reader.resources_at(generation)}
        changes = [
            _past(uid, old.get(uid), new.get(uid)) for uid in old.keys() | new.keys() if old.get(uid) != new.get(uid)
        ]
        slices = [
            SliceChange(Action(kind), key, was, now, b"") for key, was, now, kind in reader.slice_changes(generation)
        ]
        updated = [c.key for c in slices if c.action is Action.UPDATE]
        bodies = reader.slice_bodies(generation, keys=updated)
        slices = [c._replace(body=bodies.get(c.key, b"")) for c in slices]
        uids = {uid for c in slices for uid in c.key if uid}
        plan = Plan(
            source=row.source,
            base=generation - 1,
            kind=row.kind,
            commit=row.commit,
            tree=row.tree,
            inputs="",
            resources=tuple(sorted(changes, key=lambda c: (c.action.rank, c.key))),
            slices=tuple(slices),
            names={uid: key.name for uid, key in reader.names(uids).items()},
            note=row.note,
        )
        return Shown(row, plan, reader.slice_bodies(generation - 1, keys=updated))


def _past(uid: int, old: Stored | None, new: Stored | None) -> ResourceChange:
    if old is None:
        return ResourceChange(Action.CREATE, uid, None, new.resource if new else None)
    if new is None:
        return ResourceChange(Action.DELETE, uid, old, None)
    if new.status == "orphaned" and old.status != "orphaned":
        return ResourceChange(Action.ORPHAN, uid, old, None)
    if new.resource.key != old.resource.key or new.resource.source != old.resource.source:
        return ResourceChange(Action.MOVE, uid, old, new.resource)
    return ResourceChange(Action.UPDATE, uid, old, new.resource)


class DriftRow(NamedTuple):
    """One row written outside an apply, as a thing with a name. ``op``: insert, update, delete, or damaged."""

    what: str
    op: str
    at: float | None
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class DriftReport:
    """``sealed``: the rows are, as a set, those of the last apply."""

    rows: tuple[DriftRow, ...]
    sealed: bool

    @property
    def drifted(self) -> bool:
        """Whether anything is not as it was applied."""
        return bool(self.rows) or not self.sealed


def drift(reader: Reader) -> DriftReport:
    """Compare every row with what was applied; reads the whole store."""
    with reader.snapshot():
        journal: dict[tuple[str, SliceKey], tuple[str, float, _State]] = {}
        for w in reader.outside():
            state = w.body, w.digest, w.kind, w.name, w.status
            journal.setdefault((w.table, SliceKey(w.uid, w.check, w.environment)), (w.op, w.at, state))
        for m in reader.mismatches():
            journal.setdefault((m.table, SliceKey(m.uid, m.check, m.environment)), ("damaged", 0.0, ("",)))
        uids = {uid for _, key in journal for uid in key if uid}
        names = reader.names(uids)
        current = _current(reader, [key for table, key in journal if table == "slice"], uids)
        rows = []
        for (table, key), (op, at, before) in sorted(journal.items()):
            parts = [names[uid].name if uid in names else f"#{uid}" for uid in key if uid != NO_ENVIRONMENT]
            what = f"slice {'/'.join(parts)}" if table == "slice" else str(names.get(key.system, f"#{key.system}"))
            now = current.get((table, key))
            fields: tuple[FieldChange, ...] = ()
            if now is None if op == "insert" else op != "damaged" and before == now:
                continue  # written and put back
            if op == "update" and now is not None:
                fields = tuple(field_changes(_loads(before[0]), _loads(now[0])))
            rows.append(DriftRow(what, op, at or None, fields))
        return DriftReport(tuple(rows), reader.seal_holds())


_State = tuple[str, ...]
"""What counts of a row; its body comes first."""


def _current(reader: Reader, slices: list[SliceKey], uids: set[int]) -> dict[tuple[str, SliceKey], _State]:
    found: dict[tuple[str, SliceKey], _State] = {
        ("slice", key): (s.body.decode(), s.digest, "", "", "") for key, s in reader.slices(slices).items()
    }
    keys = list(reader.names(uids).values())
    for s in reader.resources(keys=keys):
        r = s.resource
        found["resource", SliceKey(s.uid, 0, 0)] = (r.body.decode(), r.digest, *r.key, s.status)
    return found


def _loads(text: str) -> object:
    try:
        return loads(text)
    except ValueError:
        return text
