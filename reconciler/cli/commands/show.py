"""``gitops show``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import FULL, Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("generation", type=click.IntRange(min=1))
@FULL
@reads_store()
@prints()
def command(where: Where, output: Output, *, generation: int, full: bool) -> None:
    """Show what one GENERATION changed, field by field."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.inspect import show

    shown = show(store_to_read(where.settled().store), generation)
    if output.json:
        from reconciler.report.store_json import shown_json

        output.data(shown_json(shown))
    else:
        from reconciler.report.store_text import shown_text

        output.lines(shown_text(shown, output.style, full=full))
