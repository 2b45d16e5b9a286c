"""``gitops worker``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import Duration, Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    _Addresses = click.ParamType[tuple[str, int]]
else:  # older releases of click have no parameter here
    _Addresses = click.ParamType

_MOST = 10_000


class Address(_Addresses):
    """HOST:PORT; without a host, or with ``*``, every address of this machine."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Fails with a sentence."""
        host, colon, port = str(value).rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and int(port) < 65_536):
            self.fail(f"{str(value)!r} isn't HOST:PORT", param, ctx)
        return host.strip("[]").removeprefix("*"), int(port)


@click.command(cls=Command)
@click.option(
    "--concurrency",
    type=click.IntRange(1, _MOST),
    default=100,
    show_default=True,
    metavar="N",
    envvar="GITOPS_CONCURRENCY",
    help="Runs at once, without scripts. [GITOPS_CONCURRENCY]",
)
@click.option(
    "--scripts",
    type=click.IntRange(1, 1000),
    metavar="N",
    envvar="GITOPS_SCRIPTS_AT_ONCE",
    help="Scripts at once; two for each core by default. [GITOPS_SCRIPTS_AT_ONCE]",
)
@click.option(
    "--lane",
    type=click.IntRange(1, _MOST),
    metavar="N",
    envvar="GITOPS_LANE",
    help="How many of the runs may be slow checks; a quarter by default. [GITOPS_LANE]",
)
@click.option(
    "--grace",
    type=Duration(),
    default="30s",
    show_default=True,
    envvar="GITOPS_GRACE",
    help="How long runs in flight may go on after SIGTERM. [GITOPS_GRACE]",
)
@click.option(
    "--lease",
    type=Duration(),
    default="15s",
    show_default=True,
    envvar="GITOPS_LEASE",
    help="After how long the slices of a killed worker run elsewhere. [GITOPS_LEASE]",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="NAME",
    help="Run the slices of this region instead of those without one, which local means. Repeatable.",
)
@click.option(
    "--metrics",
    type=Address(),
    metavar="HOST:PORT",
    envvar="GITOPS_METRICS",
    help="Serve /metrics, /healthz and /readyz there. [GITOPS_METRICS]",
)
@click.option(
    "--traces",
    is_flag=True,
    envvar="GITOPS_TRACES",
    help="Send a span for each run to where the OTEL_ variables say. Needs the extra otel. [GITOPS_TRACES]",
)
@click.option(
    "--no-automations",
    is_flag=True,
    envvar="GITOPS_NO_AUTOMATIONS",
    help="Run checks only, and leave automations to other workers. [GITOPS_NO_AUTOMATIONS]",
)
@reads_store()
@prints(stream=True)
def command(
    where: Where,
    output: Output,
    *,
    concurrency: int,
    scripts: int | None,
    lane: int | None,
    grace: float,
    lease: float,
    regions: tuple[str, ...],
    metrics: tuple[str, int] | None,
    traces: bool,
    no_automations: bool,
) -> int:
    """Run every slice of the store on its schedule, until told to stop.

    SIGTERM and Ctrl-C end it in good order: runs in flight may finish within the grace period, the rest is given back
    to other workers. A second signal ends it at once.
    """
    from reconciler.flows.work.knobs import Knobs
    from reconciler.flows.work.worker import work
    from reconciler.model.run import HOST, LOCAL
    from reconciler.report.worker_log import teller

    if lane is not None and lane > concurrency:
        raise click.UsageError("--lane can't be more than --concurrency", click.get_current_context())
    if lease < 1:
        raise click.UsageError("--lease has to be a second at least", click.get_current_context())
    knobs = Knobs(
        concurrency=concurrency,
        scripts=scripts or 2 * (os.cpu_count() or 1),
        lane=lane,
        grace=grace,
        lease=lease,
        regions=tuple(dict.fromkeys(LOCAL if region == HOST else region for region in regions)) or (LOCAL,),
        metrics=metrics,
        traces=traces,
        automations=not no_automations,
    )
    return work(where.settled().store, knobs, os.environ, teller(output))
