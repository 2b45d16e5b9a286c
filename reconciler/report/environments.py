"""Two environments side by side, as text, as data, and as a comment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.flows.environments import EnvironmentsCompared, SliceDifference
from reconciler.plan.fields import ABSENT, FieldChange
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.links import Links
from reconciler.report.markdown import code, fence, folded, link, marker, table
from reconciler.report.masks import Masks
from reconciler.report.plan_json import plain
from reconciler.report.plan_markdown import MOST, Block, diff_lines, fitted
from reconciler.report.style import Style, count, safe
from reconciler.report.values import change_lines

_SLICES = 30
_FIELDS = 12


def environments_text(found: EnvironmentsCompared, style: Style, *, full: bool = False) -> Iterator[str]:
    """What isn't equal: what only one has first."""
    one, other = found.names
    at = f"at {found.commit[:7]}" if found.commit else "in the working tree"
    yield style(safe(f"Environments {one} and {other} of source {found.source} {at}"), "bold")
    if found.fields:
        yield ""
        yield "Fields of the environments"
        yield from _fields(found.fields, style, full=full)
    for name, sign in ((one, "-"), (other, "+")):
        alone = [s for s in found.slices if s.only == name]
        if alone:
            yield ""
            yield style(safe(f"Only in {name}"), "bold")
            shown = alone if full else alone[:_SLICES]
            yield from (style(safe(f"{sign} Slice {s.system}/{s.check}"), "yellow") for s in shown)
            yield from _more(len(alone) - len(shown))
    both = [s for s in found.slices if s.only is None]
    if both:
        yield ""
        shown = both if full else both[:_SLICES]
        for s in shown:
            yield style(safe(f"~ Slice {s.system}/{s.check}"), "yellow")
            yield from _fields(s.fields, style, full=full)
        yield from _more(len(both) - len(shown))
    yield ""
    yield style(totals(found), "bold")


def totals(found: EnvironmentsCompared) -> str:
    """``Slices: 1 only in staging, 3 differ, 12 equal``."""
    parts = [f"{found.only_in(name):,} only in {name}" for name in found.names if found.only_in(name)]
    parts += [f"{found.differing:,} differ"] if found.differing else []
    return safe(f"Slices: {', '.join([*parts, f'{found.equal:,} equal'])}")


def _fields(fields: Sequence[FieldChange], style: Style, *, full: bool) -> Iterator[str]:
    shown = fields if full else fields[:_FIELDS]
    for f in shown:
        yield from (f"    {line}" for line in change_lines(f.path, f.old, f.new, style, full=full))
    if len(fields) > len(shown):
        yield f"    and {len(fields) - len(shown):,} more fields; --full shows all"


def _more(left: int) -> Iterator[str]:
    if left:
        yield f"  and {count(left, 'more slice')}; --full shows all"


def environments_json(found: EnvironmentsCompared) -> dict[str, Any]:
    """A field's ``values`` are by environment; one that hasn't got the field has no value."""
    return {
        "format": FORMAT,
        "source": found.source,
        "commit": found.commit,
        "environments": list(found.names),
        "fields": [_field_json(f, found.names) for f in found.fields],
        "slices": [
            {
                "system": s.system,
                "check": s.check,
                "only": s.only,
                "fields": [_field_json(f, found.names) for f in s.fields],
                "place": {"path": s.place[0], "line": s.place[1]},
            }
            for s in found.slices
        ],
        "counts": {
            "only": {name: found.only_in(name) for name in found.names},
            "differ": found.differing,
            "equal": found.equal,
        },
    }


def _field_json(f: FieldChange, names: tuple[str, str]) -> dict[str, Any]:
    values = {n: plain(v) for n, v in zip(names, (f.old, f.new), strict=True) if v is not ABSENT}
    return {"path": f.path, "values": values}


def environments_markdown(found: EnvironmentsCompared, links: Links, *, most: int = MOST) -> str:
    """A comment, in which nothing a document says can leave its place."""
    masks = Masks()
    one, other = found.names
    at = f"at {code(found.commit[:7])}" if found.commit else "in the working tree"
    rows = [[f"only in {code(n)}", f"{found.only_in(n):,}"] for n in found.names]
    rows += [["differ", f"{found.differing:,}"], ["equal", f"{found.equal:,}"]]
    head = [
        marker("environments", f"{found.source}/{one}/{other}"),
        f"### {count(len(found.slices), 'slice')} that {'differs' if len(found.slices) == 1 else 'differ'}",
        "",
        f"Environments {code(one)} (-) and {code(other)} (+) of source {code(found.source)}, {at}.",
        "",
        *table(["Slices", "number"], rows),
    ]
    return fitted(head, _blocks(found, links, masks), Counter(), f"{code('gitops diff --full')} shows all.", most)


def _blocks(found: EnvironmentsCompared, links: Links, masks: Masks) -> Iterator[Block]:
    if found.fields:
        body = fence(diff_lines([_masked(f, masks) for f in found.fields]), "diff")
        yield Block("Environments", folded("Fields of the environments", body), "fields")
    for s in found.slices:
        path, line = s.place
        told = f"{code(f'{s.system}/{s.check}')} {link(f'{path}:{line}', links.to(found.commit, path, line))}"
        if s.only is not None:
            yield Block(f"Only in {code(s.only)}", f"- {told}", "slices")
        else:
            yield Block("Different", folded(told, fence(_lines(s, masks), "diff")), "slices")


def _lines(s: SliceDifference, masks: Masks) -> Iterator[str]:
    return diff_lines([_masked(f, masks) for f in s.fields])


def _masked(f: FieldChange, masks: Masks) -> FieldChange:
    old, new = (v if v is ABSENT else masks.value(v, f.path.rpartition(".")[2]) for v in (f.old, f.new))
    return FieldChange(f.path, old, new)
