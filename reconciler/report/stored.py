"""Resources and slices out of the store: tables, and single ones as documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.base.canonical import loads
from reconciler.kinds.table import API_VERSION
from reconciler.model.plan import Stored
from reconciler.report.style import Style, safe
from reconciler.report.table import table
from reconciler.report.yaml import to_yaml
from reconciler.store.port import SliceRow

_RELEASED = "(released)"


def resources_table(rows: Sequence[Stored], style: Style) -> Iterator[str]:
    """One line a resource, with where it stands in git."""
    cells = [
        [s.resource.key.kind, s.resource.key.name, s.resource.source or _RELEASED, _place(s), str(s.since), s.status]
        for s in rows
    ]
    yield from table(["KIND", "NAME", "SOURCE", "PLACE", "SINCE", "STATUS"], cells, style)


def slices_table(rows: Sequence[SliceRow], style: Style) -> Iterator[str]:
    """One line a slice: what runs where."""
    cells = [[s.system, s.check, s.environment or "-", s.source or _RELEASED, str(s.since)] for s in rows]
    yield from table(["SYSTEM", "CHECK", "ENVIRONMENT", "SOURCE", "SINCE"], cells, style)


def resources_yaml(rows: Sequence[Stored]) -> str:
    """Head documents, each below a comment that says where it comes from."""
    texts = []
    for s in rows:
        r = s.resource
        told = f"# {_place(s)} of source {r.source or _RELEASED}, since generation {s.since}, {s.status}\n"
        texts.append(
            safe(told.rstrip("\n")) + "\n" + to_yaml({"apiVersion": API_VERSION, "kind": r.key.kind, **loads(r.body)})
        )
    return "---\n".join(texts)


def slices_yaml(rows: Sequence[SliceRow]) -> str:
    """What executors read, each with its names."""
    return "---\n".join(
        to_yaml({"system": s.system, "check": s.check, "environment": s.environment, "slice": loads(s.body)})
        for s in rows
    )


def _place(s: Stored) -> str:
    return f"{s.resource.path}:{s.resource.line}"
