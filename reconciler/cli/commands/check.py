"""``gitops check list|pause|resume``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.names import slice_names
from reconciler.cli.options import Duration, Where, prints, reads_store
from reconciler.report.output import Output
from reconciler.report.style import count

_SLICES = click.argument(
    "slices", metavar="SYSTEM[/CHECK[/ENVIRONMENT]]...", nargs=-1, required=True, shell_complete=slice_names
)
_REGION = click.option("--region", metavar="NAME", help="In this region only; local is the one without a name.")


@click.group(cls=LazyGroup)
def command() -> None:
    """Checks that don't run for now: let some pause, see which do and why, let them run again.

    A slice is set aside by itself when its runs take their workers down.
    """


@command.command("list", cls=Command)
@reads_store()
@prints()
def list_paused(where: Where, output: Output) -> None:
    """List what is paused or set aside: by whom, why, until when."""
    from reconciler.cli.stores import executing_to_read, store_to_read
    from reconciler.flows.pausing import paused
    from reconciler.report.paused import paused_json, paused_text

    reader = store_to_read(where.settled().store)
    hands = executing_to_read(reader)
    found = paused(hands, reader)
    if output.json:
        output.data(paused_json(found))
    else:
        output.lines(paused_text(found, hands.now(), output.style))


@command.command(cls=Command)
@_SLICES
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever wonders.")
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="Run again by itself, such as after 2h.")
@_REGION
@reads_store()
@prints(quiet=True)
def pause(
    where: Where,
    output: Output,
    *,
    slices: tuple[str, ...],
    reason: str,
    seconds: float | None,
    region: str | None,
) -> None:
    """Let slices not run until they are resumed. What runs just now may finish; health stays what it was."""
    from reconciler.cli.stores import executing, store_to_read
    from reconciler.flows.apply import Actor
    from reconciler.flows.pausing import slots
    from reconciler.report.moments import moment
    from reconciler.report.paused import slots_json, slots_text

    address = where.settled().store
    reader, hands = store_to_read(address), executing(address)
    found = slots(hands, reader, slices, region=region)
    until = None if seconds is None else hands.now() + seconds
    hands.pause([(s.key, s.region) for s in found], actor=Actor.here().name, reason=reason, until=until)
    if output.json:
        output.data(slots_json(found, "paused", until=until))
        return
    ends = "until gitops check resume" if until is None else f"until {moment(until)}"
    output.lines([f"Paused {count(len(found), 'slice')} {ends}:", *slots_text(found)])


@command.command(cls=Command)
@_SLICES
@_REGION
@reads_store()
@prints(quiet=True)
def resume(where: Where, output: Output, *, slices: tuple[str, ...], region: str | None) -> None:
    """Let slices run again that are paused or set aside; at once, where a tick was missed."""
    from reconciler.cli.stores import executing, store_to_read
    from reconciler.flows.pausing import paused, slots
    from reconciler.report.paused import slots_json, slots_text

    address = where.settled().store
    reader, hands = store_to_read(address), executing(address)
    there = {(p.row.key, p.row.region) for p in paused(hands, reader)}
    found = [s for s in slots(hands, reader, slices, region=region) if (s.key, s.region) in there]
    hands.resume([(s.key, s.region) for s in found])
    if output.json:
        output.data(slots_json(found, "resumed"))
    elif found:
        output.lines([f"Resumed {count(len(found), 'slice')}:", *slots_text(found)])
    else:
        output.lines(["None of these is paused or set aside."])
