"""A plan as a comment on a pull request: one line of verdict, a table of counts, what is lost first, the rest folded.

Kept below what forges take for a comment. What doesn't fit is counted, and the counts on top are always of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from reconciler.base.durations import format_duration
from reconciler.model.plan import Action, Cause, Plan, ResourceChange, Stored
from reconciler.model.resource import Resource
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.plan.explain import ResourceStory, SliceField, SliceStory, resource_stories, slice_stories
from reconciler.plan.fields import ABSENT, FieldChange
from reconciler.plan.focus import EVERYTHING, Focus, focused
from reconciler.plan.running import running
from reconciler.report.links import Links
from reconciler.report.markdown import code, fence, folded, link, marker, table
from reconciler.report.masks import Masks
from reconciler.report.plan_changes import Bodies
from reconciler.report.shortened import shorten
from reconciler.report.style import PLAIN, count
from reconciler.report.values import change_lines, value_text
from reconciler.report.words import RESOURCE_WORDS, SLICE_WORDS

MOST = 60_000
"""Characters. GitHub takes 65,536; a bot may want to add a line."""
_FIELDS = 20
_ENVIRONMENTS = 8
_ROWS = 20
_WARNINGS = 20
_BLOCK = 4_000
"""Characters of one folded part; a script that was rewritten mustn't hide everything behind it."""


def plan_markdown(
    plan: Plan, bodies: Bodies, *, links: Links, base: str = "", focus: Focus = EVERYTHING, most: int = MOST
) -> str:
    """The whole comment. ``base``: the commit that is compared with, where no store is."""
    masks = Masks()
    part = focused(plan, focus)
    head = _head(plan, part, base, focus)
    short = shorten(part)
    masked = _masked(short.plan, masks)
    older = {key: masks.body(body) for key, body in bodies(short.plan).items()}
    blocks = [*_blocks(masked, older, plan, base, links), *_warnings(plan, links)]
    left: Counter[str] = Counter()
    for (_, action), n in short.more_resources.items():
        left[f"more {RESOURCE_WORDS[action]}"] += n
    for (_, action), n in short.more_slices.items():
        left[f"slices that {SLICE_WORDS[action]}"] += n
    return fitted(head, blocks, left, _more_hint(base), most)


class Block(NamedTuple):
    """A part of a comment. ``title`` begins it, where the one before has another; ``what`` it is counted as."""

    title: str
    text: str
    what: str
    number: int = 1


def fitted(head: Sequence[str], blocks: Iterable[Block], left: Counter[str], hint: str, most: int) -> str:
    """Whole blocks only, so that nothing stays open."""
    text = "\n".join(head)
    room = most - len(text) - 600
    shown: list[str] = []
    title = ""
    for block in blocks:
        parts = [*([f"#### {block.title}"] if block.title != title else []), block.text]
        size = sum(len(p) + 2 for p in parts)
        if size > room:
            left[block.what] += block.number
            continue
        room -= size
        title = block.title
        shown += parts
    if left:
        told = ", ".join(f"{n:,} {what}" for what, n in left.items())
        shown.append(f"**And more that isn't shown:** {told}. {hint}")
    return "\n\n".join([text, *shown]) + "\n"


def _more_hint(base: str) -> str:
    command = f"gitops plan --base {base[:7]} --full" if base else "gitops plan --full"
    return f"{code(command)} shows all."


def _head(plan: Plan, part: Plan, base: str, focus: Focus) -> list[str]:
    to = plan.commit[:7] or "the working tree"
    since = f"from {code(base[:7])} to {code(to)}" if base else f"at {code(to)}, on generation {plan.base}"
    lines = [marker("plan", plan.source), f"### {_verdict(plan)}", "", f"Source {code(plan.source)}, {since}."]
    if focus:
        decided = sum(c.action is not Action.KEEP for c in part.resources)
        shown = f"{count(decided, 'resource')} and {count(len(part.slices), 'slice')} that change"
        lines += ["", f"**Shown: {code(str(focus))}: {shown}.** The counts are those of the whole."]
    if not plan.pending:
        return lines
    counts = plan.counts
    actions = [a for a in RESOURCE_WORDS if counts["resources"].get(a) or counts["slices"].get(a)]
    rows = [
        [name, *(f"{counts[key].get(a, 0):,}" for a in actions)]
        for name, key in (("Resources", "resources"), ("Slices", "slices"))
    ]
    lines += ["", *table(["", *(RESOURCE_WORDS[a].removeprefix("to ") for a in actions)], rows)]
    lines += ["", *_by_environment(plan)]
    paces = running(plan).paces
    if paces:
        told = ", ".join(f"{code(p.check)} {format_duration(p.old)} → {format_duration(p.new)}" for p in paces[:_ROWS])
        more = f" and {len(paces) - _ROWS:,} more" if len(paces) > _ROWS else ""
        lines += ["", f"Intervals: {told}{more}."]
    causes = Counter([*(c.cause for c in plan.resources), *(c.cause for c in plan.slices)])
    drift, rewrite = causes[Cause.DRIFT], causes[Cause.REWRITE]
    if drift or rewrite:
        lines += ["", f"Of these {drift:,} put back what was written outside an apply, {rewrite:,} are rewrites."]
    return lines


def _verdict(plan: Plan) -> str:
    if not plan.pending:
        return "No changes"
    counts = plan.counts
    resources = [
        f"{counts['resources'][a]:,} {RESOURCE_WORDS[a]}" for a in RESOURCE_WORDS if counts["resources"].get(a)
    ]
    slices = [f"{counts['slices'][a]:,} {SLICE_WORDS[a]}" for a in SLICE_WORDS if counts["slices"].get(a)]
    told = ", ".join(resources) or "No resource changes"
    return f"{told}; slices: {', '.join(slices)}" if slices else f"{told}; no slice changes"


def _by_environment(plan: Plan) -> Iterator[str]:
    """What changes for which environment."""
    counted: dict[str, Counter[Action]] = {}
    for c in plan.slices:
        name = "" if c.key.environment == NO_ENVIRONMENT else plan.names.get(c.key.environment, "")
        counted.setdefault(name, Counter())[c.action] += 1
    actions = [a for a in SLICE_WORDS if any(n[a] for n in counted.values())]
    if not counted:
        return
    rows = [
        [code(name) if name else "without environment", *(f"{n[a]:,}" for a in actions)]
        for name, n in sorted(counted.items())
    ]
    yield from table(["Environment", *(SLICE_WORDS[a] for a in actions)], rows[:_ROWS])
    if len(rows) > _ROWS:
        yield f"\nAnd {len(rows) - _ROWS:,} more environments."


def _masked(plan: Plan, masks: Masks) -> Plan:
    def resource(r: Resource) -> Resource:
        return r._replace(body=masks.body(r.body))

    def old(s: Stored | None) -> Stored | None:
        return s if s is None else s._replace(resource=resource(s.resource))

    changes = (c._replace(old=old(c.old), new=resource(c.new) if c.new else None) for c in plan.resources)
    slices = (c._replace(body=masks.body(c.body) if c.body else b"") for c in plan.slices)
    return replace(plan, resources=tuple(changes), slices=tuple(slices))


def _blocks(part: Plan, older: Mapping[SliceKey, bytes], plan: Plan, base: str, links: Links) -> Iterator[Block]:
    starts = Counter(uid for c in plan.slices if c.action is Action.CREATE for uid in set(c.key) if uid)
    resources, slices = list(resource_stories(part)), list(slice_stories(part, older))
    writer = _Writer(links, plan.commit, base, starts)
    for action, title in _TITLES.items():
        for story in resources:
            if story.change.action is action:
                yield Block(title, writer.resource(story), f"more {RESOURCE_WORDS[action]}")
        for told in slices:
            if told.action is action:
                yield Block(title, writer.slices(told), f"slices that {SLICE_WORDS[action]}", len(told.environments))


_TITLES = {
    Action.DELETE: "Deleted",
    Action.ORPHAN: "Orphaned: gone from git, and kept running",
    Action.MOVE: "Moved",
    Action.UPDATE: "Changed",
    Action.CREATE: "Created",
}


@dataclass(frozen=True, slots=True)
class _Writer:
    """``starts`` counts by uid the slices that begin."""

    links: Links
    commit: str
    base: str
    starts: Counter[int] = field(default_factory=Counter)

    def resource(self, story: ResourceStory) -> str:
        change = story.change
        told = [code(f"{change.action.symbol} {change.key}"), self._place(change)]
        if change.action is Action.CREATE:
            begin = self.starts[change.uid]
            told += [count(begin, "slice")] if begin else []
        elif change.reason:
            told.append(code(change.reason))
        apart = change.cause is not Cause.CHANGE
        summary = " ".join(filter(None, [*told, f"({change.cause.value})" if apart else ""]))
        if not story.fields:
            return f"- {summary}"
        return folded(summary, fence(diff_lines(story.fields), "diff"))

    def slices(self, story: SliceStory) -> str:
        names = [e or "without environment" for e in story.environments]
        told = ", ".join(code(name) for name in names[:_ENVIRONMENTS])
        more = f" and {len(names) - _ENVIRONMENTS:,} more" if len(names) > _ENVIRONMENTS else ""
        apart = f" ({story.cause.value})" if story.cause is not Cause.CHANGE else ""
        summary = f"{code(f'{story.action.symbol} Slice {story.system}/{story.check}')} in {told}{more}{apart}"
        if not story.fields:
            return f"- {summary}"
        lines = [line for f in story.fields[:_FIELDS] for line in _slice_field(f)]
        return folded(summary, fence(_cut(lines, len(story.fields)), "diff"))

    def _place(self, change: ResourceChange) -> str:
        if change.new is not None:
            r, commit = change.new, self.commit
        elif change.old is not None:
            r, commit = change.old.resource, self.base
        else:
            return ""
        return link(f"{r.path}:{r.line}", self.links.to(commit, r.path, r.line))


def diff_lines(fields: Sequence[FieldChange]) -> Iterator[str]:
    """Fields that differ, as the lines of a diff, no more than a part may have."""
    return _cut([line for f in fields[:_FIELDS] for line in _field(f.path, f.old, f.new)], len(fields))


def _slice_field(f: SliceField) -> Iterator[str]:
    for environment, old, new in f.values[:_ENVIRONMENTS]:
        place = "" if f.common else f"  in {environment or 'no environment'}"
        yield from _field(f.path, old, new, place)
    if len(f.values) > _ENVIRONMENTS:
        yield f"  and {len(f.values) - _ENVIRONMENTS:,} more environments"


def _field(path: str, old: Any, new: Any, place: str = "") -> Iterator[str]:
    """As a diff: the field, what it was, what it will be."""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old.rstrip("\n") + new.rstrip("\n"):
        first, *rest = change_lines(path, old, new, PLAIN)
        yield f"  {first}{place}"
        yield from (line[2:] for line in rest)
        return
    yield f"  {path}{place}"
    was, now = value_text(path, old), value_text(path, new)
    if old is not ABSENT:
        yield f"- {was}"
    if new is not ABSENT:
        yield f"+ {now}"
    if was == now:
        yield "  (they differ in what isn't shown)"


def _cut(lines: Sequence[str], fields: int) -> Iterator[str]:
    """Up to the size of a block. ``fields``: how many there are."""
    room = _BLOCK
    for at, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            yield f"  and {len(lines) - at:,} more lines"
            break
        yield line
    if fields > _FIELDS:
        yield f"  and {fields - _FIELDS:,} more fields"


def _warnings(plan: Plan, links: Links) -> Iterator[Block]:
    for at, d in enumerate(plan.warnings):
        if at == _WARNINGS:
            yield Block("Warnings", f"- and {count(len(plan.warnings) - at, 'more warning')}", "warnings")
            return
        place = d.place
        where = (
            "" if place is None else link(f"{place.path}:{place.line}", links.to(plan.commit, place.path, place.line))
        )
        yield Block("Warnings", f"- {where} {code(f'{d.code}: {d.message}')}", "warnings")
