"""What lies between two commits, by reading only the files that differ and those that they reach.

The newer commit is linked and rendered as ``gitops validate --only-changed`` does it. The older one has the same
unchanged files around the other side of the changed ones, so that its slices are rendered by the same piece of work.
Where anything is in doubt nothing is said, and everything is read: the result is always that of the long way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.flows.opened import Source
from reconciler.flows.policy_inputs import Operator, operator
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.validate_changed import Search
from reconciler.model.plan import Plan
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import SliceKey
from reconciler.policy.names import is_policy_file
from reconciler.source.delta import Delta
from reconciler.source.gitcli import find_root
from reconciler.store.port import Known

if TYPE_CHECKING:
    from reconciler.flows.affected import Work
    from reconciler.flows.check_changed import Touched
    from reconciler.flows.resolve import Uids
    from reconciler.flows.settings import Settings


class Quick(NamedTuple):
    """``warnings`` and ``bodies`` are those of the older state, which is ``known`` by its names."""

    plan: Plan
    warnings: Sequence[Diagnostic]
    known: Known
    bodies: Mapping[SliceKey, bytes]


def quick(base: Source, head: Source, progress: Progress | None = None) -> Quick | None:
    """The plan from one to the other, by what differs.

    None where the settings differ, where rules are in force that look at everything, and where there is any fault.
    """
    since = base.head
    if since is None or find_root(head.folder) is None:
        return None
    if (base.config, base.settings, base.name) != (head.config, head.settings, head.name):
        return None
    if head.settings.policies != "off" or operator() != Operator():
        return None
    search = Search(head, since)
    search.start()
    # Half of the time goes into git, and half into modules: they don't need each other.
    import reconciler.flows.check_changed  # noqa: F401

    commit = head.head.commit if head.head is not None else ""
    return over(search.result(), head.settings, name=head.name, commit=commit, progress=progress)


def over(
    delta: Delta, settings: Settings, *, name: str, commit: str = "", progress: Progress | None = None
) -> Quick | None:
    """The same, of files that are told apart already."""
    from reconciler.flows.check_changed import touched
    from reconciler.flows.resolve import resolve

    progress = progress or Silent()
    if delta.faults or any(map(is_policy_file, delta.paths)):
        return None
    found = touched(delta, settings, name=name, progress=progress)
    if found.sides.again or _errors(d for result in (*found.before, *found.now) for d in result.diagnostics):
        return None
    older = _Older(found, settings, name, delta)
    start = replace(found.start, deletion=settings.deletion, older=older.slices)
    resolved = resolve(start, found.unread, progress)
    if found.unread.failed or found.unread.failed_names or _errors([*resolved.diagnostics, *older.diagnostics]):
        return None
    warnings = [d for result in found.now for d in result.diagnostics] + resolved.diagnostics
    plan = Plan(
        source=name,
        base=0,
        kind="apply",
        commit=commit,
        tree="",
        inputs="",
        resources=tuple(resolved.changes),
        slices=tuple(resolved.slices),
        names=resolved.names,
        warnings=tuple(sorted(warnings, key=lambda d: d.order)),
        reread=len(found.now),
    )
    before = [d for result in found.before for d in result.diagnostics]
    return Quick(plan, [*before, *older.diagnostics], found.unread, older.bodies)


def _errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)


class _Older:
    """The state before: its side of what differs, over the same unread files."""

    def __init__(self, found: Touched, settings: Settings, name: str, delta: Delta) -> None:
        from reconciler.flows.locate import Placer

        self._found, self._settings = found, settings
        self._locate = Placer(name, lambda path: next((data for _, data in delta.before([path])), None))
        self.diagnostics: list[Diagnostic] = []
        self.bodies: dict[SliceKey, bytes] = {}

    def slices(self, work: Work, uids: Uids, whole: Collection[int]) -> Mapping[SliceKey, str]:
        """What there was of the slices that ``work`` renders now, and of the systems ``whole``."""
        from reconciler.flows import link
        from reconciler.flows.affected import Renderer
        from reconciler.flows.affected import Work as ToDo
        from reconciler.flows.world import World

        previous = self._found.sides.previous
        was = {s.resource.key: s for s in previous}
        world = World(self._found.unread, {key: s.resource for key, s in was.items()}, ())
        checks = {uids(Key("Check", name)) for name in work.checks}
        environments = {uids(Key("Environment", name)) for name in work.environments}

        def names(kind: str, now: Collection[str], changed: Collection[int]) -> set[str]:
            """As they were called: what differs by who it is, what only extends it by its name."""
            kept = {name for name in now if self._untouched(Key(kind, name))}
            return kept | {key.name for key, s in was.items() if key.kind == kind and s.uid in changed}

        todo = ToDo(
            systems={key: s.resource for key, s in was.items() if key.kind == "System" and s.uid in whole},
            # One that only moved to another file is touched, and has its slices all the same.
            partial={
                key: was[key].resource if key in was else r
                for key, r in work.partial.items()
                if key in was or self._untouched(key)
            },
            checks=names("Check", work.checks, checks),
            environments=names("Environment", work.environments, environments),
        )
        renderer = Renderer(world, lambda key: was[key].uid if key in was else uids(key), self._place)
        external = self._settings.external
        resources = list(world.fresh.values())
        self.diagnostics += link.reference_faults(world, resources, external, self._place)
        self.diagnostics += link.membership_faults(world, resources, external, self._place)
        self.diagnostics += link.cycle_faults(world, resources, self._place)
        if not _errors(self.diagnostics):
            renderer.run(todo)
        self.diagnostics += renderer.diagnostics
        self.bodies = {key: body for key, (_, body) in renderer.slices.items()}
        return {key: digest for key, (digest, _) in renderer.slices.items()}

    def _untouched(self, key: Key) -> bool:
        start = self._found.start
        return all(r.key != key for r in start.resources) and all(s.resource.key != key for s in start.previous)

    def _place(self, resource: Resource, fault: Fault) -> Diagnostic:
        return self._locate(resource, fault)
