"""``gitops status``."""

from __future__ import annotations

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import FULL, Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.option("--system", metavar="NAME", help="The checks of this system only.")
@click.option("--failing", is_flag=True, help="Leave out what is healthy.")
@FULL
@reads_store()
@prints()
def command(where: Where, output: Output, *, system: str | None, failing: bool, full: bool) -> None:
    """Show what was applied, and how healthy that is.

    Sources, generation, orphans and drift; beneath, each system in each environment, the worst first, open incidents,
    and maintenances that go on.
    """
    from reconciler.cli.stores import executing_to_read, store_to_read
    from reconciler.flows.health import health, only_failing, system_uid
    from reconciler.flows.incidents import now
    from reconciler.flows.inspect import status
    from reconciler.store.address import told

    settled = where.settled().store
    reader, address = store_to_read(settled), told(settled)
    found = status(reader)
    with without_gc():
        report = health(executing_to_read(reader), reader, system=system)
        if failing:
            report = only_failing(report)
        beside = now(reader.db, None if system is None else system_uid(reader, system))
        if output.json:
            from reconciler.report.health_json import health_json
            from reconciler.report.incidents_json import now_json
            from reconciler.report.store_json import status_json

            output.data({**status_json(found, address), "health": health_json(report), **now_json(beside)})
            return
        from reconciler.report.health_text import health_text, system_text
        from reconciler.report.incidents_text import now_lines
        from reconciler.report.store_text import status_text

        style = output.style
        if system is not None:
            output.lines([*system_text(report, system, style), *now_lines(beside, style)])
            return
        output.lines(status_text(found, address, style))
        if found.generation is not None:
            output.lines(["", *health_text(report, style, full=full or failing)])
        output.lines(now_lines(beside, style))
