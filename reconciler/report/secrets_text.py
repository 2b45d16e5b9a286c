"""Secrets as people and machines read about them: names and places, never a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.flows.secrets import Use
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.moments import iso, moment
from reconciler.report.style import Style, count
from reconciler.report.table import table
from reconciler.secrets.port import Listed

Found = Sequence[tuple[str, bool, Listed]]
"""(what it is kept in, whether runs ask there, the secret)."""


def listed_table(found: Found, style: Style) -> Iterator[str]:
    """One line for each secret and place."""
    rows = [
        [
            listed.name.name,
            listed.name.environment or "all",
            title if used else f"{title} (not asked)",
            "-" if listed.at is None else moment(listed.at),
            listed.actor or "-",
        ]
        for title, used, listed in found
    ]
    return table(["SECRET", "ENVIRONMENT", "KEPT IN", "SINCE", "BY"], rows, style)


def listed_json(found: Found) -> dict[str, Any]:
    """The same as data."""
    secrets = [
        {
            "name": listed.name.name,
            "environment": listed.name.environment,
            "keptIn": title,
            "where": listed.where,
            "asked": used,
            "at": iso(listed.at),
            "actor": listed.actor or None,
        }
        for title, used, listed in found
    ]
    return {"format": FORMAT, "secrets": secrets}


def uses_text(uses: Sequence[Use], style: Style) -> Iterator[str]:
    """One line for each secret and environment that slices or automations name it in, and what is missing."""
    rows = [
        [
            *(use.name, use.environment or "none", f"{use.slices:,}", f"{use.automations:,}"),
            use.where or f"missing: {use.problem}",
        ]
        for use in uses
    ]
    yield from table(["SECRET", "ENVIRONMENT", "SLICES", "AUTOMATIONS", "FOUND"], rows, style)
    missing = [use for use in uses if use.problem is not None]
    yield ""
    if missing:
        slices, automations = sum(use.slices for use in missing), max(use.automations for use in missing)
        told = [f"{len(missing)} of {len(uses)} can't be had"]
        told += [f"{count(slices, 'slice')} can't be observed"] if slices else []
        told += ["automations can't do what they are for"] if automations else []
        yield style(f"{'; '.join(told)}.", "red")
    else:
        yield style("All are there.", "green")


def uses_json(uses: Sequence[Use]) -> dict[str, Any]:
    """The same as data."""
    found = [
        {
            "name": use.name,
            "environment": use.environment,
            "slices": use.slices,
            "automations": use.automations,
            "found": use.problem is None,
            "where": use.where,
            "problem": use.problem,
        }
        for use in uses
    ]
    return {"format": FORMAT, "secrets": found}
