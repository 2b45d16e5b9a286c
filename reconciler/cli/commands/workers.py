"""``gitops workers``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@reads_store()
@prints()
def command(where: Where, output: Output) -> None:
    """List the workers: where they run, which regions they serve, what they can and what holds their scripts.

    One that was silent for three beats (15 seconds) is lost; after a day it is forgotten.
    """
    from reconciler.cli.stores import executing_to_read, store_to_read
    from reconciler.flows.crew import crew
    from reconciler.report.crew import crew_json, crew_text

    found = crew(executing_to_read(store_to_read(where.settled().store)))
    if output.json:
        output.data(crew_json(found))
    else:
        output.lines(crew_text(found, output.style))
