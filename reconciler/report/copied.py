"""A copied store, as people and as machines read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.style import Style, count, safe
from reconciler.report.table import table
from reconciler.store.copying import Copied


def copied_text(done: Copied, style: Style) -> Iterator[str]:
    """The digest of each table that holds anything, and what comes next."""
    rows = [[t.name, f"{t.rows:,}", t.digest] for t in done.tables if t.rows]
    yield from table(["TABLE", "ROWS", "DIGEST ON BOTH SIDES"], rows, style)
    yield ""
    what = f"generation {done.generation}, {count(done.rows, 'row')}, digest {done.digest}"
    yield safe(f"Copied {done.source} to {done.target}: {what}; in {done.seconds:.1f} s.")
    yield "Whoever used the one has to be told of the other: GITOPS_STORE, --store, or store in gitops.yaml."


def copied_json(done: Copied) -> dict[str, Any]:
    """All tables, empty ones too."""
    return {
        "format": FORMAT,
        "from": done.source,
        "to": done.target,
        "generation": done.generation or None,
        "tables": {t.name: {"rows": t.rows, "digest": t.digest} for t in done.tables},
        "digest": done.digest,
        "seconds": round(done.seconds, 3),
    }
