"""The changes of a plan, line by line: what is lost first, and of each kind resources before slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model.plan import Action, Cause, Plan, ResourceChange
from reconciler.model.slice import SliceKey
from reconciler.plan.explain import ResourceStory, SliceField, SliceStory, resource_stories, slice_stories
from reconciler.report.shortened import Shortened, shorten, whole
from reconciler.report.style import Style, count, safe
from reconciler.report.values import change_lines
from reconciler.report.words import RESOURCE_WORDS, SLICE_WORDS

T = TypeVar("T")
Bodies = Callable[[Plan], Mapping[SliceKey, bytes]]
"""Gives the stored bodies of the slices that a plan (or the part of it that is shown) updates."""

_FIELDS = 12
_ENVIRONMENTS = 8
_TITLES = {
    Cause.CHANGE: "",
    Cause.DRIFT: "Drift: written outside an apply, to be put back",
    Cause.REWRITE: "Rewrite: this release stores the same meaning in another form",
}


def changes_text(plan: Plan, bodies: Bodies, style: Style, *, full: bool) -> Iterator[str]:
    """Those of git, then drift and rewrites apart."""
    short = whole(plan) if full else shorten(plan)
    starts = Counter(uid for c in plan.slices if c.action is Action.CREATE for uid in set(c.key) if uid)
    resources = list(resource_stories(short.plan))
    slices = list(slice_stories(short.plan, bodies(short.plan)))
    for cause, title in _TITLES.items():
        part = _Part(
            cause,
            [s for s in resources if s.change.cause is cause],
            [s for s in slices if s.cause is cause],
            short,
            starts,
            style,
            full,
        )
        if part.resources or part.slices:
            yield ""
            if title:
                yield style(title, "bold")
            yield from part.lines()


@dataclass(slots=True)
class _Part:
    """The changes of one cause. ``starts`` counts by uid the slices that begin."""

    cause: Cause
    resources: list[ResourceStory]
    slices: list[SliceStory]
    short: Shortened
    starts: Counter[int]
    style: Style
    full: bool

    def lines(self) -> Iterator[str]:
        for action, words in RESOURCE_WORDS.items():
            for story in self.resources:
                if story.change.action is action:
                    yield from self._resource(story)
            more = self.short.more_resources[self.cause, action]
            if more:
                yield f"  and {more:,} more {words}; --full shows all"
            for told in self.slices:
                if told.action is action:
                    yield from self._slices(told)
            more = self.short.more_slices[self.cause, action]
            if more:
                yield f"  and {count(more, 'more slice')} that {SLICE_WORDS[action]}; --full shows all"

    def _resource(self, story: ResourceStory) -> Iterator[str]:
        change = story.change
        head = self.style.action(change.action, f"{change.action.symbol} {change.key}")
        yield "  ".join([head, self.style(_place(change), "dim"), *self._reason(change)])
        yield from self._fields(
            [change_lines(f.path, f.old, f.new, self.style, full=self.full) for f in self._cut(story.fields, _FIELDS)],
            len(story.fields),
        )

    def _reason(self, change: ResourceChange) -> list[str]:
        if change.action is Action.CREATE:
            return [count(self.starts[change.uid], "slice")] if self.starts[change.uid] else []
        return [safe(change.reason)] if change.reason else []

    def _slices(self, story: SliceStory) -> Iterator[str]:
        head = self.style.action(story.action, f"{story.action.symbol} Slice {story.system}/{story.check}")
        yield f"{head}  {self._environments(story.environments)}"
        yield from self._fields([self._field(f) for f in self._cut(story.fields, _FIELDS)], len(story.fields))

    def _field(self, field: SliceField) -> Iterator[str]:
        if field.common:
            _, old, new = field.values[0]
            yield from change_lines(field.path, old, new, self.style, full=self.full)
            return
        yield safe(field.path)
        values = self._cut(field.values, _ENVIRONMENTS)
        for environment, old, new in values:
            label = environment or "without environment"
            lines = change_lines(field.path, old, new, self.style, full=self.full, label=label)
            yield from (f"  {line}" for line in lines)
        if len(field.values) > len(values):
            yield f"  and {len(field.values) - len(values):,} more environments; --full shows all"

    def _fields(self, told: Sequence[Iterator[str]], there: int) -> Iterator[str]:
        for lines in told:
            yield from (f"    {line}" for line in lines)
        if there > len(told):
            yield f"    and {there - len(told):,} more fields; --full shows all"

    def _cut(self, items: Sequence[T], limit: int) -> Sequence[T]:
        return items if self.full else items[:limit]

    def _environments(self, environments: Sequence[str | None]) -> str:
        if environments == (None,):
            return "without environment"
        names = [e or "without environment" for e in environments]
        shown = self._cut(names, _ENVIRONMENTS)
        more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
        return f"in {', '.join(shown)}{more}"


def _place(change: ResourceChange) -> str:
    resource = change.new if change.new is not None else change.old.resource if change.old is not None else None
    return safe(f"{resource.path}:{resource.line}") if resource is not None else ""
