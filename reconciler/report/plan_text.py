"""A plan as people read it. What is lost comes first; no kind of change is ever left out of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.plan import Action, Cause, Plan, ResourceChange, Stored
from reconciler.model.slice import SliceKey
from reconciler.plan.explain import ResourceStory, SliceStory, resource_stories, slice_stories
from reconciler.report.diagnostics_text import diagnostics_text
from reconciler.report.style import Style, count, safe
from reconciler.report.values import change_lines

_FOLD = {Action.DELETE: 200, Action.ORPHAN: 200}
_FOLD_OTHERS = 30
_FIELDS = 12
_ENVIRONMENTS = 8
_WARNINGS = 20
_TITLES = {
    Cause.CHANGE: "",
    Cause.DRIFT: "Drift: written outside an apply, to be put back",
    Cause.REWRITE: "Rewrite: this release stores the same meaning in another form",
}
_RESOURCE_WORDS = {
    Action.DELETE: "to delete",
    Action.ORPHAN: "to orphan",
    Action.MOVE: "to move",
    Action.UPDATE: "to change",
    Action.CREATE: "to create",
}
_SLICE_WORDS = {
    Action.DELETE: "stop",
    Action.ORPHAN: "orphan",
    Action.MOVE: "move",
    Action.UPDATE: "change",
    Action.CREATE: "start",
}


def plan_text(
    plan: Plan, before: Mapping[SliceKey, bytes], style: Style, *, legend: bool = False, full: bool = False
) -> Iterator[str]:
    """Lines of a whole plan. ``before``: stored bodies of the slices it updates."""
    if plan.pending:
        yield style(_header(plan), "bold")
        if legend:
            yield "  " + "   ".join(style.action(a, f"{a.symbol} {a.value}") for a in _RESOURCE_WORDS)
        yield from changes_text(plan, before, style, full=full)
    yield from _orphans(plan.orphans, style, full=full)
    yield from _warnings(plan, style, full=full)
    if plan.pending:
        yield ""
        yield from (style(line, "bold") for line in totals_lines(plan))
    else:
        yield from _nothing(plan, style)


def changes_text(plan: Plan, before: Mapping[SliceKey, bytes], style: Style, *, full: bool) -> Iterator[str]:
    """The changes alone: those of git, then drift and rewrites apart."""
    resources = list(resource_stories(plan))
    slices = list(slice_stories(plan, before))
    for cause, title in _TITLES.items():
        part = _Part(
            plan,
            [s for s in resources if s.change.cause is cause],
            [s for s in slices if s.cause is cause],
            style,
            full,
        )
        if part.resources or part.slices:
            yield ""
            if title:
                yield style(title, "bold")
            yield from part.lines()


def totals_lines(plan: Plan) -> list[str]:
    """Two lines that count every kind of change."""
    counts = plan.counts
    lines = []
    for what, label, words in (("resources", "Plan", _RESOURCE_WORDS), ("slices", "Slices", _SLICE_WORDS)):
        changes = plan.resources if what == "resources" else plan.slices
        parts = [f"{counts[what][a]:,} {words[a]}" for a in words if counts[what].get(a)]
        causes = Counter(c.cause for c in changes if c.action is not Action.KEEP)
        apart = [
            f"{causes[cause]:,} {word}"
            for cause, word in ((Cause.DRIFT, "drift"), (Cause.REWRITE, "rewrite"))
            if causes[cause]
        ]
        aside = f" (of these {', '.join(apart)})" if apart else ""
        lines.append(f"{label}: {', '.join(parts) or 'no changes'}{aside}")
    return lines


@dataclass(slots=True)
class _Part:
    """The changes of one cause."""

    plan: Plan
    resources: list[ResourceStory]
    slices: list[SliceStory]
    style: Style
    full: bool

    def lines(self) -> Iterator[str]:
        """By action, and within one resources before slices."""
        created = {c.key for c in self.plan.resources if c.action is Action.CREATE}
        names = {(k.kind, k.name) for k in created}
        starts: Counter[int] = Counter(
            uid for c in self.plan.slices if c.action is Action.CREATE for uid in set(c.key) if uid
        )
        for action in _RESOURCE_WORDS:
            yield from self._folded(
                [self._resource(s, starts) for s in self.resources if s.change.action is action], action
            )
            told = (
                s
                for s in self.slices
                if s.action is action and (self.full or action is not Action.CREATE or not _counted(s, names))
            )
            yield from self._folded([self._slices(s) for s in told], action)

    def _folded(self, stories: Sequence[Iterable[str]], action: Action) -> Iterator[str]:
        limit = len(stories) if self.full else _FOLD.get(action, _FOLD_OTHERS)
        for story in stories[:limit]:
            yield from story
        if len(stories) > limit:
            yield f"  and {len(stories) - limit:,} more; --full shows all"

    def _resource(self, story: ResourceStory, starts: Counter[int]) -> Iterator[str]:
        change = story.change
        head = self.style.action(change.action, f"{change.action.symbol} {change.key}")
        words = [self.style(_place(change), "dim"), *self._reason(change, starts)]
        yield f"{head}  {'  '.join(words)}"
        fields = story.fields if self.full else story.fields[:_FIELDS]
        for field in fields:
            yield from (
                f"    {line}" for line in change_lines(field.path, field.old, field.new, self.style, full=self.full)
            )
        if len(story.fields) > len(fields):
            yield f"    and {len(story.fields) - len(fields):,} more fields; --full shows all"

    def _reason(self, change: ResourceChange, starts: Counter[int]) -> list[str]:
        if change.action is Action.CREATE:
            return [count(starts[change.uid], "slice")] if starts[change.uid] else []
        return [safe(change.reason)] if change.reason else []

    def _slices(self, story: SliceStory) -> Iterator[str]:
        head = self.style.action(story.action, f"{story.action.symbol} Slice {story.system}/{story.check}")
        yield f"{head}  {self._environments(story.environments)}"
        fields = story.fields if self.full else story.fields[:_FIELDS]
        for field in fields:
            if field.common:
                _, old, new = field.values[0]
                yield from (f"    {line}" for line in change_lines(field.path, old, new, self.style, full=self.full))
                continue
            yield f"    {safe(field.path)}"
            values = field.values if self.full else field.values[:_ENVIRONMENTS]
            for environment, old, new in values:
                lines = change_lines(field.path, old, new, self.style, full=self.full)
                where = environment or "without environment"
                yield from (f"      {line}" for line in _relabelled(lines, field.path, where))
            if len(field.values) > len(values):
                yield f"      and {len(field.values) - len(values):,} more environments; --full shows all"
        if len(story.fields) > len(fields):
            yield f"    and {len(story.fields) - len(fields):,} more fields; --full shows all"

    def _environments(self, environments: Sequence[str | None]) -> str:
        if environments == (None,):
            return "without environment"
        names = [e or "without environment" for e in environments]
        limit = len(names) if self.full else _ENVIRONMENTS
        more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
        return f"in {', '.join(names[:limit])}{more}"


def _relabelled(lines: Iterator[str], path: str, label: str) -> Iterator[str]:
    first = next(lines)
    yield label + first.removeprefix(safe(path))
    yield from lines


def _counted(story: SliceStory, created: set[tuple[str, str]]) -> bool:
    """Whether the line of a created resource counts these slices already."""
    parts = [("System", story.system), ("Check", story.check)]
    if any(part in created for part in parts):
        return True
    return all(("Environment", e or "") in created for e in story.environments)


def _place(change: ResourceChange) -> str:
    resource = change.new if change.new is not None else change.old.resource if change.old is not None else None
    return safe(f"{resource.path}:{resource.line}") if resource is not None else ""


def _header(plan: Plan) -> str:
    base = f"on generation {plan.base}" if plan.base else "on an empty store"
    at = f"at {plan.commit[:7]}" if plan.commit else "from the working tree"
    match plan.kind:
        case "rollback":
            return safe(f"Rollback of source {plan.source} {plan.note}, {at}, {base}")
        case "delete" | "release":
            return safe(f"{plan.kind.capitalize()} orphans of source {plan.source}, {base}")
        case _:
            return safe(f"Plan for source {plan.source} {at}, {base}")


def _orphans(orphans: Sequence[Stored], style: Style, *, full: bool) -> Iterator[str]:
    if not orphans:
        return
    yield ""
    yield style("Orphans: gone from git, still running", "bold")
    shown = orphans if full else orphans[:_FOLD_OTHERS]
    for o in shown:
        owner = f"of source {o.resource.source}" if o.resource.source else "of no source"
        name = style.action(Action.ORPHAN, f"{Action.ORPHAN.symbol} {o.resource.key}")
        yield f"{name}  {safe(owner)}, since generation {o.since}"
    if len(orphans) > len(shown):
        yield f"  and {len(orphans) - len(shown):,} more; gitops orphan list shows all"


def _warnings(plan: Plan, style: Style, *, full: bool) -> Iterator[str]:
    if not plan.warnings:
        return
    yield ""
    shown = plan.warnings if full else plan.warnings[:_WARNINGS]
    if len(shown) == len(plan.warnings):
        yield from diagnostics_text(shown, style)
        return
    *lines, _ = diagnostics_text(shown, style)
    yield from lines
    yield f"and {count(len(plan.warnings) - len(shown), 'more warning')}; --full shows all"


def _nothing(plan: Plan, style: Style) -> Iterator[str]:
    if plan.orphans or plan.warnings:
        yield ""
    totals = plan.totals
    if plan.base == 0:
        others = f" ({count(totals.passed_over, 'document')} of other tools passed over)" if totals.passed_over else ""
        yield style(f"No changes. There is no document in {count(totals.files, 'file')}{others}.", "bold")
        return
    held = f"{count(totals.resources, 'resource')}, {count(totals.slices, 'slice')}"
    yield style(f"No changes. {held}, as applied in generation {plan.base}.", "bold")
