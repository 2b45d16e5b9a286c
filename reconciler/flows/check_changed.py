"""From the files that differ to what is wrong because of them; see :mod:`reconciler.flows.validate_changed`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.base.diagnostics import Diagnostic
from reconciler.flows.link import Duplicates, duplicate_faults
from reconciler.flows.load import FileResult, read_file
from reconciler.flows.locate import Placer
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.resolve import Start, resolve
from reconciler.flows.settings import Settings
from reconciler.flows.unread import Unread
from reconciler.flows.validation import Validation
from reconciler.model.plan import Action, Stored, Totals
from reconciler.model.resource import Key, Resource
from reconciler.source.delta import Delta


def check(delta: Delta, settings: Settings, *, name: str, progress: Progress | None = None) -> Validation:
    """Everything that is wrong in the changed files, and beyond them because of what they say or no longer say."""
    progress = progress or Silent()
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
    sides = _Sides.of(before, now, unread)
    locate = Placer(name, lambda path: next((data for _, data in delta.now([path])), None))
    start = Start(
        source=name,
        resources=sides.fresh,
        previous=sides.previous,
        deletion="delete",
        locate=locate,
        failed=unread.failed,
        failed_names=unread.failed_names,
        external=settings.external,
    )
    resolved = resolve(start, unread, progress)
    found = {*delta.faults, *(d for result in now for d in result.diagnostics), *resolved.diagnostics}
    found.update(duplicate_faults([Duplicates(rows[0], rows[1:]) for rows in sides.again], locate))
    diagnostics = tuple(sorted(found, key=lambda d: d.order))
    totals = Totals(
        files=len(changed),
        documents=sum(result.documents for result in now),
        passed_over=sum(result.passed_over for result in now),
        resources=len(sides.fresh),
        slices=sum(1 for c in resolved.slices if c.action is not Action.DELETE),
    )
    if any(d.severity == "error" for d in diagnostics):
        return Validation(diagnostics, None, _files(changed, diagnostics), since=delta.base)
    return Validation(diagnostics, totals, _files(changed, diagnostics), since=delta.base)


def _files(changed: Iterable[str], diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
    return tuple(sorted({*changed, *(d.place.path for d in diagnostics if d.place is not None)}))


@dataclass(slots=True)
class _Sides:
    """``previous`` is replaced by ``fresh``; ``again`` holds all declarers of a touched name that has several."""

    previous: list[Stored] = field(default_factory=list)
    fresh: list[Resource] = field(default_factory=list)
    again: list[list[Resource]] = field(default_factory=list)

    @staticmethod
    def of(before: Sequence[FileResult], now: Sequence[FileResult], unread: Unread) -> _Sides:
        """Part what changed from what stands in a changed file and says the same."""
        old, new = _by_key(before), _by_key(now)
        same = {k for k in old.keys() & new.keys() if [*map(_said, old[k])] == [*map(_said, new[k])]}
        unread.add(r for k in same for r in new[k])
        touched = sorted((old.keys() | new.keys()) - same)
        others = unread.declarers(touched)
        sides = _Sides()
        for key in touched:
            rows = [s.resource for s in others.get(key, ())]
            sides._add([*old.get(key, ()), *rows], [*new.get(key, ()), *rows], rows, unread)
        sides._hide(unread)
        sides._judge_again(unread)
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

    def _judge_again(self, unread: Unread) -> None:
        """Who names an account that came or went is told so by a warning, which only a fresh look gives."""
        accounts = {r.key for r in self.fresh if r.key.kind == "ServiceAccount"}
        accounts ^= {s.resource.key for s in self.previous if s.resource.key.kind == "ServiceAccount"}
        if not accounts:
            return
        keys = {key for _, key, x in unread.referrers(accounts) if x.lenient}
        rows = list(unread.resources(keys=keys))
        self.previous += rows
        self.fresh += [s.resource for s in rows]
        self._hide(unread)

    def _hide(self, unread: Unread) -> None:
        unread.hide({s.resource.key for s in self.previous} | {r.key for r in self.fresh})


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
