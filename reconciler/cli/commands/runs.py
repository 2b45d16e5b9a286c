"""``gitops runs``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.names import slice_names
from reconciler.cli.options import FULL, Duration, Where, newest, prints, reads_store
from reconciler.report.output import Output

_DAY = 86_400.0


@click.command(cls=Command)
@click.argument("slice_", metavar="SYSTEM/CHECK[/ENVIRONMENT]", shell_complete=slice_names)
@newest(20)
@click.option("--since", type=Duration(), metavar="DURATION", help="Not older than this, such as 2h.")
@click.option("--last", is_flag=True, help="The newest run in full: assertions, phases, sandbox, origin.")
@click.option("--hours", "span", flag_value="hour", help="A line for each hour of the last day, with percentiles.")
@click.option("--days", "span", flag_value="day", help="A line for each day of the last month, with percentiles.")
@FULL
@reads_store()
@prints()
def command(
    where: Where,
    output: Output,
    *,
    slice_: str,
    limit: int,
    since: float | None,
    last: bool,
    span: str | None,
    full: bool,
) -> None:
    """Show the last runs of one slice, and where its health changed between them."""
    from reconciler.cli.stores import executing_to_read, store_to_read
    from reconciler.flows.runs import past, summary
    from reconciler.report import past_text

    if last and span is not None:
        raise click.UsageError("--last and --hours or --days exclude each other", click.get_current_context())
    reader = store_to_read(where.settled().store)
    results = executing_to_read(reader)
    if span is not None:
        back = since or (_DAY if span == "hour" else 31 * _DAY)
        found, digests = summary(results, reader, slice_, span=span, back=back)
        if output.json:
            from reconciler.report.past_json import digests_json

            output.data(digests_json(found.name, digests, span))
        else:
            output.lines(past_text.digests_text(found.name, digests, span, output.style))
        return
    told = past(results, reader, slice_, limit=1 if last else limit, since=since)
    if output.json:
        from reconciler.report.past_json import past_json

        output.data(past_json(told, detail=last or full))
    elif last:
        output.lines(past_text.last_text(told, output.style, full=full))
    else:
        output.lines(past_text.past_text(told, output.style))
