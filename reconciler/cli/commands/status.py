"""``gitops status``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@reads_store()
@prints()
def command(where: Where, output: Output) -> None:
    """Show sources, generation, orphans and drift."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.inspect import status

    address = where.settled().store
    found = status(store_to_read(address))
    if output.json:
        from reconciler.report.store_json import status_json

        output.data(status_json(found, address))
    else:
        from reconciler.report.store_text import status_text

        output.lines(status_text(found, address, output.style))
