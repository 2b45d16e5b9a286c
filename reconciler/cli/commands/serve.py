"""``gitops serve``."""

from __future__ import annotations

import os

import click

from reconciler.cli.commands.worker import Address
from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.option(
    "--webhooks",
    type=Address(),
    required=True,
    metavar="HOST:PORT",
    envvar="GITOPS_WEBHOOKS",
    help="Take webhooks for automations there, at /hooks/NAME. [GITOPS_WEBHOOKS]",
)
@click.option(
    "--metrics",
    type=Address(),
    metavar="HOST:PORT",
    envvar="GITOPS_METRICS",
    help="Serve /metrics there, apart from what strangers reach. [GITOPS_METRICS]",
)
@reads_store()
@prints(stream=True)
def command(where: Where, output: Output, *, webhooks: tuple[str, int], metrics: tuple[str, int] | None) -> int:
    """Take webhooks, and put those that are signed into the store, where workers find them.

    It needs the extra webhooks. What it speaks is plain HTTP: put a proxy with TLS before it. SIGTERM and Ctrl-C end it
    once what it is at is answered.
    """
    from reconciler.base.errors import GitopsError
    from reconciler.flows.webhooks import missing

    remedy = missing()
    if remedy is not None:
        raise GitopsError("webhooks need a library that isn't installed here", hint=remedy)
    from reconciler.flows.webhooks.serving import serve
    from reconciler.report.webhook_log import teller

    return serve(where.settled().store, webhooks, os.environ, teller(output), metrics=metrics)
