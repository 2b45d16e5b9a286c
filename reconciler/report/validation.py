"""The result of ``gitops validate``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reconciler.flows.validation import Validation
from reconciler.report.diagnostics_json import FORMAT, diagnostic_json, severity_counts
from reconciler.report.diagnostics_text import diagnostics_text
from reconciler.report.findings import Findings, format_of, harmless
from reconciler.report.style import PLAIN, Style, count


def validation_text(found: Validation, style: Style, *, quiet: bool = False) -> Iterator[str]:
    """Every diagnostic, then a sentence; quiet leaves the errors."""
    told = [d for d in found.diagnostics if not quiet or d.severity == "error"]
    yield from diagnostics_text(told, style)
    totals = found.totals
    if quiet or not found.valid:
        return
    if told:
        yield ""
    if totals is None:
        errors = count(found.elsewhere, "error")
        yield style(f"Valid where you asked: {count(len(found.files), 'file')}. Elsewhere: {errors}.", "green")
        return
    if found.since:
        documents, slices = count(totals.documents, "document"), count(totals.slices, "slice")
        since = f"since {found.since[:12]}"
        yield style(
            f"Valid {since}: {documents} in {count(totals.files, 'changed file')}, {slices} they touch.", "green"
        )
        return
    if not totals.documents:
        others = f"; {count(totals.passed_over, 'document')} of other tools passed over" if totals.passed_over else ""
        yield style(f"Nothing to check: no document in {count(totals.files, 'file')}{others}.", "yellow")
        return
    documents, slices = count(totals.documents, "document"), count(totals.slices, "slice")
    yield style(f"Valid. {documents} in {count(totals.files, 'file')}, {slices}.", "green")


def validation_json(found: Validation) -> dict[str, Any]:
    """``totals`` is null when there are errors, ``elsewhere`` counts those outside of the paths that were asked for.

    ``since`` is the commit that ``--only-changed`` compared with; ``totals`` are then those of the change.
    """
    totals = asdict(found.totals) if found.totals is not None else None
    if totals is not None:
        totals["passedOver"] = totals.pop("passed_over")
    return {
        "format": FORMAT,
        "valid": found.valid,
        "diagnostics": [diagnostic_json(d) for d in found.diagnostics],
        "counts": severity_counts(found.diagnostics),
        "totals": totals,
        "elsewhere": found.elsewhere,
        "since": found.since or None,
    }


def validation_in(name: str, found: Validation, folder: str) -> str:
    """The whole result in a format, plain. ``folder`` is where paths start from, seen from the repository's top."""
    if name == "text":
        return "".join(f"{line}\n" for line in validation_text(found, PLAIN))
    if name == "json":
        import orjson

        options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return harmless(orjson.dumps(validation_json(found), option=options).decode())
    text = format_of(name)(Findings(found.diagnostics, found.files, folder))
    return text if name == "github" else harmless(text)
