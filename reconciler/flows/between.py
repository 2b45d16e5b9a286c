"""What lies between two commits, as the plan that brings a store which holds the one to what the other says.

No store of anybody's is asked: the older state is applied to one in memory, and the newer one planned against it, so
that a reviewer sees what an apply will do, by the code that does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments
from reconciler.flows.apply import Actor, apply_planned
from reconciler.flows.between_quick import Quick, quick
from reconciler.flows.offline import OFFLINE, offline_plan
from reconciler.flows.opened import Source
from reconciler.flows.plan import make_plan
from reconciler.flows.policies import Policies
from reconciler.flows.position import inputs_digest
from reconciler.flows.progress import Progress
from reconciler.model.plan import Action, Plan
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.store.open import open_store
from reconciler.store.port import Known
from reconciler.store.sql_writer import SqlStore


class InvalidBase(InvalidDocuments):
    """The older of two commits has faults itself. What failed to load there would look new here, so it is refused."""

    def __init__(self, commit: str, invalid: InvalidDocuments) -> None:
        super().__init__(invalid.diagnostics)
        errors = sum(d.severity == "error" for d in invalid.diagnostics)
        self.commit = commit
        self.message = f"commit {commit[:7]}, to compare with, has {errors} error{'s' * (errors != 1)} itself"
        self.hint = "what is compared with it is valid: compare with another commit"


@dataclass(frozen=True, slots=True)
class Between:
    """``plan`` is of the kind ``diff``, with the warnings that ``base`` didn't have. ``known``: the older state."""

    base: str
    plan: Plan
    known: Known
    bodies: Callable[[Plan], Mapping[SliceKey, bytes]]
    """The older bodies of the slices that a part of the plan updates."""


@contextmanager
def between(base: Source, head: Source, progress: Progress | None = None) -> Iterator[Between]:
    """What changes from the one to the other. Both are settled by the ``gitops.yaml`` of their own commit.

    Of files that differ in neither, and that nothing which differs reaches, faults aren't looked for. Raises
    ``InvalidDocuments`` for faults of ``head``, ``InvalidBase`` for faults of ``base`` where ``head`` has none, and
    ``SourceError``.
    """
    found = quick(base, head, progress)
    if found is None:
        with whole(base, head, progress) as read:
            yield read
        return
    yield between_by(found, _commit(base))


def between_by(found: Quick, commit: str) -> Between:
    """What the short way found. ``commit`` is the older one."""

    def older(part: Plan) -> Mapping[SliceKey, bytes]:
        return {c.key: found.bodies[c.key] for c in part.slices if c.action is Action.UPDATE}

    return Between(commit, _told(found.plan, found.warnings, commit), found.known, older)


@contextmanager
def whole(base: Source, head: Source, progress: Progress | None = None) -> Iterator[Between]:
    """The same by reading everything: the long way, which :func:`between` takes where it has to."""
    store = open_store(":memory:")
    try:
        before = _apply_base(store, base, head, progress)
        plan = make_plan(head.tree(), head.settings, store, options=OFFLINE, progress=progress)
        commit = _commit(base)
        judged = any(d.code.startswith("policy/") for d in plan.warnings)
        warnings = _warnings_of(base, progress) if judged else before.warnings
        yield Between(commit, _told(plan, warnings, commit), store, lambda part: _bodies(store, part))
    finally:
        store.close()


def changed_slices(base: Source, head: Source, progress: Progress | None = None) -> set[SliceName]:
    """The names of the slices that are new or differ. Raises what :func:`between` raises."""
    with between(base, head, progress) as found:
        names = found.plan.names
        return {
            SliceName(
                names[c.key.system],
                names[c.key.check],
                None if c.key.environment == NO_ENVIRONMENT else names[c.key.environment],
            )
            for c in found.plan.slices
            if c.action in (Action.CREATE, Action.UPDATE)
        }


def _apply_base(store: SqlStore, base: Source, head: Source, progress: Progress | None) -> Plan:
    """Under the name that the source has now, and as if read with the settings in force now: a file that other globs
    choose is a change, but no word of the tool's is."""
    same = base.settings.fingerprint() == head.settings.fingerprint()
    older = base if base.name == head.name else replace(base, name=head.name, _tree=None)
    unjudged = replace(OFFLINE, policies=Policies())

    def plan() -> Plan:
        made = make_plan(older.tree(), base.settings, store, options=unjudged, progress=progress)
        return replace(made, inputs=inputs_digest(head.settings, ()), tree=made.tree if same else "")

    try:
        return apply_planned(store, plan, actor=Actor("diff", ""), lock_timeout=0.0).plan
    except InvalidDocuments as invalid:
        offline_plan(head.tree(), head.settings, progress=progress)
        raise InvalidBase(_commit(base), invalid) from invalid


def _warnings_of(base: Source, progress: Progress | None) -> list[Diagnostic]:
    """What the older commit is warned of, by its rules as well; so a new rule tells all it finds.

    What rules forbid there is no matter of the change.
    """
    try:
        return list(offline_plan(base.tree(), base.settings, progress=progress).warnings)
    except InvalidDocuments as invalid:
        return [d for d in invalid.diagnostics if d.severity == "warning"]


def _told(plan: Plan, before: Iterable[Diagnostic], commit: str) -> Plan:
    """For people: generations mean nothing here, and a warning that was there before is none of the change."""
    there = Counter(_trait(d) for d in before)
    new = []
    for d in plan.warnings:
        there[_trait(d)] -= 1
        if there[_trait(d)] < 0:
            new.append(d)
    resources = tuple(c._replace(old=c.old._replace(since=0)) if c.old is not None else c for c in plan.resources)
    return replace(
        plan, kind="diff", tree="", note=f"from {commit[:7]}", resources=resources, warnings=tuple(new), orphans=()
    )


def _commit(base: Source) -> str:
    """Of a commit without the folder only its tree knows."""
    return base.head.commit if base.head is not None else base.tree().commit or ""


def _trait(d: Diagnostic) -> tuple[str, ...]:
    """What stays the same of a warning where lines only move."""
    return d.code, d.message, d.place.path if d.place is not None else "", (d.excerpt or "").strip()


def _bodies(store: SqlStore, part: Plan) -> Mapping[SliceKey, bytes]:
    keys = [c.key for c in part.slices if c.action is Action.UPDATE]
    return store.slice_bodies(part.base, keys=keys) if keys else {}
