"""``gitops drift``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import FULL, Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.option("--exit-code", is_flag=True, help="Exit with 4 when there is drift.")
@FULL
@reads_store()
@prints(quiet=True)
def command(where: Where, output: Output, *, exit_code: bool, full: bool) -> int:
    """Find writes made outside an apply. Compares every row; changes nothing, and doesn't look at git."""
    from reconciler.cli.planning import DRIFT
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.inspect import drift

    report = drift(store_to_read(where.settled().store))
    if output.json:
        from reconciler.report.store_json import drift_json

        output.data(drift_json(report))
    elif not output.quiet:
        from reconciler.report.store_text import drift_text

        output.lines(drift_text(report, output.style, full=full))
    return DRIFT if exit_code and report.drifted else 0
