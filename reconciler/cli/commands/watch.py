"""``gitops watch``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import Duration, Where, prints, reads_store
from reconciler.cli.running import SYSTEM
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.watch import Watch

_EVERY = 1.0
_SHARE = 4
"""Looking at a very large store takes a while; so many times as long it is left alone."""


@click.command(cls=Command)
@SYSTEM
@click.option("--failing", is_flag=True, help="On a terminal: leave out what is healthy.")
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="End by itself, such as after 30s.")
@reads_store()
@prints(stream=True)
def command(where: Where, output: Output, *, system: str | None, failing: bool, seconds: float | None) -> None:
    """Follow what happens: on a terminal a table that renews itself, else a line for each event.

    Events are changes of health and runs that failed. With --format json each is an object on a line of its own.
    """
    from reconciler.base.errors import GitopsError
    from reconciler.cli.stores import executing_to_read, store_to_read
    from reconciler.flows.watch import Watch
    from reconciler.store.address import told

    address = where.settled().store
    reader = store_to_read(address)
    if not reader.generation():
        raise GitopsError(f"the store {told(address)} is empty: nothing was applied yet", hint="gitops apply begins")
    watch = Watch(executing_to_read(reader), reader, system=system)
    end = None if seconds is None else time.monotonic() + seconds
    if output.terminal and not output.json:
        _screen(watch, output, end, failing=failing)
    else:
        _lines(watch, output, end)


def _lines(watch: Watch, output: Output, end: float | None) -> None:
    from reconciler.report.watch_text import news_json, news_lines

    while True:
        more = _pause(end)
        news = watch.news()
        if output.json:
            output.result("".join(f"{line}\n" for line in news_json(news)))
        elif news.any:
            output.lines(news_lines(news, output.style))
        if not more:
            return


def _screen(watch: Watch, output: Output, end: float | None, *, failing: bool) -> None:
    from reconciler.report.watch_text import Screen

    with Screen() as screen:
        while True:
            began = time.monotonic()
            screen.show(watch.health(failing=failing), watch.news(), output.style)
            if not _pause(end, at_least=_SHARE * (time.monotonic() - began)):
                return


def _pause(end: float | None, *, at_least: float = 0.0) -> bool:
    """Wait until it is time to look again; whether there will be another time."""
    wait = max(_EVERY, at_least)
    left = wait if end is None else end - time.monotonic()
    time.sleep(max(0.0, min(wait, left)))
    return end is None or time.monotonic() < end
