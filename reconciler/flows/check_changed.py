"""From the files that differ to what is wrong because of them; see :mod:`reconciler.flows.validate_changed`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.accounts import accounts, judges_again
from reconciler.flows.link import Duplicates, duplicate_faults
from reconciler.flows.load import FileResult, read_file
from reconciler.flows.locate import Placer
from reconciler.flows.policies import policies_of_change
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.resolve import Resolved, Start, resolve
from reconciler.flows.settings import Settings
from reconciler.flows.unread import Unread
from reconciler.flows.validation import Validation
from reconciler.kinds.table import KINDS
from reconciler.model.plan import Action, Stored, Totals
from reconciler.model.resource import Key, Resource
from reconciler.source.delta import Delta


@dataclass(frozen=True, slots=True)
class Touched:
    """What differs, and the way to all that it reaches. ``sides`` is what the files ``before`` and ``now`` say."""

    before: Sequence[FileResult]
    now: Sequence[FileResult]
    sides: Sides
    unread: Unread
    start: Start


def touched(delta: Delta, settings: Settings, *, name: str, progress: Progress) -> Touched:
    """Read the changed files as they are and as they were, and make of it what a plan can start from."""
    explicit = bool(settings.include)

    def load(path: str, data: bytes) -> FileResult:
        return read_file(path, "", data, source=name, explicit=explicit)

    progress.stage("reading", len(delta.changed))
    changed = list(delta.changed)
    now = [load(path, data) for path, data in delta.now(changed)]
    before = [load(path, data) for path, data in delta.before([*changed, *delta.gone])]
    unread = Unread(delta, load)
    for result in now:
        unread.failed |= result.failed
        unread.failed_names |= result.loose_names
    sides = Sides.of(before, now, unread)
    start = Start(
        source=name,
        resources=sides.fresh,
        previous=sides.previous,
        deletion="delete",
        locate=Placer(name, lambda path: next((data for _, data in delta.now([path])), None)),
        failed=unread.failed,
        failed_names=unread.failed_names,
        external=settings.external,
    )
    return Touched(before, now, sides, unread, start)


def check(delta: Delta, settings: Settings, *, name: str, progress: Progress | None = None) -> Validation:
    """Everything that is wrong in the changed files, and beyond them because of what they say or no longer say."""
    progress = progress or Silent()
    found_now = touched(delta, settings, name=name, progress=progress)
    now, sides, start = found_now.now, found_now.sides, found_now.start
    resolved = resolve(start, found_now.unread, progress)
    found = {*delta.faults, *(d for result in now for d in result.diagnostics), *resolved.diagnostics}
    found.update(duplicate_faults([Duplicates(rows[0], rows[1:]) for rows in sides.again], start.locate))
    found.update(_policed(delta, settings, resolved, start, found))
    diagnostics = tuple(sorted(found, key=lambda d: d.order))
    totals = Totals(
        files=len(delta.changed),
        documents=sum(result.documents for result in now),
        passed_over=sum(result.passed_over for result in now),
        resources=len(sides.fresh),
        slices=sum(1 for c in resolved.slices if c.action is not Action.DELETE),
    )
    if any(d.severity == "error" for d in diagnostics):
        return Validation(diagnostics, None, _files(delta.changed, diagnostics), since=delta.base)
    return Validation(diagnostics, totals, _files(delta.changed, diagnostics), since=delta.base)


def _policed(
    delta: Delta, settings: Settings, resolved: Resolved, start: Start, found: Iterable[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """What the rules in force find in what was looked at; those about the whole source wait for a look at it."""
    policies = policies_of_change(delta, settings)
    if policies is None:
        return ()
    from reconciler.flows.policing import police

    sound = not any(d.severity == "error" for d in found)
    told = police(policies, resolved, None, start.source, locate=start.locate, sound=sound)
    return told.lasting + told.passing


def _files(changed: Iterable[str], diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
    return tuple(sorted({*changed, *(d.place.path for d in diagnostics if d.place is not None)}))


@dataclass(slots=True)
class Sides:
    """``previous`` is replaced by ``fresh``; ``again`` holds all declarers of a touched name that has several."""

    previous: list[Stored] = field(default_factory=list)
    fresh: list[Resource] = field(default_factory=list)
    again: list[list[Resource]] = field(default_factory=list)

    @staticmethod
    def of(before: Sequence[FileResult], now: Sequence[FileResult], unread: Unread) -> Sides:
        """Part what changed from what stands in a changed file and says the same."""
        old, new = _by_key(before), _by_key(now)
        same = {k for k in old.keys() & new.keys() if [*map(_said, old[k])] == [*map(_said, new[k])]}
        unread.add(r for k in same for r in new[k])
        touched = sorted((old.keys() | new.keys()) - same)
        others = unread.declarers(touched)
        sides = Sides()
        for key in touched:
            rows = [s.resource for s in others.get(key, ())]
            sides._add([*old.get(key, ()), *rows], [*new.get(key, ()), *rows], rows, unread)
        sides._hide(unread)
        sides._judge_again(unread, _no_longer_excused(before, now))
        return sides

    def _add(self, was: list[Resource], now: list[Resource], rows: Sequence[Resource], unread: Unread) -> None:
        """One name: all that declared it, all that do, and which of these stand in files that didn't change.

        The first by file and line counts. Where that is the same as before, and in a file that is, nothing changed.
        """
        was.sort(key=_order)
        now.sort(key=_order)
        if len(now) > 1:
            self.again.append(now)
        if was[:1] == now[:1] and now[0] in rows:
            return
        self.previous += [unread.row(r) for r in was[:1]]
        self.fresh += now[:1]

    def _judge_again(self, unread: Unread, lost: set[Key]) -> None:
        """Who names one of ``lost`` wasn't blamed for it before.

        Who names an account that came, went or is another is judged by it, which only a fresh look does.
        """
        old, new = accounts(s.resource for s in self.previous), accounts(self.fresh)
        if old == new and not lost:
            return
        keys = {key for _, key, x in unread.referrers(old.keys() | new.keys()) if judges_again(x, old, new)}
        keys |= {key for _, key, _ in unread.referrers(lost)}
        rows = list(unread.resources(keys=keys))
        self.previous += rows
        self.fresh += [s.resource for s in rows]
        self._hide(unread)

    def _hide(self, unread: Unread) -> None:
        unread.hide({s.resource.key for s in self.previous} | {r.key for r in self.fresh})


def _no_longer_excused(before: Iterable[FileResult], now: Sequence[FileResult]) -> set[Key]:
    """Names of documents that had a fault of their own, and are neither that any more nor declared."""
    lost: set[Key] = set()
    for result in before:
        lost |= result.failed | {Key(kind, name) for name in result.loose_names for kind in KINDS}
    for result in now:
        lost -= result.failed | {r.key for r in result.resources}
    return lost


def _by_key(results: Iterable[FileResult]) -> dict[Key, list[Resource]]:
    found: dict[Key, list[Resource]] = {}
    for result in results:
        for resource in result.resources:
            found.setdefault(resource.key, []).append(resource)
    return found


def _said(r: Resource) -> tuple[object, ...]:
    """What of a resource others can notice."""
    return r.path, r.digest, r.references, r.renamed_from


def _order(r: Resource) -> tuple[str, int]:
    return r.path, r.nth
