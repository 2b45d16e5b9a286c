"""``gitops automation``: here ``simulate`` and ``test``, which need no store."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.commands.automation_runs import COMMANDS
from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import Where, prints, reads_source
from reconciler.report.output import Output


@click.group(cls=LazyGroup)
def command() -> None:
    """What is done when something happens: tried before it is merged, and seen while it runs."""


@command.command(cls=Command)
@click.argument("name")
@click.option(
    "--event",
    "event",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="What happens, as YAML or JSON; - reads standard input.",
)
@click.option("--run", "run", type=click.IntRange(1), metavar="ID", help="What started this run of the store, instead.")
@reads_source()
@prints()
def simulate(where: Where, output: Output, *, name: str, event: Path | None, run: int | None) -> int:
    """Walk the automation NAME through what FILE says happens, with nothing done and no time lost.

    Shows which gates open, the path that is taken, and what each action would have sent; secrets stay references. FILE
    has event and payload, and may have at, health, results, artifacts, and then: what happens later. It reads the
    documents on disk and needs no store; --run takes the event and the results of a run that was recorded in one.
    Exits with 1 where the run would fail.
    """
    from reconciler.flows.automation_simulate import again, simulated
    from reconciler.report.automation_simulate import simulated_json, simulated_text

    source = where.open(worktree=True)
    if event is not None and run is None:
        came = simulated(source, name, event)
    elif run is not None and event is None:
        from reconciler.cli.stores import store_to_read

        came = again(source, name, store_to_read(source.store).db, run)
    else:
        raise click.UsageError("needs either --event FILE or --run ID")
    output.data(simulated_json(came)) if output.json else output.lines(simulated_text(came, output.style))
    return 1 if came.status == "failed" else 0


@command.command(cls=Command)
@click.argument("files", nargs=-1, metavar="[FILES]...", type=click.Path(path_type=Path, dir_okay=False))
@reads_source()
@prints()
def test(where: Where, output: Output, *, files: tuple[Path, ...]) -> int:
    """Simulate automations and compare what comes of it with what FILES expect.

    Without FILES, all scenarios in folders called scenarios. A scenario is what simulate takes, with automation and
    expect beside it. Exits with 1 when one comes out otherwise.
    """
    from reconciler.flows.automation_simulate import tried
    from reconciler.report.automation_simulate import tried_json, tried_text

    found = list(tried(where.open(worktree=True), files))
    output.data(tried_json(found)) if output.json else output.lines(tried_text(found, output.style))
    return 1 if any(each.differences for each in found) else 0


for _each in COMMANDS:
    command.add_command(_each)
