"""``gitops history``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, newest first."
)
@click.option("--all", "every", is_flag=True, help="All of them.")
@reads_store()
@prints()
def command(where: Where, output: Output, *, limit: int, every: bool) -> None:
    """List applies: who, when, which commit, what changed."""
    from reconciler.cli.stores import store_to_read

    rows = store_to_read(where.settled().store).history(None if every else limit)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.store_json import generation_json

        output.data({"format": FORMAT, "generations": [generation_json(r) for r in rows]})
    elif rows:
        from reconciler.report.store_text import history_table

        output.lines(history_table(rows, output.style))
    else:
        output.lines(["Nothing was applied yet."])
