"""What became of an apply that was waited for, in words and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.flows.settling import Seen, Settled
from reconciler.model.run import HOST
from reconciler.report.run_json import name_json
from reconciler.report.style import Style, count, safe

_SHOWN = 50


def settled_text(settled: Settled, style: Style) -> Iterator[str]:
    """One line when all is well; else each slice that isn't."""
    slices = count(settled.changed, "changed slice")
    aside = f" {count(settled.replaced, 'slice')} was changed by another apply meanwhile." if settled.replaced else ""
    if settled.well:
        if settled.changed:
            yield style(f"{slices} ran, and none is worse than before.{aside}", "green")
        return
    if settled.idle:
        yield style(
            f"No worker is alive to run {slices}: start one (gitops worker), or look with gitops status.", "red"
        )
        return
    for mark, title, found in (
        ("✗", "worse than before, or new and failing", settled.failing),
        ("?", f"without a run within {settled.seconds:.0f} s", settled.missing),
    ):
        if found:
            yield style(f"{len(found):,} of {slices} {title}:{aside}", "bold")
            yield from (f"  {style(f'{mark} {_told(seen)}', 'red')}" for seen in found[:_SHOWN])
            if len(found) > _SHOWN:
                yield f"  and {len(found) - _SHOWN:,} more"
    if settled.unserved:
        names = ", ".join(safe(region or HOST) for region in settled.unserved)
        yield f"No worker is alive in: {names} (gitops workers lists them)."


def _told(seen: Seen) -> str:
    region = f" ({seen.region})" if seen.region else ""
    if seen.run is None:
        return safe(f"{seen.name}{region}")
    was = f"was {seen.was}" if seen.was is not None else "had no run before"
    why = f": {seen.run.reason}" if seen.run.reason else ""
    return safe(f"{seen.name}{region}: {seen.run.outcome}, {was}{why}")


def settled_json(settled: Settled, *, rolled_back: int | None = None) -> dict[str, Any]:
    """``rolledBack`` is the generation that undid the apply, if one did."""
    return {
        "well": settled.well,
        "workers": not settled.idle,
        "changed": settled.changed,
        "replaced": settled.replaced,
        "seconds": round(settled.seconds, 3),
        "failing": [_json(seen) for seen in settled.failing],
        "missing": [_json(seen) for seen in settled.missing],
        "unservedRegions": [region or HOST for region in settled.unserved],
        "rolledBack": rolled_back,
    }


def _json(seen: Seen) -> dict[str, Any]:
    run = seen.run
    return {
        **name_json(seen.name),
        "region": seen.region or None,
        "was": seen.was,
        "now": seen.now,
        "outcome": run.outcome if run is not None else None,
        "reason": run.reason if run is not None else None,
    }
