"""What other programs call: load a folder, plan, apply and run it. The same code as the command line, without output.

    from reconciler import api

    plan = api.plan("monitoring", store="store.db")
    if plan.pending:
        print(api.apply(plan, store="store.db").generation, plan.counts)

Every failure that can be expected is a :class:`~reconciler.base.errors.GitopsError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.base.canonical import loads
from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import SourceError, UsageError
from reconciler.flows.apply import Actor, Applied, apply_planned, apply_reviewed
from reconciler.flows.offline import offline_plan
from reconciler.flows.opened import open_source
from reconciler.flows.position import plan_source
from reconciler.flows.render import RenderedSlice
from reconciler.flows.settings import Overrides
from reconciler.model.plan import Plan
from reconciler.model.run import Outcome
from reconciler.store.open import open_store, open_to_read
from reconciler.versioning.loading import check_chains

if TYPE_CHECKING:
    from reconciler.flows.runs import Told
    from reconciler.store.executing import Executing

Folder = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class LoadedResource:
    """One document at the head version. ``body`` is ``{"metadata": ..., "spec": ...}``, normalised, not rendered."""

    kind: str
    name: str
    path: str
    line: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a folder means, sorted by name. ``commit`` is None for a working tree."""

    source: str
    commit: str | None
    resources: tuple[LoadedResource, ...]
    slices: tuple[RenderedSlice, ...]
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One run of one slice. ``reason`` says in a few words why it isn't healthy.

    ``detail`` is what is stored of it: ``collectors``, each with ``result``, ``phases`` and ``assertions``.
    """

    system: str
    check: str
    environment: str | None
    outcome: Outcome
    reason: str | None
    duration_ms: float
    detail: dict[str, Any]


def load(folder: Folder, *, rev: str | None = None, worktree: bool = False) -> Snapshot:
    """Read, migrate, link and render a folder, without a store.

    ``rev`` names a commit instead of HEAD; ``worktree`` takes the files as they are on disk, and so does a folder
    outside of git. Names of other sources are those that ``external`` in ``gitops.yaml`` lists. Raises
    ``InvalidDocuments`` with every fault of the repository, ``SourceError``, ``UsageError``.

        for each in api.load(".", worktree=True).slices:
            print(each.system, each.check, each.environment, each.body["check"]["interval"])
    """
    check_chains()
    source = open_source(Path(folder), Overrides(), rev=rev, worktree=worktree)
    made = offline_plan(source.tree(), source.settings)
    resources = [c.new for c in made.resources if c.new is not None]
    slices = [(c, [made.names[uid] if uid else None for uid in c.key]) for c in made.slices]
    return Snapshot(
        source=source.name,
        commit=made.commit or None,
        resources=tuple(
            LoadedResource(r.key.kind, r.key.name, r.path, r.line, loads(r.body))
            for r in sorted(resources, key=lambda r: r.key)
        ),
        slices=tuple(
            RenderedSlice(system or "", check or "", environment, loads(change.body))
            for change, (system, check, environment) in sorted(slices, key=lambda s: [name or "" for name in s[1]])
        ),
        warnings=made.warnings,
    )


def plan(
    folder: Folder,
    store: Folder | None = None,
    *,
    rev: str | None = None,
    worktree: bool = False,
    force: bool = False,
    settings: Overrides | None = None,
) -> Plan:
    """What an apply would change, exactly; nothing is written.

    ``store`` is a file (or ``:memory:``), by default that of ``gitops.yaml``; one that isn't there reads as empty.
    ``force`` lifts the guards; ``settings`` win over ``gitops.yaml``. Raises ``InvalidDocuments``, ``PlanRefused``,
    ``SourceError``, ``StoreError``, ``UsageError``.

        plan = api.plan(".", rev="origin/main")
        print(plan.pending, plan.counts)   # True {'resources': {'update': 1}, 'slices': {'update': 2}}
    """
    check_chains()
    source = open_source(Path(folder), settings or Overrides(), rev=rev, worktree=worktree)
    reader = open_to_read(source.store if store is None else fspath(store))
    try:
        return plan_source(source, reader, force=force)
    finally:
        reader.close()


def apply(
    what: Plan | Folder,
    store: Folder | None = None,
    *,
    rev: str | None = None,
    worktree: bool = False,
    force: bool = False,
    settings: Overrides | None = None,
    actor: str | None = None,
    lock_timeout: float = 10.0,
    old_workers: bool = False,
) -> Applied:
    """Bring the store to what a folder says, or commit a reviewed plan exactly; one transaction either way.

    A plan needs ``store``, and is refused with ``StalePlan`` when the store has moved on since. For a folder the plan
    is made under the lock, and returned with what came of it. ``actor`` is written into the history, by default the
    account; ``lock_timeout`` is in seconds. Raises what :func:`plan` raises, ``LockHeld``, and ``PlanRefused`` where
    live workers are too old to read what would be written, unless ``old_workers`` says that they may be.

        applied = api.apply(".", actor="deploy job")
        print(applied.committed, applied.generation)
    """
    check_chains()
    who = Actor.here() if actor is None else Actor(actor, Actor.here().host)
    if isinstance(what, Plan):
        if store is None:
            raise UsageError("a plan doesn't say which store it is for", hint="pass store=, as it was planned against")
        writer = open_store(fspath(store))
        try:
            return apply_reviewed(writer, what, actor=who, lock_timeout=lock_timeout, old_workers=old_workers)
        finally:
            writer.close()
    source = open_source(Path(what), settings or Overrides(), rev=rev, worktree=worktree)
    writer = open_store(source.store if store is None else fspath(store))
    try:
        return apply_planned(
            writer,
            lambda: plan_source(source, writer, force=force),
            actor=who,
            lock_timeout=lock_timeout,
            old_workers=old_workers,
        )
    finally:
        writer.close()


def run(
    folder: Folder,
    check: str | None = None,
    *,
    system: str | None = None,
    environment: str | None = None,
    store: Folder | None = None,
    worktree: bool = False,
    record: bool = True,
) -> tuple[CheckRun, ...]:
    """Run checks once, now, in this process; of ``check``, ``system`` and ``environment``, or everything.

    What was applied is run, and ``record`` keeps the runs, so that health counts them. ``worktree`` runs what the files
    on disk say instead, without a store: it executes what they say, so it is for those that are trusted. Has an event
    loop of its own, so it can't be called inside of one. Raises ``GitopsError`` when nothing is called so,
    ``InvalidDocuments``, ``SourceError``, ``StoreError``, ``UsageError``.

        for each in api.run(".", "orders-http"):
            print(each.environment, each.outcome, each.reason)
    """
    from reconciler.flows.executor import make_executor
    from reconciler.flows.once import Choice, in_memory, run_all, targets

    check_chains()
    choice = Choice(check, system, environment)
    with ExitStack() as opened:
        if worktree:
            reader = opened.enter_context(in_memory(open_source(Path(folder), Overrides(), worktree=True)))
            recorder = None
        else:
            address = _store_of(Path(folder)) if store is None else fspath(store)
            reader = opened.enter_context(closing(open_to_read(address)))
            recorder = opened.enter_context(_recorder(address)) if record and reader.generation() else None
        told: list[Told] = []
        run_all(targets(reader, choice), lambda: make_executor(reader, os.environ), told.append, recorder=recorder)
    return tuple(CheckRun(*t.name, t.run.outcome, t.run.reason, t.run.duration_ms, t.run.detail) for t in told)


@contextmanager
def _recorder(address: str) -> Iterator[Executing]:
    from reconciler.store.open import open_executing

    with closing(open_executing(address)) as recorder:
        recorder.reconcile()
        yield recorder


def _store_of(folder: Path) -> str:
    """What an apply of the folder would use; of one without a commit, what its files say."""
    try:
        return open_source(folder, Overrides()).store
    except SourceError:
        return open_source(folder, Overrides(), worktree=True).store
